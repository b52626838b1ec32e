/* run.h: running one claimed job. */
#ifndef WORKER_RUN_H
#define WORKER_RUN_H

#include "queue/claim.h"
#include "worker/worker_state.h"

/* Start it, wait for its whole tree, record the result (or put it back).  Logs
 * one line.  A job that detached itself makes the worker leave. */
bool run_job(struct worker *w, struct claim *c);

#endif
