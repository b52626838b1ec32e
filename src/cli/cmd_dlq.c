/* cmd_dlq.c: the dead: why they died, and what becomes of them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/commands.h"
#include "cli/each.h"
#include "cli/jobtext.h"
#include "cli/open.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/say.h"
#include "cli/show.h"
#include "cli/table.h"
#include "queue/verbs.h"

/* --error and --older-than, for three of the subcommands. */
static int read_filter(const struct call *c, struct list_filter *filter)
{
    int64_t age_ms = 0;
    *filter = (struct list_filter){.part = LIST_STATE, .state = DIR_DEAD};
    filter->error_text = option_value(c, "error");
    if (option_duration(c, "older-than", &age_ms) != 0)
        return -1;
    if (option_on(c, "older-than"))
        filter->older_than_us = clock_wall_us() - age_ms * US_PER_MS;
    return 0;
}

static bool is_filtered(const struct call *c)
{
    return option_on(c, "error") || option_on(c, "older-than");
}

static const char *reason_of(const struct found *f)
{
    return f->job.last_error ? f->job.last_error : "no reason given";
}

/* --- list --------------------------------------------------------------------------- */

struct listing {
    struct queue *q;
    struct table *table;
    struct output_array array;
    struct id_list reasons; /* for --by-error */
    bool json;
    bool failed;
};

static void add_row(struct listing *l, const struct found *f)
{
    struct buf command = BUF_INIT;
    char attempts[32], updated[TERM_TIME_LEN];
    jobtext_command(f, &command);
    jobtext_attempts(l->q, f, attempts);
    term_time(jobtext_updated_us(f), updated);
    table_add(l->table, f->name.id);
    table_add(l->table, buf_str(&command));
    table_add(l->table, attempts);
    table_add(l->table, updated);
    table_add(l->table, reason_of(f));
    buf_release(&command);
}

static int visit(struct found *f, void *arg)
{
    struct listing *l = arg;
    struct buf json = BUF_INIT;
    struct err err = ERR_INIT;
    if (!l->json) {
        add_row(l, f);
    } else if (find_json(l->q, f, &json, &err) == 0) {
        output_item(&l->array, json.data, json.len);
    } else {
        l->failed = true;
        say_error_of(&err, f->name.id);
    }
    buf_release(&json);
    return 0;
}

static int list(const struct call *c, struct listing *l, const struct list_filter *filter)
{
    static const struct table_column columns[] = {
        {"ID", false, true},       {"COMMAND", false, true}, {"ATTEMPTS", true, false},
        {"UPDATED", false, false}, {"REASON", false, true},
    };
    struct err err = ERR_INIT;
    int code = EXIT_DONE;
    if (!l->json && !(l->table = table_new(columns, 5, c->no_color)))
        return say_no_memory();
    if (l->q && list_jobs(l->q, filter, visit, l, &err) != 0)
        code = say_error(&err);
    if (l->json)
        output_end(&l->array);
    else if (table_end(l->table) != 0)
        code = say_no_memory();
    return code == EXIT_DONE && l->failed ? EXIT_FAILED : code;
}

/* --- list --by-error ------------------------------------------------------------------- */

struct group {
    const char *reason;
    size_t count;
};

static int add_reason(struct found *f, void *arg)
{
    struct listing *l = arg;
    return id_list_add(&l->reasons, reason_of(f));
}

static int compare_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int compare_groups(const void *a, const void *b)
{
    const struct group *x = a, *y = b;
    return x->count != y->count ? (x->count < y->count) - (x->count > y->count)
                                : strcmp(x->reason, y->reason);
}

/* Sorts the reasons and counts the equal ones: how many groups. */
static size_t group_reasons(struct id_list *reasons, struct group *groups)
{
    size_t n = 0;
    if (reasons->count > 0)
        qsort(reasons->id, reasons->count, sizeof *reasons->id, compare_text);
    for (size_t i = 0; i < reasons->count; i++) {
        if (n == 0 || strcmp(groups[n - 1].reason, reasons->id[i]) != 0)
            groups[n++] = (struct group){reasons->id[i], 0};
        groups[n - 1].count++;
    }
    if (n > 0)
        qsort(groups, n, sizeof *groups, compare_groups);
    return n;
}

static void print_groups_json(const struct group *groups, size_t n)
{
    struct output_array array = OUTPUT_ARRAY_INIT;
    for (size_t i = 0; i < n; i++) {
        struct buf out = BUF_INIT;
        buf_addf(&out, "{\"count\": %zu, ", groups[i].count);
        output_string(&out, "reason", groups[i].reason);
        buf_addc(&out, '}');
        output_item(&array, buf_str(&out), out.len);
        buf_release(&out);
    }
    output_end(&array);
}

static int print_groups(const struct group *groups, size_t n, bool no_color)
{
    static const struct table_column columns[] = {{"COUNT", true, false}, {"REASON", false, true}};
    struct table *t = table_new(columns, 2, no_color);
    for (size_t i = 0; t && i < n; i++) {
        table_addf(t, "%zu", groups[i].count);
        table_add(t, groups[i].reason);
    }
    return table_end(t) == 0 ? EXIT_DONE : say_no_memory();
}

static int list_by_error(const struct call *c, struct listing *l, const struct list_filter *filter)
{
    struct err err = ERR_INIT;
    if (l->q && list_jobs(l->q, filter, add_reason, l, &err) != 0)
        return err.kind == ERR_NONE ? say_no_memory() : say_error(&err);
    struct group *groups = calloc(l->reasons.count + 1, sizeof *groups);
    if (!groups)
        return say_no_memory();
    size_t n = group_reasons(&l->reasons, groups);
    int code = EXIT_DONE;
    if (l->json)
        print_groups_json(groups, n);
    else
        code = print_groups(groups, n, c->no_color);
    free(groups);
    return code;
}

static int run_list(struct call *c)
{
    struct list_filter filter;
    struct listing l = {.json = option_on(c, "json")};
    struct queue q;
    if (read_filter(c, &filter) != 0)
        return EXIT_USAGE;
    enum opened opened = open_to_read(c, &q);
    if (opened == OPEN_FAILED)
        return EXIT_FAILED;
    l.q = opened == OPEN_DONE ? &q : NULL;
    int code = option_on(c, "by-error") ? list_by_error(c, &l, &filter) : list(c, &l, &filter);
    id_list_release(&l.reasons);
    if (l.q)
        queue_close(&q);
    return code;
}

/* --- show, retry, purge -------------------------------------------------------------------- */

static int check_dead(struct queue *q, const char *id, struct err *err)
{
    enum dir state;
    char file[FILE_NAME_MAX + 1];
    int found = find_place(q, id, &state, file, err);
    if (found < 0)
        return -1;
    if (found == 0)
        return err_set(err, ERR_UNKNOWN, "%s: no such job", id);
    return state == DIR_DEAD ? 0 : err_set(err, ERR_STATE, "%s is not dead: it is %s", id,
                                           dir_name(state));
}

static int retry_dead(struct queue *q, const char *id, struct err *err)
{
    return check_dead(q, id, err) == 0 ? verb_retry(q, id, err) : -1;
}

static int purge_dead(struct queue *q, const char *id, struct err *err)
{
    return check_dead(q, id, err) == 0 ? verb_delete(q, id, err) : -1;
}

static int run_show(struct call *c)
{
    struct queue q;
    struct found f;
    struct err err = ERR_INIT;
    int code = open_to_find(c, &q);
    if (code != EXIT_DONE)
        return code;
    if (check_dead(&q, c->args[0], &err) != 0 || find_job(&q, c->args[0], &f, &err) != 0) {
        code = say_error(&err);
    } else {
        code = show_job(c, &q, &f);
        found_release(&f);
    }
    queue_close(&q);
    return code;
}

/* Those named, or all that the filter lets through. */
static int choose(const struct call *c, struct queue *q, const struct list_filter *filter,
                  struct id_list *ids)
{
    if (c->arg_count == 0)
        return id_list_fill(ids, q, filter);
    for (size_t i = 0; i < c->arg_count; i++)
        if (id_list_add(ids, c->args[i]) != 0)
            return say_no_memory();
    return EXIT_DONE;
}

static int do_to_dead(const struct call *c, const struct list_filter *filter, each_verb *verb,
                      const char *done_word, bool (*confirm)(const struct call *c, size_t n))
{
    struct queue q;
    struct id_list ids = {0};
    int code = open_to_write(c, &q);
    if (code != EXIT_DONE)
        return code;
    code = choose(c, &q, filter, &ids);
    if (code == EXIT_DONE && confirm && ids.count > 0 && !confirm(c, ids.count))
        code = EXIT_FAILED;
    if (code == EXIT_DONE) {
        bool named = c->arg_count > 0;
        char count[EACH_COUNT_LEN];
        size_t failed = each_id(&q, ids.id, ids.count, verb, named ? done_word : NULL);
        if (!named)
            printf("%s %s\n", done_word, each_count(ids.count - failed, "job", count));
        code = failed > 0 ? EXIT_FAILED : EXIT_DONE;
    }
    id_list_release(&ids);
    queue_close(&q);
    return code;
}

static int check_choice(const struct call *c, bool all)
{
    if (c->arg_count > 0 && (all || is_filtered(c)))
        say("dlq %s: give IDs, or say which by options, not both", c->cmd->name);
    else if (c->arg_count == 0 && !all && !is_filtered(c))
        say("dlq %s: which? give IDs, --error, --older-than or --all", c->cmd->name);
    else
        return 0;
    return -1;
}

static int run_retry(struct call *c)
{
    struct list_filter filter;
    if (check_choice(c, option_on(c, "all")) != 0 || read_filter(c, &filter) != 0)
        return EXIT_USAGE;
    return do_to_dead(c, &filter, retry_dead, "retried", NULL);
}

static bool confirm_purge(const struct call *c, size_t n)
{
    char question[64], count[EACH_COUNT_LEN];
    snprintf(question, sizeof question, "Delete %s with all logs?", each_count(n, "dead job", count));
    return term_confirm(option_on(c, "yes"), question);
}

static int run_purge(struct call *c)
{
    struct list_filter filter;
    bool all = c->arg_count == 0 && !is_filtered(c);
    if (check_choice(c, all) != 0 || read_filter(c, &filter) != 0)
        return EXIT_USAGE;
    return do_to_dead(c, &filter, purge_dead, "purged", confirm_purge);
}

/* --- the rows -------------------------------------------------------------------------------- */

#define FILTER_OPTIONS                                                                             \
    {0, "error", "TEXT", "only those whose reason holds TEXT"},                                    \
        {0, "older-than", "DURATION", "only those that died longer ago: 7d"}

static const struct option list_options[] = {
    FILTER_OPTIONS,
    {0, "by-error", NULL, "count the reasons"},
    {0, "json", NULL, "an array of documents; with --by-error of {count, reason}"},
    {0, NULL, NULL, NULL},
};

static const struct option show_options[] = {
    {0, "json", NULL, "the document"},
    {0, NULL, NULL, NULL},
};

static const struct option retry_options[] = {
    FILTER_OPTIONS,
    {0, "all", NULL, "all dead jobs"},
    {0, NULL, NULL, NULL},
};

static const struct option purge_options[] = {
    FILTER_OPTIONS,
    {'y', "yes", NULL, "do not ask"},
    {0, NULL, NULL, NULL},
};

static const struct command subs[] = {
    {
        .name = "list",
        .summary = "the dead jobs and the reason of each",
        .examples = "queuectl dlq list\nqueuectl dlq list --by-error\n",
        .options = list_options,
        .exec = run_list,
    },
    {
        .name = "show",
        .args = "ID",
        .min_args = 1,
        .max_args = 1,
        .summary = "everything about a dead job",
        .examples = "queuectl dlq show report-42\n",
        .options = show_options,
        .exec = run_show,
    },
    {
        .name = "retry",
        .args = "[ID...]",
        .max_args = -1,
        .summary = "run dead jobs anew, with attempts 0",
        .details = "Of a report about a file in quarantine: put the (mended) file back.",
        .examples = "queuectl dlq retry report-42\n"
                    "queuectl dlq retry --error 'timed out' --older-than 1h\n"
                    "queuectl dlq retry --all\n",
        .options = retry_options,
        .exec = run_retry,
    },
    {
        .name = "purge",
        .args = "[ID...]",
        .max_args = -1,
        .summary = "delete dead jobs: those named, those chosen, or all",
        .examples = "queuectl dlq purge --older-than 30d --yes\n",
        .options = purge_options,
        .exec = run_purge,
    },
    {0},
};

const struct command cmd_dlq = {
    .name = "dlq",
    .summary = "the dead jobs: list, show, retry, purge",
    .subs = subs,
};
