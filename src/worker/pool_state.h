/* pool_state.h: what the parts of a pool share.
 *
 *   pool.c     the loop: each part acts, and lowers the time of the next wake-up
 *   intake.c   watch, scans, index, dropped files
 *   crew.c     the worker processes: start, talk, dispatch, death
 *   care.c     orphaned runs, requests, settings, disk, log
 */
#ifndef WORKER_POOL_STATE_H
#define WORKER_POOL_STATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/clock.h"
#include "queue/admit.h"
#include "queue/queue.h"
#include "queue/recover.h"
#include "spool/dirstamp.h"
#include "spool/live.h"
#include "spool/scan.h"
#include "spool/watch.h"
#include "worker/aside.h"
#include "worker/board.h"
#include "worker/dropped.h"
#include "worker/index.h"
#include "worker/pool.h"
#include "worker/talk.h"

#define SAFETY_US (30 * US_PER_SEC) /* events are hints: look again so often */

struct member {
    pid_t pid;
    int fd;                    /* to talk; -1: it hung up */
    bool ready;
    bool busy;
    bool told_to_leave;
    int64_t since_us;          /* monotonic: started */
    char token[TOKEN_MAX + 1]; /* once it is ready */
    enum dir offered_dir;      /* while busy: the name it was given */
    char offered[FILE_NAME_MAX + 1];
};

enum stopping { RUNNING, STOPPING, STOPPING_NOW };

struct pool {
    const struct pool_options *o;
    struct queue q;
    struct live_record record;
    int record_fd;
    enum stopping stopping;
    int64_t wake_us;   /* monotonic: the common wake-up time of this round */
    struct err *err;   /* why it had to end */
    bool failed;
    int64_t began_us;  /* wall time; by the clock's reading now, if it was set back */

    /* crew.c */
    struct member *member;
    size_t members;
    size_t want;
    int ready_fd;
    int64_t hire_us;   /* monotonic: not before (throttle) */
    int64_t throttle_us;
    struct board *board;      /* NULL: there is none */
    int board_fd;
    enum dir posted_dir;      /* the last name put on it */
    char posted[FILE_NAME_MAX + 1];
    uint64_t won_seen;        /* of the claims that workers count there */

    /* intake.c */
    struct watch *watch;
    struct index *index;
    struct dropped_set *dropped;
    bool dropped_missed;      /* there was no room for one: scan when all is done */
    struct admission *admission;
    enum { GATHERING, SYNCING, COMMITTING } admitting;
    struct aside sync;        /* of the admission */
    int64_t admit_us;         /* monotonic: not before, so that others get their turn */
    unsigned admit_failures;  /* in a row */
    struct scan scan;         /* one at a time, in slices */
    enum dir scanning;
    int64_t scan_us;          /* monotonic: not before, after trouble */
    unsigned scan_due;        /* bits of pending and failed */
    struct dirstamp stamp[STATE_COUNT];
    struct clock_steps clock;
    int clock_fd;             /* readable: the clock was set; -1: nothing tells */

    /* care.c */
    struct orphan *orphan;
    size_t orphans;
    size_t ending;            /* of these: told to end, and not gone yet */
    bool look_for_orphans;
    unsigned death_looks;     /* still to be made after a death */
    int64_t death_us;         /* monotonic: the next of these */
    int64_t orphan_us;        /* monotonic: the next try */
    int64_t safety_us;        /* monotonic: the next safety look */
    int64_t disk_us;          /* monotonic: the next look at the disk */
    bool has_room;            /* as of the last */
    bool refused;             /* the disk took nothing; not yet seen that it does again */
    unsigned refusals;        /* since something was taken, at most REFUSALS_MAX */
    unsigned troubles;        /* failed claims since one was won, at most TROUBLES_MAX */
    bool said_no_room;
    bool journal_lost; /* events cannot be written, and that was said */
    bool paused;
    bool look_at_control;
    bool settings_due;
    bool pools_due;           /* one came or went */
    bool folders_due;
    bool folders_trouble;     /* at the last look; what was replaced then is not told yet */
    int64_t folders_us;       /* monotonic: not before, after trouble */
    int64_t again_us;         /* the same for control/ and processing/ */
    bool sweep_due;
    int64_t drain_us;         /* monotonic: the next look whether all is done */
    bool seen_empty;
};

/* The kernel tells of a dead process's file before it drops the lock on it (and the child
 * of a vfork may have it open still): so look again a few times, see care.c. */
#define DEATH_LOOKS 4
static inline void pool_heard_of_death(struct pool *p)
{
    p->look_for_orphans = p->sweep_due = true;
    p->death_looks = DEATH_LOOKS;
    p->death_us = 0;
}

static inline void pool_wake_at(struct pool *p, int64_t mono_us)
{
    if (mono_us < p->wake_us)
        p->wake_us = mono_us;
}

/* intake.c */
int intake_open(struct pool *p);
void intake_close(struct pool *p);
void intake_events(struct pool *p);
int intake_fd(const struct pool *p);             /* for poll(2): a sync has ended; -1: none */
void intake_finish(struct pool *p);              /* what is under way, before folders change */
void intake_work(struct pool *p, int64_t now);   /* scan slices, dropped files, clock steps */
void intake_rescan(struct pool *p);              /* both folders, soon */
void intake_first_scan(struct pool *p);          /* all of it, before the first dispatch */
void intake_offer_again(struct pool *p, enum dir d, const char *file, int64_t delay_us);
bool intake_idle(const struct pool *p);          /* no scan, no dropped file under way */

/* crew.c */
void crew_work(struct pool *p, int64_t now);     /* hire, tell to leave, dispatch */
void crew_reap(struct pool *p);
void crew_hear(struct pool *p, size_t i);
void crew_tell_all(struct pool *p, enum talk_op op, const char *name);
void crew_stop(struct pool *p, bool now);
void crew_withdraw(struct pool *p);              /* all names from the board */
bool crew_is_idle(const struct pool *p);
bool crew_has_token(const struct pool *p, const char *token);
bool crew_cancel(struct pool *p, const char *run);
void crew_say_ready(struct pool *p);
void crew_release(struct pool *p);

/* care.c */
void care_work(struct pool *p, int64_t now);
void care_stop(struct pool *p, enum stopping how);
bool care_has_room(struct pool *p, int64_t now);        /* on the disk */
bool care_may_claim(struct pool *p, int64_t now);
void care_heard(struct pool *p, enum talk_end end);     /* how a claim went */
bool care_is_troubled(const struct pool *p);            /* claim after claim fails */
bool care_is_drained(struct pool *p, int64_t now);
void care_count_pools(struct pool *p);                  /* and take our share of the names */
void care_release(struct pool *p);

#endif
