/* log.c: one line an event (see log.h).
 *
 * A line is put together in memory and written with one write(2), so that
 * lines of several processes do not mix.  The descriptor is O_APPEND; a short
 * or failed write is not made good: half a line twice would be worse, and
 * there is nobody to tell.  errno survives a call, so that a line may be
 * logged before errno is looked at.
 */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/escape.h"
#include "base/stamp.h"

#define TEXT_MAX 4096 /* what is longer is cut */

static const char *log_role = "queuectl";
static int log_fd = STDERR_FILENO;

void log_open(const char *role, int fd)
{
    log_role = role;
    log_fd = fd;
}

void log_set_fd(int fd)
{
    log_fd = fd;
}

/* The stamp is cut to milliseconds: 2026-11-22T03:15:00.250Z */
static void add_head(struct buf *line)
{
    char stamp[STAMP_ISO_LEN + 1];

    stamp_iso_format(clock_wall_us(), stamp);
    buf_add(line, stamp, 23);
    buf_adds(line, "Z ");
    buf_adds(line, log_role);
    buf_addc(line, ' ');
    buf_add_int(line, getpid());
    buf_adds(line, ": ");
}

void log_text(enum log_level level, const char *text)
{
    static const char *const mark[] = {
        [LOG_NOTE] = "",
        [LOG_WARN] = "warning: ",
        [LOG_FATAL] = "fatal: ",
    };
    int saved = errno;
    struct buf line = BUF_INIT;
    ssize_t wrote;

    add_head(&line);
    buf_adds(&line, mark[level]);
    escape_adds(&line, text);
    buf_addc(&line, '\n');
    if (!line.failed) {
        do
            wrote = write(log_fd, line.data, line.len);
        while (wrote < 0 && errno == EINTR);
    }
    buf_release(&line);
    errno = saved;
}

void log_line(enum log_level level, const char *fmt, ...)
{
    int saved = errno;
    char text[TEXT_MAX];
    va_list args;

    va_start(args, fmt);
    if (vsnprintf(text, sizeof text, fmt, args) >= 0)
        log_text(level, text);
    va_end(args);
    errno = saved;
}

_Noreturn void log_bug(const char *file, int line, const char *text)
{
    log_line(LOG_FATAL, "bug at %s:%d: %s", file, line, text);
    abort();
}
