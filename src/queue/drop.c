/* drop.c: see drop.h.
 *
 * The document is whole and synced before it has its name in pending/, and has
 * one name only at any moment: it is renamed, not linked, so that a kill between
 * the two cannot leave a file with two names, which no pool takes in.
 */
#include "queue/drop.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/text.h"
#include "queue/arrival.h"
#include "queue/find.h"
#include "queue/quarantine.h"
#include "spool/scan.h"

#define FILES_SPARED 64 /* descriptors that remembered drops leave to all else */
#define NUMBER_TRIES 8

struct drop {
    char id[ID_MAX + 1];
    ino_t inode;
    int fd; /* -1: no room for it */
};

struct drops {
    struct drop *item;
    size_t count;
};

static void file_name(const char *id, char file[FILE_NAME_MAX + 1])
{
    struct name n = {0};
    text_copy(n.id, sizeof n.id, id);
    name_format(DIR_DONE, &n, file);
}

/* Is there a report about this file, or about one that had its number before? */
static bool has_report(const struct queue *q, const struct drop *d, char report[ID_MAX + 1])
{
    struct stat st;
    char file[FILE_NAME_MAX + 1];
    file_name(d->id, file);
    quarantine_report_id(file, d->inode, report);
    file_name(report, file);
    return fstatat(q->spool->dir[DIR_DEAD], file, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* -- in ------------------------------------------------------------------ */

struct dropping {
    struct queue *q;
    struct job *jobs;
    struct arrival *arrival;
    struct drop *drop;
    size_t n;
    struct id_set seen;
};

static int accept(struct job *job, int64_t now, struct err *err)
{
    char id[ID_MAX + 1];
    if (job->id[0])
        text_copy(id, sizeof id, job->id);
    else
        name_new_id(NULL, now, id);
    return job_hand_over(job, id, now, err);
}

static int refuse_used(struct queue *q, const char *id, struct id_set *set, struct err *err)
{
    int there = find_dropped(q, id) ? 1 : ids_has_job(q, id, set);
    return there == 0 ? 0 : arrival_refuse_id(q, there < 0 ? IDS_UNSEEN : IDS_IN_USE, id, err);
}

int drop_dry(struct queue *q, struct job *job, struct err *err)
{
    if (job->id[0] && refuse_used(q, job->id, NULL, err) != 0)
        return -1;
    return accept(job, clock_wall_us(), err);
}

static int accept_all(struct dropping *d, size_t *bad, struct err *err)
{
    int64_t now = clock_wall_us();
    for (*bad = 0; *bad < d->n; ++*bad) {
        struct job *job = &d->jobs[*bad];
        if (accept(job, now + (int64_t)*bad, err) != 0 ||
            refuse_used(d->q, job->id, &d->seen, err) != 0)
            return -1;
        file_name(job->id, d->arrival[*bad].file);
    }
    return arrival_check_twins(d->jobs, d->n, bad, err);
}

static bool is_room_for(int fd)
{
    struct rlimit files;
    return getrlimit(RLIMIT_NOFILE, &files) == 0 && (rlim_t)fd + FILES_SPARED < files.rlim_cur;
}

static int look_at_number(struct dropping *d, size_t i, struct err *err)
{
    struct stat st;
    struct drop *drop = &d->drop[i];
    if (fstatat(d->q->spool->dir[DIR_TMP], d->arrival[i].tmp, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return err_sys(err, "look at the document of", d->jobs[i].id);
    text_copy(drop->id, sizeof drop->id, d->jobs[i].id);
    drop->inode = st.st_ino;
    return 0;
}

/* An inode number that an old report of this name has would make that one ours:
 * written once more, while the first file still has the number. */
static int write_one(struct dropping *d, size_t i, enum file_sure sure, struct err *err)
{
    char report[ID_MAX + 1];
    struct arrival *a = &d->arrival[i];
    for (int tries = 0; tries < NUMBER_TRIES; tries++) {
        struct arrival former = *a;
        int r = arrival_write(d->q, &d->jobs[i], sure, a, err);
        if (former.written)
            file_drop_tmp(d->q->spool, former.tmp);
        if (r != 0 || look_at_number(d, i, err) != 0)
            return -1;
        if (!has_report(d->q, &d->drop[i], report))
            break;
    }
    return 0;
}

/* Before the file has its name: afterwards it may be gone at once. */
static void keep_open(struct dropping *d, size_t i)
{
    struct drop *drop = &d->drop[i];
    if (d->n - i > d->q->drops_kept)
        return;
    drop->fd = io_open(d->q->spool->dir[DIR_TMP], d->arrival[i].tmp,
                       O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
    if (drop->fd >= 0 && !is_room_for(drop->fd)) {
        close(drop->fd);
        drop->fd = -1;
    }
}

static int write_all(struct dropping *d, size_t *bad, struct err *err)
{
    enum file_sure sure = d->n == 1 ? FILE_SYNCED : FILE_CACHED;
    for (size_t i = 0; i < d->n; i++) {
        *bad = i;
        if (write_one(d, i, sure, err) != 0)
            return -1;
        keep_open(d, i);
    }
    *bad = d->n;
    return d->n == 1 ? 0 : arrival_sync_written(d->q, d->arrival, d->n, err);
}

static int publish_all(struct dropping *d, size_t *bad, struct err *err)
{
    for (*bad = 0; *bad < d->n; ++*bad) {
        struct arrival *a = &d->arrival[*bad];
        const char *id = d->jobs[*bad].id;
        if (file_publish(d->q->spool, a->tmp, DIR_PENDING, a->file) != 0)
            return errno == EEXIST ? arrival_refuse_id(d->q, IDS_IN_USE, id, err)
                                   : err_sys(err, "drop", id);
        a->published = true;
    }
    return arrival_sync(d->q, err);
}

/* By its name in tmp/ it is only ours: what took its name in pending/ since is put
 * back, and what was taken in stays a job. */
static void take_back(struct dropping *d, size_t i)
{
    struct spool *sp = d->q->spool;
    struct arrival *a = &d->arrival[i];
    struct stat st;
    if (!a->published || file_move(sp, DIR_PENDING, a->file, DIR_TMP, a->tmp) != 0)
        return;
    if (fstatat(sp->dir[DIR_TMP], a->tmp, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        st.st_ino == d->drop[i].inode)
        a->published = false;
    else
        file_move(sp, DIR_TMP, a->tmp, DIR_PENDING, a->file);
}

static void undo_all(struct dropping *d)
{
    for (size_t i = d->n; i-- > 0;) {
        take_back(d, i);
        arrival_undo(d->q, &d->jobs[i], &d->arrival[i]);
    }
}

/* -- remembered ---------------------------------------------------------- */

static void release(struct drop *d)
{
    if (d->fd >= 0)
        close(d->fd);
    d->fd = -1;
}

void drops_free(struct drops *d)
{
    for (size_t i = 0; d && i < d->count; i++)
        release(&d->item[i]);
    if (d)
        free(d->item);
    free(d);
}

static void forget(struct drops *d, size_t i)
{
    release(&d->item[i]);
    d->count--;
    memmove(&d->item[i], &d->item[i + 1], (d->count - i) * sizeof *d->item);
}

const struct drop *drop_find(const struct queue *q, const char *id, size_t *at)
{
    size_t count = q->drops ? q->drops->count : 0;
    for (size_t i = 0; i < count; i++) {
        size_t here = (*at + i) % count;
        if (strcmp(q->drops->item[here].id, id) == 0) {
            *at = here + 1;
            return &q->drops->item[here];
        }
    }
    return NULL;
}

/* How many of the older ones stay: none of an id that was dropped anew, and no
 * more than there is room for. */
static void forget_old(struct drops *old, const struct dropping *d, size_t added, size_t kept)
{
    for (size_t i = old->count; i-- > 0;)
        for (size_t k = 0; k < d->n; k++)
            if (strcmp(old->item[i].id, d->drop[k].id) == 0) {
                forget(old, i);
                break;
            }
    while (old->count > 0 && old->count > kept - added)
        forget(old, 0);
}

/* Room for what is to be remembered, before anything is dropped. */
static int make_room(struct queue *q, size_t added)
{
    if (!q->drops && !(q->drops = calloc(1, sizeof *q->drops)))
        return -1;
    size_t room = q->drops->count + added;
    struct drop *grown = realloc(q->drops->item, (room ? room : 1) * sizeof *grown);
    if (grown)
        q->drops->item = grown;
    return grown ? 0 : -1;
}

static size_t to_remember(const struct dropping *d)
{
    return d->n < d->q->drops_kept ? d->n : d->q->drops_kept;
}

static void remember(struct dropping *d)
{
    size_t added = to_remember(d);
    struct drops *all = d->q->drops;
    forget_old(all, d, added, d->q->drops_kept);
    for (size_t i = d->n - added; i < d->n; i++)
        all->item[all->count++] = d->drop[i];
}

/* Have these bytes of ours been taken in?  Then their file is gone.  Without a
 * descriptor: is it no longer under the name it was dropped as? */
static bool is_taken(const struct queue *q, const struct drop *d)
{
    struct stat st;
    char file[FILE_NAME_MAX + 1];
    if (d->fd >= 0)
        return fstat(d->fd, &st) == 0 && st.st_nlink == 0;
    file_name(d->id, file);
    return fstatat(q->spool->dir[DIR_PENDING], file, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
           st.st_ino != d->inode;
}

/* What has our id in done/ or dead/ before ours was taken in is another's answer,
 * or our own file, moved there by hand. */
int drop_ended(struct queue *q, const struct drop *d, enum dir *state)
{
    struct stat st;
    char file[FILE_NAME_MAX + 1], report[ID_MAX + 1];
    bool taken = is_taken(q, d);
    *state = DIR_DEAD;
    if (has_report(q, d, report))
        return 1;
    int found = scan_find_ended(q->spool, d->id, state, file);
    if (found != 1 || taken)
        return found;
    return fstatat(q->spool->dir[*state], file, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           st.st_ino == d->inode;
}

bool drop_refused(struct queue *q, const char *id, char report[ID_MAX + 1])
{
    const struct drop *d = drop_find(q, id, &(size_t){0});
    return d && has_report(q, d, report);
}

/* -- all together -------------------------------------------------------- */

static int run(struct dropping *d, size_t *bad, struct err *err)
{
    if (accept_all(d, bad, err) != 0)
        return -1;
    int r = write_all(d, bad, err);
    if (r == 0)
        r = publish_all(d, bad, err);
    if (r != 0)
        undo_all(d);
    else
        remember(d);
    for (size_t i = 0; i < d->n && r != 0; i++)
        release(&d->drop[i]);
    return r;
}

int drop_jobs(struct queue *q, struct job *jobs, size_t n, size_t *bad, struct err *err)
{
    struct dropping d = {.q = q, .jobs = jobs, .n = n};
    *bad = n;
    if (arrival_refuse_full(q, err) != 0)
        return -1;
    d.arrival = calloc(n, sizeof *d.arrival);
    d.drop = calloc(n, sizeof *d.drop);
    int r = -1;
    if (!d.arrival || !d.drop || make_room(q, to_remember(&d)) != 0) {
        err_sys(err, "drop", "a job");
    } else {
        for (size_t i = 0; i < n; i++)
            d.drop[i].fd = -1;
        r = run(&d, bad, err);
    }
    id_set_release(&d.seen);
    free(d.arrival);
    free(d.drop);
    return r;
}
