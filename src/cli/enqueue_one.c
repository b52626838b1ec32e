/* enqueue_one.c: one job, from JSON, a file, stdin, flags, or a program's words;
 * with --unique only if it is not there. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/enqueue.h"
#include "cli/open.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/say.h"
#include "cli/term.h"
#include "cli/waiting.h"

/* --- where the document comes from ---------------------------------------- */

/* Is it JSON, though no object?  (json_parse reads objects only.) */
static bool is_value(const char *text)
{
    struct buf object = BUF_INIT;
    buf_addf(&object, "{\"\": %s}", text);
    struct json_doc *doc = json_parse(buf_str(&object), object.len, NULL, NULL);
    bool one = doc && json_count(doc) == 1;
    json_free(doc);
    buf_release(&object);
    return one;
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static void add_file(struct buf *out, const char *file)
{
    if (file[strspn(file, "./_-0123456789abcdefghijklmnopqrstuvwxyz"
                          "ABCDEFGHIJKLMNOPQRSTUVWXYZ")])
        say_add_word(out, file);
    else
        buf_adds(out, file);
}

static int not_json(const char *text)
{
    struct buf word = BUF_INIT;
    struct stat st;
    bool lines = ends_with(text, ".jsonl") || ends_with(text, ".ndjson");
    if (stat(text, &st) == 0 && !S_ISDIR(st.st_mode)) {
        add_file(&word, text);
        say("not JSON; for a file: queuectl enqueue %s%s", lines ? "--batch " : "@", buf_str(&word));
    } else if (is_value(text)) {
        say("a job is a JSON object: queuectl enqueue '{\"command\": \"echo hi\"}'");
    } else {
        say_add_word(&word, text);
        say("not JSON; for a command: queuectl enqueue --command %s", buf_str(&word));
    }
    buf_release(&word);
    return EXIT_FAILED;
}

/* The file that the argument names; NULL: it is the document itself. */
static const char *file_of(const char *arg)
{
    if (arg[0] == '@')
        return arg + 1;
    return strcmp(arg, "-") == 0 ? arg : NULL;
}

static int read_document(const char *arg, struct buf *text)
{
    const char *file = file_of(arg);
    if (file)
        return enqueue_read(file, JSON_DOCUMENT_MAX, text) == 0 ? EXIT_DONE : EXIT_FAILED;
    if (arg[strspn(arg, " \t\r\n")] != '{')
        return not_json(arg);
    if (strlen(arg) > JSON_DOCUMENT_MAX) {
        say("the document is over %d MiB", JSON_DOCUMENT_MAX >> 20);
        return EXIT_FAILED;
    }
    buf_adds(text, arg);
    return EXIT_DONE;
}

/* --- storing it ----------------------------------------------------------- */

/* How it went: what is there instead of the job, if something is. */
struct stored {
    bool is_there;
    struct found there; /* if so; to be released */
};

static int store(struct queue *q, struct job *job, bool unique, struct stored *s, struct err *err)
{
    int r = unique ? enqueue_unique(q, job, &s->there, err) : enqueue_job(q, job, err);
    s->is_there = r == 1;
    return r < 0 ? -1 : 0;
}

/* q NULL: there is no spool. */
static int store_dry(struct queue *q, struct job *job, bool unique, struct stored *s,
                     struct err *err)
{
    size_t bad;
    int r = unique && q ? enqueue_unique_dry(q, job, &s->there, err)
                        : enqueue_dry_run(q, job, 1, &bad, err);
    s->is_there = r == 1;
    return r < 0 ? -1 : 0;
}

static void stored_release(struct stored *s)
{
    if (s->is_there)
        found_release(&s->there);
}

static int print_document(struct queue *q, const struct job *job, struct stored *s)
{
    struct err err = ERR_INIT;
    struct buf text = BUF_INIT;
    if (!s->is_there)
        return enqueue_print(job);
    int result = find_json(q, &s->there, &text, &err);
    if (result == 0)
        output_text(&text);
    buf_release(&text);
    return result == 0 ? EXIT_DONE : say_error(&err);
}

/* Nobody must think that it is not there. */
static int print_stored(struct queue *q, const struct job *job, struct stored *s)
{
    int code = print_document(q, job, s);
    if (code != EXIT_DONE && !s->is_there)
        say("%s is enqueued all the same", job->id);
    return code;
}

static void say_there(const struct stored *s)
{
    if (s->is_there && term_has_reader())
        say("%s is there already (%s); nothing was added", s->there.name.id,
            dir_name(s->there.state));
}

static int dry_run(const struct call *c, struct job *job)
{
    struct queue q;
    struct err err = ERR_INIT;
    struct stored s = {.is_there = false};
    enum opened opened = open_to_read(c, &q);
    if (opened == OPEN_FAILED)
        return EXIT_FAILED;
    struct queue *there = opened == OPEN_DONE ? &q : NULL;
    int result = store_dry(there, job, option_on(c, "unique"), &s, &err);
    if (result == 0)
        say_there(&s);
    int code = result == 0 ? print_document(there, job, &s) : say_error(&err);
    stored_release(&s);
    if (there)
        queue_close(&q);
    return code;
}

static int answer(const struct call *c, struct queue *q, const struct job *job, struct stored *s)
{
    bool json = option_on(c, "json"), wait = option_on(c, "wait");
    say_there(s);
    if (!json)
        puts(job->id);
    else if (!wait)
        return print_stored(q, job, s);
    if (wait)
        return waiting_for_one(c, q, job->id, json);
    open_say_idle(c, q);
    return EXIT_DONE;
}

static int run_open(const struct call *c, struct queue *q, struct job *job)
{
    struct err err = ERR_INIT;
    struct stored s = {.is_there = false};
    if (store(q, job, option_on(c, "unique"), &s, &err) != 0)
        return say_error(&err);
    int code = answer(c, q, job, &s);
    stored_release(&s);
    return code;
}

static int run_job(const struct call *c, struct job *job)
{
    struct queue q;
    if (option_on(c, "unique") && !job->id[0]) {
        say("--unique needs an id: --id ID, or \"id\" in the document");
        return EXIT_USAGE;
    }
    if (option_on(c, "dry-run"))
        return dry_run(c, job);
    int code = open_to_enqueue(c, option_on(c, "wait"), &q);
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
        const char *file = file_of(c->args[0]);
        s->name = file ? enqueue_file_name(file) : NULL;
        code = read_document(c->args[0], &text);
    } else {
        buf_adds(&text, "{}");
    }
    if (code == EXIT_DONE)
        code = run_text(c, s, &text);
    buf_release(&text);
    return code;
}
