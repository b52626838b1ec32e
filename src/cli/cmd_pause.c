/* cmd_pause.c: pause and resume the whole queue. */
#include <stdio.h>

#include "cli/commands.h"
#include "cli/open.h"
#include "cli/say.h"
#include "cli/term.h"
#include "queue/verbs.h"

static int run_pause(struct call *c)
{
    struct queue q;
    struct err err = ERR_INIT;
    int code = open_to_write(c, &q);
    if (code != EXIT_DONE)
        return code;
    int64_t before = verb_paused_since(&q);
    if (before >= 0) {
        char since[TERM_TIME_LEN];
        term_time_short(before, since);
        say("paused already, since %s", since);
    } else if (verb_pause(&q, &err) != 0) {
        code = say_error(&err);
    } else {
        puts("paused");
    }
    queue_close(&q);
    return code;
}

static int run_resume(struct call *c)
{
    struct queue q;
    struct err err = ERR_INIT;
    bool was_paused = false;
    int code = open_to_write(c, &q);
    if (code != EXIT_DONE)
        return code;
    if (verb_resume(&q, &was_paused, &err) != 0)
        code = say_error(&err);
    else if (was_paused)
        puts("resumed");
    else
        say("it was not paused");
    queue_close(&q);
    return code;
}

const struct command cmd_pause = {
    .name = "pause",
    .summary = "start no more jobs; those that run go on",
    .details = "By hand: touch SPOOL/control/pause.",
    .examples = "queuectl pause\n",
    .exec = run_pause,
};

const struct command cmd_resume = {
    .name = "resume",
    .summary = "start jobs again",
    .details = "By hand: rm SPOOL/control/pause.",
    .examples = "queuectl resume\n",
    .exec = run_resume,
};
