/* enqueue.c: see enqueue.h for the steps.
 *
 * Acknowledged means durable: the document is synced before the rename, the
 * folder after it, and only then does the caller learn of success.  One job
 * holds its id's lock all the while.  A batch cannot keep thousands of files
 * open, so it reserves its ids under a marker (idlock.h), writes all documents,
 * syncs once for all of them, renames them one after another and syncs the
 * folder once.  Everything that can be wrong with a job shows before the first
 * rename.
 */
#include "queue/enqueue.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/sys.h"
#include "queue/ids.h"
#include "queue/logs.h"
#include "spool/file.h"
#include "spool/idlock.h"
#include "spool/scan.h"

#define BUSY_PATIENCE_US (2 * US_PER_SEC)
#define BUSY_PAUSE_MS 10

struct arrival {
    char tmp[FILE_NAME_MAX + 1];
    char file[FILE_NAME_MAX + 1];
    bool reserved; /* ids/ID was made by us */
    bool written;  /* tmp/ holds the document */
    bool published;
};

static int refuse_full(const struct queue *q, struct err *err)
{
    if (!spool_is_full(q->spool))
        return 0;
    err_set(err, ERR_SYSTEM, "the disk of %s is full (under %d MiB or 16 inodes free); nothing "
            "was enqueued", q->spool->path, SPOOL_FLOOR_BYTES / 1024 / 1024);
    if (err)
        err->errnum = ENOSPC;
    return -1;
}

static int accept_job(struct queue *q, struct job *job, int64_t now, struct err *err)
{
    char id[ID_MAX + 1];
    if (job->id[0])
        snprintf(id, sizeof id, "%s", job->id);
    else
        name_new_id(NULL, now, id);
    return job_accept(job, id, &q->settings, now, false, err);
}

static void name_arrival(const struct job *job, int64_t now, struct arrival *a)
{
    struct name n = {.time_us = job_due(job, now), .priority = job->priority};
    snprintf(n.id, sizeof n.id, "%s", job->id);
    name_format(DIR_PENDING, &n, a->file);
}

static int write_document(struct queue *q, const struct job *job, enum file_sure sure,
                          struct arrival *a, struct err *err)
{
    struct buf text = BUF_INIT;
    int r = job_print(job, &text);
    if (r == 0)
        r = file_make_tmp(q->spool, text.data, text.len, sure, a->tmp);
    buf_release(&text);
    if (r != 0)
        return err_sys(err, "write the document of", job->id);
    a->written = true;
    return 0;
}

static int publish(struct queue *q, const struct job *job, struct arrival *a, struct err *err)
{
    if (file_publish(q->spool, a->tmp, DIR_PENDING, a->file) != 0)
        return err_sys(err, "enqueue", job->id);
    a->published = true;
    return 0;
}

static int refuse_id(enum ids_claim c, const char *id, struct err *err)
{
    if (c == IDS_IN_USE)
        return err_set(err, ERR_EXISTS, "id \"%s\" is in use; see: queuectl show %s", id, id);
    if (c == IDS_BUSY)
        return err_set(err, ERR_BUSY, "id \"%s\" is in use by somebody just now; try again", id);
    return err_sys(err, "reserve id", id);
}

/* Somebody may hold a stale id for a moment (a delete, a batch): wait a little. */
static int reserve(struct queue *q, const char *id, struct id_set *set, const char *batch, int *fd,
                   bool *fresh, struct err *err)
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
            return refuse_id(c, id, err);
        poll(NULL, 0, BUSY_PAUSE_MS);
    }
}

/* Nothing of it stays: the document, and the id if it is ours and no job's. */
static void undo(struct queue *q, const struct job *job, const struct arrival *a)
{
    if (a->written && !a->published)
        file_drop_tmp(q->spool, a->tmp);
    if (a->reserved && !a->published)
        idlock_forget(q->spool, job->id);
}

static int sync_pending(struct queue *q, struct err *err)
{
    return file_sync_dir(q->spool, DIR_PENDING) == 0
               ? 0
               : err_sys(err, "sync", dir_name(DIR_PENDING));
}

int enqueue_job(struct queue *q, struct job *job, struct err *err)
{
    struct arrival a = {.written = false};
    int64_t now = clock_wall_us();
    int lock;
    if (refuse_full(q, err) != 0 || accept_job(q, job, now, err) != 0 ||
        reserve(q, job->id, NULL, NULL, &lock, &a.reserved, err) != 0)
        return -1;
    name_arrival(job, now, &a);
    int r = write_document(q, job, FILE_SYNCED, &a, err);
    if (r == 0)
        r = publish(q, job, &a, err);
    if (r != 0)
        undo(q, job, &a);
    close(lock); /* before the sync: a worker may claim it now */
    return r == 0 ? sync_pending(q, err) : -1;
}

int enqueue_dry(struct queue *q, struct job *job, struct err *err)
{
    enum dir state;
    char file[FILE_NAME_MAX + 1];
    if (job->id[0] && idlock_exists(q->spool, job->id) &&
        scan_find(q->spool, job->id, &state, file) == 1)
        return refuse_id(IDS_IN_USE, job->id, err);
    return accept_job(q, job, clock_wall_us(), err);
}

/* -- many ---------------------------------------------------------------- */

struct batch {
    struct queue *q;
    struct job *jobs;
    struct arrival *arrival;
    size_t n;
    int64_t now;
    char marker[FILE_NAME_MAX + 1];
    struct id_set in_use;
};

static int compare_job_ids(const void *a, const void *b)
{
    const struct job *const *x = a, *const *y = b;
    int by_id = strcmp((*x)->id, (*y)->id);
    return by_id ? by_id : (*x > *y) - (*x < *y);
}

/* The same id twice in one batch: name the later one. */
static int check_twins(struct batch *b, size_t *bad, struct err *err)
{
    const struct job **order = calloc(b->n, sizeof *order);
    if (!order)
        return err_sys(err, "enqueue", "a batch");
    for (size_t i = 0; i < b->n; i++)
        order[i] = &b->jobs[i];
    qsort(order, b->n, sizeof *order, compare_job_ids);
    int r = 0;
    for (size_t i = 1; i < b->n && r == 0; i++)
        if (strcmp(order[i - 1]->id, order[i]->id) == 0) {
            *bad = (size_t)(order[i] - b->jobs);
            r = err_set(err, ERR_EXISTS, "id \"%s\" is there twice in this batch", order[i]->id);
        }
    free(order);
    return r;
}

/* Strictly rising times: first in, first out. */
static int accept_all(struct batch *b, size_t *bad, struct err *err)
{
    for (size_t i = 0; i < b->n; i++) {
        if (accept_job(b->q, &b->jobs[i], b->now + (int64_t)i, err) != 0) {
            *bad = i;
            return -1;
        }
        name_arrival(&b->jobs[i], b->now + (int64_t)i, &b->arrival[i]);
    }
    return check_twins(b, bad, err);
}

static int prepare_all(struct batch *b, size_t *bad, struct err *err)
{
    for (size_t i = 0; i < b->n; i++) {
        int lock;
        struct arrival *a = &b->arrival[i];
        *bad = i;
        if (reserve(b->q, b->jobs[i].id, &b->in_use, b->marker, &lock, &a->reserved, err) != 0)
            return -1;
        close(lock);
        if (write_document(b->q, &b->jobs[i], FILE_CACHED, a, err) != 0)
            return -1;
    }
    *bad = b->n;
    return 0;
}

static int sync_one_by_one(struct batch *b)
{
    for (size_t i = 0; i < b->n; i++)
        if (file_sync(b->q->spool, DIR_TMP, b->arrival[i].tmp) != 0)
            return -1;
    return 0;
}

static int publish_all(struct batch *b, struct err *err)
{
    struct spool *sp = b->q->spool;
    if (sys_sync_fs(sp->root) != 0 && (errno != ENOSYS || sync_one_by_one(b) != 0))
        return err_sys(err, "sync", sp->path);
    for (size_t i = 0; i < b->n; i++)
        if (publish(b->q, &b->jobs[i], &b->arrival[i], err) != 0)
            return -1;
    return sync_pending(b->q, err);
}

static int run_batch(struct batch *b, size_t *bad, struct err *err)
{
    int marker = idlock_batch_begin(b->q->spool, b->marker);
    if (marker < 0)
        return err_sys(err, "begin", "a batch");
    int r = prepare_all(b, bad, err);
    if (r == 0)
        r = publish_all(b, err);
    if (r != 0)
        for (size_t i = 0; i < b->n; i++)
            undo(b->q, &b->jobs[i], &b->arrival[i]);
    idlock_batch_end(b->q->spool, b->marker, marker);
    return r;
}

int enqueue_many(struct queue *q, struct job *jobs, size_t n, size_t *bad, struct err *err)
{
    struct batch b = {.q = q, .jobs = jobs, .n = n, .now = clock_wall_us()};
    *bad = n;
    if (n == 0)
        return 0;
    if (refuse_full(q, err) != 0)
        return -1;
    b.arrival = calloc(n, sizeof *b.arrival);
    if (!b.arrival)
        return err_sys(err, "enqueue", "a batch");
    int r = accept_all(&b, bad, err);
    if (r == 0)
        r = run_batch(&b, bad, err);
    id_set_release(&b.in_use);
    free(b.arrival);
    return r;
}
