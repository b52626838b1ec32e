/* cmd_show.c: everything about one job. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/duration.h"
#include "base/escape.h"
#include "base/stamp.h"
#include "cli/commands.h"
#include "cli/jobtext.h"
#include "cli/open.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/say.h"
#include "cli/show.h"
#include "cli/table.h"

#define NAME_WIDTH 14

/* What is null is as good as absent. */
static void print_member(const char *name, const char *raw)
{
    struct buf line = BUF_INIT;
    if (!raw || strcmp(raw, "null") == 0)
        return;
    escape_adds(&line, name);
    buf_addf(&line, "%*s  ", (int)(line.len < NAME_WIDTH ? NAME_WIDTH - line.len : 0), "");
    jobtext_value(raw, &line);
    output_line(&line);
    buf_release(&line);
}

/* id and state first, then the document's own order. */
static void print_members(const struct json_doc *doc)
{
    static const char *const first[] = {"id", "state"};
    for (size_t i = 0; i < 2; i++)
        print_member(first[i], json_raw(doc, first[i]));
    for (size_t i = 0; i < json_count(doc); i++) {
        const char *name = json_name(doc, i);
        if (strcmp(name, "id") != 0 && strcmp(name, "state") != 0 && strcmp(name, "history") != 0)
            print_member(name, json_raw_at(doc, i));
    }
}

static void print_place(const struct queue *q, const struct found *f)
{
    struct buf shown = BUF_INIT;
    buf_addf(&shown, "%-*s  ", NAME_WIDTH, "file");
    escape_adds(&shown, q->spool->path);
    buf_addf(&shown, "/%s/", dir_name(f->state));
    escape_adds(&shown, f->file);
    output_line(&shown);
    buf_release(&shown);
}

/* --- runs ----------------------------------------------------------------- */

static const char *text_of(const cJSON *run, const char *name)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(run, name);
    return cJSON_IsString(value) ? value->valuestring : "";
}

/* -1: not there. */
static int64_t number_of(const cJSON *run, const char *name)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(run, name);
    return cJSON_IsNumber(value) && value->valuedouble >= 0 && value->valuedouble < 1e15
               ? (int64_t)value->valuedouble
               : -1;
}

static void add_number(struct table *t, int64_t number)
{
    if (number < 0)
        table_add(t, "-");
    else
        table_addf(t, "%lld", (long long)number);
}

static void add_duration(struct table *t, int64_t ms)
{
    char text[DURATION_TEXT_LEN] = "-";
    if (ms >= 0)
        duration_format(ms, text);
    table_add(t, text);
}

static void add_memory(struct table *t, int64_t kib)
{
    if (kib < 0)
        table_add(t, "-");
    else
        table_addf(t, "%.1fM", (double)kib / 1024);
}

static void add_run(struct table *t, const cJSON *run)
{
    char started[TERM_TIME_LEN] = "-";
    int64_t us;
    if (stamp_parse(text_of(run, "started_at"), &us))
        term_time(us, started);
    add_number(t, number_of(run, "run"));
    table_add(t, text_of(run, "outcome"));
    table_add(t, started);
    add_duration(t, number_of(run, "duration_ms"));
    add_number(t, number_of(run, "exit_code"));
    add_duration(t, number_of(run, "cpu_ms"));
    add_memory(t, number_of(run, "max_rss_kib"));
    table_add(t, text_of(run, "error"));
}

static int print_runs(const struct json_doc *doc, bool no_color)
{
    static const struct table_column columns[] = {
        {"RUN", true, false},  {"OUTCOME", false, false}, {"STARTED", false, false},
        {"TOOK", true, false}, {"EXIT", true, false},     {"CPU", true, false},
        {"MEM", true, false},  {"ERROR", false, true},
    };
    cJSON *history = json_value(doc, "history");
    if (!history && errno == ENOMEM)
        return say_no_memory();
    if (!cJSON_IsArray(history) || !history->child) {
        cJSON_Delete(history);
        return EXIT_DONE;
    }
    putchar('\n');
    struct table *t = table_new(columns, sizeof columns / sizeof *columns, no_color);
    for (const cJSON *run = history->child; t && run; run = run->next)
        add_run(t, run);
    cJSON_Delete(history);
    return table_end(t) == 0 ? EXIT_DONE : say_no_memory();
}

/* --- the command ---------------------------------------------------------- */

int show_job(const struct call *c, struct queue *q, struct found *f)
{
    struct buf json = BUF_INIT;
    struct err err = ERR_INIT;
    int code = EXIT_DONE;
    if (find_json(q, f, &json, &err) != 0)
        code = say_error(&err);
    else if (option_on(c, "json"))
        output_text(&json);
    else {
        struct json_doc *doc = json_parse(json.data, json.len, NULL, &err);
        if (doc) {
            print_members(doc);
            print_place(q, f);
        }
        code = doc ? print_runs(doc, c->no_color) : say_error(&err);
        json_free(doc);
    }
    buf_release(&json);
    return code;
}

static int run(struct call *c)
{
    struct queue q;
    struct found f;
    struct err err = ERR_INIT;
    int code = open_to_find(c, &q);
    if (code != EXIT_DONE)
        return code;
    if (find_job(&q, c->args[0], &f, &err) != 0) {
        code = say_error(&err);
    } else {
        code = show_job(c, &q, &f);
        found_release(&f);
    }
    queue_close(&q);
    return code;
}

static const struct option options[] = {
    {0, "json", NULL, "the document, with its state and when it is due"},
    {0, NULL, NULL, NULL},
};

const struct command cmd_show = {
    .name = "show",
    .args = "ID",
    .min_args = 1,
    .max_args = 1,
    .summary = "everything about one job: members, runs, where its file lies",
    .examples = "queuectl show report-42\nqueuectl show report-42 --json\n",
    .options = options,
    .exec = run,
};
