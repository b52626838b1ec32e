/* backoff.h: how long a failed job waits. Pure. */
#ifndef JOB_BACKOFF_H
#define JOB_BACKOFF_H

#include <stdint.h>

/* Milliseconds before retry n (1, 2, ...): base^n seconds, at most max_ms, then
 * spread by +-jitter (0 to 1) with `random` in [0, 1): the result lies in
 * [d*(1-jitter), d*(1+jitter)], and never over max_ms.  Large n do not overflow. */
int64_t backoff_ms(double base, int n, int64_t max_ms, double jitter, double random);

#endif
