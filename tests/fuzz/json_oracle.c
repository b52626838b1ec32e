/* json_oracle.c: see json_oracle.h.  Written for shortness: names are compared each
 * with each, characters by their code points. */
#include "json_oracle.h"

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 64

/* One object that is being read: the decoded names it has so far. */
struct names {
    struct names *outer;
    size_t count;
    uint32_t *name[ORACLE_MEMBERS_MAX];
    size_t len[ORACLE_MEMBERS_MAX];
};

struct reader {
    const unsigned char *text;
    size_t n, at;
    int depth;
    struct oracle_member *members;
    size_t count;
    uint32_t *pool; /* for names: a code point is a byte at the least */
    size_t used;
    jmp_buf out;
};

static void stop(struct reader *r, enum verdict why)
{
    longjmp(r->out, (int)why + 1);
}

/* The byte at hand; the end of the text ends the reading. */
static int peek(struct reader *r)
{
    if (r->at == r->n)
        stop(r, CUT);
    return r->text[r->at];
}

static void need(struct reader *r, const char *word)
{
    for (; *word != '\0'; word++, r->at++)
        if (peek(r) != (unsigned char)*word)
            stop(r, WRONG);
}

static int blank(struct reader *r)
{
    while (strchr(" \t\r\n", peek(r)) != NULL && peek(r) != '\0')
        r->at++;
    return peek(r);
}

static uint32_t hex4(struct reader *r)
{
    uint32_t unit = 0;
    for (int i = 0; i < 4; i++, r->at++) {
        const char *digits = "0123456789abcdef0123456789ABCDEF";
        const char *p = peek(r) == '\0' ? NULL : strchr(digits, peek(r));
        if (p == NULL)
            stop(r, WRONG);
        unit = unit * 16 + (uint32_t)(p - digits) % 16;
    }
    return unit;
}

static uint32_t escape(struct reader *r)
{
    static const char letters[] = "\"\\/bfnrt", means[] = "\"\\/\b\f\n\r\t";
    r->at++;
    int c = peek(r);
    const char *p = c == '\0' ? NULL : strchr(letters, c);
    r->at++;
    if (p != NULL)
        return (unsigned char)means[p - letters];
    if (c != 'u')
        stop(r, WRONG);
    uint32_t high = hex4(r);
    if (high < 0xD800 || high > 0xDFFF)
        return high;
    if (high > 0xDBFF)
        stop(r, WRONG);
    need(r, "\\u");
    uint32_t low = hex4(r);
    if (low < 0xDC00 || low > 0xDFFF)
        stop(r, WRONG);
    return 0x10000 + (high - 0xD800) * 0x400 + low - 0xDC00;
}

/* UTF-8 by the table of RFC 3629, 4. */
static uint32_t character(struct reader *r)
{
    static const struct {
        unsigned char first, last, low, high;
        int more;
    } rows[] = {{0xC2, 0xDF, 0x80, 0xBF, 1}, {0xE0, 0xE0, 0xA0, 0xBF, 2}, {0xE1, 0xEC, 0x80, 0xBF, 2},
                {0xED, 0xED, 0x80, 0x9F, 2}, {0xEE, 0xEF, 0x80, 0xBF, 2}, {0xF0, 0xF0, 0x90, 0xBF, 3},
                {0xF1, 0xF3, 0x80, 0xBF, 3}, {0xF4, 0xF4, 0x80, 0x8F, 3}};
    int c = peek(r);
    r->at++;
    if (c < 0x80)
        return (uint32_t)c;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (c < rows[i].first || c > rows[i].last)
            continue;
        uint32_t point = (uint32_t)c & (0x3Fu >> rows[i].more);
        for (int k = 0; k < rows[i].more; k++, r->at++) {
            c = peek(r);
            if (c < (k == 0 ? rows[i].low : 0x80) || c > (k == 0 ? rows[i].high : 0xBF))
                stop(r, WRONG);
            point = point << 6 | ((uint32_t)c & 0x3F);
        }
        return point;
    }
    stop(r, WRONG);
    return 0;
}

/* A string; its characters are put into the pool where wanted. */
static size_t string(struct reader *r, bool keep)
{
    size_t from = r->used, len = 0;
    need(r, "\"");
    while (peek(r) != '"') {
        if (peek(r) < 0x20)
            stop(r, WRONG);
        uint32_t c = peek(r) == '\\' ? escape(r) : character(r);
        if (keep)
            r->pool[from + len++] = c;
    }
    r->at++;
    r->used += len;
    return len;
}

static void digits(struct reader *r)
{
    if (peek(r) < '0' || peek(r) > '9')
        stop(r, WRONG);
    while (r->at < r->n && r->text[r->at] >= '0' && r->text[r->at] <= '9')
        r->at++;
}

static bool next_is(struct reader *r, char a, char b)
{
    return r->at < r->n && (r->text[r->at] == (unsigned char)a || r->text[r->at] == (unsigned char)b);
}

static void number(struct reader *r)
{
    r->at += next_is(r, '-', '-');
    if (peek(r) == '0' && r->at + 1 < r->n && r->text[r->at + 1] >= '0' && r->text[r->at + 1] <= '9')
        stop(r, WRONG);
    digits(r);
    if (next_is(r, '.', '.')) {
        r->at++;
        digits(r);
    }
    if (next_is(r, 'e', 'E')) {
        r->at++;
        r->at += next_is(r, '+', '-');
        digits(r);
    }
}

static void value(struct reader *r, struct names *outer);

static void array(struct reader *r, struct names *outer)
{
    if (++r->depth > DEPTH_MAX)
        stop(r, WRONG);
    need(r, "[");
    if (blank(r) != ']')
        for (;; r->at++) {
            blank(r);
            value(r, outer);
            if (blank(r) != ',')
                break;
        }
    need(r, "]");
    r->depth--;
}

static void name(struct reader *r, struct names *o, struct oracle_member *m)
{
    m->name = r->at;
    o->name[o->count] = r->pool + r->used;
    o->len[o->count] = string(r, true);
    m->name_end = r->at;
    for (size_t i = 0; i < o->len[o->count]; i++)
        if (o->outer == NULL && o->name[o->count][i] == 0)
            stop(r, WRONG);
    if (++o->count == ORACLE_MEMBERS_MAX)
        stop(r, UNSURE);
}

/* Is there a name twice?  Asked when an object ends, and of the open ones when the
 * text does. */
static bool twice(const struct names *o)
{
    for (size_t i = 0; i < o->count; i++)
        for (size_t k = 0; k < i; k++)
            if (o->len[i] == o->len[k] &&
                memcmp(o->name[i], o->name[k], o->len[i] * sizeof(uint32_t)) == 0)
                return true;
    return false;
}

static void member(struct reader *r, struct names *o)
{
    struct oracle_member m;
    blank(r);
    name(r, o, &m);
    if (twice(o))
        stop(r, WRONG);
    blank(r);
    need(r, ":");
    blank(r);
    m.value = r->at;
    value(r, o);
    m.value_end = r->at;
    if (o->outer == NULL)
        r->members[r->count++] = m;
}

static void object(struct reader *r, struct names *outer)
{
    struct names o = {.outer = outer};
    if (++r->depth > DEPTH_MAX)
        stop(r, WRONG);
    need(r, "{");
    if (blank(r) != '}')
        for (;; r->at++) {
            member(r, &o);
            if (blank(r) != ',')
                break;
        }
    need(r, "}");
    r->depth--;
}

static void value(struct reader *r, struct names *outer)
{
    switch (peek(r)) {
    case '{': object(r, outer); break;
    case '[': array(r, outer); break;
    case '"': string(r, false); break;
    case 't': need(r, "true"); break;
    case 'f': need(r, "false"); break;
    case 'n': need(r, "null"); break;
    default: number(r);
    }
}

/* stop() comes back here. */
static enum verdict document(struct reader *r)
{
    int why = setjmp(r->out);
    if (why != 0)
        return (enum verdict)(why - 1);
    blank(r);
    object(r, NULL);
    while (r->at < r->n)
        if (r->text[r->at] == '\0' || strchr(" \t\r\n", r->text[r->at++]) == NULL)
            return WRONG;
    return VALID;
}

enum verdict json_oracle(const char *text, size_t n, struct oracle_member *members, size_t *count)
{
    struct reader r = {.text = (const unsigned char *)text, .n = n, .members = members,
                       .pool = calloc(n + 1, sizeof(uint32_t))};
    enum verdict verdict = r.pool == NULL ? UNSURE : document(&r);
    *count = r.count;
    free(r.pool);
    return verdict;
}
