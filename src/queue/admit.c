/* admit.c: see admit.h.  Files that came together share a sync, which is what
 * costs; each is owned, locked and moved by itself.  One that is not to wait for
 * the sync has its fate at once. */
#include "queue/admit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/sys.h"
#include "base/text.h"
#include "queue/ids.h"
#include "queue/logs.h"
#include "queue/quarantine.h"
#include "spool/file.h"
#include "spool/idlock.h"
#include "spool/live.h"
#include "spool/scan.h"

#define SYNC_TOGETHER 4 /* from so many on, one syncfs(2) instead of an fsync(2) each */
#define LOCKED_AGAIN_MS 500
#define TROUBLE_US (2 * US_PER_SEC)
#define TROUBLE_SHIFT_MAX 3
#define STUCK_SHIFT_MAX 7 /* doublings: about four minutes */
#define IDS_STALE_US (200 * US_PER_MS) /* so long one scan for used ids serves, */
#define IDS_WORTH 5                    /* or so many times as long as it took */
#define IDS_ASKED_US (10 * US_PER_SEC) /* without it: so long a few looks count as many */

struct entry {
    struct dropped *d;
    enum { OPEN, PLACED, SETTLED } state; /* open: no fate yet; placed: a job, if synced */
    enum admit_fate fate;
    bool links;
    struct job job;
    bool was_read; /* its verdict is about just this content */
    bool has_job;
    struct stat st;
    char own[FILE_NAME_MAX + 1];       /* the dot name */
    bool owned;
    char id[ID_MAX + 1];
    int lock;
    bool fresh; /* the id's file was made for it */
    char tmp[FILE_NAME_MAX + 1];
    bool written;
    bool unsafe; /* its copy could not be synced */
    char canonical[FILE_NAME_MAX + 1];
    char why[640];
    char mend[300]; /* see quarantine.h */
};

struct admission {
    struct queue *q;
    admit_told *tell;
    void *arg;
    struct entry *entry; /* most of them */
    size_t most;
    size_t n;            /* of these in use */
    size_t at;           /* the next to commit */
    bool keeps_order;    /* the file system */
    bool placed;         /* all were committed, and some are to be synced in their places */
    int64_t mono_us;     /* of this call */
    int64_t wall_us;     /* when the last one was accepted */
    struct id_set in_use;
};

static void settle(struct entry *e, enum admit_fate fate)
{
    e->state = SETTLED;
    e->fate = fate;
}

/* Would any other file fail in the same way? */
static bool is_general(int errnum)
{
    static const int general[] = {ENOSPC, EDQUOT, EMFILE, ENFILE, ENOMEM, EROFS, EIO};
    for (size_t i = 0; i < sizeof general / sizeof *general; i++)
        if (errnum == general[i])
            return true;
    return false;
}

/* Ever later, at most TROUBLE_US << most. */
static void stuck(struct admission *a, struct entry *e, int most)
{
    e->d->look_us = a->mono_us + (TROUBLE_US << (e->d->tries < most ? e->d->tries : most));
    e->d->tries++;
    settle(e, ADMIT_STUCK);
}

static void trouble(struct admission *a, struct entry *e, const struct err *err)
{
    text_copy(e->why, sizeof e->why, err->text);
    if (!is_general(err->errnum)) {
        stuck(a, e, TROUBLE_SHIFT_MAX);
        return;
    }
    e->d->look_us = a->mono_us + TROUBLE_US;
    settle(e, spool_refused(err->errnum) ? ADMIT_REFUSED : ADMIT_ERROR);
}

static void look_later(struct admission *a, struct entry *e, int64_t pause_us)
{
    e->d->look_us = a->mono_us + pause_us;
    settle(e, ADMIT_LATER);
}

/* -- own ----------------------------------------------------------------- */

/* Back to the name it was dropped under, or to one like it. */
static void give_back(const struct spool *sp, const char *own, const char *file)
{
    char other[FILE_NAME_MAX + 1], id[ID_MAX + 1];
    if (file_move(sp, DIR_PENDING, own, DIR_PENDING, file) == 0 || errno == ENOENT)
        return;
    name_new_id("x", 0, id);
    snprintf(other, sizeof other, "%.*s-%s.json", (int)(strlen(file) - 5), file, id + 2);
    file_move(sp, DIR_PENDING, own, DIR_PENDING, other);
}

static void disown(struct admission *a, struct entry *e)
{
    if (e->owned)
        give_back(a->q->spool, e->own, e->d->file);
    e->owned = false;
}

/* Another user's folder cannot be renamed by us, nor can an immutable file. */
static void own_failed(struct admission *a, struct entry *e)
{
    struct err err = ERR_INIT;
    if (errno == ENOENT) {
        settle(e, ADMIT_GONE);
    } else if (errno == EACCES || errno == EPERM) {
        snprintf(e->why, sizeof e->why, "it cannot be moved (%s); its owner or root must remove it",
                 strerror(errno));
        stuck(a, e, STUCK_SHIFT_MAX);
    } else {
        err_sys(&err, "take in", e->d->file);
        trouble(a, e, &err);
    }
}

static bool is_unchanged(const struct stat *a, const struct stat *b)
{
    return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* From here on nobody else judges it.  as_read: it must also be what was read.
 * False: its fate is settled.  Whatever can fail comes before: giving it back is
 * an event, and makes us look again at once. */
static bool own(struct admission *a, struct entry *e, bool as_read)
{
    struct stat st;
    struct spool *sp = a->q->spool;
    snprintf(e->own, sizeof e->own, ".%s.%s", sp->token, e->d->file);
    if (file_move(sp, DIR_PENDING, e->d->file, DIR_PENDING, e->own) != 0) {
        own_failed(a, e);
        return false;
    }
    e->owned = true;
    if (fstatat(sp->dir[DIR_PENDING], e->own, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        st.st_ino == e->st.st_ino && (!as_read || is_unchanged(&st, &e->st)))
        return true;
    disown(a, e); /* another file than the one inspected */
    look_later(a, e, 0);
    return false;
}

/* -- inspect ------------------------------------------------------------- */

/* A folder takes its ".." along: to another parent it goes only if we may write
 * to it (rename(2), EACCES). */
static bool may_leave(const struct admission *a, const struct entry *e)
{
    return !S_ISDIR(e->st.st_mode) ||
           faccessat(a->q->spool->dir[DIR_PENDING], e->d->file, W_OK, AT_EACCESS) == 0;
}

/* No job, for the reason in e->why.  Owned first, since only one pool may write
 * the report (unless its name is too long for that). */
static void reject(struct admission *a, struct entry *e)
{
    struct err err = ERR_INIT;
    struct misfit m = {DIR_PENDING, e->d->file, e->why, e->mend};
    if (!may_leave(a, e)) {
        own_failed(a, e);
        return;
    }
    if (strlen(e->d->file) <= NAME_FOREIGN_MAX && !own(a, e, e->was_read))
        return;
    if (quarantine_put(a->q, DIR_PENDING, e->owned ? e->own : e->d->file, &m, &err) == 0) {
        settle(e, ADMIT_REJECTED);
    } else {
        disown(a, e);
        trouble(a, e, &err);
    }
}

static void reject_for(struct admission *a, struct entry *e, const char *why, const char *mend)
{
    text_copy(e->why, sizeof e->why, why);
    text_copy(e->mend, sizeof e->mend, mend);
    reject(a, e);
}

struct leftover {
    const struct spool *sp;
    const struct stat *st;
};

static int remove_leftover(const char *file, void *arg)
{
    const struct leftover *l = arg;
    struct stat st;
    return fstatat(l->sp->dir[DIR_TMP], file, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           st.st_dev == l->st->st_dev && st.st_ino == l->st->st_ino &&
           file_remove(l->sp, DIR_TMP, file) == 0;
}

/* A producer that links its file into pending/ and then dies, or whose unlink(2) a
 * power cut undid (btrfs), leaves the name in tmp/; the job is whole all the same. */
static bool was_left_in_tmp(struct admission *a, const struct stat *st)
{
    struct leftover l = {a->q->spool, st};
    return st->st_nlink > 1 && scan_dir(a->q->spool, DIR_TMP, remove_leftover, &l) > 0;
}

/* Later, or never if nothing has changed for long and nobody writes. */
static void not_yet(struct admission *a, struct entry *e, const struct file_seen *seen)
{
    static const int64_t pause_ms[] = {100, 300, 1000, 2000};
    struct dropped *d = e->d;
    int64_t mtime = seen->st.st_mtim.tv_sec * INT64_C(1000000000) + seen->st.st_mtim.tv_nsec;
    if (d->unchanged_us == 0 || d->size != seen->st.st_size || d->mtime_ns != mtime) {
        d->unchanged_us = a->mono_us;
        d->size = seen->st.st_size;
        d->mtime_ns = mtime;
    }
    if (!seen->being_written && a->mono_us - d->unchanged_us >= ADMIT_UNCHANGED_MS * US_PER_MS) {
        if (was_left_in_tmp(a, &seen->st))
            look_later(a, e, 0);
        else
            reject(a, e);
        return;
    }
    look_later(a, e, pause_ms[d->tries < 3 ? d->tries : 3] * US_PER_MS);
    d->tries++;
}

static void read_job(struct admission *a, struct entry *e, const struct buf *text,
                     const struct file_seen *seen)
{
    struct err err = ERR_INIT;
    bool incomplete = false;
    e->has_job = job_parse(&e->job, buf_str(text), text->len, &incomplete, &err) == 0;
    if (e->has_job && e->job.is_report)
        reject_for(a, e, "it is a report about a file, and no job", MEND_REPORT);
    else if (!e->has_job && err.kind == ERR_SYSTEM)
        trouble(a, e, &err);
    else if (!e->has_job) {
        text_copy(e->why, sizeof e->why, err.text);
        if (incomplete)
            not_yet(a, e, seen);
        else
            reject(a, e);
    }
}

static void inspect(struct admission *a, struct entry *e)
{
    struct buf text = BUF_INIT;
    struct file_seen seen = {.why = ""};
    enum file_look look = FILE_MISFIT;
    if (strlen(e->d->file) > NAME_FOREIGN_MAX) {
        snprintf(seen.why, sizeof seen.why, "its name is longer than %d bytes", NAME_FOREIGN_MAX);
        text_copy(seen.mend, sizeof seen.mend, MEND_NAME);
    } else
        look = file_inspect(a->q->spool, DIR_PENDING, e->d->file, JSON_DOCUMENT_MAX, true, &text,
                            &seen);
    e->st = seen.st;
    text_copy(e->why, sizeof e->why, seen.why);
    text_copy(e->mend, sizeof e->mend, seen.mend);
    e->was_read = look == FILE_OK;
    if (look == FILE_OK)
        read_job(a, e, &text, &seen);
    else if (look == FILE_GONE)
        settle(e, ADMIT_GONE);
    else if (look == FILE_MISFIT)
        reject(a, e);
    else if (look == FILE_NOT_YET) {
        e->links = seen.st.st_nlink > 1;
        not_yet(a, e, &seen);
    } else {
        struct err err = ERR_INIT;
        err_sys(&err, "read", e->d->file);
        trouble(a, e, &err);
    }
    buf_release(&text);
}

/* -- lock, write, own ---------------------------------------------------- */

static void wanted_id(const struct entry *e, int64_t now, char id[ID_MAX + 1])
{
    char stem[FILE_NAME_MAX + 1];
    if (e->job.id[0]) {
        text_copy(id, ID_MAX + 1, e->job.id);
        return;
    }
    snprintf(stem, sizeof stem, "%.*s", (int)(strlen(e->d->file) - 5), e->d->file);
    name_new_id(stem, now, id);
    if (!name_id_valid(id))
        name_new_id(NULL, now, id);
}

static void lock_id(struct admission *a, struct entry *e, const char *id)
{
    struct err err = ERR_INIT;
    char why[ID_MAX + FILE_NAME_MAX + 40];
    text_copy(e->id, sizeof e->id, id);
    a->in_use.needed_us = (int64_t)e->st.st_ctim.tv_sec * US_PER_SEC + e->st.st_ctim.tv_nsec / 1000;
    switch (ids_reserve(a->q, id, &a->in_use, NULL, &e->lock, &e->fresh)) {
    case IDS_OWNED:
        if (e->job.created_us >= 0) /* a job that was here: a run of it may live */
            idlock_doubt(e->lock);
        break;
    case IDS_IN_USE:
        snprintf(why, sizeof why, "id \"%s\" is in use", id);
        reject_for(a, e, why, MEND_ID);
        break;
    case IDS_BUSY: /* a run whose file was moved here by hand still lives */
        look_later(a, e, LOCKED_AGAIN_MS * US_PER_MS);
        break;
    case IDS_UNSEEN:
    case IDS_ERROR:
        idlock_error(a->q->spool, id, &err);
        trouble(a, e, &err);
        break;
    }
}

static int write_copy(struct admission *a, struct entry *e, int64_t now, struct err *err)
{
    struct buf text = BUF_INIT;
    struct name n = {0};
    bool keep = !e->fresh && e->job.id[0] && e->job.runs > 0; /* put back by hand */
    if (!e->fresh && !keep)
        logs_forget(a->q, e->id);
    if (job_accept(&e->job, e->id, &a->q->settings, now, keep, err) != 0)
        return -1;
    n.time_us = job_due(&e->job, now);
    n.priority = e->job.priority;
    text_copy(n.id, sizeof n.id, e->id);
    name_format(DIR_PENDING, &n, e->canonical);
    int r = job_print(&e->job, &text);
    if (r == 0)
        r = file_make_tmp(a->q->spool, text.data, text.len, FILE_CACHED, e->tmp);
    buf_release(&text);
    e->written = r == 0;
    return r == 0 ? 0 : err_sys(err, "take in", e->d->file);
}

/* Strictly rising, so that the order of taking in is the order of running; but
 * not for the sake of a clock that was set back. */
static int64_t rising_time(struct admission *a)
{
    int64_t now = clock_wall_us();
    bool same = now <= a->wall_us && a->wall_us - now < US_PER_SEC;
    return a->wall_us = same ? a->wall_us + 1 : now;
}

static void prepare(struct admission *a, struct entry *e)
{
    struct err err = ERR_INIT;
    int64_t now = rising_time(a);
    char id[ID_MAX + 1];
    wanted_id(e, now, id);
    lock_id(a, e, id);
    if (e->state != OPEN)
        return;
    if (write_copy(a, e, now, &err) == 0)
        own(a, e, true);
    else
        trouble(a, e, &err);
}

/* -- the batch ----------------------------------------------------------- */

static bool is_there(const struct spool *sp, const char *file)
{
    struct stat st;
    return fstatat(sp->dir[DIR_PENDING], file, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* ENOENT: an operator took the file away, or somebody removed our copy in tmp/. */
static void commit(struct admission *a, struct entry *e)
{
    struct err err = ERR_INIT;
    struct spool *sp = a->q->spool;
    if (!e->unsafe && file_exchange(sp, e->tmp, DIR_PENDING, e->own) == 0 &&
        file_move(sp, DIR_PENDING, e->own, DIR_PENDING, e->canonical) == 0) {
        e->state = PLACED;
        return;
    }
    if (e->unsafe)
        errno = EIO;
    else if (errno == ENOENT && !is_there(sp, e->own)) {
        settle(e, ADMIT_GONE);
        return;
    }
    err_sys(&err, "take in", e->d->file);
    disown(a, e);
    trouble(a, e, &err);
}

/* Its fate is known: let go of all that it had. */
static void conclude(struct admission *a, struct entry *e)
{
    if (e->written && e->fate != ADMIT_TAKEN)
        file_drop_tmp(a->q->spool, e->tmp);
    if (e->lock >= 0 && e->fresh && e->fate != ADMIT_TAKEN)
        idlock_forget(a->q->spool, e->id);
    if (e->lock >= 0)
        close(e->lock);
    if (e->has_job)
        job_release(&e->job);
    a->tell(e->d, e->fate, e->canonical, e->why, e->links, a->arg);
}

/* Each holds its id's lock open: a part of the descriptors that there are. */
static size_t most_at_once(void)
{
    struct rlimit files;
    rlim_t part = getrlimit(RLIMIT_NOFILE, &files) == 0 ? files.rlim_cur / 4 : ADMIT_BATCH;
    return part >= ADMIT_BATCH ? ADMIT_BATCH : part > 0 ? (size_t)part : 1;
}

struct admission *admit_open(struct queue *q, admit_told *tell, void *arg)
{
    struct admission *a = calloc(1, sizeof *a);
    if (!a)
        return NULL;
    *a = (struct admission){.q = q, .tell = tell, .arg = arg, .most = most_at_once(),
                            .keeps_order = sys_keeps_order(q->spool->root)};
    a->entry = calloc(a->most, sizeof *a->entry);
    if (a->entry)
        return a;
    free(a);
    return NULL;
}

void admit_close(struct admission *a)
{
    if (!a)
        return;
    id_set_release(&a->in_use);
    free(a->entry);
    free(a);
}

size_t admit_waiting(const struct admission *a)
{
    return a->n - a->at;
}

static bool is_stale(const struct id_set *set)
{
    int64_t age = clock_wall_us() - set->since_us;
    int64_t most = set->known ? IDS_WORTH * set->took_us : IDS_ASKED_US;
    return age < 0 || (age > IDS_STALE_US && age > most);
}

bool admit_is_full(const struct admission *a)
{
    return a->n == a->most;
}

bool admit_add(struct admission *a, struct dropped *d, int64_t mono_now_us)
{
    if (admit_is_full(a))
        return false;
    struct entry *e = &a->entry[a->n];
    *e = (struct entry){.d = d, .lock = -1};
    a->mono_us = mono_now_us;
    if (is_stale(&a->in_use))
        id_set_release(&a->in_use);
    inspect(a, e);
    if (e->state == OPEN)
        prepare(a, e);
    if (e->state == OPEN)
        a->n++;
    else
        conclude(a, e);
    return true;
}

void admit_sync(struct admission *a)
{
    bool together = a->placed || a->n >= SYNC_TOGETHER;
    if ((together && sys_sync_fs(a->q->spool->root) == 0) || a->placed)
        return; /* those that have their places are jobs, whatever comes of it */
    for (size_t i = 0; i < a->n; i++)
        a->entry[i].unsafe = file_sync(a->q->spool, DIR_TMP, a->entry[i].tmp) != 0;
}

/* One step of the first round, which gives each its place, or of the second, which lets
 * go of those that were synced there. */
static void advance(struct admission *a, struct entry *e)
{
    if (e->state == SETTLED)
        return; /* by the first */
    if (e->state == OPEN)
        commit(a, e);
    if (e->state == PLACED && (a->keeps_order || a->placed))
        settle(e, ADMIT_TAKEN);
    if (e->state == SETTLED)
        conclude(a, e);
}

/* canonical: this one; NULL: any. */
static bool has_placed(const struct admission *a, const char *canonical)
{
    for (size_t i = 0; i < a->n; i++)
        if (a->entry[i].state == PLACED &&
            (!canonical || strcmp(a->entry[i].canonical, canonical) == 0))
            return true;
    return false;
}

enum admit_step admit_commit(struct admission *a, int64_t mono_now_us)
{
    a->mono_us = mono_now_us;
    if (a->at < a->n)
        advance(a, &a->entry[a->at++]);
    if (a->at < a->n)
        return ADMIT_MORE;
    a->placed = has_placed(a, NULL);
    a->at = 0;
    if (a->placed)
        return ADMIT_SYNC;
    a->n = 0;
    return ADMIT_DONE;
}

bool admit_is_placed(const struct admission *a, const char *canonical)
{
    return !a->keeps_order && has_placed(a, canonical);
}

/* -- after a crash ------------------------------------------------------- */

/* .TOKEN.NAME of a dead taker: NAME again. */
static int put_back_if_dead(const char *file, void *arg)
{
    struct queue *q = arg;
    char token[TOKEN_MAX + 1];
    const char *name = name_owned(file, token);
    if (name && strlen(name) > 5 && strcmp(token, q->spool->token) != 0 &&
        !live_is_alive(q->spool, token))
        give_back(q->spool, file, name);
    return 0;
}

int admit_put_back(struct queue *q, struct err *err)
{
    return scan_dir(q->spool, DIR_PENDING, put_back_if_dead, q) == 0
               ? 0
               : err_sys(err, "read", dir_name(DIR_PENDING));
}
