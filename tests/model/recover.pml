/* recover.pml: what a pool does about the runs of dead workers.
 *
 *   src/queue/recover.c   recover_run(), settle()
 *   src/spool/live.c      live_is_alive()
 */

#ifdef B_LIVE_BY_LEASE /* stopped for a while is not dead */
#define is_orphan(r)  (processing[r] != NOTHING)
#else
#define is_orphan(r)  (processing[r] != NOTHING && lock_of[life_of[r]] == 0)
#endif

/* Of another boot, or without the worker's file, nothing is known. */
#ifdef B_RECORD_AFTER_BOOT
#define is_known(life)  (file_of[life])
#else
#define is_known(life)  (file_of[life] && life > last_boot)
#endif
#define never_started(r) \
    (is_known(life_of[r]) && (record_run[life_of[r]] != (r) || !record_pid[life_of[r]]))
byte last_boot; /* the lives up to this one were before it */

#ifdef ONCE
#define IF_LOST DEAD
#else
#define IF_LOST AGAIN
#endif

/* bury_if_free(): the file of a dead worker whose run is settled; not while what its
 * record names lives on.  (The first life of W1 stands for all.) */
#define is_of_first(r)  (processing[r] != NOTHING && life_of[r] == 1)
#define may_bury  (file_of[1] && lock_of[1] == 0 && !any_run(is_of_first) && \
                   !(record_run[1] != 0 && record_pid[1] && \
                     (grouped[record_run[1]] || marked[record_run[1]])))

/* idlock_clear() */
inline clear_lock(fd, r)
{
    atomic {
        if
        :: says[fd] == r -> says[fd] = NOBODY
        :: else
        fi
    }
}

inline settle(fd, r, doc, living)
{
    doc = processing[r]; /* file_inspect: its content */
    if
    :: doc == NOTHING    /* gone: settled */
#ifdef B_RESULT_BY_ATTEMPT
    :: doc > PLAIN && doc < CANCELLED && attempt_of[run_of(doc)] == attempt_of[r] ->
        fate[r] = fate[run_of(doc)];
#else
    :: doc == RESULT(r) ->
#endif
        clear_lock(fd, r);
        finish_move(r)
    :: else ->
#ifndef WORKER_IS_RUN
        look_for_run(r, living);
#endif
        if
        :: living
        :: !living ->
            clear_lock(fd, r);
            if
            :: never_started(r) && !cancel[r] -> put_back(r)
            :: cancel[r] -> store(r, DEAD); finish_move(r); cancel[r] = false
            :: !never_started(r) && !cancel[r] -> store(r, IF_LOST); finish_move(r)
            fi
        fi
    fi
}

/* A look through processing/: any run whose worker is dead. */
inline find_orphan(r)
{
    atomic {
        if
        :: is_orphan(1) -> r = 1
#if RUNS > 1
        :: is_orphan(2) -> r = 2
#endif
#if RUNS > 2
        :: is_orphan(3) -> r = 3
#endif
#if RUNS > 3
        :: is_orphan(4) -> r = 4
#endif
#if RUNS > 4
        :: is_orphan(5) -> r = 5
#endif
        fi
    }
}

/* recover_run(), each half a second.  Between two looks at a run that lives on
 * something has to change: looking again and again is left out. */
proctype recoverer(byte me)
{
    byte r, fd, doc;
    bool got, fresh, living;
born_again:
    {
end_idle:
        do
#ifdef BURIES
        :: atomic { may_bury -> file_of[1] = false }
#endif
        :: find_orphan(r);
#ifdef WORKER_IS_RUN
            got = true;
#else
            take_lock(me, fd, got, fresh);
#endif
            if
            :: got ->
                settle(fd, r, doc, living);
                atomic { close_id(me, fd) }
            :: !got -> living = in_processing(r)
            fi;
            if
            :: living ->
                told[r] = true; /* end_processes(): TERM, after the grace KILL */
                ended[r] || !in_processing(r) || !id_is_held
            :: else
            fi;
            atomic { r = 0; doc = 0; got = false; fresh = false; living = false }
        od
    } unless_killed(me);
    atomic {
        killed[me] = false;
        r = 0; fd = 0; doc = 0; got = false; fresh = false; living = false
    };
    goto born_again
}
