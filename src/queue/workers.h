/* workers.h: the pools and workers that live on this spool, seen from outside. */
#ifndef QUEUE_WORKERS_H
#define QUEUE_WORKERS_H

#include "queue/queue.h"
#include "spool/live.h"

struct workers_seen {
    struct live_record *record; /* the living: pools first, then workers, by pid */
    size_t count;
    size_t pools;
    size_t workers;
};
int workers_look(struct queue *q, struct workers_seen *out, struct err *err);
void workers_release(struct workers_seen *w);

/* The id of the job a worker runs, or "" when idle. */
void workers_job(const struct live_record *r, char id[ID_MAX + 1]);

/* Ask every pool that lives now to end; now: end the jobs and put them back.
 * A pool that starts later does not obey.  0, *pools = how many were asked. */
int workers_ask_stop(struct queue *q, bool now, size_t *pools, struct err *err);

#endif
