/* wait.c: arm the watch, look, wait, look again.
 *
 * A look at n named jobs is two stats each; "everything" is a count of names,
 * which with many waiting jobs costs more, so looks are spaced by ten times
 * what one took.  "Nothing left" must be seen twice: a job that moves between
 * two folders while they are read is in neither.
 */
#include "queue/wait.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "queue/drop.h"
#include "queue/find.h"
#include "spool/idlock.h"
#include "spool/scan.h"
#include "spool/watch.h"

#define SAFETY_MS 30000
#define DELETED_MS 500 /* nothing tells that a job was deleted */
#define LOOK_MIN_US (2 * US_PER_MS)

struct awaited {
    const char *id;
    const struct drop *drop; /* NULL: not dropped by us */
};

struct waiting {
    struct queue *q;
    struct awaited *left; /* not ended yet */
    size_t n;
    bool any_dead;
    bool all;          /* no ids: everything */
    int64_t began_us;  /* wall time; by the clock's reading now, if it was set back */
    struct clock_steps clock;
    int empty_looks;
    bool thorough;     /* this look also asks whether the jobs still exist */
    int64_t next_thorough_us;
};

/* 1 ended, 0 not yet, -1 *err. */
static int look_at(struct waiting *w, const struct awaited *a, struct err *err)
{
    enum dir state;
    char file[FILE_NAME_MAX + 1];
    const char *id = a->id;
    struct queue *q = w->q;
    if (!name_id_valid(id))
        return err_set(err, ERR_UNKNOWN, "\"%s\" is no job's id", id);
    int found = a->drop ? drop_ended(q, a->drop, &state)
                        : scan_find_ended(q->spool, id, &state, file);
    bool hidden = a->drop || spool_hides_jobs(q->spool);
    if (found == 0 && (hidden || find_dropped(q, id) ||
                       (!w->thorough && idlock_exists(q->spool, id))))
        return 0;
    if (found == 0) /* reads pending/: not at every event */
        found = find_place(q, id, &state, file, err);
    if (found < 0)
        return err->kind ? -1 : err_sys(err, "look for", id);
    if (found == 0 && (find_dropped(q, id) || idlock_is_held(q->spool, id)))
        return 0; /* held: its run goes on, though somebody moved the file away */
    if (found == 0)
        return find_no_job(q, id, " (never there, or deleted)", err);
    w->any_dead |= state == DIR_DEAD;
    return state == DIR_DONE || state == DIR_DEAD;
}

int wait_look(struct queue *q, const char *id, struct err *err)
{
    struct waiting w = {.q = q};
    struct awaited a = {id, drop_find(q, id, &(size_t){0})};
    return look_at(&w, &a, err);
}

static int look_at_named(struct waiting *w, struct err *err)
{
    for (size_t i = 0; i < w->n;) {
        int r = look_at(w, &w->left[i], err);
        if (r < 0)
            return -1;
        if (r)
            w->left[i] = w->left[--w->n];
        else
            i++;
    }
    return w->n == 0;
}

static int count_recent(const char *file, void *arg)
{
    struct waiting *w = arg;
    struct stat st;
    if (fstatat(w->q->spool->dir[DIR_DEAD], file, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        (int64_t)st.st_ctim.tv_sec * US_PER_SEC + st.st_ctim.tv_nsec / 1000 >= w->began_us)
        w->any_dead = true;
    return 0;
}

static int still_busy(const char *file, void *arg)
{
    const enum dir *d = arg;
    struct name n;
    char token[TOKEN_MAX + 1];
    if (name_parse(*d, file, &n))
        return !n.held;
    return *d == DIR_PENDING && (name_is_foreign(file) || name_owned(file, token));
}

static int look_at_all(struct waiting *w, struct err *err)
{
    static const enum dir order[] = {DIR_PENDING, DIR_FAILED, DIR_PROCESSING};
    for (size_t i = 0; i < 3; i++) {
        enum dir d = order[i];
        int r = scan_dir(w->q->spool, d, still_busy, &d);
        if (r < 0)
            return err_sys(err, "read", dir_name(d));
        if (r) {
            w->empty_looks = 0;
            return 0;
        }
    }
    if (++w->empty_looks < 2)
        return 0;
    int64_t step = clock_steps_look(&w->clock);
    if (step < 0)
        w->began_us += step;
    return scan_dir(w->q->spool, DIR_DEAD, count_recent, w) == 0
               ? 1
               : err_sys(err, "read", dir_name(DIR_DEAD));
}

static void ignore_event(unsigned dir, enum watch_what what, const char *file, void *arg)
{
    bool *replaced = arg;
    (void)dir;
    (void)file;
    *replaced |= what == WATCH_REPLACED;
}

static int drain_events(struct waiting *w, struct watch *watch, struct err *err)
{
    bool replaced = false;
    watch_read(watch, ignore_event, &replaced);
    if (!replaced)
        return 0;
    if (spool_refresh(w->q->spool, err) < 0)
        return -1;
    watch_rearm(watch);
    return 0;
}

static int shorter(int a, int b)
{
    return b < 0 || (a >= 0 && a < b) ? a : b;
}

/* Until something happened, at most to the deadline.  0, or -1 (EINTR). */
static int wait_event(struct waiting *w, struct watch *watch, int64_t deadline, int64_t look_cost)
{
    struct pollfd p = {.fd = watch_fd(watch), .events = POLLIN};
    int64_t now = clock_mono_us();
    int64_t pause = 10 * look_cost > LOOK_MIN_US ? 10 * look_cost : LOOK_MIN_US;
    int timeout = shorter(SAFETY_MS, watch_interval_ms(watch));
    if (!w->all)
        timeout = shorter(timeout, DELETED_MS);
    if (w->empty_looks == 1)
        timeout = 1;
    if (deadline >= 0)
        timeout = shorter(timeout, clock_poll_ms(deadline, now));
    int ready = poll(&p, p.fd >= 0 ? 1 : 0, timeout);
    if (ready < 0)
        return -1;
    if (ready > 0 && w->all) /* let more happen before the next look */
        poll(NULL, 0, clock_poll_ms(now + pause, now));
    return 0;
}

static void say_begins(const struct waiting *w, const struct wait_how *how, bool *said)
{
    bool maybe_over = w->empty_looks > 0;
    if (!*said && !maybe_over && how->begins) {
        how->begins(how->arg);
        *said = true;
    }
}

static int wait_loop(struct waiting *w, struct watch *watch, const struct wait_how *how,
                     enum wait_end *end, struct err *err)
{
    int64_t timeout_ms = how->timeout_ms;
    int64_t deadline = timeout_ms < 0 ? -1 : clock_mono_us() + timeout_ms * US_PER_MS;
    bool said = false;
    for (;;) {
        int64_t before = clock_mono_us();
        w->thorough = before >= w->next_thorough_us;
        if (w->thorough)
            w->next_thorough_us = before + SAFETY_MS * US_PER_MS;
        int r = w->all ? look_at_all(w, err) : look_at_named(w, err);
        if (r < 0)
            return -1;
        *end = w->any_dead ? WAIT_DEAD : WAIT_DONE;
        if (r)
            return 0;
        *end = WAIT_TIMEOUT;
        if (timeout_ms != 0) /* however long the look took */
            say_begins(w, how, &said);
        if (deadline >= 0 && clock_mono_us() >= deadline)
            return 0;
        if (wait_event(w, watch, deadline, clock_mono_us() - before) != 0 && errno != EINTR)
            return err_sys(err, "wait for", w->q->spool->path);
        *end = WAIT_INTERRUPTED;
        if (how->interrupted && *how->interrupted)
            return 0;
        if (drain_events(w, watch, err) != 0)
            return -1;
    }
}

static int refuse_all(const struct queue *q, struct err *err)
{
    return err_set(err, ERR_BAD, "what runs on %s or waits for a retry is closed to you, so only "
                   "named jobs can be waited for: queuectl wait ID", q->spool->path);
}

/* The next look begins where the last drop was found: a batch is in one order. */
static void fill_left(struct waiting *w, const char *const *ids)
{
    size_t at = 0;
    for (size_t i = 0; i < w->n; i++)
        w->left[i] = (struct awaited){ids[i], drop_find(w->q, ids[i], &at)};
}

int wait_jobs(struct queue *q, const char *const *ids, size_t n, const struct wait_how *how,
              enum wait_end *end, struct err *err)
{
    struct waiting w = {.q = q, .n = n, .all = n == 0, .began_us = clock_wall_us()};
    unsigned dirs = 1u << DIR_DONE | 1u << DIR_DEAD | (n == 0 ? 1u << DIR_PENDING : 0);
    if (w.all && spool_hides_jobs(q->spool))
        return refuse_all(q, err);
    clock_steps_begin(&w.clock);
    w.left = n ? malloc(n * sizeof *w.left) : NULL;
    struct watch *watch = watch_open(q->spool, dirs);
    int r = -1;
    if (!watch || (n && !w.left)) {
        errno = ENOMEM;
        err_sys(err, "wait for", "jobs");
    } else {
        fill_left(&w, ids);
        r = wait_loop(&w, watch, how, end, err);
    }
    if (watch)
        watch_close(watch);
    free(w.left);
    return r;
}
