/* main.c: the table of commands, and one turn through it. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/help.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/say.h"
#include "queuectl.h"

const struct command *const commands[] = {
    &cmd_enqueue, &cmd_worker, &cmd_status, &cmd_list,   &cmd_show,    &cmd_logs,  &cmd_wait,
    &cmd_retry,   &cmd_cancel, &cmd_hold,   &cmd_release, &cmd_edit,    &cmd_delete, &cmd_clear,
    &cmd_dlq,     &cmd_pause,  &cmd_resume, &cmd_config, &cmd_init,    &cmd_fsck,  &cmd_help,
    NULL,
};

static int run(struct call *c)
{
    if (c->version) {
        puts("queuectl " QUEUECTL_VERSION);
        return EXIT_DONE;
    }
    if (c->cmd && c->help) {
        help_command(stdout, c->group, c->cmd);
        return EXIT_DONE;
    }
    if (c->cmd && c->cmd->exec)
        return c->cmd->exec(c);
    if (c->cmd)
        help_command(stderr, NULL, c->cmd);
    else
        help_overview(c->help ? stdout : stderr);
    return c->help ? EXIT_DONE : EXIT_USAGE;
}

/* A result that did not get out is an error, whatever was done: a full disk. */
static int finish(int code)
{
    if (output_is_lost())
        code = say_no_memory();
    int failed = ferror(stdout);
    errno = 0;
    if (fflush(stdout) == 0 && !failed)
        return code;
    say("cannot write the output%s%s", errno ? ": " : "", errno ? strerror(errno) : "");
    return EXIT_FAILED;
}

int main(int argc, char **argv)
{
    /* A reader that has seen enough ends us quietly, even where we inherited
     * SIGPIPE ignored. */
    signal(SIGPIPE, SIG_DFL);
    signal(SIGXFSZ, SIG_IGN); /* an error of a write, and no reason to die */
    struct call c;
    int code = options_parse(&c, argc, argv);
    if (code == EXIT_DONE)
        code = run(&c);
    options_release(&c);
    return finish(code);
}
