/* cmd_status.c: how many jobs are where, and who works on them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "cli/commands.h"
#include "cli/open.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/say.h"
#include "cli/term.h"
#include "cli/worker_rows.h"
#include "queue/list.h"
#include "queue/verbs.h"
#include "queue/workers.h"

struct status {
    char *path;
    struct counts counts;
    struct workers_seen seen;
    int64_t paused_us; /* -1: not */
    bool is_closed[DIR_COUNT]; /* to this user: what is in there is not known */
};

static const enum dir order[] = {DIR_PENDING, DIR_PROCESSING, DIR_FAILED, DIR_DONE, DIR_DEAD};

/* --- for scripts ---------------------------------------------------------- */

/* A number that is not known is null. */
static void add_count(struct buf *out, const char *name, size_t n, bool is_known)
{
    buf_addf(out, "\"%s\": ", name);
    if (is_known)
        buf_addf(out, "%zu", n);
    else
        buf_adds(out, "null");
}

/* The members that say less than there is; nothing where all is known. */
static void add_closed(const struct status *s, struct buf *out)
{
    static const struct {
        enum dir d;
        const char *member;
    } parts[] = {{DIR_PROCESSING, "processing"}, {DIR_FAILED, "failed"}, {DIR_FAILED, "held"},
                 {DIR_CONTROL, "paused"},        {DIR_WORKERS, "workers"}};
    bool any = false;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (s->is_closed[parts[i].d]) {
            buf_addf(out, "%s\"%s\"", any ? ", " : ",\n\"closed\": [", parts[i].member);
            any = true;
        }
    buf_adds(out, any ? "]" : "");
}

static int print_json(const struct status *s)
{
    struct buf out = BUF_INIT;
    buf_adds(&out, "{");
    output_string(&out, "spool", s->path);
    buf_adds(&out, ",\n\"counts\": {");
    for (size_t i = 0; i < STATE_COUNT; i++) {
        buf_adds(&out, i ? ", " : "");
        add_count(&out, dir_name(order[i]), s->counts.state[order[i]], !s->is_closed[order[i]]);
    }
    buf_addf(&out, "},\n\"scheduled\": %zu,\n", s->counts.scheduled);
    add_count(&out, "held", s->counts.held, !s->is_closed[DIR_FAILED]);
    buf_adds(&out, ",\n");
    output_time(&out, "paused", s->paused_us);
    add_closed(s, &out);
    buf_adds(&out, ",\n\"workers\": [");
    const char *gap = "";
    for (size_t i = 0; i < s->seen.count; i++)
        if (s->seen.record[i].role == LIVE_WORKER) {
            buf_adds(&out, gap);
            worker_row_json(&s->seen, &s->seen.record[i], &out);
            gap = ",\n";
        }
    buf_adds(&out, "]}\n");
    output_text(&out);
    buf_release(&out);
    return EXIT_DONE;
}

/* --- for people ----------------------------------------------------------- */

/* " (3 scheduled, 1 held)", of what is there. */
static void print_parts(const struct counts *counts)
{
    const struct {
        size_t n;
        const char *what;
    } parts[] = {{counts->scheduled, "scheduled"},
                 {counts->held, "held"},
                 {counts->foreign, "just dropped"}};
    const char *before = " (";
    for (size_t i = 0; i < 3; i++)
        if (parts[i].n) {
            printf("%s%zu %s", before, parts[i].n, parts[i].what);
            before = ", ";
        }
    fputs(before[0] == ',' ? ")" : "", stdout);
}

static void print_closed(const char *name)
{
    printf("%-10s closed to you\n", name);
}

static void print_counts(const struct status *s, bool colour)
{
    for (size_t i = 0; i < STATE_COUNT; i++) {
        enum dir d = order[i];
        if (s->is_closed[d]) {
            print_closed(dir_name(d));
            continue;
        }
        bool coloured = colour && s->counts.state[d] && term_state_colour(d) != COLOUR_NONE;
        printf("%s%-10s %zu%s", coloured ? term_colour(term_state_colour(d)) : "", dir_name(d),
               s->counts.state[d], coloured ? term_colour(COLOUR_NONE) : "");
        if (d == DIR_PENDING)
            print_parts(&s->counts);
        putchar('\n');
    }
}

static int print_text(const struct call *c, const struct status *s)
{
    struct buf path = BUF_INIT;
    buf_addf(&path, "%-10s ", "spool");
    escape_adds(&path, s->path);
    output_line(&path);
    buf_release(&path);
    print_counts(s, term_may_colour(c->no_color));
    if (s->is_closed[DIR_WORKERS])
        print_closed("workers");
    else
        printf("%-10s %zu\n", "workers", s->seen.workers);
    if (s->paused_us >= 0) {
        char text[TERM_TIME_LEN];
        term_time_short(s->paused_us, text);
        printf("%-10s since %s\n", "paused", text);
    }
    if (s->seen.workers == 0)
        return EXIT_DONE;
    putchar('\n');
    return worker_rows_print(&s->seen, c->no_color);
}

/* --- the command ---------------------------------------------------------- */

static int look(struct queue *q, struct status *s)
{
    struct err err = ERR_INIT;
    if (list_count(q, &s->counts, &err) != 0 || workers_look(q, &s->seen, &err) != 0)
        return say_error(&err);
    s->paused_us = verb_paused_since(q);
    for (int d = 0; d < DIR_COUNT; d++)
        s->is_closed[d] = spool_is_closed(q->spool, (enum dir)d);
    open_say_closed(q);
    return EXIT_DONE;
}

static int print(const struct call *c, struct queue *q, struct status *s)
{
    int code = q ? look(q, s) : EXIT_DONE;
    if (code != EXIT_DONE)
        return code;
    code = option_on(c, "json") ? print_json(s) : print_text(c, s);
    if (q)
        open_say_idle(c, q);
    workers_release(&s->seen);
    return code;
}

static int run(struct call *c)
{
    struct queue q;
    struct err err = ERR_INIT;
    bool is_default;
    struct status s = {.paused_us = -1};
    enum opened opened = open_to_read(c, &q);
    if (opened == OPEN_FAILED)
        return EXIT_FAILED;
    s.path = opened == OPEN_DONE ? strdup(q.spool->path)
                                 : spool_locate(c->spool, &is_default, &err);
    if (!s.path && err.kind == ERR_NONE)
        err_no_memory(&err);
    int code = s.path ? print(c, opened == OPEN_DONE ? &q : NULL, &s) : say_error(&err);
    free(s.path);
    if (opened == OPEN_DONE)
        queue_close(&q);
    return code;
}

static const struct option options[] = {
    {0, "json", NULL, "one object: spool, counts, scheduled, held, paused, workers"},
    {0, NULL, NULL, NULL},
};

const struct command cmd_status = {
    .name = "status",
    .summary = "how many jobs are in which state, and what the workers do",
    .details = "SINCE is when the job was started; for an idle worker, when the worker was.",
    .examples = "queuectl status\nqueuectl status --json\n",
    .options = options,
    .exec = run,
};
