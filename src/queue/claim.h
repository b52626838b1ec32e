/* claim.h: one worker wins one job.
 *
 *   lock ids/ID, rename pending|failed -> processing with our token, then look
 *   whether the document fits
 *
 * The rename decides: of all that try, one finds the name still there.  A crash
 * leaves a file in processing/ whose worker is dead; see recover.h. */
#ifndef QUEUE_CLAIM_H
#define QUEUE_CLAIM_H

#include "queue/queue.h"

struct claim {
    struct name name;              /* as in processing/ */
    char run[FILE_NAME_MAX + 1];   /* that name as text: names this run for ever */
    enum dir from;                 /* where it came from */
    char file[FILE_NAME_MAX + 1];  /* and under which name */
    int lock;                      /* on the id; held until claim_release */
    struct job job;
    bool silent;      /* it is known that the run wrote nothing */
    bool is_recorded; /* the document holds the run's result */
    struct buf result;             /* the document with its result, once made */
    enum fate fate;                /* with it */
    struct buf aside;              /* what was in the way of it: "quarantine/x, ..." */
    int64_t next_run_us;
};

enum claim_result {
    CLAIM_WON,     /* the caller runs it, then finishes or puts back, then releases */
    CLAIM_LOST,    /* gone: somebody else was faster */
    CLAIM_BUSY,    /* its id is locked: a run of it lives, or somebody moves it; look again */
    CLAIM_NOT_YET, /* the file is still being written: it was put back; look again */
    CLAIM_REFUSED, /* it is no job: it lies in quarantine/ (*err says why) */
    CLAIM_ERROR,   /* trouble, no verdict; it lies where it was (*err) */
    CLAIM_STUCK    /* the same, but it could not be put back: the caller does that (the disk
                    * may have become read-only in between), then releases */
};
enum claim_result claim_take(struct queue *q, enum dir from, const char *file, struct claim *c,
                             struct err *err);
void claim_release(struct claim *c);

/* Back to pending/, the attempt not counted: one rename. -1 ENOENT: taken away;
 * ESTALE: pending/ is not the folder any more that it was. */
int claim_put_back(struct queue *q, struct claim *c);

#endif
