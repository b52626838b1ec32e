/* batch_skip.c: the lines of a batch whose id is in use already. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/batch.h"
#include "cli/say.h"
#include "queue/ids.h"

void batch_drop(struct batch *b, size_t i)
{
    job_release(&b->jobs[i]);
    b->count--;
    memmove(&b->jobs[i], &b->jobs[i + 1], (b->count - i) * sizeof *b->jobs);
    memmove(&b->line[i], &b->line[i + 1], (b->count - i) * sizeof *b->line);
}

struct place {
    const char *id;
    size_t index;
};

static int compare_places(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    int by_id = strcmp(x->id, y->id);
    return by_id ? by_id : (x->index > y->index) - (x->index < y->index);
}

/* Mark the later ones of those that have one id. */
static int mark_twins(const struct batch *b, bool *out)
{
    struct place *places = calloc(b->count + 1, sizeof *places);
    if (!places)
        return -1;
    for (size_t i = 0; i < b->count; i++)
        places[i] = (struct place){b->jobs[i].id, i};
    qsort(places, b->count, sizeof *places, compare_places);
    for (size_t i = 1; i < b->count; i++)
        if (places[i].id[0] && strcmp(places[i].id, places[i - 1].id) == 0)
            out[places[i].index] = true;
    free(places);
    return 0;
}

static int mark_used(const struct batch *b, struct queue *q, bool *out)
{
    struct id_set set = {0};
    int there = 0;
    for (size_t i = 0; i < b->count && there >= 0; i++)
        if (b->jobs[i].id[0] && !out[i] && (there = ids_has_job(q, b->jobs[i].id, &set)) > 0)
            out[i] = true;
    id_set_release(&set);
    return there < 0 ? -1 : 0;
}

static void drop_marked(struct batch *b, const bool *marked)
{
    size_t kept = 0;
    for (size_t i = 0; i < b->count; i++) {
        if (marked[i]) {
            struct err err = ERR_INIT;
            err_set(&err, ERR_EXISTS, "id \"%s\" is in use", b->jobs[i].id);
            batch_say_bad(b, b->line[i], &err);
            job_release(&b->jobs[i]);
            continue;
        }
        b->jobs[kept] = b->jobs[i];
        b->line[kept++] = b->line[i];
    }
    b->count = kept;
}

int batch_leave_out_used(struct batch *b, struct queue *q)
{
    bool *marked = calloc(b->count + 1, sizeof *marked);
    if (!marked)
        return say_no_memory();
    int code = EXIT_DONE;
    if (mark_twins(b, marked) == 0 && (!q || mark_used(b, q, marked) == 0)) {
        drop_marked(b, marked);
    } else {
        say("%s: cannot look in pending/, failed/ and processing/ which ids are in use: %s", b->in->name, strerror(errno));
        code = EXIT_FAILED;
    }
    free(marked);
    return code;
}
