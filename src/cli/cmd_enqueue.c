/* cmd_enqueue.c: the words of an enqueue call; what they ask for is done by
 * enqueue_one.c, enqueue_batch.c and enqueue_lines.c. */
#include <string.h>

#include "base/escape.h"
#include "cli/commands.h"
#include "cli/enqueue.h"
#include "cli/jobflags.h"
#include "cli/options.h"
#include "cli/say.h"

struct rule {
    bool broken;
    const char *text;
};

/* Say the first that is broken. */
static int check_rules(const struct rule *rules, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (rules[i].broken) {
            say("%s", rules[i].text);
            return -1;
        }
    return 0;
}

static int check_many(const struct call *c)
{
    const char *place = option_value(c, "replace");
    bool batch = option_on(c, "batch"), lines = option_on(c, "lines");
    const struct rule rules[] = {
        {lines && batch, "--lines and --batch exclude each other"},
        {lines && option_on(c, "command"), "--lines runs a program; for a shell: "
         "queuectl enqueue --lines -- sh -c 'COMMAND \"$1\"' sh {}"},
        {lines && option_on(c, "id"), "--id: the jobs of --lines each get one of their own"},
        {lines && (c->arg_count > 0 || c->program_count == 0), "--lines takes a program and no "
         "document: queuectl enqueue --lines -- convert {} {}.jpg"},
        {!lines && option_on(c, "null"), "-0 is for --lines"},
        {!lines && place, "-I is for --lines"},
        {place && (!*place || !utf8_valid(place, strlen(place), NULL)),
         "--replace: use a text that is not empty, in UTF-8: --replace %"},
        {batch && (c->arg_count > 0 || c->has_program),
         "--batch reads its jobs from a file; nothing else can be given"},
        {batch && option_on(c, "id"), "--id: the jobs of a batch each have their own"},
        {(batch || lines) && option_on(c, "unique"), "--unique is for one job; of a batch, "
         "--skip-bad leaves out those whose id is in use"},
        {!batch && !lines && option_on(c, "skip-bad"), "--skip-bad is for --batch and --lines"},
    };
    return check_rules(rules, sizeof rules / sizeof *rules);
}

static int check_call(const struct call *c)
{
    bool many = option_on(c, "batch") || option_on(c, "lines");
    bool given = c->arg_count > 0 || c->has_program || option_on(c, "command");
    const struct rule rules[] = {
        {c->arg_count > 1,
         "too many arguments; for a program: queuectl enqueue -- PROGRAM ARG..."},
        {option_on(c, "dry-run") && option_on(c, "wait"),
         "--dry-run and --wait exclude each other"},
        {!many && !given,
         "nothing to enqueue; for a command: queuectl enqueue --command 'echo hi'"},
    };
    return check_many(c) != 0 ? -1 : check_rules(rules, sizeof rules / sizeof *rules);
}

static int run_form(const struct call *c, struct enqueue_source *s)
{
    s->name = option_value(c, "batch");
    if (s->name)
        return enqueue_batch(c, s);
    return option_on(c, "lines") ? enqueue_lines(c, s) : enqueue_one(c, s);
}

static int run(struct call *c)
{
    struct enqueue_source s = {.flags = jobflags_given(c)};
    if (check_call(c) != 0)
        return EXIT_USAGE;
    int code = s.flags ? jobflags_check(c) : EXIT_DONE;
    if (code != EXIT_DONE)
        return code;
    struct buf cwd = BUF_INIT;
    code = EXIT_FAILED;
    if (option_on(c, "cwd") || jobflags_current_dir(&cwd) == 0) {
        s.cwd = buf_str(&cwd);
        code = run_form(c, &s);
    }
    buf_release(&cwd);
    return code;
}

static const struct option options[] = {
    {0, "id", "ID", "its id, of A-Z a-z 0-9 . _ -; made up where none is given"},
    JOBFLAGS_OPTIONS,
    {0, "unique", NULL, "only if no job with its id waits or runs; one that has ended is replaced"},
    {0, "batch", "FILE", "one JSON document a line, - for stdin: all of them or none"},
    {0, "lines", NULL, "a program for each line of stdin, which replaces every {}: all or none"},
    {'0', "null", NULL, "with --lines: the lines end with a NUL byte, as of find -print0"},
    {'I', "replace", "STR", "with --lines: STR is replaced by the line, instead of {}"},
    {0, "skip-bad", NULL, "with --batch, --lines: leave bad lines out (exit 1)"},
    {0, "dry-run", NULL, "print what would be stored, and store nothing"},
    {0, "wait", NULL, "wait until it has ended; the exit code is its own"},
    {0, "json", NULL, "print the document instead of the id"},
    {0, NULL, NULL, NULL},
};

const struct command cmd_enqueue = {
    .name = "enqueue",
    .args = "['{JSON}' | @FILE | -] [-- PROGRAM ARG...]",
    .max_args = -1,
    .takes_program = true,
    .summary = "put a job into the queue",
    .details =
        "Prints its id when it is stored safely. A flag wins over the member of the\n"
        "document. Words behind -- run without a shell. With --wait: 0 done, else the\n"
        "last run's code, 128+N for signal N, 124 timed out, 130 cancelled.",
    .examples = "queuectl enqueue --command 'echo hi'\n"
                "queuectl enqueue '{\"id\":\"report\",\"command\":\"make\",\"timeout\":\"5m\"}'\n"
                "queuectl enqueue @job.json --priority high --delay 10m\n"
                "queuectl enqueue -- convert in.png out.jpg\n"
                "queuectl enqueue --batch jobs.jsonl\n"
                "find . -name '*.png' -print0 | queuectl enqueue --lines -0 -- convert {} {}.jpg\n"
                "queuectl enqueue --unique --id nightly --command 'make report'\n",
    .options = options,
    .exec = run,
};
