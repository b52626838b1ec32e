/* idlock.h: the right to run or move a job: flock(2) on ids/ID.
 *
 * Only ever tried.  The lock lives with the open file: a job's processes
 * inherit it, so it is held as long as one of them lives, whatever happens to
 * the worker.  Closing the descriptor releases it.
 */
#ifndef SPOOL_IDLOCK_H
#define SPOOL_IDLOCK_H

#include <sys/stat.h>

#include "spool/spool.h"

enum idlock { IDLOCK_OWNED, IDLOCK_BUSY, IDLOCK_ERROR };

/* Take the lock; the file is made where it is missing.  OWNED: *fd is the
 * caller's to close, *fresh (may be NULL) whether the file was made by this
 * call.  BUSY: somebody holds it.  ERROR: errno; EINVAL where something odd has
 * its name. */
enum idlock idlock_take(const struct spool *sp, const char *id, int *fd, bool *fresh);
/* The same for a job that comes to be: a missing file says that the id is free.  (That
 * of a job which is there was removed by somebody, and what is made in its place says
 * IDLOCK_UNSURE from the first moment on.) */
enum idlock idlock_take_new(const struct spool *sp, const char *id, int *fd, bool *fresh);
/* What ERROR means, in words; returns -1. */
int idlock_error(const struct spool *sp, const char *id, struct err *err);

/* Is it held just now?  (Makes nothing.) */
bool idlock_is_held(const struct spool *sp, const char *id);
/* Is the id known at all: has it a file in ids/?  (Where ids/ is closed to us: it
 * may.) */
bool idlock_exists(const struct spool *sp, const char *id);

/* What the file tells of runs, to whoever gets the lock: it outlives the worker, and
 * processes that let go of the lock.
 *   CLEAR   none lives
 *   RUNS    one began under it, and was not seen to end (it is executable: `ls -l` shows
 *           what runs)
 *   UNSURE  nobody knows: it was made anew, or its job comes from elsewhere
 * begin: 0, or -1 errno; ESTALE where the file was removed meanwhile: then others can
 * take a lock of this name.  end: no process of that run lives.  doubt: unsure, where
 * it was clear.  clear: nothing lives that either could be about. */
enum idlock_mark { IDLOCK_CLEAR, IDLOCK_RUNS, IDLOCK_UNSURE };
int idlock_begin(int fd);
int idlock_end(int fd);
enum idlock_mark idlock_marked(const struct stat *st);
void idlock_doubt(int fd);
int idlock_clear(int fd);

/* The job was moved back under this lock, from where one looks for it late to where one
 * looks early: a scan of all ids that was under way may have missed it, and the file's
 * mtime tells (ids.c). */
void idlock_moved_back(int fd);

/* Free the id (the caller holds the lock and has removed the job).  A file that says
 * IDLOCK_RUNS stays: the next job of this id has to wait for it. */
void idlock_forget(const struct spool *sp, const char *id);

/* For a detached job, whose processes keep the old lock: put a new inode in its
 * place, locked by us, so that the id can be moved on.  Its descriptor, or -1. */
int idlock_replace(const struct spool *sp, const char *id);

/* A batch reserves more ids than a process may have files open, so it makes
 * their files without keeping a lock on each.  As long as its own marker lives,
 * an id that is there, unlocked and without a job may be one of those: nobody
 * takes over a stale id then.  Ask before looking for the job: a batch that has
 * ended has published. begin returns the marker's descriptor or -1. */
int idlock_batch_begin(struct spool *sp, char marker[FILE_NAME_MAX + 1]);
void idlock_batch_end(const struct spool *sp, const char *marker, int fd);
/* Does a batch live, other than the one with this marker (NULL: any)? */
bool idlock_batch_lives(const struct spool *sp, const char *own);

#endif
