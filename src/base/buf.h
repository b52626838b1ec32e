/* buf.h: a growable byte buffer that remembers a failed allocation.
 *
 * Add as often as you like, look at `failed` once before the content is used:
 * after a failed allocation every further add is a no-op.  The content is
 * always NUL-terminated behind `len` (the NUL is not counted), so `data` of a
 * buffer that has had at least one add is a C string.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct buf {
    char *data; /* NULL until the first add */
    size_t len;
    size_t cap;
    bool failed; /* an allocation failed; the content is not whole */
};

#define BUF_INIT {NULL, 0, 0, false}

void buf_release(struct buf *b); /* frees, and leaves BUF_INIT */
void buf_reset(struct buf *b);   /* empties, keeps the memory, clears failed */

void buf_add(struct buf *b, const void *bytes, size_t n);
void buf_addc(struct buf *b, char c);
void buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_add_int(struct buf *b, int64_t value); /* in decimal */

/* Here, so that the length of a literal is known. */
static inline void buf_adds(struct buf *b, const char *text)
{
    buf_add(b, text, strlen(text));
}

/* Room for n more bytes behind len; returns where to write, NULL if failed.
 * The caller then raises len itself and writes the NUL. */
char *buf_room(struct buf *b, size_t n);

/* The content as a C string, "" when empty; valid until the next add. */
const char *buf_str(const struct buf *b);

/* Hand the memory over: the caller frees it; the buffer is BUF_INIT again.
 * NULL if failed. An empty buffer gives an allocated "". */
char *buf_detach(struct buf *b);

#endif
