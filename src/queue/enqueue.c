/* enqueue.c: see enqueue.h for the steps.
 *
 * Acknowledged means durable: the document is synced before the rename, the
 * folder after it, and only then does the caller learn of success.  Where the file
 * system keeps its order (sys.h) one commit of its journal does for both: the content
 * is written back before the rename, and the sync of the file after it brings along
 * the rename, which changed its inode, too (ext4: i_sync_tid; XFS: the log up to the
 * inode's last change).  tests/power cuts the power in between.  One job
 * holds its id's lock all the while.  A batch cannot keep thousands of files
 * open, so it reserves its ids under a marker (idlock.h), writes all documents,
 * syncs once for all of them, renames them one after another and syncs the
 * folder once.  Everything that can be wrong with a job shows before the first
 * rename.
 */
#include "queue/enqueue.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "queue/arrival.h"
#include "queue/drop.h"
#include "spool/file.h"
#include "spool/idlock.h"
#include "spool/scan.h"

int enqueue_job(struct queue *q, struct job *job, struct err *err)
{
    struct arrival a = {.held = -1};
    int64_t now = clock_wall_us();
    int lock;
    if (spool_is_member(q->spool))
        return drop_jobs(q, job, 1, &(size_t){0}, err);
    if (arrival_refuse_full(q, err) != 0 || arrival_accept(q, job, now, err) != 0 ||
        arrival_reserve(q, job->id, NULL, NULL, &lock, &a.reserved, err) != 0)
        return -1;
    arrival_name(job, now, &a);
    int r = arrival_write_alone(q, job, &a, err);
    if (r == 0)
        r = arrival_publish(q, job, &a, err);
    if (r != 0)
        arrival_undo(q, job, &a);
    close(lock); /* before the sync: a worker may claim it now */
    if (r == 0 && (r = arrival_sync_alone(q, &a, err)) != 0 && !arrival_undo(q, job, &a))
        r = arrival_stays(err, job->id);
    arrival_let_go(&a);
    return r;
}

int enqueue_dry(struct queue *q, struct job *job, struct err *err)
{
    enum dir state;
    char file[FILE_NAME_MAX + 1];
    if (spool_is_member(q->spool))
        return drop_dry(q, job, err);
    if (job->id[0] && idlock_exists(q->spool, job->id) &&
        scan_find(q->spool, job->id, &state, file) == 1)
        return arrival_refuse_id(q, IDS_IN_USE, job->id, err);
    return arrival_accept(q, job, clock_wall_us(), err);
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

/* Strictly rising times: first in, first out. */
static int accept_all(struct batch *b, size_t *bad, struct err *err)
{
    for (size_t i = 0; i < b->n; i++) {
        if (arrival_accept(b->q, &b->jobs[i], b->now + (int64_t)i, err) != 0) {
            *bad = i;
            return -1;
        }
        arrival_name(&b->jobs[i], b->now + (int64_t)i, &b->arrival[i]);
    }
    return arrival_check_twins(b->jobs, b->n, bad, err);
}

static int prepare_all(struct batch *b, size_t *bad, struct err *err)
{
    for (size_t i = 0; i < b->n; i++) {
        int lock;
        struct arrival *a = &b->arrival[i];
        *bad = i;
        if (arrival_reserve(b->q, b->jobs[i].id, &b->in_use, b->marker, &lock, &a->reserved,
                            err) != 0)
            return -1;
        close(lock);
        if (arrival_write(b->q, &b->jobs[i], FILE_CACHED, a, err) != 0)
            return -1;
    }
    *bad = b->n;
    return 0;
}

static int publish_all(struct batch *b, struct err *err)
{
    if (arrival_sync_written(b->q, b->arrival, b->n, err) != 0)
        return -1;
    for (size_t i = 0; i < b->n; i++)
        if (arrival_publish(b->q, &b->jobs[i], &b->arrival[i], err) != 0)
            return -1;
    return arrival_sync(b->q, err);
}

/* The last one first: workers take the first ones. */
static int undo_all(struct batch *b, struct err *err)
{
    size_t left = 0;
    char what[64];
    for (size_t i = b->n; i-- > 0;)
        if (!arrival_undo(b->q, &b->jobs[i], &b->arrival[i]))
            left++;
    snprintf(what, sizeof what, "%zu of the %zu jobs: each", left, b->n);
    return left > 0 ? arrival_stays(err, what) : -1;
}

static int run_batch(struct batch *b, size_t *bad, struct err *err)
{
    int marker = idlock_batch_begin(b->q->spool, b->marker);
    if (marker < 0)
        return file_error(err, "enqueue", "a batch", "write", DIR_TMP, b->marker);
    int r = prepare_all(b, bad, err);
    if (r == 0)
        r = publish_all(b, err);
    if (r != 0)
        r = undo_all(b, err);
    idlock_batch_end(b->q->spool, b->marker, marker);
    return r;
}

int enqueue_many(struct queue *q, struct job *jobs, size_t n, size_t *bad, struct err *err)
{
    struct batch b = {.q = q, .jobs = jobs, .n = n, .now = clock_wall_us()};
    *bad = n;
    if (n == 0)
        return 0;
    if (spool_is_member(q->spool))
        return drop_jobs(q, jobs, n, bad, err);
    if (arrival_refuse_full(q, err) != 0)
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
