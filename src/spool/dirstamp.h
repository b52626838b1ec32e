/* dirstamp.h: has a folder changed since it was last looked at?
 *
 * By inode and mtime.  A folder's mtime has the grain of the kernel's tick, so
 * a change in the same tick as the look would be missed: a stamp that is younger
 * than DIRSTAMP_GRAIN_US when taken counts as changed at the next look (git
 * calls such index entries racy).  A stamp of whole seconds comes from a file
 * system that keeps no more: its grain is DIRSTAMP_COARSE_US. */
#ifndef SPOOL_DIRSTAMP_H
#define SPOOL_DIRSTAMP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define DIRSTAMP_GRAIN_US 20000    /* > 10 ms, the longest tick in use */
#define DIRSTAMP_COARSE_US 2100000 /* > 2 s, the coarsest file system */

struct dirstamp {
    ino_t ino;
    int64_t mtime_ns;
    bool racy;
    bool known;
};

/* True if changed (or never looked at, or cannot be looked at); takes the new
 * stamp. */
bool dirstamp_changed(struct dirstamp *s, int dirfd);

#endif
