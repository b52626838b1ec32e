/* dlq_list.c: why the dead died: one by one, or counted. */
#include "cli/dlq.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/each.h"
#include "cli/jobtext.h"
#include "cli/open.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/say.h"
#include "cli/table.h"

int dlq_read_filter(const struct call *c, struct list_filter *filter)
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

static const char *reason_of(const struct found *f)
{
    return f->job.last_error ? f->job.last_error : "no reason given";
}

/* --- list ----------------------------------------------------------------- */

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
    table_add_buf(l->table, &command);
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
        output_item(&l->array, &json);
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

/* --- list --by-error ------------------------------------------------------ */

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
        output_item(&array, &out);
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

int dlq_run_list(struct call *c)
{
    struct list_filter filter;
    struct listing l = {.json = option_on(c, "json")};
    struct queue q;
    if (dlq_read_filter(c, &filter) != 0)
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
