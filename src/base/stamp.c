/* stamp.c: points in wall time as text (see stamp.h).
 *
 * Dates are reckoned by arithmetic (Howard Hinnant's days-from-civil), not by
 * timegm and gmtime: a start over a million jobs parses a million names.  Only
 * a time without a zone needs the C library: mktime(3) knows the rules of
 * local time.
 */
#include "base/stamp.h"

#include <string.h>
#include <time.h>

#define US_PER_S INT64_C(1000000)
#define S_PER_DAY INT64_C(86400)
#define FIRST_YEAR 1970
#define LAST_US INT64_C(253402300799999999) /* 9999-12-31T23:59:59.999999Z */

struct civil {
    int year, month, day, hour, minute, second, us;
};

/* Years are counted from March, so that the leap day is the last. */
static int64_t days_from_civil(int year, int month, int day)
{
    int y = month <= 2 ? year - 1 : year;
    int era = y / 400;
    int year_of_era = y - era * 400;
    int day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

    return (int64_t)era * 146097 + day_of_era - 719468;
}

static void civil_from_days(int64_t days, struct civil *c)
{
    int64_t shifted = days + 719468;
    int era = (int)(shifted / 146097);
    int day_of_era = (int)(shifted - (int64_t)era * 146097);
    int year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int month = (5 * day_of_year + 2) / 153; /* 0 is March */

    c->day = day_of_year - (153 * month + 2) / 5 + 1;
    c->month = month < 10 ? month + 3 : month - 9;
    c->year = year_of_era + era * 400 + (c->month <= 2);
}

static struct civil civil_from_us(int64_t us)
{
    struct civil c;
    int64_t s;

    us = us < 0 ? 0 : us > LAST_US ? LAST_US : us;
    s = us / US_PER_S;
    civil_from_days(s / S_PER_DAY, &c);
    c.hour = (int)(s % S_PER_DAY / 3600);
    c.minute = (int)(s % 3600 / 60);
    c.second = (int)(s % 60);
    c.us = (int)(us % US_PER_S);
    return c;
}

static int64_t us_from_civil(const struct civil *c)
{
    int64_t s = days_from_civil(c->year, c->month, c->day) * S_PER_DAY;

    s += c->hour * 3600 + c->minute * 60 + c->second;
    return s * US_PER_S + c->us;
}

static bool is_real(const struct civil *c, int last_second)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int last;

    if (c->year < FIRST_YEAR || c->month < 1 || c->month > 12 || c->day < 1)
        return false;
    last = days[c->month - 1];
    if (c->month == 2 && c->year % 4 == 0 && (c->year % 100 != 0 || c->year % 400 == 0))
        last = 29;
    return c->day <= last && c->hour <= 23 && c->minute <= 59 && c->second <= last_second;
}

static char *put_digits(char *to, int value, int digits)
{
    int i;

    for (i = digits - 1; i >= 0; i--) {
        to[i] = (char)('0' + value % 10);
        value /= 10;
    }
    return to + digits;
}

/* Exactly n digits at *at. */
static bool take_digits(const char **at, int n, int *value)
{
    int sum = 0;

    for (; n > 0; n--, (*at)++) {
        unsigned digit = (unsigned)(unsigned char)**at - '0';

        if (digit > 9)
            return false;
        sum = sum * 10 + (int)digit;
    }
    *value = sum;
    return true;
}

static bool take_char(const char **at, char c)
{
    if (**at != c)
        return false;
    (*at)++;
    return true;
}

void stamp_name_format(int64_t us, char out[STAMP_NAME_LEN + 1])
{
    struct civil c = civil_from_us(us);

    out = put_digits(out, c.year, 4);
    out = put_digits(out, c.month, 2);
    out = put_digits(out, c.day, 2);
    *out++ = 'T';
    out = put_digits(out, c.hour, 2);
    out = put_digits(out, c.minute, 2);
    out = put_digits(out, c.second, 2);
    *out++ = '.';
    out = put_digits(out, c.us, 6);
    memcpy(out, "Z", 2);
}

bool stamp_name_parse(const char *text, int64_t *us)
{
    const char *at = text;
    struct civil c;

    if (!(take_digits(&at, 4, &c.year) && take_digits(&at, 2, &c.month) &&
          take_digits(&at, 2, &c.day) && take_char(&at, 'T') && take_digits(&at, 2, &c.hour) &&
          take_digits(&at, 2, &c.minute) && take_digits(&at, 2, &c.second) && take_char(&at, '.') &&
          take_digits(&at, 6, &c.us) && take_char(&at, 'Z')))
        return false;
    if (!is_real(&c, 59))
        return false;
    *us = us_from_civil(&c);
    return true;
}

void stamp_iso_format(int64_t us, char out[STAMP_ISO_LEN + 1])
{
    struct civil c = civil_from_us(us);

    out = put_digits(out, c.year, 4);
    *out++ = '-';
    out = put_digits(out, c.month, 2);
    *out++ = '-';
    out = put_digits(out, c.day, 2);
    *out++ = 'T';
    out = put_digits(out, c.hour, 2);
    *out++ = ':';
    out = put_digits(out, c.minute, 2);
    *out++ = ':';
    out = put_digits(out, c.second, 2);
    *out++ = '.';
    out = put_digits(out, c.us, 6);
    memcpy(out, "Z", 2);
}

/* An optional ".25": microseconds, further digits cut; false if the dot has
 * no digit behind it. */
static bool take_fraction(const char **at, int *us)
{
    int digits = 0, value = 0, digit;

    *us = 0;
    if (!take_char(at, '.'))
        return true;
    for (; take_digits(at, 1, &digit); digits++)
        if (digits < 6)
            value = value * 10 + digit;
    if (digits == 0)
        return false;
    for (; digits < 6; digits++)
        value *= 10;
    *us = value;
    return true;
}

/* Seconds since 1970 as digits; false if it is of another form. */
static bool parse_epoch(const char *at, int64_t *us)
{
    int64_t s = 0;
    int digit, fraction;

    if (at[0] == '\0' || at[0] == '.')
        return false;
    while (take_digits(&at, 1, &digit)) {
        s = s * 10 + digit;
        if (s > LAST_US / US_PER_S)
            return false;
    }
    if (!take_fraction(&at, &fraction) || *at != '\0')
        return false;
    *us = s * US_PER_S + fraction;
    return true;
}

/* 03:15[:00[.25]] */
static bool take_time(const char **at, struct civil *c)
{
    if (!take_digits(at, 2, &c->hour) || !take_char(at, ':') || !take_digits(at, 2, &c->minute))
        return false;
    if (!take_char(at, ':'))
        return true;
    return take_digits(at, 2, &c->second) && take_fraction(at, &c->us);
}

/* Z, +01:00, +0100, +01 */
static bool take_zone(const char **at, int64_t *east_s)
{
    int hours, minutes = 0;
    bool west = **at == '-';

    *east_s = 0;
    if (take_char(at, 'Z') || take_char(at, 'z'))
        return true;
    if (!take_char(at, '-') && !take_char(at, '+'))
        return false;
    if (!take_digits(at, 2, &hours) || hours > 23)
        return false;
    if ((take_char(at, ':') || **at != '\0') && (!take_digits(at, 2, &minutes) || minutes > 59))
        return false;
    *east_s = (west ? -1 : 1) * (hours * 3600 + minutes * 60);
    return true;
}

/* Local time.  mktime's -1 is an error and also a second of 1969: the day of
 * the week tells, which only a success sets. */
static bool us_from_local(const struct civil *c, int64_t *us)
{
    struct tm tm = {.tm_year = c->year - 1900,
                    .tm_mon = c->month - 1,
                    .tm_mday = c->day,
                    .tm_hour = c->hour,
                    .tm_min = c->minute,
                    .tm_sec = c->second,
                    .tm_isdst = -1,
                    .tm_wday = -1};
    time_t s = mktime(&tm);

    if (tm.tm_wday < 0)
        return false;
    *us = (int64_t)s * US_PER_S + c->us;
    return true;
}

bool stamp_parse(const char *text, int64_t *us)
{
    struct civil c = {0};
    int64_t sum, east_s = 0;
    bool local = true;

    if (parse_epoch(text, us))
        return true;
    if (!take_digits(&text, 4, &c.year) || !take_char(&text, '-') ||
        !take_digits(&text, 2, &c.month) || !take_char(&text, '-') ||
        !take_digits(&text, 2, &c.day))
        return false;
    if (*text != '\0') {
        if (!take_char(&text, 'T') && !take_char(&text, 't') && !take_char(&text, ' '))
            return false;
        if (!take_time(&text, &c))
            return false;
        local = *text == '\0';
        if (!local && (!take_zone(&text, &east_s) || *text != '\0'))
            return false;
    }
    if (!is_real(&c, 60))
        return false;
    if (!local)
        sum = us_from_civil(&c) - east_s * US_PER_S;
    else if (!us_from_local(&c, &sum))
        return false;
    if (sum < 0 || sum > LAST_US)
        return false;
    *us = sum;
    return true;
}
