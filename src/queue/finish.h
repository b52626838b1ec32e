/* finish.h: how a run's end is recorded.
 *
 *   document with the result in tmp/, EXCHANGE with the processing file, logs
 *   renamed, rename to done/, failed/ or dead/
 *
 * The exchange finds the file gone when an operator took the job away: then the
 * result goes to the journal only, and the job is not brought back to life.  A
 * crash after it leaves a processing file that holds the result under this very
 * name; whoever recovers it rolls it forward. */
#ifndef QUEUE_FINISH_H
#define QUEUE_FINISH_H

#include "queue/claim.h"

enum finish_result {
    FINISH_MOVED,
    FINISH_TAKEN_AWAY, /* an operator took the job: journalled */
    FINISH_ERROR       /* nothing moved, or not all: call again with the same claim */
};

/* Record r (its run, attempt and worker are filled in from the claim) and move
 * the job.  *renamed: the worker's log files took the run's name. */
enum finish_result finish_run(struct queue *q, struct claim *c, struct run *r, bool *renamed,
                              struct err *err);

/* Only the last part, for a processing file that holds its result already. */
enum finish_result finish_move(struct queue *q, struct claim *c, struct err *err);

#endif
