/* cmd_list.c: the jobs, as a table, as JSON, or in a form of one's own.  Each is
 * printed as it comes. */
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/jobtext.h"
#include "cli/open.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/say.h"
#include "cli/table.h"
#include "queue/list.h"

struct listing {
    struct queue *q;
    const char *format;
    bool json;
    bool failed;
    struct output_array array;
    struct table *table;
};

static const struct table_column columns[] = {
    {"ID", false, true},       {"COMMAND", false, true}, {"STATE", false, false},
    {"PRIORITY", true, false}, {"ATTEMPTS", true, false}, {"UPDATED", false, false},
};

static void add_row(struct listing *l, const struct found *f)
{
    struct buf command = BUF_INIT;
    char attempts[32], updated[TERM_TIME_LEN];
    jobtext_command(f, &command);
    jobtext_attempts(l->q, f, attempts);
    term_time(jobtext_updated_us(f), updated);
    table_add(l->table, f->name.id);
    table_add_buf(l->table, &command);
    table_add_colour(l->table, term_state_colour(f->state), dir_name(f->state));
    table_addf(l->table, "%d", jobtext_priority(f));
    table_add(l->table, attempts);
    table_add(l->table, updated);
    buf_release(&command);
}

static void print_formatted(const struct listing *l, const struct buf *json)
{
    struct json_doc *doc = json_parse(json->data, json->len, NULL, NULL);
    struct buf line = {.failed = !doc}; /* it is our own text: only memory can fail */
    if (doc)
        jobtext_format(l->format, doc, &line);
    output_text(&line);
    buf_release(&line);
    json_free(doc);
}

static void print_json(struct listing *l, struct found *f)
{
    struct buf json = BUF_INIT;
    struct err err = ERR_INIT;
    if (find_json(l->q, f, &json, &err) != 0) {
        l->failed = true;
        say_error_of(&err, f->name.id);
    } else if (l->format) {
        print_formatted(l, &json);
    } else {
        output_item(&l->array, &json);
    }
    buf_release(&json);
}

static int visit(struct found *f, void *arg)
{
    struct listing *l = arg;
    if (l->table)
        add_row(l, f);
    else
        print_json(l, f);
    return 0;
}

static int print_all(const struct call *c, struct listing *l, const struct list_filter *filter)
{
    struct err err = ERR_INIT;
    int code = EXIT_DONE;
    bool table = !l->json && !l->format;
    if (table && !(l->table = table_new(columns, sizeof columns / sizeof *columns, c->no_color)))
        return say_no_memory();
    if (l->q && list_jobs(l->q, filter, visit, l, &err) != 0)
        code = say_error(&err);
    if (table && table_end(l->table) != 0)
        code = say_no_memory();
    if (l->json)
        output_end(&l->array);
    return code == EXIT_DONE && l->failed ? EXIT_FAILED : code;
}

/* Members of a format are looked up in what --json would print. */
static int read_options(const struct call *c, struct listing *l, struct list_filter *filter)
{
    int64_t limit = 0;
    const char *state = option_value(c, "state");
    l->format = option_value(c, "format");
    l->json = option_on(c, "json");
    if (l->json && l->format)
        say("--json and --format exclude each other");
    else if (state && !list_filter_parse(state, filter))
        say("--state %s: use pending, processing, failed, done (or completed), dead, scheduled, "
            "ready, held", state);
    else if (option_int(c, "limit", 1, INT32_MAX, &limit) == 0 &&
             (!l->format || jobtext_check_format(l->format) == 0)) {
        filter->limit = (size_t)limit;
        return 0;
    }
    return -1;
}

static int run(struct call *c)
{
    struct list_filter filter = {.part = LIST_ALL};
    struct listing l = {0};
    struct queue q;
    if (read_options(c, &l, &filter) != 0)
        return EXIT_USAGE;
    enum opened opened = open_to_read(c, &q);
    if (opened == OPEN_FAILED)
        return EXIT_FAILED;
    l.q = opened == OPEN_DONE ? &q : NULL;
    if (l.q && list_is_partial(l.q, &filter))
        open_say_closed(l.q);
    int code = print_all(c, &l, &filter);
    if (l.q)
        queue_close(&q);
    return code;
}

static const struct option options[] = {
    {0, "state", "STATE", "only pending, processing, failed, done, dead, scheduled, ready or held"},
    {'n', "limit", "N", "at most N jobs"},
    {0, "json", NULL, "an array of documents"},
    {0, "format", "TEXT", "a line for each: '{id}\\t{state}', with any member's name"},
    {0, NULL, NULL, NULL},
};

const struct command cmd_list = {
    .name = "list",
    .summary = "the jobs, in the order in which they run",
    .details = "Running jobs first, then the pending as they would run, the failed by due time,\n"
               "the done and the dead, newest first. ATTEMPTS 1/4: one run of at most four.",
    .examples = "queuectl list\n"
                "queuectl list --state dead --limit 10\n"
                "queuectl list --format '{id}\\t{state}\\t{last_error}'\n",
    .options = options,
    .exec = run,
};
