/* cmd_fsck.c: does the spool hold what it promises?  Changes nothing. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/escape.h"
#include "cli/commands.h"
#include "cli/each.h"
#include "cli/open.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/say.h"
#include "queue/fsck.h"

struct report {
    bool json;
    struct output_array array;
};

static void print_finding(const struct fsck_finding *f, void *arg)
{
    struct report *r = arg;
    struct buf out = BUF_INIT;
    if (r->json) {
        buf_addc(&out, '{');
        output_string(&out, "code", f->code);
        buf_adds(&out, ", ");
        output_string(&out, "place", f->place);
        buf_adds(&out, ", ");
        output_string(&out, "text", f->text);
        buf_addc(&out, '}');
        output_item(&r->array, &out);
    } else {
        escape_adds(&out, f->place);
        buf_adds(&out, ": ");
        escape_adds(&out, f->text);
        output_line(&out);
    }
    buf_release(&out);
}

static int run(struct call *c)
{
    struct queue q;
    struct err err = ERR_INIT;
    struct report r = {.json = option_on(c, "json"), .array = OUTPUT_ARRAY_INIT};
    long findings = 0;
    size_t looked = 0;
    char files[EACH_COUNT_LEN], found[EACH_COUNT_LEN];
    enum opened opened = open_to_inspect(c, &q);
    if (opened == OPEN_FAILED)
        return EXIT_FAILED;
    if (opened == OPEN_DONE) {
        findings = fsck_run(&q, print_finding, &r, &looked, &err);
        queue_close(&q);
    }
    if (r.json)
        output_end(&r.array);
    if (findings < 0)
        return say_error(&err);
    if (opened == OPEN_DONE)
        say("%s looked at, %s", each_count(looked, "file", files),
            each_count((size_t)findings, "finding", found));
    return findings > 0 ? EXIT_FAILED : EXIT_DONE;
}

static const struct option options[] = {
    {0, "json", NULL, "an array of {code, place, text}"},
    {0, NULL, NULL, NULL},
};

const struct command cmd_fsck = {
    .name = "fsck",
    .summary = "check the spool; changes nothing",
    .details = "Exit code: 0 clean, 1 with findings.",
    .examples = "queuectl fsck\n",
    .options = options,
    .exec = run,
};
