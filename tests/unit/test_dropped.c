/* test_dropped.c: the set of dropped files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "worker/dropped.h"

static void taken_is(struct dropped_set *s, int64_t now, const char *file)
{
    struct dropped *d = dropped_take(s, now);
    assert_non_null(d);
    assert_string_equal(d->file, file);
    assert_false(dropped_has(s, file));
    dropped_forget(d);
}

/* Out, and in again until `look`. */
static void postpone(struct dropped_set *s, const char *file, int64_t look)
{
    struct dropped *d = dropped_take(s, 0);
    assert_non_null(d);
    assert_string_equal(d->file, file);
    d->look_us = look;
    assert_true(dropped_put_back(s, d));
}

static void test_oldest_first(void **state)
{
    (void)state;
    struct dropped_set *s = dropped_new();
    assert_int_equal(dropped_next_us(s), INT64_MAX);
    assert_null(dropped_take(s, INT64_MAX));
    assert_true(dropped_add(s, "c.json", 30));
    assert_true(dropped_add(s, "a.json", 10));
    assert_true(dropped_add(s, "z.json", 20));
    assert_true(dropped_add(s, "b.json", 20));
    assert_true(dropped_add(s, "a.json", 99)); /* keeps its age */
    assert_int_equal(dropped_count(s), 4);
    assert_int_equal(dropped_next_us(s), 0);
    taken_is(s, 0, "a.json");
    taken_is(s, 0, "b.json"); /* of one age: by name */
    taken_is(s, 0, "z.json");
    taken_is(s, 0, "c.json");
    assert_int_equal(dropped_count(s), 0);
    dropped_free(s);
}

static void test_later(void **state)
{
    (void)state;
    struct dropped_set *s = dropped_new();
    dropped_add(s, "a.json", 1);
    postpone(s, "a.json", 500);
    dropped_add(s, "b.json", 2);
    postpone(s, "b.json", 300);
    assert_int_equal(dropped_next_us(s), 300);
    assert_null(dropped_take(s, 299));
    taken_is(s, 300, "b.json");
    assert_int_equal(dropped_next_us(s), 500);
    dropped_add(s, "c.json", 3);
    taken_is(s, 500, "a.json"); /* due both: the older */
    taken_is(s, 500, "c.json");
    dropped_free(s);
}

static void test_wake(void **state)
{
    (void)state;
    struct dropped_set *s = dropped_new();
    assert_false(dropped_wake(s, "a.json"));
    dropped_add(s, "a.json", 1);
    postpone(s, "a.json", 1000);
    assert_int_equal(dropped_next_us(s), 1000);
    assert_true(dropped_wake(s, "a.json"));
    assert_int_equal(dropped_next_us(s), 0);
    assert_int_equal(dropped_count(s), 1);
    taken_is(s, 0, "a.json");
    dropped_free(s);
}

/* While it was out an event named it again: the new one stays, and is due. */
static void test_added_meanwhile(void **state)
{
    (void)state;
    struct dropped_set *s = dropped_new();
    dropped_add(s, "a.json", 1);
    struct dropped *d = dropped_take(s, 0);
    assert_int_equal(dropped_count(s), 0);
    dropped_add(s, "a.json", 2);
    d->look_us = 1000;
    assert_true(dropped_put_back(s, d));
    assert_int_equal(dropped_count(s), 1);
    assert_int_equal(dropped_next_us(s), 0);
    taken_is(s, 0, "a.json");
    dropped_free(s);
}

/* What is remembered of a file comes back with it. */
static void test_memory(void **state)
{
    (void)state;
    struct dropped_set *s = dropped_new();
    dropped_add(s, "a.json", 7);
    struct dropped *d = dropped_take(s, 0);
    assert_int_equal(d->tries, 0);
    d->tries = 3;
    d->size = 44;
    d->look_us = 10;
    dropped_put_back(s, d);
    d = dropped_take(s, 10);
    assert_int_equal(d->tries, 3);
    assert_int_equal(d->size, 44);
    assert_int_equal(d->age, 7);
    dropped_forget(d);
    dropped_free(s);
}

#define MANY 200000

static uint32_t next_random(uint32_t *seed)
{
    return *seed = *seed * 1664525u + 1013904223u;
}

/* Each comes out once, in order, in time that grows like their number (a list
 * with a linear search would take minutes). */
static void test_many(void **state)
{
    (void)state;
    struct dropped_set *s = dropped_new();
    char file[32];
    uint32_t seed = 1;
    int64_t begun = clock_mono_us();
    for (int i = 0; i < MANY; i++) {
        snprintf(file, sizeof file, "f%d.json", i);
        assert_true(dropped_add(s, file, next_random(&seed) >> 12));
    }
    for (int i = 0; i < MANY; i += 3) { /* a third goes to the other heap and back */
        struct dropped *d = dropped_take(s, 0);
        d->look_us = 1 + (int64_t)(next_random(&seed) >> 16);
        dropped_put_back(s, d);
        if (i % 2 == 0)
            assert_true(dropped_has(s, d->file));
    }
    for (int i = 0; i < MANY; i += 7) {
        snprintf(file, sizeof file, "f%d.json", i);
        assert_true(dropped_wake(s, file));
    }
    assert_int_equal(dropped_count(s), MANY);
    int64_t age = INT64_MIN;
    for (int i = 0; i < MANY; i++) {
        struct dropped *d = dropped_take(s, INT64_MAX);
        assert_non_null(d);
        assert_true(d->age >= age);
        age = d->age;
        dropped_forget(d);
    }
    assert_null(dropped_take(s, INT64_MAX));
    assert_true(clock_mono_us() - begun < 20 * US_PER_SEC);
    dropped_free(s);
}

/* Freed with items in both heaps (a sanitizer sees what is left). */
static void test_release(void **state)
{
    (void)state;
    struct dropped_set *s = dropped_new();
    dropped_add(s, "a.json", 1);
    postpone(s, "a.json", 5);
    dropped_add(s, "b.json", 1);
    dropped_free(s);
    dropped_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_oldest_first), cmocka_unit_test(test_later),
        cmocka_unit_test(test_wake),         cmocka_unit_test(test_added_meanwhile),
        cmocka_unit_test(test_memory),       cmocka_unit_test(test_many),
        cmocka_unit_test(test_release),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
