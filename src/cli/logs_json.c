/* logs_json.c: a run's output as one JSON value: {"id","run","stdout","stderr"}. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "cli/cli.h"
#include "cli/logs_read.h"
#include "cli/output.h"
#include "cli/say.h"
#include "cli/tail.h"
#include "job/json.h"

/* The stream's text (from the last `tail` lines on), "" where it wrote nothing. */
static int read_stream(const struct logs_reading *r, enum logs_stream which, struct buf *text)
{
    bool live;
    int fd = logs_open(r->q, r->id, r->run, which, &live);
    if (fd < 0)
        return errno == ENOENT ? 0 : -1;
    off_t at = r->tail >= 0 ? tail_offset(fd, r->tail) : 0;
    int result = lseek(fd, at, SEEK_SET) < 0 ? -1 : io_read_fd(fd, text, SIZE_MAX / 4);
    close(fd);
    return result;
}

static int add_stream(const struct logs_reading *r, enum logs_stream which, struct buf *out)
{
    struct buf text = BUF_INIT;
    int result = read_stream(r, which, &text);
    buf_adds(out, which == LOGS_OUT ? ", \"stdout\": " : ", \"stderr\": ");
    json_add_string(out, buf_str(&text), text.len);
    out->failed |= text.failed;
    buf_release(&text);
    return result;
}

int logs_print_json(struct logs_reading *r, int run)
{
    struct buf out = BUF_INIT;
    int result = 0;
    r->run = run;
    buf_adds(&out, "{\"id\": ");
    json_add_string(&out, r->id, strlen(r->id));
    buf_addf(&out, ", \"run\": %d", run);
    for (size_t i = 0; i < r->streams && result == 0; i++)
        result = add_stream(r, r->stream[i].which, &out);
    buf_adds(&out, "}\n");
    if (result != 0)
        say("%s: cannot read the log of run %d: %s", r->id, run, strerror(errno));
    else
        output_text(&out);
    buf_release(&out);
    return result == 0 ? EXIT_DONE : EXIT_FAILED;
}
