/* run.h: running one claimed job. */
#ifndef WORKER_RUN_H
#define WORKER_RUN_H

#include "queue/claim.h"
#include "worker/worker_state.h"

/* Start it, wait for its whole tree, record the result (or put it back).  Logs
 * one line.  A job that detached itself makes the worker leave.  0, or the errno of
 * our own trouble for which it was not started. */
int run_job(struct worker *w, struct claim *c);

/* Put it back, however long that takes: as long as we live nobody else will.  Once we
 * leave, it is left to whoever recovers our run.  True: it is back, or was taken away. */
bool run_put_back(struct worker *w, struct claim *c);

#endif
