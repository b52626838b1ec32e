/* escape.c: text that came from somewhere else, made safe to show (see
 * escape.h).  UTF-8 itself is in utf8.c.
 *
 * Runs of harmless bytes are copied as they are; a backslash is harmless, so
 * the form is for eyes and cannot be turned back.
 */
#include "base/escape.h"

#include <string.h>

bool escape_is_hidden(long c)
{
    return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x061C || c == 0x200E || c == 0x200F ||
           (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) || c == 0xFEFF;
}

static void add_hidden(struct buf *out, long c)
{
    switch (c) {
    case '\n':
        buf_adds(out, "\\n");
        break;
    case '\t':
        buf_adds(out, "\\t");
        break;
    case '\r':
        buf_adds(out, "\\r");
        break;
    case 0x1B:
        buf_adds(out, "\\e");
        break;
    default:
        buf_addf(out, c < 0x80 ? "\\x%02lX" : "\\u{%lX}", (unsigned long)c);
    }
}

void escape_add(struct buf *out, const char *text, size_t n)
{
    size_t from = 0, at = 0, len;

    while (at < n) {
        if (text[at] >= ' ' && text[at] < 0x7f) {
            at++;
            continue;
        }
        long c = utf8_next(text + at, n - at, &len);

        if (escape_is_hidden(c)) {
            buf_add(out, text + from, at - from);
            if (c < 0)
                buf_addf(out, "\\x%02X", (unsigned)(unsigned char)text[at]);
            else
                add_hidden(out, c);
            from = at + len;
        }
        at += len;
    }
    buf_add(out, text + from, n - from);
}

void escape_adds(struct buf *out, const char *text)
{
    escape_add(out, text, strlen(text));
}
