/* backoff.c: base^n seconds, bounded, spread.
 *
 * By multiplication: it stops at the bound, so nothing overflows, and a base of
 * 1 needs no loop at all.  The spread is chosen among the whole milliseconds of
 * its interval, so that rounding never leaves it.
 */
#include "job/backoff.h"

static double between(double x, double low, double high)
{
    return x >= low ? (x <= high ? x : high) : low; /* NaN: low */
}

static int64_t power_ms(double base, int n, int64_t max_ms)
{
    double ms = 1000;
    for (int i = 0; i < n && base > 1 && ms < (double)max_ms; i++)
        ms *= base;
    return ms < (double)max_ms ? (int64_t)(ms + 0.5) : max_ms;
}

int64_t backoff_ms(double base, int n, int64_t max_ms, double jitter, double random)
{
    int64_t d = power_ms(between(base, 1, 1e6), n, max_ms);
    jitter = between(jitter, 0, 1);
    double low_exact = (double)d * (1 - jitter);
    int64_t low = (int64_t)low_exact;
    if ((double)low < low_exact)
        low++;
    int64_t high = (int64_t)((double)d * (1 + jitter));
    if (high > max_ms)
        high = max_ms;
    int64_t ms = low + (int64_t)(between(random, 0, 1) * (double)(high - low + 1));
    return ms < high ? ms : high;
}
