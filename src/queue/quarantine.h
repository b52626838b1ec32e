/* quarantine.h: what is no job is put aside untouched, and a report about it is
 * put into dead/ under an id of its own. */
#ifndef QUEUE_QUARANTINE_H
#define QUEUE_QUARANTINE_H

#include "queue/queue.h"

struct claim;

/* Why a file is no job.  mend is what to do about it, with {path} for where it
 * will lie, {file} for that from the spool on and {report} for the report's id;
 * NULL or "": mend its text. */
struct misfit {
    enum dir from;      /* where it was dropped, */
    const char *as;     /* and under which name */
    const char *reason;
    const char *mend;
};

#define MEND_ID "give it an id of its own in {file}; then: queuectl dlq retry {report}"
#define MEND_NAME "drop it again under a shorter name; remove this one: queuectl delete {report}"
#define MEND_REPORT "remove it: queuectl delete {report}"

/* Move d/file to quarantine/ under its name (or one like it, if that is taken),
 * with a report.  A crash between the two leaves the report and the file where it
 * was; the next try finds the report and goes on.
 * 0; -1 *err; a file that is gone is no error. */
int quarantine_put(struct queue *q, enum dir d, const char *file, const struct misfit *m,
                   struct err *err);

/* The id of the report about a file that was dropped as `as` and has this inode: who
 * dropped it can look for it. */
void quarantine_report_id(const char *as, ino_t inode, char out[ID_MAX + 1]);

/* The file behind a report goes back into pending/ under its name, then the
 * report goes.  The caller holds the report's id. */
int quarantine_restore(struct queue *q, const struct job *report, struct err *err);

/* What has the name of a finished job's result or log (an operator's copy, a
 * folder) makes room: moved to quarantine/ without a report, journalled, and
 * added to c->aside for the log. */
int quarantine_namesake(struct queue *q, enum dir d, const char *file, struct claim *c);

#endif
