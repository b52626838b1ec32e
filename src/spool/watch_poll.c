/* watch_poll.c: the back end for systems that tell nothing. */
#include "spool/watch.h"

#include <stdlib.h>

#include "spool/lookout.h"

struct watch {
    struct lookout lo;
};

struct watch *watch_open(const struct spool *sp, unsigned dirs)
{
    struct watch *w = malloc(sizeof *w);
    if (w)
        lookout_init(&w->lo, sp, dirs);
    return w;
}

void watch_close(struct watch *w)
{
    if (w)
        lookout_release(&w->lo);
    free(w);
}

/* A new folder has another inode than the stamp: the next look tells. */
void watch_rearm(struct watch *w)
{
    w->lo.due = true;
}

int watch_fd(const struct watch *w)
{
    (void)w;
    return -1;
}

int watch_interval_ms(const struct watch *w)
{
    return lookout_interval_ms(&w->lo);
}

void watch_read(struct watch *w, watch_event *event, void *arg)
{
    lookout_read(&w->lo, event, arg);
}

void watch_links(struct watch *w, enum dir d, const char *file)
{
    lookout_add_link(&w->lo, d, file, -1);
}
