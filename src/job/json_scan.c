/* json_scan.c: RFC 8259, byte by byte.
 *
 * A loop over a stack of at most JSON_NESTING_MAX open objects and arrays, so
 * that no document can exhaust ours.  `expect` says what may come next; each
 * step takes one token, says what is expected after it, or complains.
 *
 * Names: each object's decoded names wait on one stack (`keys`) until it
 * closes, are then sorted and compared with their neighbours: n log n however
 * many there are, and no hash that a producer could aim collisions at.
 *
 * A text that ends too early is told apart from one that can never become a
 * document, because a file may be read while its writer is still at it.  So
 * whatever makes a text hopeless is looked for before the verdict "incomplete":
 * a duplicate name in an object still open, bytes that are no UTF-8.
 */
#include "job/json_scan.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "job/json.h"

#define SHOWN_NAME_MAX 60 /* bytes of a name in a message */

enum expect { NAME_OR_END, NAME, VALUE_OR_END, VALUE, COMMA_OR_END, EXPECT_COUNT };

struct frame {
    bool is_object;
    size_t first_key;
};

struct key {
    const char *name; /* decoded, in the arena */
    size_t len;
    size_t at, end; /* in the text, quotes included */
};

struct scan {
    const char *text;
    size_t n;
    size_t at;
    enum expect expect;
    struct frame frames[JSON_NESTING_MAX];
    size_t depth;
    struct key *keys;
    size_t key_count, key_cap;
    char *arena; /* decoded names; never longer than the text */
    size_t arena_used;
    struct json_spot *spots;
    size_t spot_count, spot_cap;
    bool ended;     /* the text ended before the document did */
    bool in_string; /* ... and between two characters of a string */
    struct err *err;
};

static int complain(struct scan *s, size_t at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static int complain(struct scan *s, size_t at, const char *fmt, ...)
{
    char what[200];
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    s->ended = false;
    /* Whatever was expected there, this is what a reader wants to know. */
    bool is_nul = at < s->n && s->text[at] == '\0';
    return err_set(s->err, ERR_BAD, "invalid JSON at byte %zu: %s", at + 1,
                   is_nul ? "a NUL byte" : what);
}

static int ended(struct scan *s)
{
    complain(s, s->n, "the text ends here, in the middle of the document");
    s->ended = true;
    return -1;
}

/* Room for one more in an array that doubles. */
static int grow(struct scan *s, void **array, size_t count, size_t *cap, size_t size)
{
    if (count < *cap)
        return 0;
    size_t more = *cap == 0 ? 16 : *cap * 2;
    void *bigger = more > SIZE_MAX / size ? NULL : realloc(*array, more * size);
    if (bigger == NULL)
        return err_no_memory(s->err);
    *array = bigger;
    *cap = more;
    return 0;
}

static void skip_blanks(struct scan *s)
{
    while (s->at < s->n && strchr(" \t\r\n", s->text[s->at]) != NULL && s->text[s->at] != '\0')
        s->at++;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* The four digits behind a \u at s->at, which is moved over all six. */
static int scan_unit(struct scan *s, unsigned *unit)
{
    *unit = 0;
    for (size_t i = s->at + 2; i < s->at + 6; i++) {
        if (i >= s->n)
            return ended(s);
        int digit = hex_value(s->text[i]);
        if (digit < 0)
            return complain(s, i, "expected four hex digits after \\u");
        *unit = *unit * 16 + (unsigned)digit;
    }
    s->at += 6;
    return 0;
}

static bool is_high(unsigned unit)
{
    return unit >= 0xD800 && unit <= 0xDBFF;
}

static bool is_low(unsigned unit)
{
    return unit >= 0xDC00 && unit <= 0xDFFF;
}

/* Half a pair means no character at all, and no two programs agree on what to
 * make of it. */
static int scan_unicode(struct scan *s)
{
    size_t start = s->at;
    unsigned unit;
    if (scan_unit(s, &unit) != 0)
        return -1;
    if (is_low(unit))
        return complain(s, start, "half a surrogate pair");
    if (!is_high(unit))
        return 0;
    for (size_t i = 0; i < 2; i++) {
        if (s->at + i >= s->n)
            return ended(s);
        if (s->text[s->at + i] != "\\u"[i])
            return complain(s, start, "half a surrogate pair");
    }
    if (scan_unit(s, &unit) != 0)
        return -1;
    return is_low(unit) ? 0 : complain(s, start, "half a surrogate pair");
}

static int scan_escape(struct scan *s)
{
    if (s->at + 1 >= s->n)
        return ended(s);
    char c = s->text[s->at + 1];
    if (c == 'u')
        return scan_unicode(s);
    if (c == '\0' || strchr("\"\\/bfnrt", c) == NULL)
        return complain(s, s->at, "unknown escape in a string");
    s->at += 2;
    return 0;
}

static int control_in_string(struct scan *s, unsigned char c)
{
    if (c == '\n' || c == '\r')
        return complain(s, s->at, "a line break in a string; write it as \\n");
    return complain(s, s->at, "control character 0x%02x in a string; write it as \\u%04x", c, c);
}

static int scan_string(struct scan *s)
{
    s->at++;
    while (s->at < s->n) {
        unsigned char c = (unsigned char)s->text[s->at];
        if (c == '"') {
            s->at++;
            return 0;
        }
        if (c < 0x20)
            return control_in_string(s, c);
        if (c != '\\')
            s->at++;
        else if (scan_escape(s) != 0)
            return -1;
    }
    s->in_string = true;
    return ended(s);
}

static int scan_digits(struct scan *s)
{
    size_t start = s->at;
    while (s->at < s->n && s->text[s->at] >= '0' && s->text[s->at] <= '9')
        s->at++;
    if (s->at > start)
        return 0;
    return s->at == s->n ? ended(s) : complain(s, s->at, "expected a digit");
}

static bool next_is(const struct scan *s, const char *set)
{
    return s->at < s->n && s->text[s->at] != '\0' && strchr(set, s->text[s->at]) != NULL;
}

static int scan_number(struct scan *s)
{
    if (next_is(s, "-"))
        s->at++;
    size_t start = s->at;
    if (scan_digits(s) != 0)
        return -1;
    if (s->text[start] == '0' && s->at > start + 1)
        return complain(s, start, "a number with a leading zero");
    if (next_is(s, ".")) {
        s->at++;
        if (scan_digits(s) != 0)
            return -1;
    }
    if (next_is(s, "eE")) {
        s->at++;
        if (next_is(s, "+-"))
            s->at++;
        return scan_digits(s);
    }
    return 0;
}

static int scan_word(struct scan *s, const char *word)
{
    for (size_t i = 0; word[i] != '\0'; i++) {
        if (s->at + i == s->n)
            return ended(s);
        if (s->text[s->at + i] != word[i])
            return complain(s, s->text[s->at + i] == '\0' ? s->at + i : s->at, "expected a value");
    }
    s->at += strlen(word);
    return 0;
}

static int compare_keys(const void *left, const void *right)
{
    const struct key *a = left, *b = right;
    int order = memcmp(a->name, b->name, a->len < b->len ? a->len : b->len);
    if (order != 0)
        return order;
    if (a->len != b->len)
        return a->len < b->len ? -1 : 1;
    return a->at < b->at ? -1 : a->at > b->at;
}

/* Names first..end are those of one object. */
static int refuse_duplicates(struct scan *s, size_t first, size_t end)
{
    const struct key *again = NULL;
    if (end - first > 1)
        qsort(s->keys + first, end - first, sizeof *s->keys, compare_keys);
    for (size_t i = first + 1; i < end; i++) {
        const struct key *a = &s->keys[i - 1], *b = &s->keys[i];
        if (a->len == b->len && memcmp(a->name, b->name, a->len) == 0 &&
            (again == NULL || b->at < again->at))
            again = b;
    }
    if (again == NULL)
        return 0;
    size_t len = again->end - again->at;
    if (len <= SHOWN_NAME_MAX)
        return complain(s, again->at, "duplicate member %.*s", (int)len, s->text + again->at);
    len = SHOWN_NAME_MAX;
    while (((unsigned char)s->text[again->at + len] & 0xC0) == 0x80)
        len--;
    return complain(s, again->at, "duplicate member %.*s...", (int)len, s->text + again->at);
}

static int open_frame(struct scan *s, bool is_object)
{
    if (s->depth == JSON_NESTING_MAX)
        return complain(s, s->at, "nested deeper than %d levels", JSON_NESTING_MAX);
    s->frames[s->depth++] = (struct frame){is_object, s->key_count};
    s->at++;
    s->expect = is_object ? NAME_OR_END : VALUE_OR_END;
    return 0;
}

static void end_value(struct scan *s)
{
    if (s->depth == 1)
        s->spots[s->spot_count - 1].value_end = s->at;
    s->expect = COMMA_OR_END;
}

static int close_frame(struct scan *s)
{
    const struct frame *f = &s->frames[s->depth - 1];
    if (f->is_object && refuse_duplicates(s, f->first_key, s->key_count) != 0)
        return -1;
    s->key_count = f->first_key;
    s->depth--;
    s->at++;
    if (s->depth > 0)
        end_value(s);
    return 0;
}

static int keep_spot(struct scan *s, const struct key *k)
{
    if (memchr(k->name, '\0', k->len) != NULL)
        return complain(s, k->at, "\\u0000 in a member's name");
    if (grow(s, (void **)&s->spots, s->spot_count, &s->spot_cap, sizeof *s->spots) != 0)
        return -1;
    s->spots[s->spot_count++] = (struct json_spot){.name = k->at, .name_end = k->end};
    return 0;
}

static int keep_key(struct scan *s, size_t at)
{
    if (grow(s, (void **)&s->keys, s->key_count, &s->key_cap, sizeof *s->keys) != 0)
        return -1;
    struct key *k = &s->keys[s->key_count++];
    char *name = s->arena + s->arena_used;
    *k = (struct key){name, json_decode(s->text + at, s->at - at, name), at, s->at};
    s->arena_used += k->len;
    return s->depth == 1 ? keep_spot(s, k) : 0;
}

static int step_name(struct scan *s)
{
    if (s->text[s->at] == '}')
        return complain(s, s->at, "a comma before '}'");
    if (s->text[s->at] != '"')
        return complain(s, s->at, "expected a name in double quotes");
    size_t start = s->at;
    if (scan_string(s) != 0 || keep_key(s, start) != 0)
        return -1;
    skip_blanks(s);
    if (s->at == s->n)
        return ended(s);
    if (s->text[s->at] != ':')
        return complain(s, s->at, "expected ':'");
    s->at++;
    s->expect = VALUE;
    return 0;
}

static int step_name_or_end(struct scan *s)
{
    return s->text[s->at] == '}' ? close_frame(s) : step_name(s);
}

static int scan_scalar(struct scan *s)
{
    switch (s->text[s->at]) {
    case '"': return scan_string(s);
    case 't': return scan_word(s, "true");
    case 'f': return scan_word(s, "false");
    case 'n': return scan_word(s, "null");
    default: break;
    }
    if (next_is(s, "-0123456789"))
        return scan_number(s);
    if (s->text[s->at] == ']' && !s->frames[s->depth - 1].is_object)
        return complain(s, s->at, "a comma before ']'");
    return complain(s, s->at, "expected a value");
}

static int step_value(struct scan *s)
{
    char c = s->text[s->at];
    if (s->depth == 1)
        s->spots[s->spot_count - 1].value = s->at;
    if (c == '{' || c == '[')
        return open_frame(s, c == '{');
    if (scan_scalar(s) != 0)
        return -1;
    end_value(s);
    return 0;
}

static int step_value_or_end(struct scan *s)
{
    return s->text[s->at] == ']' ? close_frame(s) : step_value(s);
}

static int step_comma_or_end(struct scan *s)
{
    bool is_object = s->frames[s->depth - 1].is_object;
    char close = is_object ? '}' : ']';
    if (s->text[s->at] == close)
        return close_frame(s);
    if (s->text[s->at] != ',')
        return complain(s, s->at, "expected ',' or '%c'", close);
    s->at++;
    s->expect = is_object ? NAME : VALUE;
    return 0;
}

static int scan_object(struct scan *s)
{
    static int (*const step[EXPECT_COUNT])(struct scan *) = {
        [NAME_OR_END] = step_name_or_end,   [NAME] = step_name,
        [VALUE_OR_END] = step_value_or_end, [VALUE] = step_value,
        [COMMA_OR_END] = step_comma_or_end,
    };
    if (open_frame(s, true) != 0)
        return -1;
    while (s->depth > 0) {
        skip_blanks(s);
        if (s->at == s->n)
            return ended(s);
        if (step[s->expect](s) != 0)
            return -1;
    }
    return 0;
}

static int scan_text(struct scan *s)
{
    skip_blanks(s);
    if (s->at == s->n) {
        ended(s);
        return s->n == 0 ? err_set(s->err, ERR_BAD, "invalid JSON: the text is empty") : -1;
    }
    if (s->text[s->at] != '{')
        return complain(s, s->at, "expected '{'");
    if (scan_object(s) != 0)
        return -1;
    skip_blanks(s);
    if (s->at < s->n)
        return complain(s, s->at, "something follows the document's last '}'");
    return 0;
}

/* "{" and the first half of what follows it, in either order of bytes. */
static bool is_utf16(const char *t, size_t n)
{
    if (n >= 2 && (memcmp(t, "\xFF\xFE", 2) == 0 || memcmp(t, "\xFE\xFF", 2) == 0))
        return true;
    return n >= 4 && ((memcmp(t, "{\0", 2) == 0 && t[2] != '\0' && t[3] == '\0') ||
                      (memcmp(t, "\0{\0", 3) == 0 && t[3] != '\0'));
}

/* What a text in another encoding looks like. */
static int check_encoding(struct scan *s)
{
    const char *t = s->text;
    if (s->n >= 3 && memcmp(t, "\xEF\xBB\xBF", 3) == 0)
        return err_set(s->err, ERR_BAD,
                       "invalid JSON at byte 1: the text starts with a byte order mark; "
                       "write plain UTF-8");
    if (is_utf16(t, s->n))
        return err_set(s->err, ERR_BAD,
                       "invalid JSON at byte 1: the text is UTF-16; write plain UTF-8");
    return 0;
}

/* Are these last bytes the start of one well-formed character?  With the right
 * bytes behind them they would be valid; of the second bytes that a first one
 * may ask for, one is always 0x80 or 0xA0. */
static bool is_cut_character(const char *tail, size_t n)
{
    static const char pads[2] = {'\x80', '\xA0'};
    unsigned char lead = (unsigned char)tail[0];
    size_t need = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (n >= need)
        return false;
    for (size_t i = 0; i < sizeof pads; i++) {
        char whole[4] = {'\x80', '\x80', '\x80', '\x80'};
        memcpy(whole, tail, n);
        whole[n] = pads[i];
        if (utf8_valid(whole, need, NULL))
            return true;
    }
    return false;
}

/* The text is well-formed up to s->n; what does the rest change? */
static int judge_tail(struct scan *s, size_t n, int rc)
{
    size_t valid = s->n;
    if (rc != 0 && !s->ended)
        return rc; /* wrong already before */
    if (rc != 0 && s->in_string && is_cut_character(s->text + valid, n - valid))
        return rc;
    return complain(s, valid, "not UTF-8");
}

/* A name given twice is not mended by what may still come. */
static int judge_open_frames(struct scan *s)
{
    size_t end = s->key_count;
    for (size_t i = s->depth; i-- > 0; end = s->frames[i].first_key)
        if (refuse_duplicates(s, s->frames[i].first_key, end) != 0)
            return -1;
    return 0;
}

int json_scan(const char *text, size_t n, struct json_spot **spots, size_t *count,
              bool *incomplete, struct err *err)
{
    struct scan s = {.text = text, .n = n, .err = err};
    size_t valid;
    *incomplete = false;
    int rc = check_encoding(&s);
    if (rc == 0 && (s.arena = malloc(n + 1)) == NULL)
        rc = err_no_memory(s.err);
    if (rc == 0) {
        if (!utf8_valid(text, n, &valid))
            s.n = valid;
        rc = scan_text(&s);
        if (s.n < n)
            rc = judge_tail(&s, n, rc);
        if (rc != 0 && s.ended)
            judge_open_frames(&s);
        *incomplete = rc != 0 && s.ended;
    }
    free(s.keys);
    free(s.arena);
    if (rc != 0) {
        free(s.spots);
        return -1;
    }
    *spots = s.spots;
    *count = s.spot_count;
    return 0;
}

static size_t put_utf8(char *out, unsigned long c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = n - 1; i > 0; i--, c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3F));
    out[0] = (char)(lead[n] | c);
    return n;
}

static unsigned long hex_unit(const char *digits)
{
    unsigned long unit = 0;
    for (int i = 0; i < 4; i++)
        unit = unit * 16 + (unsigned long)hex_value(digits[i]);
    return unit;
}

/* One escape, backslash at *at, which is moved over it. */
static size_t decode_escape(const char **at, char *out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *p = *at;
    if (p[1] != 'u') {
        out[0] = to[strchr(from, p[1]) - from];
        *at += 2;
        return 1;
    }
    unsigned long c = hex_unit(p + 2);
    *at += 6;
    if (c >= 0xD800 && c <= 0xDBFF) {
        c = 0x10000 + ((c - 0xD800) << 10) + (hex_unit(p + 8) - 0xDC00);
        *at += 6;
    }
    return put_utf8(out, c);
}

size_t json_decode(const char *spelled, size_t n, char *out)
{
    const char *p = spelled + 1, *end = spelled + n - 1;
    char *start = out;
    while (p < end) {
        if (*p == '\\')
            out += decode_escape(&p, out);
        else
            *out++ = *p++;
    }
    return (size_t)(out - start);
}
