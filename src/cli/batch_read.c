/* batch_read.c: the lines of a file, each made into a job. */
#include <stdlib.h>
#include <string.h>

#include "cli/batch.h"
#include "cli/say.h"

#define BATCH_MAX ((size_t)4 << 30)

static int make_room(struct batch *b)
{
    if (b->count < b->room)
        return 0;
    size_t room = b->room ? b->room * 2 : 256;
    struct job *jobs = realloc(b->jobs, room * sizeof *jobs);
    if (jobs)
        b->jobs = jobs;
    size_t *line = realloc(b->line, room * sizeof *line);
    if (line)
        b->line = line;
    if (!jobs || !line)
        return -1;
    b->room = room;
    return 0;
}

static int read_line(struct batch *b, size_t number, const char *text, size_t n)
{
    struct err err = ERR_INIT;
    if (make_room(b) != 0)
        return -1;
    switch (b->in->make(b->in->arg, text, n, &b->jobs[b->count], &err)) {
    case BATCH_JOB:
        b->line[b->count++] = number;
        break;
    case BATCH_BAD:
        if (err.kind == ERR_SYSTEM)
            return -1; /* no verdict on the line */
        batch_say_bad(b, number, &err);
        break;
    case BATCH_EMPTY:
        break;
    }
    return 0;
}

static int read_lines(struct batch *b, const char *text, size_t n)
{
    size_t number = 0;
    for (size_t at = 0; at < n;) {
        const char *end = memchr(text + at, b->in->end, n - at);
        size_t length = end ? (size_t)(end - text) - at : n - at;
        if (read_line(b, ++number, text + at, length) != 0)
            return -1;
        at += length + 1;
    }
    return 0;
}

int batch_read(struct batch *b)
{
    struct buf text = BUF_INIT;
    int code = EXIT_FAILED;
    if (enqueue_read(b->in->file, BATCH_MAX, &text) == 0)
        code = read_lines(b, buf_str(&text), text.len) == 0 ? EXIT_DONE : say_no_memory();
    buf_release(&text);
    return code;
}

enum batch_made batch_too_long(struct err *err)
{
    err_set(err, ERR_BAD, "over %d MiB", JSON_DOCUMENT_MAX >> 20);
    return BATCH_BAD;
}
