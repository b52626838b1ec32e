/* cmd_enqueue.c: a job from JSON, a file, stdin, flags, or a program's words.
 * Many at once are in enqueue_batch.c. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "cli/commands.h"
#include "cli/enqueue.h"
#include "cli/jobflags.h"
#include "cli/open.h"
#include "cli/options.h"
#include "cli/say.h"
#include "cli/waiting.h"

/* --- where the document comes from ---------------------------------------- */

int enqueue_read(const char *file, size_t max, struct buf *out)
{
    bool is_stdin = strcmp(file, "-") == 0;
    int fd = is_stdin ? STDIN_FILENO : io_open(AT_FDCWD, file, O_RDONLY, 0);
    int result = fd < 0 ? -1 : io_read_fd(fd, out, max);
    if (result != 0 && errno == EFBIG)
        say("%s: over %zu MiB", is_stdin ? "stdin" : file, max >> 20);
    else if (result != 0)
        say("%s: %s", is_stdin ? "stdin" : file, strerror(errno));
    if (fd > STDIN_FILENO)
        close(fd);
    return result;
}

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

/* --- from text and flags to a job ----------------------------------------- */

static int parse_with_flags(const struct call *c, const char *text, size_t n, struct job *job,
                            struct err *err)
{
    struct json_doc *doc = json_parse(text, n, NULL, err);
    if (!doc)
        return -1;
    jobflags_apply(c, JOBFLAGS_ENQUEUE, doc);
    struct buf merged = BUF_INIT;
    int result = json_print(doc, &merged);
    if (result != 0)
        err_set(err, ERR_SYSTEM, "out of memory");
    else
        result = job_parse(job, merged.data, merged.len, NULL, err);
    buf_release(&merged);
    json_free(doc);
    return result;
}

int enqueue_make(const struct call *c, const struct enqueue_source *s, const char *text, size_t n,
                 struct job *job, struct err *err)
{
    int result = s->flags ? parse_with_flags(c, text, n, job, err)
                          : job_parse(job, text, n, NULL, err);
    if (result != 0)
        return -1;
    if (!job->cwd && job_set(job, "cwd", s->cwd, err) != 0) {
        job_release(job);
        return -1;
    }
    return 0;
}

/* --- one job -------------------------------------------------------------- */

/* --dry-run where there is no spool yet: by the default settings. */
static int dry_without_spool(struct job *job, struct err *err)
{
    struct settings settings;
    char id[ID_MAX + 1];
    int64_t now = clock_wall_us();
    settings_init(&settings);
    if (job->id[0])
        snprintf(id, sizeof id, "%s", job->id);
    else
        name_new_id(NULL, now, id);
    return job_accept(job, id, &settings, now, false, err);
}

int enqueue_print(const struct job *job)
{
    struct buf text = BUF_INIT;
    int result = job_print(job, &text);
    if (result == 0)
        fwrite(text.data, 1, text.len, stdout);
    else
        say_no_memory();
    buf_release(&text);
    return result == 0 ? EXIT_DONE : EXIT_FAILED;
}

int enqueue_dry_run(struct queue *q, struct job *jobs, size_t n, size_t *bad, struct err *err)
{
    for (*bad = 0; *bad < n; ++*bad)
        if ((q ? enqueue_dry(q, &jobs[*bad], err) : dry_without_spool(&jobs[*bad], err)) != 0)
            return -1;
    return 0;
}

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

static int enqueue_open(const struct call *c, struct queue *q, struct job *job)
{
    struct err err = ERR_INIT;
    if (enqueue_job(q, job, &err) != 0)
        return say_error(&err);
    bool json = option_on(c, "json");
    bool wait = option_on(c, "wait");
    if (!json)
        puts(job->id);
    else if (!wait)
        return enqueue_print(job);
    open_say_idle(c, q);
    return wait ? waiting_for_one(q, job->id, json) : EXIT_DONE;
}

static int enqueue_one(const struct call *c, const struct enqueue_source *s, const char *text,
                       size_t n)
{
    struct job job;
    struct err err = ERR_INIT;
    if (enqueue_make(c, s, text, n, &job, &err) != 0)
        return say_error_of(&err, s->name);
    struct queue q;
    int code;
    if (option_on(c, "dry-run")) {
        code = dry_run(c, &job);
    } else if ((code = open_to_write(c, &q)) == EXIT_DONE) {
        code = enqueue_open(c, &q, &job);
        queue_close(&q);
    }
    job_release(&job);
    return code;
}

static const char *source_name(const char *arg)
{
    return strcmp(arg, "-") == 0 ? "stdin" : arg[0] == '@' ? arg + 1 : NULL;
}

static int run_single(const struct call *c, struct enqueue_source *s)
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
        code = text.failed ? say_no_memory() : enqueue_one(c, s, buf_str(&text), text.len);
    buf_release(&text);
    return code;
}

/* --- the words of the call ------------------------------------------------ */

static int check_call(const struct call *c)
{
    bool batch = option_on(c, "batch");
    if (c->arg_count > 1)
        say("too many arguments; for a program: queuectl enqueue -- PROGRAM ARG...");
    else if (batch && (c->arg_count > 0 || c->has_program))
        say("--batch reads its jobs from a file; nothing else can be given");
    else if (batch && option_on(c, "id"))
        say("--id: the jobs of a batch each have their own");
    else if (!batch && option_on(c, "skip-bad"))
        say("--skip-bad is for --batch");
    else if (option_on(c, "dry-run") && option_on(c, "wait"))
        say("--dry-run and --wait exclude each other");
    else if (!batch && c->arg_count == 0 && !c->has_program && !option_on(c, "command"))
        say("nothing to enqueue; for a command: queuectl enqueue --command 'echo hi'");
    else
        return 0;
    return -1;
}

static int run(struct call *c)
{
    struct enqueue_source s = {.flags = jobflags_given(c)};
    if (check_call(c) != 0 || (s.flags && jobflags_check(c) != 0))
        return EXIT_USAGE;
    struct buf cwd = BUF_INIT;
    int code = EXIT_FAILED;
    if (option_on(c, "cwd") || jobflags_current_dir(&cwd) == 0) {
        s.cwd = buf_str(&cwd);
        s.name = option_value(c, "batch");
        code = s.name ? enqueue_batch(c, &s) : run_single(c, &s);
    }
    buf_release(&cwd);
    return code;
}

static const struct option options[] = {
    {0, "id", "ID", "its id, of A-Z a-z 0-9 . _ -; made up where none is given"},
    JOBFLAGS_OPTIONS,
    {0, "batch", "FILE", "one JSON document a line, - for stdin: all of them or none"},
    {0, "skip-bad", NULL, "with --batch: leave bad lines out (exit 1), enqueue the others"},
    {0, "dry-run", NULL, "print what would be stored, and store nothing"},
    {0, "wait", NULL, "wait until it has ended; the exit code is its own"},
    {0, "json", NULL, "print the document instead of the id"},
    {0, NULL, NULL, NULL},
};

const struct command cmd_enqueue = {
    .name = "enqueue",
    .args = "['{JSON}' | @FILE | -] [-- PROGRAM ARG...]",
    .max_args = -1,
    .takes_program = true,
    .summary = "put a job into the queue",
    .details =
        "Prints its id when it is stored safely. A flag wins over the member of the\n"
        "document. Words behind -- run without a shell. With --wait: 0 done, else the\n"
        "last run's code, 128+N for signal N, 124 timed out, 130 cancelled.",
    .examples = "queuectl enqueue --command 'echo hi'\n"
                "queuectl enqueue '{\"id\":\"report\",\"command\":\"make\",\"timeout\":\"5m\"}'\n"
                "queuectl enqueue @job.json --priority high --delay 10m\n"
                "queuectl enqueue -- convert in.png out.jpg\n"
                "queuectl enqueue --batch jobs.jsonl\n",
    .options = options,
    .exec = run,
};
