/* cmd_hold.c: hold and release: a waiting job that waits for a word. */
#include "cli/commands.h"
#include "cli/each.h"
#include "queue/verbs.h"

static int run_hold(struct call *c)
{
    return each_run(c, verb_hold, "held");
}

static int run_release(struct call *c)
{
    return each_run(c, verb_release, "released");
}

const struct command cmd_hold = {
    .name = "hold",
    .args = "ID...",
    .min_args = 1,
    .max_args = -1,
    .summary = "keep a waiting job from running",
    .examples = "queuectl hold report-42\n",
    .exec = run_hold,
};

const struct command cmd_release = {
    .name = "release",
    .args = "ID...",
    .min_args = 1,
    .max_args = -1,
    .summary = "let a held job run: now, or at its run_at if that is ahead",
    .examples = "queuectl release report-42\n",
    .exec = run_release,
};
