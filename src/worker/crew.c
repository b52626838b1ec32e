/* crew.c: the pool's workers.
 *
 * A worker is started by exec of this very program, with a socket and in a
 * process group of its own, so that a terminal's signals reach only the pool.
 * One that dies is replaced; if it died before it was ready, later and later (a
 * worker that cannot start must not spin), if it died young, within a second.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "worker/pool_state.h"
#include "worker/worker.h"

#define YOUNG_US (1 * US_PER_SEC)
#define THROTTLE_FIRST_US (200 * US_PER_MS)
#define THROTTLE_MAX_US (30 * US_PER_SEC)  /* it does not even start */
#define THROTTLE_YOUNG_US (1 * US_PER_SEC) /* it started: its run is recovered within 2 s */
#define START_GIVES_UP_US (1 * US_PER_SEC) /* throttled that far before the pool was ready */
#define OFFER_AGAIN_US (500 * US_PER_MS)
#define TROUBLED_AGAIN_US (10 * US_PER_SEC) /* longer than care.c pauses: others get their turn */
#define UNSAID_AGAIN_US (200 * US_PER_MS)
#define READY_TRIES 3

extern char **environ;

/* -- hiring -------------------------------------------------------------- */

static int spawn_worker(struct pool *p, int fd, pid_t *pid)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t none, defaults;
    char log_file[] = "--log-file", board[] = "--board";
    char *argv[] = {(char[]){"queuectl"},    (char[]){"worker"}, (char[]){"serve"},
                    (char[]){"--spool"},     p->q.spool->path,   (char[]){"--pool"},
                    p->q.spool->token,       NULL,                 NULL,
                    NULL};
    char **more = argv + 7;
    if (p->o->log_file)
        *more++ = log_file;
    if (p->board)
        *more++ = board;
    sigemptyset(&none);
    sigfillset(&defaults);
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attr);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, fd, TALK_FD);
    if (p->board)
        posix_spawn_file_actions_adddup2(&files, p->board_fd, BOARD_FD);
    posix_spawnattr_setpgroup(&attr, 0);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &defaults);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                        POSIX_SPAWN_SETSIGDEF);
    int r = posix_spawn(pid, p->o->program, &files, &attr, argv, environ);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&files);
    return r;
}

static int make_pair(int fd[2])
{
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) != 0)
        return -1;
    fcntl(fd[0], F_SETFD, FD_CLOEXEC);
    fcntl(fd[1], F_SETFD, FD_CLOEXEC);
    return 0;
}

/* The slot grows first: a worker without one would be lost. */
static int hire(struct pool *p, int64_t now)
{
    int fd[2];
    pid_t pid;
    struct member *grown = realloc(p->member, (p->members + 1) * sizeof *grown);
    if (!grown)
        return ENOMEM;
    p->member = grown;
    if (make_pair(fd) != 0)
        return errno;
    /* dup2 onto itself would keep close-on-exec: move it out of the way. */
    if (fd[1] == TALK_FD) {
        int other = fcntl(fd[1], F_DUPFD_CLOEXEC, TALK_FD + 1);
        close(fd[1]);
        fd[1] = other;
    }
    int r = fd[1] < 0 ? errno : spawn_worker(p, fd[1], &pid);
    if (fd[1] >= 0)
        close(fd[1]);
    if (r != 0) {
        close(fd[0]);
        return r;
    }
    p->member[p->members++] = (struct member){.pid = pid, .fd = fd[0], .since_us = now};
    return 0;
}

static void throttle(struct pool *p, int64_t now, int64_t max_us, const char *why)
{
    p->throttle_us = p->throttle_us ? 2 * p->throttle_us : THROTTLE_FIRST_US;
    if (p->throttle_us > max_us)
        p->throttle_us = max_us;
    p->hire_us = now + p->throttle_us;
    /* Somebody waits for us to be ready: tell them instead of trying for ever. */
    if (p->ready_fd >= 0 && p->throttle_us > START_GIVES_UP_US && p->stopping == RUNNING) {
        err_set(p->err, ERR_SYSTEM, "%s", why);
        p->failed = true;
        care_stop(p, STOPPING);
    }
}

static size_t count_staying(const struct pool *p)
{
    size_t n = 0;
    for (size_t i = 0; i < p->members; i++)
        n += !p->member[i].told_to_leave;
    return n;
}

static void hire_missing(struct pool *p, int64_t now)
{
    while (p->stopping == RUNNING && count_staying(p) < p->want) {
        if (p->throttle_us > 0 && p->ready_fd < 0 && !care_has_room(p, now))
            return; /* it could not write its record */
        if (now < p->hire_us) {
            pool_wake_at(p, p->hire_us);
            return;
        }
        int r = hire(p, now);
        if (r != 0) {
            char why[128];
            snprintf(why, sizeof why, "cannot start a worker: %s", strerror(r));
            log_warn("%s", why);
            throttle(p, now, THROTTLE_MAX_US, why);
        }
    }
}

/* What could not be said (a full socket) is said again by the safety look, soon. */
static void tell(struct pool *p, const struct member *m, enum talk_op op, enum dir d,
                 const char *name)
{
    if (m->fd < 0 || talk_send(m->fd, op, d, END_RAN, name) == 0)
        return;
    int64_t soon = clock_mono_us() + UNSAID_AGAIN_US;
    if (soon < p->safety_us)
        p->safety_us = soon;
    pool_wake_at(p, soon);
}

/* -- leaving ------------------------------------------------------------- */

static void dismiss(struct pool *p, struct member *m)
{
    m->told_to_leave = true;
    tell(p, m, TALK_LEAVE, DIR_PENDING, "");
}

/* The setting was lowered: idle ones go first. */
static void dismiss_surplus(struct pool *p)
{
    for (int busy = 0; busy <= 1; busy++)
        for (size_t i = p->members; i-- > 0 && count_staying(p) > p->want;)
            if (!p->member[i].told_to_leave && p->member[i].busy == (bool)busy)
                dismiss(p, &p->member[i]);
}

void crew_stop(struct pool *p, bool now)
{
    crew_withdraw(p);
    for (size_t i = 0; i < p->members; i++) {
        p->member[i].told_to_leave = true;
        tell(p, &p->member[i], now ? TALK_NOW : TALK_LEAVE, DIR_PENDING, "");
    }
}

void crew_tell_all(struct pool *p, enum talk_op op, const char *name)
{
    for (size_t i = 0; i < p->members; i++)
        tell(p, &p->member[i], op, DIR_PENDING, name);
}

static void say_death(struct pool *p, const struct member *m, int status, int64_t now)
{
    bool asked = m->told_to_leave && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (asked || (WIFEXITED(status) && WEXITSTATUS(status) == 0))
        return;
    char what[80];
    if (WIFSIGNALED(status))
        snprintf(what, sizeof what, "worker %ld was killed by signal %d", (long)m->pid,
                 WTERMSIG(status));
    else
        snprintf(what, sizeof what, "worker %ld ended with status %d", (long)m->pid,
                 WEXITSTATUS(status));
    log_warn("%s", what);
    if (!m->ready)
        throttle(p, now, THROTTLE_MAX_US, what);
    else if (now - m->since_us < YOUNG_US)
        throttle(p, now, THROTTLE_YOUNG_US, what);
    else
        p->throttle_us = 0;
}

/* It may have died or left before it claimed what it was given; where it did
 * not, the next one finds the name gone. */
static void take_offer_back(struct pool *p, struct member *m)
{
    if (m->busy && m->offered[0])
        intake_offer_again(p, m->offered_dir, m->offered, 0);
    if (m->busy && p->board) /* perhaps with a name from the board */
        intake_rescan(p);
    m->busy = false;
}

static void bury_member(struct pool *p, size_t i, int status)
{
    crew_hear(p, i); /* its last words */
    take_offer_back(p, &p->member[i]);
    say_death(p, &p->member[i], status, clock_mono_us());
    if (p->member[i].fd >= 0)
        close(p->member[i].fd);
    p->member[i] = p->member[--p->members];
    pool_heard_of_death(p);
    p->seen_empty = false;
}

/* Workers, and what dead workers left to us. */
void crew_reap(struct pool *p)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0 || (pid < 0 && errno == EINTR))
        for (size_t i = 0; i < p->members && pid > 0; i++)
            if (p->member[i].pid == pid) {
                bury_member(p, i, status);
                break;
            }
}

/* -- talking ------------------------------------------------------------- */

void crew_say_ready(struct pool *p)
{
    if (p->ready_fd < 0)
        return;
    for (size_t i = 0; i < p->members; i++)
        if (!p->member[i].ready)
            return;
    if (p->members < p->want)
        return;
    struct buf line = BUF_INIT;
    buf_addf(&line, "%ld", (long)getpid());
    for (size_t i = 0; i < p->members; i++)
        buf_addf(&line, " %ld", (long)p->member[i].pid);
    buf_addc(&line, '\n');
    /* EPIPE: who asked is gone, and nobody to tell; anything else is tried again. */
    for (int i = 0; i < READY_TRIES; i++)
        if (write(p->ready_fd, buf_str(&line), line.len) > 0 || errno == EPIPE)
            break;
    buf_release(&line);
    close(p->ready_fd);
    p->ready_fd = -1;
}

/* Of runs that went well the board has the count, and nothing is said. */
static void heard_of_job(struct pool *p, struct member *m, const struct talk *t)
{
    uint64_t won = board_sum(p->board, BOARD_WON);
    p->throttle_us = 0; /* workers work */
    p->seen_empty = false;
    if (won != p->won_seen)
        care_heard(p, END_RAN);
    p->won_seen = won;
    care_heard(p, (enum talk_end)t->end);
    if (t->end != END_RAN && t->end != END_GONE)
        intake_offer_again(p, (enum dir)t->dir, t->name,
                           care_is_troubled(p) ? TROUBLED_AGAIN_US : OFFER_AGAIN_US);
    if (strcmp(t->name, m->offered) == 0)
        m->offered[0] = '\0';
}

static void hear(struct pool *p, struct member *m, const struct talk *t)
{
    switch ((enum talk_op)t->op) {
    case TALK_READY:
        m->ready = true;
        text_copy(m->token, sizeof m->token, t->name);
        crew_say_ready(p);
        break;
    case TALK_IDLE:
    case TALK_BACK:
        m->busy = t->op == TALK_BACK;
        heard_of_job(p, m, t);
        break;
    default: /* TALK_LOW: the dispatch that follows is all it asks for */
        break;
    }
}

void crew_hear(struct pool *p, size_t i)
{
    struct talk t;
    int r;
    struct member *m = &p->member[i];
    while (m->fd >= 0 && (r = talk_receive(m->fd, &t)) != 0) {
        if (r < 0) { /* it dies, or leaves; waitpid tells */
            close(m->fd);
            m->fd = -1;
            take_offer_back(p, m);
        } else
            hear(p, m, &t);
    }
}

void crew_withdraw(struct pool *p)
{
    enum dir d;
    char file[FILE_NAME_MAX + 1];
    while (board_take(p->board, &d, file))
        intake_offer_again(p, d, file, 0);
}

/* Something that came since is better than the last name there. */
static bool is_surpassed(const struct pool *p)
{
    struct name n;
    return !board_is_empty(p->board) && name_parse(p->posted_dir, p->posted, &n) &&
           index_beats(p->index, &n, p->posted);
}

static bool is_there(enum dir d, const char *file, void *arg)
{
    const struct pool *p = arg;
    struct stat st;
    return fstatat(p->q.spool->dir[d], file, &st, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

static bool pop(struct pool *p, enum dir *d, char file[FILE_NAME_MAX + 1])
{
    return index_pop(p->index, d, file, is_there, p);
}

/* While a scan goes on every name has to be in the index, or it would be found anew. */
static void post(struct pool *p)
{
    while (board_has_room(p->board) && !p->scan.dir && !p->scan_due &&
           pop(p, &p->posted_dir, p->posted))
        board_put(p->board, p->posted_dir, p->posted);
}

/* To the idle first; what then is left over is for the board. */
static void dispatch(struct pool *p)
{
    bool any_works = false;
    if (is_surpassed(p))
        crew_withdraw(p);
    for (size_t i = 0; i < p->members; i++) {
        struct member *m = &p->member[i];
        struct talk t;
        enum dir d;
        any_works |= m->busy && !m->told_to_leave;
        if (!m->ready || m->busy || m->told_to_leave || m->fd < 0)
            continue;
        if (!board_take(p->board, &d, t.name) && !pop(p, &d, t.name))
            return;
        if (talk_send(m->fd, TALK_RUN, d, END_RAN, t.name) == 0) {
            m->busy = any_works = true;
            m->offered_dir = d;
            text_copy(m->offered, sizeof m->offered, t.name);
        } else
            intake_offer_again(p, d, t.name, 0);
    }
    if (any_works)
        post(p);
}

void crew_work(struct pool *p, int64_t now)
{
    hire_missing(p, now);
    if (p->stopping == RUNNING && count_staying(p) > p->want)
        dismiss_surplus(p);
    if (p->stopping != RUNNING || (!index_has_ready(p->index) && board_is_empty(p->board)))
        return;
    if (care_may_claim(p, now))
        dispatch(p);
    else
        crew_withdraw(p);
}

bool crew_is_idle(const struct pool *p)
{
    for (size_t i = 0; i < p->members; i++)
        if (p->member[i].busy)
            return false;
    return true;
}

bool crew_has_token(const struct pool *p, const char *token)
{
    for (size_t i = 0; i < p->members; i++)
        if (p->member[i].fd >= 0 && strcmp(p->member[i].token, token) == 0)
            return true;
    return false;
}

/* True if the run is one of ours: its worker was told. */
bool crew_cancel(struct pool *p, const char *run)
{
    struct name n;
    if (!name_parse(DIR_PROCESSING, run, &n))
        return false;
    for (size_t i = 0; i < p->members; i++)
        if (p->member[i].fd >= 0 && strcmp(p->member[i].token, n.token) == 0) {
            tell(p, &p->member[i], TALK_CANCEL, DIR_PROCESSING, run);
            return true;
        }
    return false;
}

void crew_release(struct pool *p)
{
    for (size_t i = 0; i < p->members; i++)
        if (p->member[i].fd >= 0)
            close(p->member[i].fd);
    free(p->member);
    board_close(p->board, p->board_fd);
    if (p->ready_fd >= 0)
        close(p->ready_fd);
}
