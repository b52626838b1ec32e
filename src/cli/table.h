/* table.h: rows for a person, or for a pipe.
 *
 * On a terminal the columns that may shrink are cut (with an ellipsis) until a
 * row fits; in a pipe nothing is cut and nothing coloured.  The widths are
 * taken from the first TABLE_LOOKAHEAD rows, then rows are printed as they come:
 * a long list neither waits for its end nor is held in memory.
 *
 * Every text is escaped.  Without any row nothing is printed, not even the head.
 */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "cli/term.h"

#define TABLE_LOOKAHEAD 1000 /* rows */

struct table_column {
    const char *title;
    bool right;  /* numbers */
    bool shrink; /* may be cut to fit */
};

struct table;

struct table *table_new(const struct table_column *columns, size_t n, bool no_color);
/* The next cell; a row ends with its last column. */
void table_add(struct table *t, const char *text);
void table_add_buf(struct table *t, const struct buf *text);
void table_add_colour(struct table *t, enum colour colour, const char *text);
void table_addf(struct table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Print what is left, and free. 0, or -1: there was not memory enough. */
int table_end(struct table *t);

#endif
