/* err.c: one error, told once (see err.h).
 *
 * A text that does not fit is cut at the end of a character, so that what is
 * shown stays UTF-8.  errno is left as the caller had it.
 */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* vsnprintf said `wrote` bytes: were they too many, take a half character off
 * the end. */
static void trim(char *text, size_t size, int wrote)
{
    size_t len;

    if (wrote < 0) {
        text[0] = '\0';
        return;
    }
    if ((size_t)wrote < size)
        return;
    for (len = size - 1; len > 0 && ((unsigned char)text[len - 1] & 0xC0) == 0x80; len--)
        continue;
    if (len > 0 && ((unsigned char)text[len - 1] & 0x80) != 0)
        len--;
    text[len] = '\0';
}

int err_set(struct err *e, enum err_kind kind, const char *fmt, ...)
{
    int saved = errno;
    va_list args;

    if (e == NULL)
        return -1;
    e->kind = kind;
    e->errnum = kind == ERR_SYSTEM ? saved : 0;
    va_start(args, fmt);
    trim(e->text, sizeof e->text, vsnprintf(e->text, sizeof e->text, fmt, args));
    va_end(args);
    errno = saved;
    return -1;
}

int err_sys(struct err *e, const char *what, const char *where)
{
    int saved = errno;

    err_set(e, ERR_SYSTEM, "%s %s: %s", what, where, strerror(saved));
    errno = saved;
    return -1;
}

int err_no_memory(struct err *e)
{
    errno = ENOMEM;
    return err_set(e, ERR_SYSTEM, "out of memory");
}

int err_prefix(struct err *e, const char *fmt, ...)
{
    int saved = errno;
    char old[sizeof e->text], prefix[sizeof e->text];
    va_list args;

    if (e == NULL)
        return -1;
    memcpy(old, e->text, sizeof old);
    va_start(args, fmt);
    trim(prefix, sizeof prefix, vsnprintf(prefix, sizeof prefix, fmt, args));
    va_end(args);
    trim(e->text, sizeof e->text, snprintf(e->text, sizeof e->text, "%s: %s", prefix, old));
    errno = saved;
    return -1;
}
