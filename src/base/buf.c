/* buf.c: a growable byte buffer (see buf.h).
 *
 * The capacity doubles, so that n adds cost O(n), and always has a byte more
 * than asked for: the NUL behind the content.
 */
#include "base/buf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define FIRST_CAP 128
#define SHORT_TEXT 48 /* bytes: a number, a stamp, with its name */

void buf_release(struct buf *b)
{
    free(b->data);
    *b = (struct buf)BUF_INIT;
}

void buf_reset(struct buf *b)
{
    b->len = 0;
    b->failed = false;
    if (b->data != NULL)
        b->data[0] = '\0';
}

char *buf_room(struct buf *b, size_t n)
{
    size_t cap = b->cap > 0 ? b->cap : FIRST_CAP;
    char *data;

    if (b->failed)
        return NULL;
    if (n < b->cap - b->len) /* cap 0: len is 0 too, and no n is less */
        return b->data + b->len;
    while (n >= cap - b->len && cap <= SIZE_MAX / 2)
        cap *= 2;
    data = n < cap - b->len ? realloc(b->data, cap) : NULL;
    if (data == NULL) {
        b->failed = true;
        return NULL;
    }
    b->data = data;
    b->cap = cap;
    data[b->len] = '\0';
    return data + b->len;
}

void buf_add(struct buf *b, const void *bytes, size_t n)
{
    char *to = buf_room(b, n);

    if (to == NULL)
        return;
    if (n > 0)
        memcpy(to, bytes, n);
    to[n] = '\0';
    b->len += n;
}

void buf_addc(struct buf *b, char c)
{
    buf_add(b, &c, 1);
}

/* Most of what is added is short: try the room there is, and ask for more only then. */
void buf_addf(struct buf *b, const char *fmt, ...)
{
    va_list args;
    char *to = buf_room(b, SHORT_TEXT);
    int n;

    if (to == NULL)
        return;
    va_start(args, fmt);
    n = vsnprintf(to, b->cap - b->len, fmt, args);
    va_end(args);
    if (n >= 0 && (size_t)n >= b->cap - b->len) {
        to = buf_room(b, (size_t)n);
        if (to == NULL)
            return;
        va_start(args, fmt);
        vsnprintf(to, (size_t)n + 1, fmt, args);
        va_end(args);
    }
    if (n < 0) {
        b->data[b->len] = '\0';
        b->failed = true;
        return;
    }
    b->len += (size_t)n;
}

void buf_add_int(struct buf *b, int64_t value)
{
    char digits[24];
    struct text t = text_in(digits, sizeof digits);

    text_add_int(&t, value);
    buf_add(b, digits, t.len);
}

const char *buf_str(const struct buf *b)
{
    return b->data != NULL ? b->data : "";
}

char *buf_detach(struct buf *b)
{
    char *data;

    if (b->data == NULL)
        buf_add(b, "", 0);
    if (b->failed) {
        buf_release(b);
        return NULL;
    }
    data = b->data;
    *b = (struct buf)BUF_INIT;
    return data;
}
