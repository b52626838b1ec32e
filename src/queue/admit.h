/* admit.h: taking in what others dropped into pending/.
 *
 *   inspect it without harm; own it by renaming it to a dot name with our
 *   token; lock its id; exchange in a synced copy of exactly the bytes that were
 *   parsed (with what the queue adds); rename to the canonical name
 *
 * A crash leaves the foreign file, a dot name whose taker is dead (recover.h
 * puts it back), or the job. */
#ifndef QUEUE_ADMIT_H
#define QUEUE_ADMIT_H

#include "queue/queue.h"

#define ADMIT_BATCH 128          /* files looked at between two dispatches, at most */
#define ADMIT_UNCHANGED_MS 5000  /* not whole, nobody writing: no job */

/* A foreign file that is watched until its fate is known. */
struct dropped {
    char file[FILE_NAME_MAX + 1];
    int tries;             /* looks that said "not yet" */
    int64_t look_us;       /* monotonic: look again then */
    int64_t unchanged_us;  /* monotonic: size and mtime are the same since; 0: not seen */
    int64_t size;
    int64_t mtime_ns;
};

enum admit_fate {
    ADMIT_TAKEN,    /* it is in pending/ as `canonical` */
    ADMIT_GONE,     /* no longer there */
    ADMIT_REJECTED, /* it lies in quarantine/; why */
    ADMIT_LATER,    /* look again at look_us (set here) */
    ADMIT_ERROR     /* trouble, no verdict (why): look again at look_us */
};

/* Look at n <= ADMIT_BATCH files with one scan for ids and one sync; tell each
 * one's fate. links: it waits only for its second name to go. */
void admit_batch(struct queue *q, struct dropped *const *dropped, size_t n, int64_t mono_now_us,
                 void (*tell)(struct dropped *d, enum admit_fate fate, const char *canonical,
                              const char *why, bool links, void *arg),
                 void *arg);

/* Dot names in pending/ whose taker is dead get their own names back. */
int admit_put_back(struct queue *q, struct err *err);

#endif
