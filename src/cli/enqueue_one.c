/* enqueue_one.c: one job, from JSON, a file, stdin, flags, or a program's words. */
#include <stdio.h>
#include <string.h>

#include "cli/enqueue.h"
#include "cli/open.h"
#include "cli/options.h"
#include "cli/say.h"
#include "cli/waiting.h"

/* --- where the document comes from ---------------------------------------- */

static int not_json(const char *text)
{
    struct buf word = BUF_INIT;
    say_add_word(&word, text);
    say("not JSON; for a command: queuectl enqueue --command %s", buf_str(&word));
    buf_release(&word);
    return EXIT_FAILED;
}

static int read_document(const char *arg, struct buf *text)
{
    if (arg[0] == '@' || strcmp(arg, "-") == 0)
        return enqueue_read(arg[0] == '@' ? arg + 1 : arg, JSON_DOCUMENT_MAX, text) == 0
                   ? EXIT_DONE
                   : EXIT_FAILED;
    if (arg[strspn(arg, " \t\r\n")] != '{')
        return not_json(arg);
    if (strlen(arg) > JSON_DOCUMENT_MAX) {
        say("the document is over %d MiB", JSON_DOCUMENT_MAX >> 20);
        return EXIT_FAILED;
    }
    buf_adds(text, arg);
    return EXIT_DONE;
}

static const char *source_name(const char *arg)
{
    return strcmp(arg, "-") == 0 ? "stdin" : arg[0] == '@' ? arg + 1 : NULL;
}

/* --- storing it ----------------------------------------------------------- */

static int dry_run(const struct call *c, struct job *job)
{
    struct queue q;
    struct err err = ERR_INIT;
    size_t bad;
    enum opened opened = open_to_read(c, &q);
    if (opened == OPEN_FAILED)
        return EXIT_FAILED;
    int result = enqueue_dry_run(opened == OPEN_DONE ? &q : NULL, job, 1, &bad, &err);
    if (opened == OPEN_DONE)
        queue_close(&q);
    return result == 0 ? enqueue_print(job) : say_error(&err);
}

static int run_open(const struct call *c, struct queue *q, struct job *job)
{
    struct err err = ERR_INIT;
    if (enqueue_job(q, job, &err) != 0)
        return say_error(&err);
    bool json = option_on(c, "json"), wait = option_on(c, "wait");
    if (!json)
        puts(job->id);
    else if (!wait)
        return enqueue_print(job);
    open_say_idle(c, q);
    return wait ? waiting_for_one(q, job->id, json) : EXIT_DONE;
}

static int run_job(const struct call *c, struct job *job)
{
    struct queue q;
    if (option_on(c, "dry-run"))
        return dry_run(c, job);
    int code = open_to_write(c, &q);
    if (code != EXIT_DONE)
        return code;
    code = run_open(c, &q, job);
    queue_close(&q);
    return code;
}

/* --- the whole ------------------------------------------------------------ */

static int run_text(const struct call *c, const struct enqueue_source *s, const struct buf *text)
{
    struct job job;
    struct err err = ERR_INIT;
    if (text->failed)
        return say_no_memory();
    if (enqueue_make(c, s, buf_str(text), text->len, &job, &err) != 0)
        return say_error_of(&err, s->name);
    int code = run_job(c, &job);
    job_release(&job);
    return code;
}

int enqueue_one(const struct call *c, struct enqueue_source *s)
{
    struct buf text = BUF_INIT;
    int code = EXIT_DONE;
    if (c->arg_count > 0) {
        s->name = source_name(c->args[0]);
        code = read_document(c->args[0], &text);
    } else {
        buf_adds(&text, "{}");
    }
    if (code == EXIT_DONE)
        code = run_text(c, s, &text);
    buf_release(&text);
    return code;
}
