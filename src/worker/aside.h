/* aside.h: one call that may block for long (a sync of a busy disk takes
 * seconds), made by a thread of its own while the loop goes on.
 *
 * The work must touch nothing that the loop changes meanwhile.  One at a time.
 */
#ifndef WORKER_ASIDE_H
#define WORKER_ASIDE_H

#include <pthread.h>
#include <stdbool.h>

struct aside {
    pthread_t thread;
    int fd[2];
    bool open;
    bool busy;    /* begun, and not yet seen to have ended */
    bool started; /* there is a thread to join */
    void (*work)(void *arg);
    void *arg;
};

int aside_open(struct aside *s);   /* 0 or -1 and errno */
void aside_close(struct aside *s); /* waits for what was begun; one that is all 0 may be closed */

/* Without a thread to be had the work is done before this returns. */
void aside_begin(struct aside *s, void (*work)(void *arg), void *arg);
/* For poll(2): readable when the work has ended.  Then aside_done() is true. */
int aside_fd(const struct aside *s);
bool aside_done(struct aside *s);
void aside_wait(struct aside *s); /* until it has ended; returns at once if nothing was begun */

#endif
