/* verbs.pml: `queuectl cancel`, `retry`, `delete` and `enqueue` of one id, while a
 * worker runs it and a pool recovers; any of them may be killed.
 *
 *   src/queue/verbs.c    hold_job(), store(), move(), verb_cancel(), delete_held()
 *   src/queue/enqueue.c  enqueue_job(), src/queue/ids.c  ids_reserve()
 *
 * A verb finds the job without a lock, takes the lock, and looks whether the file is
 * still the one it found; else it begins again.
 */
#ifndef KILLS
#define KILLS 0
#endif
#ifndef COMMANDS
#define COMMANDS 2
#endif
#ifndef VERBS
#define VERBS 2
#endif
#ifndef RUNS
#define RUNS   (1 + KILLS + VERBS)
#endif
#define INODES 3
#include "kernel.pml"
#include "spool.pml"
#include "worker.pml"
#include "recover.pml"
#include "intake.pml" /* look_for_job() */

#define IN_PENDING     1
#define IN_FAILED      2
#define IN_PROCESSING  3
#define IN_DONE        4
#define IN_DEAD        5
#define ended_in(w)    ((w) == IN_DONE || (w) == IN_DEAD)

/* find_job(): where it is, and what it says; 0: nowhere. */
inline find(where, doc)
{
    atomic {
        if
        :: done != NOTHING -> where = IN_DONE; doc = done
        :: dead != NOTHING -> where = IN_DEAD; doc = dead
        :: pending != NOTHING -> where = IN_PENDING; doc = pending
        :: failed != NOTHING -> where = IN_FAILED; doc = failed
        :: any_run(in_processing) -> where = IN_PROCESSING
        :: places == 0 -> where = 0
        fi
    }
}

/* The present content of the place that was found. */
#define at_place(w)  ((w) == IN_DONE -> done : ((w) == IN_DEAD -> dead : \
                      ((w) == IN_PENDING -> pending : failed)))

/* EXCHANGE: the changed document under the name it has; the lock is held. */
inline change(where, new)
{
    if
    :: where == IN_DONE && done != NOTHING -> done = new
    :: where == IN_DEAD && dead != NOTHING -> dead = new
    :: where == IN_PENDING && pending != NOTHING -> pending = new
    :: where == IN_FAILED && failed != NOTHING -> failed = new
    :: else -> where = 0 /* ENOENT: refused */
    fi
}

/* The file goes away from where it is; `doc` is what it held. */
inline take_away(where, doc)
{
    doc = at_place(where);
    if
    :: where == IN_DONE -> done = NOTHING
    :: where == IN_DEAD -> dead = NOTHING
    :: where == IN_PENDING -> pending = NOTHING; pending_attempts = 0
    :: where == IN_FAILED -> failed = NOTHING; failed_attempts = 0
    fi
}

inline do_cancel(where, doc)
{
    atomic { change(where, CANCELLED) };
    atomic { /* the commit; then it is said */
        if
        :: where != 0 && at_place(where) != NOTHING ->
            take_away(where, doc); dead = doc; no_more = true
        :: else
        fi
    }
}

inline do_retry(where, doc)
{
    atomic {
        if
        :: where != 0 && at_place(where) != NOTHING ->
            doc = (where == IN_FAILED -> failed_attempts : 0);
            no_more = false;
            take_away(where, pending);
            pending_attempts = doc
        :: else
        fi
    }
}

inline do_delete(where, doc, me, fd)
{
#ifdef B_ID_FREED_FIRST
    atomic { ids = 0; close_id(me, fd) };
#endif
    atomic {
        if
        :: at_place(where) != NOTHING -> take_away(where, doc); removed = true; no_more = true
        :: else
        fi
    };
#ifndef B_ID_FREED_FIRST
    atomic { /* idlock_forget() */
        if
        :: ids != 0 && (says[ids] == NOBODY || says[ids] == UNSURE) -> ids = 0
        :: else
        fi
    }
#endif
}

/* enqueue_job(): ids_reserve(), then the document from tmp/ to its name.  What is put
 * back by hand (intake.pml) goes the same way. */
inline do_enqueue(me, fd, got, fresh, found)
{
    take_new_lock(me, fd, got, fresh);
    if
    :: got && fresh -> found = any_run(in_processing);
        if
        :: !found -> found = (done != NOTHING || dead != NOTHING)
        :: else
        fi
    :: got && !fresh -> look_for_job(found)
    :: else
    fi;
    if
    :: got && !found ->
        atomic { /* rename(NOREPLACE) to pending/ */
            assert(places == 0); /* no second job under one id */
            pending = FRESH; pending_attempts = 0;
            removed = false; no_more = false
        }
    :: got && found && fresh -> ids = 0 /* idlock_forget() */
    :: else
    fi
}

/* cancel of a run: a request, the wait for its end, the look what became of it. */
inline cancel_run(r)
{
    atomic { r = 1; do :: r < RUNS && processing[r] == NOTHING -> r++ :: else -> break od };
    cancel[r] = true;
    processing[r] == NOTHING;
    cancel[r] = false;
    atomic {
        if
        :: dead != NOTHING -> no_more = true /* "cancelled" is said */
        :: else
        fi
    }
}

inline let_go(me, fd, where, doc, r, got, fresh, found)
{
    atomic {
        if
        :: fd != 0 -> close_id(me, fd)
        :: else
        fi;
        where = 0; doc = 0; r = 0; got = false; fresh = false; found = false
    }
}

byte verbs = VERBS;

proctype command(byte me)
{
    byte fd, where, doc, r;
    bool got, fresh, found;
    {
        do
        :: atomic { verbs > 0 -> verbs-- };
            do_enqueue(me, fd, got, fresh, found);
            let_go(me, fd, where, doc, r, got, fresh, found)
        :: atomic { verbs > 0 -> verbs-- };
            do
            :: find(where, doc);
                if
                :: where == 0 || where == IN_PROCESSING -> break
                :: else
                fi;
                take_lock(me, fd, got, fresh);
                if
                :: got && at_place(where) == doc -> break
                :: got && at_place(where) != doc -> atomic { close_id(me, fd) }
                :: !got -> !id_is_held
                fi
            od;
            if
            :: where == IN_PROCESSING -> cancel_run(r)
            :: where == IN_PROCESSING /* refused: "it is running" */
            :: where == IN_PENDING || where == IN_FAILED -> do_cancel(where, doc)
            :: where == IN_FAILED || ended_in(where) -> do_retry(where, doc)
            :: where != 0 && where != IN_PROCESSING -> do_delete(where, doc, me, fd)
            :: where == 0 /* no such job */
            fi;
            let_go(me, fd, where, doc, r, got, fresh, found)
        :: break
        od
    } unless_killed(me);
    killed[me] = false /* nobody makes it anew */
}

init {
    atomic {
        pending = PLAIN; ids = 1;
        run worker(W1);
        run recoverer(R1);
        run command(C1);
#if COMMANDS > 1
        run command(C2);
#endif
        run job(1); run job(2);
#if RUNS > 2
        run job(3);
#endif
#if RUNS > 3
        run job(4);
#endif
        run killer(BIT(W1) | BIT(C1) | (COMMANDS > 1 -> BIT(C2) : 0));
        run promises(); run judge()
    }
}
