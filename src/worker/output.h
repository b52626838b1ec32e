/* output.h: the two files a worker's jobs write to (queue/logs.h names them).
 *
 * The job writes them itself, opened O_APPEND, never through a pipe.  They are
 * used again as long as they stay empty. */
#ifndef WORKER_OUTPUT_H
#define WORKER_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "queue/logs.h"

struct output {
    int fd[2]; /* by enum logs_stream; -1 not open */
    int64_t cut; /* bytes cut off in this run */
    bool empty;  /* both, when output_limit looked last, and nobody writes any more */
};

#define OUTPUT_INIT {{-1, -1}, 0, false}

/* Open what is not open. 0 or -1. */
int output_open(struct output *o, struct queue *q);
/* Cut each file back to max bytes (0: no bound); what went is added to cut. */
void output_limit(struct output *o, int64_t max);
/* After a run: renamed: the files are the run's now; else what is in them goes. */
void output_next(struct output *o, bool renamed);
/* At the end of the worker: close and remove.  -1: a file is left. */
int output_close(struct output *o, struct queue *q);

/* The last line of the run's stderr, at most n-1 bytes, or "". */
void output_last_line(struct queue *q, char *out, size_t n);

#endif
