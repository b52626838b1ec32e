/* cmd_delete.c: a job, its logs and its id are gone. */
#include <stdio.h>

#include "cli/commands.h"
#include "cli/each.h"
#include "cli/jobtext.h"
#include "cli/open.h"
#include "cli/options.h"
#include "cli/say.h"
#include "cli/term.h"
#include "queue/verbs.h"

/* What is about to go, for the one who is asked. */
static void say_job(struct queue *q, const char *id)
{
    struct found f;
    struct buf command = BUF_INIT;
    if (find_job(q, id, &f, NULL) != 0)
        return;
    jobtext_command(&f, &command);
    say("%s (%s): %s", id, dir_name(f.state), buf_str(&command));
    buf_release(&command);
    found_release(&f);
}

static bool confirm(const struct call *c, struct queue *q)
{
    char question[64] = "Delete this job and its logs?";
    if (option_on(c, "yes"))
        return true;
    for (size_t i = 0; i < c->arg_count; i++)
        say_job(q, c->args[i]);
    if (c->arg_count > 1)
        snprintf(question, sizeof question, "Delete these %zu jobs and their logs?", c->arg_count);
    return term_confirm(false, question);
}

static int run(struct call *c)
{
    struct queue q;
    int code = open_to_write(c, &q);
    if (code != EXIT_DONE)
        return code;
    if (!confirm(c, &q) || each_id(&q, c->args, c->arg_count, verb_delete, "deleted") > 0)
        code = EXIT_FAILED;
    queue_close(&q);
    return code;
}

static const struct option options[] = {
    {'y', "yes", NULL, "do not ask"},
    {0, NULL, NULL, NULL},
};

const struct command cmd_delete = {
    .name = "delete",
    .args = "ID...",
    .min_args = 1,
    .max_args = -1,
    .summary = "remove a job that does not run, its logs and its id",
    .examples = "queuectl delete report-42 --yes\n",
    .options = options,
    .exec = run,
};
