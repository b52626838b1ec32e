/* index.c: the order, and the shares of several pools. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "worker/index.h"

#define NOW INT64_C(1800000000000000)
#define MANY 1000

static void make(int number, int priority, char file[FILE_NAME_MAX + 1], struct name *n)
{
    *n = (struct name){.time_us = NOW + number, .priority = priority};
    snprintf(n->id, sizeof n->id, "job-%d", number);
    name_format(DIR_PENDING, n, file);
}

static void add(struct index *x, int number, int priority)
{
    struct name n;
    char file[FILE_NAME_MAX + 1];
    make(number, priority, file, &n);
    assert_true(index_add(x, DIR_PENDING, file, &n, NOW, NOW));
}

static int number_of(const char *file)
{
    struct name n;
    int number;
    assert_true(name_parse(DIR_PENDING, file, &n));
    assert_int_equal(sscanf(n.id, "job-%d", &number), 1);
    return number;
}

/* Which of them are gone from the folder. */
static bool claimed[MANY];

static bool is_there(enum dir d, const char *file, void *arg)
{
    (void)d;
    (void)arg;
    return !claimed[number_of(file)];
}

/* All of them, of one priority, in the hands of this pool of so many. */
static void add_all(struct index *x, unsigned rank, unsigned pools)
{
    index_share(x, rank, pools);
    for (int number = 0; number < MANY; number++)
        add(x, number, 0);
}

/* The next one's number, -1: none. */
static int pop(struct index *x)
{
    enum dir d;
    char file[FILE_NAME_MAX + 1];
    return index_pop(x, &d, file, is_there, NULL) ? number_of(file) : -1;
}

static int set_up(void **state)
{
    memset(claimed, 0, sizeof claimed);
    *state = index_new();
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    index_free(*state);
    return 0;
}

static void by_priority_then_time(void **state)
{
    struct index *x = *state;
    static const int order[] = {4, 1, 2, 0, 3};
    static const int priority[] = {0, 5, 5, 0, 10};
    for (int i = 4; i >= 0; i--)
        add(x, i, priority[i]);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(pop(x), order[i]);
    assert_int_equal(pop(x), -1);
}

static void what_is_alone_asks_nobody(void **state)
{
    struct index *x = *state;
    add(x, 1, 0);
    claimed[1] = true; /* the claim will tell */
    assert_int_equal(pop(x), 1);
}

/* Each name is in the share of one of three. */
static void shares_are_all(void **state)
{
    struct index *pool[3] = {*state, index_new(), index_new()};
    int taken[3] = {0};
    for (unsigned i = 0; i < 3; i++)
        add_all(pool[i], i, 3);
    for (int round = 0; round < 60; round++) /* under PASS_MAX */
        for (int i = 0; i < 3; i++) {
            int number = pop(pool[i]);
            assert_false(claimed[number]);
            claimed[number] = true;
            taken[i]++;
        }
    for (int i = 0; i < 3; i++)
        assert_int_equal(taken[i], 60);
    index_free(pool[1]);
    index_free(pool[2]);
}

/* One after another, all come to an end, and each once. */
static void nothing_is_left_over(void **state)
{
    struct index *x = *state;
    int count = 0;
    add_all(x, 1, 4);
    for (int number; (number = pop(x)) >= 0; count++) {
        assert_false(claimed[number]);
        claimed[number] = true;
    }
    assert_int_equal(count, MANY);
    assert_int_equal(index_count(x), 0);
}

/* The others never claim: how far can one of theirs be left behind? */
static void the_stuck_are_not_overtaken_for_ever(void **state)
{
    struct index *x = *state;
    int behind = 0, worst = 0;
    add_all(x, 0, 2);
    for (int number, oldest = 0; (number = pop(x)) >= 0;) {
        claimed[number] = true;
        while (oldest < MANY && claimed[oldest]) {
            oldest++;
            behind = 0;
        }
        worst = ++behind > worst ? behind : worst;
    }
    assert_in_range(worst, 2, 200);
}

/* What the others have claimed is dropped, without being given out. */
static void the_claimed_are_dropped(void **state)
{
    struct index *x = *state;
    int given = 0, own = 0;
    add_all(x, 0, 2);
    for (int number; (number = pop(x)) >= 0 && given < 60; given++)
        own += number >= 0;
    assert_int_equal(own, 60);
    memset(claimed, 1, sizeof claimed);
    while (pop(x) >= 0)
        own++;
    assert_int_equal(index_count(x), 0);
    assert_in_range(own, 400, 600); /* its share, the rest was never given out */
}

static void priority_goes_before_shares(void **state)
{
    struct index *x = *state;
    index_share(x, 0, 4);
    for (int number = 0; number < 100; number++)
        add(x, number, number == 77 || number == 78 || number == 79 || number == 80 ? 9 : 0);
    for (int number = 77; number <= 80; number++)
        assert_in_range(pop(x), 77, 80);
    assert_in_range(pop(x), 0, 76);
}

static void what_came_is_better(void **state)
{
    struct index *x = *state;
    struct name n;
    char file[FILE_NAME_MAX + 1];
    make(50, 0, file, &n);
    assert_false(index_beats(x, &n, file));
    add(x, 51, 0);
    assert_false(index_beats(x, &n, file));
    add(x, 49, 0);
    assert_true(index_beats(x, &n, file));
    pop(x);
    add(x, 90, 1);
    assert_true(index_beats(x, &n, file));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(by_priority_then_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_alone_asks_nobody, set_up, tear_down),
        cmocka_unit_test_setup_teardown(shares_are_all, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_is_left_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_stuck_are_not_overtaken_for_ever, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_claimed_are_dropped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(priority_goes_before_shares, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_came_is_better, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("index", tests, NULL, NULL);
}
