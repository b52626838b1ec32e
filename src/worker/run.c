/* run.c: one run, from the spawn to the recorded result.
 *
 * The states are few and follow from what is known: the leader lives or left,
 * the tree is empty or not, and why it is being ended, if it is:
 *
 *   leader lives, nothing asked    wait
 *   timeout, cancel, stop --now    TERM the tree; after the grace KILL, again
 *                                  and again, until no descendant is left
 *   leader left, tree not empty    the same, unless the job may detach
 *   leader left, tree empty        record
 */
#include "worker/run.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/duration.h"
#include "base/escape.h"
#include "base/log.h"
#include "base/text.h"
#include "queue/finish.h"
#include "queue/journal.h"
#include "queue/request.h"
#include "spool/idlock.h"
#include "worker/child.h"
#include "worker/tree.h"

#define OUTPUT_LOOK_US US_PER_SEC
#define KILL_PAUSE_US (10 * US_PER_MS) /* then twice that, and so on */
#define KILL_PAUSE_MAX_US (160 * US_PER_MS)
#define FULL_AGAIN_MS 1000
#define LAST_LINE_MAX 200
#define END_LINE_MAX 2048 /* what is longer is cut */

extern char **environ;

enum why { WHY_NONE, WHY_TIMEOUT, WHY_CANCEL, WHY_NOW, WHY_LEFTOVERS };

struct running {
    struct worker *w;
    struct claim *c;
    struct tree tree;
    int64_t began_us;    /* monotonic */
    int64_t timeout_ms;  /* 0: none */
    enum why why;
    int64_t kill_us;     /* monotonic: when KILL is sent (again); 0: not ending */
    int64_t kill_pause_us;
    int64_t output_us;   /* monotonic: next look at the output's size */
    int start_errno;     /* nothing was executed */
    const char *start_where;
};

/* -- environment --------------------------------------------------------- */

struct env {
    char **item;
    size_t n;
    struct buf own[5]; /* what we add */
};

static void env_set(struct env *e, char *entry)
{
    size_t name = strcspn(entry, "=") + 1; /* with its "=" */
    for (size_t i = 0; i < e->n; i++)
        if (e->item[i][0] == entry[0] && strncmp(entry, e->item[i], name) == 0) {
            e->item[i] = entry;
            return;
        }
    e->item[e->n++] = entry;
    e->item[e->n] = NULL;
}

static void env_own(struct queue *q, const struct claim *c, struct env *e)
{
    buf_adds(&e->own[0], "QUEUECTL_JOB=");
    buf_adds(&e->own[0], q->spool->path);
    buf_addc(&e->own[0], '/');
    buf_adds(&e->own[0], dir_name(DIR_PROCESSING));
    buf_addc(&e->own[0], '/');
    buf_adds(&e->own[0], c->run);
    buf_adds(&e->own[1], "QUEUECTL_JOB_ID=");
    buf_adds(&e->own[1], c->name.id);
    buf_adds(&e->own[2], "QUEUECTL_RUN=");
    buf_add_int(&e->own[2], c->job.runs + 1);
    buf_adds(&e->own[3], "QUEUECTL_ATTEMPT=");
    buf_add_int(&e->own[3], c->name.attempts);
    buf_adds(&e->own[4], "QUEUECTL_SPOOL=");
    buf_adds(&e->own[4], q->spool->path);
}

static void env_release(struct env *e)
{
    for (size_t i = 0; i < 5; i++)
        buf_release(&e->own[i]);
    free(e->item);
}

/* The worker's environment, the job's own over it, ours over both. */
static int env_build(struct queue *q, const struct claim *c, struct env *e)
{
    size_t n = 8;
    for (char **at = environ; *at; at++)
        n++;
    for (char **at = c->job.env; at && *at; at++)
        n++;
    *e = (struct env){.item = calloc(n, sizeof *e->item)};
    if (!e->item)
        return -1;
    for (char **at = environ; *at; at++)
        e->item[e->n++] = *at;
    for (char **at = c->job.env; at && *at; at++)
        env_set(e, *at);
    env_own(q, c, e);
    for (size_t i = 0; i < 5; i++) {
        if (e->own[i].failed) {
            env_release(e);
            errno = ENOMEM;
            return -1;
        }
        env_set(e, e->own[i].data);
    }
    return 0;
}

/* -- start --------------------------------------------------------------- */

static pid_t spawn(struct running *r, char *const *argv, const char *path, char *const *envp)
{
    struct worker *w = r->w;
    struct child child = {.argv = argv,
                          .path = path,
                          .envp = envp,
                          .cwd = r->c->job.cwd,
                          .in = w->null_fd,
                          .out = w->output.fd[LOGS_OUT],
                          .err = w->output.fd[LOGS_ERR],
                          .lock = r->c->lock,
                          .record = &w->record,
                          .record_fd = w->record_fd,
                          .cgroup = w->cgroup};
    return child_start(&child, &r->start_where);
}

static pid_t start_program(struct running *r, char *const *envp)
{
    char *shell[] = {(char[]){"sh"}, (char[]){"-c"}, r->c->job.command, NULL};
    char **argv = r->c->job.argv ? r->c->job.argv : shell;
    r->start_where = "program";
    char *path = r->c->job.argv ? child_find_program(argv[0], envp) : NULL;
    if (r->c->job.argv && !path)
        return -1;
    pid_t pid = spawn(r, argv, path ? path : "/bin/sh", envp);
    int saved = errno;
    free(path);
    errno = saved;
    return pid;
}

/* From here on the record names the run: a crash leaves "it may have run" only
 * once the child has written its pid.  The record comes before the mark on the lock:
 * where the lock's file was removed, either we see that here and do not start, or
 * whoever makes it anew sees our record (runs.h). */
static void start(struct running *r)
{
    struct worker *w = r->w;
    struct env env;
    text_copy(w->record.run, sizeof w->record.run, r->c->run);
    w->record.run_pid = 0;
    w->record.run_boot_us = 0;
    r->start_where = "start";
    if (live_update(w->record_fd, &w->record) != 0 || idlock_begin(r->c->lock) != 0 ||
        output_open(&w->output, &w->q) != 0 ||
        env_build(&w->q, r->c, &env) != 0) {
        r->start_errno = errno;
        return;
    }
    r->tree.leader = start_program(r, env.item);
    if (r->tree.leader < 0)
        r->start_errno = errno;
    env_release(&env);
}

/* -- wait and end -------------------------------------------------------- */

static void begin_end(struct running *r, enum why why, int64_t now)
{
    r->why = why;
    r->kill_us = now + r->w->q.settings.grace_ms * US_PER_MS;
    tree_signal(&r->tree, SIGTERM);
}

static void act(struct running *r)
{
    int64_t now = clock_mono_us();
    bool timed_out = r->timeout_ms > 0 && now - r->began_us >= r->timeout_ms * US_PER_MS;
    if (r->why == WHY_NONE && r->tree.leader_left)
        begin_end(r, WHY_LEFTOVERS, now);
    else if (r->why == WHY_NONE && r->w->cancelled)
        begin_end(r, WHY_CANCEL, now);
    else if (r->why == WHY_NONE && r->w->leaving == NOW)
        begin_end(r, WHY_NOW, now);
    else if (r->why == WHY_NONE && timed_out)
        begin_end(r, WHY_TIMEOUT, now);
    if (r->kill_us > 0 && now >= r->kill_us) {
        tree_signal(&r->tree, SIGKILL);
        r->kill_us = now + r->kill_pause_us;
        if (r->kill_pause_us < KILL_PAUSE_MAX_US)
            r->kill_pause_us *= 2;
    }
    if (now >= r->output_us) {
        output_limit(&r->w->output, r->w->q.settings.output_max);
        r->output_us = now + OUTPUT_LOOK_US;
    }
}

static int64_t next_deadline(const struct running *r)
{
    int64_t next = r->output_us;
    int64_t timeout = r->began_us + r->timeout_ms * US_PER_MS;
    if (r->why == WHY_NONE && r->timeout_ms > 0 && timeout < next)
        next = timeout;
    if (r->kill_us > 0 && r->kill_us < next)
        next = r->kill_us;
    return next;
}

static bool is_over(const struct running *r)
{
    return r->tree.leader_left && (r->tree.empty || (r->c->job.detach && r->why == WHY_NONE));
}

static void await(struct running *r)
{
    while (!is_over(r)) {
        act(r);
        worker_listen(r->w, next_deadline(r));
        tree_reap(&r->tree);
    }
}

/* -- record -------------------------------------------------------------- */

static const char *signal_name(int sig)
{
    static const struct {
        int sig;
        const char *name;
    } names[] = {{SIGHUP, "HUP"},   {SIGINT, "INT"},   {SIGQUIT, "QUIT"}, {SIGILL, "ILL"},
                 {SIGTRAP, "TRAP"}, {SIGABRT, "ABRT"}, {SIGBUS, "BUS"},   {SIGFPE, "FPE"},
                 {SIGKILL, "KILL"}, {SIGUSR1, "USR1"}, {SIGSEGV, "SEGV"}, {SIGUSR2, "USR2"},
                 {SIGPIPE, "PIPE"}, {SIGALRM, "ALRM"}, {SIGTERM, "TERM"}, {SIGXCPU, "XCPU"},
                 {SIGXFSZ, "XFSZ"}, {SIGSYS, "SYS"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].sig == sig)
            return names[i].name;
    return NULL;
}

static void say_signal(struct buf *out, int sig)
{
    const char *name = signal_name(sig);
    if (name)
        buf_addf(out, "killed by SIG%s", name);
    else
        buf_addf(out, "killed by signal %d", sig);
}

static void say_exit(struct running *r, struct buf *out, int code)
{
    char line[LAST_LINE_MAX + 1];
    output_last_line(&r->w->q, line, sizeof line);
    buf_addf(out, "exit %d", code);
    if (*line) {
        buf_adds(out, ": ");
        escape_adds(out, line);
    }
}

static void say_start_failure(const struct running *r, struct buf *out)
{
    const struct job *j = &r->c->job;
    bool in_cwd = strcmp(r->start_where, "cwd") == 0;
    buf_adds(out, in_cwd ? "cannot start: cwd " : "cannot start: ");
    if (strcmp(r->start_where, "start") == 0)
        buf_adds(out, "process");
    else
        escape_adds(out, in_cwd ? j->cwd : j->argv ? j->argv[0] : "/bin/sh");
    buf_addf(out, ": %s", strerror(r->start_errno));
}

static bool is_failure(const struct running *r)
{
    return r->start_errno || r->why == WHY_TIMEOUT || !WIFEXITED(r->tree.status) ||
           WEXITSTATUS(r->tree.status) != 0;
}

static void explain(struct running *r, struct buf *out)
{
    char took[DURATION_TEXT_LEN];
    if (r->why == WHY_CANCEL)
        buf_adds(out, "cancelled");
    else if (r->why == WHY_TIMEOUT) {
        duration_format(r->timeout_ms, took);
        buf_addf(out, "timed out after %s", took);
    } else if (r->start_errno)
        say_start_failure(r, out);
    else if (WIFSIGNALED(r->tree.status))
        say_signal(out, WTERMSIG(r->tree.status));
    else if (WEXITSTATUS(r->tree.status) != 0)
        say_exit(r, out, WEXITSTATUS(r->tree.status));
}

static int64_t cpu_ms(const struct rusage *u)
{
    return (int64_t)(u->ru_utime.tv_sec + u->ru_stime.tv_sec) * MS_PER_SEC +
           (u->ru_utime.tv_usec + u->ru_stime.tv_usec) / US_PER_MS;
}

static void fill_result(struct running *r, struct run *run, const char *error)
{
    bool ran = r->start_errno == 0;
    *run = (struct run){
        .outcome = r->why == WHY_CANCEL ? OUTCOME_CANCELLED
                   : is_failure(r)      ? OUTCOME_FAILED
                                        : OUTCOME_DONE,
        .finished_us = clock_wall_us(),
        .duration_ms = (clock_mono_us() - r->began_us) / US_PER_MS,
        .exit_code = !ran                          ? (r->start_errno == EACCES ? 126 : 127)
                     : WIFEXITED(r->tree.status) ? WEXITSTATUS(r->tree.status)
                                                 : -1,
        .signal = ran && WIFSIGNALED(r->tree.status) ? WTERMSIG(r->tree.status) : 0,
        .timed_out = r->why == WHY_TIMEOUT,
        .cpu_ms = ran ? cpu_ms(&r->tree.usage) : -1,
        .max_rss_kib = ran ? r->tree.usage.ru_maxrss : -1,
        .output_cut = r->w->output.cut,
        .error = *error ? error : NULL};
}

/* Hear what comes, until then or until we are to leave like that. */
static void pause_for(struct worker *w, int64_t ms, enum leaving how)
{
    int64_t until = clock_mono_us() + ms * US_PER_MS;
    while (clock_mono_us() < until && w->leaving < how)
        worker_listen(w, until);
}

/* A full disk, or any other trouble: keep the result and try again each second; at
 * once, where the reserve was given back for it.  Only stop --now makes it give up:
 * then the run counts as lost. */
static enum finish_result finish_surely(struct running *r, struct run *run, bool *renamed)
{
    struct worker *w = r->w;
    for (bool told = false;; told = true) {
        struct err err = ERR_INIT;
        enum finish_result f = finish_run(&w->q, r->c, run, renamed, &err);
        if (f != FINISH_ERROR)
            return f;
        spool_refresh(w->q.spool, NULL); /* a folder may have been made anew */
        if (!told)
            log_warn("%s: %s; trying again each second", r->c->name.id, err.text);
        if (spool_refused(err.errnum) && spool_reserve_release(w->q.spool))
            continue;
        if (w->leaving == NOW)
            return f;
        pause_for(w, FULL_AGAIN_MS, NOW);
    }
}

static void log_end(const struct running *r, const struct run *run, enum finish_result f)
{
    static const char *const fates[] = {[FATE_DONE] = "done",
                                        [FATE_RETRY] = "failed, will be retried",
                                        [FATE_DEAD] = "dead",
                                        [FATE_AGAIN] = "due again"};
    char line[END_LINE_MAX];
    struct text t = text_in(line, sizeof line);
    text_adds(&t, r->c->name.id);
    text_adds(&t, ": run ");
    text_add_int(&t, r->c->job.runs);
    text_addc(&t, ' ');
    text_adds(&t, f == FINISH_TAKEN_AWAY ? "taken away meanwhile" : fates[r->c->fate]);
    text_adds(&t, ", took ");
    text_add_int(&t, run->duration_ms / MS_PER_SEC);
    text_addc(&t, '.');
    text_add_digits(&t, (uint64_t)(run->duration_ms % MS_PER_SEC), 3);
    text_addc(&t, 's');
    text_adds(&t, run->error ? ": " : "");
    text_adds(&t, run->error ? run->error : "");
    log_text(LOG_NOTE, line);
    if (r->c->aside.len > 0)
        log_warn("%s: something had the name of its result or log; it lies in %s", r->c->name.id,
                 buf_str(&r->c->aside));
}

/* Its processes keep the lock they have; the job goes on under a new one. */
static void let_go(struct running *r)
{
    if (r->tree.empty)
        return;
    int lock = idlock_replace(r->w->q.spool, r->c->name.id);
    if (lock >= 0) {
        close(r->c->lock);
        r->c->lock = lock;
    } else
        log_warn("%s: cannot let its processes go: %s", r->c->name.id, strerror(errno));
    if (r->w->leaving == STAY)
        r->w->leaving = LEAVE;
}

static void record(struct running *r)
{
    struct buf error = BUF_INIT;
    struct run run;
    bool renamed = false;
    output_limit(&r->w->output, r->w->q.settings.output_max);
    r->w->output.empty &= r->tree.empty;
    r->c->silent = r->w->output.empty;
    if (r->w->cancelled && r->why == WHY_TIMEOUT) /* asked for while it was being ended */
        r->why = WHY_CANCEL;
    explain(r, &error);
    fill_result(r, &run, buf_str(&error));
    if (r->c->job.detach && r->start_errno == 0)
        let_go(r);
    enum finish_result f = finish_surely(r, &run, &renamed);
    if (f != FINISH_ERROR)
        log_end(r, &run, f);
    output_next(&r->w->output, renamed);
    if (r->why == WHY_CANCEL)
        request_drop(&r->w->q, REQUEST_CANCEL, r->c->run);
    buf_release(&error);
}

bool run_put_back(struct worker *w, struct claim *c)
{
    for (bool told = false;; told = true) {
        if (claim_put_back(&w->q, c) == 0 || errno == ENOENT)
            return true;
        if (!told)
            log_warn("%s: cannot put it back: %s", c->name.id, strerror(errno));
        if (w->leaving != STAY)
            return false;
        spool_refresh(w->q.spool, NULL);
        pause_for(w, FULL_AGAIN_MS, LEAVE);
    }
}

static void put_back(struct running *r, bool ours)
{
    if (run_put_back(r->w, r->c)) {
        if (!ours)
            log_note("%s: ended by stop --now and put back", r->c->name.id);
        journal_event(&r->w->q, "put-back", r->c->name.id, "");
    }
    output_next(&r->w->output, false);
}

/* No process, no log, no memory: that says nothing about the job. */
static bool failed_by_us(const struct running *r)
{
    int e = r->start_errno;
    return e && (strcmp(r->start_where, "start") == 0 || e == ENOMEM || e == EMFILE ||
                 e == ENFILE || e == EAGAIN || e == EIO);
}

int run_job(struct worker *w, struct claim *c)
{
    struct running r = {
        .w = w, .c = c, .began_us = clock_mono_us(), .tree.cgroup = w->cgroup};
    r.timeout_ms = c->job.timeout_ms >= 0 ? c->job.timeout_ms : w->q.settings.timeout_ms;
    r.output_us = r.began_us + OUTPUT_LOOK_US;
    r.kill_pause_us = KILL_PAUSE_US;
    w->cancelled = false;
    start(&r);
    bool ours = failed_by_us(&r);
    if (r.start_errno == 0)
        await(&r);
    if (r.start_errno != 0 || r.tree.empty)
        idlock_end(c->lock);
    if (ours)
        log_warn("%s: cannot start a process: %s; put back", c->name.id, strerror(r.start_errno));
    if (r.why == WHY_NOW && w->cancelled)
        r.why = WHY_CANCEL;
    if (r.why == WHY_NOW || ours)
        put_back(&r, ours);
    else
        record(&r);
    return ours ? r.start_errno : 0;
}
