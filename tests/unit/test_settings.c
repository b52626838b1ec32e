/* Units of src/job/settings.h: values, the file read, the file rewritten. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "job/settings.h"

#define LENGTH(array) (sizeof(array) / sizeof(array)[0])

/* --- a folder of its own for each test --- */

struct place {
    char path[64];
    int fd;
};

static int make_place(void **state)
{
    struct place *p = calloc(1, sizeof *p);
    if (p == NULL)
        return -1;
    snprintf(p->path, sizeof p->path, "/tmp/queuectl-settings-XXXXXX");
    if (mkdtemp(p->path) == NULL)
        return -1;
    p->fd = open(p->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *state = p;
    return p->fd < 0 ? -1 : 0;
}

static int drop_place(void **state)
{
    struct place *p = *state;
    unlinkat(p->fd, SETTINGS_FILE, 0);
    close(p->fd);
    int rc = rmdir(p->path); /* fails when a temporary file was left */
    free(p);
    return rc;
}

static void put_n(void **state, const char *text, size_t n)
{
    struct place *p = *state;
    int fd = openat(p->fd, SETTINGS_FILE, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, n), (ssize_t)n);
    close(fd);
}

static void put(void **state, const char *text)
{
    put_n(state, text, strlen(text));
}

static void expect_file(void **state, const char *text)
{
    struct place *p = *state;
    struct buf b = BUF_INIT;
    assert_int_equal(io_read_file(p->fd, SETTINGS_FILE, &b, 1 << 20), 0);
    assert_string_equal(buf_str(&b), text);
    buf_release(&b);
}

static int dir(void **state)
{
    return ((struct place *)*state)->fd;
}

static void expect_set(void **state, const char *key, const char *value)
{
    struct err err = ERR_INIT;
    if (settings_write(dir(state), key, value, &err) != 0)
        fail_msg("%s", err.text);
}

static void expect_load(void **state, struct settings *s)
{
    struct err err = ERR_INIT;
    if (settings_load(dir(state), s, &err) != 0)
        fail_msg("%s", err.text);
}

static void expect_load_fails(void **state, struct settings *s, const char *message)
{
    struct err err = ERR_INIT;
    assert_int_equal(settings_load(dir(state), s, &err), -1);
    assert_int_equal(err.kind, ERR_BAD);
    assert_string_equal(err.text, message);
}

/* --- values --- */

static void defaults(void **state)
{
    (void)state;
    struct settings s;
    settings_init(&s);
    assert_int_equal(s.max_retries, 3);
    assert_true(s.backoff_base > 1.99 && s.backoff_base < 2.01);
    assert_int_equal(s.backoff_max_ms, 3600000);
    assert_true(s.backoff_jitter < 1e-9);
    assert_int_equal(s.timeout_ms, 0);
    assert_int_equal(s.priority, 0);
    assert_int_equal(s.grace_ms, 10000);
    assert_int_equal(s.count, 1);
    assert_int_equal(s.output_max, 64 << 20);
    assert_int_equal(s.durability, DURABILITY_AUTO);
    assert_int_equal(s.orphans, ORPHANS_END);
    assert_false(s.durable_claim);
}

/* Each default is good, and reads back as it is shown. */
static void table(void **state)
{
    (void)state;
    for (size_t i = 0; i < settings_count; i++) {
        const struct setting *def = &settings_table[i];
        struct settings s, t;
        struct buf a = BUF_INIT, b = BUF_INIT;
        settings_init(&s);
        settings_init(&t);
        assert_int_equal(setting_assign(def, &s, def->initial, NULL), 0);
        setting_text(def, &s, &a);
        assert_int_equal(setting_assign(def, &t, buf_str(&a), NULL), 0);
        setting_text(def, &t, &b);
        assert_string_equal(buf_str(&a), buf_str(&b));
        assert_string_equal(buf_str(&a), def->initial);
        assert_ptr_equal(setting_find(def->name), def);
        buf_release(&a);
        buf_release(&b);
    }
}

static void keys(void **state)
{
    (void)state;
    const struct setting *retries = setting_find("max-retries");
    assert_non_null(retries);
    assert_ptr_equal(setting_find("max_retries"), retries);
    assert_ptr_equal(setting_find("default_max_retries"), retries);
    assert_ptr_equal(setting_find("default-max_retries"), retries);
    assert_ptr_equal(setting_find("job_timeout"), setting_find("timeout"));
    assert_null(setting_find("Max-Retries"));
    assert_null(setting_find("max-retrie"));
    assert_null(setting_find("max-retriess"));
    assert_null(setting_find(""));
    assert_string_equal(setting_nearest("max-retires"), "max-retries");
    assert_string_equal(setting_nearest("MAX_RETRIES"), "max-retries");
    assert_string_equal(setting_nearest("jobtimeout"), "timeout");
    assert_string_equal(setting_nearest("backof-base"), "backoff-base");
    assert_null(setting_nearest("nonsense"));
    assert_null(setting_nearest(""));
    assert_null(setting_nearest("a-key-that-is-far-longer-than-any-setting-could-ever-be-named"));
}

static void good_values(void **state)
{
    (void)state;
    static const struct {
        const char *key, *value, *shown;
    } rows[] = {
        {"max-retries", "0", "0"},        {"max-retries", "1000", "1000"},
        {"backoff-base", "1", "1"},       {"backoff-base", "1.5", "1.5"},
        {"backoff-base", "1000", "1000"}, {"backoff-jitter", "0.1", "0.1"},
        {"backoff-jitter", "1", "1"},     {"backoff-jitter", "0.00001", "0.00001"},
        {"backoff-jitter", "0.00000000020737874922", "0.000000000207378"},
        {"backoff-max", "1s", "1s"},      {"backoff-max", "90", "1m30s"},
        {"timeout", "60000", "16h40m"},   {"timeout", "500ms", "500ms"},
        {"timeout", "0", "0"},            {"priority", "-100", "-100"},
        {"priority", "high", "10"},       {"priority", "low", "-10"},
        {"grace", "0", "0"},              {"count", "10000", "10000"},
        {"output-max", "0", "0"},         {"output-max", "1500", "1500"},
        {"output-max", "2G", "2G"},       {"durability", "never", "never"},
        {"durability", "always", "always"}, {"orphans", "wait", "wait"},
        {"durable-claim", "yes", "yes"},  {"durable-claim", "on", "yes"},
        {"durable-claim", "0", "no"},     {"allow-users", "web, 1000", "web, 1000"},
        {"allow-users", "", ""},          {"allow-group", "www-data", "www-data"},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct settings s;
        struct err err = ERR_INIT;
        struct buf b = BUF_INIT;
        settings_init(&s);
        if (setting_assign(setting_find(rows[i].key), &s, rows[i].value, &err) != 0)
            fail_msg("%s", err.text);
        setting_text(setting_find(rows[i].key), &s, &b);
        assert_string_equal(buf_str(&b), rows[i].shown);
        buf_release(&b);
    }
}

static void bad_values(void **state)
{
    (void)state;
    static const struct {
        const char *key, *value, *message;
    } rows[] = {
        {"max-retries", "2.5", "max-retries: \"2.5\" is no whole number from 0 to 1000"},
        {"max-retries", "-1", "max-retries: \"-1\" is no whole number from 0 to 1000"},
        {"max-retries", "1001", NULL},
        {"max-retries", "", NULL},
        {"max-retries", "3 ", NULL},
        {"max-retries", "0x3", NULL},
        {"backoff-base", "0", "backoff-base: \"0\" is no number from 1 to 1000"},
        {"backoff-base", "0.99", NULL},
        {"backoff-base", "nan", NULL},
        {"backoff-base", "inf", NULL},
        {"backoff-base", "1e2", NULL},
        {"backoff-jitter", "1.01", NULL},
        {"backoff-jitter", "-0.1", NULL},
        {"backoff-max", "999ms",
         "backoff-max: \"999ms\" is no duration from 1s to 3650d; use 90, 90s, 5m"},
        {"timeout", "5 parsecs", NULL},
        {"timeout", "-1", NULL},
        {"timeout", "5s\npriority = 1", NULL},
        {"grace", "2d", NULL},
        {"priority", "101", "priority: \"101\" is no priority; use -100 to 100, low, medium, "
                            "normal, high"},
        {"priority", "urgent", NULL},
        {"count", "0", "count: \"0\" is no whole number from 1 to 10000"},
        {"output-max", "64 MB", "output-max: \"64 MB\" is no size; use 1500, 64K, 64M, 1G"},
        {"output-max", "-1", NULL},
        {"durability", "sometimes", "durability: \"sometimes\" is none of auto, always, never"},
        {"durability", "aut", NULL},
        {"durability", "auto|always", NULL},
        {"durability", "", NULL},
        {"durable-claim", "maybe", "durable-claim: \"maybe\" is neither yes nor no"},
        {"allow-users", "a ; b", "allow-users: \"a ; b\" is no list of names of at most 150 bytes"},
        {"allow-group", "a\tb", "allow-group: \"a\tb\" is no list of names of at most 150 bytes"},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct settings s, before;
        struct err err = ERR_INIT;
        memset(&s, 0, sizeof s);
        settings_init(&s);
        memcpy(&before, &s, sizeof s);
        if (setting_assign(setting_find(rows[i].key), &s, rows[i].value, &err) == 0)
            fail_msg("%s = %s was accepted", rows[i].key, rows[i].value);
        assert_int_equal(err.kind, ERR_BAD);
        assert_memory_equal(&s, &before, sizeof s);
        if (rows[i].message != NULL)
            assert_string_equal(err.text, rows[i].message);
    }
}

static void explanations(void **state)
{
    (void)state;
    static const struct {
        const char *key, *value, *text;
    } rows[] = {
        {"timeout", "60000", "60000 s (16h40m)"}, {"timeout", "0", "0 (none)"},
        {"timeout", "5s", ""},                    {"max-retries", "3", "3 (at most 4 runs)"},
        {"output-max", "64M", "64M (67108864 bytes)"}, {"output-max", "0", "0 (no bound)"},
        {"priority", "5", ""},                    {"durability", "auto", ""},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct settings s;
        struct buf b = BUF_INIT;
        settings_init(&s);
        const struct setting *def = setting_find(rows[i].key);
        assert_int_equal(setting_assign(def, &s, rows[i].value, NULL), 0);
        setting_explain(def, &s, &b);
        assert_string_equal(buf_str(&b), rows[i].text);
        buf_release(&b);
    }
}

/* --- reading --- */

static void no_file(void **state)
{
    struct settings s;
    expect_load(state, &s);
    assert_int_equal(s.max_retries, 3);
    assert_false(settings_is_set(dir(state), setting_find("timeout")));
}

static void a_file(void **state)
{
    struct settings s;
    put(state, "\xEF\xBB\xBF# comment\r\n; another\r\n\r\nmax_retries = 5\r\n"
               "   timeout : 5m   ; why\r\n\tgrace=3\r\n[queuectl]\r\ncount = 4\r\n"
               "default-max-retries = 7");
    expect_load(state, &s);
    assert_int_equal(s.max_retries, 7);
    assert_int_equal(s.timeout_ms, 300000);
    assert_int_equal(s.grace_ms, 3000);
    assert_int_equal(s.count, 4);
    assert_true(settings_is_set(dir(state), setting_find("grace")));
    assert_true(settings_is_set(dir(state), setting_find("max-retries")));
    assert_false(settings_is_set(dir(state), setting_find("priority")));
    put(state, "\xEF\xBB\xBFgrace=4\n");
    expect_load(state, &s);
    assert_int_equal(s.grace_ms, 4000);
}

/* The first bad line is told by its number; all good lines count. */
static void bad_lines(void **state)
{
    static const struct {
        const char *text, *message;
    } rows[] = {
        {"count = 4\n\n# x\nmax-retries = 2.5\ngrace = 5\nbad\n",
         "queuectl.ini: line 4: max-retries: \"2.5\" is no whole number from 0 to 1000"},
        {"count = 4\ngrace = 5\nmax-retires = 2\n",
         "queuectl.ini: line 3: unknown key \"max-retires\"; did you mean max-retries?"},
        {"count = 4\ngrace = 5\nxyzzy = 2\n", "queuectl.ini: line 3: unknown key \"xyzzy\""},
        {"count = 4\njunk\ncount = x\ngrace = 5\n",
         "queuectl.ini: line 2: neither \"key = value\" nor a [section] nor a comment"},
        {"count = 4\ngrace = x\njunk\ngrace = 5\n",
         "queuectl.ini: line 2: grace: \"x\" is no duration from 0 to 1d; use 90, 90s, 5m"},
        {"count = 4\ngrace = 5\n[queuectl\n",
         "queuectl.ini: line 3: neither \"key = value\" nor a [section] nor a comment"},
        {"count = 4\ngrace = 5\n[web]\n\npriority = 1\n",
         "queuectl.ini: line 5: in unknown section [web]; settings stand at top level or in "
         "[queuectl]"},
        /* no continuation lines */
        {"count = 4\n  7\ngrace = 5\n",
         "queuectl.ini: line 2: neither \"key = value\" nor a [section] nor a comment"},
        {"count = 4\ngrace = 5\ntimeout =\n",
         "queuectl.ini: line 3: timeout: \"\" is no duration from 0 to 3650d; use 90, 90s, 5m"},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct settings s;
        put(state, rows[i].text);
        expect_load_fails(state, &s, rows[i].message);
        assert_int_equal(s.count, 4);
        assert_int_equal(s.grace_ms, 5000);
    }
}

/* inih's buffer holds 200 bytes: 198 fit, and nothing longer is cut silently. */
static void long_lines(void **state)
{
    for (size_t len = 190; len < 450; len++) {
        struct settings s;
        char text[600];
        int n = snprintf(text, sizeof text, "count = 2\ngrace = 7%*s\nmax-retries = 9\n",
                         (int)(len - strlen("grace = 7")), "");
        put_n(state, text, (size_t)n);
        if (len <= 198)
            expect_load(state, &s);
        else
            expect_load_fails(state, &s, "queuectl.ini: line 2: longer than 198 bytes");
        assert_int_equal(s.grace_ms, len <= 198 ? 7000 : 10000);
        assert_int_equal(s.max_retries, 9);
    }
    /* a comment too: one rule, and nobody wonders which lines count */
    struct settings s;
    char text[400];
    snprintf(text, sizeof text, "# %0300d\r\ncount = 3\r\n", 7);
    put(state, text);
    expect_load_fails(state, &s, "queuectl.ini: line 1: longer than 198 bytes");
    assert_int_equal(s.count, 3);
}

static void nul_bytes(void **state)
{
    struct settings s;
    static const char text[] = "count = 4\ngrace = 5\0 0\nmax-retries = 6\n";
    put_n(state, text, sizeof text - 1);
    expect_load_fails(state, &s, "queuectl.ini: line 2: holds a NUL byte");
    assert_int_equal(s.count, 4);
    assert_int_equal(s.grace_ms, 10000);
    assert_int_equal(s.max_retries, 6);
}

static void no_regular_file(void **state)
{
    struct settings s;
    char big[70000];
    memset(big, '\n', sizeof big);
    put_n(state, big, sizeof big);
    expect_load_fails(state, &s, "queuectl.ini: larger than 65536 bytes");
    assert_int_equal(s.count, 1);
    unlinkat(dir(state), SETTINGS_FILE, 0);
    assert_int_equal(symlinkat("nowhere", dir(state), SETTINGS_FILE), 0);
    expect_load_fails(state, &s, "queuectl.ini: not a regular file; links are not followed");
    unlinkat(dir(state), SETTINGS_FILE, 0);
    assert_int_equal(mkfifoat(dir(state), SETTINGS_FILE, 0600), 0);
    expect_load_fails(state, &s, "queuectl.ini: not a regular file; links are not followed");
    struct err err = ERR_INIT;
    assert_int_equal(settings_write(dir(state), "count", "3", &err), -1);
    assert_string_equal(err.text, "queuectl.ini: not a regular file; links are not followed");
}

/* --- rewriting --- */

static void set_in_no_file(void **state)
{
    struct stat st;
    expect_set(state, "max_retries", "5");
    expect_file(state, "max-retries = 5\n");
    assert_int_equal(fstatat(dir(state), SETTINGS_FILE, &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    expect_set(state, "timeout", "5m");
    expect_file(state, "max-retries = 5\ntimeout = 5m\n");
    expect_set(state, "max-retries", NULL);
    expect_file(state, "timeout = 5m\n");
    expect_set(state, "max-retries", NULL);
    expect_file(state, "timeout = 5m\n");
}

static void set_keeps_all_else(void **state)
{
    static const struct {
        const char *before, *key, *value, *after;
    } rows[] = {
        {"# a\n\n  count=2   ; two\n\n; z\ngrace = 5\n", "count", "8",
         "# a\n\n  count=8   ; two\n\n; z\ngrace = 5\n"},
        {"", "count", "8", "count = 8\n"},
        {"# a\r\ncount = 2\r\ngrace = 5\r\n", "count", "8", "# a\r\ncount = 8\r\ngrace = 5\r\n"},
        {"# a\r\ncount = 2\r\n", "grace", "5", "# a\r\ncount = 2\r\ngrace = 5\r\n"},
        {"count = 2", "grace", "5", "count = 2\ngrace = 5\n"},
        {"count = 2", "count", "5", "count = 5"},
        {"[queuectl]\ncount : 2\n", "grace", "5", "[queuectl]\ncount : 2\ngrace = 5\n"},
        {"[queuectl]\ncount : 2\n", "count", "5", "[queuectl]\ncount : 5\n"},
        {"default_max_retries = 1\n# b\nmax-retries = 2\n# c\nmax_retries = 3 ; d\n",
         "max-retries", "9", "# b\n# c\nmax_retries = 9 ; d\n"},
        {"default_max_retries = 1\n# b\nmax-retries = 2\n# c\nmax_retries = 3 ; d\n",
         "max-retries", NULL, "# b\n# c\n"},
        {"# count = 2\n", "count", "5", "# count = 2\ncount = 5\n"},
        {"count = 2;3\ngrace = 5\n", "count", "5", "count = 5\ngrace = 5\n"},
        {"count = x ; bad\n", "count", "5", "count = 5 ; bad\n"},
        {"count = ; none\n", "count", "5", "count = 5 ; none\n"},
        {"count = x\n", "count", NULL, ""},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        put(state, rows[i].before);
        expect_set(state, rows[i].key, rows[i].value);
        expect_file(state, rows[i].after);
    }
}

static void set_keeps_the_mode(void **state)
{
    struct stat st;
    put(state, "count = 2\n");
    assert_int_equal(fchmodat(dir(state), SETTINGS_FILE, 0640, 0), 0);
    expect_set(state, "count", "3");
    assert_int_equal(fstatat(dir(state), SETTINGS_FILE, &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    ino_t inode = st.st_ino;
    expect_set(state, "count", "3"); /* nothing to change: nothing is written */
    assert_int_equal(fstatat(dir(state), SETTINGS_FILE, &st, 0), 0);
    assert_int_equal(st.st_ino, inode);
}

static void set_refused(void **state)
{
    static const char text[] = "count = 2\n# keep\n";
    static const struct {
        const char *key, *value, *message;
        enum err_kind kind;
    } rows[] = {
        {"count", "0", "count: \"0\" is no whole number from 1 to 10000", ERR_BAD},
        {"max-retries", "2.5", NULL, ERR_BAD},
        {"cuont", "3", "unknown key \"cuont\"; did you mean count?", ERR_USAGE},
        {"xyzzy", "3", "unknown key \"xyzzy\"", ERR_USAGE},
        {"xyzzy", NULL, "unknown key \"xyzzy\"", ERR_USAGE},
    };
    put(state, text);
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct err err = ERR_INIT;
        assert_int_equal(settings_write(dir(state), rows[i].key, rows[i].value, &err), -1);
        assert_int_equal(err.kind, rows[i].kind);
        if (rows[i].message != NULL)
            assert_string_equal(err.text, rows[i].message);
        expect_file(state, text);
    }
}

static void set_beside_a_bad_line(void **state)
{
    static const char text[] = "count = 2\nxyzzy = 2\n";
    struct err err = ERR_INIT;
    put(state, text);
    assert_int_equal(settings_write(dir(state), "count", "3", &err), -1);
    assert_string_equal(err.text, "not written: queuectl.ini: line 2: unknown key \"xyzzy\"");
    expect_file(state, text);
}

/* A duration may have blanks around it, line breaks among them; a line not. */
static void set_cannot_add_lines(void **state)
{
    struct err err = ERR_INIT;
    put(state, "count = 2\n");
    assert_int_equal(settings_write(dir(state), "timeout", "5\n", &err), -1);
    assert_string_equal(err.text, "timeout: a value is one line");
    expect_file(state, "count = 2\n");
}

#define IN_A_PLACE(test) cmocka_unit_test_setup_teardown(test, make_place, drop_place)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),
        cmocka_unit_test(table),
        cmocka_unit_test(keys),
        cmocka_unit_test(good_values),
        cmocka_unit_test(bad_values),
        cmocka_unit_test(explanations),
        IN_A_PLACE(no_file),
        IN_A_PLACE(a_file),
        IN_A_PLACE(bad_lines),
        IN_A_PLACE(long_lines),
        IN_A_PLACE(nul_bytes),
        IN_A_PLACE(no_regular_file),
        IN_A_PLACE(set_in_no_file),
        IN_A_PLACE(set_keeps_all_else),
        IN_A_PLACE(set_keeps_the_mode),
        IN_A_PLACE(set_refused),
        IN_A_PLACE(set_beside_a_bad_line),
        IN_A_PLACE(set_cannot_add_lines),
    };
    return cmocka_run_group_tests_name("settings", tests, NULL, NULL);
}
