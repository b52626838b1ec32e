/* escape.h: text that came from somewhere else, made safe to show.
 *
 * Nothing raw reaches a terminal or a log: control characters (C0, DEL, C1),
 * invalid UTF-8, and the invisible direction marks of Unicode (U+200E, U+200F,
 * U+202A..E, U+2066..9, U+061C, U+FEFF, line and paragraph separators) are
 * shown as \n \t \r \e \\xHH or \\u{HEX}.
 */
#ifndef BASE_ESCAPE_H
#define BASE_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* Is this what utf8_next() gave one of them (malformed ones, -1, are)? */
bool escape_is_hidden(long c);

void escape_add(struct buf *out, const char *text, size_t n);
void escape_adds(struct buf *out, const char *text);

/* Is all of it well-formed UTF-8 (RFC 3629: no overlong form, no surrogate,
 * nothing over U+10FFFF)?  If not, *bad (may be NULL) is the offset of the
 * first wrong byte. */
bool utf8_valid(const char *text, size_t n, size_t *bad);

/* The next code point of well-formed text, *len its bytes.  Malformed: -1 and
 * *len = 1. */
long utf8_next(const char *text, size_t n, size_t *len);

/* Columns on a terminal (wcwidth-like, without a locale: 0 for combining
 * marks, 2 for East Asian wide and emoji, else 1). */
size_t utf8_columns(const char *text, size_t n);

/* The longest prefix that fits `columns` and ends at a character; bytes. */
size_t utf8_fit(const char *text, size_t n, size_t columns);

#endif
