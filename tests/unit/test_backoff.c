/* Units of src/job/backoff.h: growth, bound, spread. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <limits.h>
#include <math.h>

#include "base/duration.h"
#include "job/backoff.h"

#define HOUR INT64_C(3600000)

static void grows(void **state)
{
    (void)state;
    assert_int_equal(backoff_ms(2, 1, HOUR, 0, 0), 2000);
    assert_int_equal(backoff_ms(2, 2, HOUR, 0, 0.5), 4000);
    assert_int_equal(backoff_ms(2, 3, HOUR, 0, 0.999), 8000);
    assert_int_equal(backoff_ms(1.5, 2, HOUR, 0, 0), 2250);
    assert_int_equal(backoff_ms(1, 7, HOUR, 0, 0), 1000);
    assert_int_equal(backoff_ms(3, 0, HOUR, 0, 0), 1000);
    assert_int_equal(backoff_ms(1000, 1, DURATION_MAX_MS, 0, 0), 1000000);
}

static void bounded(void **state)
{
    (void)state;
    assert_int_equal(backoff_ms(2, 11, HOUR, 0, 0), 2048000);
    assert_int_equal(backoff_ms(2, 12, HOUR, 0, 0), HOUR);
    assert_int_equal(backoff_ms(2, 10000, HOUR, 0, 0), HOUR);
    assert_int_equal(backoff_ms(1000, 10000, DURATION_MAX_MS, 0, 0), DURATION_MAX_MS);
    assert_int_equal(backoff_ms(1, INT_MAX, HOUR, 0, 0), 1000);
    assert_int_equal(backoff_ms(1.001, INT_MAX, HOUR, 0, 0), HOUR);
    assert_int_equal(backoff_ms(2, 10000, DURATION_MAX_MS, 1, 1), DURATION_MAX_MS);
    assert_int_equal(backoff_ms(2, 5, 1000, 0, 0), 1000);
}

/* No value from a hand-written file leads to a wait that is no wait. */
static void odd_arguments(void **state)
{
    (void)state;
    assert_int_equal(backoff_ms(0, 5, HOUR, 0, 0), 1000);
    assert_int_equal(backoff_ms(-3, 5, HOUR, 0, 0), 1000);
    assert_int_equal(backoff_ms((double)NAN, 5, HOUR, 0, 0), 1000);
    assert_int_equal(backoff_ms((double)INFINITY, 5, HOUR, 0, 0), HOUR);
    assert_int_equal(backoff_ms(2, -4, HOUR, 0, 0), 1000);
    assert_int_equal(backoff_ms(2, 1, HOUR, -1, 0.7), 2000);
    assert_in_range(backoff_ms(2, 1, HOUR, 9, 0.999), 3900, 4000);
    assert_int_equal(backoff_ms(2, 1, HOUR, (double)NAN, (double)NAN), 2000);
}

static void spread(void **state)
{
    (void)state;
    static const double jitters[] = {0.1, 0.25, 0.333, 0.5, 1};
    for (size_t k = 0; k < sizeof jitters / sizeof jitters[0]; k++)
        for (int n = 1; n <= 14; n++) {
            double d = (double)backoff_ms(1.7, n, HOUR, 0, 0);
            double low = d * (1 - jitters[k]), high = d * (1 + jitters[k]);
            for (int i = 0; i < 100; i++) {
                double ms = (double)backoff_ms(1.7, n, HOUR, jitters[k], i / 100.0);
                assert_true(ms >= low && ms <= high && ms <= (double)HOUR);
            }
        }
    assert_int_equal(backoff_ms(2, 1, HOUR, 0.5, 0), 1000);
    assert_int_equal(backoff_ms(2, 1, HOUR, 0.5, 0.9999999), 3000);
    assert_int_equal(backoff_ms(2, 1, HOUR, 0.5, 0.5), 2000);
    assert_int_equal(backoff_ms(2, 1, HOUR, 0.5, 1), 3000);
    assert_int_equal(backoff_ms(2, 1, HOUR, 1, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows),
        cmocka_unit_test(bounded),
        cmocka_unit_test(odd_arguments),
        cmocka_unit_test(spread),
    };
    return cmocka_run_group_tests_name("backoff", tests, NULL, NULL);
}
