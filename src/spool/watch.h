/* watch.h: being told that a folder changed.  One back end is linked in:
 * watch_inotify.c, watch_kqueue.c or watch_poll.c.
 *
 * Events are hints, the scan is the truth: arm the watch, then scan, then wait.
 * A back end may report more than happened, never less; when it cannot know
 * (an overflow, a back end that only sees "the folder changed") it reports the
 * folder with no name, which means: scan it.
 *
 * What cannot be told cheaply:
 * - WATCH_GONE is told for control/, workers/ and the root only (elsewhere a
 *   worker's own renames would wake it thousands of times a second);
 * - kqueue and polling see folders, not writes: no WATCH_CLOSED, and a file
 *   changed in place or a lock dropped by a death is not an event.  For workers/
 *   and the root they report WATCH_SCAN once a second instead; for a file that
 *   is still being written the caller's own second look must do.
 */
#ifndef SPOOL_WATCH_H
#define SPOOL_WATCH_H

#include "spool/spool.h"

struct watch;

#define WATCH_ROOT DIR_COUNT /* the spool's own folder */

/* Watch the folders whose bit (1u << dir) is set in `dirs`, WATCH_ROOT among
 * them.  sp must outlive the watch.  Where the system refuses a watch (instance
 * limit, watch limit, no such thing), the same object polls instead.  NULL only
 * for want of memory. */
struct watch *watch_open(const struct spool *sp, unsigned dirs);
void watch_close(struct watch *w);

/* Call after spool_refresh() replaced a folder: watch the new ones, then scan
 * them.  May be called from an event, as may watch_links(). */
void watch_rearm(struct watch *w);

/* For poll(2): the descriptor to wait on (-1: none), and the longest time to
 * wait before watch_read() must be called all the same (-1: no bound).  Ask
 * both before each wait: a watch may start polling at any time. */
int watch_fd(const struct watch *w);
int watch_interval_ms(const struct watch *w);

/* Take what is there, without blocking; of a flood a part, and the descriptor
 * stays readable.  file is NULL for "scan the folder"; it is valid only during
 * the call. */
enum watch_what {
    WATCH_APPEARED, /* made, linked or moved in: may still be open for writing */
    WATCH_CLOSED,   /* closed after writing */
    WATCH_GONE,     /* removed or moved away */
    WATCH_SCAN,     /* anything may have changed: file is NULL */
    WATCH_REPLACED  /* the path has another folder than we hold, or none: file is NULL */
};
typedef void watch_event(unsigned dir, enum watch_what what, const char *file, void *arg);
void watch_read(struct watch *w, watch_event *event, void *arg);

/* Tell once (as WATCH_CLOSED on dir) when this file's link count changes or is
 * found to be 1: for a producer that links and then unlinks its own name.  Ends
 * by itself when the file moves or goes.  A help only: of more than
 * WATCH_LINKS_MAX files the rest is not watched. */
#define WATCH_LINKS_MAX 256
void watch_links(struct watch *w, enum dir d, const char *file);

#endif
