/* duration.c: lengths of time as people write them (see duration.h).
 *
 * Everything is whole milliseconds; a fraction of the smallest unit is rounded
 * half up, and a length above nothing never becomes nothing: "0.0001" is 1 ms.
 */
#include "base/duration.h"

#include <stdio.h>
#include <string.h>

const struct duration_unit duration_units[] = {
    {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}, {NULL, 0},
};

#define UNITS (sizeof duration_units / sizeof duration_units[0] - 1)
#define BARE 3               /* a number without a unit: seconds */
#define SCALE_MAX 1000000000 /* further digits are less than a millisecond of a day */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* A decimal number as whole + fraction/scale. */
struct number {
    int64_t whole, fraction, scale;
    bool rest; /* digits beyond SCALE_MAX that are not 0 */
};

static bool take_number(const char **at, struct number *n)
{
    const char *c = *at;

    *n = (struct number){0, 0, 1, false};
    if (!is_digit(*c))
        return false;
    for (; is_digit(*c); c++) {
        n->whole = n->whole * 10 + (*c - '0');
        if (n->whole > DURATION_MAX_MS)
            return false;
    }
    if (*c == '.') {
        if (!is_digit(*++c))
            return false;
        for (; is_digit(*c); c++) {
            if (n->scale < SCALE_MAX) {
                n->fraction = n->fraction * 10 + (*c - '0');
                n->scale *= 10;
            } else if (*c != '0')
                n->rest = true;
        }
    }
    *at = c;
    return true;
}

/* The row of the unit at *at (letters up to the next digit or the end). */
static bool take_unit(const char **at, size_t *row)
{
    size_t len = 0, i;

    while (((*at)[len] | 0x20) >= 'a' && ((*at)[len] | 0x20) <= 'z')
        len++;
    for (i = 0; i < UNITS; i++) {
        const char *suffix = duration_units[i].suffix;

        if (strlen(suffix) == len && memcmp(*at, suffix, len) == 0) {
            *at += len;
            *row = i;
            return true;
        }
    }
    return false;
}

/* Adds n units to *ms; false over the maximum. */
static bool add(int64_t *ms, const struct number *n, int64_t unit)
{
    int64_t part;

    if (n->whole > DURATION_MAX_MS / unit ||
        (n->whole == DURATION_MAX_MS / unit && (n->fraction > 0 || n->rest)))
        return false;
    part = (n->fraction * unit + n->scale / 2) / n->scale;
    if (part == 0 && n->whole == 0 && (n->fraction > 0 || n->rest))
        part = 1;
    *ms += n->whole * unit + part;
    return *ms <= DURATION_MAX_MS;
}

/* "1h30m", "1.5h": number and unit in turn, units falling. */
static bool parse_parts(const char **at, int64_t *ms)
{
    size_t row = 0, next = 0;
    struct number n;

    do {
        if (!take_number(at, &n) || !take_unit(at, &row) || row < next)
            return false;
        if (!add(ms, &n, duration_units[row].ms))
            return false;
        next = row + 1;
    } while (is_digit(**at));
    return true;
}

bool duration_parse(const char *text, int64_t *ms)
{
    const char *at = text;
    struct number n;
    int64_t sum = 0;

    while (is_blank(*at))
        at++;
    text = at;
    if (!take_number(&at, &n))
        return false;
    if (*at == '\0' || is_blank(*at)) {
        if (!add(&sum, &n, duration_units[BARE].ms))
            return false;
    } else {
        at = text;
        if (!parse_parts(&at, &sum))
            return false;
    }
    while (is_blank(*at))
        at++;
    if (*at != '\0')
        return false;
    *ms = sum;
    return true;
}

bool duration_from_seconds(double seconds, int64_t *ms)
{
    int64_t rounded;

    if (!(seconds >= 0 && seconds <= (double)DURATION_MAX_MS / 1000))
        return false;
    rounded = (int64_t)(seconds * 1000 + 0.5);
    *ms = rounded == 0 && seconds > 0 ? 1 : rounded;
    return true;
}

void duration_format(int64_t ms, char out[DURATION_TEXT_LEN])
{
    size_t len = 0, i;

    for (i = 0; i < UNITS; i++) {
        int64_t n = ms / duration_units[i].ms;

        if (n == 0)
            continue;
        len += (size_t)snprintf(out + len, DURATION_TEXT_LEN - len, "%lld%s", (long long)n,
                                duration_units[i].suffix);
        ms -= n * duration_units[i].ms;
    }
    if (len == 0)
        memcpy(out, "0", 2);
}
