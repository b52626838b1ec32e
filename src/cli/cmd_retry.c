/* cmd_retry.c: run a job now, or anew. */
#include "cli/commands.h"
#include "cli/each.h"
#include "queue/verbs.h"

static int run(struct call *c)
{
    return each_run(c, verb_retry, "retried");
}

const struct command cmd_retry = {
    .name = "retry",
    .args = "ID...",
    .min_args = 1,
    .max_args = -1,
    .summary = "run a waiting job now, a done or dead one anew",
    .details = "A pending or failed job is due at once and keeps its attempts; a done or dead\n"
               "one starts with attempts 0. Its history stays.",
    .examples = "queuectl retry report-42\n",
    .exec = run,
};
