/* waiting.c: see waiting.h. */
#include "cli/waiting.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli/open.h"
#include "cli/output.h"
#include "cli/say.h"
#include "queue/drop.h"
#include "queue/find.h"
#include "queue/wait.h"

volatile int waiting_interrupted;

static void interrupt(int sig)
{
    (void)sig;
    waiting_interrupted = 1;
}

void waiting_catch(void)
{
    /* Without SA_RESTART: a poll(2) under way returns. */
    struct sigaction action = {.sa_handler = interrupt};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
}

/* Of a drop that was refused: the report. */
static int find_ended(struct queue *q, const char *id, struct found *f, struct err *err)
{
    char report[ID_MAX + 1];
    return find_job(q, drop_refused(q, id, report) ? report : id, f, err);
}

static void say_if_dead(struct queue *q, const char *id)
{
    struct found f;
    if (find_ended(q, id, &f, NULL) != 0)
        return;
    if (f.state == DIR_DEAD)
        say("%s %s: %s", id, f.job.is_report ? "was refused" : "is dead",
            f.job.last_error ? f.job.last_error : "no reason given");
    found_release(&f);
}

static void say_dead(struct queue *q, const char *const *ids, size_t n)
{
    for (size_t i = 0; i < n; i++)
        say_if_dead(q, ids[i]);
    if (n == 0)
        say("not all were done; see queuectl dlq list");
}

/* One that is unknown ends the wait; what is known of the others is said too. */
static int say_failed(struct queue *q, const char *const *ids, size_t n, const struct err *failed)
{
    bool any = false;
    for (size_t i = 0; i < n && failed->kind == ERR_UNKNOWN; i++) {
        struct err err = ERR_INIT;
        int r = wait_look(q, ids[i], &err);
        any |= r < 0;
        if (r < 0)
            say_error(&err);
        else if (r > 0)
            say_if_dead(q, ids[i]);
    }
    return any ? EXIT_FAILED : say_error(failed);
}

struct waiter {
    const struct call *c;
    struct queue *q;
};

static void say_stuck(void *arg)
{
    const struct waiter *w = arg;
    open_say_stuck(w->c, w->q);
}

int waiting_for(const struct call *c, struct queue *q, const char *const *ids, size_t n,
                int64_t timeout_ms)
{
    static const int codes[] = {
        [WAIT_DONE] = EXIT_DONE,
        [WAIT_DEAD] = EXIT_FAILED,
        [WAIT_TIMEOUT] = EXIT_TIMEOUT,
        [WAIT_INTERRUPTED] = EXIT_INTERRUPTED,
    };
    struct err err = ERR_INIT;
    enum wait_end end = WAIT_INTERRUPTED;
    struct waiter waiter = {c, q};
    const struct wait_how how = {timeout_ms, &waiting_interrupted, say_stuck, &waiter};
    waiting_catch(); /* before the ids are out: whoever reads them may interrupt */
    fflush(stdout);
    if (wait_jobs(q, ids, n, &how, &end, &err) != 0)
        return say_failed(q, ids, n, &err);
    if (end == WAIT_DEAD)
        say_dead(q, ids, n);
    else if (end == WAIT_TIMEOUT)
        say("timed out; the jobs go on");
    return codes[end];
}

static int print_ended(struct queue *q, const char *id, struct output_array *array)
{
    struct found f;
    struct err err = ERR_INIT;
    struct buf text = BUF_INIT;
    if (wait_look(q, id, &err) <= 0 || find_ended(q, id, &f, NULL) != 0)
        return EXIT_DONE; /* that it is gone, or not there yet, has been said */
    int result = find_json(q, &f, &text, &err);
    if (result == 0)
        output_item(array, &text);
    buf_release(&text);
    found_release(&f);
    return result == 0 ? EXIT_DONE : say_error(&err);
}

int waiting_print(struct queue *q, const char *const *ids, size_t n)
{
    struct output_array array = OUTPUT_ARRAY_INIT;
    int code = EXIT_DONE;
    for (size_t i = 0; i < n && code == EXIT_DONE; i++)
        code = print_ended(q, ids[i], &array);
    output_end(&array);
    return code;
}

/* --- the code of one job's last run --------------------------------------- */

static int signal_of(const struct job *job)
{
    cJSON *value = job->doc ? json_value(job->doc, "signal") : NULL;
    int number = cJSON_IsNumber(value) ? value->valueint : 0;
    cJSON_Delete(value);
    return number > 0 && number < 128 ? number : 0;
}

static bool begins(const char *text, const char *with)
{
    return text && strncmp(text, with, strlen(with)) == 0;
}

static int code_of(const struct found *f)
{
    const struct job *job = &f->job;
    if (f->state == DIR_DONE)
        return EXIT_DONE;
    /* These two are written by the queue; a job's own line stands behind "exit N: ". */
    if (begins(job->last_error, "cancelled"))
        return EXIT_INTERRUPTED;
    if (begins(job->last_error, "timed out"))
        return EXIT_TIMEOUT;
    if (signal_of(job))
        return 128 + signal_of(job);
    return job->exit_code > 0 ? job->exit_code : EXIT_FAILED;
}

int waiting_for_one(const struct call *c, struct queue *q, const char *id, bool json)
{
    struct err err = ERR_INIT;
    struct found f;
    int code = waiting_for(c, q, &id, 1, -1);
    if (code != EXIT_DONE && code != EXIT_FAILED)
        return code;
    if (find_ended(q, id, &f, &err) != 0) /* a failure has been said already */
        return code == EXIT_FAILED ? code : say_error(&err);
    struct buf text = BUF_INIT;
    if (json && find_json(q, &f, &text, &err) == 0)
        output_text(&text);
    else if (json)
        say_error(&err);
    code = code_of(&f);
    buf_release(&text);
    found_release(&f);
    return code;
}
