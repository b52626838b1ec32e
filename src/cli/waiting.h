/* waiting.h: waiting for jobs, with SIGINT as the way out. */
#ifndef CLI_WAITING_H
#define CLI_WAITING_H

#include "queue/queue.h"

/* Wait for them (n 0: for all); timeout_ms < 0: for ever.  The dead and the
 * unknown among them are named on stderr.  EXIT_DONE, EXIT_FAILED, EXIT_TIMEOUT,
 * EXIT_INTERRUPTED. */
int waiting_for(struct queue *q, const char *const *ids, size_t n, int64_t timeout_ms);

/* Wait for one; its last run's code as `enqueue --wait` promises it.  json: print
 * the document when it has ended. */
int waiting_for_one(struct queue *q, const char *id, bool json);

/* Set by SIGINT after waiting_catch(): look at it between steps. */
extern volatile int waiting_interrupted;
void waiting_catch(void);

#endif
