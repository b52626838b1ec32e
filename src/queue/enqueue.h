/* enqueue.h: a job comes in through us: durable before it is acknowledged.
 *
 *   lock ids/ID (made anew), write tmp/u, sync, rename to pending/, sync pending/
 *
 * A crash leaves litter in tmp/ and a free id, or the job, unacknowledged.
 *
 * Where this user is a member (spool.h) all but enqueue_unique drop files instead,
 * see drop.h. */
#ifndef QUEUE_ENQUEUE_H
#define QUEUE_ENQUEUE_H

#include "queue/find.h"

/* Put one job into pending/.  `job` was read by job_parse; afterwards it is as
 * stored (id, created_at ... filled).  ERR_EXISTS: the id is in use. */
int enqueue_job(struct queue *q, struct job *job, struct err *err);

/* Many with one sync: either all of them are enqueued or, on any error, none;
 * *bad is then the index of the job that the error is about (n when it is about
 * none in particular).  Names rise strictly, so one priority runs in order. */
int enqueue_many(struct queue *q, struct job *jobs, size_t n, size_t *bad, struct err *err);

/* Put one job into pending/ unless one with its id (which it must have) waits or
 * runs.  0: it is enqueued; a done or dead job of that id made room as if it had
 * been deleted.  1: one is there: *there is what it was when we looked, for the
 * caller to release; nothing was added, and it survives a power cut too.
 * -1: ERR_STATE the id is that of a report about a quarantined file; ERR_BUSY
 * somebody moved the old job and did not stop within 5 s;
 * ERR_BAD a member cannot know. */
int enqueue_unique(struct queue *q, struct job *job, struct found *there, struct err *err);

/* The same, but nothing is stored: 0 as enqueue_dry, 1 as enqueue_unique. */
int enqueue_unique_dry(struct queue *q, struct job *job, struct found *there, struct err *err);

/* Fill in what would be stored, and store nothing (--dry-run). */
int enqueue_dry(struct queue *q, struct job *job, struct err *err);

#endif
