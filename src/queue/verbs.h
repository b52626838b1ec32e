/* verbs.h: what an operator may do to a job, by the table of transitions.
 *
 *  verb    pending            failed              processing     done        dead
 *  cancel  dead               dead                ended, dead    no          no
 *  retry   due now            due now             no             anew        anew
 *  delete  gone               gone                no             gone        gone
 *  hold    held               held                no             no          no
 *  release due / at run_at    due now             no             no          no
 *  edit    yes                yes                 no             no          no
 *
 * Each takes the id's lock first, looks again, puts a changed document in by
 * exchange, then moves the job with one rename: a crash leaves before or after.
 * What a verb was done is synced when it returns.
 * ERR_UNKNOWN no such job; ERR_STATE the table says no (the text says what to do
 * instead); ERR_BUSY somebody moves it just now and did not stop within 2 s.
 */
#ifndef QUEUE_VERBS_H
#define QUEUE_VERBS_H

#include "queue/queue.h"

/* *running: it is processing: a request was left in control/ for its worker, and
 * `run` is the name of that run; wait with verb_cancel_wait. */
int verb_cancel(struct queue *q, const char *id, bool *running, char run[FILE_NAME_MAX + 1],
                struct err *err);
/* Wait until that run is gone: 0, or -1 with ERR_BUSY after timeout_ms. */
int verb_cancel_wait(struct queue *q, const char *id, const char *run, int64_t timeout_ms,
                     struct err *err);

/* For a report about a quarantined file: the file goes back into pending/ and
 * the report goes. */
int verb_retry(struct queue *q, const char *id, struct err *err);
int verb_delete(struct queue *q, const char *id, struct err *err);
/* The same for a job that was just seen there (list.h): for deleting many, since
 * nothing is looked for as long as it has not moved.  Whoever deletes many makes it
 * last by verb_delete_sync() for each folder, at the end. */
int verb_delete_at(struct queue *q, enum dir state, const char *file, struct err *err);
int verb_delete_sync(struct queue *q, enum dir state, struct err *err);
int verb_hold(struct queue *q, const char *id, struct err *err);
int verb_release(struct queue *q, const char *id, struct err *err);

/* Change members of a waiting job: `changes` is a JSON object; a member set to
 * null is removed.  id and recorded members are refused. */
int verb_edit(struct queue *q, const char *id, const char *changes, size_t n, struct err *err);

/* Switches. */
int verb_pause(struct queue *q, struct err *err);
int verb_resume(struct queue *q, bool *was_paused, struct err *err);
/* Wall time since when, or -1 if not paused. */
int64_t verb_paused_since(struct queue *q);

#endif
