/* intake.c: from the folders into the index.
 *
 * Watch first, then scan, then wait.  Events name files and go straight into the
 * index or the set of dropped files; whatever an event cannot tell (an
 * overflow, a back end that sees only folders) makes a scan due.
 *
 * A flood must not keep the workers waiting, so everything is done in slices of
 * a few milliseconds between dispatches.  Taking in goes round: gather a batch,
 * oldest first; sync it, in a thread, since a busy disk takes seconds; commit
 * it.  While jobs run, about as much time is left to them as a slice took.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/sys.h"
#include "spool/dirstamp.h"
#include "spool/file.h"
#include "worker/pool_state.h"

#define SLICE_US (1 * US_PER_MS)          /* of work between two dispatches */
#define SCAN_STEP 256                     /* names between two looks at the clock */
#define POLLED_LOOK_US (100 * US_PER_MS)  /* nobody tells of a close: look often */
#define POLLED_MAX 256                    /* but at so many at most */
#define FAILURES_MAX 16                   /* in a row: it is not the files */
#define STAMP_GRAIN_US (20 * US_PER_MS)   /* a file's time lags by a tick */
#define STAMP_LATE_US (200 * US_PER_MS)   /* by more, where a machine's ticks come late */
#define WATCHED (1u << DIR_PENDING | 1u << DIR_FAILED | 1u << DIR_CONTROL | 1u << DIR_WORKERS)

/* -- waiting jobs -------------------------------------------------------- */

/* When the file came to its name: its ctime, which nobody can set. */
static int64_t file_time(const struct pool *p, enum dir d, const char *file)
{
    struct stat st;
    if (fstatat(p->q.spool->dir[d], file, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return 0;
    return (int64_t)st.st_ctim.tv_sec * US_PER_SEC + st.st_ctim.tv_nsec / 1000;
}

/* When a name is to be offered.  The wall clock may have been set back since it
 * was made: a job whose file is not older than its TIME was due at once and is
 * due now; a retry waits for what it had to when its file was named, and no longer
 * than the longest backoff (where we see the clock being set it waits for what is
 * left of that: check_clock()). */
static int64_t wake_time(const struct pool *p, enum dir d, const char *file, const struct name *n,
                         int64_t now)
{
    if (n->time_us <= now)
        return now;
    int64_t made = file_time(p, d, file);
    if (d == DIR_FAILED) {
        int64_t most = p->q.settings.backoff_max_ms * US_PER_MS;
        int64_t left = n->time_us - (made - now >= CLOCK_STEP_US ? made : now);
        return left <= 0 ? now : now + (left < most ? left : most);
    }
    int64_t lag = made > now ? STAMP_LATE_US : STAMP_GRAIN_US;
    return made + lag >= n->time_us ? now : n->time_us;
}

/* No memory for a name.  The safety look may find the folder unchanged, so it must be
 * said here that there is more in it than is known. */
static void read_again(struct pool *p, enum dir d, const char *file)
{
    log_warn("no memory for %s; it will be seen again", file);
    p->scan_due |= 1u << d;
    p->scan_us = clock_mono_us() + US_PER_SEC;
}

static void add_waiting(struct pool *p, enum dir d, const char *file, const struct name *n)
{
    int64_t now = clock_wall_us();
    if (n->held || index_has(p->index, d, file))
        return;
    int64_t wake = wake_time(p, d, file, n, now);
    int64_t step = d == DIR_FAILED && wake > now ? clock_steps_untold(&p->clock) : 0;
    if (step < 0) /* check_clock() will add it to all of them, but this one knows of it */
        wake -= step;
    if (!index_add(p->index, d, file, n, wake, now))
        read_again(p, d, file);
    p->seen_empty = false;
}

void intake_offer_again(struct pool *p, enum dir d, const char *file, int64_t delay_us)
{
    struct name n;
    int64_t now = clock_wall_us();
    if (name_parse(d, file, &n) && !index_has(p->index, d, file) &&
        !index_add(p->index, d, file, &n, now + delay_us, now))
        read_again(p, d, file);
}

/* -- dropped files ------------------------------------------------------- */

/* Known is due now; a new one is as old as its content. */
static void add_dropped(struct pool *p, const char *file)
{
    struct stat st;
    p->seen_empty = false;
    if (dropped_wake(p->dropped, file))
        return;
    if (fstatat(p->q.spool->dir[DIR_PENDING], file, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno == ENOENT)
            return;
        st.st_mtim = (struct timespec){0};
    }
    int64_t age = (int64_t)st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec;
    p->dropped_missed |= !dropped_add(p->dropped, file, age);
}

/* A back end that sees no writes cannot say when the writer is done. */
static bool is_polling(const struct pool *p)
{
    return watch_interval_ms(p->watch) >= 0;
}

static void look_again(struct pool *p, struct dropped *d, bool at_change)
{
    int64_t soon = clock_mono_us() + POLLED_LOOK_US;
    if (at_change && is_polling(p) && dropped_count(p->dropped) < POLLED_MAX && d->look_us > soon)
        d->look_us = soon;
    p->dropped_missed |= !dropped_put_back(p->dropped, d);
}

/* With the disk full, or the like, every file fails: say it now and then, and do
 * not try the next thousand. */
static void admission_failed(struct pool *p, const struct dropped *d, const char *why)
{
    if (p->admit_failures++ < FAILURES_MAX) {
        log_warn("%s/%s: %s", dir_name(DIR_PENDING), d->file, why);
        return;
    }
    p->admit_failures = FAILURES_MAX - 1; /* one a second */
    p->admit_us = clock_mono_us() + US_PER_SEC;
}

/* What went well says so to care.c, and what the disk refused. */
static void told_trouble(struct pool *p, const struct dropped *d, enum admit_fate fate,
                         const char *why)
{
    if (fate == ADMIT_TAKEN)
        care_heard(p, END_RAN);
    if (fate == ADMIT_STUCK || (fate == ADMIT_REFUSED && !p->refused))
        log_warn("%s/%s: %s", dir_name(DIR_PENDING), d->file, why);
    if (fate == ADMIT_REFUSED)
        care_heard(p, END_REFUSED);
    if (fate == ADMIT_ERROR)
        admission_failed(p, d, why);
    else
        p->admit_failures = 0;
}

static void told_fate(struct dropped *d, enum admit_fate fate, const char *canonical,
                      const char *why, bool links, void *arg)
{
    struct pool *p = arg;
    struct name n;
    bool settled = fate == ADMIT_TAKEN || fate == ADMIT_REJECTED || fate == ADMIT_GONE;
    if (fate == ADMIT_TAKEN && name_parse(DIR_PENDING, canonical, &n))
        add_waiting(p, DIR_PENDING, canonical, &n);
    if (fate == ADMIT_REJECTED)
        log_warn("%s/%s: %s; it lies in %s/", dir_name(DIR_PENDING), d->file, why,
                 dir_name(DIR_QUARANTINE));
    told_trouble(p, d, fate, why);
    if (fate == ADMIT_LATER && links)
        watch_links(p->watch, DIR_PENDING, d->file);
    if (settled)
        dropped_forget(d);
    else
        look_again(p, d, fate == ADMIT_LATER);
}

static void sync_admission(void *arg)
{
    admit_sync(arg);
}

static void begin_sync(struct pool *p)
{
    p->admitting = SYNCING;
    aside_begin(&p->sync, sync_admission, p->admission);
}

/* Add to the batch until the time is up; sync it when it is full or there are no
 * more. */
static void gather(struct pool *p, int64_t until)
{
    int64_t now = clock_mono_us();
    bool full = admit_is_full(p->admission), more = true;
    while (!full && now < until && now >= p->admit_us && p->has_room) {
        struct dropped *d = dropped_take(p->dropped, now);
        more = d != NULL;
        if (!d)
            break;
        admit_add(p->admission, d, now);
        full = admit_is_full(p->admission);
        now = clock_mono_us();
    }
    bool failing = p->admit_failures > 0 || !p->has_room; /* perhaps for want of what the batch holds */
    if (admit_waiting(p->admission) > 0 && (full || !more || failing))
        begin_sync(p);
}

static void commit(struct pool *p, int64_t until)
{
    enum admit_step step = ADMIT_MORE;
    for (int64_t now = clock_mono_us(); now < until && step == ADMIT_MORE; now = clock_mono_us())
        step = admit_commit(p->admission, now);
    if (step == ADMIT_SYNC)
        begin_sync(p);
    else if (step == ADMIT_DONE)
        p->admitting = GATHERING;
}

/* When there is something to do: now, later, or when the sync tells. */
static int64_t next_admission(const struct pool *p)
{
    if (p->admitting == SYNCING)
        return INT64_MAX;
    int64_t next = p->admitting == COMMITTING || admit_waiting(p->admission) > 0
                       ? 0
                       : dropped_next_us(p->dropped);
    return next < p->admit_us ? p->admit_us : next;
}

static void take_in(struct pool *p)
{
    int64_t begun = clock_mono_us();
    if (p->admitting == GATHERING && admit_waiting(p->admission) == 0 &&
        dropped_count(p->dropped) > 0 && !care_has_room(p, begun))
        return;
    if (p->admitting == SYNCING && aside_done(&p->sync))
        p->admitting = COMMITTING;
    if (begun >= next_admission(p)) {
        if (p->admitting == COMMITTING)
            commit(p, begun + SLICE_US);
        if (p->admitting == GATHERING)
            gather(p, begun + SLICE_US);
        int64_t now = clock_mono_us(), rest = (now - begun) / 2; /* poll(2) makes more of it */
        if (!crew_is_idle(p) && p->admit_us < now + rest)
            p->admit_us = now + rest;
    }
    pool_wake_at(p, next_admission(p));
    if (p->dropped_missed && dropped_count(p->dropped) == 0) {
        p->dropped_missed = false;
        p->scan_due |= 1u << DIR_PENDING;
        pool_wake_at(p, begun);
    }
}

int intake_fd(const struct pool *p)
{
    return aside_fd(&p->sync);
}

void intake_finish(struct pool *p)
{
    if (!p->admission || admit_waiting(p->admission) == 0)
        return;
    if (p->admitting == GATHERING)
        begin_sync(p);
    do {
        aside_wait(&p->sync);
        commit(p, INT64_MAX);
    } while (p->admitting == SYNCING);
}

/* A job that somebody moved into failed/ under another name, to be retried: there
 * it would lie unseen, in pending/ it is a dropped file. */
static void move_to_pending(struct pool *p, const char *file)
{
    if (file_move(p->q.spool, DIR_FAILED, file, DIR_PENDING, file) == 0)
        add_dropped(p, file);
    else if (errno != ENOENT)
        log_warn("%s/%s: it is no job's name there, and cannot be moved to %s/: %s",
                 dir_name(DIR_FAILED), file, dir_name(DIR_PENDING), strerror(errno));
}

/* A name in pending/ or failed/.  What waits for its sync is told of when it may run. */
static void seen(struct pool *p, enum dir d, const char *file)
{
    struct name n;
    if (index_has(p->index, d, file) || admit_is_placed(p->admission, file))
        return;
    if (name_parse(d, file, &n))
        add_waiting(p, d, file, &n);
    else if (name_is_foreign(file) && d == DIR_PENDING)
        add_dropped(p, file);
    else if (name_is_foreign(file))
        move_to_pending(p, file);
}

/* -- scans --------------------------------------------------------------- */

static int seen_in_scan(const char *file, void *arg)
{
    struct pool *p = arg;
    bool polled = p->scanning == DIR_PENDING && is_polling(p) && dropped_has(p->dropped, file);
    if (!polled)
        seen(p, p->scanning, file);
    return 0;
}

static void begin_scan(struct pool *p, enum dir d)
{
    crew_withdraw(p);
    p->scan_due &= ~(1u << d);
    dirstamp_changed(&p->stamp[d], p->q.spool->dir[d]);
    if (scan_open(&p->scan, p->q.spool, d) != 0) {
        log_warn("read %s: %s", dir_name(d), strerror(errno));
        p->folders_due = true;
        p->scan_due |= 1u << d;
        p->scan_us = clock_mono_us() + US_PER_SEC;
        return;
    }
    p->scanning = d;
    index_scan_begin(p->index, d);
}

/* A slice of the scan that goes on.  One that failed is due again, later. */
static void read_slice(struct pool *p, int64_t now)
{
    int more;
    do
        more = scan_slice(&p->scan, SCAN_STEP, seen_in_scan, p);
    while (more > 0 && clock_mono_us() < now + SLICE_US);
    pool_wake_at(p, now);
    if (more > 0)
        return;
    scan_close(&p->scan);
    if (more == 0) {
        index_scan_end(p->index, p->scanning);
        return;
    }
    p->scan_due |= 1u << p->scanning;
    p->scan_us = now + US_PER_SEC;
}

static void scan_some(struct pool *p, int64_t now)
{
    if (!p->scan.dir && p->scan_due && now < p->scan_us) {
        pool_wake_at(p, p->scan_us);
        return;
    }
    if (!p->scan.dir) {
        if (p->scan_due & 1u << DIR_FAILED)
            begin_scan(p, DIR_FAILED);
        else if (p->scan_due & 1u << DIR_PENDING)
            begin_scan(p, DIR_PENDING);
    }
    if (p->scan.dir)
        read_slice(p, now);
}

void intake_rescan(struct pool *p)
{
    p->scan_due |= 1u << DIR_PENDING | 1u << DIR_FAILED;
}

/* All waiting jobs, so that the first to run is the right one; dropped files are
 * left to the loop. */
void intake_first_scan(struct pool *p)
{
    static const enum dir dirs[] = {DIR_FAILED, DIR_PENDING};
    for (size_t i = 0; i < 2; i++)
        for (begin_scan(p, dirs[i]); p->scan.dir;)
            read_slice(p, clock_mono_us());
}

/* -- events -------------------------------------------------------------- */

static void event(unsigned dir, enum watch_what what, const char *file, void *arg)
{
    struct pool *p = arg;
    if (what == WATCH_REPLACED) {
        p->folders_due = true;
        return;
    }
    switch (dir) {
    case DIR_PENDING:
    case DIR_FAILED:
        if (file && what != WATCH_GONE)
            seen(p, (enum dir)dir, file);
        else if (!file)
            p->scan_due |= 1u << dir;
        break;
    case DIR_CONTROL:
        p->look_at_control = true;
        break;
    case DIR_WORKERS:
        if (what != WATCH_APPEARED && what != WATCH_GONE)
            pool_heard_of_death(p);
        p->pools_due = true;
        break;
    default: /* the root */
        if (!file || dir_is_folder(file)) {
            p->folders_due = true;
            p->folders_us = 0; /* it may be back */
        }
        p->settings_due |= !file || strcmp(file, SETTINGS_FILE) == 0;
        break;
    }
}

/* Events come before everything else: among those of a flood may be the one of an
 * urgent job. */
void intake_events(struct pool *p)
{
    int64_t until = clock_mono_us() + 2 * SLICE_US;
    struct pollfd more = {.fd = watch_fd(p->watch), .events = POLLIN};
    do
        watch_read(p->watch, event, p);
    while (more.fd >= 0 && more.fd == watch_fd(p->watch) && clock_mono_us() < until &&
           poll(&more, 1, 0) > 0);
}

/* -- the clock ----------------------------------------------------------- */

/* A step forward needs no more than to be noticed: what is due now is.  After one
 * back a retry waits for what was left of its time, however often that happens,
 * and whether a job was due at once is asked of its file. */
static void check_clock(struct pool *p)
{
    int64_t step = clock_steps_look(&p->clock);
    if (step == 0)
        return;
    log_note("the clock was set %s by %lld s", step < 0 ? "back" : "forward",
             (long long)(((step < 0 ? -step : step) + US_PER_SEC / 2) / US_PER_SEC));
    if (step > 0)
        return;
    p->began_us += step;
    crew_withdraw(p);
    scan_close(&p->scan);
    index_shift(p->index, DIR_FAILED, step);
    index_forget(p->index, DIR_PENDING);
    intake_rescan(p);
}

/* Mono time of a wall time, for the common wake-up. */
static int64_t mono_of(const struct pool *p, int64_t wall_us)
{
    return wall_us == INT64_MAX ? INT64_MAX : wall_us - p->clock.offset_us;
}

void intake_work(struct pool *p, int64_t now)
{
    check_clock(p);
    scan_some(p, now);
    take_in(p);
    index_wake(p->index, clock_wall_us());
    pool_wake_at(p, mono_of(p, index_next_wake(p->index)));
}

bool intake_idle(const struct pool *p)
{
    return !p->scan.dir && !p->scan_due && dropped_count(p->dropped) == 0 &&
           admit_waiting(p->admission) == 0;
}

int intake_open(struct pool *p)
{
    p->index = index_new();
    p->watch = watch_open(p->q.spool, WATCHED | 1u << WATCH_ROOT);
    p->dropped = dropped_new();
    p->admission = admit_open(&p->q, told_fate, p);
    p->clock_fd = sys_clock_watch(); /* without it, the safety look tells */
    clock_steps_begin(&p->clock);
    return p->index && p->watch && p->dropped && p->admission ? aside_open(&p->sync) : -1;
}

void intake_close(struct pool *p)
{
    intake_finish(p);
    scan_close(&p->scan);
    aside_close(&p->sync);
    if (p->clock_fd >= 0)
        close(p->clock_fd);
    admit_close(p->admission);
    dropped_free(p->dropped);
    if (p->watch)
        watch_close(p->watch);
    index_free(p->index);
}
