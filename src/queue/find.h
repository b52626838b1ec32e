/* find.h: where a job is, and what its document says.
 *
 * A job may move between being seen and being opened: unknown means that
 * ids/ID is absent or that two looks found nothing, else look again. */
#ifndef QUEUE_FIND_H
#define QUEUE_FIND_H

#include "queue/queue.h"

struct found {
    enum dir state;
    char file[FILE_NAME_MAX + 1];
    struct name name;  /* parsed; for done and dead only the id */
    struct job job;    /* released by found_release */
    struct buf text;   /* the stored bytes */
    struct stat st;
};

/* ERR_UNKNOWN: no such job, or none that we can see.  On success the caller releases. */
int find_job(struct queue *q, const char *id, struct found *out, struct err *err);
void found_release(struct found *f);

/* Read the document of out->state / out->file (set by the caller): 0, 1 gone
 * meanwhile (nothing to release), -1.  A document that is no job's is no error:
 * job.doc is then NULL and job.last_error says why. */
int found_read(struct queue *q, struct found *f, struct err *err);
/* When the file was written (its mtime), wall time. */
int64_t found_changed(const struct found *f);

/* Only where it lies: 1 found, 0 no such job, -1 trouble. */
int find_place(struct queue *q, const char *id, enum dir *state, char file[FILE_NAME_MAX + 1],
               struct err *err);

/* Is it dropped as pending/ID.json and not taken in yet?  (find_job and find_place do
 * not find such a one; what it says is not checked.) */
bool find_dropped(const struct queue *q, const char *id);

/* Is there a report about a file that was dropped as ID.json?  The id of the newest.
 * Whose file that was is not known.  Reads dead/. */
bool find_report(struct queue *q, const char *id, char report[ID_MAX + 1]);

/* ERR_UNKNOWN, with all there is to say where no job has this id: the report about a
 * file of that name, what is hidden from us; else `why` stands behind it.  Returns -1. */
int find_no_job(struct queue *q, const char *id, const char *why, struct err *err);

/* Does this file still lie there?  One look, no scan: for watching a run end. */
bool find_still(const struct queue *q, enum dir state, const char *file);

/* The stored document plus what the name knows: state, priority, attempts,
 * max_retries, created_at, updated_at, next_run_at (for waiting jobs the due
 * time) set as members. For --json. */
int find_json(struct queue *q, struct found *f, struct buf *out, struct err *err);

#endif
