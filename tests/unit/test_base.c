/* Units of src/base: numbers, sizes, durations, stamps, UTF-8 and escapes,
 * buffers, errors, reading of files. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/duration.h"
#include "base/err.h"
#include "base/escape.h"
#include "base/io.h"
#include "base/log.h"
#include "base/num.h"
#include "base/stamp.h"
#include "base/text.h"

#define LENGTH(array) (sizeof(array) / sizeof(array)[0])
#define LAST_US INT64_C(253402300799999999)

/* --- numbers --- */

static void texts(void **state)
{
    char to[32], small[6] = "xxxxx";
    struct text t = text_in(to, sizeof to);
    (void)state;
    assert_string_equal(to, "");
    text_adds(&t, "a");
    text_addc(&t, '.');
    text_add_int(&t, -120);
    text_add(&t, "bcd", 1);
    text_add_uint(&t, 0);
    assert_string_equal(to, "a.-120b0");
    t = text_in(to, sizeof to);
    text_add_digits(&t, 7, 3);
    text_add_digits(&t, 1234, 3);
    assert_string_equal(to, "0071234");
    text_copy(to, sizeof to, "ab");
    assert_string_equal(to, "ab");
    text_copy(to, 3, "abcd");
    assert_string_equal(to, "ab");
    t = text_in(to, sizeof to);
    text_add_int(&t, INT64_MIN);
    assert_string_equal(to, "-9223372036854775808");
    t = text_in(to, sizeof to);
    text_add_uint(&t, UINT64_MAX);
    assert_string_equal(to, "18446744073709551615");
    t = text_in(small, 4); /* what does not fit is left out */
    text_adds(&t, "ab");
    text_adds(&t, "cdef");
    text_addc(&t, 'g');
    assert_string_equal(small, "abc");
    assert_int_equal(t.len, 3);
    assert_int_equal(small[4], 'x');
}

static void numbers_whole(void **state)
{
    static const struct {
        const char *text;
        bool good;
        int64_t value;
    } rows[] = {
        {"0", true, 0},
        {"7", true, 7},
        {"-7", true, -7},
        {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"99999999999999999999999", false, 0},
        {"", false, 0},
        {"-", false, 0},
        {"-0", false, 0},
        {"+1", false, 0},
        {"01", false, 0},
        {"00", false, 0},
        {"-01", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"1x", false, 0},
        {"0x10", false, 0},
        {"1.0", false, 0},
        {"1e3", false, 0},
        {"\xD9\xA3", false, 0}, /* an Arabic digit */
    };
    size_t i;

    (void)state;
    for (i = 0; i < LENGTH(rows); i++) {
        int64_t value = -99;

        if (num_parse(rows[i].text, INT64_MIN, INT64_MAX, &value) != rows[i].good)
            fail_msg("\"%s\"", rows[i].text);
        assert_true(value == (rows[i].good ? rows[i].value : -99));
    }
}

static void numbers_bounds(void **state)
{
    int64_t value;

    (void)state;
    assert_true(num_parse("5", 5, 5, &value));
    assert_false(num_parse("4", 5, 10, &value));
    assert_false(num_parse("11", 5, 10, &value));
    assert_true(num_parse_n("123.json", 3, 0, 1000, &value));
    assert_int_equal(value, 123);
    assert_false(num_parse_n("123", 0, 0, 1000, &value));
    assert_false(num_parse_n("12\0003", 4, 0, 1000, &value));
}

static void numbers_in_any_spelling(void **state)
{
    static const struct {
        const char *text;
        int64_t value;
    } good[] = {
        {"0", 0},
        {"-0", 0},
        {"0.000", 0},
        {"-0.0e5", 0},
        {"0e99999999999999999999", 0},
        {"0.00e-99999999999999999999", 0},
        {"7", 7},
        {"-7.0", -7},
        {"30e-1", 3},
        {"0.3E+1", 3},
        {"0.03e2", 3},
        {"300.00e-2", 3},
        {"1.5e1", 15},
        {"10203.0", 10203},
        {"1e003", 1000},
        {"1e18", INT64_C(1000000000000000000)},
        {"9007199254740993", INT64_C(9007199254740993)}, /* no double */
        {"9.007199254740993e15", INT64_C(9007199254740993)},
        {"9223372036854775807", INT64_MAX},
        {"-9223372036854775808", INT64_MIN},
        {"-9223372036854775808.000e0", INT64_MIN},
        {"92233720368547758070e-1", INT64_MAX},
        {"0.0000000000000000000000000000000000000001e40", 1},
        {"10000000000000000000000000000000000000000e-40", 1},
    };
    static const char *const bad[] = {
        "",     "-",    "+1",    "01",    "-01",   "00",  ".5",   "5.",   "5.e1", "1e",
        "1e+",  "1e-",  "1E+-1", "1e1.0", "1 ",    " 1",  "1x",   "0x10", "nan",  "--1",
        "2.5",  "1e-1", "10e-2", "1.01",  "25e-1", "0.1", "1e19", "1e99999999999999999999",
        "9223372036854775808", "-9223372036854775809", "9223372036854775807.5",
        "1e-99999999999999999999", "0.00000000000000000000000000000000000001e37",
    };
    int64_t value;

    (void)state;
    for (size_t i = 0; i < LENGTH(good); i++) {
        if (!num_parse_whole(good[i].text, INT64_MIN, INT64_MAX, &value))
            fail_msg("\"%s\"", good[i].text);
        assert_true(value == good[i].value);
    }
    for (size_t i = 0; i < LENGTH(bad); i++) {
        value = -99;
        if (num_parse_whole(bad[i], INT64_MIN, INT64_MAX, &value))
            fail_msg("\"%s\"", bad[i]);
        assert_true(value == -99);
    }
    assert_true(num_parse_whole("5.0", 5, 5, &value));
    assert_false(num_parse_whole("4", 5, 10, &value));
    assert_false(num_parse_whole("1.1e1", 5, 10, &value));
}

static void numbers_fraction(void **state)
{
    static const char *const bad[] = {"",    ".5",  "5.",  "1e3",  "-",   "+1",    "01.5", "1.5 ",
                                      "1,5", "nan", "inf", "1.-5", "0x1", "1.5.5", " 1"};
    double value;
    size_t i;

    (void)state;
    assert_true(num_parse_fraction("1.5", 0, 10, &value) && value == 1.5);
    assert_true(num_parse_fraction("0.1", 0, 10, &value) && value == 0.1);
    assert_true(num_parse_fraction("2", 0, 10, &value) && value == 2);
    assert_true(num_parse_fraction("-0.25", -1, 10, &value) && value == -0.25);
    assert_true(num_parse_fraction("0.123456789012345678901234567890", 0, 1, &value));
    assert_true(fabs(value - 0.1234567890123456) < 1e-15);
    assert_false(num_parse_fraction("10.01", 0, 10, &value));
    assert_false(num_parse_fraction("-0.01", 0, 10, &value));
    for (i = 0; i < LENGTH(bad); i++)
        if (num_parse_fraction(bad[i], -1e9, 1e9, &value))
            fail_msg("\"%s\"", bad[i]);
}

static void numbers_size(void **state)
{
    static const struct {
        const char *text;
        int64_t value;
    } good[] = {
        {"0", 0},
        {"1500", 1500},
        {"64M", 64 << 20},
        {"64MiB", 64 << 20},
        {"1K", 1024},
        {"1KiB", 1024},
        {"3G", INT64_C(3) << 30},
        {"3GiB", INT64_C(3) << 30},
        {"8589934591G", INT64_C(8589934591) << 30},
    };
    static const char *const bad[] = {"",
                                      "M",
                                      "1 M",
                                      "1m",
                                      "1MB",
                                      "1Mi",
                                      "-1",
                                      "1.5M",
                                      "1T",
                                      "01K",
                                      "1K ",
                                      "8589934592G",
                                      "9223372036854775808"};
    static const int64_t round[] = {0,        1,       1023,      1024,    1025, 1500,
                                    64 << 20, 1 << 30, INT64_MAX, 3 << 20, 1536, (1 << 30) + 1024};
    int64_t value;
    char text[24];
    size_t i;

    (void)state;
    for (i = 0; i < LENGTH(good); i++) {
        assert_true(num_parse_size(good[i].text, &value));
        assert_true(value == good[i].value);
    }
    for (i = 0; i < LENGTH(bad); i++)
        if (num_parse_size(bad[i], &value))
            fail_msg("\"%s\"", bad[i]);
    for (i = 0; i < LENGTH(round); i++) {
        num_format_size(round[i], text);
        assert_true(num_parse_size(text, &value));
        assert_true(value == round[i]);
    }
    num_format_size(64 << 20, text);
    assert_string_equal(text, "64M");
    num_format_size(1536, text);
    assert_string_equal(text, "1536");
}

/* --- durations --- */

static void durations_good(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } rows[] = {
        {"0", 0},
        {"0s", 0},
        {"5", 5000},
        {"0.5", 500},
        {"2.25", 2250},
        {"500ms", 500},
        {"90s", 90000},
        {"5m", 300000},
        {"2h", 7200000},
        {"1d", 86400000},
        {"1.5h", 5400000},
        {"1h30m", 5400000},
        {"1d2h3m4s5ms", 93784005},
        {"1h5ms", 3600005},
        {"1m0.5s", 60500},
        {"  10s\t", 10000},
        {" 7 ", 7000},
        {"0.0004", 1}, /* more than nothing never becomes nothing */
        {"0.00000000000000000001", 1},
        {"0.0014", 1},
        {"0.0015", 2},
        {"0.5ms", 1},
        {"0.1d", 8640000},
        {"0.3333333333333333333h", 1200000},
        {"3650d", DURATION_MAX_MS},
        {"315360000", DURATION_MAX_MS},
        {"007s", 7000},
    };
    size_t i;

    (void)state;
    for (i = 0; i < LENGTH(rows); i++) {
        int64_t ms = -1;

        if (!duration_parse(rows[i].text, &ms) || ms != rows[i].ms)
            fail_msg("\"%s\" gave %lld", rows[i].text, (long long)ms);
    }
}

static void durations_bad(void **state)
{
    static const char *const rows[] = {"",
                                       " ",
                                       "s",
                                       "5 parsecs",
                                       "5 s",
                                       "1m1h",
                                       "1m1m",
                                       "1h30",
                                       "-5",
                                       "-5s",
                                       "+5",
                                       "1.5.5",
                                       "1..5s",
                                       ".5s",
                                       "5.",
                                       "5.s",
                                       "1S",
                                       "1H",
                                       "1w",
                                       "1mss",
                                       "1sm",
                                       "1h 30m",
                                       "1e3",
                                       "0x10",
                                       "inf",
                                       "nan",
                                       "1h-5m",
                                       "3650d1ms",
                                       "3651d",
                                       "315360000.001",
                                       "99999999999999999999d",
                                       "5\n6",
                                       "1,5h",
                                       "5s;",
                                       "5\xC2\xA0s",
                                       "1ms1s",
                                       "3649d99999h"};
    size_t i;

    (void)state;
    for (i = 0; i < LENGTH(rows); i++) {
        int64_t ms = -77;

        if (duration_parse(rows[i], &ms) || ms != -77)
            fail_msg("\"%s\" gave %lld", rows[i], (long long)ms);
    }
}

static void durations_from_seconds(void **state)
{
    int64_t ms;

    (void)state;
    assert_true(duration_from_seconds(0, &ms) && ms == 0);
    assert_true(duration_from_seconds(1.5, &ms) && ms == 1500);
    assert_true(duration_from_seconds(0.1, &ms) && ms == 100);
    assert_true(duration_from_seconds(1e-9, &ms) && ms == 1);
    assert_true(duration_from_seconds(315360000.0, &ms) && ms == DURATION_MAX_MS);
    assert_false(duration_from_seconds(315360001.0, &ms));
    assert_false(duration_from_seconds(-1, &ms));
    assert_false(duration_from_seconds(-1e-9, &ms));
    assert_false(duration_from_seconds((double)NAN, &ms));
    assert_false(duration_from_seconds((double)INFINITY, &ms));
}

static void durations_format(void **state)
{
    static const struct {
        int64_t ms;
        const char *text;
    } rows[] = {
        {0, "0"},
        {500, "500ms"},
        {1000, "1s"},
        {90000, "1m30s"},
        {60000000, "16h40m"},
        {86400000, "1d"},
        {93784005, "1d2h3m4s5ms"},
    };
    char text[DURATION_TEXT_LEN];
    int64_t ms, back;
    size_t i;

    (void)state;
    for (i = 0; i < LENGTH(rows); i++) {
        duration_format(rows[i].ms, text);
        assert_string_equal(text, rows[i].text);
    }
    for (ms = 1; ms <= DURATION_MAX_MS; ms += ms / 1000 + 1) {
        duration_format(ms, text);
        assert_true(duration_parse(text, &back) && back == ms);
    }
    duration_format(DURATION_MAX_MS, text);
    assert_true(duration_parse(text, &back) && back == DURATION_MAX_MS);
}

/* --- stamps --- */

static void stamps_name_form(void **state)
{
    static const struct {
        int64_t us;
        const char *text;
    } rows[] = {
        {0, "19700101T000000.000000Z"},
        {1, "19700101T000000.000001Z"},
        {INT64_C(951782400000000), "20000229T000000.000000Z"},
        {INT64_C(1709164800000000), "20240229T000000.000000Z"},
        {INT64_C(4107542400000000), "21000301T000000.000000Z"},
        {INT64_C(1795317300250000), "20261122T031500.250000Z"},
        {LAST_US, "99991231T235959.999999Z"},
    };
    char text[STAMP_NAME_LEN + 1];
    int64_t us;
    size_t i;

    (void)state;
    for (i = 0; i < LENGTH(rows); i++) {
        stamp_name_format(rows[i].us, text);
        assert_string_equal(text, rows[i].text);
        assert_true(stamp_name_parse(text, &us));
        assert_true(us == rows[i].us);
    }
}

static void stamps_clamped(void **state)
{
    char text[STAMP_NAME_LEN + 1], iso[STAMP_ISO_LEN + 1];

    (void)state;
    stamp_name_format(-1, text);
    assert_string_equal(text, "19700101T000000.000000Z");
    stamp_name_format(INT64_MIN, text);
    assert_string_equal(text, "19700101T000000.000000Z");
    stamp_name_format(LAST_US + 1, text);
    assert_string_equal(text, "99991231T235959.999999Z");
    stamp_iso_format(INT64_MAX, iso);
    assert_string_equal(iso, "9999-12-31T23:59:59.999999Z");
}

static void stamps_name_bad(void **state)
{
    static const char *const rows[] = {
        "",
        "2026",
        "20261122T031500.250000",
        "20261122t031500.250000Z",
        "20261122T031500.250000z",
        "20261122T031500,250000Z",
        "20261122 031500.250000Z",
        "20260229T000000.000000Z", /* no leap year */
        "21000229T000000.000000Z", /* nor this */
        "20260431T000000.000000Z",
        "20261301T000000.000000Z",
        "20260001T000000.000000Z",
        "20260100T000000.000000Z",
        "20261122T240000.000000Z",
        "20261122T236000.000000Z",
        "20261231T235960.000000Z",
        "19691231T235959.999999Z",
        "2026-122T031500.250000Z",
        "2026112 T031500.250000Z",
        "held",
    };
    size_t i;

    (void)state;
    for (i = 0; i < LENGTH(rows); i++) {
        int64_t us = -5;

        if (stamp_name_parse(rows[i], &us) || us != -5)
            fail_msg("\"%s\"", rows[i]);
    }
}

/* What follows the stamp is the caller's. */
static void stamps_name_prefix(void **state)
{
    int64_t us;

    (void)state;
    assert_true(stamp_name_parse("20261122T031500.250000Z.p10.a0.x.json", &us));
    assert_true(us == INT64_C(1795317300250000));
}

/* The C library's reckoning against ours, over all the years. */
static void stamps_against_libc(void **state)
{
    const int64_t step = INT64_C(86400000000) * 13 + INT64_C(7654321098);
    char text[STAMP_NAME_LEN + 1], want[64], iso[STAMP_ISO_LEN + 1];
    int64_t us, back;

    (void)state;
    for (us = 0; us <= LAST_US; us += step) {
        time_t s = (time_t)(us / 1000000);
        struct tm tm;

        assert_non_null(gmtime_r(&s, &tm));
        snprintf(want, sizeof want, "%04d%02d%02dT%02d%02d%02d.%06dZ", tm.tm_year + 1900,
                 tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(us % 1000000));
        stamp_name_format(us, text);
        assert_string_equal(text, want);
        assert_true(stamp_name_parse(text, &back) && back == us);
        stamp_iso_format(us, iso);
        assert_true(stamp_parse(iso, &back) && back == us);
    }
}

static void stamps_written_with_zone(void **state)
{
    static const struct {
        const char *text;
        int64_t us;
    } rows[] = {
        {"2026-11-22T03:15Z", INT64_C(1795317300000000)},
        {"2026-11-22 03:15z", INT64_C(1795317300000000)},
        {"2026-11-22t03:15:00Z", INT64_C(1795317300000000)},
        {"2026-11-22T03:15:00.25Z", INT64_C(1795317300250000)},
        {"2026-11-22T03:15:00.2500009999999999Z", INT64_C(1795317300250000)},
        {"2026-11-22T04:15+01:00", INT64_C(1795317300000000)},
        {"2026-11-22T04:15+0100", INT64_C(1795317300000000)},
        {"2026-11-22T04:15+01", INT64_C(1795317300000000)},
        {"2026-11-21T21:45-05:30", INT64_C(1795317300000000)},
        {"2026-11-22T03:15-00:00", INT64_C(1795317300000000)},
        {"2016-12-31T23:59:60Z", INT64_C(1483228800000000)},
        {"1970-01-01T00:00Z", 0},
        {"9999-12-31T23:59:59.999999Z", LAST_US},
        {"0", 0},
        {"1795317300", INT64_C(1795317300000000)},
        {"1795317300.25", INT64_C(1795317300250000)},
        {"1795317300.0000019", INT64_C(1795317300000001)},
        {"253402300799", LAST_US - 999999},
    };
    size_t i;

    (void)state;
    for (i = 0; i < LENGTH(rows); i++) {
        int64_t us = -1;

        if (!stamp_parse(rows[i].text, &us) || us != rows[i].us)
            fail_msg("\"%s\" gave %lld", rows[i].text, (long long)us);
    }
}

static void stamps_written_badly(void **state)
{
    static const char *const rows[] = {
        "",
        " ",
        "tomorrow",
        "2026-11",
        "2026-11-22T",
        "2026-11-22T03",
        "2026-11-22T03Z",
        "2026-11-22Z",
        "2026-11-22T03:15:Z",
        "2026-11-22T03:15:00.Z",
        "2026-11-22T03:15.5Z",
        "2026-11-22T03:15 Z",
        "2026-11-22T03:15Z ",
        " 2026-11-22T03:15Z",
        "2026-11-22  03:15Z",
        "2026-11-22T3:15Z",
        "2026-11-22T03:15+1",
        "2026-11-22T03:15+01:",
        "2026-11-22T03:15+01:0",
        "2026-11-22T03:15+010",
        "2026-11-22T03:15+24:00",
        "2026-11-22T03:15+01:60",
        "2026-11-22T03:15+01:00Z",
        "2026-11-22T24:00Z",
        "2026-11-22T03:60Z",
        "2026-11-22T03:15:61Z",
        "2026-02-29T00:00Z",
        "2026-02-29",
        "2026-13-01",
        "1969-12-31T23:59Z",
        "1970-01-01T00:00+00:01", /* before 1970 in UTC */
        "9999-12-31T23:59-00:01", /* after 9999 */
        "9999-12-31T23:59:60Z",
        "-5",
        "1.",
        ".5",
        "1e9",
        "253402300800",
        "99999999999999999999999",
        "2026/11/22",
    };
    size_t i;

    (void)state;
    for (i = 0; i < LENGTH(rows); i++) {
        int64_t us = -5;

        if (stamp_parse(rows[i], &us) || us != -5)
            fail_msg("\"%s\" gave %lld", rows[i], (long long)us);
    }
}

static void set_zone(const char *zone)
{
    if (zone != NULL)
        setenv("TZ", zone, 1);
    else
        unsetenv("TZ");
    tzset();
}

/* A zone written out, so that no zone files are needed: Central Europe. */
static void stamps_local(void **state)
{
    int64_t us;

    (void)state;
    set_zone("CET-1CEST,M3.5.0,M10.5.0/3");
    assert_true(stamp_parse("2026-11-22T04:15", &us) && us == INT64_C(1795317300000000));
    assert_true(stamp_parse("2026-11-22 04:15:00.25", &us) && us == INT64_C(1795317300250000));
    assert_true(stamp_parse("2026-07-01T02:00", &us) && us == INT64_C(1782864000000000));
    assert_true(stamp_parse("2026-07-01", &us) && us == INT64_C(1782856800000000));
    assert_true(stamp_parse("2026-03-29T02:30", &us));  /* does not exist, taken */
    assert_false(stamp_parse("1970-01-01T00:30", &us)); /* 1969 in UTC */
    set_zone("XXX5");
    assert_false(stamp_parse("9999-12-31T23:00", &us));
    set_zone("UTC0");
    assert_true(stamp_parse("1970-01-01", &us) && us == 0);
    set_zone(NULL);
}

/* --- UTF-8 and escapes --- */

static void utf8_wellformed(void **state)
{
    static const struct {
        const char *text;
        size_t n;
        long bad; /* -1: none */
    } rows[] = {
        {"", 0, -1},
        {"plain", 5, -1},
        {"a\0b", 3, -1},
        {"gr\xC3\xBC\xC3\x9F", 6, -1},
        {"\xE2\x82\xAC", 3, -1},
        {"\xF0\x9F\x9A\x80", 4, -1},
        {"\xF4\x8F\xBF\xBF", 4, -1},
        {"\xEE\x80\x80\xEF\xBF\xBF", 6, -1},
        {"\xED\x9F\xBF", 3, -1},
        {"ab\x80", 3, 2},   /* a lone continuation */
        {"\xC0\xAF", 2, 0}, /* overlong */
        {"\xC1\xBF", 2, 0},
        {"\xE0\x9F\xBF", 3, 0},
        {"\xF0\x8F\xBF\xBF", 4, 0},
        {"x\xED\xA0\x80", 4, 1}, /* surrogate */
        {"\xED\xBF\xBF", 3, 0},
        {"\xF4\x90\x80\x80", 4, 0}, /* over U+10FFFF */
        {"\xF5\x80\x80\x80", 4, 0},
        {"\xFF", 1, 0},
        {"abc\xE2\x82", 5, 3}, /* cut */
        {"\xE2\x28\xA1", 3, 0},
        {"\xC3", 1, 0},
    };
    size_t i;

    (void)state;
    for (i = 0; i < LENGTH(rows); i++) {
        size_t bad = 999;

        assert_true(utf8_valid(rows[i].text, rows[i].n, &bad) == (rows[i].bad < 0));
        assert_int_equal(bad, rows[i].bad < 0 ? 999 : rows[i].bad);
    }
    assert_false(utf8_valid("\xFF", 1, NULL));
}

static void utf8_code_points(void **state)
{
    size_t len;

    (void)state;
    assert_int_equal(utf8_next("A", 1, &len), 'A');
    assert_int_equal(len, 1);
    assert_int_equal(utf8_next("\xE2\x82\xAC!", 4, &len), 0x20AC);
    assert_int_equal(len, 3);
    assert_int_equal(utf8_next("\xF0\x9F\x9A\x80", 4, &len), 0x1F680);
    assert_int_equal(len, 4);
    assert_int_equal(utf8_next("\xE2\x82", 2, &len), -1);
    assert_int_equal(len, 1);
    assert_int_equal(utf8_next("", 0, &len), -1);
}

static void utf8_widths(void **state)
{
    (void)state;
    assert_int_equal(utf8_columns("report", 6), 6);
    assert_int_equal(utf8_columns("gr\xC3\xBC\xC3\x9F", 6), 4);
    assert_int_equal(utf8_columns("e\xCC\x81", 3), 1);                /* e and an accent */
    assert_int_equal(utf8_columns("\xE6\x97\xA5\xE6\x9C\xAC", 6), 4); /* two ideographs */
    assert_int_equal(utf8_columns("\xF0\x9F\x9A\x80", 4), 2);         /* a rocket */
    assert_int_equal(utf8_columns("\xFF\xFF", 2), 2);
    assert_int_equal(utf8_columns("", 0), 0);
}

static void utf8_cut_to_columns(void **state)
{
    static const char mixed[] = "a\xE6\x97\xA5"
                                "e\xCC\x81z"; /* 1 + 2 + 1 + 1 columns */

    (void)state;
    assert_int_equal(utf8_fit(mixed, 8, 0), 0);
    assert_int_equal(utf8_fit(mixed, 8, 1), 1);
    assert_int_equal(utf8_fit(mixed, 8, 2), 1);
    assert_int_equal(utf8_fit(mixed, 8, 3), 4);
    assert_int_equal(utf8_fit(mixed, 8, 4), 7); /* the accent comes along */
    assert_int_equal(utf8_fit(mixed, 8, 99), 8);
}

static void escapes(void **state)
{
    static const struct {
        const char *text;
        size_t n;
        const char *shown;
    } rows[] = {
        {"", 0, ""},
        {"plain text, gr\xC3\xBC\xC3\x9F", 18, "plain text, gr\xC3\xBC\xC3\x9F"},
        {"a\nb\tc\rd\033[31m", 12, "a\\nb\\tc\\rd\\e[31m"},
        {"nul\0bell\a", 9, "nul\\x00bell\\x07"},
        {"\x7F", 1, "\\x7F"},
        {"\xC2\x9B", 2, "\\u{9B}"}, /* C1: CSI */
        {"\x9B", 1, "\\x9B"},       /* the raw byte */
        {"\xC2\xA0", 2, "\xC2\xA0"},
        {"x\xE2\x80\xAEgnp.exe", 11, "x\\u{202E}gnp.exe"},
        {"\xE2\x80\x8E\xE2\x81\xA6\xD8\x9C\xEF\xBB\xBF", 11, "\\u{200E}\\u{2066}\\u{61C}\\u{FEFF}"},
        {"\xE2\x80\xA8\xE2\x80\xA9", 6, "\\u{2028}\\u{2029}"},
        {"\xE2\x80\x90\xE2\x80\xAF", 6, "\xE2\x80\x90\xE2\x80\xAF"},
        {"ok\xE2\x82", 4, "ok\\xE2\\x82"},
        {"\xED\xA0\x80", 3, "\\xED\\xA0\\x80"},
        {"back\\slash", 10, "back\\slash"},
    };
    struct buf out = BUF_INIT;
    size_t i;

    (void)state;
    for (i = 0; i < LENGTH(rows); i++) {
        buf_reset(&out);
        escape_add(&out, rows[i].text, rows[i].n);
        assert_false(out.failed);
        assert_string_equal(buf_str(&out), rows[i].shown);
        assert_true(utf8_valid(out.data, out.len, NULL));
    }
    buf_release(&out);
}

/* Whatever the bytes, nothing raw comes out. */
static void escapes_any_bytes(void **state)
{
    struct buf out = BUF_INIT;
    unsigned seed = 1;
    int round;

    (void)state;
    for (round = 0; round < 20000; round++) {
        char bytes[12];
        size_t i;

        for (i = 0; i < sizeof bytes; i++) {
            seed = seed * 1103515245u + 12345u;
            bytes[i] = (char)(seed >> 16);
        }
        buf_reset(&out);
        escape_add(&out, bytes, sizeof bytes);
        assert_true(utf8_valid(out.data, out.len, NULL));
        for (i = 0; i < out.len; i++)
            assert_true((unsigned char)out.data[i] >= 0x20 && out.data[i] != 0x7F);
    }
    buf_release(&out);
}

/* --- buffers --- */

static void buffers_grow(void **state)
{
    struct buf b = BUF_INIT;
    char *taken;
    size_t i;

    (void)state;
    assert_string_equal(buf_str(&b), "");
    for (i = 0; i < 100000; i++)
        buf_addc(&b, (char)('a' + i % 26));
    assert_int_equal(b.len, 100000);
    for (i = 0; i < b.len; i++)
        assert_int_equal(b.data[i], 'a' + i % 26);
    assert_int_equal(b.data[b.len], 0);
    buf_reset(&b);
    assert_string_equal(buf_str(&b), "");
    buf_adds(&b, "x=");
    buf_addf(&b, "%d %s", 42, "is it");
    buf_add(&b, "\0tail", 5);
    assert_int_equal(b.len, 15);
    assert_memory_equal(b.data, "x=42 is it\0tail", 16);
    taken = buf_detach(&b);
    assert_null(b.data);
    assert_int_equal(b.len + b.cap, 0);
    free(taken);
    taken = buf_detach(&b);
    assert_string_equal(taken, "");
    free(taken);
    buf_release(&b);
}

/* Every length around a power of two has its NUL in place. */
static void buffers_edges(void **state)
{
    char bytes[300];
    size_t n, i;

    (void)state;
    memset(bytes, 'x', sizeof bytes);
    for (n = 0; n < sizeof bytes; n++) {
        struct buf b = BUF_INIT;
        char *to;

        buf_add(&b, bytes, n);
        assert_int_equal(strlen(b.data), n);
        buf_addf(&b, "%.*s", (int)(n / 2), bytes);
        assert_int_equal(strlen(b.data), n + n / 2);
        to = buf_room(&b, n);
        for (i = 0; i < n; i++)
            to[i] = 'y';
        to[n] = '\0';
        b.len += n;
        assert_int_equal(strlen(b.data), b.len);
        buf_release(&b);
    }
}

static void buffers_fail(void **state)
{
    struct buf b = BUF_INIT;

    (void)state;
    buf_adds(&b, "kept");
    assert_null(buf_room(&b, SIZE_MAX));
    assert_true(b.failed);
    assert_null(buf_room(&b, SIZE_MAX - 4));
    buf_adds(&b, "more");
    buf_addf(&b, "%d", 1);
    assert_int_equal(b.len, 4);
    assert_null(buf_detach(&b));
    assert_null(b.data);
    assert_false(b.failed);
    assert_null(buf_room(&b, SIZE_MAX / 2 + 1));
    buf_reset(&b);
    buf_adds(&b, "again");
    assert_string_equal(buf_str(&b), "again");
    buf_release(&b);
}

/* --- errors --- */

static void errors_told(void **state)
{
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(err_set(&e, ERR_BAD, "%s is %d", "it", 3), -1);
    assert_int_equal(e.kind, ERR_BAD);
    assert_int_equal(e.errnum, 0);
    assert_string_equal(e.text, "it is 3");
    errno = ENOENT;
    assert_int_equal(err_sys(&e, "open", "pending/x"), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(e.kind, ERR_SYSTEM);
    assert_int_equal(e.errnum, ENOENT);
    assert_string_equal(e.text, "open pending/x: No such file or directory");
    assert_int_equal(err_prefix(&e, "job %s", "a"), -1);
    assert_string_equal(e.text, "job a: open pending/x: No such file or directory");
    assert_int_equal(e.errnum, ENOENT);
    assert_int_equal(err_set(NULL, ERR_BAD, "nobody"), -1);
    assert_int_equal(err_sys(NULL, "a", "b"), -1);
    assert_int_equal(err_prefix(NULL, "a"), -1);
}

/* Too long a text is cut at the end of a character. */
static void errors_cut(void **state)
{
    struct err e = ERR_INIT;
    char text[1000];
    size_t shift, i;

    (void)state;
    for (shift = 0; shift < 4; shift++) {
        memset(text, 'x', shift);
        for (i = shift; i + 3 < sizeof text; i += 3)
            memcpy(text + i, "\xE2\x82\xAC", 4);
        err_set(&e, ERR_BAD, "%s", text);
        assert_in_range(strlen(e.text), sizeof e.text - 4, sizeof e.text - 1);
        assert_true(utf8_valid(e.text, strlen(e.text), NULL));
        err_prefix(&e, "%s", text);
        assert_true(utf8_valid(e.text, strlen(e.text), NULL));
    }
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    err_set(&e, ERR_BAD, "%s", text);
    assert_int_equal(strlen(e.text), sizeof e.text - 1);
}

/* --- clocks, files, log --- */

static void clocks(void **state)
{
    int64_t before = clock_mono_us();

    (void)state;
    assert_true(clock_mono_us() >= before);
    assert_true(clock_boot_us() >= before);
    assert_true(clock_wall_us() > INT64_C(1600000000) * US_PER_SEC);
    assert_int_equal(clock_poll_ms(100, 100), 0);
    assert_int_equal(clock_poll_ms(99, 100), 0);
    assert_int_equal(clock_poll_ms(101, 100), 1); /* up: never spun */
    assert_int_equal(clock_poll_ms(1100, 100), 1);
    assert_int_equal(clock_poll_ms(1101, 100), 2);
    assert_int_equal(clock_poll_ms(INT64_MAX, 0), 3600 * 1000);
    assert_int_equal(clock_poll_ms(INT64_MAX, INT64_MIN), 3600 * 1000);
    assert_int_equal(clock_poll_ms(INT64_MIN, INT64_MAX), 0);
}

/* A folder of its own for a test, as a descriptor; files_clean takes it away. */
static char folder[64];

static int files_folder(void)
{
    int dir;

    snprintf(folder, sizeof folder, "/tmp/queuectl-unit-XXXXXX");
    assert_non_null(mkdtemp(folder));
    dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(dir >= 0);
    return dir;
}

static void files_clean(int dir, const char *name)
{
    unlinkat(dir, name, 0);
    close(dir);
    rmdir(folder);
}

static void files_write(int dir, const char *name, const char *bytes, size_t n)
{
    int fd = io_open(dir, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    assert_int_equal(io_write_all(fd, bytes, n), 0);
    assert_int_equal(io_sync(fd), 0);
    close(fd);
}

/* Up to max bytes and not one more, whatever the chunks. */
static void files_bounded(void **state)
{
    static const size_t sizes[] = {0, 1, 4094, 4095, 4096, 4097, 8191, 8192, 70000};
    static char bytes[70000];
    int dir = files_folder();
    size_t i;

    (void)state;
    memset(bytes, 'q', sizeof bytes);
    for (i = 0; i < LENGTH(sizes); i++) {
        struct buf b = BUF_INIT;

        buf_adds(&b, "before:");
        files_write(dir, "f", bytes, sizes[i]);
        assert_int_equal(io_read_file(dir, "f", &b, sizes[i]), 0);
        assert_int_equal(b.len, 7 + sizes[i]);
        assert_int_equal(strlen(b.data), b.len);
        buf_reset(&b);
        if (sizes[i] > 0) {
            assert_int_equal(io_read_file(dir, "f", &b, sizes[i] - 1), -1);
            assert_int_equal(errno, EFBIG);
        }
        buf_reset(&b);
        assert_int_equal(io_read_file(dir, "f", &b, SIZE_MAX), 0);
        assert_int_equal(b.len, sizes[i]);
        buf_release(&b);
    }
    files_clean(dir, "f");
}

/* A FIFO, a folder, a symbolic link: refused, and no hanging in open. */
static void files_not_regular(void **state)
{
    int dir = files_folder(), list;
    struct buf b = BUF_INIT;

    (void)state;
    assert_int_equal(mkfifoat(dir, "f", 0600), 0);
    assert_int_equal(io_read_file(dir, "f", &b, 100), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(io_read_file(dir, ".", &b, 100), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(unlinkat(dir, "f", 0), 0);
    assert_int_equal(symlinkat("/etc/passwd", dir, "f"), 0);
    assert_int_equal(io_read_file(dir, "f", &b, 1 << 20), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(io_read_file(dir, "none", &b, 100), -1);
    assert_int_equal(errno, ENOENT);
    list = io_open_list(dir);
    assert_true(list >= 0 && list != dir);
    close(list);
    buf_release(&b);
    files_clean(dir, "f");
}

/* One line, escaped, whatever is in it; errno survives. */
static void log_lines(void **state)
{
    int dir = files_folder(), fd = io_open(dir, "l", O_WRONLY | O_CREAT | O_APPEND, 0600);
    struct buf b = BUF_INIT;
    const char *text;
    char pid[32];
    int64_t us;

    (void)state;
    log_open("pool", fd);
    errno = ENOSPC;
    log_note("%s is odd", "a\n2026-01-01T00:00:00.000Z pool 1: forged");
    assert_int_equal(errno, ENOSPC);
    log_warn("full");
    log_open("queuectl", STDERR_FILENO);
    close(fd);
    assert_int_equal(io_read_file(dir, "l", &b, 1000), 0);
    text = buf_str(&b);
    assert_int_equal(text[23], 'Z');
    b.data[24] = '\0';
    assert_true(stamp_parse(text, &us) && clock_wall_us() - us < 60 * US_PER_SEC);
    snprintf(pid, sizeof pid, "pool %ld: ", (long)getpid());
    assert_memory_equal(text + 25, pid, strlen(pid));
    assert_string_equal(
        strchr(text + 25, ':'),
        strstr(text + 25, ": a\\n2026-01-01T00:00:00.000Z pool 1: forged is odd\n"));
    assert_non_null(strstr(text + 25, ": warning: full\n"));
    buf_release(&b);
    files_clean(dir, "l");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts),
        cmocka_unit_test(numbers_whole),
        cmocka_unit_test(numbers_bounds),
        cmocka_unit_test(numbers_in_any_spelling),
        cmocka_unit_test(numbers_fraction),
        cmocka_unit_test(numbers_size),
        cmocka_unit_test(durations_good),
        cmocka_unit_test(durations_bad),
        cmocka_unit_test(durations_from_seconds),
        cmocka_unit_test(durations_format),
        cmocka_unit_test(stamps_name_form),
        cmocka_unit_test(stamps_clamped),
        cmocka_unit_test(stamps_name_bad),
        cmocka_unit_test(stamps_name_prefix),
        cmocka_unit_test(stamps_against_libc),
        cmocka_unit_test(stamps_written_with_zone),
        cmocka_unit_test(stamps_written_badly),
        cmocka_unit_test(stamps_local),
        cmocka_unit_test(utf8_wellformed),
        cmocka_unit_test(utf8_code_points),
        cmocka_unit_test(utf8_widths),
        cmocka_unit_test(utf8_cut_to_columns),
        cmocka_unit_test(escapes),
        cmocka_unit_test(escapes_any_bytes),
        cmocka_unit_test(buffers_grow),
        cmocka_unit_test(buffers_edges),
        cmocka_unit_test(buffers_fail),
        cmocka_unit_test(errors_told),
        cmocka_unit_test(errors_cut),
        cmocka_unit_test(clocks),
        cmocka_unit_test(files_bounded),
        cmocka_unit_test(files_not_regular),
        cmocka_unit_test(log_lines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
