/* worker.h: one job at a time.
 *
 * Started by its pool with exec, so that nothing is inherited but the socket to
 * talk over; claims the names it is given, runs them, records the results.  If
 * the pool dies it finishes its job, records it and leaves. */
#ifndef WORKER_WORKER_H
#define WORKER_WORKER_H

#include <stdbool.h>

/* What it inherits: its end of the talk, and the board (board.h). */
#define TALK_FD 3
#define BOARD_FD 4

struct worker_options {
    const char *spool;
    const char *pool; /* its token */
    int talk_fd;
    int board_fd;     /* board.h; -1: none */
    bool log_file;    /* stderr is SPOOL/worker.log, to be opened anew when told */
};

/* The exit status of the process. */
int worker_main(const struct worker_options *o);

#endif
