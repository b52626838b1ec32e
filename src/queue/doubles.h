/* doubles.h: one job in two places, as a power cut can leave it on a file system that
 * does not keep the order of renames (sys.h): the old document under its old name, and
 * a later one where the job had got to. */
#ifndef QUEUE_DOUBLES_H
#define QUEUE_DOUBLES_H

#include "queue/queue.h"

enum doubles {
    DOUBLES_NONE,    /* none has ended under this id, or it is another job */
    DOUBLES_OLDER,   /* ours is an earlier state of the one that has ended */
    DOUBLES_NEWER,   /* ours is a later one, made from it by retry */
    DOUBLES_REPLACED, /* ours was made after that one had ended, in its place (--unique) */
    DOUBLES_STRANGER /* another document has ended under this id: *state, file */
};

/* Compare a job that waits or runs with what has ended under its id.  The caller has
 * the id's lock.  NONE or STRANGER where the order is kept: there a person made the
 * second file. */
enum doubles doubles_compare(struct queue *q, const char *id, const struct job *ours,
                             enum dir *state, char file[FILE_NAME_MAX + 1]);

/* The older file goes; the journal says so. */
int doubles_remove(struct queue *q, enum dir state, const char *file, const char *id);

/* The one that was replaced is another job's result: it goes to quarantine/, with a
 * report. */
int doubles_put_aside(struct queue *q, enum dir state, const char *file, struct err *err);

/* What a power cut on such a file system left: ids without a file in ids/ get one, of a
 * job in two places the older file goes.  For a pool that begins; reads all names. */
void doubles_mend(struct queue *q);

#endif
