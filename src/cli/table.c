/* table.c: cells are kept escaped in one row-major list; when enough rows are
 * there the widths are fixed, and from then on the list holds one row. */
#include "cli/table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"

#define GAP 2           /* blanks between columns */
#define SHRINK_MIN 8    /* columns that are left of a cut cell at least */
#define PIPE_PAD_MAX 60 /* a longer cell in a pipe does not widen all others */
#define ELLIPSIS "\xe2\x80\xa6"

struct cell {
    char *text;
    enum colour colour;
};

struct table {
    const struct table_column *column;
    size_t n;
    size_t *width;
    size_t fit;  /* columns of the terminal; 0: a pipe */
    bool colour;
    bool started; /* widths are fixed and the head is printed */
    bool failed;
    struct cell *cell;
    size_t count, room;
};

struct table *table_new(const struct table_column *columns, size_t n, bool no_color)
{
    struct table *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->width = calloc(n, sizeof *t->width);
    if (!t->width) {
        free(t);
        return NULL;
    }
    t->column = columns;
    t->n = n;
    t->fit = term_width();
    t->colour = term_may_colour(no_color);
    return t;
}

/* --- widths --------------------------------------------------------------- */

static void widen(struct table *t, size_t column, size_t columns)
{
    if (t->fit == 0 && columns > PIPE_PAD_MAX)
        columns = PIPE_PAD_MAX;
    if (columns > t->width[column])
        t->width[column] = columns;
}

static size_t total_width(const struct table *t)
{
    size_t total = GAP * (t->n - 1);
    for (size_t i = 0; i < t->n; i++)
        total += t->width[i];
    return total;
}

/* The widest column that may shrink gives way, until all fits. */
static void shrink(struct table *t)
{
    while (t->fit && total_width(t) > t->fit) {
        size_t widest = t->n;
        for (size_t i = 0; i < t->n; i++)
            if (t->column[i].shrink && t->width[i] > SHRINK_MIN &&
                (widest == t->n || t->width[i] > t->width[widest]))
                widest = i;
        if (widest == t->n)
            return;
        t->width[widest]--;
    }
}

/* --- printing ------------------------------------------------------------- */

static void pad(size_t n)
{
    printf("%*s", (int)n, "");
}

static void print_text(const struct table *t, size_t i, const char *text, size_t columns)
{
    if (t->fit == 0 || !t->column[i].shrink || columns <= t->width[i]) {
        fputs(text, stdout);
        return;
    }
    size_t n = utf8_fit(text, strlen(text), t->width[i] - 1);
    fwrite(text, 1, n, stdout);
    fputs(ELLIPSIS, stdout);
    pad(t->width[i] - 1 - utf8_columns(text, n));
}

static void print_cell(const struct table *t, size_t i, const char *text, enum colour colour)
{
    size_t columns = utf8_columns(text, strlen(text));
    size_t blanks = columns < t->width[i] ? t->width[i] - columns : 0;
    bool coloured = t->colour && colour != COLOUR_NONE;
    if (t->column[i].right)
        pad(blanks);
    if (coloured)
        fputs(term_colour(colour), stdout);
    print_text(t, i, text, columns);
    if (coloured)
        fputs(term_colour(COLOUR_NONE), stdout);
    if (i + 1 == t->n)
        putchar('\n');
    else
        pad(GAP + (t->column[i].right ? 0 : blanks));
}

static void print_cells(struct table *t)
{
    if (t->count == 0)
        return;
    if (!t->started) {
        for (size_t i = 0; i < t->n; i++)
            widen(t, i, strlen(t->column[i].title));
        shrink(t);
        for (size_t i = 0; i < t->n; i++)
            print_cell(t, i, t->column[i].title, COLOUR_BOLD);
        t->started = true;
    }
    for (size_t i = 0; i < t->count; i++) {
        print_cell(t, i % t->n, t->cell[i].text, t->cell[i].colour);
        free(t->cell[i].text);
    }
    t->count = 0;
}

/* --- cells ---------------------------------------------------------------- */

static struct cell *room_for_cell(struct table *t)
{
    if (t->count == t->room) {
        size_t room = t->room ? t->room * 2 : 64;
        struct cell *cell = realloc(t->cell, room * sizeof *cell);
        if (!cell)
            return NULL;
        t->cell = cell;
        t->room = room;
    }
    return &t->cell[t->count];
}

void table_add_colour(struct table *t, enum colour colour, const char *text)
{
    struct buf out = BUF_INIT;
    escape_adds(&out, text);
    if (!t->started)
        widen(t, t->count % t->n, utf8_columns(buf_str(&out), out.len));
    char *kept = buf_detach(&out);
    struct cell *c = kept && !t->failed ? room_for_cell(t) : NULL;
    if (!c) {
        free(kept);
        t->failed = true;
        return;
    }
    *c = (struct cell){kept, colour};
    t->count++;
    if (t->count % t->n == 0 && (t->started || t->count / t->n >= TABLE_LOOKAHEAD))
        print_cells(t);
}

void table_add(struct table *t, const char *text)
{
    table_add_colour(t, COLOUR_NONE, text);
}

void table_add_buf(struct table *t, const struct buf *text)
{
    t->failed |= text->failed;
    table_add(t, buf_str(text));
}

void table_addf(struct table *t, const char *fmt, ...)
{
    char text[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    table_add(t, text);
}

int table_end(struct table *t)
{
    if (!t)
        return -1;
    print_cells(t);
    int result = t->failed ? -1 : 0;
    free(t->cell);
    free(t->width);
    free(t);
    return result;
}
