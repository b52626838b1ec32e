/* arrival.c: see arrival.h. */
#include "queue/arrival.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/sys.h"
#include "base/text.h"
#include "queue/logs.h"
#include "spool/idlock.h"

#define BUSY_PATIENCE_US (2 * US_PER_SEC)
#define BUSY_PAUSE_MS 10

int arrival_refuse_full(const struct queue *q, struct err *err)
{
    enum spool_room room = spool_room(q->spool);
    if (room == SPOOL_ROOM)
        return 0;
    if (room == SPOOL_READ_ONLY)
        err_set(err, ERR_SYSTEM, "%s is on a read-only file system; nothing was enqueued",
                q->spool->path);
    else
        err_set(err, ERR_SYSTEM, "the disk of %s is full (under %d MiB or %d inodes free); "
                "nothing was enqueued", q->spool->path, SPOOL_FLOOR_BYTES / 1024 / 1024,
                SPOOL_FLOOR_INODES);
    if (err)
        err->errnum = room == SPOOL_READ_ONLY ? EROFS : ENOSPC;
    return -1;
}

int arrival_accept(struct queue *q, struct job *job, int64_t now, struct err *err)
{
    char id[ID_MAX + 1];
    if (job->id[0])
        text_copy(id, sizeof id, job->id);
    else
        name_new_id(NULL, now, id);
    return job_accept(job, id, &q->settings, now, false, err);
}

void arrival_name(const struct job *job, int64_t now, struct arrival *a)
{
    struct name n = {.time_us = job_due(job, now), .priority = job->priority};
    text_copy(n.id, sizeof n.id, job->id);
    name_format(DIR_PENDING, &n, a->file);
}

int arrival_write(struct queue *q, const struct job *job, enum file_sure sure, struct arrival *a,
                  struct err *err)
{
    struct buf text = BUF_INIT;
    if (job_print(job, &text) != 0)
        err_sys(err, "enqueue", job->id);
    else if (file_make_tmp(q->spool, text.data, text.len, sure, a->tmp) != 0)
        file_error(err, "enqueue", job->id, "write", DIR_TMP, a->tmp);
    else
        a->written = true;
    buf_release(&text);
    return a->written ? 0 : -1;
}

int arrival_write_alone(struct queue *q, const struct job *job, struct arrival *a,
                        struct err *err)
{
    if (!sys_keeps_order(q->spool->root))
        return arrival_write(q, job, FILE_SYNCED, a, err);
    if (arrival_write(q, job, FILE_WRITTEN, a, err) != 0)
        return -1;
    a->held = file_hold(q->spool, DIR_TMP, a->tmp);
    return a->held >= 0 ? 0 : file_error(err, "enqueue", job->id, "open", DIR_TMP, a->tmp);
}

int arrival_publish(struct queue *q, const struct job *job, struct arrival *a, struct err *err)
{
    if (file_publish(q->spool, a->tmp, DIR_PENDING, a->file) != 0)
        return file_error(err, "enqueue", job->id, "rename to", DIR_PENDING, a->file);
    a->published = true;
    return 0;
}

int arrival_refuse_id(const struct queue *q, enum ids_claim c, const char *id, struct err *err)
{
    if (c == IDS_IN_USE)
        return err_set(err, ERR_EXISTS, "id \"%s\" is in use; see: queuectl show %s", id, id);
    if (c == IDS_BUSY)
        return err_set(err, ERR_BUSY, "id \"%s\" is in use by somebody just now; try again", id);
    if (c == IDS_UNSEEN)
        return err_sys(err, "look in pending/, failed/, processing/, done/ and dead/ for", id);
    return idlock_error(q->spool, id, err);
}

/* Somebody may hold a stale id for a moment (a delete, a batch): wait a little. */
int arrival_reserve(struct queue *q, const char *id, struct id_set *set, const char *batch,
                    int *fd, bool *fresh, struct err *err)
{
    int64_t until = clock_mono_us() + BUSY_PATIENCE_US;
    for (;;) {
        enum ids_claim c = ids_reserve(q, id, set, batch, fd, fresh);
        if (c == IDS_OWNED) {
            if (!*fresh)
                logs_forget(q, id);
            return 0;
        }
        if (c != IDS_BUSY || clock_mono_us() >= until)
            return arrival_refuse_id(q, c, id, err);
        poll(NULL, 0, BUSY_PAUSE_MS);
    }
}

static int compare_job_ids(const void *a, const void *b)
{
    const struct job *const *x = a, *const *y = b;
    int by_id = strcmp((*x)->id, (*y)->id);
    return by_id ? by_id : (*x > *y) - (*x < *y);
}

int arrival_check_twins(const struct job *jobs, size_t n, size_t *bad, struct err *err)
{
    const struct job **order = calloc(n, sizeof *order);
    if (!order)
        return err_sys(err, "enqueue", "a batch");
    for (size_t i = 0; i < n; i++)
        order[i] = &jobs[i];
    qsort(order, n, sizeof *order, compare_job_ids);
    int r = 0;
    for (size_t i = 1; i < n && r == 0; i++)
        if (strcmp(order[i - 1]->id, order[i]->id) == 0) {
            *bad = (size_t)(order[i] - jobs);
            r = err_set(err, ERR_EXISTS, "id \"%s\" is there twice in this batch", order[i]->id);
        }
    free(order);
    return r;
}

/* Out of pending/ again, unless a worker has it. */
static bool take_back(struct queue *q, const struct job *job, struct arrival *a)
{
    int lock;
    if (idlock_take(q->spool, job->id, &lock, NULL) != IDLOCK_OWNED)
        return false;
    a->published = file_move(q->spool, DIR_PENDING, a->file, DIR_TMP, a->tmp) != 0;
    close(lock);
    return !a->published;
}

bool arrival_undo(struct queue *q, const struct job *job, struct arrival *a)
{
    if (a->published && !take_back(q, job, a))
        return false;
    if (a->written)
        file_drop_tmp(q->spool, a->tmp);
    if (a->reserved)
        idlock_forget(q->spool, job->id);
    return true;
}

int arrival_stays(struct err *err, const char *what)
{
    return err_prefix(err, "%s is in the queue, and a power cut may take it away again", what);
}

int arrival_sync(struct queue *q, struct err *err)
{
    return file_sync_dir(q->spool, DIR_PENDING) == 0
               ? 0
               : err_sys(err, "sync", dir_name(DIR_PENDING));
}

int arrival_sync_alone(struct queue *q, const struct arrival *a, struct err *err)
{
    if (a->held < 0)
        return arrival_sync(q, err);
    return io_sync(a->held) == 0 ? 0 : err_sys(err, "sync", a->file);
}

void arrival_let_go(struct arrival *a)
{
    if (a->held >= 0)
        close(a->held);
    a->held = -1;
}

static int sync_one_by_one(struct queue *q, const struct arrival *a, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (file_sync(q->spool, DIR_TMP, a[i].tmp) != 0)
            return -1;
    return 0;
}

int arrival_sync_written(struct queue *q, const struct arrival *a, size_t n, struct err *err)
{
    if (sys_sync_fs(q->spool->root) == 0 || (errno == ENOSYS && sync_one_by_one(q, a, n) == 0))
        return 0;
    return err_sys(err, "sync", q->spool->path);
}
