/* cmd_cancel.c: a waiting job is dead at once; a running one is ended by its
 * worker.  All are asked first, then waited for. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/commands.h"
#include "cli/open.h"
#include "cli/say.h"
#include "queue/find.h"
#include "queue/verbs.h"

#define PATIENCE_MS 5000 /* over the grace that the job is given */

struct request {
    bool running;
    char run[FILE_NAME_MAX + 1];
};

/* The run is gone; was it the cancel, or did it end by itself just before? */
static int check_end(struct queue *q, const char *id)
{
    enum dir state = DIR_DEAD;
    char file[FILE_NAME_MAX + 1];
    if (find_place(q, id, &state, file, NULL) == 1 && state != DIR_DEAD) {
        say("%s had ended by itself: it is %s", id, dir_name(state));
        return -1;
    }
    printf("cancelled %s (it was running)\n", id);
    return 0;
}

static int ask(struct queue *q, const char *id, struct request *r)
{
    struct err err = ERR_INIT;
    if (verb_cancel(q, id, &r->running, r->run, &err) != 0) {
        say_error(&err);
        return -1;
    }
    if (!r->running)
        printf("cancelled %s\n", id);
    return 0;
}

static int await(struct queue *q, const char *id, const struct request *r)
{
    struct err err = ERR_INIT;
    fflush(stdout);
    if (verb_cancel_wait(q, id, r->run, q->settings.grace_ms + PATIENCE_MS, &err) == 0)
        return check_end(q, id);
    say_error(&err);
    return -1;
}

static int cancel_all(struct queue *q, char *const *ids, size_t n)
{
    int code = EXIT_DONE;
    struct request *requests = calloc(n, sizeof *requests);
    if (!requests)
        return say_no_memory();
    for (size_t i = 0; i < n; i++)
        if (ask(q, ids[i], &requests[i]) != 0)
            code = EXIT_FAILED;
    for (size_t i = 0; i < n; i++)
        if (requests[i].running && await(q, ids[i], &requests[i]) != 0)
            code = EXIT_FAILED;
    free(requests);
    return code;
}

static int run(struct call *c)
{
    struct queue q;
    int code = open_to_write(c, &q);
    if (code != EXIT_DONE)
        return code;
    code = cancel_all(&q, c->args, c->arg_count);
    queue_close(&q);
    return code;
}

const struct command cmd_cancel = {
    .name = "cancel",
    .args = "ID...",
    .min_args = 1,
    .max_args = -1,
    .summary = "end a running job with all its processes, or drop a waiting one",
    .details = "The job is dead then, with the reason \"cancelled\". Returns when it has ended.",
    .examples = "queuectl cancel report-42\n",
    .exec = run,
};
