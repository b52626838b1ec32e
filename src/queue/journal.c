/* journal.c: one write(2) a line to a file opened O_APPEND: lines of several
 * processes do not mix (write(2): with O_APPEND the offset is set and the bytes
 * written in one step). */
#include "queue/journal.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/stamp.h"
#include "base/text.h"

/* The file of the day `at`, an ISO time, open; -1. */
static int journal_file(struct queue *q, const char *at, char file[JOURNAL_FILE_LEN + 1])
{
    struct text t = text_in(file, JOURNAL_FILE_LEN + 1);
    text_add(&t, at, 10);
    text_adds(&t, ".jsonl");
    if (q->journal_fd >= 0 && strcmp(q->journal_file, file) == 0)
        return q->journal_fd;
    journal_close(q);
    q->journal_fd = io_open_file(q->spool->dir[DIR_JOURNAL], file,
                                 O_WRONLY | O_CREAT | O_APPEND, 0600);
    memcpy(q->journal_file, file, JOURNAL_FILE_LEN + 1);
    return q->journal_fd;
}

void journal_event(struct queue *q, const char *event, const char *id, const char *more)
{
    char at[STAMP_ISO_LEN + 1], file[JOURNAL_FILE_LEN + 1];
    struct buf line = BUF_INIT;
    stamp_iso_format(clock_wall_us(), at);
    int fd = journal_file(q, at, file);
    if (fd < 0)
        return;
    if (q->journal_torn) /* what a full disk cut short gets a line of its own */
        buf_addc(&line, '\n');
    buf_adds(&line, "{\"at\":\"");
    buf_adds(&line, at);
    buf_adds(&line, "\",\"event\":\"");
    buf_adds(&line, event);
    buf_adds(&line, "\",\"id\":\"");
    buf_adds(&line, id);
    buf_addc(&line, '"');
    buf_adds(&line, more);
    buf_adds(&line, "}\n");
    if (!line.failed)
        q->journal_torn = io_write_all(fd, line.data, line.len) != 0;
    buf_release(&line);
}

int journal_check(struct queue *q, struct err *err)
{
    char at[STAMP_ISO_LEN + 1], file[JOURNAL_FILE_LEN + 1];
    stamp_iso_format(clock_wall_us(), at);
    if (journal_file(q, at, file) >= 0)
        return 0;
    return io_error(err, "open", q->spool->dir[DIR_JOURNAL], dir_name(DIR_JOURNAL), file);
}

void journal_note(struct queue *q, const char *event, const char *id, const char *member,
                  const char *text)
{
    struct buf more = BUF_INIT;
    buf_addf(&more, ",\"%s\":", member);
    json_add_string(&more, text, strlen(text));
    journal_event(q, event, id, buf_str(&more));
    buf_release(&more);
}

void journal_close(struct queue *q)
{
    if (q->journal_fd >= 0)
        close(q->journal_fd);
    q->journal_fd = -1;
}
