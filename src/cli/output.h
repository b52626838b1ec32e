/* output.h: JSON on stdout. */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* An array written as its items come. */
struct output_array {
    bool started;
};
#define OUTPUT_ARRAY_INIT {false}
void output_item(struct output_array *a, const char *json, size_t n);
void output_end(struct output_array *a); /* "[]" when there was none */

/* "name": "text", as it stands in an object; NULL is null. */
void output_string(struct buf *out, const char *name, const char *text);
/* The time as ISO text; < 0 is null. */
void output_time(struct buf *out, const char *name, int64_t us);

#endif
