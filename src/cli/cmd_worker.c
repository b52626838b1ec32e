/* cmd_worker.c: start, run, stop and list pools of workers.
 *
 * `worker pool` and `worker serve` are how a pool and a worker are started by
 * exec; they are hidden, and nobody calls them by hand.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/sys.h"
#include "cli/commands.h"
#include "cli/open.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/say.h"
#include "cli/waiting.h"
#include "cli/worker_rows.h"
#include "queue/workers.h"
#include "worker/pool.h"
#include "worker/worker.h"

#define COUNT_MAX 10000
#define READY_FD 3
#define STOP_LOOK_MS 20
#define STOP_SAY_ROUND 8 /* what ends at once needs no word */

static int find_self(char *path, size_t size)
{
    if (sys_self_path(path, size) == 0)
        return 0;
    say("cannot find my own program file: %s", strerror(errno));
    return -1;
}

/* -- start --------------------------------------------------------------- */

/* "POOLPID WORKERPID ..." as people and scripts read it. */
static void print_pids(const char *pids)
{
    const char *workers = strchr(pids, ' ');
    printf("pool %.*s, workers%s\n", (int)(workers ? workers - pids : (int)strlen(pids)), pids,
           workers ? workers : "");
}

static void say_total(struct queue *q)
{
    struct workers_seen seen;
    if (workers_look(q, &seen, NULL) != 0)
        return;
    if (seen.pools > 1)
        say("%zu pools with %zu workers now", seen.pools, seen.workers);
    workers_release(&seen);
}

static bool a_pool_lives(struct queue *q)
{
    struct workers_seen seen;
    if (workers_look(q, &seen, NULL) != 0)
        return false;
    bool lives = seen.pools > 0;
    workers_release(&seen);
    return lives;
}

static int start_pool(struct queue *q, int count)
{
    char program[4096], *pids;
    struct err err = ERR_INIT;
    if (find_self(program, sizeof program) != 0)
        return EXIT_FAILED;
    if (pool_start(program, q->spool->path, count, &pids, &err) != 0)
        return say_error(&err);
    print_pids(pids);
    free(pids);
    say_total(q);
    return EXIT_DONE;
}

static int run_start(struct call *c)
{
    struct queue q;
    int64_t count = 0;
    if (option_int(c, "count", 1, COUNT_MAX, &count) != 0)
        return EXIT_USAGE;
    int code = open_to_write(c, &q);
    if (code != EXIT_DONE)
        return code;
    if (!option_on(c, "if-none") || !a_pool_lives(&q))
        code = start_pool(&q, (int)count);
    queue_close(&q);
    return code;
}

/* -- run ----------------------------------------------------------------- */

static int run_pool(const char *spool, int64_t count, bool drain, bool background)
{
    char program[4096];
    struct err err = ERR_INIT;
    if (find_self(program, sizeof program) != 0)
        return EXIT_FAILED;
    struct pool_options o = {.spool = spool,
                             .count = (int)count,
                             .drain = drain,
                             .on_terminal = !background && isatty(STDERR_FILENO),
                             .log_file = background,
                             .ready_fd = background ? READY_FD : -1,
                             .program = program};
    int status = pool_run(&o, &err);
    if (err.kind != ERR_NONE && background) { /* its stderr is the log */
        log_line(LOG_FATAL, "%s", err.text);
        return EXIT_FAILED;
    }
    return err.kind != ERR_NONE ? say_error(&err) : status;
}

static int run_run(struct call *c)
{
    struct queue q;
    int64_t count = 0;
    if (option_int(c, "count", 1, COUNT_MAX, &count) != 0)
        return EXIT_USAGE;
    int code = open_to_write(c, &q); /* makes the default spool */
    if (code != EXIT_DONE)
        return code;
    char *path = strdup(q.spool->path);
    queue_close(&q);
    if (!path)
        return say_no_memory();
    code = run_pool(path, count, option_on(c, "drain"), false);
    free(path);
    return code;
}

static int run_background_pool(struct call *c)
{
    int64_t count = 0;
    if (option_int(c, "count", 0, COUNT_MAX, &count) != 0)
        return EXIT_USAGE;
    return run_pool(c->spool, count, false, true);
}

static int run_serve(struct call *c)
{
    struct worker_options o = {.spool = c->spool,
                               .pool = option_value(c, "pool"),
                               .talk_fd = TALK_FD,
                               .board_fd = option_on(c, "board") ? BOARD_FD : -1,
                               .log_file = option_on(c, "log-file")};
    if (!o.pool) {
        say("worker serve is started by a pool");
        return EXIT_USAGE;
    }
    fcntl(TALK_FD, F_SETFD, FD_CLOEXEC); /* the talk is no business of the jobs */
    return worker_main(&o);
}

/* -- list ---------------------------------------------------------------- */

static int list_json(const struct workers_seen *seen)
{
    struct output_array a = OUTPUT_ARRAY_INIT;
    for (size_t i = 0; i < seen->count; i++) {
        struct buf item = BUF_INIT;
        if (seen->record[i].role != LIVE_WORKER)
            continue;
        worker_row_json(seen, &seen->record[i], &item);
        output_item(&a, &item);
        buf_release(&item);
    }
    output_end(&a);
    return EXIT_DONE;
}

static int run_list(struct call *c)
{
    struct queue q;
    struct workers_seen seen = {0};
    struct err err = ERR_INIT;
    enum opened opened = open_to_inspect(c, &q);
    if (opened == OPEN_FAILED)
        return EXIT_FAILED;
    int code = EXIT_DONE;
    if (opened == OPEN_DONE && workers_look(&q, &seen, &err) != 0)
        code = say_error(&err);
    else
        code = option_on(c, "json") ? list_json(&seen) : worker_rows_print(&seen, c->no_color);
    workers_release(&seen);
    if (opened == OPEN_DONE) {
        open_say_idle(c, &q);
        queue_close(&q);
    }
    return code;
}

/* -- stop ---------------------------------------------------------------- */

/* How many of those that lived when we asked live still; `asked` shrinks. */
static size_t count_left(struct queue *q, struct workers_seen *asked)
{
    size_t left = 0;
    for (size_t i = 0; i < asked->count; i++)
        if (live_is_alive(q->spool, asked->record[i].token))
            asked->record[left++] = asked->record[i];
    asked->count = left;
    return left;
}

static void say_awaited(const struct workers_seen *asked)
{
    struct buf jobs = BUF_INIT, pids = BUF_INIT;
    for (size_t i = 0; i < asked->count; i++) {
        char id[ID_MAX + 1];
        workers_job(&asked->record[i], id);
        if (id[0])
            buf_addf(&jobs, "%s%s", jobs.len ? ", " : "", id);
        buf_addf(&pids, " %lld", (long long)asked->record[i].pid);
    }
    if (jobs.len)
        say("waiting for %s to end", buf_str(&jobs));
    else
        say("waiting for the processes%s to leave", buf_str(&pids));
    buf_release(&jobs);
    buf_release(&pids);
}

/* The locks of the dying say when they are gone; a killed pool's workers leave by
 * themselves. */
static int await_all(struct queue *q, struct workers_seen *asked)
{
    waiting_catch();
    for (int round = 0; count_left(q, asked) > 0; round++) {
        if (waiting_interrupted) {
            say("they go on stopping");
            return EXIT_INTERRUPTED;
        }
        if (round == STOP_SAY_ROUND)
            say_awaited(asked);
        poll(NULL, 0, STOP_LOOK_MS);
    }
    return EXIT_DONE;
}

static int stop_all(struct queue *q, bool now)
{
    struct workers_seen asked;
    struct err err = ERR_INIT;
    size_t pools;
    if (workers_look(q, &asked, &err) != 0 || workers_ask_stop(q, now, &pools, &err) != 0)
        return say_error(&err);
    if (asked.count == 0) {
        say("no workers are running");
        return EXIT_DONE;
    }
    size_t workers = asked.workers;
    int code = await_all(q, &asked);
    if (code == EXIT_DONE)
        printf("%zu worker%s stopped\n", workers, workers == 1 ? "" : "s");
    workers_release(&asked);
    return code;
}

static int run_stop(struct call *c)
{
    struct queue q;
    enum opened opened = open_to_inspect(c, &q);
    if (opened == OPEN_NONE) {
        say("no workers are running");
        return EXIT_DONE;
    }
    if (opened == OPEN_FAILED)
        return EXIT_FAILED;
    int code = stop_all(&q, option_on(c, "now"));
    queue_close(&q);
    return code;
}

/* -- the rows ------------------------------------------------------------ */

static const struct option start_options[] = {
    {'n', "count", "N", "how many workers (default: the setting count)"},
    {0, "if-none", NULL, "do nothing if a pool lives already (for cron)"},
    {0}};

static const struct option run_options[] = {
    {'n', "count", "N", "how many workers (default: the setting count)"},
    {0, "drain", NULL, "leave when nothing is due, running or waiting for a retry"},
    {0}};

static const struct option stop_options[] = {
    {0, "now", NULL, "end the jobs that run and put them back, instead of letting them finish"},
    {0}};

static const struct option list_options[] = {{0, "json", NULL, "print a JSON array"}, {0}};

static const struct option pool_options[] = {{0, "count", "N", "workers; 0: the setting"}, {0}};

static const struct option serve_options[] = {{0, "pool", "TOKEN", "its pool"},
                                              {0, "log-file", NULL, "stderr is the log file"},
                                              {0, "board", NULL, "it shares the pool's board"},
                                              {0}};

static const struct command subs[] = {
    {.name = "start",
     .summary = "start a pool of workers in the background",
     .details = "Returns when they are ready, and prints their process ids.  They keep the current\n"
                "directory and log to SPOOL/worker.log.  A second start adds a second pool.",
     .examples = "queuectl worker start --count 4\nqueuectl worker start --if-none\n",
     .options = start_options,
     .exec = run_start},
    {.name = "run",
     .summary = "the same in the foreground, logging to stderr",
     .details = "Ctrl+C (or TERM) lets the jobs finish; a second one ends them and puts them back.\n"
                "With --drain the exit code is 1 if a job died meanwhile.",
     .examples = "queuectl worker run --count 2\nqueuectl worker run --drain && echo all done\n",
     .options = run_options,
     .exec = run_run},
    {.name = "stop",
     .summary = "stop all workers; their jobs finish first",
     .details = "Returns when all are gone, naming the jobs it waits for.",
     .examples = "queuectl worker stop\nqueuectl worker stop --now\n",
     .options = stop_options,
     .exec = run_stop},
    {.name = "list",
     .summary = "the workers that live, and what they run",
     .examples = "queuectl worker list --json\n",
     .options = list_options,
     .exec = run_list},
    {.name = "pool",
     .hidden = true,
     .summary = "a pool in the background (started by worker start)",
     .options = pool_options,
     .exec = run_background_pool},
    {.name = "serve",
     .hidden = true,
     .summary = "one worker (started by its pool)",
     .options = serve_options,
     .exec = run_serve},
    {0}};

const struct command cmd_worker = {
    .name = "worker",
    .alias = "workers",
    .summary = "start, stop and list the workers that run the jobs",
    .subs = subs,
};
