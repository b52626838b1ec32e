/* intake.c: from the folders into the index.
 *
 * Watch first, then scan, then wait.  Events name files and go straight into the
 * index or the list of dropped files; whatever an event cannot tell (an
 * overflow, a back end that sees only folders) makes a scan due, which is read
 * in slices between dispatches.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "spool/dirstamp.h"
#include "worker/pool_state.h"

#define SLICE 8192                        /* names between two dispatches */
#define CLOCK_STEP_US (1 * US_PER_SEC)    /* more is a step, less is slewing */
#define STAMP_GRAIN_US (20 * US_PER_MS)   /* a file's time lags by a tick */
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
 * due now; a retry waits no longer than the longest backoff. */
static int64_t wake_time(const struct pool *p, enum dir d, const char *file, const struct name *n,
                         int64_t now)
{
    if (n->time_us <= now)
        return now;
    if (d == DIR_FAILED) {
        int64_t latest = now + p->q.settings.backoff_max_ms * US_PER_MS;
        return n->time_us < latest ? n->time_us : latest;
    }
    return file_time(p, d, file) + STAMP_GRAIN_US >= n->time_us ? now : n->time_us;
}

static void add_waiting(struct pool *p, enum dir d, const char *file, const struct name *n)
{
    int64_t now = clock_wall_us();
    if (n->held || index_has(p->index, d, file))
        return;
    if (!index_add(p->index, d, file, n, wake_time(p, d, file, n, now), now))
        log_warn("no memory for %s; it will be seen again", file);
    p->seen_empty = false;
}

void intake_offer_again(struct pool *p, enum dir d, const char *file, int64_t delay_us)
{
    struct name n;
    int64_t now = clock_wall_us();
    if (name_parse(d, file, &n))
        index_add(p->index, d, file, &n, now + delay_us, now);
}

/* -- dropped files ------------------------------------------------------- */

static struct dropped *find_dropped(struct pool *p, const char *file)
{
    for (size_t i = 0; i < p->dropped_n; i++)
        if (strcmp(p->dropped[i]->file, file) == 0)
            return p->dropped[i];
    return NULL;
}

static struct dropped *new_dropped(struct pool *p, const char *file)
{
    if (p->dropped_n == p->dropped_cap) {
        size_t cap = p->dropped_cap ? 2 * p->dropped_cap : 64;
        struct dropped **grown = realloc(p->dropped, cap * sizeof *grown);
        if (!grown)
            return NULL;
        p->dropped = grown;
        p->dropped_cap = cap;
    }
    struct dropped *d = calloc(1, sizeof *d);
    if (!d)
        return NULL;
    snprintf(d->file, sizeof d->file, "%s", file);
    p->dropped[p->dropped_n++] = d;
    return d;
}

/* A flood of dropped files is met by scans alone: with many under way an event
 * only makes a scan due, and the list stays short. */
static void add_dropped(struct pool *p, const char *file)
{
    p->seen_empty = false;
    if (p->dropped_n >= 4 * ADMIT_BATCH) {
        p->scan_due |= 1u << DIR_PENDING;
        return;
    }
    struct dropped *d = find_dropped(p, file);
    if (!d)
        d = new_dropped(p, file);
    if (d)
        d->look_us = 0; /* now */
    else
        p->scan_due |= 1u << DIR_PENDING;
}

static void told_fate(struct dropped *d, enum admit_fate fate, const char *canonical,
                      const char *why, bool links, void *arg)
{
    struct pool *p = arg;
    struct name n;
    if (fate == ADMIT_TAKEN && name_parse(DIR_PENDING, canonical, &n))
        add_waiting(p, DIR_PENDING, canonical, &n);
    if (fate == ADMIT_REJECTED)
        log_warn("%s/%s: %s; it lies in %s/", dir_name(DIR_PENDING), d->file, why,
                 dir_name(DIR_QUARANTINE));
    if (fate == ADMIT_ERROR)
        log_warn("%s/%s: %s", dir_name(DIR_PENDING), d->file, why);
    if (fate == ADMIT_LATER && links)
        watch_links(p->watch, DIR_PENDING, d->file);
    if (fate != ADMIT_LATER && fate != ADMIT_ERROR)
        d->file[0] = '\0'; /* dealt with */
}

static void forget_settled(struct pool *p)
{
    size_t kept = 0;
    for (size_t i = 0; i < p->dropped_n; i++)
        if (p->dropped[i]->file[0])
            p->dropped[kept++] = p->dropped[i];
        else
            free(p->dropped[i]);
    p->dropped_n = kept;
}

static void take_in(struct pool *p, int64_t now)
{
    struct dropped *batch[ADMIT_BATCH];
    size_t n = 0;
    for (size_t i = 0; i < p->dropped_n && n < ADMIT_BATCH; i++)
        if (p->dropped[i]->look_us <= now)
            batch[n++] = p->dropped[i];
    if (n > 0) {
        admit_batch(&p->q, batch, n, now, told_fate, p);
        forget_settled(p);
    }
    for (size_t i = 0; i < p->dropped_n; i++)
        pool_wake_at(p, p->dropped[i]->look_us);
}

/* -- scans --------------------------------------------------------------- */

static int seen_in_scan(const char *file, void *arg)
{
    struct pool *p = arg;
    struct name n;
    if (index_has(p->index, p->scanning, file))
        return 0;
    if (name_parse(p->scanning, file, &n))
        add_waiting(p, p->scanning, file, &n);
    else if (p->scanning == DIR_PENDING && name_is_foreign(file))
        add_dropped(p, file);
    return 0;
}

static void begin_scan(struct pool *p, enum dir d)
{
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
    int more = scan_slice(&p->scan, SLICE, seen_in_scan, p);
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
        /* A list full of dropped files is worked off before more are read. */
        else if ((p->scan_due & 1u << DIR_PENDING) && p->dropped_n < 2 * ADMIT_BATCH)
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

static void pending_event(struct pool *p, enum dir d, const char *file)
{
    struct name n;
    if (name_parse(d, file, &n))
        add_waiting(p, d, file, &n);
    else if (d == DIR_PENDING && name_is_foreign(file))
        add_dropped(p, file);
}

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
            pending_event(p, (enum dir)dir, file);
        else if (!file)
            p->scan_due |= 1u << dir;
        break;
    case DIR_CONTROL:
        p->look_at_control = true;
        break;
    case DIR_WORKERS:
        if (what != WATCH_APPEARED && what != WATCH_GONE)
            p->look_for_orphans = p->sweep_due = true;
        break;
    default: /* the root */
        p->folders_due |= file && dir_is_folder(file);
        p->settings_due |= !file || strcmp(file, SETTINGS_FILE) == 0;
        break;
    }
}

void intake_events(struct pool *p)
{
    watch_read(p->watch, event, p);
}

/* -- the clock ----------------------------------------------------------- */

/* After a step of the wall clock every wake-up time is computed anew. */
static void check_clock(struct pool *p)
{
    int64_t offset = clock_wall_us() - clock_mono_us();
    int64_t step = offset - p->wall_offset_us;
    p->wall_offset_us = offset;
    if (step > -CLOCK_STEP_US && step < CLOCK_STEP_US)
        return;
    log_note("the clock was set %s by %lld s", step < 0 ? "back" : "forward",
             (long long)((step < 0 ? -step : step) / US_PER_SEC));
    scan_close(&p->scan);
    index_clear(p->index);
    intake_rescan(p);
}

/* Mono time of a wall time, for the common wake-up. */
static int64_t mono_of(const struct pool *p, int64_t wall_us)
{
    return wall_us == INT64_MAX ? INT64_MAX : wall_us - p->wall_offset_us;
}

void intake_work(struct pool *p, int64_t now)
{
    check_clock(p);
    take_in(p, now);
    scan_some(p, now);
    index_wake(p->index, clock_wall_us());
    pool_wake_at(p, mono_of(p, index_next_wake(p->index)));
}

bool intake_idle(const struct pool *p)
{
    return !p->scan.dir && !p->scan_due && p->dropped_n == 0;
}

int intake_open(struct pool *p)
{
    p->index = index_new();
    p->watch = watch_open(p->q.spool, WATCHED | 1u << WATCH_ROOT);
    p->wall_offset_us = clock_wall_us() - clock_mono_us();
    return p->index && p->watch ? 0 : -1;
}

void intake_close(struct pool *p)
{
    scan_close(&p->scan);
    if (p->watch)
        watch_close(p->watch);
    index_free(p->index);
    for (size_t i = 0; i < p->dropped_n; i++)
        free(p->dropped[i]);
    free(p->dropped);
}
