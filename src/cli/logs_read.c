/* logs_read.c: what one run wrote.
 *
 * A run that goes on is read from its worker's own file.  A worker uses that file
 * again when a run wrote nothing, so bytes that appear in it count only if the
 * run still lies in processing/ after they were read; else the run is over, and
 * what it wrote has the run's own name.
 */
#include "cli/logs_read.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "cli/say.h"
#include "cli/tail.h"
#include "cli/waiting.h"

#define CHUNK 65536

static bool run_lives(const struct logs_reading *r)
{
    return r->file[0] && find_still(r->q, DIR_PROCESSING, r->file);
}

/* --- one stream of one run ------------------------------------------------ */

static void stream_close(struct logs_source *s)
{
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}

static void stream_open(struct logs_reading *r, struct logs_source *s)
{
    bool live = false;
    stream_close(s);
    s->fd = logs_open(r->q, r->id, r->run, s->which, &live);
    s->sure = !live;
    s->at = 0;
    if (s->fd < 0 && errno != ENOENT) {
        say("%s: cannot read the log of run %d: %s", r->id, r->run,
            errno == EINVAL ? "it is no regular file" : strerror(errno));
        r->failed = true;
    }
    if (live && !run_lives(r))
        stream_close(s); /* somebody else's, or a later run's */
    if (s->fd >= 0 && r->tail >= 0)
        s->at = tail_offset(s->fd, r->tail);
}

static ssize_t read_some(struct logs_source *s, char *bytes)
{
    struct stat st;
    /* A log that grew too long has been cut back. */
    if (fstat(s->fd, &st) == 0 && st.st_size < s->at)
        s->at = st.st_size;
    return pread(s->fd, bytes, CHUNK, s->at);
}

static int print_bytes(struct logs_reading *r, const struct logs_source *s, const char *bytes,
                       size_t n)
{
    bool good = s->to == STDOUT_FILENO ? fwrite(bytes, 1, n, stdout) == n
                                       : io_write_all(s->to, bytes, n) == 0;
    r->any = true;
    r->failed = r->failed || !good;
    return good ? 0 : -1;
}

/* Print what is there now. */
static void stream_pump(struct logs_reading *r, struct logs_source *s)
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

/* --- one run -------------------------------------------------------------- */

static void pump_all(struct logs_reading *r)
{
    for (size_t i = 0; i < r->streams; i++) {
        stream_pump(r, &r->stream[i]);
        fflush(stdout); /* before the other stream, which is not buffered */
    }
}

void logs_print_run(struct logs_reading *r, int run, const char *file, bool follow)
{
    r->run = run;
    text_copy(r->file, sizeof r->file, file);
    for (size_t i = 0; i < r->streams; i++)
        stream_open(r, &r->stream[i]);
    while (follow && !r->failed && !waiting_interrupted && run_lives(r)) {
        pump_all(r);
        poll(NULL, 0, LOGS_FOLLOW_MS);
    }
    /* The run may have ended since it was last read. */
    pump_all(r);
    for (size_t i = 0; i < r->streams; i++)
        stream_close(&r->stream[i]);
    r->tail = -1; /* only of the first */
}
