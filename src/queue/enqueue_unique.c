/* enqueue_unique.c: a job only if none of its id waits or runs.
 *
 * Look where the id's job is, then
 *   nowhere         enqueue it: the lock on the id lets one of many through, the
 *                   others learn that the id is in use and look again
 *   waits or runs   that one it is: no lock is needed to have seen it
 *   done, dead      lock the id (tried; busy: look again), read it again, write
 *                   tmp/u, sync; remove the old logs; exchange the new document in
 *                   under the old name; ONE rename to its name in pending/; sync
 * A crash before the exchange leaves the old job (perhaps without its logs), one
 * before the rename the new document under the old name, never run: the same call
 * again replaces it as well.  No worker can claim it before the lock is released.
 */
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "base/clock.h"
#include "queue/arrival.h"
#include "queue/enqueue.h"
#include "queue/journal.h"
#include "queue/logs.h"
#include "spool/idlock.h"
#include "spool/scan.h"

#define PATIENCE_US (5 * US_PER_SEC) /* longer than arrival_reserve has */
#define LOOK_AGAIN_MS 5

enum step { STEP_ADDED, STEP_THERE, STEP_AGAIN, STEP_FAILED };

/* Without a file in ids/ and a result there is nothing to scan for. */
static bool is_known(struct queue *q, const char *id)
{
    enum dir state;
    char file[FILE_NAME_MAX + 1];
    return idlock_exists(q->spool, id) || scan_find_ended(q->spool, id, &state, file) != 0;
}

/* 1 found (there->state, there->file), 0 nowhere, -1. */
static int look(struct queue *q, const char *id, struct found *there, struct err *err)
{
    return is_known(q, id) ? find_place(q, id, &there->state, there->file, err) : 0;
}

static bool has_ended(const struct found *f)
{
    return f->state == DIR_DONE || f->state == DIR_DEAD;
}

static enum step fail(struct err *err, const char *what, const char *where)
{
    err_sys(err, what, where);
    return STEP_FAILED;
}

/* It is there and will be: whoever made it may not have synced the folder yet. */
static enum step take_there(struct queue *q, struct found *there, struct err *err)
{
    int gone = found_read(q, there, err);
    if (gone != 0)
        return gone > 0 ? STEP_AGAIN : STEP_FAILED;
    if (file_sync_dir(q->spool, there->state) == 0)
        return STEP_THERE;
    found_release(there);
    return fail(err, "sync", dir_name(there->state));
}

static enum step add(struct queue *q, struct job *job, struct err *err)
{
    if (enqueue_job(q, job, err) == 0)
        return STEP_ADDED;
    bool meanwhile = err->kind == ERR_EXISTS || err->kind == ERR_BUSY;
    return meanwhile ? STEP_AGAIN : STEP_FAILED;
}

/* -- in the place of one that has ended ---------------------------------- */

static int check_old(const struct found *old, struct err *err)
{
    const char *id = old->name.id;
    if (old->job.is_report)
        return err_set(err, ERR_STATE, "\"%s\" is a report about a file in %s/, and no job; see: "
                       "queuectl show %s", id, dir_name(DIR_QUARANTINE), id);
    if (!S_ISREG(old->st.st_mode))
        return err_set(err, ERR_BAD, "%s/%s: %s; remove it", dir_name(old->state), old->file,
                       old->job.last_error ? old->job.last_error : "it is no file");
    return 0;
}

/* ENOENT: somebody took it away by hand. */
static enum step swap(struct queue *q, const struct found *old, const struct arrival *a,
                      struct err *err)
{
    struct spool *sp = q->spool;
    const char *id = old->name.id;
    if (file_exchange(sp, a->tmp, old->state, old->file) != 0)
        file_error(err, "replace", id, "exchange", old->state, old->file);
    else if (file_move(sp, old->state, old->file, DIR_PENDING, a->file) != 0)
        file_error(err, "replace", id, "rename to", DIR_PENDING, a->file);
    else
        return STEP_ADDED;
    return errno == ENOENT ? STEP_AGAIN : STEP_FAILED;
}

static enum step replace_locked(struct queue *q, struct job *job, const struct found *old,
                                struct err *err)
{
    struct arrival a = {.written = false};
    int64_t now = clock_wall_us();
    if (check_old(old, err) != 0 || arrival_refuse_full(q, err) != 0 ||
        arrival_accept(q, job, now, err) != 0)
        return STEP_FAILED;
    arrival_name(job, now, &a);
    if (arrival_write(q, job, FILE_SYNCED, &a, err) != 0)
        return STEP_FAILED;
    if (logs_remove(q, old->name.id, old->job.doc ? old->job.runs : -1, err) != 0) {
        arrival_undo(q, job, &a);
        return STEP_FAILED;
    }
    return swap(q, old, &a, err);
}

static enum step replace(struct queue *q, struct job *job, struct found *old, struct err *err)
{
    int lock;
    bool fresh;
    enum idlock l = idlock_take(q->spool, job->id, &lock, &fresh);
    if (l == IDLOCK_BUSY)
        return STEP_AGAIN;
    if (l == IDLOCK_ERROR) {
        idlock_error(q->spool, job->id, err);
        return STEP_FAILED;
    }
    int gone = found_read(q, old, err);
    enum step s = gone < 0 ? STEP_FAILED : STEP_AGAIN;
    if (gone == 0) {
        s = replace_locked(q, job, old, err);
        found_release(old);
    } else if (fresh) {
        idlock_forget(q->spool, job->id); /* it was deleted, and the id with it */
    }
    if (s == STEP_ADDED)
        idlock_moved_back(lock);
    close(lock); /* before the sync: a worker may claim it now */
    if (s != STEP_ADDED)
        return s;
    journal_event(q, "replaced", job->id, "");
    return arrival_sync(q, err) == 0 ? STEP_ADDED : STEP_FAILED;
}

/* -- all together -------------------------------------------------------- */

static enum step try_once(struct queue *q, struct job *job, struct found *there, struct err *err)
{
    int found = look(q, job->id, there, err);
    if (found < 0)
        return STEP_FAILED;
    if (!found)
        return add(q, job, err);
    return has_ended(there) ? replace(q, job, there, err) : take_there(q, there, err);
}

/* A member cannot see whether it runs. */
static int refuse(const struct queue *q, const struct job *job, struct err *err)
{
    if (spool_refuse_member(q->spool, err) != 0)
        return -1;
    return job->id[0] ? 0 : err_set(err, ERR_BAD, "a unique job needs an id");
}

int enqueue_unique(struct queue *q, struct job *job, struct found *there, struct err *err)
{
    int64_t until = clock_mono_us() + PATIENCE_US;
    if (refuse(q, job, err) != 0)
        return -1;
    for (;;) {
        struct err why = ERR_INIT; /* why we look again is no failure */
        enum step s = try_once(q, job, there, &why);
        if (s == STEP_FAILED && err)
            *err = why;
        if (s != STEP_AGAIN)
            return s == STEP_FAILED ? -1 : s == STEP_THERE;
        if (clock_mono_us() >= until)
            return err_set(err, ERR_BUSY, "%s is being run or moved just now; try again", job->id);
        poll(NULL, 0, LOOK_AGAIN_MS);
    }
}

int enqueue_unique_dry(struct queue *q, struct job *job, struct found *there, struct err *err)
{
    if (refuse(q, job, err) != 0)
        return -1;
    int found = look(q, job->id, there, err);
    int gone = found > 0 ? found_read(q, there, err) : 1;
    if (found < 0 || gone < 0)
        return -1;
    if (gone == 0 && !has_ended(there))
        return 1;
    int r = gone == 0 ? check_old(there, err) : 0;
    if (gone == 0)
        found_release(there);
    return r == 0 ? arrival_accept(q, job, clock_wall_us(), err) : -1;
}
