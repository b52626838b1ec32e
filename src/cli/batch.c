/* batch.c: what becomes of a batch once it is read (batch_read.c): all of its jobs
 * are stored, or none.
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

#define BAD_SHOWN 20 /* lines; without --skip-bad */

void batch_say_bad(struct batch *b, size_t line, const struct err *err)
{
    b->bad++;
    if (b->skip || b->bad <= BAD_SHOWN)
        say("%s:%zu: %s", b->in->name, line, err->text);
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
            return say_error_of(&err, b->in->name);
        batch_say_bad(b, b->line[bad], &err);
        if (!b->skip || !is_verdict(&err))
            return EXIT_FAILED;
        batch_drop(b, bad); /* taken by somebody since we looked */
    }
}

static int print_array(const struct batch *b)
{
    struct output_array array = OUTPUT_ARRAY_INIT;
    int code = EXIT_DONE;
    for (size_t i = 0; i < b->count && code == EXIT_DONE; i++) {
        struct buf text = BUF_INIT;
        if (job_print(&b->jobs[i], &text) == 0)
            output_item(&array, &text);
        else
            code = say_no_memory();
        buf_release(&text);
    }
    output_end(&array);
    return code;
}

static int print_jobs(const struct batch *b)
{
    bool dry = option_on(b->c, "dry-run");
    int code = EXIT_DONE;
    if (option_on(b->c, "json"))
        return print_array(b);
    for (size_t i = 0; i < b->count && code == EXIT_DONE; i++) {
        if (dry)
            code = enqueue_print(&b->jobs[i]);
        else
            puts(b->jobs[i].id);
    }
    return code;
}

/* With --json the documents come when all have ended. */
static int wait_for_all(const struct batch *b, struct queue *q)
{
    int code = EXIT_DONE;
    const char **ids = calloc(b->count + 1, sizeof *ids);
    if (!ids)
        return say_no_memory();
    for (size_t i = 0; i < b->count; i++)
        ids[i] = b->jobs[i].id;
    if (b->count > 0)
        code = waiting_for(b->c, q, ids, b->count, -1);
    bool ended = code == EXIT_DONE || code == EXIT_FAILED;
    if (ended && option_on(b->c, "json") && waiting_print(q, ids, b->count) != EXIT_DONE)
        code = EXIT_FAILED;
    free(ids);
    return code;
}

static int refuse_bad(const struct batch *b)
{
    if (b->bad == 0 || b->skip)
        return EXIT_DONE;
    char count[EACH_COUNT_LEN];
    say("%s: %s, so nothing was enqueued", b->in->name, each_count(b->bad, "bad line", count));
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
        code = print_jobs(b);
    if (there)
        queue_close(&q);
    return code;
}

static int run_open(struct batch *b, struct queue *q)
{
    char count[EACH_COUNT_LEN];
    int code = b->skip ? batch_leave_out_used(b, q) : EXIT_DONE;
    if (code == EXIT_DONE)
        code = store(b, q);
    if (code != EXIT_DONE)
        return code;
    bool wait = option_on(b->c, "wait");
    if (!wait || !option_on(b->c, "json"))
        code = print_jobs(b);
    if (code != EXIT_DONE) {
        say("%s are enqueued all the same", each_count(b->count, "job", count));
        return code;
    }
    if (wait)
        return wait_for_all(b, q);
    open_say_idle(b->c, q);
    return EXIT_DONE;
}

static int run(struct batch *b)
{
    struct queue q;
    int code = batch_read(b);
    if (code == EXIT_DONE)
        code = refuse_bad(b);
    if (code != EXIT_DONE)
        return code;
    if (option_on(b->c, "dry-run")) {
        code = run_dry(b);
    } else if ((code = open_to_enqueue(b->c, option_on(b->c, "wait"), &q)) == EXIT_DONE) {
        code = run_open(b, &q);
        queue_close(&q);
    }
    return code == EXIT_DONE && b->bad > 0 ? EXIT_FAILED : code;
}

int batch_run(const struct call *c, const struct batch_input *in)
{
    struct batch b = {.c = c, .in = in, .skip = option_on(c, "skip-bad")};
    int code = run(&b);
    for (size_t i = 0; i < b.count; i++)
        job_release(&b.jobs[i]);
    free(b.jobs);
    free(b.line);
    return code;
}
