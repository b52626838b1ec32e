/* lookout.c: watching by looking.
 *
 * A folder is replaced when the path leads to another inode than the descriptor
 * we hold.  That is told once for each inode the path shows (none being one of
 * them), so somebody who moves pending/ away and makes a new one is told of
 * twice: the caller's spool_refresh() may have come between the two.  The inode
 * we hold cannot be given to the new folder while we hold it.
 *
 * Links: the count is taken when a file is added, after the back end's own
 * watch.  A count of 1 means that what the caller waits for has happened before
 * we began; it is told at the next read, not from within the call.
 *
 * An event may call back into the watch: an entry is taken out of the table,
 * name and all, before it is told.
 */
#include "spool/lookout.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

/* A dead worker's lock and a setting written in place change no folder. */
#define BLIND_DIRS ((1u << DIR_WORKERS) | (1u << WATCH_ROOT))

bool lookout_has(const struct lookout *lo, unsigned d)
{
    return d <= WATCH_ROOT && (lo->dirs >> d & 1u);
}

int lookout_fd(const struct lookout *lo, unsigned d)
{
    return d == WATCH_ROOT ? lo->sp->root : lo->sp->dir[d];
}

/* The inode the path leads to, 0 if it leads nowhere or off the file system. */
static ino_t inode_by_path(const struct lookout *lo, unsigned d)
{
    struct stat st;
    int r = d == WATCH_ROOT ? stat(lo->sp->path, &st)
                            : fstatat(lo->sp->root, dir_name((enum dir)d), &st, 0);
    return r == 0 && st.st_dev == lo->sp->dev ? st.st_ino : 0;
}

/* Whether the path shows another folder than the stamp's, and that is news. */
static bool is_replaced(struct lookout *lo, unsigned d)
{
    ino_t shown = inode_by_path(lo, d);
    bool news = shown != lo->stamp[d].ino && shown != lo->told[d];
    lo->told[d] = shown;
    return news;
}

static void drop_link(struct lookout *lo, struct lookout_link *l)
{
    if (l->used && lo->close_handle && l->handle >= 0)
        close(l->handle);
    l->used = false;
}

void lookout_init(struct lookout *lo, const struct spool *sp, unsigned dirs)
{
    memset(lo, 0, sizeof *lo);
    lo->sp = sp;
    lo->dirs = dirs & ((1u << (WATCH_ROOT + 1)) - 1);
    lo->due = true;
    lo->blind_us = clock_mono_us() + LOOKOUT_BLIND_MS * US_PER_MS;
    for (unsigned d = 0; d <= WATCH_ROOT; d++)
        if (lookout_has(lo, d)) {
            dirstamp_changed(&lo->stamp[d], lookout_fd(lo, d));
            lo->told[d] = lo->stamp[d].ino;
        }
}

void lookout_release(struct lookout *lo)
{
    for (unsigned i = 0; i < WATCH_LINKS_MAX; i++)
        drop_link(lo, &lo->link[i]);
}

void lookout_forget(struct lookout *lo)
{
    lookout_release(lo);
    for (unsigned d = 0; d <= WATCH_ROOT; d++)
        lo->stamp[d].known = false;
    lo->due = true;
}

static void tell_link(struct lookout *lo, struct lookout_link *l, watch_event *event, void *arg)
{
    struct lookout_link told = *l;
    drop_link(lo, l);
    event(told.dir, WATCH_CLOSED, told.file, arg);
}

static void look_at_link(struct lookout *lo, struct lookout_link *l, watch_event *event, void *arg)
{
    struct stat st;
    if (fstatat(lookout_fd(lo, l->dir), l->file, &st, AT_SYMLINK_NOFOLLOW) != 0)
        drop_link(lo, l);
    else if (st.st_nlink <= 1 || st.st_nlink != l->nlink)
        tell_link(lo, l, event, arg);
}

void lookout_compare(struct lookout *lo, bool scan, watch_event *event, void *arg)
{
    lo->due = false;
    for (unsigned d = 0; d <= WATCH_ROOT; d++) {
        if (!lookout_has(lo, d))
            continue;
        bool changed = dirstamp_changed(&lo->stamp[d], lookout_fd(lo, d));
        if (is_replaced(lo, d))
            event(d, WATCH_REPLACED, NULL, arg);
        if (scan && changed)
            event(d, WATCH_SCAN, NULL, arg);
    }
    for (unsigned i = 0; i < WATCH_LINKS_MAX; i++)
        if (lo->link[i].used)
            look_at_link(lo, &lo->link[i], event, arg);
}

static void scan_these(struct lookout *lo, unsigned dirs, watch_event *event, void *arg)
{
    for (unsigned d = 0; d <= WATCH_ROOT; d++)
        if (lookout_has(lo, d) && (dirs >> d & 1u))
            event(d, WATCH_SCAN, NULL, arg);
}

void lookout_scan(struct lookout *lo, watch_event *event, void *arg)
{
    scan_these(lo, ~0u, event, arg);
}

bool lookout_is_blind(const struct lookout *lo)
{
    return (lo->dirs & BLIND_DIRS) != 0;
}

void lookout_blind(struct lookout *lo, watch_event *event, void *arg)
{
    int64_t now = clock_mono_us();
    if (now < lo->blind_us)
        return;
    lo->blind_us = now + LOOKOUT_BLIND_MS * US_PER_MS;
    scan_these(lo, BLIND_DIRS, event, arg);
}

/* A busy caller asks far more often than there is a tick. */
void lookout_read(struct lookout *lo, watch_event *event, void *arg)
{
    int64_t now = clock_mono_us();
    if (!lo->due && now < lo->tick_us)
        return;
    lo->tick_us = now + LOOKOUT_TICK_MS * US_PER_MS;
    lookout_compare(lo, true, event, arg);
    lookout_blind(lo, event, arg);
}

int lookout_interval_ms(const struct lookout *lo)
{
    return lo->due ? 0 : clock_poll_ms(lo->tick_us, clock_mono_us());
}

unsigned lookout_links(const struct lookout *lo)
{
    unsigned n = 0;
    for (unsigned i = 0; i < WATCH_LINKS_MAX; i++)
        n += lo->link[i].used;
    return n;
}

/* The file's own entry, else a free one, else NULL. */
static struct lookout_link *link_slot(struct lookout *lo, unsigned d, const char *file)
{
    struct lookout_link *free_one = NULL;
    for (unsigned i = 0; i < WATCH_LINKS_MAX; i++) {
        struct lookout_link *l = &lo->link[i];
        if (!l->used)
            free_one = free_one ? free_one : l;
        else if (l->dir == d && strcmp(l->file, file) == 0)
            return l;
    }
    return free_one;
}

bool lookout_add_link(struct lookout *lo, unsigned d, const char *file, int handle)
{
    struct stat st;
    size_t n = strlen(file);
    if (n > FILE_NAME_MAX || fstatat(lookout_fd(lo, d), file, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return false;
    struct lookout_link *l = link_slot(lo, d, file);
    if (!l)
        return false;
    drop_link(lo, l);
    *l = (struct lookout_link){.used = true, .dir = d, .nlink = st.st_nlink, .handle = handle};
    memcpy(l->file, file, n + 1);
    if (st.st_nlink <= 1)
        lo->due = true;
    return true;
}

void lookout_tell_links(struct lookout *lo, int handle, watch_event *event, void *arg)
{
    for (unsigned i = 0; i < WATCH_LINKS_MAX; i++)
        if (lo->link[i].used && lo->link[i].handle == handle)
            tell_link(lo, &lo->link[i], event, arg);
}
