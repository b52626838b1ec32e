/* output.h: results on stdout.
 *
 * What is put together in a buffer goes out whole or not at all.  Where there was not
 * memory enough for it the call has failed, whatever else it does: main.c asks
 * output_is_lost() at the end, says so and exits with 1.
 */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

void output_text(const struct buf *text);
void output_line(const struct buf *text); /* and a newline */
void output_lose(void);                   /* a result could not be put together */
bool output_is_lost(void);

/* An array written as its items come. */
struct output_array {
    bool started;
};
#define OUTPUT_ARRAY_INIT {false}
void output_item(struct output_array *a, const struct buf *json);
void output_end(struct output_array *a); /* "[]" when there was none */

/* "name": "text", as it stands in an object; NULL is null. */
void output_string(struct buf *out, const char *name, const char *text);
/* The time as ISO text; < 0 is null. */
void output_time(struct buf *out, const char *name, int64_t us);

#endif
