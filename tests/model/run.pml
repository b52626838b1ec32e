/* run.pml: two workers, two recoverers, kill -9 of any of them at any moment. */
#ifndef KILLS
#define KILLS 2
#endif
#ifndef RUNS
#define RUNS   (KILLS + 1)
#endif
#define INODES 2
#include "kernel.pml"
#include "spool.pml"
#include "worker.pml"
#include "recover.pml"

init {
    atomic {
        pending = PLAIN; ids = 1;
        run worker(W1);
#if WORKERS > 1
        run worker(W2);
#endif
        run recoverer(R1);
#if POOLS > 1
        run recoverer(R2);
#endif
        run job(1);
#if RUNS > 1
        run job(2);
#endif
#if RUNS > 2
        run job(3);
#endif
        run killer(BIT(W1) | BIT(R1) | (WORKERS > 1 -> BIT(W2) : 0) | (POOLS > 1 -> BIT(R2) : 0));
        run promises(); run judge()
    }
}
