/* dirstamp.c: see dirstamp.h.
 *
 * The clock is read on both sides of the stat.  A later change can carry the
 * stamp's own mtime only if the stat fell into the same grain as that mtime;
 * since the stat lies somewhere between the two readings, a stamp is safe only
 * if it is older than the first reading by a grain.  One that is newer than the
 * second reading by a grain was set by hand or before the clock was put back: a
 * change now gives another mtime, so it is safe as well, and not "racy" until
 * the clock gets there.
 */
#include "spool/dirstamp.h"

#include <sys/stat.h>

#include "base/clock.h"

#define NS_PER_US 1000
#define NS_PER_SEC INT64_C(1000000000)

static int64_t mtime_ns(const struct stat *st)
{
#ifdef __APPLE__
    return (int64_t)st->st_mtimespec.tv_sec * NS_PER_SEC + st->st_mtimespec.tv_nsec;
#else
    return (int64_t)st->st_mtim.tv_sec * NS_PER_SEC + st->st_mtim.tv_nsec;
#endif
}

static bool is_racy(int64_t ns, int64_t before_us, int64_t after_us)
{
    int64_t grain = ns % NS_PER_SEC == 0 ? DIRSTAMP_COARSE_US : DIRSTAMP_GRAIN_US;
    int64_t us = ns / NS_PER_US;
    return us > before_us - grain && us < after_us + grain;
}

bool dirstamp_changed(struct dirstamp *s, int dirfd)
{
    struct stat st;
    int64_t before = clock_wall_us();
    if (fstat(dirfd, &st) != 0) {
        s->known = false;
        return true;
    }
    int64_t ns = mtime_ns(&st);
    bool changed = !s->known || s->racy || s->ino != st.st_ino || s->mtime_ns != ns;
    *s = (struct dirstamp){
        .ino = st.st_ino,
        .mtime_ns = ns,
        .racy = is_racy(ns, before, clock_wall_us()),
        .known = true,
    };
    return changed;
}
