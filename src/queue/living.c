/* living.c: see living.h. */
#include "queue/living.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/sys.h"
#include "base/text.h"
#include "queue/runs.h"

#define LOOK_WORTH 20                  /* pauses of so many times what a look took, */
#define PAUSE_MAX_US (400 * US_PER_MS) /* at most: a waiting job is asked for each 500 ms */
#define GRAIN_US (20 * US_PER_MS)       /* a file's time lags by a tick */

struct living {
    int64_t wall_us;  /* when the look began */
    int64_t next_us;  /* monotonic: no other before */
    bool complete;    /* not before the first look */
    char (*id)[ID_MAX + 1];
    size_t n, cap;
};

void living_free(struct living *l)
{
    if (l)
        free(l->id);
    free(l);
}

/* Whether that process lives is not waited for: what is only dying counts, too. */
static bool note(const char *run, void *arg)
{
    struct living *l = arg;
    struct name n;
    if (!name_parse(DIR_PROCESSING, run, &n) || !runs_of_this_boot(&n))
        return false;
    if (l->n == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 64;
        void *grown = realloc(l->id, cap * sizeof *l->id);
        if (!grown) {
            l->complete = false;
            return false;
        }
        l->id = grown;
        l->cap = cap;
    }
    text_copy(l->id[l->n++], sizeof *l->id, n.id);
    return false;
}

static void look(struct living *l, const struct queue *q)
{
    struct buf prefix = BUF_INIT;
    int64_t began = clock_mono_us();
    l->wall_us = clock_wall_us();
    l->n = 0;
    l->complete = true;
    buf_addf(&prefix, "QUEUECTL_JOB=%s/%s/", q->spool->path, dir_name(DIR_PROCESSING));
    if (prefix.failed || sys_each_with_env(buf_str(&prefix), note, NULL, l) < 0)
        l->complete = false;
    buf_release(&prefix);
    int64_t now = clock_mono_us(), pause = LOOK_WORTH * (now - began);
    l->next_us = now + (pause < PAUSE_MAX_US ? pause : PAUSE_MAX_US);
}

static bool holds(const struct living *l, const char *id)
{
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->id[i], id) == 0)
            return true;
    return false;
}

bool living_may_have(struct queue *q, const char *id, int64_t made_us)
{
    struct living *l = q->living;
    if (!l && !(l = q->living = calloc(1, sizeof *l)))
        return true;
    if (!l->complete || l->wall_us < made_us + GRAIN_US || holds(l, id)) {
        if (clock_mono_us() < l->next_us)
            return true;
        look(l, q);
    }
    return !l->complete || holds(l, id);
}
