/* workers.c: see workers.h. */
#include "queue/workers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "queue/request.h"

struct gathering {
    struct workers_seen *out;
    bool failed;
};

static void gather(const struct live_record *r, bool alive, void *arg)
{
    struct gathering *g = arg;
    if (!alive || g->failed)
        return;
    void *grown = realloc(g->out->record, (g->out->count + 1) * sizeof *g->out->record);
    g->failed = !grown;
    if (!grown)
        return;
    g->out->record = grown;
    g->out->record[g->out->count++] = *r;
    g->out->pools += r->role == LIVE_POOL;
    g->out->workers += r->role == LIVE_WORKER;
}

static int by_role_and_pid(const void *x, const void *y)
{
    const struct live_record *a = x, *b = y;
    if (a->role != b->role)
        return a->role < b->role ? -1 : 1;
    return (a->pid > b->pid) - (a->pid < b->pid);
}

int workers_look(struct queue *q, struct workers_seen *out, struct err *err)
{
    *out = (struct workers_seen){0};
    struct gathering g = {out, false};
    if (live_each(q->spool, gather, &g) != 0 || g.failed) {
        if (g.failed)
            errno = ENOMEM;
        err_sys(err, "read", dir_name(DIR_WORKERS));
        workers_release(out);
        return -1;
    }
    if (out->count > 0)
        qsort(out->record, out->count, sizeof *out->record, by_role_and_pid);
    return 0;
}

void workers_release(struct workers_seen *w)
{
    free(w->record);
    *w = (struct workers_seen){0};
}

void workers_job(const struct live_record *r, char id[ID_MAX + 1])
{
    struct name n;
    id[0] = '\0';
    if (name_parse(DIR_PROCESSING, r->run, &n))
        text_copy(id, ID_MAX + 1, n.id);
}

static bool has_pool(const struct workers_seen *seen, const char *token)
{
    for (size_t i = 0; i < seen->pools; i++)
        if (strcmp(seen->record[i].token, token) == 0)
            return true;
    return false;
}

int workers_ask_stop(struct queue *q, bool now, size_t *pools, struct err *err)
{
    struct workers_seen seen;
    if (workers_look(q, &seen, err) != 0)
        return -1;
    int r = 0;
    *pools = seen.pools;
    /* A pool tells its workers.  One whose pool was killed leaves by itself when
     * its job has ended, but only a request makes it end the job. */
    for (size_t i = 0; i < seen.count && r == 0; i++) {
        const struct live_record *w = &seen.record[i];
        if (w->role == LIVE_POOL)
            r = request_make(q, now ? REQUEST_STOP_NOW : REQUEST_STOP, w->token, err);
        else if (now && !has_pool(&seen, w->pool))
            r = request_make(q, REQUEST_STOP_NOW, w->token, err);
    }
    workers_release(&seen);
    return r;
}
