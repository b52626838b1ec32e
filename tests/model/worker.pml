/* worker.pml: a worker and the process of a run.
 *
 *   claim    src/queue/claim.c     claim_take()
 *   start    src/worker/run.c      start(), src/worker/child.c  become()
 *   finish   src/queue/finish.c    finish_run(), finish_move()
 *   lock     src/spool/idlock.c    idlock_take()
 */

/* idlock_take(): `got` says whether; without, fd is closed again.  A file that this
 * call makes has `content`: that of a job which is there was removed by somebody. */
inline take_lock_or_make(me, fd, got, fresh, content)
{
    got = false;
    do
    :: atomic { /* openat(ids/ID), made where missing */
            if
            :: ids == 0 -> make_inode(content); fresh = true
            :: else -> fresh = false
            fi;
            fd = ids;
            opened[fd] = opened[fd] | BIT(me)
        };
        atomic {
            if
            :: may_lock(fd) -> locked[fd] = BIT(me); got = true /* flock(LOCK_EX | LOCK_NB) */
            :: else -> close_id(me, fd)
            fi
        };
#ifdef B_LOCK_UNCHECKED
        break
#else
        atomic {
            if
            :: got && !is_named(fd) -> close_id(me, fd); got = false /* fstatat: anew */
            :: else -> break
            fi
        }
#endif
    od
}

#ifdef B_FRESH_IS_FREE
#define take_lock(me, fd, got, fresh)  take_lock_or_make(me, fd, got, fresh, NOBODY)
#else
#define take_lock(me, fd, got, fresh)  take_lock_or_make(me, fd, got, fresh, UNSURE)
#endif
/* idlock_take_new() */
#define take_new_lock(me, fd, got, fresh)  take_lock_or_make(me, fd, got, fresh, NOBODY)

/* -- does a run live? (src/queue/runs.c) -------------------------------------------- */

#ifdef B_NO_RECORD_LOOK
#define group_lives(r)  false
#else
#define group_lives(r)  (file_of[life_of[r]] && record_run[life_of[r]] == (r) && \
                         record_pid[life_of[r]] && grouped[r])
#endif
#ifdef B_NO_ENVIRONMENT_LOOK
#define in_environment(r)  false
#else
#define in_environment(r)  marked[r]
#endif

/* runs_live(): by the worker's record, then by the environment of all processes */
inline look_for_run(r, living)
{
    living = group_lives(r);
    if
    :: !living -> living = in_environment(r)
    :: else
    fi
}

/* any_lives(): every worker's file (locked: what it runs lives), then all processes */
inline look_for_any(living, k)
{
    k = 0;
    do
    :: !living && k < LIVES ->
        atomic {
            k++;
            living = file_of[k] && record_run[k] != 0 && (lock_of[k] != 0 || group_lives(record_run[k]))
        }
    :: else -> break
    od;
    if
    :: !living -> living = any_run(in_environment)
    :: else
    fi;
    k = 0
}

/* runs_outlive_lock() */
inline ask_for_runs(fd, living, k)
{
    living = false;
#ifndef B_CLAIM_ASKS_NOT
    if
    :: says[fd] == UNSURE ->
        look_for_any(living, k);
        if
        :: !living -> says[fd] = NOBODY
        :: else
        fi
    :: says[fd] != UNSURE && says[fd] != NOBODY -> look_for_run(says[fd], living)
    :: else
    fi
#endif
}

/* -- the run's process -------------------------------------------------------------- */

/* What programs do to get rid of the queue: close all descriptors, leave the group,
 * clear the environment.  One of the three must be left for the run to be seen; the
 * lock alone does not do where somebody removes ids/ID. */
inline evade(r)
{
    if
    :: skip
    :: close_all(RUN(r)); grouped[r] = false
    :: close_all(RUN(r)); marked[r] = false
#ifndef IDS_MAY_GO
    :: grouped[r] = false; marked[r] = false
#endif
    fi
}

/* become(): from vfork to its end.  Until execve it has all that its worker had open.
 * A run's tree of processes is one process here: it ends when the last one does. */
#if REBOOTS > 0
#define unless_cut(r)  unless { cut[r] }
#else
#define unless_cut(r)
#endif
proctype job(byte r)
{
end:
    born[r];
    {
#ifndef B_RECORD_BY_PARENT
    d_step { record_pid[life_of[r]] = true; grouped[r] = true }; /* setsid; pwrite */
#endif
    atomic {                                                     /* execve */
        lock_of[life_of[r]] = lock_of[life_of[r]] & ~BIT(RUN(r));
#ifdef B_LOCK_NOT_PASSED
        close_all(RUN(r));
#endif
        grouped[r] = true; marked[r] = true; running[r] = true;
        assert(!no_more);
        alive++;
#ifdef ONCE
        begun++;
#endif
        evade(r)
    };
    atomic {
        if
        :: whole[r] = true /* exit 0 */
        :: skip
        :: told[r]         /* hangs until it is ended */
        fi;
        close_all(RUN(r));
        running[r] = false; alive--;
        grouped[r] = false; marked[r] = false; ended[r] = true
    }
    } unless_cut(r)
}

/* -- the worker --------------------------------------------------------------------- */

/* renameat2(NOREPLACE): from pending/ or failed/ to processing/ under a new name */
inline name_run(r, life, place, attempts)
{
    runs++;
    r = runs;
    assert(r <= RUNS);
    processing[r] = place; place = NOTHING;
    attempt_of[r] = attempts + 1; attempts = 0;
    life_of[r] = life
}

#define can_be_claimed  (pending != NOTHING || failed != NOTHING)
/* Looking again and again is left out: a look begins when it may succeed. */
#define may_claim  (can_be_claimed && !id_is_held && !earlier_lives)
#define earlier_lives \
    (ids != 0 && says[ids] != NOBODY && \
     (says[ids] == UNSURE -> any_run(in_sight) : group_lives(says[ids]) || marked[says[ids]]))
#define in_sight(r)  (marked[r] || group_lives(r))

/* lock_and_move(): the lock, the question whether an earlier run lives, then one
 * rename, which decides.  r: the run that was won, or 0. */
inline claim(me, life, fd, r, got, living)
{
    r = 0;
#ifdef NO_LOCK
    got = true;
#else
    take_lock(me, fd, got, fresh);
    if
    :: got -> ask_for_runs(fd, living, k); got = !living
    :: else
    fi;
#endif
    if
    :: got ->
        if
        :: atomic { pending != NOTHING && room_for_a_run -> name_run(r, life, pending, pending_attempts) }
        :: atomic { failed != NOTHING && room_for_a_run -> name_run(r, life, failed, failed_attempts) }
        :: !can_be_claimed /* ENOENT: lost */
        fi
    :: else
    fi
}

/* start(): first the record, then the mark on the lock: where somebody removed the
 * lock's file, either that is seen here (ESTALE) and nothing starts, or whoever makes
 * it anew sees the record. */
inline start(me, life, fd, r)
{
    d_step { record_run[life] = r; record_pid[life] = false }; /* live_update: pwrite */
#ifdef B_LOCK_AFTER_START
    d_step { born[r] = true; lock_of[life] = lock_of[life] | BIT(RUN(r)) };
    running[r] || ended[r];
    take_lock(me, fd, got, fresh);
    if
    :: got -> says[fd] = r
    :: else
    fi
#else
    if
    :: is_named(fd) ->                                         /* idlock_begin: fstat; */
        says[fd] = r;                                          /* fchmod */
        d_step {                                               /* vfork */
            born[r] = true;
            lock_of[life] = lock_of[life] | BIT(RUN(r));
            opened[fd] = opened[fd] | BIT(RUN(r));
            locked[fd] = locked[fd] | BIT(RUN(r))
        }
        running[r] || ended[r]                                 /* the parent of a vfork waits */
#ifdef B_RECORD_BY_PARENT
        ; record_pid[life] = true
#endif
    :: !is_named(fd) -> ended[r] = true
    fi
#endif
}

/* finish_move(): to where the fate says.  done/ID may be there: an operator's copy. */
inline finish_move(r)
{
    do
    :: d_step { processing[r] == NOTHING -> skip }; break /* ENOENT: taken away */
    :: d_step {
            processing[r] != NOTHING && fate[r] == DONE && done == NOTHING ->
            done = processing[r]; processing[r] = NOTHING;
            check_done(r)
        }
        break
    :: d_step {
            processing[r] != NOTHING && fate[r] == DEAD && dead == NOTHING ->
            dead = processing[r]; processing[r] = NOTHING
        }
        break
    :: d_step {
            processing[r] != NOTHING && fate[r] == RETRY ->
            failed = processing[r]; processing[r] = NOTHING;
            failed_attempts = attempt_of[r]
        }
        break
    :: d_step {
            processing[r] != NOTHING && fate[r] == AGAIN ->
            pending = processing[r]; processing[r] = NOTHING;
            pending_attempts = attempt_of[r] - 1
        }
        break
    :: d_step { processing[r] != NOTHING && fate[r] == DONE && done != NOTHING -> done = NOTHING }
    :: d_step { processing[r] != NOTHING && fate[r] == DEAD && dead != NOTHING -> dead = NOTHING }
    od
}

/* store(): the document with the result, exchanged in. */
inline store(r, what)
{
    d_step {
#ifdef B_PLAIN_RENAME
        fate[r] = what; processing[r] = RESULT(r)
#else
        if
        :: processing[r] != NOTHING -> fate[r] = what; processing[r] = RESULT(r)
        :: else /* ENOENT: an operator took the job away; what it was goes to the journal */
        fi
#endif
    }
}

#ifndef RETRIES
#define RETRIES 0
#endif

inline put_back(r)
{
    atomic { /* claim_put_back(): one rename */
        if
        :: processing[r] != NOTHING ->
            pending = processing[r]; processing[r] = NOTHING;
            pending_attempts = attempt_of[r] - 1
        :: else
        fi
    }
}

/* await(): until the leader has left and the tree is empty; `cancel` is heard, and
 * ends it.  Then the result. */
inline finish(me, fd, r, heard)
{
    if
    :: born[r] ->
        do
        :: ended[r] -> break
        :: atomic { cancel[r] && !heard && !ended[r] -> heard = true; told[r] = true }
        od;
        says[fd] = NOBODY;
        if
        :: heard -> store(r, DEAD)
        :: !heard && whole[r] -> store(r, DONE)
        :: !heard && !whole[r] -> store(r, (attempt_of[r] <= RETRIES -> RETRY : DEAD))
        fi;
        finish_move(r);
        if
        :: heard -> cancel[r] = false /* request_drop() */
        :: else
        fi
    :: !born[r] -> says[fd] = NOBODY; put_back(r)
    fi
}

proctype worker(byte me)
{
    byte life, fd, r, k;
    bool got, fresh, living, heard;
born_again:
    be_born(me, life);
    {
end_idle:
        do
        :: may_claim ->
            claim(me, life, fd, r, got, living);
            if
            :: r != 0 ->
                start(me, life, fd, r);
                finish(me, fd, r, heard);
                atomic { record_run[life] = 0; record_pid[life] = false } /* live_update() */
            :: else
            fi;
            atomic { /* claim_release(): close */
                if
                :: fd != 0 -> close_id(me, fd)
                :: else
                fi;
                r = 0; k = 0; got = false; fresh = false; living = false; heard = false
            }
        od
    } unless_killed(me);
    atomic {
        killed[me] = false;
        fd = 0; r = 0; k = 0; got = false; fresh = false; living = false; heard = false
    };
    goto born_again
}
