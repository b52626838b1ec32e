/* watch_kqueue.c: the back end for the BSDs and macOS.
 *
 * One kqueue, one EVFILT_VNODE note on each held folder.  A note says only that
 * the folder changed: WATCH_SCAN.  Notes go with their descriptor, so those of
 * folders that spool_refresh() closed need no removal.
 *
 * NOTE_EXTEND tells of names renamed in or out on some systems, NOTE_WRITE on
 * others; NOTE_RENAME, NOTE_DELETE and NOTE_REVOKE are about the folder itself.
 * The root always has a note: that a new folder lies where an old one was moved
 * away shows there only.  Then, and at the first read, held folders are
 * compared with those of the path (lookout_compare).
 *
 * The files of watch_links() are held open for their note and closed with it.
 *
 * No kqueue, or no note: poll from then on.  Nothing here stores a pointer in
 * a kevent: NetBSD's udata was an integer for long.
 */
#include "spool/watch.h"

#include <sys/types.h>

#include <sys/event.h>
#include <sys/time.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "spool/lookout.h"

#ifdef O_EVTONLY /* macOS: does not keep a volume from being unmounted */
#define OPEN_TO_WATCH O_EVTONLY
#else
#define OPEN_TO_WATCH O_RDONLY
#endif

#define SELF_NOTES (NOTE_DELETE | NOTE_RENAME | NOTE_REVOKE)
#define FOLDER_NOTES (NOTE_WRITE | NOTE_EXTEND | NOTE_ATTRIB | NOTE_LINK | SELF_NOTES)
#define LINK_NOTES (NOTE_LINK | NOTE_ATTRIB | NOTE_DELETE | NOTE_RENAME)
#define READ_EVENTS 64
#define LINKS_HELD 32 /* a descriptor each, and macOS gives a process 256 */

struct watch {
    struct lookout lo;
    int kq; /* -1: polling */
};

static bool add_note(struct watch *w, int fd, unsigned notes)
{
    struct kevent change;
    int r;
    EV_SET(&change, (uintptr_t)fd, EVFILT_VNODE, EV_ADD | EV_CLEAR, notes, 0, 0);
    do
        r = kevent(w->kq, &change, 1, NULL, 0, NULL);
    while (r < 0 && errno == EINTR);
    return r >= 0;
}

static bool arm(struct watch *w)
{
    for (unsigned d = 0; d <= WATCH_ROOT; d++)
        if ((d == WATCH_ROOT || lookout_has(&w->lo, d)) &&
            !add_note(w, lookout_fd(&w->lo, d), FOLDER_NOTES))
            return false;
    w->lo.due = true;
    return true;
}

static void fall_back(struct watch *w)
{
    lookout_forget(&w->lo);
    if (w->kq >= 0)
        close(w->kq);
    w->kq = -1;
}

struct watch *watch_open(const struct spool *sp, unsigned dirs)
{
    struct watch *w = malloc(sizeof *w);
    if (!w)
        return NULL;
    lookout_init(&w->lo, sp, dirs);
    w->lo.close_handle = true;
    w->kq = kqueue();
    if (w->kq < 0 || fcntl(w->kq, F_SETFD, FD_CLOEXEC) != 0 || !arm(w))
        fall_back(w);
    return w;
}

void watch_close(struct watch *w)
{
    if (!w)
        return;
    lookout_release(&w->lo);
    if (w->kq >= 0)
        close(w->kq);
    free(w);
}

void watch_rearm(struct watch *w)
{
    w->lo.due = true;
    if (w->kq >= 0 && !arm(w))
        fall_back(w);
}

int watch_fd(const struct watch *w)
{
    return w->kq;
}

int watch_interval_ms(const struct watch *w)
{
    if (w->kq < 0)
        return lookout_interval_ms(&w->lo);
    if (w->lo.due)
        return 0;
    return lookout_is_blind(&w->lo) ? clock_poll_ms(w->lo.blind_us, clock_mono_us()) : -1;
}

static void tell(struct watch *w, const struct kevent *e, watch_event *event, void *arg)
{
    for (unsigned d = 0; d <= WATCH_ROOT; d++) {
        if (lookout_fd(&w->lo, d) != (int)e->ident)
            continue;
        if (d == WATCH_ROOT || (e->fflags & SELF_NOTES))
            w->lo.due = true;
        if (lookout_has(&w->lo, d))
            event(d, WATCH_SCAN, NULL, arg);
        return;
    }
    lookout_tell_links(&w->lo, (int)e->ident, event, arg);
}

void watch_read(struct watch *w, watch_event *event, void *arg)
{
    static const struct timespec at_once = {0, 0};
    struct kevent e[READ_EVENTS];
    if (w->kq < 0) {
        lookout_read(&w->lo, event, arg);
        return;
    }
    int n = kevent(w->kq, NULL, 0, e, READ_EVENTS, &at_once);
    for (int i = 0; i < n; i++)
        tell(w, &e[i], event, arg);
    if (w->kq >= 0 && w->lo.due)
        lookout_compare(&w->lo, false, event, arg);
    if (w->kq >= 0)
        lookout_blind(&w->lo, event, arg);
}

void watch_links(struct watch *w, enum dir d, const char *file)
{
    if (w->kq < 0) {
        lookout_add_link(&w->lo, d, file, -1);
        return;
    }
    if (lookout_links(&w->lo) >= LINKS_HELD)
        return;
    int fd = io_open(w->lo.sp->dir[d], file, OPEN_TO_WATCH | O_NOFOLLOW | O_NONBLOCK, 0);
    if (fd < 0)
        return;
    if (!add_note(w, fd, LINK_NOTES) || !lookout_add_link(&w->lo, d, file, fd))
        close(fd);
}
