/* cmd_clear.c: remove all jobs but the running ones, which are named and left. */
#include <stdio.h>

#include "base/buf.h"
#include "cli/commands.h"
#include "cli/each.h"
#include "cli/open.h"
#include "cli/options.h"
#include "cli/say.h"
#include "cli/term.h"

static bool confirm(const struct call *c, const struct queue *q, size_t n)
{
    struct buf question = BUF_INIT;
    char count[EACH_COUNT_LEN];
    buf_addf(&question, "Remove %s with all logs from ", each_count(n, "job", count));
    open_show_path(q->spool->path, &question);
    buf_addc(&question, '?');
    bool yes = term_confirm(option_on(c, "yes"), buf_str(&question));
    buf_release(&question);
    return yes;
}

static int clear(const struct call *c, struct queue *q, const struct list_filter *filter)
{
    struct id_list jobs = {0};
    int code = id_list_fill(&jobs, q, filter);
    if (code == EXIT_DONE && jobs.count > 0 && !confirm(c, q, jobs.count))
        code = EXIT_FAILED;
    if (code == EXIT_DONE) {
        size_t left = each_delete(q, &jobs, NULL);
        char count[EACH_COUNT_LEN];
        printf("removed %s\n", each_count(jobs.count - left, "job", count));
        code = left > 0 ? EXIT_FAILED : EXIT_DONE;
    }
    id_list_release(&jobs);
    return code;
}

static int run(struct call *c)
{
    struct queue q;
    struct list_filter filter = {.part = LIST_ALL};
    const char *state = option_value(c, "state");
    if (state && !list_filter_parse(state, &filter)) {
        say("--state %s: no such state; see queuectl list --help", state);
        return EXIT_USAGE;
    }
    int code = open_to_write(c, &q);
    if (code != EXIT_DONE)
        return code;
    code = clear(c, &q, &filter);
    queue_close(&q);
    return code;
}

static const struct option options[] = {
    {0, "state", "STATE", "only the jobs of this state"},
    {'y', "yes", NULL, "do not ask"},
    {0, NULL, NULL, NULL},
};

const struct command cmd_clear = {
    .name = "clear",
    .summary = "remove all jobs that do not run",
    .details = "Running jobs are named and left: exit 1.",
    .examples = "queuectl clear --state done --yes\n",
    .options = options,
    .exec = run,
};
