/* api.c: the public C interface (include/queuectl.h) over this layer: the same
 * functions the commands call, with plain types at the border.
 *
 * A handle keeps what it gave out (a document, the error) until the next call.
 */
#include "queuectl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "queue/enqueue.h"
#include "queue/find.h"
#include "queue/list.h"
#include "queue/verbs.h"
#include "queue/wait.h"

#define DROPS_KEPT 64 /* queuectl.h promises it */

struct queuectl {
    struct queue queue;
    bool open;
    enum queuectl_error code; /* of the last failure, with err */
    struct err err;
    struct buf document;
    char id[QUEUECTL_ID_SIZE];
};

_Static_assert(QUEUECTL_ID_SIZE == ID_MAX + 1, "the public id size is the id's");
_Static_assert((int)QUEUECTL_PENDING == (int)DIR_PENDING &&
                   (int)QUEUECTL_FAILED == (int)DIR_FAILED &&
                   (int)QUEUECTL_PROCESSING == (int)DIR_PROCESSING &&
                   (int)QUEUECTL_DONE == (int)DIR_DONE && (int)QUEUECTL_DEAD == (int)DIR_DEAD &&
                   (int)QUEUECTL_ANY == (int)STATE_COUNT,
               "public states are the state folders");

/* --- errors --------------------------------------------------------------- */

static enum queuectl_error finish(struct queuectl *q, int result)
{
    static const enum queuectl_error codes[] = {
        [ERR_NONE] = QUEUECTL_SYSTEM,     [ERR_BAD] = QUEUECTL_BAD,
        [ERR_EXISTS] = QUEUECTL_EXISTS,   [ERR_UNKNOWN] = QUEUECTL_UNKNOWN,
        [ERR_STATE] = QUEUECTL_STATE,     [ERR_BUSY] = QUEUECTL_BUSY,
        [ERR_SYSTEM] = QUEUECTL_SYSTEM,   [ERR_USAGE] = QUEUECTL_BAD,
    };
    if (result >= 0)
        return QUEUECTL_OK;
    q->code = codes[q->err.kind];
    return q->code;
}

static enum queuectl_error no_memory(struct queuectl *q)
{
    return finish(q, err_set(&q->err, ERR_SYSTEM, "out of memory"));
}

/* Before each call: is there a spool behind the handle? */
static bool ready(struct queuectl *q)
{
    if (q && q->open)
        return true;
    if (q)
        (void)finish(q, err_set(&q->err, ERR_BAD, "the spool is not open"));
    return false;
}

/* Before a call that changes more than an enqueue does. */
static bool ready_to_change(struct queuectl *q)
{
    if (!ready(q))
        return false;
    if (spool_refuse_member(q->queue.spool, &q->err) == 0)
        return true;
    (void)finish(q, -1);
    return false;
}

static enum queuectl_error not_ready(const struct queuectl *q)
{
    return q ? q->code : QUEUECTL_SYSTEM;
}

enum queuectl_error queuectl_error_code(const struct queuectl *q)
{
    return q ? q->code : QUEUECTL_SYSTEM;
}

const char *queuectl_error_text(const struct queuectl *q)
{
    return q ? q->err.text : "out of memory";
}

int queuectl_error_errno(const struct queuectl *q)
{
    return q ? q->err.errnum : ENOMEM;
}

/* --- the handle ----------------------------------------------------------- */

const char *queuectl_version(void)
{
    return QUEUECTL_VERSION;
}

const char *queuectl_state_name(enum queuectl_state state)
{
    return (int)state >= 0 && (int)state < STATE_COUNT ? dir_name((enum dir)state) : NULL;
}

enum queuectl_error queuectl_open(const char *path, enum queuectl_use use, struct queuectl **out)
{
    struct queuectl *q = *out = calloc(1, sizeof *q);
    if (!q)
        return QUEUECTL_SYSTEM;
    int result =
        queue_open(&q->queue, path, use == QUEUECTL_READ ? QUEUE_READ : QUEUE_ENQUEUE, &q->err);
    q->open = result == 0;
    q->queue.drops_kept = DROPS_KEPT;
    return finish(q, result);
}

void queuectl_close(struct queuectl *q)
{
    if (!q)
        return;
    if (q->open)
        queue_close(&q->queue);
    buf_release(&q->document);
    free(q);
}

/* --- in ------------------------------------------------------------------- */

static void give_id(char out[QUEUECTL_ID_SIZE], const char *id)
{
    memcpy(out, id, strlen(id) + 1);
}

enum queuectl_error queuectl_enqueue(struct queuectl *q, const char *json, size_t n,
                                     char id[QUEUECTL_ID_SIZE])
{
    if (!ready(q))
        return not_ready(q);
    struct job job;
    if (job_parse(&job, json, n ? n : strlen(json), NULL, &q->err) != 0)
        return finish(q, -1);
    int result = enqueue_job(&q->queue, &job, &q->err);
    if (result == 0 && id)
        give_id(id, job.id);
    job_release(&job);
    return finish(q, result);
}

enum queuectl_error queuectl_enqueue_unique(struct queuectl *q, const char *json, size_t n,
                                            char id[QUEUECTL_ID_SIZE], int *added)
{
    if (!ready(q))
        return not_ready(q);
    struct job job;
    struct found there;
    if (job_parse(&job, json, n ? n : strlen(json), NULL, &q->err) != 0)
        return finish(q, -1);
    int result = enqueue_unique(&q->queue, &job, &there, &q->err);
    if (result >= 0 && id)
        give_id(id, job.id);
    if (result >= 0 && added)
        *added = result == 0;
    if (result == 1)
        found_release(&there);
    job_release(&job);
    return finish(q, result);
}

/* How many were read: count, or the index of the first that is no job. */
static size_t parse_all(struct job *jobs, const char *const *json, size_t count, struct err *err)
{
    for (size_t i = 0; i < count; i++)
        if (job_parse(&jobs[i], json[i], strlen(json[i]), NULL, err) != 0)
            return i;
    return count;
}

enum queuectl_error queuectl_enqueue_many(struct queuectl *q, const char *const *json,
                                          size_t count, char (*ids)[QUEUECTL_ID_SIZE], size_t *bad)
{
    if (!ready(q))
        return not_ready(q);
    struct job *jobs = calloc(count + 1, sizeof *jobs);
    if (!jobs)
        return no_memory(q);
    size_t wrong = parse_all(jobs, json, count, &q->err);
    size_t parsed = wrong;
    int result = -1;
    if (parsed == count)
        result = enqueue_many(&q->queue, jobs, count, &wrong, &q->err);
    for (size_t i = 0; i < parsed; i++) {
        if (result == 0 && ids)
            give_id(ids[i], jobs[i].id);
        job_release(&jobs[i]);
    }
    free(jobs);
    if (result != 0 && bad)
        *bad = wrong;
    return finish(q, result);
}

/* --- looking -------------------------------------------------------------- */

static int describe(struct queuectl *q, struct found *f, struct queuectl_job *out)
{
    buf_reset(&q->document);
    if (find_json(&q->queue, f, &q->document, &q->err) != 0)
        return -1;
    give_id(q->id, f->name.id);
    *out = (struct queuectl_job){q->id, (enum queuectl_state)f->state, buf_str(&q->document),
                                 q->document.len};
    return 0;
}

enum queuectl_error queuectl_find(struct queuectl *q, const char *id, struct queuectl_job *out)
{
    if (!ready(q))
        return not_ready(q);
    struct found f;
    if (find_job(&q->queue, id, &f, &q->err) != 0)
        return finish(q, -1);
    int result = describe(q, &f, out);
    found_release(&f);
    return finish(q, result);
}

struct listing {
    struct queuectl *q;
    queuectl_visit *visit;
    void *arg;
    bool failed;
};

static int visit_found(struct found *f, void *arg)
{
    struct listing *l = arg;
    struct queuectl_job job;
    if (describe(l->q, f, &job) != 0) {
        l->failed = true;
        return 1;
    }
    return l->visit(&job, l->arg);
}

enum queuectl_error queuectl_list(struct queuectl *q, enum queuectl_state state, size_t limit,
                                  queuectl_visit *visit, void *arg)
{
    if (!ready(q))
        return not_ready(q);
    struct list_filter filter = {.part = LIST_ALL, .limit = limit};
    if (queuectl_state_name(state)) {
        filter.part = LIST_STATE;
        filter.state = (enum dir)state;
    }
    struct listing l = {q, visit, arg, false};
    q->err.kind = ERR_NONE;
    int result = list_jobs(&q->queue, &filter, visit_found, &l, &q->err);
    /* -1 may also be the visitor's own way to end. */
    return finish(q, l.failed || (result == -1 && q->err.kind != ERR_NONE) ? -1 : 0);
}

/* --- verbs ---------------------------------------------------------------- */

enum queuectl_error queuectl_retry(struct queuectl *q, const char *id)
{
    return ready_to_change(q) ? finish(q, verb_retry(&q->queue, id, &q->err)) : not_ready(q);
}

enum queuectl_error queuectl_delete(struct queuectl *q, const char *id)
{
    return ready_to_change(q) ? finish(q, verb_delete(&q->queue, id, &q->err)) : not_ready(q);
}

enum queuectl_error queuectl_cancel(struct queuectl *q, const char *id, long timeout_ms)
{
    if (!ready_to_change(q))
        return not_ready(q);
    bool running = false;
    char run[FILE_NAME_MAX + 1];
    int result = verb_cancel(&q->queue, id, &running, run, &q->err);
    if (result == 0 && running && timeout_ms > 0)
        result = verb_cancel_wait(&q->queue, id, run, timeout_ms, &q->err);
    return finish(q, result);
}

enum queuectl_error queuectl_wait(struct queuectl *q, const char *const *ids, size_t count,
                                  long timeout_ms, enum queuectl_end *end)
{
    static const enum queuectl_end ends[] = {
        [WAIT_DONE] = QUEUECTL_END_DONE,
        [WAIT_DEAD] = QUEUECTL_END_DEAD,
        [WAIT_TIMEOUT] = QUEUECTL_END_TIMEOUT,
        [WAIT_INTERRUPTED] = QUEUECTL_END_TIMEOUT, /* cannot be: nobody interrupts */
    };
    if (!ready(q))
        return not_ready(q);
    enum wait_end reached = WAIT_TIMEOUT;
    const struct wait_how how = {.timeout_ms = timeout_ms};
    int result = wait_jobs(&q->queue, ids, count, &how, &reached, &q->err);
    if (result == 0 && end)
        *end = ends[reached];
    return finish(q, result);
}
