/* wait.h: until jobs have ended, woken by the spool's own watch. */
#ifndef QUEUE_WAIT_H
#define QUEUE_WAIT_H

#include "queue/queue.h"

/* A job that was dropped through this handle (drop.h) and refused counts as dead. */
enum wait_end { WAIT_DONE, WAIT_DEAD, WAIT_TIMEOUT, WAIT_INTERRUPTED };

struct wait_how {
    int64_t timeout_ms;               /* < 0: for ever */
    const volatile int *interrupted;  /* or NULL; a signal handler sets it to end the wait */
    void (*begins)(void *arg);        /* or NULL; called once if the first look does not end it,
                                         and timeout_ms is not 0 */
    void *arg;                        /* of begins */
};

/* Wait until each of the n jobs lies in done/ or dead/ (ERR_UNKNOWN where one
 * was never there or was deleted meanwhile; where jobs are hidden from us it may run,
 * and is waited for).  n = 0: until nothing is pending,
 * failed or processing (ERR_BAD where that cannot be seen); jobs that died meanwhile
 * count.  Held jobs are waited
 * for only by name.  *end: WAIT_DEAD if one is dead. */
int wait_jobs(struct queue *q, const char *const *ids, size_t n, const struct wait_how *how,
              enum wait_end *end, struct err *err);

/* One cheap look, as wait_jobs has it between two events: 1 ended, 0 not yet, -1 *err.
 * For telling of the others when one that is unknown has ended the wait. */
int wait_look(struct queue *q, const char *id, struct err *err);

#endif
