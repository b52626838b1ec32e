/* pool.h: a pool of workers on a spool.
 *
 * The pool watches the spool, keeps an index of what waits, takes dropped files
 * in, gives idle workers the best due name, replaces workers that die and
 * recovers what they left.  It never runs a job. */
#ifndef WORKER_POOL_H
#define WORKER_POOL_H

#include <stdbool.h>

#include "base/err.h"

struct pool_options {
    const char *spool;  /* its path */
    int count;          /* workers; 0: the setting, and its changes */
    bool drain;         /* leave when nothing is due, running or waiting for a retry */
    bool on_terminal;   /* SIGHUP means SIGTERM */
    bool log_file;      /* stderr is SPOOL/worker.log */
    int ready_fd;       /* "POOLPID WORKERPID...\n" is written there once all are ready; what
                         * is open above it is closed; -1: a foreground pool */
    const char *program; /* this executable: started again as workers */
};

/* Run until stopped: 0; with drain 1 if a job died meanwhile; 1 with *err if it
 * could not begin or go on. */
int pool_run(const struct pool_options *o, struct err *err);

/* Start a pool in the background: a session of its own, its log in
 * SPOOL/worker.log.  Returns when it is ready: *pids is its line ("POOLPID
 * WORKERPID...", the caller frees).  -1: *err is the last line of its log. */
int pool_start(const char *program, const char *spool, int count, char **pids, struct err *err);

#endif
