/* waiting.h: waiting for jobs, with SIGINT as the way out. */
#ifndef CLI_WAITING_H
#define CLI_WAITING_H

#include "cli/cli.h"
#include "queue/queue.h"

/* Wait for them (n 0: for all); timeout_ms < 0: for ever.  The dead and the
 * unknown among them are named on stderr; so is what keeps all from running, if it
 * has to wait (open_say_stuck).  EXIT_DONE, EXIT_FAILED, EXIT_TIMEOUT,
 * EXIT_INTERRUPTED. */
int waiting_for(const struct call *c, struct queue *q, const char *const *ids, size_t n,
                int64_t timeout_ms);

/* Print the documents of those that have ended, in this order, as an array. EXIT_... */
int waiting_print(struct queue *q, const char *const *ids, size_t n);

/* Wait for one; its last run's code as `enqueue --wait` promises it.  json: print
 * the document when it has ended. */
int waiting_for_one(const struct call *c, struct queue *q, const char *id, bool json);

/* Set by SIGINT after waiting_catch(): look at it between steps. */
extern volatile int waiting_interrupted;
void waiting_catch(void);

#endif
