/* enqueue_batch.c: enqueue --batch: one JSON document a line, all of them or none.
 *
 * Each bad line is named by its number.  With --skip-bad the bad ones are left
 * out, and so are those whose id is in use: which are, one scan of the spool
 * tells for all. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/batch.h"
#include "cli/each.h"
#include "cli/open.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/say.h"
#include "cli/waiting.h"

#define BATCH_MAX ((size_t)4 << 30)
#define BAD_SHOWN 20 /* lines; without --skip-bad */

void batch_say_bad(struct batch *b, size_t line, const struct err *err)
{
    b->bad++;
    if (b->skip || b->bad <= BAD_SHOWN)
        say("%s:%zu: %s", b->source->name, line, err->text);
}

/* --- reading -------------------------------------------------------------- */

static int make_room(struct batch *b)
{
    if (b->count < b->room)
        return 0;
    size_t room = b->room ? b->room * 2 : 256;
    struct job *jobs = realloc(b->jobs, room * sizeof *jobs);
    if (jobs)
        b->jobs = jobs;
    size_t *line = realloc(b->line, room * sizeof *line);
    if (line)
        b->line = line;
    if (!jobs || !line)
        return -1;
    b->room = room;
    return 0;
}

static bool is_blank(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!strchr(" \t\r", text[i]) || !text[i])
            return false;
    return true;
}

static int read_line(struct batch *b, size_t number, const char *text, size_t n)
{
    struct err err = ERR_INIT;
    if (is_blank(text, n))
        return 0;
    if (make_room(b) != 0)
        return -1;
    if (n > JSON_DOCUMENT_MAX)
        err_set(&err, ERR_BAD, "over %d MiB", JSON_DOCUMENT_MAX >> 20);
    else if (enqueue_make(b->c, b->source, text, n, &b->jobs[b->count], &err) == 0) {
        b->line[b->count++] = number;
        return 0;
    }
    batch_say_bad(b, number, &err);
    return 0;
}

static int read_lines(struct batch *b, const char *text, size_t n)
{
    size_t number = 0;
    for (size_t at = 0; at < n;) {
        const char *end = memchr(text + at, '\n', n - at);
        size_t length = end ? (size_t)(end - text) - at : n - at;
        if (read_line(b, ++number, text + at, length) != 0)
            return -1;
        at += length + 1;
    }
    return 0;
}

static int read_file(struct batch *b)
{
    struct buf text = BUF_INIT;
    int code = EXIT_FAILED;
    if (enqueue_read(b->source->name, BATCH_MAX, &text) == 0)
        code = read_lines(b, buf_str(&text), text.len) == 0 ? EXIT_DONE : say_no_memory();
    buf_release(&text);
    return code;
}

/* --- storing -------------------------------------------------------------- */

static bool is_verdict(const struct err *err)
{
    return err->kind == ERR_BAD || err->kind == ERR_EXISTS;
}

static int store(struct batch *b, struct queue *q)
{
    bool dry = option_on(b->c, "dry-run");
    for (;;) {
        struct err err = ERR_INIT;
        size_t bad = b->count;
        int result = dry ? enqueue_dry_run(q, b->jobs, b->count, &bad, &err)
                         : enqueue_many(q, b->jobs, b->count, &bad, &err);
        if (result == 0)
            return EXIT_DONE;
        if (bad >= b->count)
            return say_error_of(&err, b->source->name);
        batch_say_bad(b, b->line[bad], &err);
        if (!b->skip || !is_verdict(&err))
            return EXIT_FAILED;
        batch_drop(b, bad); /* taken by somebody since we looked */
    }
}

static void print_jobs(const struct batch *b)
{
    bool json = option_on(b->c, "json");
    struct output_array array = OUTPUT_ARRAY_INIT;
    for (size_t i = 0; i < b->count; i++) {
        struct buf text = BUF_INIT;
        if (json && job_print(&b->jobs[i], &text) == 0)
            output_item(&array, buf_str(&text), text.len);
        else if (option_on(b->c, "dry-run"))
            enqueue_print(&b->jobs[i]);
        else
            puts(b->jobs[i].id);
        buf_release(&text);
    }
    if (json)
        output_end(&array);
}

static int wait_for_all(const struct batch *b, struct queue *q)
{
    if (b->count == 0)
        return EXIT_DONE;
    const char **ids = calloc(b->count, sizeof *ids);
    if (!ids)
        return say_no_memory();
    for (size_t i = 0; i < b->count; i++)
        ids[i] = b->jobs[i].id;
    int code = waiting_for(q, ids, b->count, -1);
    free(ids);
    return code;
}

static int refuse_bad(const struct batch *b)
{
    if (b->bad == 0 || b->skip)
        return EXIT_DONE;
    char count[EACH_COUNT_LEN];
    say("%s: %s, so nothing was enqueued", b->source->name, each_count(b->bad, "bad line", count));
    return EXIT_FAILED;
}

static int run_dry(struct batch *b)
{
    struct queue q;
    enum opened opened = open_to_read(b->c, &q);
    struct queue *there = opened == OPEN_DONE ? &q : NULL;
    int code = opened == OPEN_FAILED ? EXIT_FAILED : batch_leave_out_used(b, there);
    if (code == EXIT_DONE)
        code = refuse_bad(b);
    if (code == EXIT_DONE)
        code = store(b, there);
    if (code == EXIT_DONE)
        print_jobs(b);
    if (there)
        queue_close(&q);
    return code;
}

static int run_open(struct batch *b, struct queue *q)
{
    int code = b->skip ? batch_leave_out_used(b, q) : EXIT_DONE;
    if (code == EXIT_DONE)
        code = store(b, q);
    if (code != EXIT_DONE)
        return code;
    print_jobs(b);
    open_say_idle(b->c, q);
    return option_on(b->c, "wait") ? wait_for_all(b, q) : EXIT_DONE;
}

static int run(struct batch *b)
{
    struct queue q;
    int code = read_file(b);
    if (code == EXIT_DONE)
        code = refuse_bad(b);
    if (code != EXIT_DONE)
        return code;
    if (option_on(b->c, "dry-run")) {
        code = run_dry(b);
    } else if ((code = open_to_write(b->c, &q)) == EXIT_DONE) {
        code = run_open(b, &q);
        queue_close(&q);
    }
    return code == EXIT_DONE && b->bad > 0 ? EXIT_FAILED : code;
}

int enqueue_batch(const struct call *c, const struct enqueue_source *s)
{
    struct batch b = {.c = c, .source = s, .skip = option_on(c, "skip-bad")};
    int code = run(&b);
    for (size_t i = 0; i < b.count; i++)
        job_release(&b.jobs[i]);
    free(b.jobs);
    free(b.line);
    return code;
}
