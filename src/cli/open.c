/* open.c: see open.h. */
#include "cli/open.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cli/say.h"
#include "cli/term.h"
#include "queue/verbs.h"
#include "queue/workers.h"

static int open_queue(const struct call *c, struct queue *q, enum queue_use use, struct err *err)
{
    *err = (struct err)ERR_INIT;
    if (queue_open(q, c->spool, use, err) != 0)
        return -1;
    if (q->settings_err.kind != ERR_NONE)
        say("warning: %s", q->settings_err.text);
    return 0;
}

int open_to_write(const struct call *c, struct queue *q)
{
    struct err err;
    return open_queue(c, q, QUEUE_WRITE, &err) == 0 ? EXIT_DONE : say_error(&err);
}

/* As many as may be: each drop that is waited for keeps one open. */
static void allow_files(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return;
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
}

int open_to_enqueue(const struct call *c, bool wait, struct queue *q)
{
    struct err err;
    if (open_queue(c, q, QUEUE_ENQUEUE, &err) != 0)
        return say_error(&err);
    if (wait && spool_is_member(q->spool)) {
        q->drops_kept = SIZE_MAX;
        allow_files();
    }
    return EXIT_DONE;
}

int open_to_configure(const struct call *c, struct queue *q)
{
    struct err err;
    return open_queue(c, q, QUEUE_CONFIGURE, &err) == 0 ? EXIT_DONE : say_error(&err);
}

static enum opened open_to_look(const struct call *c, struct queue *q, enum queue_use use)
{
    struct err err;
    if (open_queue(c, q, use, &err) == 0)
        return OPEN_DONE;
    say_error(&err);
    return err.kind == ERR_UNKNOWN ? OPEN_NONE : OPEN_FAILED;
}

enum opened open_to_read(const struct call *c, struct queue *q)
{
    return open_to_look(c, q, QUEUE_READ);
}

enum opened open_to_inspect(const struct call *c, struct queue *q)
{
    return open_to_look(c, q, QUEUE_READ_ALL);
}

int open_to_find(const struct call *c, struct queue *q)
{
    struct err err;
    return open_queue(c, q, QUEUE_READ, &err) == 0 ? EXIT_DONE : say_error(&err);
}

void open_show_path(const char *path, struct buf *out)
{
    char *here = getcwd(NULL, 0);
    size_t n = here ? strlen(here) : 0;
    bool below = n > 1 && strncmp(path, here, n) == 0 && path[n] == '/';
    buf_addf(out, "%s%s", below ? "." : "", below ? path + n : path);
    free(here);
}

void open_say_closed(const struct queue *q)
{
    char owner[TRUST_NAME_MAX + 1];
    if (!spool_hides_jobs(q->spool))
        return;
    trust_user_name(q->spool->owner, owner);
    say("closed to you: what runs or waits for a retry is not shown; the spool belongs to %s",
        owner);
}

static void say_no_workers(const struct call *c, const struct queue *q)
{
    struct buf path = BUF_INIT, option = BUF_INIT;
    open_show_path(q->spool->path, &path);
    if (c->spool) {
        buf_adds(&option, " --spool ");
        say_add_word(&option, c->spool);
    }
    say("no workers on %s; start some: queuectl%s worker start", buf_str(&path), buf_str(&option));
    buf_release(&path);
    buf_release(&option);
}

void open_say_stuck(const struct call *c, struct queue *q)
{
    int64_t paused = verb_paused_since(q);
    if (paused >= 0) {
        char since[TERM_TIME_LEN];
        term_time_short(paused, since);
        say("paused since %s; go on with: queuectl resume", since);
        return;
    }
    enum spool_room room = spool_room(q->spool);
    if (room != SPOOL_ROOM)
        say("the %s: nothing is started until there is room",
            room == SPOOL_FULL ? "disk is full" : "file system is read-only");
    struct workers_seen seen;
    if (spool_is_closed(q->spool, DIR_WORKERS) || workers_look(q, &seen, NULL) != 0)
        return;
    if (seen.workers == 0)
        say_no_workers(c, q);
    workers_release(&seen);
}

void open_say_idle(const struct call *c, struct queue *q)
{
    if (term_has_reader())
        open_say_stuck(c, q);
}
