/* watch_inotify.c: the back end for Linux.
 *
 * One instance, one watch a folder, put on the held descriptor by way of /proc
 * (a spool that was moved is still watched), on the path where there is no
 * /proc.  Reading is one read(2) a call and none while nothing happens.
 *
 * Replaced folders: the root is always watched, whether the caller asked for it
 * or not, because the rest cannot tell: a folder removed while we hold it sends
 * no IN_DELETE_SELF, and a new one in its place sends nothing to the old watch.
 * Anything made, moved or removed in the root makes us compare the held folders
 * with those of the path (lookout_compare), once the events are read.  The
 * first read compares too: a folder may have been replaced between
 * spool_open() and the arming.
 *
 * An overflow (fs.inotify.max_queued_events) may have hidden all of that: arm
 * anew, compare, and have every folder scanned.
 *
 * IN_EXCL_UNLINK keeps away what an O_TMPFILE file would tell under a name it
 * does not have ("#1234").
 *
 * The files of watch_links() have one-shot watches on their inodes; unlink(2)
 * of another name gives IN_ATTRIB.  Two names of one inode share a watch, hence
 * a handle.  A one-shot watch that no entry knows any more is harmless.
 *
 * No instance, no watch (EMFILE, ENOSPC, ENOSYS ...): poll from then on.
 */
#include "spool/watch.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/io.h"
#include "spool/lookout.h"

#define NEW_NAME (IN_CREATE | IN_MOVED_TO)
#define LOST_NAME (IN_DELETE | IN_MOVED_FROM)
#define SELF (IN_MOVE_SELF | IN_DELETE_SELF)
#define TELLS_GONE ((1u << DIR_CONTROL) | (1u << DIR_WORKERS) | (1u << WATCH_ROOT))
#define READ_BYTES 16384 /* some 150 events; a flood stays readable */

struct watch {
    struct lookout lo;
    int fd; /* -1: polling */
    int wd[WATCH_ROOT + 1];
    _Alignas(struct inotify_event) char bytes[READ_BYTES];
};

/* An empty file means the folder itself. */
static int add_watch(struct watch *w, unsigned d, const char *file, uint32_t mask)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof path, "/proc/self/fd/%d/%s", lookout_fd(&w->lo, d), file);
    if (n < 0 || (size_t)n >= sizeof path)
        return -1;
    int wd = inotify_add_watch(w->fd, path, mask);
    if (wd >= 0 || (errno != ENOENT && errno != ENOTDIR && errno != EACCES))
        return wd;
    n = snprintf(path, sizeof path, "%s/%s/%s", w->lo.sp->path,
                 d == WATCH_ROOT ? "." : dir_name((enum dir)d), file);
    return n < 0 || (size_t)n >= sizeof path ? -1 : inotify_add_watch(w->fd, path, mask);
}

static bool is_among(const int *wd, int one)
{
    for (unsigned d = 0; d <= WATCH_ROOT; d++)
        if (wd[d] == one)
            return true;
    return false;
}

/* Watch what is held now; where that is what was held before, the kernel gives
 * the same watch again.  Old watches go last: two folders may have changed
 * places. */
static bool arm(struct watch *w)
{
    int old[WATCH_ROOT + 1];
    memcpy(old, w->wd, sizeof old);
    for (unsigned d = 0; d <= WATCH_ROOT; d++) {
        if (d != WATCH_ROOT && !lookout_has(&w->lo, d))
            continue;
        uint32_t gone = TELLS_GONE >> d & 1u ? LOST_NAME : 0;
        w->wd[d] = add_watch(w, d, "",
                             NEW_NAME | gone | IN_CLOSE_WRITE | SELF | IN_ONLYDIR | IN_EXCL_UNLINK);
        if (w->wd[d] < 0)
            return false;
    }
    for (unsigned d = 0; d <= WATCH_ROOT; d++)
        if (old[d] >= 0 && !is_among(w->wd, old[d]))
            inotify_rm_watch(w->fd, old[d]);
    w->lo.due = true;
    return true;
}

static void fall_back(struct watch *w)
{
    if (w->fd >= 0)
        close(w->fd);
    w->fd = -1;
    lookout_forget(&w->lo);
}

struct watch *watch_open(const struct spool *sp, unsigned dirs)
{
    struct watch *w = malloc(sizeof *w);
    if (!w)
        return NULL;
    lookout_init(&w->lo, sp, dirs);
    for (unsigned d = 0; d <= WATCH_ROOT; d++)
        w->wd[d] = -1;
    w->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (w->fd < 0 || !arm(w))
        fall_back(w);
    return w;
}

void watch_close(struct watch *w)
{
    if (!w)
        return;
    lookout_release(&w->lo);
    if (w->fd >= 0)
        close(w->fd);
    free(w);
}

void watch_rearm(struct watch *w)
{
    w->lo.due = true;
    if (w->fd >= 0 && !arm(w))
        fall_back(w);
}

int watch_fd(const struct watch *w)
{
    return w->fd;
}

int watch_interval_ms(const struct watch *w)
{
    if (w->fd < 0)
        return lookout_interval_ms(&w->lo);
    return w->lo.due ? 0 : -1;
}

static void overflowed(struct watch *w, watch_event *event, void *arg)
{
    if (!arm(w))
        fall_back(w);
    lookout_scan(&w->lo, event, arg);
}

static void tell_folder(struct watch *w, unsigned d, const struct inotify_event *e,
                        watch_event *event, void *arg)
{
    const char *file = e->len > 0 ? e->name : NULL;
    if ((e->mask & (SELF | IN_IGNORED)) || (d == WATCH_ROOT && (e->mask & (NEW_NAME | LOST_NAME))))
        w->lo.due = true;
    if (!file || !lookout_has(&w->lo, d))
        return;
    if (e->mask & NEW_NAME)
        event(d, WATCH_APPEARED, file, arg);
    else if (e->mask & IN_CLOSE_WRITE)
        event(d, WATCH_CLOSED, file, arg);
    else if (e->mask & LOST_NAME)
        event(d, WATCH_GONE, file, arg);
}

static void tell(struct watch *w, const struct inotify_event *e, watch_event *event, void *arg)
{
    if (e->mask & IN_Q_OVERFLOW) {
        overflowed(w, event, arg);
        return;
    }
    for (unsigned d = 0; d <= WATCH_ROOT; d++)
        if (w->wd[d] == e->wd) {
            tell_folder(w, d, e, event, arg);
            return;
        }
    if (!(e->mask & IN_IGNORED)) /* the end of a one-shot watch follows its event */
        lookout_tell_links(&w->lo, e->wd, event, arg);
}

void watch_read(struct watch *w, watch_event *event, void *arg)
{
    if (w->fd < 0) {
        lookout_read(&w->lo, event, arg);
        return;
    }
    ssize_t n = io_read(w->fd, w->bytes, sizeof w->bytes);
    for (ssize_t at = 0; at < n;) {
        const struct inotify_event *e = (const void *)(w->bytes + at);
        at += (ssize_t)(sizeof *e + e->len);
        tell(w, e, event, arg);
    }
    if (w->lo.due && w->fd >= 0)
        lookout_compare(&w->lo, false, event, arg);
}

void watch_links(struct watch *w, enum dir d, const char *file)
{
    int wd = -1;
    if (lookout_links(&w->lo) >= WATCH_LINKS_MAX)
        return;
    if (w->fd >= 0) {
        wd = add_watch(w, d, file, IN_ATTRIB | SELF | IN_DONT_FOLLOW | IN_ONESHOT);
        if (wd < 0)
            return;
    }
    lookout_add_link(&w->lo, d, file, wd);
}
