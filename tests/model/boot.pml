/* boot.pml: the host goes down and comes up again, with a job at work that must not be
 * begun twice ("on_crash": "dead").
 *
 * Neither the claim nor the worker's record was synced: the disk has either as it was
 * or as it became.  (What is lost with them, and which content is torn, is what
 * tests/power asks, on real file systems.)
 */
#ifndef KILLS
#define KILLS 0
#endif
#define REBOOTS 1
#define ONCE
#ifndef RUNS
#define RUNS   (2 + KILLS)
#endif
#define INODES 2
#include "kernel.pml"
#include "spool.pml"
#include "worker.pml"
#include "recover.pml"

inline end_run(r)
{
    if
    :: born[r] && !ended[r] -> cut[r] = true; ended[r] = true
    :: else
    fi;
    running[r] = false; grouped[r] = false; marked[r] = false
}

proctype reboot()
{
    atomic {
        close_all(W1); close_all(R1);
        killed[W1] = true; killed[R1] = true;
        end_run(1); close_all(RUN(1));
        end_run(2); close_all(RUN(2));
#if RUNS > 2
        end_run(3); close_all(RUN(3));
#endif
        alive = 0;
        last_boot = FIRST_LIVES + lives;
        if
        :: true
        :: record_pid[1] = false                /* its worker's record was not written yet */
        :: record_run[1] = 0; record_pid[1] = false
        fi
    }
}

init {
    atomic {
        pending = PLAIN; ids = 1;
        run worker(W1);
        run recoverer(R1);
        run job(1); run job(2);
#if RUNS > 2
        run job(3);
#endif
        run killer(BIT(W1) | BIT(R1));
        run reboot();
        run promises(); run judge()
    }
}
