/* board.c: in order, each name to one, whoever takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "worker/board.h"

#define TAKERS 4
#define NAMES 20000

static int set_up(void **state)
{
    int fd;
    *state = board_make(&fd);
    if (fd >= 0)
        close(fd);
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    board_close(*state, -1);
    return 0;
}

static void put(struct board *b, int number)
{
    char file[FILE_NAME_MAX + 1];
    snprintf(file, sizeof file, "%d", number);
    board_put(b, DIR_FAILED, file);
}

/* -1: there is none. */
static int take(struct board *b)
{
    enum dir d;
    char file[FILE_NAME_MAX + 1];
    if (!board_take(b, &d, file))
        return -1;
    assert_int_equal(d, DIR_FAILED);
    return (int)strtol(file, NULL, 10);
}

static void first_in_first_out(void **state)
{
    struct board *b = *state;
    assert_true(board_is_empty(b));
    assert_int_equal(take(b), -1);
    for (int round = 0; round < 100; round++) {
        for (int i = 0; i < BOARD_SLOTS; i++) {
            assert_true(board_has_room(b));
            put(b, round + i);
        }
        assert_false(board_has_room(b));
        for (int i = 0; i < BOARD_SLOTS; i++)
            assert_int_equal(take(b), round + i);
        assert_true(board_is_empty(b));
    }
}

static void more_is_asked_for_once(void **state)
{
    struct board *b = *state;
    for (int i = 0; i < BOARD_SLOTS; i++)
        put(b, i);
    assert_false(board_runs_low(b));
    for (int i = 0; i < BOARD_SLOTS - BOARD_LOW; i++)
        take(b);
    assert_true(board_runs_low(b));
    assert_false(board_runs_low(b));
    take(b);
    assert_false(board_runs_low(b));
    put(b, 0); /* heard */
    assert_true(board_runs_low(b));
}

static void without_a_board(void **state)
{
    (void)state;
    assert_true(board_is_empty(NULL));
    assert_false(board_has_room(NULL));
    assert_false(board_runs_low(NULL));
    assert_int_equal(take(NULL), -1);
    assert_int_equal(board_sum(NULL, BOARD_WON), 0);
    board_add(NULL, BOARD_WON);
}

/* Takes until it has taken an end, and tells what it took. */
static void take_all(struct board *b, int to)
{
    for (int number = 0; number < NAMES;) {
        number = take(b);
        if (number >= 0 && number < NAMES && write(to, &number, sizeof number) != sizeof number)
            _exit(1);
        if (number >= 0)
            board_add(b, BOARD_WON);
    }
    _exit(0);
}

static void each_is_taken_by_one(void **state)
{
    struct board *b = *state;
    static char seen[NAMES];
    int number, status;
    FILE *told = tmpfile();
    assert_non_null(told);
    for (int i = 0; i < TAKERS; i++)
        if (fork() == 0)
            take_all(b, dup(fileno(told)));
    for (int i = 0; i < NAMES + TAKERS; i++) {
        while (!board_has_room(b))
            if (i % 97 == 0 && (number = take(b)) >= 0) { /* withdrawn, as a pool does */
                assert_in_range(number, 0, NAMES - 1);
                assert_int_equal(seen[number]++, 0);
            }
        put(b, i);
    }
    while (wait(&status) > 0)
        assert_int_equal(status, 0);
    rewind(told);
    while (fread(&number, sizeof number, 1, told) == 1)
        assert_int_equal(seen[number]++, 0);
    for (int i = 0; i < NAMES; i++)
        assert_int_equal(seen[i], 1);
    fclose(told);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(first_in_first_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(more_is_asked_for_once, set_up, tear_down),
        cmocka_unit_test(without_a_board),
        cmocka_unit_test_setup_teardown(each_is_taken_by_one, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("board", tests, NULL, NULL);
}
