/* arrival.c: see arrival.h. */
#include "queue/arrival.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>

#include "base/clock.h"
#include "queue/logs.h"
#include "spool/idlock.h"

#define BUSY_PATIENCE_US (2 * US_PER_SEC)
#define BUSY_PAUSE_MS 10

int arrival_refuse_full(const struct queue *q, struct err *err)
{
    if (!spool_is_full(q->spool))
        return 0;
    err_set(err, ERR_SYSTEM, "the disk of %s is full (under %d MiB or 16 inodes free); nothing "
            "was enqueued", q->spool->path, SPOOL_FLOOR_BYTES / 1024 / 1024);
    if (err)
        err->errnum = ENOSPC;
    return -1;
}

int arrival_accept(struct queue *q, struct job *job, int64_t now, struct err *err)
{
    char id[ID_MAX + 1];
    if (job->id[0])
        snprintf(id, sizeof id, "%s", job->id);
    else
        name_new_id(NULL, now, id);
    return job_accept(job, id, &q->settings, now, false, err);
}

void arrival_name(const struct job *job, int64_t now, struct arrival *a)
{
    struct name n = {.time_us = job_due(job, now), .priority = job->priority};
    snprintf(n.id, sizeof n.id, "%s", job->id);
    name_format(DIR_PENDING, &n, a->file);
}

int arrival_write(struct queue *q, const struct job *job, enum file_sure sure, struct arrival *a,
                  struct err *err)
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

int arrival_publish(struct queue *q, const struct job *job, struct arrival *a, struct err *err)
{
    if (file_publish(q->spool, a->tmp, DIR_PENDING, a->file) != 0)
        return err_sys(err, "enqueue", job->id);
    a->published = true;
    return 0;
}

int arrival_refuse_id(enum ids_claim c, const char *id, struct err *err)
{
    if (c == IDS_IN_USE)
        return err_set(err, ERR_EXISTS, "id \"%s\" is in use; see: queuectl show %s", id, id);
    if (c == IDS_BUSY)
        return err_set(err, ERR_BUSY, "id \"%s\" is in use by somebody just now; try again", id);
    return err_sys(err, "reserve id", id);
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
            return arrival_refuse_id(c, id, err);
        poll(NULL, 0, BUSY_PAUSE_MS);
    }
}

void arrival_undo(struct queue *q, const struct job *job, const struct arrival *a)
{
    if (a->written && !a->published)
        file_drop_tmp(q->spool, a->tmp);
    if (a->reserved && !a->published)
        idlock_forget(q->spool, job->id);
}

int arrival_sync(struct queue *q, struct err *err)
{
    return file_sync_dir(q->spool, DIR_PENDING) == 0
               ? 0
               : err_sys(err, "sync", dir_name(DIR_PENDING));
}
