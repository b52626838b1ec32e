/* lookout.h: what the back ends of watch.h share: the folders watched,
 * whether they still are the folders of the path, the files whose links are
 * counted, and polling, which is all of watch_poll.c and what the others fall
 * back to.  For the back ends only.
 */
#ifndef SPOOL_LOOKOUT_H
#define SPOOL_LOOKOUT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "spool/dirstamp.h"
#include "spool/spool.h"
#include "spool/watch.h"

#define LOOKOUT_TICK_MS 100   /* polling: what is dropped is seen within this */
#define LOOKOUT_BLIND_MS 1000 /* where writes and locks are not seen: scan anyway */

struct lookout_link {
    bool used;
    unsigned dir;
    nlink_t nlink; /* when it was added */
    int handle;    /* the back end's own */
    char file[FILE_NAME_MAX + 1];
};

struct lookout {
    const struct spool *sp;
    unsigned dirs;
    bool due;          /* call lookout_compare() at the next read */
    bool close_handle; /* a link's handle is a descriptor of ours */
    int64_t tick_us;   /* monotonic: when polling looks again */
    int64_t blind_us;  /* monotonic: the next scan by the clock */
    struct dirstamp stamp[WATCH_ROOT + 1];
    ino_t told[WATCH_ROOT + 1]; /* what the path had when REPLACED was told; 0 nothing */
    struct lookout_link link[WATCH_LINKS_MAX];
};

/* Takes the stamps: what changes from now on is told. */
void lookout_init(struct lookout *lo, const struct spool *sp, unsigned dirs);
void lookout_release(struct lookout *lo);
/* Events were lost or will be: forget links and stamps, so that the next
 * lookout_read() tells every folder to be scanned. */
void lookout_forget(struct lookout *lo);

bool lookout_has(const struct lookout *lo, unsigned d);
int lookout_fd(const struct lookout *lo, unsigned d); /* the held descriptor */

/* Compare the held folders with those of the path (REPLACED) and the counts of
 * links (CLOSED); with `scan` the stamps too (SCAN).  Ends `due`. */
void lookout_compare(struct lookout *lo, bool scan, watch_event *event, void *arg);
/* SCAN for the folders in which writes and locks matter, if it is time. */
void lookout_blind(struct lookout *lo, watch_event *event, void *arg);
/* Has it such folders? */
bool lookout_is_blind(const struct lookout *lo);
/* SCAN for all. */
void lookout_scan(struct lookout *lo, watch_event *event, void *arg);

/* Polling: watch_read() and watch_interval_ms(). */
void lookout_read(struct lookout *lo, watch_event *event, void *arg);
int lookout_interval_ms(const struct lookout *lo);

/* Add d/file under a handle (-1: none); call it with the back end's watch in
 * place, so that a change is seen by one of the two.  False: the table is full
 * or the file gone, and the handle still the caller's. */
bool lookout_add_link(struct lookout *lo, unsigned d, const char *file, int handle);
unsigned lookout_links(const struct lookout *lo); /* how many there are */
/* Tell and forget those with this handle. */
void lookout_tell_links(struct lookout *lo, int handle, watch_event *event, void *arg);

#endif
