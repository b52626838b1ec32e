/* num.c: numbers from text, strictly (see num.h).  No strtol: it takes blanks,
 * plus signs and leading zeros, and strtod reads the locale's point. */
#include "base/num.h"

#include <stdio.h>
#include <string.h>

#define EXPONENT_MAX INT64_C(1000000000000000) /* beyond it no text is long enough to matter */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool num_parse_n(const char *text, size_t n, int64_t min, int64_t max, int64_t *out)
{
    bool negative = n > 0 && text[0] == '-';
    size_t i = negative ? 1 : 0;
    int64_t value = 0;

    if (i == n || (text[i] == '0' && (n > i + 1 || negative)))
        return false;
    for (; i < n; i++) {
        int digit = text[i] - '0';

        if (!is_digit(text[i]) || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, negative ? -digit : digit, &value))
            return false;
    }
    if (value < min || value > max)
        return false;
    *out = value;
    return true;
}

bool num_parse(const char *text, int64_t min, int64_t max, int64_t *out)
{
    return num_parse_n(text, strlen(text), min, max, out);
}

/* The significant digits of a number read so far, and the zeros that followed
 * them: these are digits too once another follows, else they raise the power of
 * ten.  So 30e-1 and 3.0 come out as 3, and no digit is lost. */
struct significant {
    int64_t value;
    int64_t zeros;
};

static bool shift(int64_t *value, int64_t places)
{
    for (; places > 0 && *value != 0; places--)
        if (__builtin_mul_overflow(*value, 10, value))
            return false;
    return true;
}

/* One digit at the least; *at is moved behind them. */
static bool take_digits(const char **at, bool negative, struct significant *s)
{
    const char *start = *at;

    for (; is_digit(**at); ++*at) {
        int digit = **at - '0';

        if (digit == 0) {
            s->zeros++;
            continue;
        }
        if (!shift(&s->value, s->zeros + 1) ||
            __builtin_add_overflow(s->value, negative ? -digit : digit, &s->value))
            return false;
        s->zeros = 0;
    }
    return *at > start;
}

/* "e+12", or nothing, which is 0. */
static bool take_exponent(const char **at, int64_t *exponent)
{
    bool negative;
    const char *start;

    *exponent = 0;
    if (**at != 'e' && **at != 'E')
        return true;
    negative = *++*at == '-';
    *at += negative || **at == '+';
    for (start = *at; is_digit(**at); ++*at)
        if (*exponent < EXPONENT_MAX)
            *exponent = *exponent * 10 + (**at - '0');
    if (negative)
        *exponent = -*exponent;
    return *at > start;
}

bool num_parse_whole(const char *text, int64_t min, int64_t max, int64_t *out)
{
    bool negative = text[0] == '-';
    const char *at = text + negative, *point;
    struct significant s = {0, 0};
    int64_t exponent, behind_point = 0;

    if ((*at == '0' && is_digit(at[1])) || !take_digits(&at, negative, &s))
        return false;
    if (*at == '.') {
        point = at++;
        if (!take_digits(&at, negative, &s))
            return false;
        behind_point = at - point - 1;
    }
    if (!take_exponent(&at, &exponent) || *at != '\0')
        return false;
    exponent += s.zeros - behind_point;
    if ((s.value != 0 && exponent < 0) || !shift(&s.value, exponent))
        return false;
    if (s.value < min || s.value > max)
        return false;
    *out = s.value;
    return true;
}

/* Digits are gathered in one integer and divided once at the end, which is
 * exactly rounded for up to 15 digits, and 15 places; further ones change nothing
 * that a setting could mean and are passed over, so that what is printed with as
 * many reads as the same. */
bool num_parse_fraction(const char *text, double min, double max, double *out)
{
    bool negative = text[0] == '-';
    const char *at = text + negative;
    double value = 0, scale = 1;

    if (!is_digit(*at) || (*at == '0' && is_digit(at[1])))
        return false;
    for (; is_digit(*at); at++)
        value = value * 10 + (*at - '0');
    if (*at == '.') {
        if (!is_digit(*++at))
            return false;
        for (; is_digit(*at); at++) {
            if (value * 10 + 9 > 9e15 || scale >= 1e15)
                continue;
            value = value * 10 + (*at - '0');
            scale *= 10;
        }
    }
    value = (negative ? -value : value) / scale;
    if (*at != '\0' || !(value >= min && value <= max))
        return false;
    *out = value;
    return true;
}

static const struct {
    const char *suffix;
    int shift;
} units[] = {{"G", 30}, {"M", 20}, {"K", 10}, {"GiB", 30}, {"MiB", 20}, {"KiB", 10}, {"", 0}};

#define UNITS (sizeof units / sizeof units[0])
#define SHORT_UNITS 3

bool num_parse_size(const char *text, int64_t *out)
{
    size_t digits = strspn(text, "0123456789"), i;

    for (i = 0; i < UNITS; i++)
        if (strcmp(text + digits, units[i].suffix) == 0)
            break;
    if (i == UNITS || !num_parse_n(text, digits, 0, INT64_MAX >> units[i].shift, out))
        return false;
    *out <<= units[i].shift;
    return true;
}

void num_format_size(int64_t bytes, char out[24])
{
    size_t i;

    for (i = 0; i < SHORT_UNITS; i++) {
        int64_t unit = INT64_C(1) << units[i].shift;

        if (bytes != 0 && bytes % unit == 0) {
            snprintf(out, 24, "%lld%s", (long long)(bytes / unit), units[i].suffix);
            return;
        }
    }
    snprintf(out, 24, "%lld", (long long)bytes);
}
