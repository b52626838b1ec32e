/* fuzz_texts.c: what is shown and what is counted (src/base/escape.h, num.h).
 *
 * Input: any bytes.  Asserted:
 *   - escaped, they are well-formed UTF-8 in which nothing is that a terminal obeys or
 *     hides; escaped again, the same
 *   - what is well-formed UTF-8 is what iconv(3) says; a part that fits is a part, ends
 *     at a character, and fits
 *   - whole numbers are what strtoll(3) reads where they have their one spelling, and in
 *     JSON's spellings what 80 bits of long double say; sizes: parse(print(n)) == n
 */
#include "fuzz.h"

#include <errno.h>
#include <iconv.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "base/num.h"

/* --- text ----------------------------------------------------------------------- */

static void must_be_safe(const struct buf *b)
{
    size_t len;
    must(utf8_valid(buf_str(b), b->len, NULL), "escaped, and malformed: %s", buf_str(b));
    for (size_t at = 0; at < b->len; at += len)
        must(!escape_is_hidden(utf8_next(b->data + at, b->len - at, &len)), "shown raw: %s",
             b->data);
}

static void check_escape(const char *text, size_t n)
{
    struct buf once = BUF_INIT, twice = BUF_INIT;
    escape_add(&once, text, n);
    must_be_safe(&once);
    escape_add(&twice, buf_str(&once), once.len);
    must(once.len == twice.len && memcmp(buf_str(&once), buf_str(&twice), once.len) == 0,
         "escaped twice: %s, %s", buf_str(&once), buf_str(&twice));
    buf_release(&once);
    buf_release(&twice);
}

/* The C library's word; its UTF-8 knows no surrogates and nothing over U+10FFFF. */
static bool is_utf8(const char *text, size_t n)
{
    static iconv_t cd = (iconv_t)-1;
    if (cd == (iconv_t)-1)
        cd = iconv_open("UTF-32LE", "UTF-8");
    must(cd != (iconv_t)-1, "no iconv");
    char *in = (char *)(uintptr_t)text, *space = malloc(4 * n + 4), *out = space;
    size_t left = n, room = 4 * n + 4;
    must(space != NULL, "no memory");
    iconv(cd, NULL, NULL, NULL, NULL);
    bool good = iconv(cd, &in, &left, &out, &room) != (size_t)-1;
    free(space);
    return good;
}

static void check_utf8(const char *text, size_t n)
{
    size_t bad = n + 1, columns = (size_t)fuzz_pick(0, 80);
    bool valid = utf8_valid(text, n, &bad);
    must(valid == is_utf8(text, n), "is %s UTF-8", valid ? "no" : "good");
    must(valid || (bad < n && is_utf8(text, bad)), "byte %zu is not the first bad one", bad);
    size_t fits = utf8_fit(text, n, columns);
    must(fits <= n && utf8_columns(text, fits) <= columns, "%zu bytes do not fit", fits);
    must(!valid || is_utf8(text, fits), "cut inside a character");
    must(utf8_columns(text, n) > columns || fits == n, "cut without need");
}

/* --- numbers -------------------------------------------------------------------- */

static void check_number(const char *text)
{
    char printed[32];
    int64_t n = 77;
    errno = 0;
    long long said = strtoll(text, NULL, 10);
    snprintf(printed, sizeof printed, "%lld", said);
    bool should = errno == 0 && strcmp(printed, text) == 0;
    must(num_parse(text, INT64_MIN, INT64_MAX, &n) == should, "%s: %s", text,
         should ? "refused" : "taken");
    must(n == (should ? said : 77), "%s is %" PRId64, text, n);
    if (should) {
        must(num_parse(text, said, said, &n), "%s is out of its own bounds", text);
        must(said == INT64_MAX || !num_parse(text, said + 1, INT64_MAX, &n), "%s: least", text);
        must(said == INT64_MIN || !num_parse(text, INT64_MIN, said - 1, &n), "%s: most", text);
    }
}

/* A double of 80 bits holds every int64_t; with few digits it is exact enough to tell
 * a whole number from another. */
static void check_whole(const char *text)
{
    int64_t n = 0;
    if (!num_parse_whole(text, INT64_MIN, INT64_MAX, &n))
        return;
    long double said = strtold(text, NULL);
    must(text[strspn(text, "-+.0123456789eE")] == '\0', "%s is whole", text);
    must(strlen(text) > 18 || (said - n < 0.5L && n - said < 0.5L), "%s is %" PRId64, text, n);
    int64_t same;
    must(!num_parse(text, INT64_MIN, INT64_MAX, &same) || same == n, "%s is two numbers", text);
}

static void check_fraction(const char *text)
{
    double x = 0, said = strtod(text, NULL);
    if (!num_parse_fraction(text, -1e9, 1e9, &x))
        return;
    double off = x > said ? x - said : said - x, size = said < 0 ? -said : said;
    must(text[strspn(text, "-.0123456789")] == '\0', "%s is a fraction", text);
    must(off <= size * 1e-14 + 1e-14, "%s is %.17g", text, x);
}

static void check_sizes(const char *text)
{
    char printed[24];
    int unit = (int)fuzz_pick(0, 30);
    int64_t n = fuzz_pick(0, INT64_MAX >> unit) << unit, back = -1;
    num_format_size(n, printed);
    must(num_parse_size(printed, &back) && back == n, "%" PRId64 " is printed %s", n, printed);
    if (!num_parse_size(text, &n))
        return;
    must(n >= 0, "%s is %" PRId64, text, n);
    num_format_size(n, printed);
    must(num_parse_size(printed, &back) && back == n, "%s is printed %s", text, printed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_string(data, size);
    fuzz_seed(data, size);
    check_escape(text, size);
    check_utf8(text, size);
    check_number(text);
    check_whole(text);
    check_fraction(text);
    check_sizes(text);
    free(text);
    return 0;
}
