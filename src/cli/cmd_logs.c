/* cmd_logs.c: what a job wrote: which run is meant, and following it through its
 * retries. */
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/logs_read.h"
#include "cli/open.h"
#include "cli/options.h"
#include "cli/say.h"
#include "cli/term.h"
#include "cli/waiting.h"

/* --- which run ------------------------------------------------------------ */

/* The run that goes on; 0: none does. (Its result may stand in the document just
 * before the file moves on.) */
static int running(const struct found *f)
{
    enum fate fate;
    int64_t next;
    if (f->state != DIR_PROCESSING)
        return 0;
    if (f->job.doc && job_has_result(&f->job, f->name.time_us, f->name.attempts, f->name.token,
                                     &fate, &next))
        return f->job.runs;
    return f->job.runs + 1;
}

static int last_run(const struct found *f)
{
    return running(f) ? running(f) : f->job.runs;
}

static int check_run(const struct found *f, int run)
{
    if (run > last_run(f))
        say("%s has had %d run%s", f->name.id, last_run(f), last_run(f) == 1 ? "" : "s");
    else if (run <= f->job.runs - JOB_HISTORY_MAX)
        say("%s: the logs of run %d are gone; the last %d are kept", f->name.id, run,
            JOB_HISTORY_MAX);
    else
        return 0;
    return -1;
}

static int print_once(struct logs_reading *r, const struct found *f, int64_t wanted, bool json)
{
    int run = wanted ? (int)wanted : last_run(f);
    if (json && (run == 0 || check_run(f, run) == 0))
        return logs_print_json(r, run);
    if (json)
        return EXIT_FAILED;
    if (run == 0) {
        say("%s has not run yet", r->id);
        return EXIT_DONE;
    }
    if (check_run(f, run) != 0)
        return EXIT_FAILED;
    logs_print_run(r, run, run == running(f) ? f->file : "", false);
    if (!r->any && !r->failed && term_has_reader())
        say("run %d of %s has written nothing", run, r->id);
    return r->failed ? EXIT_FAILED : EXIT_DONE;
}

/* --- --follow ------------------------------------------------------------- */

/* Print the runs after *seen, the one that goes on until its end. */
static void follow_runs(struct logs_reading *r, const struct found *f, int *seen)
{
    int now = running(f);
    while (*seen < last_run(f) && !r->failed && !waiting_interrupted) {
        ++*seen;
        logs_print_run(r, *seen, *seen == now ? f->file : "", true);
    }
}

/* 1 look again, 0 the job has ended, -1 trouble. */
static int follow_step(struct logs_reading *r, int *seen)
{
    struct found f;
    struct err err = ERR_INIT;
    if (find_job(r->q, r->id, &f, &err) != 0) {
        say_error(&err);
        return -1;
    }
    if (*seen < 0)
        *seen = last_run(&f) > 0 ? last_run(&f) - 1 : 0;
    follow_runs(r, &f, seen);
    bool ended = f.state == DIR_DONE || f.state == DIR_DEAD;
    while (!ended && !r->failed && !waiting_interrupted && find_still(r->q, f.state, f.file))
        poll(NULL, 0, LOGS_FOLLOW_MS);
    found_release(&f);
    return ended ? 0 : 1;
}

static int follow(struct logs_reading *r)
{
    int seen = -1;
    int more;
    waiting_catch();
    do
        more = follow_step(r, &seen);
    while (more > 0 && !r->failed && !waiting_interrupted);
    if (waiting_interrupted)
        return EXIT_INTERRUPTED;
    return more < 0 || r->failed ? EXIT_FAILED : EXIT_DONE;
}

/* --- the command ---------------------------------------------------------- */

/* What output-max took away must not look like the end. */
static void say_cut(const struct found *f, int run)
{
    cJSON *history = f->job.doc ? json_value(f->job.doc, "history") : NULL;
    const cJSON *one;
    cJSON_ArrayForEach(one, history)
    {
        const cJSON *number = cJSON_GetObjectItemCaseSensitive(one, "run");
        const cJSON *cut = cJSON_GetObjectItemCaseSensitive(one, "output_cut");
        if (cJSON_IsNumber(number) && cJSON_IsNumber(cut) && (int)number->valuedouble == run &&
            cut->valuedouble > 0)
            say("%s: %.0f bytes of run %d were cut off (output-max)", f->name.id,
                cut->valuedouble, run);
    }
    cJSON_Delete(history);
}

static int print_logs(const struct call *c, struct logs_reading *r, int64_t run)
{
    struct found f;
    struct err err = ERR_INIT;
    if (option_on(c, "follow"))
        return follow(r);
    if (find_job(r->q, r->id, &f, &err) != 0)
        return say_error(&err);
    int code = print_once(r, &f, run, option_on(c, "json"));
    fflush(stdout);
    say_cut(&f, run > 0 ? (int)run : last_run(&f));
    found_release(&f);
    return code;
}

static void choose_streams(const struct call *c, struct logs_reading *r)
{
    bool one = option_on(c, "stdout") || option_on(c, "stderr");
    if (!option_on(c, "stderr"))
        r->stream[r->streams++] = (struct logs_source){
            .which = LOGS_OUT, .to = STDOUT_FILENO, .fd = -1};
    if (!option_on(c, "stdout"))
        r->stream[r->streams++] = (struct logs_source){
            .which = LOGS_ERR, .to = one ? STDOUT_FILENO : STDERR_FILENO, .fd = -1};
}

static int check_call(const struct call *c, int64_t *run, int64_t *tail)
{
    if (option_int(c, "run", 1, INT32_MAX, run) != 0 ||
        option_int(c, "tail", 0, INT32_MAX, tail) != 0)
        return -1;
    if (option_on(c, "stdout") && option_on(c, "stderr"))
        say("logs: --stdout and --stderr exclude each other; without them both are printed");
    else if (option_on(c, "json") && option_on(c, "follow"))
        say("logs: --json and --follow exclude each other");
    else if (option_on(c, "run") && option_on(c, "follow"))
        say("logs: --run and --follow exclude each other");
    else
        return 0;
    return -1;
}

static int run(struct call *c)
{
    struct queue q;
    struct logs_reading r = {.q = &q, .id = c->args[0], .tail = -1};
    int64_t number = 0;
    if (check_call(c, &number, &r.tail) != 0)
        return EXIT_USAGE;
    choose_streams(c, &r);
    int code = open_to_find(c, &q);
    if (code != EXIT_DONE)
        return code;
    code = print_logs(c, &r, number);
    queue_close(&q);
    if (r.any)
        term_reset();
    return code;
}

static const struct option options[] = {
    {0, "stdout", NULL, "only what it wrote to stdout"},
    {0, "stderr", NULL, "only what it wrote to stderr, on stdout"},
    {0, "run", "N", "of run N instead of the last (see show)"},
    {'n', "tail", "N", "only the last N lines"},
    {0, "json", NULL, "one object: id, run, stdout, stderr"},
    {'f', "follow", NULL, "go on printing until the job has ended, retries included"},
    {0, NULL, NULL, NULL},
};

const struct command cmd_logs = {
    .name = "logs",
    .alias = "log",
    .args = "ID",
    .min_args = 1,
    .max_args = 1,
    .summary = "what the last run of a job wrote",
    .details = "Its stdout goes to stdout, its stderr to stderr. The last 20 runs are kept.",
    .examples = "queuectl logs report-42\nqueuectl logs report-42 --stderr --tail 20\n"
                "queuectl logs -f report-42\n",
    .options = options,
    .exec = run,
};
