/* cmd_init.c: make a spool. */
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/escape.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/say.h"
#include "queue/queue.h"

static int run(struct call *c)
{
    struct err err = ERR_INIT;
    char *made = NULL;
    if (c->spool && c->arg_count > 0) {
        say("init: give DIR or --spool DIR, not both");
        return EXIT_USAGE;
    }
    const char *dir = c->arg_count > 0 ? c->args[0] : c->spool;
    if (queue_init(dir, option_value(c, "group"), option_on(c, "adopt"), &made, &err) != 0)
        return say_error(&err);
    struct buf shown = BUF_INIT;
    escape_adds(&shown, made);
    output_line(&shown);
    buf_release(&shown);
    free(made);
    return EXIT_DONE;
}

static const struct option options[] = {
    {0, "group", "GROUP", "let its members drop jobs in, and read results and logs"},
    {0, "adopt", NULL, "take over a copied spool, or one of another host: all its runs are lost"},
    {0, NULL, NULL, NULL},
};

const struct command cmd_init = {
    .name = "init",
    .args = "[DIR]",
    .max_args = 1,
    .summary = "make a spool, and print where it is",
    .details = "A spool that is there already is left as it is, but for --group, which opens it to\n"
               "the group. The user's own spool needs no init: the first enqueue makes it.\n"
               "Members of the group run commands as the user of the workers.",
    .examples = "queuectl init ./spool\nqueuectl init --group www-data /srv/queue\n",
    .options = options,
    .exec = run,
};
