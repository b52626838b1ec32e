/* recover.c: see recover.h.  Several pools may recover at once: the id's lock,
 * tried and never waited for, lets one through.
 */
#include "queue/recover.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cgroup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/sys.h"
#include "base/text.h"
#include "queue/admit.h"
#include "queue/doubles.h"
#include "queue/finish.h"
#include "queue/logs.h"
#include "queue/quarantine.h"
#include "queue/request.h"
#include "queue/runs.h"
#include "spool/file.h"
#include "spool/idlock.h"
#include "spool/live.h"
#include "spool/scan.h"

#define TMP_STALE_SEC (36 * 3600) /* a writer gives up long before that */
#define TMP_YOUNG_SEC 5           /* its maker may live in another PID namespace */

/* -- its processes -------------------------------------------------------- */

static void end_processes(struct queue *q, const struct name *n, struct orphan *o, int64_t now)
{
    if (q->settings.orphans == ORPHANS_WAIT && !request_is_there(q, REQUEST_CANCEL, o->run))
        return;
    if (o->term_us == 0) {
        o->term_us = now;
        runs_signal(q, n, o->run, SIGTERM);
    } else if (now - o->term_us >= q->settings.grace_ms * US_PER_MS)
        runs_signal(q, n, o->run, SIGKILL);
}

/* -- settle it ----------------------------------------------------------- */

static enum recover_result from_finish(enum finish_result f)
{
    return f == FINISH_ERROR ? RECOVER_ERROR : RECOVER_SETTLED;
}

static enum recover_result lose(struct queue *q, struct claim *c, struct err *err)
{
    bool cancelled = request_is_there(q, REQUEST_CANCEL, c->run), renamed = false;
    struct run r = {.outcome = cancelled ? OUTCOME_CANCELLED : OUTCOME_LOST,
                    .finished_us = clock_wall_us(),
                    .duration_ms = -1,
                    .exit_code = -1,
                    .cpu_ms = -1,
                    .max_rss_kib = -1};
    r.error = cancelled          ? "cancelled"
              : runs_of_this_boot(&c->name) ? "lost: worker died"
                                    : "lost: host restarted";
    enum finish_result f = finish_run(q, c, &r, &renamed, err);
    if (f != FINISH_ERROR)
        request_drop(q, REQUEST_CANCEL, c->run);
    return from_finish(f);
}

static enum recover_result put_aside(struct queue *q, struct claim *c, const char *reason,
                                     const char *mend, struct err *err)
{
    char why[sizeof err->text]; /* reason may be err's own */
    struct misfit m = {DIR_PROCESSING, c->run, why, mend};
    text_copy(why, sizeof why, reason);
    return quarantine_put(q, DIR_PROCESSING, c->run, &m, err) == 0 ? RECOVER_SETTLED
                                                                   : RECOVER_ERROR;
}

/* Nothing of it lives, and most likely nothing else of its id. */
static enum recover_result settle_dead(struct queue *q, struct claim *c, bool lived,
                                       struct err *err)
{
    enum dir ended;
    char file[FILE_NAME_MAX + 1];
    runs_outlive_lock(q, c->name.id, c->lock);
    if (doubles_compare(q, c->name.id, &c->job, &ended, file) == DOUBLES_OLDER) {
        if (doubles_remove(q, DIR_PROCESSING, c->run, c->name.id) == 0)
            return RECOVER_SETTLED;
        err_sys(err, "remove", c->run);
        return RECOVER_ERROR;
    }
    if (lived || !runs_never_started(q, &c->name, c->run) ||
        request_is_there(q, REQUEST_CANCEL, c->run))
        return lose(q, c, err);
    if (claim_put_back(q, c) == 0 || errno == ENOENT)
        return RECOVER_SETTLED;
    err_sys(err, "put back", c->run);
    return RECOVER_ERROR;
}

/* A stored result comes first: its tree was empty, or what is left of it is
 * detached and none of our business.  o NULL: nothing of it can live here. */
static enum recover_result settle(struct queue *q, struct claim *c, struct orphan *o,
                                  struct err *err)
{
    bool renamed = false;
    struct buf text = BUF_INIT;
    struct file_seen seen;
    int parse = 0;
    enum recover_result r = RECOVER_ERROR;
    enum file_look look = file_inspect(q->spool, DIR_PROCESSING, c->run, JSON_STORED_MAX, false,
                                       &text, &seen);
    if (look == FILE_GONE)
        r = RECOVER_SETTLED;
    else if (look == FILE_TROUBLE || look == FILE_NOT_YET)
        file_error(err, "recover", c->name.id, "read", DIR_PROCESSING, c->run);
    else if (look == FILE_MISFIT ||
             (parse = job_parse(&c->job, buf_str(&text), text.len, NULL, err)) != 0) {
        if (parse != 0 && err->kind == ERR_SYSTEM) {
            buf_release(&text);
            return RECOVER_ERROR;
        }
        r = put_aside(q, c, look == FILE_MISFIT ? seen.why : err->text, seen.mend, err);
    } else if (job_has_result(&c->job, c->name.time_us, c->name.attempts, c->name.token, &c->fate,
                              &c->next_run_us)) {
        idlock_end(c->lock);
        if (logs_keep(q, c, &renamed) == 0)
            r = from_finish(finish_move(q, c, err));
        else
            err_sys(err, "keep the logs of", c->name.id);
    } else if (o && runs_live(q, &c->name, c->run)) {
        o->lived = true;
        r = RECOVER_ALIVE;
    } else
        r = settle_dead(q, c, o && o->lived, err);
    buf_release(&text);
    return r;
}

static void fill_claim(struct claim *c, const struct name *n, const char *run, int lock)
{
    *c = (struct claim){.name = *n, .lock = lock, .next_run_us = -1, .from = DIR_PENDING};
    text_copy(c->run, sizeof c->run, run);
    text_copy(c->file, sizeof c->file, run);
}

static bool is_away(struct queue *q, const char *run)
{
    struct stat st;
    return fstatat(q->spool->dir[DIR_PROCESSING], run, &st, AT_SYMLINK_NOFOLLOW) != 0 &&
           errno == ENOENT;
}

enum recover_result recover_run(struct queue *q, struct orphan *o, int64_t now, struct err *err)
{
    struct name n;
    struct claim c;
    int lock;
    if (!name_parse(DIR_PROCESSING, o->run, &n))
        return RECOVER_SETTLED;
    if (live_is_alive(q->spool, n.token))
        return RECOVER_OWNED;
    enum idlock l = idlock_take(q->spool, n.id, &lock, NULL);
    if (l == IDLOCK_ERROR) {
        idlock_error(q->spool, n.id, err);
        return RECOVER_ERROR;
    }
    /* Another pool has settled it, and the lock is of the job's next run. */
    if (l == IDLOCK_BUSY && is_away(q, o->run))
        return RECOVER_SETTLED;
    enum recover_result r = RECOVER_ALIVE;
    if (l == IDLOCK_BUSY && !o->lived)
        o->lived = runs_live(q, &n, o->run); /* or another recoverer has the lock */
    if (l == IDLOCK_OWNED) {
        fill_claim(&c, &n, o->run, lock);
        r = settle(q, &c, o, err);
        claim_release(&c);
    }
    if (r == RECOVER_ALIVE)
        end_processes(q, &n, o, now);
    return r;
}

/* -- what has no run ----------------------------------------------------- */

struct sweep {
    struct queue *q;
    char (*token)[TOKEN_MAX + 1]; /* owners of files in processing/ */
    size_t n, cap;
};

static int note_owner(const char *file, void *arg)
{
    struct sweep *s = arg;
    struct name n;
    if (!name_parse(DIR_PROCESSING, file, &n))
        return 0;
    if (s->n == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : 64;
        void *grown = realloc(s->token, cap * sizeof *s->token);
        if (!grown)
            return -1;
        s->token = grown;
        s->cap = cap;
    }
    text_copy(s->token[s->n++], sizeof *s->token, n.token);
    return 0;
}

/* The run that a dead worker's record names, if its processes live on though its file
 * is in processing/ no more (somebody moved it): the record helps to know them. */
static bool is_needed(struct queue *q, const struct live_record *r)
{
    struct name n;
    return r->run[0] && r->run_pid > 0 && name_parse(DIR_PROCESSING, r->run, &n) &&
           runs_live(q, &n, r->run);
}

static void bury_if_free(const struct live_record *r, bool alive, void *arg)
{
    struct sweep *s = arg;
    if (alive)
        return;
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->token[i], r->token) == 0)
            return; /* its run is to be settled first */
    if (is_needed(s->q, r))
        return;
    if (logs_sweep(s->q, r->token) != 0)
        return; /* its file is what we know them by */
    request_drop(s->q, REQUEST_STOP, r->token);
    request_drop(s->q, REQUEST_STOP_NOW, r->token);
    live_bury(s->q->spool, r->token, r->role);
}

/* By the ctime: cp -p, tar and rsync set the mtime to what it was elsewhere. */
static int64_t age_sec(const struct stat *st)
{
    return clock_wall_us() / US_PER_SEC - (int64_t)st->st_ctim.tv_sec;
}

/* Of the future, by more than the clocks of a kernel differ: it was set back since. */
static bool is_litter_of_the_dead(const struct stat *st)
{
    int64_t age = age_sec(st);
    return age > TMP_YOUNG_SEC || age < -TMP_YOUNG_SEC;
}

/* Whoever has it open still writes, whatever the clock says (it may just have been
 * set forward). */
static bool is_forsaken(struct queue *q, const char *file, const struct stat *st)
{
    if (age_sec(st) <= TMP_STALE_SEC)
        return false;
    int fd = io_open_file(q->spool->dir[DIR_TMP], file, O_RDONLY | O_NONBLOCK, 0);
    bool busy = fd >= 0 && sys_writers(fd) == SYS_WRITERS_SOME;
    if (fd >= 0)
        close(fd);
    return !busy;
}

static int sweep_tmp(const char *file, void *arg)
{
    struct queue *q = arg;
    struct stat st;
    char token[TOKEN_MAX + 1];
    bool ours = token_prefix(file, token) != NULL;
    if (fstatat(q->spool->dir[DIR_TMP], file, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return 0;
    bool stale = ours ? is_litter_of_the_dead(&st) && !live_is_alive(q->spool, token)
                      : is_forsaken(q, file, &st);
    if (stale && !S_ISDIR(st.st_mode))
        file_remove(q->spool, DIR_TMP, file);
    return 0;
}

/* Killed before its file got its name (live_publish). */
static int sweep_unnamed(const char *file, void *arg)
{
    struct queue *q = arg;
    struct stat st;
    char token[TOKEN_MAX + 1];
    if (file[0] == '.' && token_prefix(file + 1, token) && !live_is_alive(q->spool, token) &&
        fstatat(q->spool->dir[DIR_WORKERS], file, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        is_litter_of_the_dead(&st))
        file_remove(q->spool, DIR_WORKERS, file);
    return 0;
}

/* A cancel for a run that is not there any more, a stop for somebody dead. */
static int sweep_request(const char *file, void *arg)
{
    struct queue *q = arg;
    enum request what;
    const char *of;
    struct stat st;
    if (!request_parse(file, &what, &of) || what == REQUEST_PAUSE)
        return 0;
    bool is_void = what == REQUEST_CANCEL
                    ? fstatat(q->spool->dir[DIR_PROCESSING], of, &st, AT_SYMLINK_NOFOLLOW) != 0 &&
                          errno == ENOENT
                    : !live_is_alive(q->spool, of);
    if (is_void)
        request_drop(q, what, of);
    return 0;
}

static bool token_lives(const char *token, void *arg)
{
    const struct queue *q = arg;
    struct token t;
    return !token_parse(token, &t) || live_is_alive(q->spool, token);
}

void recover_sweep(struct queue *q)
{
    struct sweep s = {.q = q};
    if (scan_dir(q->spool, DIR_PROCESSING, note_owner, &s) == 0)
        live_each(q->spool, bury_if_free, &s);
    free(s.token);
    if (!idlock_batch_lives(q->spool, NULL))
        scan_dir(q->spool, DIR_TMP, sweep_tmp, q);
    scan_dir(q->spool, DIR_WORKERS, sweep_unnamed, q);
    scan_dir(q->spool, DIR_CONTROL, sweep_request, q);
    admit_put_back(q, NULL);
    if (q->settings.cgroup != CGROUP_NO)
        cgroup_sweep(q->settings.cgroup == CGROUP_YES, token_lives, q);
}

/* -- adopt --------------------------------------------------------------- */

struct adoption {
    struct queue *q;
    struct err *err;
};

static int adopt_run(const char *file, void *arg)
{
    struct adoption *a = arg;
    struct name n;
    struct claim c;
    int lock;
    if (!name_parse(DIR_PROCESSING, file, &n))
        return 0;
    enum idlock l = idlock_take(a->q->spool, n.id, &lock, NULL);
    if (l == IDLOCK_ERROR)
        return idlock_error(a->q->spool, n.id, a->err);
    if (l != IDLOCK_OWNED)
        return err_set(a->err, ERR_BUSY, "%s is being run: this spool is in use", n.id);
    fill_claim(&c, &n, file, lock);
    enum recover_result r = settle(a->q, &c, NULL, a->err);
    claim_release(&c);
    return r == RECOVER_ERROR ? -1 : 0;
}

static int refuse_if_alive(const char *file, void *arg)
{
    struct adoption *a = arg;
    int locked = live_is_locked(a->q->spool, file);
    if (locked < 0)
        return file_error(a->err, "see whether a worker", "lives", "lock", DIR_WORKERS, file);
    return locked ? err_set(a->err, ERR_BUSY, "a worker lives on this spool; stop it first: "
                                              "queuectl worker stop")
                  : 0;
}

static int drop_worker(const char *file, void *arg)
{
    struct adoption *a = arg;
    file_remove(a->q->spool, DIR_WORKERS, file);
    return 0;
}

static int drop_request(const char *file, void *arg)
{
    struct adoption *a = arg;
    enum request what;
    const char *of;
    if (request_parse(file, &what, &of) && what != REQUEST_PAUSE)
        request_drop(a->q, what, of);
    return 0;
}

int recover_adopt(struct queue *q, struct err *err)
{
    struct adoption a = {q, err};
    if (scan_dir(q->spool, DIR_WORKERS, refuse_if_alive, &a) != 0)
        return err->kind ? -1 : err_sys(err, "read", dir_name(DIR_WORKERS));
    if (scan_dir(q->spool, DIR_WORKERS, drop_worker, &a) != 0)
        return err_sys(err, "clear", dir_name(DIR_WORKERS));
    if (scan_dir(q->spool, DIR_CONTROL, drop_request, &a) != 0)
        return err_sys(err, "clear", dir_name(DIR_CONTROL));
    if (scan_dir(q->spool, DIR_PROCESSING, adopt_run, &a) != 0)
        return err->kind ? -1 : err_sys(err, "read", dir_name(DIR_PROCESSING));
    return 0;
}
