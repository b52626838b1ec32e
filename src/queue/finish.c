/* finish.c: see finish.h. */
#include "queue/finish.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/sys.h"
#include "base/text.h"
#include "job/backoff.h"
#include "queue/journal.h"
#include "queue/logs.h"
#include "queue/quarantine.h"
#include "spool/file.h"
#include "spool/idlock.h"

#define SYNC_FROM_MS 100 /* "auto": a shorter run is cheaper to repeat than to sync */
#define TRIES 4

static double random_unit(void)
{
    uint32_t r;
    sys_random(&r, sizeof r);
    return r / 4294967296.0;
}

static int64_t next_run(struct queue *q, const struct claim *c, const struct run *r)
{
    const struct settings *s = &q->settings;
    if (c->fate == FATE_AGAIN)
        return r->finished_us;
    if (c->fate != FATE_RETRY)
        return -1;
    double base = c->job.backoff_base > 0 ? c->job.backoff_base : s->backoff_base;
    return r->finished_us + US_PER_MS * backoff_ms(base, c->name.attempts, s->backoff_max_ms,
                                                   s->backoff_jitter, random_unit());
}

/* Make the document with its result, once: a second call after trouble uses it. */
static int make_result(struct queue *q, struct claim *c, struct run *r, struct err *err)
{
    if (c->result.len > 0)
        return 0;
    r->attempt = c->name.attempts;
    r->worker = c->name.token;
    r->started_us = c->name.time_us;
    if (!c->job.has_max_retries)
        c->job.max_retries = q->settings.max_retries;
    c->fate = job_fate(&c->job, r);
    c->next_run_us = next_run(q, c, r);
    if (!c->is_recorded && job_record(&c->job, r, c->fate, c->next_run_us) != 0)
        return err_sys(err, "record the result of", c->name.id);
    c->is_recorded = true;
    if (job_print(&c->job, &c->result) == 0)
        return 0;
    buf_release(&c->result);
    return err_sys(err, "record the result of", c->name.id);
}

/* Must the result survive a power cut before the next job is begun? */
static bool must_survive(const struct queue *q, const struct run *r)
{
    return q->settings.durability == DURABILITY_ALWAYS ||
           (q->settings.durability == DURABILITY_AUTO && r->duration_ms >= SYNC_FROM_MS);
}

static void journal_run(struct queue *q, const struct claim *c, const char *event)
{
    char more[160];
    struct text t = text_in(more, sizeof more);
    text_adds(&t, ",\"run\":");
    text_add_int(&t, c->job.runs);
    text_adds(&t, ",\"attempt\":");
    text_add_int(&t, c->name.attempts);
    text_adds(&t, ",\"duration_ms\":");
    text_add_int(&t, c->job.duration_ms);
    text_adds(&t, ",\"exit_code\":");
    text_add_int(&t, c->job.exit_code);
    journal_event(q, event, c->name.id, more);
}

/* Never without its content, or the job would be lost with its result: the old
 * document goes with the exchange.  Only "never" takes that chance, and only for a job
 * that is at its end. */
static enum file_sure how_sure(const struct queue *q, const struct claim *c)
{
    if (c->fate == FATE_AGAIN)
        return FILE_SYNCED;
    bool ends = c->fate == FATE_DONE || c->fate == FATE_DEAD;
    return ends && q->settings.durability == DURABILITY_NEVER ? FILE_CACHED : FILE_WRITTEN;
}

static enum finish_result store(struct queue *q, struct claim *c, struct err *err)
{
    enum file_sure sure = how_sure(q, c);
    char tmp[FILE_NAME_MAX + 1];
    if (file_make_tmp(q->spool, c->result.data, c->result.len, sure, tmp) != 0) {
        file_error(err, "record the result of", c->name.id, "write", DIR_TMP, tmp);
        return FINISH_ERROR;
    }
    if (file_exchange(q->spool, tmp, DIR_PROCESSING, c->run) == 0)
        return FINISH_MOVED;
    if (errno == ENOENT)
        return FINISH_TAKEN_AWAY;
    file_error(err, "record the result of", c->name.id, "exchange", DIR_PROCESSING, c->run);
    return FINISH_ERROR;
}

static enum dir goal(const struct claim *c, char file[FILE_NAME_MAX + 1])
{
    static const enum dir where[] = {[FATE_DONE] = DIR_DONE,
                                     [FATE_RETRY] = DIR_FAILED,
                                     [FATE_DEAD] = DIR_DEAD,
                                     [FATE_AGAIN] = DIR_PENDING};
    struct name n = c->name;
    n.time_us = c->next_run_us;
    if (c->fate == FATE_AGAIN && n.attempts > 0)
        n.attempts--; /* lost: not an attempt */
    name_format(where[c->fate], &n, file);
    return where[c->fate];
}

/* ENOENT of a rename may mean the folder it goes to. */
static bool is_there(struct queue *q, const char *run)
{
    struct stat st;
    return fstatat(q->spool->dir[DIR_PROCESSING], run, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

enum finish_result finish_move(struct queue *q, struct claim *c, struct err *err)
{
    char file[FILE_NAME_MAX + 1];
    enum dir to = goal(c, file);
    for (int i = 0; i < TRIES; i++) {
        /* The commit: before it the run is unfinished, with its result in the
         * file; after it the job is where it belongs. */
        if (file_move(q->spool, DIR_PROCESSING, c->run, to, file) == 0) {
            if (to == DIR_PENDING || to == DIR_FAILED)
                idlock_moved_back(c->lock);
            return FINISH_MOVED;
        }
        if (errno == ENOENT && !is_there(q, c->run))
            return FINISH_TAKEN_AWAY;
        if (errno != EEXIST || quarantine_namesake(q, to, file, c) != 0)
            break;
    }
    file_error(err, "move the finished job", c->name.id, "rename to", to, file);
    return FINISH_ERROR;
}

static enum dir goal_dir(const struct claim *c)
{
    char file[FILE_NAME_MAX + 1];
    return goal(c, file);
}

enum finish_result finish_run(struct queue *q, struct claim *c, struct run *r, bool *renamed,
                              struct err *err)
{
    static const char *const events[] = {[OUTCOME_DONE] = "done",
                                         [OUTCOME_FAILED] = "failed",
                                         [OUTCOME_LOST] = "lost",
                                         [OUTCOME_CANCELLED] = "cancelled"};
    if (make_result(q, c, r, err) != 0)
        return FINISH_ERROR;
    enum finish_result f = store(q, c, err);
    if (f == FINISH_MOVED && logs_keep(q, c, renamed) != 0) {
        err_sys(err, "keep the logs of", c->name.id);
        return FINISH_ERROR;
    }
    if (f == FINISH_MOVED)
        f = finish_move(q, c, err);
    if (f == FINISH_TAKEN_AWAY)
        journal_run(q, c, "result-without-job");
    if (f != FINISH_MOVED)
        return f;
    journal_run(q, c, c->fate == FATE_DEAD && r->outcome == OUTCOME_FAILED ? "dead"
                                                                          : events[r->outcome]);
    if (must_survive(q, r) && file_sync_dir(q->spool, goal_dir(c)) != 0)
        journal_event(q, "sync-failed", c->name.id, "");
    return FINISH_MOVED;
}
