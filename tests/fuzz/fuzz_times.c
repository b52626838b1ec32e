/* fuzz_times.c: points in time (src/base/stamp.h).
 *
 * Input: a text, read in each of three local times.  Asserted:
 *   - what is a time, and which, is what the C library says: patterns, timegm(3), and
 *     localtime_r(3) back again
 *   - parse(print(us)) == us, for names and for documents; print(parse(x)) == x for names
 *   - both sort as the times do, and what is out of range is clamped to it
 */
#include "fuzz.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/stamp.h"

#define LAST_US INT64_C(253402300799999999)
#define US_PER_S 1000000

/* Summer time, none, and one that is half an hour off, south of the equator. */
static const char *const zones[] = {"CET-1CEST,M3.5.0,M10.5.0/3", "UTC0",
                                    "LHST-10:30LHDT-11,M10.1.0,M4.1.0"};
#define ZONES (sizeof zones / sizeof zones[0])

enum group { WHOLE, YEAR, MONTH, DAY, CLOCK, HOUR, MINUTE, BEHIND, SECOND, POINT, FRACTION, ZONE,
             SIGN, OFF_HOUR, OFF_BEHIND, OFF_MINUTE, GROUPS };

static const char date_pattern[] =
    "^([0-9]{4})-([0-9]{2})-([0-9]{2})"
    "([Tt ]([0-9]{2}):([0-9]{2})(:([0-9]{2})(\\.([0-9]+))?)?"
    "([Zz]|([+-])([0-9]{2})(:?([0-9]{2}))?)?)?$";
static const char epoch_pattern[] = "^([0-9]+)(\\.([0-9]+))?$";

static int number(const char *text, const regmatch_t *g)
{
    int value = 0;
    for (int i = g->rm_so; i >= 0 && i < g->rm_eo && i < g->rm_so + 18; i++)
        value = value * 10 + (text[i] - '0');
    return value;
}

/* The first six digits. */
static int64_t micros(const char *text, const regmatch_t *g)
{
    int64_t us = 0;
    for (int i = 0; i < 6; i++)
        us = us * 10 + (g->rm_so >= 0 && g->rm_so + i < g->rm_eo ? text[g->rm_so + i] - '0' : 0);
    return us;
}

static regex_t *pattern(const char *text, regex_t *r)
{
    if (r->re_nsub == 0)
        must(regcomp(r, text, REG_EXTENDED) == 0, "%s", text);
    return r;
}

static bool expected_epoch(const char *text, int64_t *us)
{
    static regex_t r;
    regmatch_t g[4];
    if (regexec(pattern(epoch_pattern, &r), text, 4, g, 0) != 0)
        return false;
    int from = g[1].rm_so, len;
    while (from < g[1].rm_eo - 1 && text[from] == '0')
        from++;
    len = g[1].rm_eo - from;
    if (len > 12 || strtoll(text + from, NULL, 10) > LAST_US / US_PER_S)
        return false;
    *us = strtoll(text + from, NULL, 10) * US_PER_S + micros(text, &g[3]);
    return true;
}

/* Is this the local time the text says?  There may be two such moments, or none:
 * then the C library's choice stands within the gap. */
static void check_local(const char *text, const struct fuzz_date *d, int64_t us)
{
    time_t s = us / US_PER_S, around;
    struct tm tm, other;
    localtime_r(&s, &tm);
    bool same = tm.tm_hour == d->hour && tm.tm_min == d->minute && tm.tm_sec == d->second % 60;
    around = s - 7200;
    localtime_r(&around, &other);
    bool gap = other.tm_gmtoff != tm.tm_gmtoff;
    around = s + 7200;
    localtime_r(&around, &other);
    gap = gap || other.tm_gmtoff != tm.tm_gmtoff;
    must(same || gap || d->second == 60, "%s is %lld, locally %02d:%02d:%02d", text,
         (long long)us, tm.tm_hour, tm.tm_min, tm.tm_sec);
    must(llabs(s - (long long)(us / US_PER_S)) == 0 && tm.tm_year + 1900 - d->year <= 1 &&
         d->year - tm.tm_year - 1900 <= 1, "%s is in %d", text, tm.tm_year + 1900);
}

/* 1: exactly *us, 0: no time, -1: local, somewhere within a day of *us. */
static int expected(const char *text, struct fuzz_date *d, int64_t *us)
{
    static regex_t r;
    regmatch_t g[GROUPS];
    if (expected_epoch(text, us))
        return 1;
    if (regexec(pattern(date_pattern, &r), text, GROUPS, g, 0) != 0)
        return 0;
    *d = (struct fuzz_date){number(text, &g[YEAR]), number(text, &g[MONTH]), number(text, &g[DAY]),
                            number(text, &g[HOUR]), number(text, &g[MINUTE]),
                            number(text, &g[SECOND])};
    struct fuzz_date plain = *d;
    bool leap = d->second == 60;
    int east = number(text, &g[OFF_HOUR]) * 3600 + number(text, &g[OFF_MINUTE]) * 60;
    plain.second -= leap;
    if (!fuzz_date_real(&plain, us) || number(text, &g[OFF_HOUR]) > 23 ||
        number(text, &g[OFF_MINUTE]) > 59)
        return 0;
    *us = (*us + leap) * US_PER_S + micros(text, &g[FRACTION]);
    if (g[ZONE].rm_so < 0)
        return -1;
    if (g[SIGN].rm_so >= 0)
        *us -= (int64_t)east * (text[g[SIGN].rm_so] == '-' ? -US_PER_S : US_PER_S);
    return *us >= 0 && *us <= LAST_US;
}

static void check_text(const char *text)
{
    struct fuzz_date d;
    int64_t want, us = -1;
    int how = expected(text, &d, &want);
    bool is = stamp_parse(text, &us);
    if (how >= 0)
        must(is == how && (!is || us == want), "%s is %lld, and not %lld", text, (long long)us,
             how ? (long long)want : -1);
    else if (is)
        check_local(text, &d, us);
    else /* local midnight of 1970 may lie in 1969 in UTC, and so on */
        must(want < 86400 * (int64_t)US_PER_S || want > LAST_US - 86400 * (int64_t)US_PER_S,
             "%s is refused", text);
}

static void check_printed(int64_t us)
{
    char name[STAMP_NAME_LEN + 1], iso[STAMP_ISO_LEN + 1];
    int64_t clamped = us < 0 ? 0 : us > LAST_US ? LAST_US : us, back = -1;
    time_t s = clamped / US_PER_S;
    struct tm tm;
    char want[64];
    stamp_name_format(us, name);
    must(strlen(name) == STAMP_NAME_LEN && stamp_name_parse(name, &back) && back == clamped,
         "%lld is printed %s, read %lld", (long long)us, name, (long long)back);
    stamp_iso_format(us, iso);
    must(strlen(iso) == STAMP_ISO_LEN && stamp_parse(iso, &back) && back == clamped,
         "%lld is printed %s, read %lld", (long long)us, iso, (long long)back);
    gmtime_r(&s, &tm);
    strftime(want, sizeof want, "%Y-%m-%dT%H:%M:%S", &tm);
    must(strncmp(want, iso, 19) == 0, "%lld is %s, not %s", (long long)us, want, iso);
}

static void check_order(int64_t a, int64_t b)
{
    char x[STAMP_NAME_LEN + 1], y[STAMP_NAME_LEN + 1], p[STAMP_ISO_LEN + 1], q[STAMP_ISO_LEN + 1];
    stamp_name_format(a, x);
    stamp_name_format(b, y);
    stamp_iso_format(a, p);
    stamp_iso_format(b, q);
    must((a < b) == (strcmp(x, y) < 0) && (a < b) == (strcmp(p, q) < 0), "order of %s, %s", x, y);
}

static void check_name(const char *text)
{
    char printed[STAMP_NAME_LEN + 1];
    int64_t us;
    if (!stamp_name_parse(text, &us))
        return;
    stamp_name_format(us, printed);
    must(strncmp(printed, text, STAMP_NAME_LEN) == 0, "%s is printed %s", text, printed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_string(data, size);
    fuzz_seed(data, size);
    for (size_t i = 0; i < ZONES; i++) {
        setenv("TZ", zones[i], 1);
        tzset();
        check_text(text);
    }
    check_name(text);
    check_printed(fuzz_pick(INT64_MIN, INT64_MAX));
    check_printed(fuzz_pick(-5, LAST_US + 5));
    check_order(fuzz_pick(0, LAST_US), fuzz_pick(0, LAST_US));
    int64_t near = fuzz_pick(0, LAST_US - 1000000);
    check_order(near, near + fuzz_pick(0, 1000000));
    free(text);
    return 0;
}
