/* cmd_logs.c: what a job wrote.
 *
 * A run that goes on is read from its worker's own file.  A worker uses that file
 * again when a run wrote nothing, so bytes that appear in it count only if the
 * run still lies in processing/ after they were read; else the run is over, and
 * what it wrote has the run's own name.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "cli/commands.h"
#include "cli/open.h"
#include "cli/options.h"
#include "cli/say.h"
#include "cli/tail.h"
#include "cli/term.h"
#include "cli/waiting.h"
#include "queue/find.h"
#include "queue/logs.h"

#define CHUNK 65536
#define FOLLOW_MS 100

struct stream {
    enum logs_stream which;
    int to;
    int fd;     /* -1: none (yet) */
    bool live;  /* it is a worker's own file ... */
    bool sure;  /* ... and holds this run's output */
    off_t at;
};

struct reading {
    struct queue *q;
    const char *id;
    int run;
    char file[FILE_NAME_MAX + 1]; /* in processing/, "" when the run is over */
    int64_t tail;                 /* lines; < 0: all */
    struct stream stream[2];
    size_t streams;
    bool any;    /* something was printed */
    bool failed;
};

static bool run_lives(const struct reading *r)
{
    return r->file[0] && find_still(r->q, DIR_PROCESSING, r->file);
}

/* --- one stream of one run ------------------------------------------------------------ */

static void stream_close(struct stream *s)
{
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}

static void stream_open(struct reading *r, struct stream *s)
{
    bool live = false;
    stream_close(s);
    s->fd = logs_open(r->q, r->id, r->run, s->which, &live);
    s->live = live;
    s->sure = !live;
    s->at = 0;
    if (s->fd < 0 && errno != ENOENT) {
        say("%s: cannot read the log of run %d: %s", r->id, r->run, strerror(errno));
        r->failed = true;
    }
    if (live && !run_lives(r))
        stream_close(s); /* somebody else's, or a later run's */
    if (s->fd >= 0 && r->tail >= 0)
        s->at = tail_offset(s->fd, r->tail);
}

static ssize_t read_some(struct stream *s, char *bytes)
{
    struct stat st;
    /* A log that grew too long has been cut back. */
    if (fstat(s->fd, &st) == 0 && st.st_size < s->at)
        s->at = st.st_size;
    return pread(s->fd, bytes, CHUNK, s->at);
}

static int print_bytes(struct reading *r, const struct stream *s, const char *bytes, size_t n)
{
    bool good = s->to == STDOUT_FILENO ? fwrite(bytes, 1, n, stdout) == n
                                       : io_write_all(s->to, bytes, n) == 0;
    r->any = true;
    r->failed = r->failed || !good;
    return good ? 0 : -1;
}

/* Print what is there now. */
static void stream_pump(struct reading *r, struct stream *s)
{
    char bytes[CHUNK];
    ssize_t n;
    while (s->fd >= 0 && (n = read_some(s, bytes)) > 0) {
        if (!s->sure && !run_lives(r)) {
            stream_open(r, s);
            continue;
        }
        s->sure = true;
        s->at += n;
        if (print_bytes(r, s, bytes, (size_t)n) != 0)
            return;
    }
}

/* --- one run ------------------------------------------------------------------------------ */

static void pump_all(struct reading *r)
{
    for (size_t i = 0; i < r->streams; i++) {
        stream_pump(r, &r->stream[i]);
        fflush(stdout); /* before the other stream, which is not buffered */
    }
}

static void print_run(struct reading *r, int run, const char *file, bool follow)
{
    r->run = run;
    snprintf(r->file, sizeof r->file, "%s", file);
    for (size_t i = 0; i < r->streams; i++)
        stream_open(r, &r->stream[i]);
    while (follow && !r->failed && !waiting_interrupted && run_lives(r)) {
        pump_all(r);
        poll(NULL, 0, FOLLOW_MS);
    }
    /* The run may have ended since it was last read. */
    pump_all(r);
    for (size_t i = 0; i < r->streams; i++)
        stream_close(&r->stream[i]);
    r->tail = -1; /* only of the first */
}

/* --- which run ------------------------------------------------------------------------------ */

/* The run that goes on; 0: none does. (Its result may stand in the document just
 * before the file moves on.) */
static int running(const struct found *f)
{
    enum fate fate;
    int64_t next;
    if (f->state != DIR_PROCESSING)
        return 0;
    if (f->job.doc && job_has_result(&f->job, f->name.time_us, f->name.attempts, f->name.token,
                                     &fate, &next))
        return f->job.runs;
    return f->job.runs + 1;
}

static int last_run(const struct found *f)
{
    return running(f) ? running(f) : f->job.runs;
}

static int check_run(const struct found *f, int run)
{
    if (run > last_run(f))
        say("%s has had %d runs", f->name.id, last_run(f));
    else if (run <= f->job.runs - JOB_HISTORY_MAX)
        say("%s: the logs of run %d are gone; the last %d are kept", f->name.id, run,
            JOB_HISTORY_MAX);
    else
        return 0;
    return -1;
}

static int print_once(struct reading *r, const struct found *f, int64_t wanted)
{
    int run = wanted ? (int)wanted : last_run(f);
    if (run == 0) {
        say("%s has not run yet", r->id);
        return EXIT_DONE;
    }
    if (check_run(f, run) != 0)
        return EXIT_FAILED;
    print_run(r, run, run == running(f) ? f->file : "", false);
    if (!r->any && !r->failed && term_has_reader())
        say("run %d of %s has written nothing", run, r->id);
    return r->failed ? EXIT_FAILED : EXIT_DONE;
}

/* --- --follow ---------------------------------------------------------------------------------- */

/* Print the runs after *seen, the one that goes on until its end. */
static void follow_runs(struct reading *r, const struct found *f, int *seen)
{
    int now = running(f);
    while (*seen < last_run(f) && !r->failed && !waiting_interrupted) {
        ++*seen;
        print_run(r, *seen, *seen == now ? f->file : "", true);
    }
}

/* 1 look again, 0 the job has ended, -1 trouble. */
static int follow_step(struct reading *r, int *seen)
{
    struct found f;
    struct err err = ERR_INIT;
    if (find_job(r->q, r->id, &f, &err) != 0) {
        say_error(&err);
        return -1;
    }
    if (*seen < 0)
        *seen = last_run(&f) > 0 ? last_run(&f) - 1 : 0;
    follow_runs(r, &f, seen);
    bool ended = f.state == DIR_DONE || f.state == DIR_DEAD;
    while (!ended && !r->failed && !waiting_interrupted && find_still(r->q, f.state, f.file))
        poll(NULL, 0, FOLLOW_MS);
    found_release(&f);
    return ended ? 0 : 1;
}

static int follow(struct reading *r)
{
    int seen = -1;
    int more;
    waiting_catch();
    do
        more = follow_step(r, &seen);
    while (more > 0 && !r->failed && !waiting_interrupted);
    if (waiting_interrupted)
        return EXIT_INTERRUPTED;
    return more < 0 || r->failed ? EXIT_FAILED : EXIT_DONE;
}

/* --- the command ---------------------------------------------------------------------------------- */

static int print_logs(const struct call *c, struct reading *r, int64_t run)
{
    struct found f;
    struct err err = ERR_INIT;
    if (option_on(c, "follow"))
        return follow(r);
    if (find_job(r->q, r->id, &f, &err) != 0)
        return say_error(&err);
    int code = print_once(r, &f, run);
    found_release(&f);
    return code;
}

static void choose_streams(const struct call *c, struct reading *r)
{
    bool one = option_on(c, "stdout") || option_on(c, "stderr");
    if (!option_on(c, "stderr"))
        r->stream[r->streams++] = (struct stream){.which = LOGS_OUT, .to = STDOUT_FILENO, .fd = -1};
    if (!option_on(c, "stdout"))
        r->stream[r->streams++] = (struct stream){
            .which = LOGS_ERR, .to = one ? STDOUT_FILENO : STDERR_FILENO, .fd = -1};
}

static int check_call(const struct call *c, int64_t *run, int64_t *tail)
{
    if (option_int(c, "run", 1, INT32_MAX, run) != 0 ||
        option_int(c, "tail", 0, INT32_MAX, tail) != 0)
        return -1;
    if (option_on(c, "stdout") && option_on(c, "stderr"))
        say("logs: --stdout and --stderr exclude each other; without them both are printed");
    else if (option_on(c, "run") && option_on(c, "follow"))
        say("logs: --run and --follow exclude each other");
    else
        return 0;
    return -1;
}

static int run(struct call *c)
{
    struct queue q;
    struct reading r = {.q = &q, .id = c->args[0], .tail = -1};
    int64_t number = 0;
    if (check_call(c, &number, &r.tail) != 0)
        return EXIT_USAGE;
    choose_streams(c, &r);
    int code = open_to_find(c, &q);
    if (code != EXIT_DONE)
        return code;
    code = print_logs(c, &r, number);
    queue_close(&q);
    if (r.any)
        term_reset();
    return code;
}

static const struct option options[] = {
    {0, "stdout", NULL, "only what it wrote to stdout"},
    {0, "stderr", NULL, "only what it wrote to stderr, on stdout"},
    {0, "run", "N", "of run N instead of the last (see show)"},
    {'n', "tail", "N", "only the last N lines"},
    {'f', "follow", NULL, "go on printing until the job has ended, retries included"},
    {0, NULL, NULL, NULL},
};

const struct command cmd_logs = {
    .name = "logs",
    .alias = "log",
    .args = "ID",
    .min_args = 1,
    .max_args = 1,
    .summary = "what the last run of a job wrote",
    .details = "Its stdout goes to stdout, its stderr to stderr. The last 20 runs are kept.",
    .examples = "queuectl logs report-42\nqueuectl logs report-42 --stderr --tail 20\n"
                "queuectl logs -f report-42\n",
    .options = options,
    .exec = run,
};
