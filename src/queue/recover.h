/* recover.h: what the dead left.
 *
 * A file in processing/ whose worker is dead is an orphaned run.  Its processes
 * may live on: they hold the id's lock, or are named by the worker's record, or
 * carry the run in their environment.  As long as one of them lives the run
 * lives: it is ended (or waited for, by setting).  Then its result is rolled
 * forward if it was stored, and else the run is lost. */
#ifndef QUEUE_RECOVER_H
#define QUEUE_RECOVER_H

#include "queue/queue.h"

struct orphan {
    char run[FILE_NAME_MAX + 1];
    int64_t term_us; /* monotonic: when its processes were asked to end; 0 not yet */
    bool lived;      /* processes of it were seen: it began, whatever its record says */
    bool said;       /* the caller's: it was told of */
    bool said_trouble; /* the same */
};

enum recover_result {
    RECOVER_SETTLED, /* rolled forward, put back, lost, or not there any more */
    RECOVER_OWNED,   /* its worker lives: none of our business */
    RECOVER_ALIVE,   /* processes of it live: call again soon */
    RECOVER_ERROR    /* trouble, no verdict (*err): call again later */
};
enum recover_result recover_run(struct queue *q, struct orphan *o, int64_t mono_now_us,
                                struct err *err);

/* What has no run any more: files of dead workers and pools, their litter in
 * tmp/ and logs/, their dot names in pending/, requests that are void, and
 * others' files in tmp/ after 36 hours. */
void recover_sweep(struct queue *q);

/* A copied spool: every run is lost (its processes belong to the original), all
 * workers' files and requests go. */
int recover_adopt(struct queue *q, struct err *err);

#endif
