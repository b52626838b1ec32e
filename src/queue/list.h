/* list.h: the jobs of the queue in their order: processing, pending in the order
 * it would run, failed by due time, done and dead newest first. Only the
 * documents that are shown are opened. */
#ifndef QUEUE_LIST_H
#define QUEUE_LIST_H

#include "queue/find.h"

/* What part of the queue: a state, or a part of pending. */
enum list_part { LIST_ALL, LIST_STATE, LIST_SCHEDULED, LIST_READY, LIST_HELD };

struct list_filter {
    enum list_part part;
    enum dir state;   /* for LIST_STATE */
    size_t limit;     /* 0: none */
    const char *error_text; /* only jobs whose last_error holds this; NULL: any */
    int64_t older_than_us;  /* only jobs last changed before this wall time; 0: any */
};

/* "pending", "completed", "scheduled" ...; false: no such word. */
bool list_filter_parse(const char *word, struct list_filter *f);

/* Visit each job; its document may be unreadable, then job.doc is NULL and
 * last_error says why.  The visitor returns non-zero to end (returned). */
int list_jobs(struct queue *q, const struct list_filter *f,
              int (*visit)(struct found *job, void *arg), void *arg, struct err *err);

/* May this part hold jobs that are closed to us? */
bool list_is_partial(const struct queue *q, const struct list_filter *f);

/* Counts, without opening a document. */
struct counts {
    size_t state[STATE_COUNT];
    size_t scheduled; /* of pending: due later */
    size_t held;      /* of pending and failed */
    size_t foreign;   /* of pending: dropped and not taken in yet (counted in pending too) */
};
int list_count(struct queue *q, struct counts *c, struct err *err);

#endif
