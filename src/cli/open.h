/* open.h: how a command gets at its spool, and what it then tells a person. */
#ifndef CLI_OPEN_H
#define CLI_OPEN_H

#include "cli/cli.h"
#include "queue/queue.h"

/* For a command that changes something: EXIT_DONE, or an exit code when it
 * cannot (which has been said). */
int open_to_write(const struct call *c, struct queue *q);
/* The same for one that enqueues, which a member may too.  wait: it will wait for
 * what it enqueues. */
int open_to_enqueue(const struct call *c, bool wait, struct queue *q);
/* The same for one that changes only the settings. */
int open_to_configure(const struct call *c, struct queue *q);

/* For one that only reads.  OPEN_NONE: there is no spool, which has been said;
 * the answer is what an empty one would give. */
enum opened { OPEN_DONE, OPEN_NONE, OPEN_FAILED };
enum opened open_to_read(const struct call *c, struct queue *q);
/* The same for one that must see all of it. */
enum opened open_to_inspect(const struct call *c, struct queue *q);

/* For one that looks for a job: without a spool there is none. EXIT_... */
int open_to_find(const struct call *c, struct queue *q);

/* A path as its reader would write it: "./spool" below the current directory. */
void open_show_path(const char *path, struct buf *out);

/* Before an answer that lacks the jobs which are closed to this user: say so. */
void open_say_closed(const struct queue *q);

/* On a terminal: say when nothing will run (no workers, paused). */
void open_say_idle(const struct call *c, struct queue *q);
/* The same on any stderr, for one that waits: else it would look like a hang. */
void open_say_stuck(const struct call *c, struct queue *q);

#endif
