/* fsck.h: does the spool hold what it promises?  Finds, and changes nothing. */
#ifndef QUEUE_FSCK_H
#define QUEUE_FSCK_H

#include "queue/queue.h"

struct fsck_finding {
    const char *code;   /* "bad-name", "bad-document", "two-places", "lost-run" ... */
    const char *place;  /* "done/report.json" */
    const char *text;   /* what is wrong and what to do */
};

/* Visit each finding that is still there when looked at again under the job's
 * lock.  Returns how many, or -1 with *err. *looked counts the files looked at. */
long fsck_run(struct queue *q, void (*visit)(const struct fsck_finding *f, void *arg), void *arg,
              size_t *looked, struct err *err);

#endif
