/* spool.pml: the five folders as far as one job goes, and what must hold of them.
 *
 * A name is what the queue reads in it: in processing/ the run (its start, worker
 * and attempt: one number here, since no two runs share all three), in pending/
 * and failed/ the attempts so far.  A document is what it says about its last
 * result.
 */

#ifndef RUNS
#define RUNS 3
#endif

/* -- documents -------------------------------------------------------------------- */

#define NOTHING    0
#define PLAIN      1               /* accepted, never run */
#define RESULT(r)  (1 + (r))       /* holds the result of run r */
#define run_of(d)  ((d) - 1)
#define CANCELLED  (2 + RUNS)      /* by `queuectl cancel`, while it waited */
#define FRESH      (3 + RUNS)      /* the document of a new job under an old id */

/* -- folders ---------------------------------------------------------------------- */

byte pending;              /* each holds a document, or NOTHING */
byte failed;
byte processing[RUNS + 1]; /* one name a run */
byte done;
byte dead;
byte foreign;              /* in pending/, under a name that is to be taken in, */
byte owned;                /* or that a pool has given it meanwhile */

byte pending_attempts;     /* of the names there */
byte failed_attempts;
byte attempt_of[RUNS + 1]; /* of the names in processing/ */
byte life_of[RUNS + 1];    /* the token in them */

/* What is asked of every run. */
#if RUNS == 1
#define any_run(is)  is(1)
#define sum_runs(is) is(1)
#elif RUNS == 2
#define any_run(is)  (is(1) || is(2))
#define sum_runs(is) (is(1) + is(2))
#elif RUNS == 3
#define any_run(is)  (is(1) || is(2) || is(3))
#define sum_runs(is) (is(1) + is(2) + is(3))
#elif RUNS == 4
#define any_run(is)  (is(1) || is(2) || is(3) || is(4))
#define sum_runs(is) (is(1) + is(2) + is(3) + is(4))
#else
#define any_run(is)  (is(1) || is(2) || is(3) || is(4) || is(5))
#define sum_runs(is) (is(1) + is(2) + is(3) + is(4) + is(5))
#endif
#define in_processing(r)  (processing[r] != NOTHING)

#define places      ((pending != NOTHING) + (failed != NOTHING) + (done != NOTHING) + \
                     (dead != NOTHING) + (foreign != NOTHING) + \
                     (owned != NOTHING) + sum_runs(in_processing))

/* -- runs ------------------------------------------------------------------------- */

/* What a result makes of the job (job_fate). */
#define DONE   0
#define RETRY  1
#define DEAD   2
#define AGAIN  3 /* lost: due at once, not counted */
byte fate[RUNS + 1];

byte runs;                /* so many have begun or were claimed */
bool born[RUNS + 1];      /* its process was made, */
bool running[RUNS + 1];   /* has executed the job's program and lives, */
bool grouped[RUNS + 1];   /* is in the group it recorded, */
bool marked[RUNS + 1];    /* has QUEUECTL_JOB in its environment, */
bool ended[RUNS + 1];     /* is gone with all its processes, */
bool whole[RUNS + 1];     /* by itself, with exit 0 */
bool told[RUNS + 1];      /* a signal to end is on its way */
bool cut[RUNS + 1];       /* the host goes down */
bool cancel[RUNS + 1];    /* control/cancel.RUN is there */

/* -- promises --------------------------------------------------------------------- */

byte alive;                /* runs of the job that live */
byte begun;                /* that have executed anything */
bool no_more;              /* its cancel or delete was acknowledged: no run begins */
bool removed;              /* the job is gone, by an operator's word */
bool taken;                /* by an operator who has it in his hand just now */

/* The file of run r came to done/. */
inline check_done(r)
{
    assert(done == RESULT(r)); /* with a result, and its own, */
    assert(whole[r])           /* of a run that came to its end */
}

/* At every instant. */
proctype promises()
{
end:
    do
    :: atomic { alive > 1 -> assert(alive <= 1) }
#ifdef ONCE /* "on_crash": "dead" */
    :: atomic { begun > 1 -> assert(begun <= 1) }
#endif
    :: atomic { places + taken + removed != 1 -> assert(places + taken + removed == 1) }
    od
}

/* When nobody can do anything any more (`timeout`): no run is stuck, none was
 * forgotten, no process is left. */
#define settled  (!any_run(in_processing) && alive == 0 && \
                  (done != NOTHING || dead != NOTHING || removed))

/* The true protocol never needs more runs than the scene has; a broken one that does
 * is not followed further. */
#ifdef BROKEN
#define room_for_a_run  (runs < RUNS)
#define cut_short       (runs == RUNS)
#else
#define room_for_a_run  true
#define cut_short       false
#endif

proctype judge()
{
    timeout -> assert(settled || cut_short)
}
