/* batch.h: many jobs from the lines of a file, all of them or none.
 *
 *   enqueue_batch.c, enqueue_lines.c   what a line is: struct batch_input
 *   batch.c         batch_run: store, print, wait
 *   batch_read.c    lines to jobs
 *   batch_skip.c    --skip-bad
 */
#ifndef CLI_BATCH_H
#define CLI_BATCH_H

#include "cli/enqueue.h"

enum batch_made { BATCH_JOB, BATCH_EMPTY, BATCH_BAD };

/* The job of one line (without its end): BATCH_BAD with *err; BATCH_EMPTY: there
 * is nothing on it. */
typedef enum batch_made batch_make(void *arg, const char *text, size_t n, struct job *job,
                                   struct err *err);

struct batch_input {
    const char *file; /* "-": stdin */
    const char *name; /* of it, for messages */
    char end;         /* of a line */
    batch_make *make;
    void *arg;        /* of make */
};

/* A whole call: --dry-run, --wait, --json and --skip-bad are heeded here.  EXIT_... */
int batch_run(const struct call *c, const struct batch_input *in);

/* For a make: more than a document may hold. */
enum batch_made batch_too_long(struct err *err);

/* --- between the parts ---------------------------------------------------- */

struct batch {
    const struct call *c;
    const struct batch_input *in;
    struct job *jobs;
    size_t *line; /* of each job, from 1 */
    size_t count, room;
    size_t bad;   /* lines, and jobs left out */
    bool skip;    /* --skip-bad */
};

/* The file's lines into b->jobs; bad ones are named.  EXIT_... */
int batch_read(struct batch *b);

/* Name a bad line, and count it. */
void batch_say_bad(struct batch *b, size_t line, const struct err *err);

/* Release job i and close the gap. */
void batch_drop(struct batch *b, size_t i);

/* Name and drop the jobs whose id is in use, or stands in an earlier line.  One
 * scan of the spool serves all.  q NULL: there is no spool, only the lines are
 * compared.  EXIT_... */
int batch_leave_out_used(struct batch *b, struct queue *q);

#endif
