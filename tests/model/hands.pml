/* hands.pml: an operator with mv and rm, while a worker runs the job, another waits
 * for it, and a pool takes in and recovers.  One of the workers may be killed. */
#ifndef KILLS
#define KILLS 0
#endif
#ifndef HANDS
#define HANDS 2 /* what the operator does at most */
#endif
#define IDS_MAY_GO
#define RUNS   (1 + KILLS + HANDS)
#define INODES 3
#include "kernel.pml"
#include "spool.pml"
#include "worker.pml"
#include "recover.pml"
#include "intake.pml"

/* mv of a running job's file to pending/: as it is (then it is taken in), or under a
 * name that was made to fit. */
inline move_run(r)
{
    if
    :: atomic { processing[r] != NOTHING && foreign == NOTHING ->
            foreign = processing[r]; processing[r] = NOTHING }
    :: atomic { processing[r] != NOTHING && pending == NOTHING ->
            pending = processing[r]; processing[r] = NOTHING; pending_attempts = 0 }
    :: processing[r] == NOTHING
    fi
}

inline remove_run(r)
{
    atomic {
        if
        :: processing[r] != NOTHING -> processing[r] = NOTHING; removed = true
        :: else
        fi
    }
}

proctype operator()
{
    byte n = HANDS, r;
    do
    :: n > 0 -> n--;
        if
        :: atomic { runs > 0 -> r = runs }; move_run(r)
        :: atomic { runs > 0 -> r = runs }; remove_run(r)
        :: ids = 0                                       /* rm ids/ID */
        :: atomic { dead != NOTHING && foreign == NOTHING ->
                foreign = dead; dead = NOTHING }         /* mv dead/ID.json pending/ */
        :: atomic { done != NOTHING && foreign == NOTHING ->
                foreign = done; done = NOTHING }
        fi
    :: break
    od
}

init {
    atomic {
        pending = PLAIN; ids = 1;
        run worker(W1); run worker(W2);
        run recoverer(R1); run intake(R2);
        run job(1); run job(2);
#if RUNS > 2
        run job(3);
#endif
#if RUNS > 3
        run job(4);
#endif
        run killer(BIT(W1));
        run operator();
        run promises(); run judge()
    }
}
