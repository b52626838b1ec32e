/* enqueue_batch.c: enqueue --batch: a line is a JSON document; blank ones are
 * passed over. */
#include <string.h>

#include "cli/batch.h"

struct documents {
    const struct call *c;
    const struct enqueue_source *source;
};

static bool is_blank(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!strchr(" \t\r", text[i]) || !text[i])
            return false;
    return true;
}

static enum batch_made make_job(void *arg, const char *text, size_t n, struct job *job,
                                struct err *err)
{
    const struct documents *d = arg;
    if (is_blank(text, n))
        return BATCH_EMPTY;
    if (n > JSON_DOCUMENT_MAX)
        return batch_too_long(err);
    return enqueue_make(d->c, d->source, text, n, job, err) == 0 ? BATCH_JOB : BATCH_BAD;
}

int enqueue_batch(const struct call *c, const struct enqueue_source *s)
{
    struct documents d = {c, s};
    const struct batch_input in = {.file = s->name,
                                   .name = enqueue_file_name(s->name),
                                   .end = '\n',
                                   .make = make_job,
                                   .arg = &d};
    return batch_run(c, &in);
}
