/* verbs.c: see verbs.h for the table. Each verb is: find and lock, change the
 * document if it changes, then one rename. */
#include "queue/verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/text.h"
#include "queue/find.h"
#include "queue/ids.h"
#include "queue/journal.h"
#include "queue/logs.h"
#include "queue/quarantine.h"
#include "queue/request.h"
#include "spool/file.h"
#include "spool/idlock.h"
#include "spool/rmtree.h"

#define PATIENCE_MS 2000
#define LOOK_AGAIN_MS 5

struct held {
    struct found f;
    int lock; /* -1 for a running job: its worker has it */
};

static void held_release(struct held *h)
{
    found_release(&h->f);
    if (h->lock >= 0)
        close(h->lock);
}

static bool still_there(struct queue *q, const struct found *f)
{
    struct stat st;
    return fstatat(q->spool->dir[f->state], f->file, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           st.st_ino == f->st.st_ino && st.st_ctim.tv_sec == f->st.st_ctim.tv_sec &&
           st.st_ctim.tv_nsec == f->st.st_ctim.tv_nsec; /* what was read, not a later one */
}

/* Find the job and lock its id; a running one is found without the lock. */
static int hold_job(struct queue *q, const char *id, struct held *h, struct err *err)
{
    int64_t until = clock_mono_us() + PATIENCE_MS * US_PER_MS;
    for (;;) {
        h->lock = -1;
        if (find_job(q, id, &h->f, err) != 0)
            return -1;
        if (h->f.state == DIR_PROCESSING)
            return 0;
        enum idlock l = idlock_take(q->spool, id, &h->lock, NULL);
        if (l == IDLOCK_OWNED && still_there(q, &h->f))
            return 0;
        if (l != IDLOCK_OWNED)
            h->lock = -1;
        int saved = errno;
        held_release(h);
        errno = saved;
        if (l == IDLOCK_ERROR)
            return idlock_error(q->spool, id, err);
        if (clock_mono_us() >= until)
            return err_set(err, ERR_BUSY, "%s is being moved just now; try again", id);
        poll(NULL, 0, LOOK_AGAIN_MS);
    }
}

static int no(const struct held *h, const char *verb, const char *instead, struct err *err)
{
    static const char *const is[] = {[DIR_PENDING] = "pending",
                                     [DIR_FAILED] = "waiting for its retry",
                                     [DIR_PROCESSING] = "running",
                                     [DIR_DONE] = "done",
                                     [DIR_DEAD] = "dead"};
    return err_set(err, ERR_STATE, "cannot %s %s: it is %s%s%s", verb, h->f.name.id,
                   is[h->f.state], *instead ? "; " : "", instead);
}

/* The document as it is now goes in under the present name.  sure: as file.h says. */
static int store(struct queue *q, struct held *h, enum file_sure sure, struct err *err)
{
    struct buf text = BUF_INIT;
    char tmp[FILE_NAME_MAX + 1];
    const char *id = h->f.name.id;
    int r = -1;
    if (job_print(&h->f.job, &text) != 0)
        err_sys(err, "change", id);
    else if (file_make_tmp(q->spool, text.data, text.len, sure, tmp) != 0)
        file_error(err, "change", id, "write", DIR_TMP, tmp);
    else if (file_exchange(q->spool, tmp, h->f.state, h->f.file) != 0)
        file_error(err, "change", id, "exchange", h->f.state, h->f.file);
    else
        r = 0;
    buf_release(&text);
    return r;
}

/* Done is what a power cut leaves done. */
static int sync_dir(struct queue *q, enum dir d, struct err *err)
{
    return file_sync_dir(q->spool, d) == 0 ? 0 : err_sys(err, "sync", dir_name(d));
}

/* The commit. */
static int move(struct queue *q, struct held *h, enum dir to, const struct name *n,
                struct err *err)
{
    char file[FILE_NAME_MAX + 1];
    name_format(to, n, file);
    bool stays = to == h->f.state && strcmp(file, h->f.file) == 0;
    if (!stays && file_move(q->spool, h->f.state, h->f.file, to, file) != 0)
        return file_error(err, "move", h->f.name.id, "rename to", to, file);
    if (h->lock >= 0)
        idlock_moved_back(h->lock);
    return sync_dir(q, to, err);
}

static int refuse_unreadable(const struct held *h, struct err *err)
{
    if (h->f.job.doc)
        return 0;
    return err_set(err, ERR_BAD, "%s/%s: %s; mend or delete it", dir_name(h->f.state), h->f.file,
                   h->f.job.last_error ? h->f.job.last_error : "unreadable");
}

/* -- retry --------------------------------------------------------------- */

static int retry_ended(struct queue *q, struct held *h, struct name *n, struct err *err)
{
    if (refuse_unreadable(h, err) != 0)
        return -1;
    n->attempts = 0;
    n->priority = h->f.job.priority;
    job_amend(&h->f.job, 0, NULL, -1, clock_wall_us());
    return store(q, h, FILE_SYNCED, err);
}

static int retry_held(struct queue *q, struct held *h, struct err *err)
{
    struct name n = h->f.name;
    n.held = false;
    n.time_us = clock_wall_us();
    switch (h->f.state) {
    case DIR_PROCESSING:
        return no(h, "retry", "", err);
    case DIR_DONE:
    case DIR_DEAD:
        if (h->f.job.is_report)
            return quarantine_restore(q, &h->f.job, err);
        if (retry_ended(q, h, &n, err) != 0)
            return -1;
        break;
    default:
        break;
    }
    if (move(q, h, DIR_PENDING, &n, err) != 0)
        return -1;
    journal_event(q, "retry", n.id, "");
    return 0;
}

int verb_retry(struct queue *q, const char *id, struct err *err)
{
    struct held h;
    if (hold_job(q, id, &h, err) != 0)
        return -1;
    int r = retry_held(q, &h, err);
    held_release(&h);
    return r;
}

/* -- cancel -------------------------------------------------------------- */

static int cancel_waiting(struct queue *q, struct held *h, struct err *err)
{
    if (refuse_unreadable(h, err) != 0)
        return -1;
    job_amend(&h->f.job, h->f.name.attempts, "cancelled", -1, clock_wall_us());
    if (store(q, h, FILE_WRITTEN, err) != 0 || move(q, h, DIR_DEAD, &h->f.name, err) != 0)
        return -1;
    journal_event(q, "cancelled", h->f.name.id, "");
    return 0;
}

int verb_cancel(struct queue *q, const char *id, bool *running, char run[FILE_NAME_MAX + 1],
                struct err *err)
{
    struct held h;
    *running = false;
    if (hold_job(q, id, &h, err) != 0)
        return -1;
    int r;
    if (h.f.state == DIR_PROCESSING) {
        *running = true;
        text_copy(run, FILE_NAME_MAX + 1, h.f.file);
        r = request_make(q, REQUEST_CANCEL, run, err);
    } else if (h.f.state == DIR_DONE || h.f.state == DIR_DEAD)
        r = no(&h, "cancel", "", err);
    else
        r = cancel_waiting(q, &h, err);
    held_release(&h);
    return r;
}

int verb_cancel_wait(struct queue *q, const char *id, const char *run, int64_t timeout_ms,
                     struct err *err)
{
    int64_t until = clock_mono_us() + timeout_ms * US_PER_MS;
    struct stat st;
    while (fstatat(q->spool->dir[DIR_PROCESSING], run, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        if (clock_mono_us() >= until)
            return err_set(err, ERR_BUSY, "%s has not ended yet; the request stands", id);
        poll(NULL, 0, LOOK_AGAIN_MS);
    }
    request_drop(q, REQUEST_CANCEL, run);
    return sync_dir(q, DIR_DEAD, err); /* its worker need not */
}

/* -- delete -------------------------------------------------------------- */

int verb_delete_sync(struct queue *q, enum dir state, struct err *err)
{
    return sync_dir(q, state, err);
}

static int delete_held(struct queue *q, struct held *h, struct err *err)
{
    const char *id = h->f.name.id;
    if (h->f.state == DIR_PROCESSING)
        return no(h, "delete", "cancel it first", err);
    if (h->f.job.is_report && rmtree(q->spool, DIR_QUARANTINE, h->f.job.quarantined, err) != 0)
        return -1;
    /* The document knows how many runs there were; without it the folder is read. */
    if (logs_remove(q, id, h->f.job.doc ? h->f.job.runs : -1, err) != 0)
        return -1;
    if (rmtree(q->spool, h->f.state, h->f.file, err) != 0)
        return -1;
    idlock_forget(q->spool, id);
    journal_event(q, "deleted", id, "");
    return 0;
}

int verb_delete(struct queue *q, const char *id, struct err *err)
{
    struct held h;
    if (hold_job(q, id, &h, err) != 0)
        return -1;
    enum dir state = h.f.state;
    int r = delete_held(q, &h, err);
    held_release(&h);
    return r == 0 ? verb_delete_sync(q, state, err) : -1;
}

int verb_delete_at(struct queue *q, enum dir state, const char *file, struct err *err)
{
    struct held h = {.f = {.state = state}, .lock = -1};
    struct name n;
    if (!name_parse(state, file, &n))
        return err_set(err, ERR_BAD, "%s/%s is no job's name", dir_name(state), file);
    text_copy(h.f.file, sizeof h.f.file, file);
    int r = idlock_take(q->spool, n.id, &h.lock, NULL) == IDLOCK_OWNED
                ? found_read(q, &h.f, err)
                : 1;
    if (r == 0) {
        r = delete_held(q, &h, err);
        held_release(&h);
        return r;
    }
    if (h.lock >= 0)
        close(h.lock);
    return r < 0 ? -1 : verb_delete(q, n.id, err); /* it moved */
}

/* -- hold, release ------------------------------------------------------- */

static bool is_waiting(const struct held *h)
{
    return h->f.state == DIR_PENDING || h->f.state == DIR_FAILED;
}

int verb_hold(struct queue *q, const char *id, struct err *err)
{
    struct held h;
    if (hold_job(q, id, &h, err) != 0)
        return -1;
    struct name n = h.f.name;
    n.held = true;
    int r = is_waiting(&h) ? move(q, &h, h.f.state, &n, err) : no(&h, "hold", "", err);
    held_release(&h);
    return r;
}

int verb_release(struct queue *q, const char *id, struct err *err)
{
    struct held h;
    if (hold_job(q, id, &h, err) != 0)
        return -1;
    struct name n = h.f.name;
    int r = 0;
    if (!is_waiting(&h))
        r = no(&h, "release", "", err);
    else if (n.held) {
        n.held = false;
        n.time_us = h.f.job.doc ? job_due(&h.f.job, clock_wall_us()) : clock_wall_us();
        r = move(q, &h, h.f.state, &n, err);
    }
    held_release(&h);
    return r;
}

/* -- edit ---------------------------------------------------------------- */

static bool is_recorded(const char *member)
{
    for (size_t i = 0; i < job_member_count; i++)
        if (strcmp(job_members[i].name, member) == 0)
            return job_members[i].recorded || strcmp(member, "id") == 0;
    return false;
}

static int apply_changes(struct job *job, const struct json_doc *changes, bool *due_changed,
                         struct err *err)
{
    for (size_t i = 0; i < json_count(changes); i++) {
        const char *member = json_name(changes, i), *raw = json_raw_at(changes, i);
        if (is_recorded(member))
            return err_set(err, ERR_BAD, "%s: the queue writes this itself; it cannot be edited",
                           member);
        if (strcmp(member, "run_at") == 0 || strcmp(member, "delay") == 0)
            *due_changed = true;
        if (strcmp(raw, "null") == 0)
            json_remove(job->doc, member);
        else
            json_set_raw(job->doc, member, raw);
    }
    return 0;
}

/* The document with its changes is read anew: it must be a job still. */
static int reread(struct job *job, struct err *err)
{
    struct buf text = BUF_INIT;
    struct job changed;
    int r = json_print(job->doc, &text) == 0
                ? job_parse(&changed, buf_str(&text), text.len, NULL, err)
                : err_sys(err, "edit", job->id);
    buf_release(&text);
    if (r == 0) {
        job_release(job);
        *job = changed;
    }
    return r;
}

static void settle_delay(struct job *job, int64_t now)
{
    char at[STAMP_ISO_LEN + 1];
    if (job->delay_ms < 0)
        return;
    job->run_at_us = now + job->delay_ms * US_PER_MS;
    job->delay_ms = -1;
    stamp_iso_format(job->run_at_us, at);
    json_remove(job->doc, "delay");
    json_set_string(job->doc, "run_at", at);
}

static int edit_held(struct queue *q, struct held *h, const struct json_doc *changes,
                     struct err *err)
{
    bool due_changed = false;
    struct job *job = &h->f.job;
    int64_t now = clock_wall_us();
    if (!is_waiting(h))
        return no(h, "edit", "", err);
    if (refuse_unreadable(h, err) != 0)
        return -1;
    if (json_has(changes, "delay") && !json_has(changes, "run_at"))
        json_remove(job->doc, "run_at");
    if (apply_changes(job, changes, &due_changed, err) != 0 || reread(job, err) != 0)
        return -1;
    struct name n = h->f.name;
    if (json_has(changes, "priority"))
        n.priority = job->has_priority ? job->priority : q->settings.priority;
    settle_delay(job, now);
    if (due_changed && !n.held)
        n.time_us = job_due(job, now);
    job_amend(job, n.attempts, job->last_error, h->f.state == DIR_FAILED ? n.time_us : -1, now);
    if (store(q, h, FILE_SYNCED, err) != 0)
        return -1;
    /* A time of its own is no retry's: those are bounded by backoff-max. */
    return move(q, h, due_changed ? DIR_PENDING : h->f.state, &n, err);
}

int verb_edit(struct queue *q, const char *id, const char *changes, size_t n, struct err *err)
{
    struct held h;
    struct json_doc *doc = json_parse(changes, n, NULL, err);
    if (!doc)
        return -1;
    int r = hold_job(q, id, &h, err);
    if (r == 0) {
        r = edit_held(q, &h, doc, err);
        held_release(&h);
    }
    json_free(doc);
    return r;
}

/* -- switches ------------------------------------------------------------ */

int verb_pause(struct queue *q, struct err *err)
{
    if (!request_is_there(q, REQUEST_PAUSE, "")) {
        journal_event(q, "paused", "", "");
        if (request_make(q, REQUEST_PAUSE, "", err) != 0)
            return -1;
    }
    return sync_dir(q, DIR_CONTROL, err);
}

int verb_resume(struct queue *q, bool *was_paused, struct err *err)
{
    *was_paused = request_drop(q, REQUEST_PAUSE, "");
    if (!*was_paused && errno != ENOENT)
        return io_error(err, "remove", q->spool->dir[DIR_CONTROL], dir_name(DIR_CONTROL), "pause");
    if (*was_paused)
        journal_event(q, "resumed", "", "");
    return sync_dir(q, DIR_CONTROL, err);
}

int64_t verb_paused_since(struct queue *q)
{
    struct stat st;
    if (fstatat(q->spool->dir[DIR_CONTROL], "pause", &st, AT_SYMLINK_NOFOLLOW) != 0)
        return -1;
    return (int64_t)st.st_mtim.tv_sec * US_PER_SEC + st.st_mtim.tv_nsec / 1000;
}
