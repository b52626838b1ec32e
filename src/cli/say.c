/* say.c: a line is put together first and written at once, so that lines of
 * several processes do not mix.  Where there is no memory for that it is still
 * written: it may be the one that says so. */
#include "cli/say.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/escape.h"
#include "base/io.h"
#include "cli/cli.h"

#define SAY_MAX 4096

/* The least that escape.h promises, in place. */
static void write_plain(char *text)
{
    static const char name[] = "queuectl: ";
    for (char *c = text; *c; c++)
        if (*c < 0x20 || *c > 0x7E)
            *c = '?';
    (void)io_write_all(STDERR_FILENO, name, sizeof name - 1);
    (void)io_write_all(STDERR_FILENO, text, strlen(text));
    (void)io_write_all(STDERR_FILENO, "\n", 1);
}

static void write_line(char *text)
{
    struct buf line = BUF_INIT;
    buf_adds(&line, "queuectl: ");
    escape_adds(&line, text);
    buf_addc(&line, '\n');
    /* Results that were printed before the complaint come before it. */
    fflush(stdout);
    if (line.failed)
        write_plain(text);
    else
        (void)io_write_all(STDERR_FILENO, line.data, line.len);
    buf_release(&line);
}

void say(const char *fmt, ...)
{
    char text[SAY_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    write_line(text);
}

int say_error_of(const struct err *e, const char *what)
{
    if (what)
        say("%s: %s", what, e->text);
    else
        say("%s", e->text);
    return e->kind == ERR_USAGE ? EXIT_USAGE : EXIT_FAILED;
}

int say_error(const struct err *e)
{
    return say_error_of(e, NULL);
}

int say_no_memory(void)
{
    say("out of memory");
    return EXIT_FAILED;
}

void say_add_word(struct buf *out, const char *word)
{
    buf_addc(out, '\'');
    for (; *word; word++)
        if (*word == '\'')
            buf_adds(out, "'\\''");
        else
            buf_addc(out, *word);
    buf_addc(out, '\'');
}
