/* fuzz_durations.c: lengths of time (src/base/duration.h).
 *
 * Input: one or two texts, a line each.  Asserted:
 *   - what is a duration, and how many milliseconds, is what a regular expression and
 *     whole-number arithmetic in 128 bits say
 *   - parse(print(ms)) == ms for every length; what is printed is in its shortest form
 *   - a longer text of the same number is never shorter: monotone
 *   - a number of JSON means the same as its text, to the millisecond
 */
#include "fuzz.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"

#define NUMBER "([0-9]+)(\\.([0-9]+))?"
#define PART(unit) "(" NUMBER unit ")?"
#define GROUPS 4 /* of a part */
#define UNITS 5
#define BLANK "[ \t-\r]*"

static const int64_t unit_ms[UNITS] = {86400000, 3600000, 60000, 1000, 1};

/* What the text says, in whole milliseconds; exact: no digit was beyond reckoning. */
struct said {
    __int128 ms;
    bool exact;
};

static bool compiled(regex_t *r, const char *pattern)
{
    return regcomp(r, pattern, REG_EXTENDED) == 0;
}

/* One number with its unit: rounded half up, but never to nothing. */
static void add_part(const char *text, const regmatch_t *group, int64_t unit, struct said *s)
{
    __int128 whole = 0, fraction = 0, scale = 1, part;
    bool more = false;
    if (group[0].rm_so < 0)
        return;
    for (int i = group[1].rm_so; i < group[1].rm_eo; i++)
        if (whole <= DURATION_MAX_MS)
            whole = whole * 10 + (text[i] - '0');
    for (int i = group[3].rm_so; i >= 0 && i < group[3].rm_eo; i++) {
        more = more || text[i] != '0';
        if (scale < 1000000000000000000) {
            fraction = fraction * 10 + (text[i] - '0');
            scale *= 10;
        }
        s->exact = s->exact && i - group[3].rm_so < 9;
    }
    part = whole * unit + (2 * fraction * unit + scale) / (2 * scale);
    if (part == 0 && more)
        part = 1;
    /* Over the longest by less than what is rounded away is over it too. */
    if (whole * unit == DURATION_MAX_MS && more)
        part++;
    s->ms += part;
}

static bool expected(const char *text, struct said *s)
{
    static regex_t bare, parts;
    static bool ready;
    regmatch_t group[1 + UNITS * GROUPS];
    if (!ready)
        ready = compiled(&bare, "^" BLANK "(" NUMBER ")" BLANK "$") &&
                compiled(&parts, "^" BLANK PART("d") PART("h") PART("m") PART("s") PART("ms") BLANK
                         "$");
    must(ready, "a regular expression");
    *s = (struct said){0, true};
    if (regexec(&bare, text, 1 + GROUPS, group, 0) == 0)
        add_part(text, group + 1, 1000, s);
    else if (strpbrk(text, "0123456789") == NULL ||
             regexec(&parts, text, 1 + UNITS * GROUPS, group, 0) != 0)
        return false;
    else
        for (int i = 0; i < UNITS; i++)
            add_part(text, group + 1 + i * GROUPS, unit_ms[i], s);
    return s->ms <= DURATION_MAX_MS;
}

static bool check_text(const char *text, int64_t *ms)
{
    struct said s;
    bool should = expected(text, &s), is = duration_parse(text, ms);
    /* Digits beyond the ninth are less than a millisecond of a day. */
    if (!s.exact && s.ms > DURATION_MAX_MS - 10 && s.ms < DURATION_MAX_MS + 10)
        return is;
    must(is == should, "%s: %s", text, is ? "taken" : "refused");
    if (!is)
        return false;
    must(s.exact ? *ms == s.ms : *ms - s.ms <= UNITS && s.ms - *ms <= UNITS,
         "%s is %lld ms, and not %lld", text, (long long)*ms, (long long)s.ms);
    return true;
}

static void check_printed(int64_t ms)
{
    char text[DURATION_TEXT_LEN], shorter[DURATION_TEXT_LEN];
    int64_t back = -1;
    duration_format(ms, text);
    must(duration_parse(text, &back) && back == ms, "%lld ms is printed %s, read %lld",
         (long long)ms, text, (long long)back);
    duration_format(back, shorter);
    must(strcmp(text, shorter) == 0, "%s", text);
    must(text[0] != '0' || ms == 0, "%s", text);
}

/* A number with one digit more is never less. */
static void check_monotone(const char *text, int64_t ms)
{
    size_t n = strlen(text);
    int64_t more;
    char *longer = malloc(n + 2);
    must(longer != NULL, "no memory");
    for (size_t i = 1; i <= n && n < 64; i++) {
        if (text[i - 1] < '0' || text[i - 1] > '9' || (text[i] >= '0' && text[i] <= '9'))
            continue;
        memcpy(longer, text, i);
        longer[i] = (char)('0' + i % 10);
        memcpy(longer + i + 1, text + i, n - i + 1);
        if (duration_parse(longer, &more))
            must(more >= ms, "%s is %lld ms, %s %lld", text, (long long)ms, longer,
                 (long long)more);
    }
    free(longer);
}

static void check_seconds(const char *text, int64_t ms)
{
    int64_t other;
    if (text[strspn(text, "0123456789.")] == '\0' && duration_from_seconds(strtod(text, NULL), &other))
        must(other - ms <= 1 && ms - other <= 1, "%s as a number is %lld ms", text,
             (long long)other);
}

static void check(char *text)
{
    int64_t ms;
    if (!check_text(text, &ms))
        return;
    must(ms >= 0 && ms <= DURATION_MAX_MS, "%s is %lld ms", text, (long long)ms);
    check_printed(ms);
    check_monotone(text, ms);
    check_seconds(text, ms);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_string(data, size);
    fuzz_seed(data, size);
    check(text);
    check_printed(fuzz_pick(0, DURATION_MAX_MS));
    check_printed(fuzz_pick(0, 100000));
    free(text);
    return 0;
}
