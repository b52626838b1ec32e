/* logs.h: what the runs of a job wrote. */
#ifndef QUEUE_LOGS_H
#define QUEUE_LOGS_H

#include "queue/queue.h"

struct claim;

enum logs_stream { LOGS_OUT, LOGS_ERR };

/* Open the log of run `run` of this job for reading.  -1 ENOENT: it wrote
 * nothing there.  The run that goes on just now (job in processing; run =
 * runs + 1) is read from its worker's own file; *live is then true. */
int logs_open(struct queue *q, const char *id, int run, enum logs_stream stream, bool *live);

/* The claimed run has ended: what its worker's own files hold becomes the log of
 * the job's last run; an empty file stays for the next run, and the log that
 * falls out of the last JOB_HISTORY_MAX goes.  *renamed: the worker must open its
 * files anew. */
int logs_keep(struct queue *q, struct claim *c, bool *renamed);
/* Remove the files of a dead worker.  -1 errno: one is left. */
int logs_sweep(struct queue *q, const char *token);

/* A new job takes over a stale id: the logs of the old one go (the runs that are
 * kept at most: 1 to JOB_HISTORY_MAX, by name, without a scan). */
void logs_forget(struct queue *q, const char *id);
/* Remove the logs of a job that had so many runs (those that are kept); -1: that is
 * not known, and the folder is read. */
int logs_remove(struct queue *q, const char *id, int runs, struct err *err);

/* The file name of a run's log. */
void logs_name(const char *id, int run, enum logs_stream stream, char out[FILE_NAME_MAX + 1]);
/* ... and of a worker's own log while it writes. */
void logs_worker_name(const char *token, enum logs_stream stream, char out[FILE_NAME_MAX + 1]);

#endif
