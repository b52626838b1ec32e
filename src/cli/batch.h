/* batch.h: what the parts of enqueue --batch share. */
#ifndef CLI_BATCH_H
#define CLI_BATCH_H

#include "cli/enqueue.h"

struct batch {
    const struct call *c;
    const struct enqueue_source *source;
    struct job *jobs;
    size_t *line; /* of each job */
    size_t count, room;
    size_t bad;
    bool skip;
};

/* Name a bad line, and count it. */
void batch_say_bad(struct batch *b, size_t line, const struct err *err);

void batch_drop(struct batch *b, size_t i);

/* Name and drop the jobs whose id is in use, or stands in an earlier line.  One
 * scan of the spool serves all.  q NULL: there is no spool, only the lines are
 * compared.  EXIT_... */
int batch_leave_out_used(struct batch *b, struct queue *q);

#endif
