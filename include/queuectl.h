/* queuectl.h: put jobs into a spool and look after them, from C or C++.
 *
 *   cc client.c $(pkg-config --cflags --libs queuectl)
 *
 *   #include <queuectl.h>
 *   #include <stdio.h>
 *
 *   int main(void)
 *   {
 *       struct queuectl *q;
 *       char id[QUEUECTL_ID_SIZE];
 *       if (queuectl_open(NULL, QUEUECTL_WRITE, &q) != QUEUECTL_OK ||
 *           queuectl_enqueue(q, "{\"command\":\"echo hi\"}", 0, id) != QUEUECTL_OK)
 *           return fprintf(stderr, "%s\n", queuectl_error_text(q)), 1;
 *       puts(id);
 *       queuectl_close(q);
 *   }
 *
 * Calling order: queuectl_open, anything, queuectl_close.  A spool is a folder;
 * the jobs run only while `queuectl worker` runs there.  Nothing here forks,
 * prints, exits, changes signal handlers or the current directory.
 *
 * Errors: each call returns an enum queuectl_error, QUEUECTL_OK being 0.  Code
 * and text of the last failure stay with the handle until its next failure.
 *
 * Ownership: what a call takes is read during the call only.  What it gives back
 * as a pointer belongs to the handle and is valid until the next call with it,
 * or, in a callback, until the callback returns.
 *
 * Threads: a handle is for one thread at a time; several threads each open
 * their own, on the same spool if they like.  After fork(2) the child opens
 * anew and closes what it inherited.
 *
 * A relative `cwd` of a job is refused; a job without `cwd` runs where its worker
 * was started.  (The program `queuectl enqueue` fills in its own directory, this
 * interface does not.)
 */
#ifndef QUEUECTL_H
#define QUEUECTL_H

#include <stddef.h>

#define QUEUECTL_VERSION "0.1.0"
#define QUEUECTL_VERSION_MAJOR 0
#define QUEUECTL_VERSION_MINOR 1
#define QUEUECTL_VERSION_PATCH 0

#if defined(__GNUC__) || defined(__clang__)
#define QUEUECTL_API __attribute__((visibility("default")))
#else
#define QUEUECTL_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define QUEUECTL_ID_SIZE 129 /* the longest id and its NUL */

struct queuectl; /* an open spool */

enum queuectl_error {
    QUEUECTL_OK = 0,
    QUEUECTL_BAD = 1,     /* the input is wrong: a document, a value, a setting */
    QUEUECTL_EXISTS = 2,  /* the id is in use */
    QUEUECTL_UNKNOWN = 3, /* no such job, no such spool */
    QUEUECTL_STATE = 4,   /* the job is not in a state that allows this */
    QUEUECTL_BUSY = 5,    /* somebody moves it just now: try again */
    QUEUECTL_SYSTEM = 6   /* the system failed us; queuectl_error_errno says how */
};

/* A job is in exactly one of these. */
enum queuectl_state {
    QUEUECTL_PENDING,
    QUEUECTL_FAILED,     /* waits for its next attempt */
    QUEUECTL_PROCESSING,
    QUEUECTL_DONE,
    QUEUECTL_DEAD,       /* will not run again unless somebody says so */
    QUEUECTL_ANY         /* for queuectl_list: all of them */
};
/* "pending" ...; NULL for QUEUECTL_ANY and anything else. */
QUEUECTL_API const char *queuectl_state_name(enum queuectl_state state);

/* Of the library linked in: compare with QUEUECTL_VERSION. */
QUEUECTL_API const char *queuectl_version(void);

/* Open a spool.  path NULL: $QUEUECTL_SPOOL, else ./spool, else the user's own.
 *   QUEUECTL_READ  only look; QUEUECTL_UNKNOWN if there is no spool
 *   QUEUECTL_WRITE change too; refused if others can write to the spool; the
 *                  user's own spool is made where it is missing (`queuectl init`
 *                  makes any other)
 * On a spool that another user shares with this one's group (queuectl-spool(7),
 * WHO MAY ENQUEUE) what is closed is as if it were not there, queuectl_enqueue and
 * queuectl_enqueue_many drop the documents as files, and whatever else would change
 * something is QUEUECTL_BAD.  A dropped file may yet be refused; queuectl_wait
 * with the same handle then ends with QUEUECTL_END_DEAD (it knows the last 64).
 * *out is set even on failure, so that the error can be asked for (only then may
 * nothing but the error functions and queuectl_close be called); it is NULL when
 * there was no memory, and every function below takes NULL. */
enum queuectl_use { QUEUECTL_READ, QUEUECTL_WRITE };
QUEUECTL_API enum queuectl_error queuectl_open(const char *path, enum queuectl_use use,
                                               struct queuectl **out);
QUEUECTL_API void queuectl_close(struct queuectl *q);

/* The last failure: its code, one line for a person (it may hold bytes that came
 * from a document: escape it before a terminal sees it), and errno or 0. */
QUEUECTL_API enum queuectl_error queuectl_error_code(const struct queuectl *q);
QUEUECTL_API const char *queuectl_error_text(const struct queuectl *q);
QUEUECTL_API int queuectl_error_errno(const struct queuectl *q);

/* Enqueue one JSON document, at most 1 MiB (n 0: it ends at its NUL).  QUEUECTL_OK
 * means that it survives a power cut.  Its id, its own or a new one, goes to id
 * (may be NULL). */
QUEUECTL_API enum queuectl_error queuectl_enqueue(struct queuectl *q, const char *json, size_t n,
                                                  char id[QUEUECTL_ID_SIZE]);

/* The same unless a job with its id, which it must have, waits or runs already:
 * that too is QUEUECTL_OK, and *added (may be NULL) is then 0, else 1.  A done or
 * dead job with this id makes room, as if it had been deleted. */
QUEUECTL_API enum queuectl_error queuectl_enqueue_unique(struct queuectl *q, const char *json,
                                                         size_t n, char id[QUEUECTL_ID_SIZE],
                                                         int *added);

/* Enqueue count documents, each ended by its NUL, all of them or none, and much
 * faster than one by one.  They run in this order where their priority is the
 * same.  ids (may be NULL) has room for count.  On failure *bad (may be NULL) is
 * the index of the document it is about, or count when it is about none. */
QUEUECTL_API enum queuectl_error queuectl_enqueue_many(struct queuectl *q, const char *const *json,
                                                       size_t count,
                                                       char (*ids)[QUEUECTL_ID_SIZE], size_t *bad);

/* One job.  document is JSON: what was enqueued, what was recorded, and state,
 * priority, attempts, max_retries, created_at, updated_at, next_run_at. */
struct queuectl_job {
    const char *id;
    enum queuectl_state state;
    const char *document;
    size_t document_size; /* without its NUL */
};

QUEUECTL_API enum queuectl_error queuectl_find(struct queuectl *q, const char *id,
                                               struct queuectl_job *out);

/* Visit the jobs of one state, or of all: processing, pending in the order they
 * would run, failed by due time, done and dead newest first; at most limit
 * (0: no limit).  A non-zero answer ends the visit, which is no failure.  The
 * visitor may not use this handle; jobs may move on while it looks. */
typedef int queuectl_visit(const struct queuectl_job *job, void *arg);
QUEUECTL_API enum queuectl_error queuectl_list(struct queuectl *q, enum queuectl_state state,
                                               size_t limit, queuectl_visit *visit, void *arg);

/* Run a pending or failed job now, a done or dead one anew. */
QUEUECTL_API enum queuectl_error queuectl_retry(struct queuectl *q, const char *id);

/* A waiting job goes to dead at once.  A running one is ended by its worker:
 * wait for that up to timeout_ms (0: only ask); QUEUECTL_BUSY when it then still
 * runs. */
QUEUECTL_API enum queuectl_error queuectl_cancel(struct queuectl *q, const char *id,
                                                 long timeout_ms);

/* The job, its logs and its id are gone.  Not while it runs: cancel it first. */
QUEUECTL_API enum queuectl_error queuectl_delete(struct queuectl *q, const char *id);

/* Wait until each of these jobs is done or dead; count 0: until nothing waits or
 * runs any more.  timeout_ms < 0: for ever.  QUEUECTL_OK with *end, or an error:
 * QUEUECTL_UNKNOWN when one of them is not there. */
enum queuectl_end {
    QUEUECTL_END_DONE,   /* all done */
    QUEUECTL_END_DEAD,   /* all ended, at least one is dead */
    QUEUECTL_END_TIMEOUT /* the time passed first */
};
QUEUECTL_API enum queuectl_error queuectl_wait(struct queuectl *q, const char *const *ids,
                                               size_t count, long timeout_ms,
                                               enum queuectl_end *end);

#ifdef __cplusplus
}
#endif

#endif
