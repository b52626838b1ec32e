/* Units of src/spool/name.h: the grammar of file names, both ways. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/stamp.h"
#include "spool/name.h"

#define LENGTH(array) (sizeof(array) / sizeof(array)[0])
#define TIME "20261122T031500.250001Z"
#define NOW INT64_C(1795317300250001)
#define TOKEN "0a1b2c3d-4711-99887766-deadbeef"
#define ID_OF_32 "aaaaaaaaaabbbbbbbbbbccccccccccdd"
#define ID_OF_128 ID_OF_32 ID_OF_32 ID_OF_32 ID_OF_32

static void good_names(void **state)
{
    (void)state;
    static const struct {
        enum dir dir;
        const char *file;
        struct name name;
    } rows[] = {
        {DIR_PENDING, TIME ".p10.a0.report-42.json", {NOW, false, 10, 0, "", "report-42"}},
        {DIR_PENDING, TIME ".p-100.a999999.a.b.c.json", {NOW, false, -100, 999999, "", "a.b.c"}},
        {DIR_PENDING, "held.p0.a2.x.json", {0, true, 0, 2, "", "x"}},
        {DIR_FAILED, TIME ".p0.a1.json.json", {NOW, false, 0, 1, "", "json"}},
        {DIR_FAILED, "held.p0.a1.x.json", {0, true, 0, 1, "", "x"}},
        {DIR_PROCESSING, TIME ".p0.a1.w" TOKEN ".x.json", {NOW, false, 0, 1, TOKEN, "x"}},
        {DIR_PROCESSING, TIME ".p0.a1.w" TOKEN ".p0.a1.json", {NOW, false, 0, 1, TOKEN, "p0.a1"}},
        {DIR_DONE, "x.json", {0, false, 0, 0, "", "x"}},
        {DIR_PENDING, TIME ".p0.a0." ID_OF_128 ".json", {NOW, false, 0, 0, "", ID_OF_128}},
        {DIR_PROCESSING, TIME ".p-100.a999999.w" TOKEN "." ID_OF_128 ".json",
         {NOW, false, -100, 999999, TOKEN, ID_OF_128}},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct name n;
        char file[FILE_NAME_MAX + 1];
        const struct name *want = &rows[i].name;
        memset(&n, 0x5A, sizeof n);
        if (!name_parse(rows[i].dir, rows[i].file, &n))
            fail_msg("refused: %s", rows[i].file);
        assert_int_equal(n.time_us, want->time_us);
        assert_int_equal(n.held, want->held);
        assert_int_equal(n.priority, want->priority);
        assert_int_equal(n.attempts, want->attempts);
        assert_string_equal(n.token, want->token);
        assert_string_equal(n.id, want->id);
        name_format(rows[i].dir, &n, file);
        assert_string_equal(file, rows[i].file);
    }
}

static void bad_names(void **state)
{
    (void)state;
    static const struct {
        enum dir dir;
        const char *file;
    } rows[] = {
        {DIR_PENDING, ""},
        {DIR_PENDING, ".json"},
        {DIR_PENDING, "x.json"},
        {DIR_PENDING, TIME ".p10.a0.x"},
        {DIR_PENDING, TIME ".p10.a0.x.jsonl"},
        {DIR_PENDING, TIME ".p10.a0.x.JSON"},
        {DIR_PENDING, TIME ".p10.a0..json"},
        {DIR_PENDING, TIME ".p10.a0.json"},
        {DIR_PENDING, TIME ".p+1.a0.x.json"},
        {DIR_PENDING, TIME ".p01.a0.x.json"},
        {DIR_PENDING, TIME ".p-0.a0.x.json"},
        {DIR_PENDING, TIME ".p101.a0.x.json"},
        {DIR_PENDING, TIME ".p-101.a0.x.json"},
        {DIR_PENDING, TIME ".p.a0.x.json"},
        {DIR_PENDING, TIME ".p0.a-1.x.json"},
        {DIR_PENDING, TIME ".p0.a1000000.x.json"},
        {DIR_PENDING, TIME ".p0.a.x.json"},
        {DIR_PENDING, TIME ".p0.x.json"},
        {DIR_PENDING, TIME ".a0.p0.x.json"},
        {DIR_PENDING, "." TIME ".p0.a0.x.json"},
        {DIR_PENDING, "20261122T031500.25000Z.p0.a0.x.json"},
        {DIR_PENDING, "20261122T031500.250001.p0.a0.x.json"},
        {DIR_PENDING, "20260230T031500.250001Z.p0.a0.x.json"},
        {DIR_PENDING, TIME "p0.a0.x.json"},
        {DIR_PENDING, "Held.p0.a0.x.json"},
        {DIR_PENDING, "heldp0.a0.x.json"},
        {DIR_PENDING, TIME ".p0.a0.x y.json"},
        {DIR_PENDING, TIME ".p0.a0.-x.json"},
        {DIR_PENDING, TIME ".p0.a0." ID_OF_128 "x.json"},
        /* a waiting name may not read like a running one, nor the reverse */
        {DIR_PENDING, TIME ".p0.a1.w" TOKEN ".x.json"},
        {DIR_PROCESSING, TIME ".p0.a1.x.json"},
        {DIR_PROCESSING, "held.p0.a1.w" TOKEN ".x.json"},
        {DIR_PROCESSING, TIME ".p0.a1.w" TOKEN ".json"},
        {DIR_PROCESSING, TIME ".p0.a1.w.x.json"},
        {DIR_PROCESSING, TIME ".p0.a1.w" TOKEN ".w" TOKEN ".x.json"},
        {DIR_PROCESSING, TIME ".p0.a1." TOKEN ".x.json"},
        {DIR_DONE, "x"},
        {DIR_DONE, ".x.json"},
        {DIR_DONE, "a/b.json"},
        {DIR_DONE, "\xC3\xA9.json"},
        {DIR_DONE, "x.json\n"},
        {DIR_DEAD, "w" TOKEN ".x.json"},
        {DIR_DEAD, TIME ".p0.a1.x.json"},
        {DIR_DONE, "held.p0.a1.x.json"},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct name n;
        if (name_parse(rows[i].dir, rows[i].file, &n))
            fail_msg("accepted: %s", rows[i].file);
    }
}

/* Names sort by time, and no two spellings mean one name: whatever the bytes,
 * what is read prints the same. */
static void mutations(void **state)
{
    (void)state;
    static const char *const seeds[] = {
        TIME ".p10.a0.report-42.json",
        "held.p-5.a3.x.json",
        TIME ".p0.a1.w" TOKEN ".x.json",
    };
    uint32_t dice = 4711;
    int accepted = 0;
    for (int i = 0; i < 300000; i++) {
        char file[128], back[FILE_NAME_MAX + 1];
        struct name n;
        snprintf(file, sizeof file, "%s", seeds[(size_t)i % LENGTH(seeds)]);
        for (int k = 0; k <= i % 3; k++) {
            dice = dice * 1664525u + 1013904223u;
            file[(dice >> 8) % strlen(file)] = "0123456789.-pawxTZ+ "[(dice >> 20) % 20];
        }
        for (int d = 0; d < STATE_COUNT; d++)
            if (name_parse((enum dir)d, file, &n)) {
                name_format((enum dir)d, &n, back);
                assert_string_equal(file, back);
                accepted++;
            }
    }
    assert_true(accepted > 10000);
}

static void longest_name_fits(void **state)
{
    (void)state;
    struct name n = {.time_us = INT64_MAX, .priority = -100, .attempts = NAME_ATTEMPTS_MAX};
    char file[FILE_NAME_MAX + 1];
    struct name back;
    memset(n.id, 'x', ID_MAX);
    snprintf(n.token, sizeof n.token, "ffffffff-2147483647-99999999999999999-ffffffff");
    name_format(DIR_PROCESSING, &n, file);
    assert_true(strlen(file) < FILE_NAME_MAX);
    assert_true(name_parse(DIR_PROCESSING, file, &back));
    assert_string_equal(back.id, n.id);
    assert_string_equal(back.token, n.token);
}

static void ids(void **state)
{
    (void)state;
    static const char *const good[] = {"a", "0", "Z", "a.b", "a..b", "a-", "a_", "9-x.", ID_OF_128,
                                       "w", "w.x", "wabc.x", "w" TOKEN, "x" TOKEN ".y", "CON",
                                       "held", "held.x", "held.p0", "held.p0.a0", "held.p0.x.y",
                                       "held.p.a0.x", "Held.p0.a0.x", "x.held.p0.a0.x", TIME,
                                       TIME ".p0.a0", "20261122t031500.250001Z.p0.a0.x",
                                       "2026112T031500.250001Z.p0.a0.x"};
    static const char *const bad[] = {"",    ".",   "..",   ".a",   "-a",  "_a",     "a b",
                                      "a/b", "a\n", "a\t",  "a*",   "\xC3\xA9", "a\xFF",
                                      ID_OF_128 "x", "w" TOKEN ".", "w" TOKEN ".x", "a\\", "a:b",
                                      "held.p0.a0.x", "held.p-100.a999999.", TIME ".p0.a0.x",
                                      TIME ".p10.a1.w" TOKEN ".x", "99999999T999999.999999Z.p0.a0.x",
                                      TIME ".p-5.a0._x"};
    for (size_t i = 0; i < LENGTH(good); i++)
        if (!name_id_valid(good[i]))
            fail_msg("refused: %s", good[i]);
    for (size_t i = 0; i < LENGTH(bad); i++)
        if (name_id_valid(bad[i]))
            fail_msg("accepted: %s", bad[i]);
}

/* Whatever id is valid: what is printed reads the same in every folder, and its
 * file of done/ is never another job's in pending/. */
static void ids_in_names(void **state)
{
    static const char *const parts[] = {"held", TIME, "p0", "a0", ("w" TOKEN), "x", "json", "-", ""};
    (void)state;
    size_t n = LENGTH(parts), valid = 0;
    for (size_t i = 0; i < n * n * n * n; i++) {
        char file[FILE_NAME_MAX + 1];
        struct name one = {.time_us = NOW, .attempts = 1}, two;
        int len = snprintf(one.id, sizeof one.id, "%s.%s.%s.%s", parts[i % n], parts[i / n % n],
                           parts[i / n / n % n], parts[i / n / n / n]);
        if (len > ID_MAX || !name_id_valid(one.id))
            continue;
        valid++;
        for (int d = 0; d < STATE_COUNT; d++) {
            snprintf(one.token, sizeof one.token, "%s", d == DIR_PROCESSING ? TOKEN : "");
            name_format((enum dir)d, &one, file);
            if (!name_parse((enum dir)d, file, &two) || strcmp(one.id, two.id) != 0)
                fail_msg("read as %s: %s", two.id, file);
        }
        if (name_parse(DIR_PENDING, file, &two) || name_parse(DIR_PROCESSING, file, &two))
            fail_msg("another job's name: %s", file);
    }
    assert_true(valid > 1000);
}

static void foreign(void **state)
{
    (void)state;
    static const char *const yes[] = {"x.json", "my job.json", "\xFF.json", "a.json.json",
                                      TIME ".p0.a0.json", TIME ".p101.a0.x.json",
                                      TIME ".p0.a1.w" TOKEN ".x.json", "held.json"};
    static const char *const no[] = {"", ".json", ".x.json", "x", "x.json.tmp", "x.JSON", "json",
                                     "xjson", TIME ".p0.a0.x.json", "held.p0.a0.x.json"};
    for (size_t i = 0; i < LENGTH(yes); i++)
        if (!name_is_foreign(yes[i]))
            fail_msg("not foreign: %s", yes[i]);
    for (size_t i = 0; i < LENGTH(no); i++)
        if (name_is_foreign(no[i]))
            fail_msg("foreign: %s", no[i]);
}

static void directories(void **state)
{
    (void)state;
    enum dir d = DIR_TMP;
    for (int i = 0; i < STATE_COUNT; i++) {
        assert_true(dir_state(dir_name((enum dir)i), &d));
        assert_int_equal(d, i);
    }
    assert_false(dir_state("tmp", &d));
    assert_false(dir_state("pendin", &d));
    assert_false(dir_state("", &d));
    assert_string_equal(dir_name(DIR_JOURNAL), "journal");
    assert_string_equal(dir_name(DIR_FAILED), "failed");
}

static void tokens(void **state)
{
    (void)state;
    struct token t;
    assert_true(token_parse(TOKEN, &t));
    assert_string_equal(t.boot, "0a1b2c3d");
    assert_int_equal(t.pid, 4711);
    assert_int_equal(t.start, 99887766);
    static const char *const bad[] = {
        "", "w" TOKEN, TOKEN "0", TOKEN "-", "0a1b2c3d-0-1-deadbeef", "0a1b2c3d--1-deadbeef",
        "0a1b2c3d-01-1-deadbeef", "0a1b2c3d-1--deadbeef", "0a1b2c3d-1-1-deadbee",
        "0A1B2C3D-1-1-deadbeef", "0a1b2c3d-1-1-deadbeeg", "0a1b2c3d-2147483648-1-deadbeef",
        "0a1b2c3d-1-1", "a1b2c3d-1-1-deadbeef", "0a1b2c3d-1-9223372036854775808-deadbeef",
        "0a1b2c3d-1-000000000000000000000000000001-deadbeef", "0a1b2c3d-1-1-dead-eef"};
    for (size_t i = 0; i < LENGTH(bad); i++)
        if (token_parse(bad[i], &t))
            fail_msg("accepted: %s", bad[i]);

    char one[TOKEN_MAX + 1], two[TOKEN_MAX + 1], id[ID_MAX + 1];
    token_make(one);
    token_make(two);
    assert_string_not_equal(one, two);
    assert_true(token_parse(one, &t));
    assert_int_equal(t.pid, getpid());
    snprintf(id, sizeof id, "w%s.x", one);
    assert_false(name_id_valid(id));
}

static void new_ids(void **state)
{
    (void)state;
    static const struct {
        const char *stem, *begins;
    } rows[] = {
        {NULL, "20261122t031500250001-"}, {"", "20261122t031500250001-"},
        {"report", "report-"},            {"my job (1)", "my-job-1-"},
        {"...x", "x-"},                   {"\xC3\xA9t\xC3\xA9", "t-"},
        {"---", "20261122t031500250001-"}, {ID_OF_128 ID_OF_128, ID_OF_32},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        char one[ID_MAX + 1], two[ID_MAX + 1];
        name_new_id(rows[i].stem, NOW, one);
        name_new_id(rows[i].stem, NOW, two);
        assert_true(name_id_valid(one));
        assert_string_not_equal(one, two);
        if (strncmp(one, rows[i].begins, strlen(rows[i].begins)) != 0)
            fail_msg("%s does not begin with %s", one, rows[i].begins);
    }
    char early[ID_MAX + 1], late[ID_MAX + 1];
    name_new_id(NULL, NOW, early);
    name_new_id(NULL, NOW + 1, late);
    assert_true(strcmp(early, late) < 0);
    char owner[ID_MAX + 1]; /* a stem that looks like a worker's */
    name_new_id("w" TOKEN ".x", NOW, owner);
    assert_true(name_id_valid(owner));
    name_new_id("held.p0.a0.x y", NOW, owner);
    assert_true(name_id_valid(owner));
    name_new_id(TIME ".p0.a0.w" TOKEN ".x", NOW, owner);
    assert_true(name_id_valid(owner));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_names),
        cmocka_unit_test(bad_names),
        cmocka_unit_test(mutations),
        cmocka_unit_test(longest_name_fits),
        cmocka_unit_test(ids),
        cmocka_unit_test(ids_in_names),
        cmocka_unit_test(foreign),
        cmocka_unit_test(directories),
        cmocka_unit_test(tokens),
        cmocka_unit_test(new_ids),
    };
    return cmocka_run_group_tests_name("name", tests, NULL, NULL);
}
