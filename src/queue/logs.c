/* logs.c: names and places of what jobs wrote.
 *
 * A worker's own files (.TOKEN.out, .TOKEN.err) start with a dot and belong to
 * the run that goes on; at its end they take the run's name, unless it wrote
 * nothing: then they are used again, and such a stream costs no file.
 */
#include "queue/logs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/num.h"
#include "base/sys.h"
#include "base/text.h"
#include "queue/claim.h"
#include "queue/find.h"
#include "queue/quarantine.h"
#include "spool/file.h"
#include "spool/scan.h"

static const char *const suffixes[] = {[LOGS_OUT] = "out", [LOGS_ERR] = "err"};

void logs_name(const char *id, int run, enum logs_stream stream, char out[FILE_NAME_MAX + 1])
{
    snprintf(out, FILE_NAME_MAX + 1, "%s.r%d.%s", id, run, suffixes[stream]);
}

void logs_worker_name(const char *token, enum logs_stream stream, char out[FILE_NAME_MAX + 1])
{
    struct text t = text_in(out, FILE_NAME_MAX + 1);
    text_addc(&t, '.');
    text_adds(&t, token);
    text_addc(&t, '.');
    text_adds(&t, suffixes[stream]);
}

static int open_log(struct queue *q, const char *file)
{
    if (spool_is_closed(q->spool, DIR_LOGS)) {
        errno = EACCES;
        return -1;
    }
    return io_open_file(q->spool->dir[DIR_LOGS], file, O_RDONLY | O_NONBLOCK, 0);
}

int logs_open(struct queue *q, const char *id, int run, enum logs_stream stream, bool *live)
{
    char file[FILE_NAME_MAX + 1], place[FILE_NAME_MAX + 1];
    enum dir state;
    struct name n;
    logs_name(id, run, stream, file);
    *live = false;
    int fd = open_log(q, file);
    if (fd >= 0 || errno != ENOENT)
        return fd;
    if (scan_find(q->spool, id, &state, place) == 1 && state == DIR_PROCESSING &&
        name_parse(state, place, &n)) {
        logs_worker_name(n.token, stream, file);
        fd = open_log(q, file);
        *live = fd >= 0;
        if (fd >= 0)
            return fd;
    }
    /* It may have ended between the two looks. */
    logs_name(id, run, stream, file);
    return open_log(q, file);
}

/* -1 errno: one could not be removed.  A folder of that name is nobody's log. */
static int drop(struct queue *q, const char *id, int run)
{
    char file[FILE_NAME_MAX + 1];
    int why = 0;
    for (int s = LOGS_OUT; s <= LOGS_ERR && run > 0; s++) {
        logs_name(id, run, (enum logs_stream)s, file);
        if (file_remove(q->spool, DIR_LOGS, file) != 0 && errno != ENOENT && errno != EISDIR)
            why = errno;
    }
    errno = why ? why : errno;
    return why ? -1 : 0;
}

/* Over what an interrupted finish of this very run left; a folder of that name
 * is nobody's log. */
static int take_name(struct queue *q, const char *from, const char *to, struct claim *c)
{
    if (file_replace(q->spool, DIR_LOGS, from, DIR_LOGS, to) == 0)
        return 0;
    if (errno != EISDIR || quarantine_namesake(q, DIR_LOGS, to, c) != 0)
        return -1;
    return file_replace(q->spool, DIR_LOGS, from, DIR_LOGS, to);
}

int logs_keep(struct queue *q, struct claim *c, bool *renamed)
{
    int run = c->job.runs;
    for (int s = LOGS_OUT; s <= LOGS_ERR && !c->silent; s++) {
        char from[FILE_NAME_MAX + 1], to[FILE_NAME_MAX + 1];
        struct stat st;
        logs_worker_name(c->name.token, (enum logs_stream)s, from);
        bool there = fstatat(q->spool->dir[DIR_LOGS], from, &st, AT_SYMLINK_NOFOLLOW) == 0;
        if (!there && errno != ENOENT)
            return -1;
        if (!there || st.st_size == 0)
            continue;
        logs_name(c->name.id, run, (enum logs_stream)s, to);
        if (take_name(q, from, to, c) != 0)
            return -1;
        *renamed = true;
    }
    drop(q, c->name.id, run - JOB_HISTORY_MAX);
    return 0;
}

int logs_sweep(struct queue *q, const char *token)
{
    char file[FILE_NAME_MAX + 1];
    int r = 0;
    for (int s = LOGS_OUT; s <= LOGS_ERR; s++) {
        logs_worker_name(token, (enum logs_stream)s, file);
        if (file_remove(q->spool, DIR_LOGS, file) != 0 && errno != ENOENT)
            r = -1;
    }
    return r;
}

void logs_forget(struct queue *q, const char *id)
{
    for (int run = 1; run <= JOB_HISTORY_MAX; run++)
        drop(q, id, run);
}

struct removal {
    struct queue *q;
    const char *id;
    size_t len;
};

/* ID.rN.out or ID.rN.err, of just this id. */
static int remove_if_its(const char *file, void *arg)
{
    struct removal *r = arg;
    int64_t run;
    if (strncmp(file, r->id, r->len) != 0 || strncmp(file + r->len, ".r", 2) != 0)
        return 0;
    const char *number = file + r->len + 2, *dot = strchr(number, '.');
    if (!dot || !num_parse_n(number, (size_t)(dot - number), 1, INT32_MAX, &run) ||
        (strcmp(dot + 1, "out") != 0 && strcmp(dot + 1, "err") != 0))
        return 0;
    bool good = file_remove(r->q->spool, DIR_LOGS, file) == 0 || errno == ENOENT ||
                errno == EISDIR; /* no log, whatever its name */
    return good ? 0 : -1;
}

static int remove_by_scan(struct queue *q, const char *id)
{
    struct removal r = {q, id, strlen(id)};
    return scan_dir(q->spool, DIR_LOGS, remove_if_its, &r);
}

static int remove_by_name(struct queue *q, const char *id, int runs)
{
    /* One more than was recorded: a run that was lost may have left its log. */
    for (int run = runs + 1; run > 0 && run > runs - JOB_HISTORY_MAX; run--)
        if (drop(q, id, run) != 0)
            return -1;
    return 0;
}

int logs_remove(struct queue *q, const char *id, int runs, struct err *err)
{
    int r = runs < 0 ? remove_by_scan(q, id) : remove_by_name(q, id, runs);
    return r == 0 ? 0 : file_error(err, "remove the logs of", id, "unlink in", DIR_LOGS, "");
}
