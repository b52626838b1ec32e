/* cmd_wait.c: until jobs have ended. */
#include <stdio.h>

#include "cli/commands.h"
#include "cli/open.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/say.h"
#include "cli/term.h"
#include "cli/waiting.h"
#include "queue/find.h"

static void print_json(const struct call *c, struct queue *q, int code)
{
    const char *gap = "";
    printf("{\"exit\": %d, \"jobs\": [", code);
    for (size_t i = 0; i < c->arg_count; i++) {
        struct found f;
        struct buf text = BUF_INIT;
        struct err err = ERR_INIT;
        if (find_job(q, c->args[i], &f, &err) != 0) {
            if (err.kind != ERR_UNKNOWN)
                output_lose();
            continue;
        }
        fputs(gap, stdout);
        if (find_json(q, &f, &text, NULL) != 0)
            text.failed = true;
        output_text(&text);
        gap = ",\n";
        buf_release(&text);
        found_release(&f);
    }
    puts("]}");
}

/* A person is told why nothing may come. */
static void say_unseen(const struct call *c, struct queue *q)
{
    struct found f;
    for (size_t i = 0; i < c->arg_count && term_has_reader() && spool_hides_jobs(q->spool); i++) {
        struct err err = ERR_INIT;
        if (find_job(q, c->args[i], &f, &err) == 0)
            found_release(&f);
        else if (name_id_valid(c->args[i]))
            say("%s", err.text);
    }
}

static int run(struct call *c)
{
    struct queue q;
    int64_t timeout_ms = -1;
    if (option_duration(c, "timeout", &timeout_ms) != 0)
        return EXIT_USAGE;
    if (option_on(c, "all") && c->arg_count > 0) {
        say("wait: IDs and --all exclude each other");
        return EXIT_USAGE;
    }
    if (c->arg_count == 0) {
        enum opened opened = open_to_read(c, &q);
        if (opened == OPEN_NONE && option_on(c, "json"))
            puts("{\"exit\": 0, \"jobs\": []}");
        if (opened != OPEN_DONE)
            return opened == OPEN_NONE ? EXIT_DONE : EXIT_FAILED;
    } else {
        int code = open_to_find(c, &q);
        if (code != EXIT_DONE)
            return code;
    }
    say_unseen(c, &q);
    int code = waiting_for(c, &q, (const char *const *)c->args, c->arg_count, timeout_ms);
    if (option_on(c, "json"))
        print_json(c, &q, code);
    queue_close(&q);
    return code;
}

static const struct option options[] = {
    {0, "all", NULL, "for all jobs but the held ones (as when no ID is given)"},
    {0, "timeout", "DURATION", "give up after this time: exit 124"},
    {0, "json", NULL, "then print one object: exit code, and the documents of the named jobs"},
    {0, NULL, NULL, NULL},
};

const struct command cmd_wait = {
    .name = "wait",
    .args = "[ID...]",
    .max_args = -1,
    .summary = "wait until jobs are done or dead",
    .details = "Exit code: 0 all are done, 1 one is dead (or unknown), 124 the time is over,\n"
               "130 interrupted. The jobs go on in any case.",
    .examples = "queuectl wait report-42\nqueuectl wait --all --timeout 10m\n",
    .options = options,
    .exec = run,
};
