/* pool.c: the loop.  Each part does what is due and lowers one common wake-up
 * time; then there is one wait; nothing sleeps elsewhere (qmail's qmail-send is
 * the model).
 */
#include "worker/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/sys.h"
#include "base/text.h"
#include "queue/doubles.h"
#include "queue/request.h"
#include "worker/logfile.h"
#include "worker/pool_state.h"
#include "worker/signals.h"

#define NO_MEMORY_PAUSE_MS 200
#define OWN_SLOTS 3

static void hear_signals(struct pool *p)
{
    for (int n = signals_stop(); n > 0; n--)
        care_stop(p, p->stopping == RUNNING ? STOPPING : STOPPING_NOW);
    if (signals_hangup()) {
        if (p->o->on_terminal)
            care_stop(p, STOPPING);
        else if (p->o->log_file) {
            logfile_reopen(p->q.spool);
            crew_tell_all(p, TALK_REOPEN, "");
            log_note("log file opened anew");
        }
    }
    crew_reap(p);
}

/* The first slots are the watch, the intake's sync and the clock; then one for each
 * worker. */
static int wait_for_something(struct pool *p, struct pollfd *fds, bool *signalled)
{
    size_t n = p->members + OWN_SLOTS;
    fds[0] = (struct pollfd){.fd = watch_fd(p->watch), .events = POLLIN};
    fds[1] = (struct pollfd){.fd = intake_fd(p), .events = POLLIN};
    fds[2] = (struct pollfd){.fd = p->clock_fd, .events = POLLIN};
    for (size_t i = 0; i < p->members; i++)
        fds[i + OWN_SLOTS] = (struct pollfd){.fd = p->member[i].fd, .events = POLLIN};
    int timeout = clock_poll_ms(p->wake_us, clock_mono_us());
    int interval = watch_interval_ms(p->watch);
    if (interval >= 0 && interval < timeout)
        timeout = interval;
    return signals_poll(fds, (nfds_t)n, timeout, signalled);
}

static int listen_once(struct pool *p)
{
    size_t n = p->members;
    struct pollfd *fds = calloc(n + OWN_SLOTS, sizeof *fds);
    if (!fds) {
        poll(NULL, 0, NO_MEMORY_PAUSE_MS);
        return -1;
    }
    bool signalled;
    int ready = wait_for_something(p, fds, &signalled);
    int saved = errno;
    for (size_t i = 0; i < n && ready > 0; i++)
        if (fds[i + OWN_SLOTS].revents)
            crew_hear(p, i);
    if ((ready > 0 && fds[0].revents) || watch_interval_ms(p->watch) >= 0)
        intake_events(p);
    if (ready > 0 && fds[2].revents)
        sys_clock_heard(p->clock_fd); /* and look at it in the next round */
    if (signalled)
        hear_signals(p);
    free(fds);
    errno = saved;
    return ready < 0 && errno != EINTR ? -1 : 0;
}

/* A worker that dies while we stop leaves a run: its processes go before we do. */
static bool has_work(const struct pool *p)
{
    return p->stopping == RUNNING || p->members > 0 ||
           (!p->failed && (p->look_for_orphans || p->ending > 0));
}

static void loop(struct pool *p)
{
    while (has_work(p)) {
        int64_t now = clock_mono_us();
        p->wake_us = now + SAFETY_US;
        care_work(p, now);
        intake_work(p, now);
        crew_work(p, now);
        if (care_is_drained(p, now))
            care_stop(p, STOPPING);
        if (!has_work(p))
            break;
        if (listen_once(p) != 0)
            log_warn("poll: %s", strerror(errno));
    }
}

static int fail(struct pool *p, const char *what, const char *folder)
{
    return err_set(p->err, ERR_SYSTEM, "%s %s/%s: %s", what, p->q.spool->path, folder,
                   strerror(errno));
}

static int set_up(struct pool *p)
{
    sys_subreaper();
    if (signals_open() != 0 || intake_open(p) != 0)
        return fail(p, "begin on", "");
    p->record = (struct live_record){.role = LIVE_POOL,
                                     .pid = getpid(),
                                     .since_us = clock_wall_us(),
                                     .pid_ns = sys_pid_namespace()};
    text_copy(p->record.token, sizeof p->record.token, p->q.spool->token);
    p->record_fd = live_publish(p->q.spool, &p->record);
    if (p->record_fd < 0)
        return fail(p, "register in", dir_name(DIR_WORKERS));
    if (p->q.settings_err.kind)
        log_warn("%s; the rest is in force", p->q.settings_err.text);
    doubles_mend(&p->q);
    p->want = (size_t)(p->o->count > 0 ? p->o->count : p->q.settings.count);
    p->look_for_orphans = p->look_at_control = p->sweep_due = p->pools_due = true;
    p->began_us = clock_wall_us();
    p->board = board_make(&p->board_fd);
    return 0;
}

static void say_stopped(const struct pool *p)
{
    uint64_t won = board_sum(p->board, BOARD_WON), lost = board_sum(p->board, BOARD_LOST);
    if (won + lost > 0)
        log_note("stopped; claims: %llu won, %llu lost to others", (unsigned long long)won,
                 (unsigned long long)lost);
    else
        log_note("stopped");
}

/* Did a job die since we began? By the moment its file came into dead/. */
static int is_fresh_death(const char *file, void *arg)
{
    struct pool *p = arg;
    struct stat st;
    return fstatat(p->q.spool->dir[DIR_DEAD], file, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           (int64_t)st.st_ctim.tv_sec * US_PER_SEC + st.st_ctim.tv_nsec / 1000 >=
               p->began_us - 20 * US_PER_MS;
}

static int tear_down(struct pool *p)
{
    int status = p->failed;
    if (p->o->drain && !p->failed && scan_dir(p->q.spool, DIR_DEAD, is_fresh_death, p) != 0)
        status = 1;
    recover_sweep(&p->q);
    if (p->record_fd >= 0)
        live_retire(p->q.spool, p->q.spool->token, LIVE_POOL, p->record_fd);
    request_drop(&p->q, REQUEST_STOP, p->q.spool->token);
    request_drop(&p->q, REQUEST_STOP_NOW, p->q.spool->token);
    intake_close(p);
    crew_release(p);
    care_release(p);
    queue_close(&p->q);
    return status;
}

int pool_run(const struct pool_options *o, struct err *err)
{
    struct pool p = {.o = o, .err = err, .ready_fd = o->ready_fd, .record_fd = -1,
                     .clock_fd = -1, .board_fd = -1};
    log_open("pool", STDERR_FILENO);
    if (o->ready_fd >= 0)
        sys_close_from(o->ready_fd + 1);
    if (queue_open(&p.q, o->spool, QUEUE_WRITE, err) != 0)
        return 1;
    if (set_up(&p) != 0)
        p.failed = true;
    else {
        log_note("started with %zu worker%s on %s", p.want, p.want == 1 ? "" : "s",
                 p.q.spool->path);
        crew_work(&p, clock_mono_us());
        care_count_pools(&p);
        intake_first_scan(&p);
        loop(&p);
        say_stopped(&p);
    }
    return tear_down(&p);
}
