/* runs.h: does a run live?  Asked from outside, when its worker does not.
 *
 * Three things tell: the process group that the run's first process recorded in the
 * worker's file, the run's name in the environment of its processes, and the lock on
 * the id, which they inherit (that one is idlock.h's; whoever asks here holds it).
 * In doubt a run lives. */
#ifndef QUEUE_RUNS_H
#define QUEUE_RUNS_H

#include "queue/queue.h"
#include "spool/name.h"

/* Was it begun since this host was started?  Of another boot nothing lives. */
bool runs_of_this_boot(const struct name *n);
/* Did its worker die before it started anything?  Only with n's worker dead. */
bool runs_never_started(struct queue *q, const struct name *n, const char *run);

/* Does any process of this run live? `run`: its name in processing/, n: the same. */
bool runs_live(struct queue *q, const struct name *n, const char *run);
/* Send it a signal, to each of its processes once (with TERM a CONT). */
void runs_signal(struct queue *q, const struct name *n, const char *run, int sig);

/* For whoever has just got the lock of an id, from where nothing else is known: does
 * a run of it live, began it under this lock or another that somebody removed?  Asked
 * only where the lock's file says that this may be (idlock.h), and cleared if not. */
bool runs_outlive_lock(struct queue *q, const char *id, int lock);

#endif
