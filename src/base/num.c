/* num.c: numbers from text, strictly (see num.h).  No strtol: it takes blanks,
 * plus signs and leading zeros, and strtod reads the locale's point. */
#include "base/num.h"

#include <stdio.h>
#include <string.h>

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

/* Digits are gathered in one integer and divided once at the end, which is
 * exactly rounded for up to 15 digits; further digits change nothing that a
 * setting could mean and are passed over. */
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
            if (value * 10 + 9 > 9e15)
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
