/* claim.c: see claim.h.
 *
 * What makes a double claim impossible is the pair of lock and rename: the lock
 * is held by whoever runs the job (its processes inherit it), so a second copy
 * of the name is refused while a run lives; and of two that saw the same name,
 * rename(2) finds it for one.  Processes that closed every descriptor do not hold the
 * lock any more, and somebody may remove its file: so the file is marked until the run
 * that began under it has ended, and whoever gets the lock asks whether that run lives on
 * (runs.h).
 */
#include "queue/claim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/sys.h"
#include "base/text.h"
#include "queue/doubles.h"
#include "queue/quarantine.h"
#include "queue/runs.h"
#include "spool/file.h"
#include "spool/idlock.h"

#define YOUNG_SEC 6

void claim_release(struct claim *c)
{
    if (c->lock >= 0)
        close(c->lock);
    c->lock = -1;
    job_release(&c->job);
    buf_release(&c->result);
    buf_release(&c->aside);
}

static void name_run(struct queue *q, const struct name *waiting, struct claim *c)
{
    c->name = *waiting;
    c->name.held = false;
    c->name.time_us = clock_wall_us();
    if (c->name.attempts < NAME_ATTEMPTS_MAX)
        c->name.attempts++;
    text_copy(c->name.token, sizeof c->name.token, q->spool->token);
    name_format(DIR_PROCESSING, &c->name, c->run);
}

/* Due now at the latest: the clock may have been set back since TIME, and a rename
 * gives the file a ctime that no longer tells that it was due (intake.c). */
static int64_t not_later_than_now(int64_t time_us)
{
    int64_t now = clock_wall_us();
    return time_us < now ? time_us : now;
}

int claim_put_back(struct queue *q, struct claim *c)
{
    struct name n = c->name;
    char file[FILE_NAME_MAX + 1];
    if (n.attempts > 0)
        n.attempts--;
    n.time_us = not_later_than_now(n.time_us);
    name_format(DIR_PENDING, &n, file);
    if (file_move(q->spool, DIR_PROCESSING, c->run, DIR_PENDING, file) == 0) {
        idlock_moved_back(c->lock);
        return 0;
    }
    struct stat st;
    int saved = errno;
    bool there = fstatat(q->spool->dir[DIR_PROCESSING], c->run, &st, AT_SYMLINK_NOFOLLOW) == 0;
    errno = saved == ENOENT && there ? ESTALE : saved; /* it is pending/ that was replaced */
    return -1;
}

/* To the very name it had, unless its TIME has not come (again). */
static enum claim_result undo(struct queue *q, struct claim *c, enum claim_result why,
                              struct err *err)
{
    struct name n;
    char file[FILE_NAME_MAX + 1];
    name_parse(c->from, c->file, &n);
    n.time_us = not_later_than_now(n.time_us);
    name_format(c->from, &n, file);
    if (file_move(q->spool, DIR_PROCESSING, c->run, c->from, file) == 0) {
        idlock_moved_back(c->lock);
        return why;
    }
    if (claim_put_back(q, c) == 0 || errno == ENOENT)
        return why;
    if (!err->kind)
        err_sys(err, "put back", c->run);
    return CLAIM_STUCK;
}

static enum claim_result refuse(struct queue *q, struct claim *c, const char *why,
                                const char *mend, struct err *err)
{
    struct misfit m = {c->from, c->file, why, mend};
    if (quarantine_put(q, DIR_PROCESSING, c->run, &m, err) != 0)
        return undo(q, c, CLAIM_ERROR, err);
    err_set(err, ERR_BAD, "%s/%s: %s; it lies in %s/", dir_name(c->from), c->file, why,
            dir_name(DIR_QUARANTINE));
    return CLAIM_REFUSED;
}

/* Has another file ended under its id? */
static enum claim_result check_double(struct queue *q, struct claim *c, struct err *err)
{
    enum dir state;
    char other[FILE_NAME_MAX + 1], why[2 * ID_MAX + 80];
    switch (doubles_compare(q, c->name.id, &c->job, &state, other)) {
    case DOUBLES_OLDER:
        if (doubles_remove(q, DIR_PROCESSING, c->run, c->name.id) == 0)
            return CLAIM_LOST;
        err_sys(err, "remove", c->run);
        return undo(q, c, CLAIM_ERROR, err);
    case DOUBLES_NEWER:
        if (doubles_remove(q, state, other, c->name.id) == 0)
            return CLAIM_WON;
        err_sys(err, "remove", other);
        return undo(q, c, CLAIM_ERROR, err);
    case DOUBLES_REPLACED:
        return doubles_put_aside(q, state, other, err) == 0 ? CLAIM_WON
                                                            : undo(q, c, CLAIM_ERROR, err);
    case DOUBLES_STRANGER:
        snprintf(why, sizeof why, "id \"%s\" is in use: %s/%s is there", c->name.id,
                 dir_name(state), other);
        return refuse(q, c, why, MEND_ID, err);
    default:
        return CLAIM_WON;
    }
}

/* A name alone earns no trust: people copy and move files. */
static enum claim_result check_fit(struct queue *q, struct claim *c, struct err *err)
{
    char why[2 * ID_MAX + 80];
    if (c->job.is_report)
        return refuse(q, c, "it is a report about a file, and no job", MEND_REPORT, err);
    if (c->job.id[0] && strcmp(c->job.id, c->name.id) != 0) {
        snprintf(why, sizeof why, "its name says id \"%s\", its document \"%s\"", c->name.id,
                 c->job.id);
        return refuse(q, c, why, NULL, err);
    }
    return check_double(q, c, err);
}

/* Another's file, or one with a second name: from here on the bytes that were
 * read are ours alone. */
static int own_copy(struct queue *q, struct claim *c, const struct buf *text, struct err *err)
{
    char tmp[FILE_NAME_MAX + 1];
    if (file_make_tmp(q->spool, text->data, text->len, FILE_WRITTEN, tmp) != 0)
        return file_error(err, "copy", c->name.id, "write", DIR_TMP, tmp);
    if (file_exchange(q->spool, tmp, DIR_PROCESSING, c->run) != 0)
        return file_error(err, "copy", c->name.id, "exchange", DIR_PROCESSING, c->run);
    return 0;
}

/* Written so shortly ago that more may come. */
static bool is_young(const struct stat *st)
{
    int64_t age = clock_wall_us() / US_PER_SEC - st->st_mtim.tv_sec;
    return age >= 0 && age < YOUNG_SEC;
}

static enum claim_result read_document(struct queue *q, struct claim *c, struct err *err)
{
    struct buf text = BUF_INIT;
    struct file_seen seen;
    bool incomplete = false;
    enum claim_result r = CLAIM_WON;
    switch (file_inspect(q->spool, DIR_PROCESSING, c->run, JSON_STORED_MAX, false, &text,
                         &seen)) {
    case FILE_OK:
        break;
    case FILE_GONE:
        r = CLAIM_LOST;
        break;
    case FILE_NOT_YET:
        r = is_young(&seen.st) ? undo(q, c, CLAIM_NOT_YET, err)
                               : refuse(q, c, seen.why, seen.mend, err);
        break;
    case FILE_MISFIT:
        r = refuse(q, c, seen.why, seen.mend, err);
        break;
    case FILE_TROUBLE:
        file_error(err, "claim", c->name.id, "read", DIR_PROCESSING, c->run);
        r = undo(q, c, CLAIM_ERROR, err);
        break;
    }
    if (r == CLAIM_WON && job_parse(&c->job, buf_str(&text), text.len, &incomplete, err) != 0) {
        char why[sizeof err->text];
        text_copy(why, sizeof why, err->text);
        if (err->kind == ERR_SYSTEM)
            r = undo(q, c, CLAIM_ERROR, err);
        else
            r = incomplete && is_young(&seen.st) ? undo(q, c, CLAIM_NOT_YET, err)
                                                 : refuse(q, c, why, NULL, err);
    }
    bool shared = seen.st.st_nlink > 1 || seen.st.st_uid != geteuid();
    if (r == CLAIM_WON && shared && own_copy(q, c, &text, err) != 0)
        r = undo(q, c, CLAIM_ERROR, err);
    buf_release(&text);
    return r;
}

static enum claim_result lock_and_move(struct queue *q, struct claim *c, struct err *err)
{
    enum idlock lock = idlock_take(q->spool, c->name.id, &c->lock, NULL);
    if (lock != IDLOCK_OWNED) {
        c->lock = -1;
        if (lock == IDLOCK_BUSY)
            return CLAIM_BUSY;
        idlock_error(q->spool, c->name.id, err);
        return CLAIM_ERROR;
    }
    if (runs_outlive_lock(q, c->name.id, c->lock))
        return CLAIM_BUSY;
    sys_mark_file(c->lock); /* recoverers end who has it so, and not each other */
    if (file_move(q->spool, c->from, c->file, DIR_PROCESSING, c->run) == 0)
        return CLAIM_WON;
    if (errno == ENOENT)
        return CLAIM_LOST;
    file_error(err, "claim", c->name.id, "rename to", DIR_PROCESSING, c->run);
    return CLAIM_ERROR;
}

static int make_durable(struct queue *q)
{
    return file_sync_dir(q->spool, DIR_PROCESSING);
}

enum claim_result claim_take(struct queue *q, enum dir from, const char *file, struct claim *c,
                             struct err *err)
{
    struct name waiting;
    *c = (struct claim){.lock = -1, .from = from, .next_run_us = -1};
    if (!name_parse(from, file, &waiting))
        return CLAIM_LOST;
    text_copy(c->file, sizeof c->file, file);
    name_run(q, &waiting, c);
    enum claim_result r = lock_and_move(q, c, err);
    if (r == CLAIM_WON)
        r = read_document(q, c, err);
    if (r == CLAIM_WON)
        r = check_fit(q, c, err);
    if (r == CLAIM_WON && q->settings.durable_claim && make_durable(q) != 0) {
        file_error(err, "claim", c->name.id, "sync", DIR_PROCESSING, c->run);
        r = undo(q, c, CLAIM_ERROR, err);
    }
    if (r != CLAIM_WON && r != CLAIM_STUCK)
        claim_release(c);
    return r;
}
