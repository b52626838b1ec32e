/* care.c: what a pool does beside dispatching: recover what the dead left, obey
 * control/, take up settings, mind the disk, the log and the folders.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "queue/journal.h"
#include "queue/request.h"
#include "worker/logfile.h"
#include "worker/pool_state.h"

#define ORPHAN_AGAIN_US (500 * US_PER_MS)
#define DEATH_LOOK_US (20 * US_PER_MS)
#define ORPHAN_SOON_US (20 * US_PER_MS) /* right after its processes were told to end */
#define DISK_OFTEN_US (20 * US_PER_MS) /* while jobs are claimed */
#define TROUBLE_AGAIN_US (1 * US_PER_SEC)
#define DISK_LOOK_US (1 * US_PER_SEC)  /* while none can be */
#define REFUSED_US (1 * US_PER_SEC) /* then 2, 4 and 8 */
#define REFUSALS_MAX 3
#define TROUBLES_MAX 16 /* in a row: then it is asked whether it is the jobs */
#define DRAIN_LOOK_US (200 * US_PER_MS)

/* -- orphaned runs ------------------------------------------------------- */

static bool is_known(const struct pool *p, const char *run)
{
    for (size_t i = 0; i < p->orphans; i++)
        if (strcmp(p->orphan[i].run, run) == 0)
            return true;
    return false;
}

static int note_orphan(const char *file, void *arg)
{
    struct pool *p = arg;
    struct name n;
    if (!name_parse(DIR_PROCESSING, file, &n) || crew_has_token(p, n.token) || is_known(p, file) ||
        live_is_alive(p->q.spool, n.token))
        return 0;
    struct orphan *grown = realloc(p->orphan, (p->orphans + 1) * sizeof *grown);
    if (!grown)
        return -1;
    p->orphan = grown;
    p->orphan[p->orphans] = (struct orphan){.term_us = 0};
    text_copy(p->orphan[p->orphans].run, sizeof p->orphan->run, file);
    p->orphans++;
    return 0;
}

/* After 20, 100, 500 ms and 2.5 s. */
static void look_after_death(struct pool *p, int64_t now)
{
    if (p->death_looks == 0)
        return;
    if (p->death_us > 0 && now >= p->death_us) {
        p->look_for_orphans = p->sweep_due = true;
        p->death_looks--;
    }
    if (p->death_us == 0 || now >= p->death_us) {
        p->death_us = now + DEATH_LOOK_US;
        for (unsigned i = p->death_looks; i < DEATH_LOOKS; i++)
            p->death_us += 4 * (p->death_us - now);
    }
    if (p->death_looks > 0)
        pool_wake_at(p, p->death_us);
}

/* Is it time, after trouble? */
static bool may_look(struct pool *p, bool due, int64_t now)
{
    if (due && now < p->again_us)
        pool_wake_at(p, p->again_us);
    return due && now >= p->again_us;
}

/* Said, and tried again in a second: no event will tell of it a second time. */
static void look_again(struct pool *p, enum dir d, int64_t now)
{
    log_warn("read %s: %s", dir_name(d), strerror(errno));
    p->again_us = now + TROUBLE_AGAIN_US;
    pool_wake_at(p, p->again_us);
}

static void find_orphans(struct pool *p, int64_t now)
{
    if (!may_look(p, p->look_for_orphans, now))
        return;
    p->look_for_orphans = false;
    if (scan_dir(p->q.spool, DIR_PROCESSING, note_orphan, p) != 0) {
        look_again(p, DIR_PROCESSING, now);
        p->look_for_orphans = p->stopping == RUNNING;
    }
    p->orphan_us = 0;
}

/* Settled or not ours: forget it. */
static bool try_orphan(struct pool *p, struct orphan *o, int64_t now)
{
    struct err err = ERR_INIT;
    bool first = !o->said, soon = false;
    switch (recover_run(&p->q, o, now, &err)) {
    case RECOVER_SETTLED:
        p->sweep_due = true;
        log_note("recovered the run %s of a dead worker", o->run);
        p->seen_empty = false;
        return true;
    case RECOVER_OWNED:
        return true;
    case RECOVER_ALIVE:
        p->ending += o->term_us > 0;
        soon = first;
        if (first)
            log_note("the run %s outlived its worker; %s", o->run,
                     o->term_us > 0 ? "ending it" : "waiting for it");
        o->said = true;
        break;
    case RECOVER_ERROR:
        if (spool_refused(err.errnum) && spool_reserve_release(p->q.spool))
            soon = true;
        if (!o->said_trouble)
            log_warn("recover %s: %s; trying again", o->run, err.text);
        o->said_trouble = true;
        break;
    }
    p->orphan_us = now + (soon ? ORPHAN_SOON_US : ORPHAN_AGAIN_US);
    pool_wake_at(p, p->orphan_us);
    return false;
}

static void recover_orphans(struct pool *p, int64_t now)
{
    look_after_death(p, now);
    find_orphans(p, now);
    if (p->orphans > 0 && now < p->orphan_us) {
        pool_wake_at(p, p->orphan_us);
        return;
    }
    size_t kept = 0;
    p->ending = 0;
    for (size_t i = 0; i < p->orphans; i++)
        if (!try_orphan(p, &p->orphan[i], now))
            p->orphan[kept++] = p->orphan[i];
    p->orphans = kept;
    if (p->sweep_due) {
        p->sweep_due = false;
        recover_sweep(&p->q);
    }
}

/* -- control/ ------------------------------------------------------------ */

void care_stop(struct pool *p, enum stopping how)
{
    if (how <= p->stopping)
        return;
    log_note(how == STOPPING ? "stopping: the jobs that run are finished first"
                             : "stopping now: the jobs that run are ended and put back");
    p->stopping = how;
    crew_stop(p, how == STOPPING_NOW);
}

static int obey(const char *file, void *arg)
{
    struct pool *p = arg;
    enum request what;
    const char *of;
    if (!request_parse(file, &what, &of))
        return 0;
    bool mine = strcmp(of, p->q.spool->token) == 0;
    switch (what) {
    case REQUEST_PAUSE:
        break;
    case REQUEST_STOP:
        if (mine)
            care_stop(p, STOPPING);
        break;
    case REQUEST_STOP_NOW:
        if (mine)
            care_stop(p, STOPPING_NOW);
        break;
    case REQUEST_CANCEL:
        crew_cancel(p, of);
        break;
    }
    return 0;
}

/* Not to be able to look is no word to go on. */
static void look_at_pause(struct pool *p)
{
    bool paused = request_is_there(&p->q, REQUEST_PAUSE, "");
    if (paused == p->paused || (!paused && errno != ENOENT))
        return;
    log_note(paused ? "paused" : "resumed");
    p->paused = paused;
}

static void look_at_control(struct pool *p, int64_t now)
{
    if (!may_look(p, p->look_at_control, now))
        return;
    p->look_at_control = false;
    look_at_pause(p);
    if (scan_dir(p->q.spool, DIR_CONTROL, obey, p) != 0) {
        look_again(p, DIR_CONTROL, now);
        p->look_at_control = true;
    }
}

/* -- settings and folders ------------------------------------------------ */

static void take_settings(struct pool *p)
{
    struct err err = ERR_INIT;
    if (!p->settings_due)
        return;
    p->settings_due = false;
    int r = queue_refresh_settings(&p->q, &err);
    if (r < 0)
        log_warn("%s; %s", err.text, err.kind == ERR_SYSTEM ? "the old settings stay in force"
                                                            : "the rest is in force");
    else if (r > 0)
        log_note("new settings taken up");
    if (r != 0 && p->o->count == 0)
        p->want = (size_t)p->q.settings.count;
}

/* A missing folder is waited for: the jobs in it cannot be told to be gone.  When it is
 * back, the same perhaps, all is looked at: others may have been replaced meanwhile. */
static void check_folders(struct pool *p, int64_t now)
{
    struct err err = ERR_INIT;
    if (!p->folders_due)
        return;
    if (now < p->folders_us) {
        pool_wake_at(p, p->folders_us);
        return;
    }
    intake_finish(p);
    int r = spool_refresh(p->q.spool, &err);
    if (r < 0 && err.kind == ERR_UNKNOWN) {
        *p->err = err;
        p->failed = true;
        care_stop(p, STOPPING);
    } else if (r < 0) {
        log_warn("%s", err.text);
        p->folders_trouble = true;
        p->folders_us = now + US_PER_SEC;
        pool_wake_at(p, p->folders_us);
        return;
    }
    bool as_before = r <= 0 && !p->folders_trouble;
    p->folders_due = p->folders_trouble = false;
    if (as_before)
        return;
    log_note("a folder of the spool %s; looking at all of it again",
             r > 0 ? "was replaced" : "is back");
    watch_rearm(p->watch);
    scan_close(&p->scan);
    index_clear(p->index);
    intake_rescan(p);
    p->record_fd = live_republish(p->q.spool, &p->record, p->record_fd);
    crew_tell_all(p, TALK_FOLDERS, "");
    p->look_at_control = p->look_for_orphans = true;
}

/* -- the disk ------------------------------------------------------------ */

/* Free space is looked at before a job is claimed.  A quota, or a disk that
 * goes bad, shows only when something is written: a worker tells of it, and then there
 * is a pause, twice as long after each refusal in a row; after a quota also until the
 * reserve, which was given back, can be made anew.  Without it every job would be
 * claimed and put back without end. */

static void say_room(struct pool *p, const char *lost)
{
    if (lost && !p->said_no_room)
        log_warn("%s", lost);
    if (!lost && p->said_no_room)
        log_note("the disk takes something again");
    p->said_no_room = lost != NULL;
}

static void look_at_room(struct pool *p, int64_t now)
{
    enum spool_room room = spool_room(p->q.spool);
    if (p->refused && room == SPOOL_ROOM)
        p->refused = !spool_reserve_regain(p->q.spool);
    p->has_room = room == SPOOL_ROOM && !p->refused;
    p->disk_us = now + (p->has_room ? DISK_OFTEN_US : DISK_LOOK_US);
    if (room == SPOOL_FULL)
        say_room(p, "the disk is full: nothing is claimed until there is room");
    else if (room == SPOOL_READ_ONLY)
        say_room(p, "the file system is read-only: nothing is claimed until it is not");
    else if (!p->refused && p->refusals == 0)
        say_room(p, NULL);
}

bool care_has_room(struct pool *p, int64_t now)
{
    if (now >= p->disk_us)
        look_at_room(p, now);
    if (!p->has_room)
        pool_wake_at(p, p->disk_us);
    return p->has_room;
}

static void refuse_for_a_while(struct pool *p)
{
    if (p->refused)
        return; /* other workers met the same */
    p->refused = true;
    p->has_room = false;
    p->disk_us = clock_mono_us() + (REFUSED_US << p->refusals);
    if (p->refusals < REFUSALS_MAX)
        p->refusals++;
}

void care_heard(struct pool *p, enum talk_end end)
{
    switch (end) {
    case END_RAN:
        p->troubles = p->refusals = 0;
        if (!p->refused)
            say_room(p, NULL);
        break;
    case END_REFUSED:
        spool_reserve_release(p->q.spool);
        say_room(p, "the disk takes nothing more: nothing is claimed until it does");
        refuse_for_a_while(p);
        break;
    case END_TROUBLE:
        if (++p->troubles < TROUBLES_MAX)
            break;
        if (spool_can_move(p->q.spool)) { /* it is the jobs: those behind them are not stopped */
            p->troubles = 0;
            break;
        }
        p->troubles = TROUBLES_MAX;
        say_room(p, "no job can be claimed: trying more slowly until one can");
        refuse_for_a_while(p);
        break;
    case END_GONE:
    case END_LATER:
        break;
    }
}

bool care_is_troubled(const struct pool *p)
{
    return p->troubles == TROUBLES_MAX;
}

/* Else what a job ends with would be where nobody looks. */
static bool has_states(const struct pool *p)
{
    return !p->folders_trouble || spool_holds_states(p->q.spool);
}

bool care_may_claim(struct pool *p, int64_t now)
{
    return !p->paused && has_states(p) && care_has_room(p, now);
}

/* -- the journal --------------------------------------------------------- */

static void check_journal(struct pool *p)
{
    struct err err = ERR_INIT;
    bool lost = journal_check(&p->q, &err) != 0;
    if (lost && !p->journal_lost)
        log_warn("%s; until then no event is recorded", err.text);
    p->journal_lost = lost;
}

/* -- the safety look ----------------------------------------------------- */

static void safety_look(struct pool *p, int64_t now)
{
    if (now >= p->safety_us) {
        p->safety_us = now + SAFETY_US;
        for (int d = DIR_PENDING; d <= DIR_FAILED; d++)
            if (dirstamp_changed(&p->stamp[d], p->q.spool->dir[d])) {
                p->scan_due |= 1u << d;
                p->sweep_due = true;
            }
        p->look_for_orphans = true; /* the event of a death comes before its lock is free */
        p->folders_due = p->settings_due = p->look_at_control = p->pools_due = true;
        spool_reserve_restore(p->q.spool);
        crew_reap(p); /* a signal may have been lost */
        check_journal(p);
        if (p->stopping != RUNNING) /* a word may have been dropped on the way */
            crew_stop(p, p->stopping == STOPPING_NOW);
        if (p->o->log_file && (logfile_rotate(p->q.spool) || !logfile_is_ours(p->q.spool))) {
            logfile_reopen(p->q.spool);
            crew_tell_all(p, TALK_REOPEN, "");
        }
    }
    pool_wake_at(p, p->safety_us);
}

/* -- other pools --------------------------------------------------------- */

struct census {
    const char *own;
    unsigned rank, pools;
};

static void count_pool(const struct live_record *r, bool alive, void *arg)
{
    struct census *c = arg;
    if (r->role != LIVE_POOL || !alive)
        return;
    c->pools++;
    c->rank += strcmp(r->token, c->own) < 0;
}

void care_count_pools(struct pool *p)
{
    struct census c = {.own = p->q.spool->token};
    if (!p->pools_due)
        return;
    p->pools_due = false;
    if (live_each(p->q.spool, count_pool, &c) == 0 && c.pools > 0)
        index_share(p->index, c.rank, c.pools);
}

void care_work(struct pool *p, int64_t now)
{
    safety_look(p, now);
    care_count_pools(p);
    check_folders(p, now);
    take_settings(p);
    look_at_control(p, now);
    recover_orphans(p, now);
}

/* -- drained? ------------------------------------------------------------ */

struct rest {
    enum dir d;
    int64_t now;
};

/* Is this name something a drain waits for? */
static int is_rest(const char *file, void *arg)
{
    const struct rest *r = arg;
    struct name n;
    if (name_parse(r->d, file, &n))
        return !n.held && (r->d != DIR_PENDING || n.time_us <= r->now);
    return r->d == DIR_PENDING && name_is_foreign(file);
}

static bool nothing_left(struct pool *p)
{
    static const enum dir shortest_first[] = {DIR_PROCESSING, DIR_FAILED, DIR_PENDING};
    for (size_t i = 0; i < 3; i++) {
        struct rest r = {.d = shortest_first[i], .now = clock_wall_us()};
        if (scan_dir(p->q.spool, r.d, is_rest, &r) != 0)
            return false;
    }
    return true;
}

/* Seen twice: between two folders a moving job is in neither. */
bool care_is_drained(struct pool *p, int64_t now)
{
    if (!p->o->drain || p->stopping != RUNNING || !crew_is_idle(p) || !intake_idle(p) ||
        index_has_ready(p->index) || !board_is_empty(p->board) || p->orphans > 0)
        return false;
    if (now < p->drain_us) {
        pool_wake_at(p, p->drain_us);
        return false;
    }
    if (!nothing_left(p)) {
        p->seen_empty = false;
        p->drain_us = now + DRAIN_LOOK_US;
        pool_wake_at(p, p->drain_us);
        return false;
    }
    bool twice = p->seen_empty;
    p->seen_empty = true;
    p->drain_us = now;
    pool_wake_at(p, now);
    return twice;
}

void care_release(struct pool *p)
{
    free(p->orphan);
}
