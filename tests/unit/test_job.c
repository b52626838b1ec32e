/* Units of src/job/job.h: members good and bad, acceptance, results, fates. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/duration.h"
#include "base/escape.h"
#include "base/stamp.h"
#include "job/job.h"

#define LENGTH(array) (sizeof(array) / sizeof(array)[0])
#define NOW INT64_C(1795317300250001) /* 2026-11-22T03:15:00.250001Z */
#define TOKEN "0a1b2c3d-4711-99887766-deadbeef"

static struct job parse(const char *text)
{
    struct job j;
    struct err err = ERR_INIT;
    if (job_parse(&j, text, strlen(text), NULL, &err) != 0)
        fail_msg("%s: %s", text, err.text);
    return j;
}

static char *print(const struct job *j)
{
    struct buf out = BUF_INIT;
    assert_int_equal(job_print(j, &out), 0);
    return buf_detach(&out);
}

/* A job whose document has this member beside a command. */
static struct job parse_member(const char *member, const char *raw)
{
    struct buf b = BUF_INIT;
    bool runs = strcmp(member, "command") == 0 || strcmp(member, "argv") == 0;
    buf_addf(&b, "{\"%s\": %s%s}", member, raw, runs ? "" : ", \"command\": \"true\"");
    struct job j = parse(b.data);
    buf_release(&b);
    return j;
}

static void refuse(const char *text, const char *message)
{
    struct job j;
    struct err err = ERR_INIT;
    if (job_parse(&j, text, strlen(text), NULL, &err) == 0)
        fail_msg("accepted: %s", text);
    assert_int_equal(err.kind, ERR_BAD);
    if (message != NULL)
        assert_string_equal(err.text, message);
    assert_null(strchr(err.text, '\n'));
}

static void refuse_member(const char *member, const char *raw, const char *message)
{
    struct buf b = BUF_INIT;
    bool runs = strcmp(member, "command") == 0 || strcmp(member, "argv") == 0;
    buf_addf(&b, "{\"%s\": %s%s}", member, raw, runs ? "" : ", \"command\": \"true\"");
    refuse(b.data, message);
    buf_release(&b);
}

/* --- the producer's members --- */

static void least_job(void **state)
{
    (void)state;
    struct job j = parse("{\"command\":\"echo hi\"}");
    assert_string_equal(j.command, "echo hi");
    assert_string_equal(j.id, "");
    assert_null(j.argv);
    assert_null(j.env);
    assert_null(j.cwd);
    assert_null(j.last_error);
    assert_false(j.has_priority || j.has_max_retries || j.detach || j.crash_is_death);
    assert_false(j.is_report);
    assert_true(j.backoff_base < 0.5);
    assert_int_equal(j.timeout_ms, -1);
    assert_int_equal(j.run_at_us, -1);
    assert_int_equal(j.delay_ms, -1);
    assert_int_equal(j.started_us, -1);
    assert_int_equal(j.next_run_us, -1);
    assert_int_equal(j.duration_ms, -1);
    assert_int_equal(j.exit_code, -1);
    assert_int_equal(j.runs + j.lost + j.attempts + j.lost_in_row, 0);
    job_release(&j);
}

static void all_members(void **state)
{
    (void)state;
    struct job j = parse(
        "{\"id\":\"a.b_c-9\",\"argv\":[\"prog\",\"\",\"a b\"],\"priority\":-100,\"max_retries\":0,"
        "\"backoff_base\":1.5,\"timeout\":\"90s\",\"run_at\":\"2026-11-22T03:15:00.250001Z\","
        "\"cwd\":\"/tmp\",\"env\":{\"A\":\"1=2\",\"b\":\"\",\"\\u00e9\":\"x\"},\"detach\":true,"
        "\"on_crash\":\"dead\"}");
    assert_string_equal(j.id, "a.b_c-9");
    assert_null(j.command);
    assert_string_equal(j.argv[0], "prog");
    assert_string_equal(j.argv[1], "");
    assert_string_equal(j.argv[2], "a b");
    assert_null(j.argv[3]);
    assert_true(j.has_priority && j.priority == -100);
    assert_true(j.has_max_retries && j.max_retries == 0);
    assert_true(j.backoff_base > 1.49 && j.backoff_base < 1.51);
    assert_int_equal(j.timeout_ms, 90000);
    assert_int_equal(j.run_at_us, NOW);
    assert_string_equal(j.cwd, "/tmp");
    assert_string_equal(j.env[0], "A=1=2");
    assert_string_equal(j.env[1], "b=");
    assert_string_equal(j.env[2], "\xC3\xA9=x");
    assert_null(j.env[3]);
    assert_true(j.detach && j.crash_is_death);
    job_release(&j);
}

static void priorities(void **state)
{
    (void)state;
    static const struct {
        const char *raw;
        int priority;
    } rows[] = {{"0", 0},          {"100", 100},     {"-100", -100},  {"\"low\"", -10},
                {"\"medium\"", 0}, {"\"normal\"", 0}, {"\"high\"", 10}, {"\"hi\\u0067h\"", 10}};
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct job j = parse_member("priority", rows[i].raw);
        assert_true(j.has_priority);
        assert_int_equal(j.priority, rows[i].priority);
        job_release(&j);
    }
    int p = 7;
    assert_true(job_priority_parse("high", &p) && p == 10);
    assert_true(job_priority_parse("-5", &p) && p == -5);
    assert_false(job_priority_parse("101", &p));
    assert_false(job_priority_parse("", &p));
    assert_false(job_priority_parse("High", &p));
    assert_int_equal(p, -5);
}

/* However it is written; nothing goes through a double. */
static void whole_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *raw;
        int64_t n;
    } rows[] = {
        {"3", 3},          {"3.0", 3},        {"3e0", 3},       {"30e-1", 3},
        {"0.03E+2", 3},    {"0.3e1", 3},      {"300.00e-2", 3}, {"0", 0},
        {"-0", 0},         {"-0.0", 0},       {"0e9999999", 0}, {"0.00e-99999999999", 0},
        {"1e3", 1000},     {"1e003", 1000},   {"1.000e3", 1000}, {"10.0", 10},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct job j = parse_member("max_retries", rows[i].raw);
        assert_true(j.has_max_retries);
        assert_int_equal(j.max_retries, rows[i].n);
        assert_string_equal(json_raw(j.doc, "max_retries"), rows[i].raw);
        job_release(&j);
        j = parse_member("timeout_ms", rows[i].raw);
        assert_int_equal(j.timeout_ms, rows[i].n);
        job_release(&j);
    }
    struct job j = parse_member("priority", "-1.0e2");
    assert_int_equal(j.priority, -100);
    job_release(&j);
    j = parse_member("timeout_ms", "315359999999");
    assert_int_equal(j.timeout_ms, INT64_C(315359999999));
    job_release(&j);
    j = parse_member("timeout_ms", "3.15359999999e11");
    assert_int_equal(j.timeout_ms, INT64_C(315359999999));
    job_release(&j);
    /* for flags and settings a number stays what it is in a shell */
    int p;
    assert_false(job_priority_parse("3.0", &p));
}

static void durations(void **state)
{
    (void)state;
    static const struct {
        const char *member, *raw;
        int64_t ms;
    } rows[] = {
        {"timeout", "0", 0},          {"timeout", "90", 90000},     {"timeout", "1.5", 1500},
        {"timeout", "1e2", 100000},   {"timeout", "\"500ms\"", 500}, {"timeout", "\"5m\"", 300000},
        {"timeout", "\"2h\"", 7200000}, {"timeout", "\"90\"", 90000}, {"timeout_ms", "1500", 1500},
        {"timeout_ms", "0", 0},       {"timeout_seconds", "2.5", 2500},
        {"timeout_seconds", "3", 3000}, {"timeout", "315360000", DURATION_MAX_MS},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct job j = parse_member(rows[i].member, rows[i].raw);
        assert_int_equal(j.timeout_ms, rows[i].ms);
        job_release(&j);
    }
    struct job j = parse_member("delay", "\"1d\"");
    assert_int_equal(j.delay_ms, 86400000);
    job_release(&j);
}

static void times(void **state)
{
    (void)state;
    setenv("TZ", "UTC-2", 1); /* two hours east */
    tzset();
    static const struct {
        const char *raw;
        int64_t us;
    } rows[] = {
        {"0", 0},
        {"1795317300.250001", NOW},
        {"1795317300.2500019", NOW},
        {"1795317300", NOW - 250001},
        {"1.7953173e9", NOW - 250001},
        {"2.534023007995e11", INT64_C(253402300799500000)},
        {"-0.0", 0},
        {"\"2026-11-22T03:15:00.250001Z\"", NOW},
        {"\"2026-11-22T05:15:00.250001\"", NOW},
        {"\"2026-11-22T04:15:00.250001+01:00\"", NOW},
        {"\"1795317300.250001\"", NOW},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct job j = parse_member("run_at", rows[i].raw);
        assert_int_equal(j.run_at_us, rows[i].us);
        job_release(&j);
    }
}

static void null_is_absent(void **state)
{
    (void)state;
    struct job j = parse("{\"id\":null,\"command\":\"x\",\"argv\":null,\"timeout\":null,"
                         "\"run_at\":null,\"delay\":5,\"env\":null,\"max_retries\":null}");
    assert_string_equal(j.id, "");
    assert_int_equal(j.timeout_ms, -1);
    assert_int_equal(j.delay_ms, 5000);
    assert_false(j.has_max_retries);
    job_release(&j);
    refuse("{\"command\":null}", "needs \"command\" or \"argv\"");
}

#define DURATION " is no duration; use 90, \"90s\", \"5m\""
#define RETRIES " is no number of retries; use a whole number from 0 to 1000"
#define VARIABLE " does not fit; use {\"NAME\": \"text\", ...}: names not empty and without \"=\""
#define PRIORITY " is no priority; use -100 to 100, \"low\" (-10), \"medium\" or \"normal\" (0), " \
                 "\"high\" (10)"

static void bad_members(void **state)
{
    (void)state;
    static const struct {
        const char *member, *raw, *message;
    } rows[] = {
        {"id", "\"a b\"", "id: \"a b\" is no id; use 1 to 128 of A-Z a-z 0-9 . _ -, the first a "
                          "letter or digit, and not like held.p0.a0.x"},
        {"id", "\"\"", NULL},
        {"id", "7", NULL},
        {"id", "\"-a\"", NULL},
        {"id", "\".a\"", NULL},
        {"id", "\"../a\"", NULL},
        {"id", "\"\xC3\xA9\"", NULL},
        {"id", "\"a\\u0000\"", "id: holds \\u0000, which no program can be given"},
        {"id", "\"w" TOKEN ".x\"", NULL},
        {"command", "\"\"", "command: \"\" is no command; use a string that is not empty"},
        {"command", "7", NULL},
        {"command", "[\"x\"]", NULL},
        {"command", "\"a\\u0000b\"", "command: holds \\u0000, which no program can be given"},
        {"argv", "[]", "argv: [] is no list of arguments; use [\"program\", \"argument\", ...]: "
                       "strings, the first not empty"},
        {"argv", "[\n \"a\",\n {\"b\":\n7}\n]", "argv[1]: {\"b\":7} does not fit; use "
                                            "[\"program\", \"argument\", ...]: strings, the "
                                            "first not empty"},
        {"argv", "[\"\"]", "argv[0]: \"\" does not fit; use [\"program\", \"argument\", ...]: "
                         "strings, the first not empty"},
        {"argv", "\"ls\"", NULL},
        {"argv", "{\"a\":\"ls\"}", NULL},
        {"argv", "[\"a\",[\"b\"]]", NULL},
        {"argv", "[\"a\",null]", NULL},
        {"argv", "[\"a\",\"\\u0000\"]", NULL},
        {"argv", "[11111111111111111111111111111111111111111111111111111111111111111111]", NULL},
        {"priority", "101", "priority: 101" PRIORITY},
        {"priority", "-101", NULL},
        {"priority", "1.5", "priority: 1.5" PRIORITY},
        {"priority", "1.01e2", NULL},
        {"priority", "\"10\"", "priority: \"10\"" PRIORITY},
        {"priority", "\"High\"", NULL},
        {"priority", "true", NULL},
        {"max_retries", "2.5", "max_retries: 2.5" RETRIES},
        {"max_retries", "-1", "max_retries: -1" RETRIES},
        {"max_retries", "\"3\"", "max_retries: \"3\"" RETRIES},
        {"max_retries", "1001", NULL},
        {"max_retries", "3.0000000000000000001", NULL},
        {"max_retries", "31e-1", NULL},
        {"max_retries", "1e-400", NULL},
        {"max_retries", "1e4", NULL},
        {"max_retries", "1e99999999999999999999", NULL},
        {"max_retries", "1001.0", NULL},
        {"max_retries", "-1.0", NULL},
        {"max_retries", "3.00000000000000000000000000000000000000000000000000000000000", NULL},
        {"max_retries", "99999999999999999999999", NULL},
        {"max_retries", "true", NULL},
        {"backoff_base", "0", "backoff_base: 0 is no backoff base; use a number from 1 to 1000"},
        {"backoff_base", "0.99", NULL},
        {"backoff_base", "1000.1", NULL},
        {"backoff_base", "1e400", NULL},
        {"backoff_base", "\"2\"", NULL},
        {"timeout", "\"5 parsecs\"", "timeout: \"5 parsecs\"" DURATION},
        {"timeout", "-1", "timeout: -1" DURATION},
        {"timeout", "\"\"", NULL},
        {"timeout", "[5]", NULL},
        {"timeout", "true", NULL},
        {"timeout", "1e300", NULL},
        {"timeout", "315360001", NULL},
        {"timeout", "5.000000000000000000000000000000000000000000000000000000000000000e5", NULL},
        {"timeout", "\"5s\\u0000\"", NULL},
        {"timeout_ms", "1.5", "timeout_ms: 1.5 is no number of milliseconds; use a whole number"},
        {"timeout_ms", "\"5\"", NULL},
        {"timeout_ms", "-1", NULL},
        {"timeout_ms", "315360000001", NULL},
        {"timeout_ms", "315360000000.0000001", NULL},
        {"timeout_ms", "9223372036854775808", NULL},
        {"timeout_ms", "18446744073709551616", NULL},
        {"timeout", "\"3649d25h\"", NULL},
        {"timeout", "\"3650.000000001d\"", NULL},
        {"timeout_seconds", "\"5s\"",
         "timeout_seconds: \"5s\" is no number of seconds; use a number like 90 or 0.5"},
        {"delay", "\"soon\"", "delay: \"soon\"" DURATION},
        {"delay", "-5", NULL},
        {"run_at", "\"tomorrow\"", "run_at: \"tomorrow\" is no time; use "
                                   "\"2026-11-22T03:15:00Z\" or seconds since 1970"},
        {"run_at", "-1", NULL},
        {"run_at", "\"2026-02-30\"", NULL},
        {"run_at", "1e30", NULL},
        {"run_at", "2.534023008e11", NULL},
        {"run_at", "253402300800", NULL},
        {"run_at", "true", NULL},
        {"run_at", "\"\"", NULL},
        {"cwd", "\"tmp\"",
         "cwd: \"tmp\" is no absolute path; use one that starts with \"/\""},
        {"cwd", "\"\"", NULL},
        {"cwd", "7", NULL},
        {"env", "[]", "env: [] is no environment; use {\"NAME\": \"text\", ...}: names not empty "
                      "and without \"=\""},
        {"env", "{\"Z\":\"1\",\"A\":1}", "env \"A\": 1" VARIABLE},
        {"env", "{\"\":\"x\"}", "env \"\": \"x\"" VARIABLE},
        {"env", "{\"A=B\":\"x\"}", "env \"A=B\": \"x\"" VARIABLE},
        {"env", "{\"A\":\"\\u0000\"}", NULL},
        {"env", "{\"A\\u0000\":\"x\"}", NULL},
        {"env", "{\"A\":\"1\",\"A\":\"2\"}", NULL},
        {"detach", "1", "detach: 1 is no truth value; use true or false"},
        {"detach", "\"true\"", NULL},
        {"on_crash", "\"die\"", "on_crash: \"die\" is no policy; use \"dead\" or \"retry\""},
        {"on_crash", "true", NULL},
    };
    for (size_t i = 0; i < LENGTH(rows); i++)
        refuse_member(rows[i].member, rows[i].raw, rows[i].message);
}

static void long_values_are_cut(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    struct err err = ERR_INIT;
    struct job j;
    buf_adds(&b, "{\"command\":\"x\",\"on_crash\":\"");
    for (int i = 0; i < 5000; i++)
        buf_adds(&b, "\xE2\x82\xAC");
    buf_adds(&b, "\"}");
    assert_int_equal(job_parse(&j, b.data, b.len, NULL, &err), -1);
    assert_true(strlen(err.text) < 140);
    assert_true(utf8_valid(err.text, strlen(err.text), NULL));
    assert_non_null(strstr(err.text, "\xE2\x82\xAC... is no policy"));
    buf_release(&b);
}

static void what_excludes(void **state)
{
    (void)state;
    refuse("{}", "needs \"command\" or \"argv\"");
    refuse("{\"Command\":\"x\"}",
           "needs \"command\" or \"argv\" (found \"Command\": names are case-sensitive)");
    refuse("{\"id\":\"a\",\"ARGV\":[\"x\"]}",
           "needs \"command\" or \"argv\" (found \"ARGV\": names are case-sensitive)");
    refuse("{\"commands\":\"x\"}",
           "needs \"command\" or \"argv\" (found \"commands\"; did you mean \"command\"?)");
    refuse("{\"mine\":1,\"arg\":[\"x\"]}",
           "needs \"command\" or \"argv\" (found \"arg\"; did you mean \"argv\"?)");
    refuse("{\"comm\\nd\":\"x\"}", /* on one line */
           "needs \"command\" or \"argv\" (found \"comm\\nd\"; did you mean \"command\"?)");
    refuse("{\"mine\":1,\"env\":{}}", "needs \"command\" or \"argv\"");
    refuse("{\"command\":\"x\",\"argv\":[\"x\"]}",
           "\"command\" and \"argv\" exclude each other; use one");
    refuse("{\"command\":\"x\",\"run_at\":5,\"delay\":5}",
           "\"run_at\" and \"delay\" exclude each other; use one");
    refuse("{\"command\":\"x\",\"timeout\":5,\"timeout_ms\":5}",
           "\"timeout\" and \"timeout_ms\" exclude each other; use one");
    refuse("{\"command\":\"x\",\"timeout_seconds\":5,\"timeout\":5}", NULL);
    refuse("{\"command\":\"x\",\"timeout_seconds\":5,\"timeout_ms\":5}", NULL);
    /* alike is not the same: the user's */
    struct job j = parse("{\"command\":\"x\",\"Timeout\":\"z\",\"max-retries\":-1,\"runAt\":{}}");
    assert_int_equal(j.timeout_ms, -1);
    assert_false(j.has_max_retries);
    job_release(&j);
}

/* What an old copy or a mischief brings along stops nothing. */
static void malformed_records(void **state)
{
    (void)state;
    struct job j = parse(
        "{\"command\":\"x\",\"attempts\":-3,\"runs\":\"many\",\"lost\":2.5,\"created_at\":\"then\","
        "\"started_at\":[],\"duration_ms\":1.5,\"exit_code\":300,\"last_error\":7,"
        "\"next_run_at\":\"x\",\"worker\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\","
        "\"history\":{\"a\":{\"outcome\":\"lost\"}},\"signal\":{},\"updated_at\":1e999,\"quarantined\":\"x.json\"}");
    assert_int_equal(j.attempts + j.runs + j.lost + j.lost_in_row, 0);
    assert_int_equal(j.created_us, -1);
    assert_int_equal(j.updated_us, -1);
    assert_int_equal(j.started_us, -1);
    assert_int_equal(j.duration_ms, -1);
    assert_int_equal(j.exit_code, -1);
    assert_null(j.last_error);
    assert_string_equal(j.worker, "");
    assert_false(j.is_report);
    assert_null(j.quarantined);
    job_release(&j);
}

static void incomplete_texts(void **state)
{
    (void)state;
    struct job j;
    bool early = false;
    assert_int_equal(job_parse(&j, "{\"command\":", 11, &early, NULL), -1);
    assert_true(early);
    assert_int_equal(job_parse(&j, "{\"command\":7}", 13, &early, NULL), -1);
    assert_false(early);
}

/* --- flags --- */

static void setting(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct job j = parse("{\"command\":\"x\",\"timeout_ms\":5,\"big\":12345678901234567890,"
                         "\"priority\":1}");
    assert_int_equal(job_set(&j, "priority", "\"high\"", &err), 0);
    assert_int_equal(j.priority, 10);
    assert_int_equal(job_set(&j, "timeout", " \"5m\" ", &err), 0);
    assert_int_equal(j.timeout_ms, 300000);
    assert_int_equal(job_set(&j, "id", "\"a\"", &err), 0);
    assert_int_equal(job_set(&j, "user", "{\"a\":[1]}", &err), 0);
    assert_int_equal(job_set(&j, "delay", "5", &err), 0);
    assert_int_equal(job_set(&j, "run_at", "7", &err), 0);
    assert_int_equal(j.delay_ms, -1);
    assert_int_equal(j.run_at_us, 7000000);
    assert_int_equal(job_set(&j, "argv", "[\"ls\"]", &err), 0);
    assert_null(j.command);

    char *before = print(&j);
    static const struct {
        const char *member, *raw, *message;
    } rows[] = {
        {"max_retries", "2.5", "max_retries: 2.5" RETRIES},
        {"max_retries", "many", "max_retries: many" RETRIES},
        {"max_retries", "1,\"x\":2", "max_retries: 1,\"x\":2" RETRIES},
        {"max_retries", "1}", "max_retries: 1}" RETRIES},
        {"max_retries", "", "max_retries: " RETRIES},
        {"user", "x", "user: x is no JSON value"},
        {"attempts", "3", "attempts: is written by the queue alone"},
        {"argv", "null", "needs \"command\" or \"argv\""},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        assert_int_equal(job_set(&j, rows[i].member, rows[i].raw, &err), -1);
        assert_int_equal(err.kind, ERR_BAD);
        assert_string_equal(err.text, rows[i].message);
        char *after = print(&j);
        assert_string_equal(before, after);
        free(after);
    }
    assert_string_equal(before, "{\n  \"big\": 12345678901234567890,\n  \"priority\": \"high\",\n"
                                "  \"timeout\": \"5m\",\n  \"id\": \"a\",\n"
                                "  \"user\": {\"a\":[1]},\n  \"run_at\": 7,\n"
                                "  \"argv\": [\"ls\"]\n}\n");
    free(before);
    job_unset(&j, "timeout");
    job_unset(&j, "nobody");
    assert_int_equal(j.timeout_ms, -1);
    assert_false(json_has(j.doc, "timeout"));
    job_release(&j);
}

/* --- acceptance --- */

static struct settings defaults(void)
{
    struct settings s;
    settings_init(&s);
    return s;
}

static void accept_job(struct job *j, const char *id, bool keep_history)
{
    struct settings s = defaults();
    struct err err = ERR_INIT;
    s.priority = 7;
    if (job_accept(j, id, &s, NOW, keep_history, &err) != 0)
        fail_msg("%s", err.text);
}

#define STAMP "\"2026-11-22T03:15:00.250001Z\""

static void acceptance(void **state)
{
    (void)state;
    struct job j = parse("{\"z\": 1.0, \"command\":\"x\", \"delay\":90, \"a\":[ ]}");
    assert_int_equal(job_due(&j, NOW), NOW + 90000000);
    accept_job(&j, "job1", false);
    char *text = print(&j);
    assert_string_equal(text, "{\n  \"z\": 1.0,\n  \"command\": \"x\",\n  \"a\": [ ],\n"
                              "  \"id\": \"job1\",\n  \"priority\": 7,\n  \"max_retries\": 3,\n"
                              "  \"run_at\": \"2026-11-22T03:16:30.250001Z\",\n"
                              "  \"created_at\": " STAMP ",\n  \"updated_at\": " STAMP "\n}\n");
    free(text);
    assert_string_equal(j.id, "job1");
    assert_int_equal(j.priority, 7);
    assert_int_equal(j.max_retries, 3);
    assert_int_equal(j.created_us, NOW);
    assert_int_equal(j.delay_ms, -1);
    assert_int_equal(job_due(&j, NOW), NOW + 90000000);
    assert_int_equal(job_due(&j, NOW + 90000001), NOW + 90000001);
    job_release(&j);
}

static void what_the_user_wrote_stays(void **state)
{
    (void)state;
    struct job j = parse("{\"id\":\"a\",\"priority\":\"high\",\"max_retries\":null,"
                         "\"timeout_ms\":5,\"command\":\"x\"}");
    accept_job(&j, "a", false);
    assert_string_equal(json_raw(j.doc, "priority"), "\"high\"");
    assert_string_equal(json_raw(j.doc, "timeout_ms"), "5");
    assert_string_equal(json_raw(j.doc, "max_retries"), "3");
    assert_int_equal(j.priority, 10);
    job_release(&j);
}

static const char old_copy[] =
    "{\"id\":\"a\",\"command\":\"x\",\"attempts\":4,\"runs\":9,\"lost\":1,"
    "\"created_at\":\"2020-01-01T00:00:00.000000Z\",\"started_at\":\"2020-01-01T00:00:01Z\","
    "\"finished_at\":5,\"duration_ms\":3,\"exit_code\":1,\"signal\":9,\"last_error\":\"bad\","
    "\"next_run_at\":5,\"worker\":\"w\",\"history\":[{\"run\":9}],\"updated_at\":\"x\","
    "\"quarantined\":\"y\"}";

static void acceptance_of_a_copy(void **state)
{
    (void)state;
    struct job j = parse(old_copy);
    assert_int_equal(j.runs, 9);
    accept_job(&j, "b", false);
    char *text = print(&j);
    assert_string_equal(text, "{\n  \"id\": \"b\",\n  \"command\": \"x\",\n  \"created_at\": " STAMP
                              ",\n  \"updated_at\": " STAMP ",\n  \"priority\": 7,\n"
                              "  \"max_retries\": 3\n}\n");
    free(text);
    assert_int_equal(j.runs + j.attempts + j.lost, 0);
    job_release(&j);
}

static void acceptance_of_a_job_put_back(void **state)
{
    (void)state;
    struct job j = parse(old_copy);
    accept_job(&j, "a", true);
    char *text = print(&j);
    assert_string_equal(text, "{\n  \"id\": \"a\",\n  \"command\": \"x\",\n  \"runs\": 9,\n"
                              "  \"lost\": 1,\n  \"created_at\": \"2020-01-01T00:00:00.000000Z\",\n"
                              "  \"history\": [{\"run\":9}],\n  \"updated_at\": " STAMP ",\n"
                              "  \"priority\": 7,\n  \"max_retries\": 3\n}\n");
    free(text);
    assert_int_equal(j.runs, 9);
    assert_int_equal(j.attempts, 0);
    job_release(&j);
}

/* --- runs --- */

static struct run a_run(enum outcome outcome, int attempt)
{
    return (struct run){
        .outcome = outcome, .attempt = attempt, .worker = TOKEN, .started_us = NOW + attempt,
        .finished_us = NOW + attempt + 5000, .duration_ms = 5, .exit_code = -1, .cpu_ms = -1,
        .max_rss_kib = -1,
    };
}

static void fates(void **state)
{
    (void)state;
    static const struct {
        enum outcome outcome;
        int attempt, max_retries;
        bool crash_is_death;
        int lost_in_row;
        enum fate fate;
    } rows[] = {
        {OUTCOME_DONE, 1, 0, false, 0, FATE_DONE},
        {OUTCOME_DONE, 9, 0, true, 2, FATE_DONE},
        {OUTCOME_FAILED, 1, 0, false, 0, FATE_DEAD},
        {OUTCOME_FAILED, 1, 3, false, 0, FATE_RETRY},
        {OUTCOME_FAILED, 3, 3, false, 0, FATE_RETRY},
        {OUTCOME_FAILED, 4, 3, false, 0, FATE_DEAD},
        {OUTCOME_FAILED, 1, 3, true, 2, FATE_RETRY},
        {OUTCOME_LOST, 1, 0, false, 0, FATE_AGAIN},
        {OUTCOME_LOST, 9, 0, false, 1, FATE_AGAIN},
        {OUTCOME_LOST, 1, 3, false, 2, FATE_DEAD},
        {OUTCOME_LOST, 1, 3, true, 0, FATE_DEAD},
        {OUTCOME_CANCELLED, 1, 3, false, 0, FATE_DEAD},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct job j = {.has_max_retries = true, .max_retries = rows[i].max_retries,
                        .crash_is_death = rows[i].crash_is_death,
                        .lost_in_row = rows[i].lost_in_row};
        struct run r = a_run(rows[i].outcome, rows[i].attempt);
        if (job_fate(&j, &r) != rows[i].fate)
            fail_msg("row %zu", i);
    }
    struct job bare = {.doc = NULL}; /* says nothing of retries: 3 */
    struct run r = a_run(OUTCOME_FAILED, 3);
    assert_int_equal(job_fate(&bare, &r), FATE_RETRY);
    r.attempt = 4;
    assert_int_equal(job_fate(&bare, &r), FATE_DEAD);
    assert_string_equal(outcome_name(OUTCOME_DONE), "done");
    assert_string_equal(outcome_name(OUTCOME_CANCELLED), "cancelled");
}

/* What job_record() put into the struct is what a reader of the document gets. */
static void is_as_its_document(const struct job *j)
{
    char *text = print(j);
    struct job read = parse(text);
    free(text);
    assert_int_equal(j->attempts, read.attempts);
    assert_int_equal(j->runs, read.runs);
    assert_int_equal(j->lost, read.lost);
    assert_int_equal(j->lost_in_row, read.lost_in_row);
    assert_int_equal(j->created_us, read.created_us);
    assert_int_equal(j->updated_us, read.updated_us);
    assert_int_equal(j->started_us, read.started_us);
    assert_int_equal(j->finished_us, read.finished_us);
    assert_int_equal(j->next_run_us, read.next_run_us);
    assert_int_equal(j->duration_ms, read.duration_ms);
    assert_int_equal(j->exit_code, read.exit_code);
    assert_string_equal(j->worker, read.worker);
    assert_string_equal(j->last_error ? j->last_error : "", read.last_error ? read.last_error : "");
    job_release(&read);
}

static void record(struct job *j, enum outcome outcome, int attempt, enum fate fate)
{
    struct run r = a_run(outcome, attempt);
    assert_int_equal(job_record(j, &r, fate, fate == FATE_RETRY ? NOW + 9 : -1), 0);
    is_as_its_document(j);
}

static void one_record(void **state)
{
    (void)state;
    struct job j = parse("{\"command\":\"x\"}");
    struct run r = a_run(OUTCOME_FAILED, 2);
    r.exit_code = 3;
    r.cpu_ms = 1;
    r.max_rss_kib = 2048;
    r.output_cut = 7;
    r.timed_out = true;
    r.error = "exit 3: \"no\"";
    assert_int_equal(job_record(&j, &r, FATE_RETRY, NOW + 999999), 0);
    is_as_its_document(&j);
    char *text = print(&j);
    assert_string_equal(
        text,
        "{\n  \"command\": \"x\",\n"
        "  \"history\": [{\"run\":1,\"attempt\":2,\"outcome\":\"failed\",\"fate\":\"retry\","
        "\"started_at\":\"2026-11-22T03:15:00.250003Z\","
        "\"finished_at\":\"2026-11-22T03:15:00.255003Z\",\"duration_ms\":5,\"exit_code\":3,"
        "\"timed_out\":true,\"cpu_ms\":1,\"max_rss_kib\":2048,\"output_cut\":7,"
        "\"error\":\"exit 3: \\\"no\\\"\"}],\n"
        "  \"attempts\": 2,\n  \"runs\": 1,\n  \"started_at\": \"2026-11-22T03:15:00.250003Z\",\n"
        "  \"finished_at\": \"2026-11-22T03:15:00.255003Z\",\n  \"duration_ms\": 5,\n"
        "  \"exit_code\": 3,\n  \"last_error\": \"exit 3: \\\"no\\\"\",\n"
        "  \"worker\": \"" TOKEN "\",\n  \"next_run_at\": \"2026-11-22T03:15:01.250000Z\",\n"
        "  \"updated_at\": \"2026-11-22T03:15:00.255003Z\"\n}\n");
    struct job again = parse(text);
    free(text);
    assert_int_equal(again.attempts, 2);
    assert_int_equal(again.runs, 1);
    assert_int_equal(again.exit_code, 3);
    assert_int_equal(again.started_us, NOW + 2);
    assert_int_equal(again.next_run_us, NOW + 999999);
    assert_string_equal(again.last_error, "exit 3: \"no\"");
    assert_string_equal(again.worker, TOKEN);
    assert_int_equal(j.attempts, 2);
    assert_int_equal(j.runs, 1);
    assert_string_equal(j.last_error, again.last_error);
    job_release(&again);

    /* what the next run does not have goes */
    r = a_run(OUTCOME_DONE, 3);
    r.signal = 11;
    assert_int_equal(job_record(&j, &r, FATE_DONE, -1), 0);
    assert_false(json_has(j.doc, "exit_code"));
    assert_false(json_has(j.doc, "last_error"));
    assert_false(json_has(j.doc, "next_run_at"));
    assert_string_equal(json_raw(j.doc, "signal"), "11");
    assert_null(j.last_error);
    assert_int_equal(j.exit_code, -1);
    assert_int_equal(j.runs, 2);
    job_release(&j);
}

/* 30 runs: the user's members do not lose a byte, the history keeps 20. */
static void many_records(void **state)
{
    (void)state;
    static const char *const mine[][2] = {
        {"big", "9223372036854775807"},
        {"bigger", "123456789012345678901234567890.10"},
        {"esc", "\"\\u00e9\\/\\ud83d\\ude00\\u0000\""},
        {"deep", "{ \"z\" : [1e5 ,\n\t2.50] }"},
        {"Command", "\"mine\""},
    };
    struct buf b = BUF_INIT;
    buf_adds(&b, "{\"command\":\"x\"");
    for (size_t i = 0; i < LENGTH(mine); i++)
        buf_addf(&b, ",\"%s\":%s", mine[i][0], mine[i][1]);
    buf_adds(&b, ",\"n\\u00e4me\":\"\\u0061\"}");
    struct job j = parse(b.data);
    buf_release(&b);
    accept_job(&j, "a", false);
    for (int round = 1; round <= 30; round++) {
        record(&j, round % 5 == 0 ? OUTCOME_LOST : OUTCOME_FAILED, round, FATE_RETRY);
        char *text = print(&j);
        job_release(&j);
        j = parse(text);
        for (size_t i = 0; i < LENGTH(mine); i++)
            assert_string_equal(json_raw(j.doc, mine[i][0]), mine[i][1]);
        assert_non_null(strstr(text, "\"n\\u00e4me\": \"\\u0061\""));
        cJSON *history = json_value(j.doc, "history");
        int n = cJSON_GetArraySize(history);
        assert_int_equal(n, round < 20 ? round : 20);
        const cJSON *last = cJSON_GetArrayItem(history, n - 1);
        assert_int_equal(cJSON_GetObjectItem(last, "run")->valueint, round);
        assert_int_equal(cJSON_GetObjectItem(history->child, "run")->valueint,
                         round < 20 ? 1 : round - 19);
        cJSON_Delete(history);
        free(text);
    }
    assert_int_equal(j.runs, 30);
    assert_int_equal(j.lost, 6);
    assert_int_equal(j.attempts, 29); /* the last was lost */
    job_release(&j);
}

static void malformed_history(void **state)
{
    (void)state;
    static const char *const histories[] = {"7", "{}", "[1]", "[{\"run\":1},null]", "\"x\"", "null"};
    for (size_t i = 0; i < LENGTH(histories); i++) {
        struct job j = parse_member("history", histories[i]);
        record(&j, OUTCOME_FAILED, 1, FATE_RETRY);
        cJSON *history = json_value(j.doc, "history");
        assert_int_equal(cJSON_GetArraySize(history), 1);
        cJSON_Delete(history);
        job_release(&j);
    }
    struct buf b = BUF_INIT;
    buf_adds(&b, "{\"command\":\"x\",\"history\":[{}");
    while (b.len < 300000)
        buf_adds(&b, ",{\"a\":1e14}");
    buf_adds(&b, "]}");
    struct job j = parse(b.data);
    record(&j, OUTCOME_FAILED, 1, FATE_RETRY);
    assert_true(strlen(json_raw(j.doc, "history")) < 1000);
    job_release(&j);
    buf_release(&b);
}

static void errors_are_cut(void **state)
{
    (void)state;
    char error[1001];
    for (size_t i = 0; i + 2 < sizeof error; i += 2)
        memcpy(error + i + 1, "\xC3\xA9", 2);
    error[0] = 'x';
    error[999] = '\0';
    struct job j = parse("{\"command\":\"x\"}");
    struct run r = a_run(OUTCOME_FAILED, 1);
    r.error = error;
    assert_int_equal(job_record(&j, &r, FATE_DEAD, -1), 0);
    assert_int_equal(strlen(j.last_error), 399); /* 400 would end in half a character */
    assert_true(utf8_valid(j.last_error, 399, NULL));
    r.error = "broken \xFF\x1B[31m"; /* whatever it is, the document stays JSON */
    assert_int_equal(job_record(&j, &r, FATE_DEAD, -1), 0);
    char *text = print(&j);
    struct job again = parse(text);
    assert_string_equal(again.last_error, "broken \xEF\xBF\xBD\x1B[31m");
    job_release(&again);
    free(text);
    job_release(&j);
}

static void lost_runs_in_a_row(void **state)
{
    (void)state;
    struct job j = parse("{\"command\":\"x\"}");
    struct run lost = a_run(OUTCOME_LOST, 1);
    record(&j, OUTCOME_LOST, 1, FATE_AGAIN);
    assert_int_equal(j.attempts, 0);
    assert_int_equal(j.lost_in_row, 1);
    record(&j, OUTCOME_FAILED, 1, FATE_RETRY);
    assert_int_equal(j.lost_in_row, 0);
    record(&j, OUTCOME_LOST, 2, FATE_AGAIN);
    assert_int_equal(job_fate(&j, &lost), FATE_AGAIN);
    record(&j, OUTCOME_LOST, 2, FATE_AGAIN);
    assert_int_equal(j.lost_in_row, 2);
    assert_int_equal(j.attempts, 1);
    assert_int_equal(job_fate(&j, &lost), FATE_DEAD);
    record(&j, OUTCOME_LOST, 2, FATE_DEAD);
    assert_int_equal(j.lost, 4);
    /* who revives it starts anew */
    job_amend(&j, 0, NULL, -1, NOW);
    assert_int_equal(job_fate(&j, &lost), FATE_AGAIN);
    job_release(&j);
}

static void results(void **state)
{
    (void)state;
    static const struct {
        enum outcome outcome;
        enum fate fate;
    } rows[] = {{OUTCOME_DONE, FATE_DONE},
                {OUTCOME_FAILED, FATE_RETRY},
                {OUTCOME_FAILED, FATE_DEAD},
                {OUTCOME_LOST, FATE_AGAIN},
                {OUTCOME_LOST, FATE_DEAD},
                {OUTCOME_CANCELLED, FATE_DEAD}};
    struct job j = parse("{\"command\":\"x\"}");
    enum fate fate = FATE_DONE;
    int64_t next = 0;
    assert_false(job_has_result(&j, -1, 0, "", &fate, &next));
    for (size_t i = 0; i < LENGTH(rows); i++) {
        record(&j, rows[i].outcome, 4, rows[i].fate);
        char *text = print(&j);
        job_release(&j);
        j = parse(text);
        free(text);
        assert_true(job_has_result(&j, NOW + 4, 4, TOKEN, &fate, &next));
        assert_int_equal(fate, rows[i].fate);
        assert_int_equal(next, rows[i].fate == FATE_RETRY ? NOW + 9 : -1);
        assert_false(job_has_result(&j, NOW + 5, 4, TOKEN, &fate, &next));
        assert_false(job_has_result(&j, NOW + 3, 4, TOKEN, &fate, &next));
        assert_false(job_has_result(&j, NOW + 4, 3, TOKEN, &fate, &next));
        assert_false(job_has_result(&j, NOW + 4, 5, TOKEN, &fate, &next));
        assert_false(job_has_result(&j, NOW + 4, 4, TOKEN "0", &fate, &next));
        assert_false(job_has_result(&j, NOW + 4, 4, "", &fate, &next));
    }
    json_set_raw(j.doc, "history", "[{\"attempt\":4,\"fate\":\"bliss\"}]");
    assert_false(job_has_result(&j, NOW + 4, 4, TOKEN, &fate, &next));
    json_set_raw(j.doc, "history", "[]");
    assert_false(job_has_result(&j, NOW + 4, 4, TOKEN, &fate, &next));
    json_remove(j.doc, "history");
    assert_false(job_has_result(&j, NOW + 4, 4, TOKEN, &fate, &next));
    job_release(&j);
}

static void amendments(void **state)
{
    (void)state;
    struct job j = parse("{\"command\":\"x\",\"attempts\":4,\"last_error\":\"bad\"}");
    job_amend(&j, 2, "cancelled", NOW + 1, NOW);
    assert_int_equal(j.attempts, 2);
    assert_string_equal(j.last_error, "cancelled");
    assert_int_equal(j.next_run_us, NOW + 1);
    assert_int_equal(j.updated_us, NOW);
    job_amend(&j, 0, NULL, -1, NOW);
    char *text = print(&j);
    assert_string_equal(text, "{\n  \"command\": \"x\",\n  \"attempts\": 0,\n  \"updated_at\": " STAMP
                              "\n}\n");
    free(text);
    assert_null(j.last_error);
    job_release(&j);
}

/* --- reports, descriptions, the table --- */

static void reports(void **state)
{
    (void)state;
    struct buf b = BUF_INIT, d = BUF_INIT;
    struct job_report report = {"r1", "bad file.json", "pending/bad file.json", "not UTF-8", "mend it"};
    assert_int_equal(job_print_report(&report, NOW, &b), 0);
    assert_string_equal(b.data, "{\n  \"id\": \"r1\",\n  \"quarantined\": \"bad file.json\",\n"
                                "  \"dropped_as\": \"pending/bad file.json\",\n"
                                "  \"last_error\": \"not UTF-8\",\n  \"advice\": \"mend it\",\n"
                                "  \"created_at\": " STAMP
                                ",\n  \"updated_at\": " STAMP "\n}\n");
    struct job j = parse(b.data);
    assert_true(j.is_report);
    assert_string_equal(j.quarantined, "bad file.json");
    assert_string_equal(j.last_error, "not UTF-8");
    job_describe(&j, &d);
    assert_string_equal(d.data, "(no job: quarantine/bad file.json)");
    struct settings s = defaults();
    struct err err = ERR_INIT;
    assert_int_equal(job_accept(&j, "r1", &s, NOW, false, &err), -1);
    assert_int_equal(err.kind, ERR_BAD);
    job_release(&j);
    buf_release(&b);
    buf_release(&d);
    /* nothing that leads out of quarantine/ makes a report */
    refuse("{\"quarantined\":\"../pending/x\"}", "needs \"command\" or \"argv\"");
    refuse("{\"quarantined\":\"..\"}", NULL);
    refuse("{\"quarantined\":\".\"}", NULL);
    refuse("{\"quarantined\":\"\"}", NULL);
    refuse("{\"quarantined\":7}", NULL);
}

static void descriptions(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"{\"command\":\"echo  'hi' | cat\"}", "echo  'hi' | cat"},
        {"{\"argv\":[\"ls\",\"-l\",\"/tmp/a.b\"]}", "ls -l /tmp/a.b"},
        {"{\"argv\":[\"a b\",\"\",\"it's\",\"$x\",\"*\"]}", "'a b' '' 'it'\\''s' '$x' '*'"},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct buf d = BUF_INIT;
        struct job j = parse(rows[i][0]);
        job_describe(&j, &d);
        assert_string_equal(d.data, rows[i][1]);
        buf_release(&d);
        job_release(&j);
    }
}

static void table(void **state)
{
    (void)state;
    for (size_t i = 0; i < job_member_count; i++) {
        const struct job_member *m = &job_members[i];
        assert_true(m->name[0] != '\0' && m->noun[0] != '\0' && m->accepts[0] != '\0');
        assert_int_equal(m->text[strlen(m->text) - 1], '.');
        assert_int_equal(m->recorded, m->schema == NULL);
        assert_int_equal(m->recorded, m->examples == NULL);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(m->name, job_members[k].name);
    }
}

/* --- mischief: nothing a producer drops breaks the reader --- */

static uint32_t dice_state = 77;
static uint32_t dice(uint32_t sides)
{
    dice_state = dice_state * 1664525u + 1013904223u;
    return (dice_state >> 8) % sides;
}

static void random_members(struct buf *b)
{
    static const char *const values[] = {
        "0", "-1", "3", "1e400", "1.5", "\"5m\"", "\"x\"", "\"\"", "[]", "{}", "null", "true",
        "[\"a\",\"b\"]", "{\"A\":\"b\"}", "{\"\":1}", "[{\"outcome\":\"lost\",\"attempt\":1}]",
        "\"2026-11-22T03:15:00Z\"", "\"/tmp\"", "\"high\"", "\"dead\"", "\"\\u0000\"",
        "99999999999999999999", "[[[[]]]]", "\"" TOKEN "\"", "false", "[null,1]",
    };
    buf_adds(b, "{\"x\":1");
    for (size_t i = 0; i < job_member_count; i++)
        if (dice(3) == 0)
            buf_addf(b, ",\"%s\":%s", job_members[i].name, values[dice(LENGTH(values))]);
    if (dice(2) == 0)
        buf_adds(b, ",\"command \":\"x\"");
    buf_adds(b, "}");
}

static void use_job(struct job *j)
{
    enum fate fate;
    int64_t next;
    struct settings s = defaults();
    struct run r = a_run((enum outcome)dice(4), (int)dice(5));
    char *first = print(j);
    struct job again = parse(first);
    char *second = print(&again);
    assert_string_equal(first, second);
    job_release(&again);
    free(first);
    free(second);
    if (job_accept(j, "id", &s, NOW, dice(2) == 0, NULL) == 0) {
        assert_int_equal(job_record(j, &r, job_fate(j, &r), -1), 0);
        assert_true(job_has_result(j, r.started_us, r.attempt, TOKEN, &fate, &next));
    }
}

static void mischief(void **state)
{
    (void)state;
    int accepted = 0;
    for (int i = 0; i < 20000; i++) {
        struct buf b = BUF_INIT;
        struct job j;
        struct err err = ERR_INIT;
        random_members(&b);
        if (job_parse(&j, b.data, b.len, NULL, &err) == 0) {
            use_job(&j);
            job_release(&j);
            accepted++;
        } else
            assert_int_equal(err.kind, ERR_BAD);
        buf_release(&b);
    }
    assert_true(accepted > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(least_job),
        cmocka_unit_test(all_members),
        cmocka_unit_test(priorities),
        cmocka_unit_test(whole_numbers),
        cmocka_unit_test(durations),
        cmocka_unit_test(times),
        cmocka_unit_test(null_is_absent),
        cmocka_unit_test(bad_members),
        cmocka_unit_test(long_values_are_cut),
        cmocka_unit_test(what_excludes),
        cmocka_unit_test(malformed_records),
        cmocka_unit_test(incomplete_texts),
        cmocka_unit_test(setting),
        cmocka_unit_test(acceptance),
        cmocka_unit_test(what_the_user_wrote_stays),
        cmocka_unit_test(acceptance_of_a_copy),
        cmocka_unit_test(acceptance_of_a_job_put_back),
        cmocka_unit_test(fates),
        cmocka_unit_test(one_record),
        cmocka_unit_test(many_records),
        cmocka_unit_test(malformed_history),
        cmocka_unit_test(errors_are_cut),
        cmocka_unit_test(lost_runs_in_a_row),
        cmocka_unit_test(results),
        cmocka_unit_test(amendments),
        cmocka_unit_test(reports),
        cmocka_unit_test(descriptions),
        cmocka_unit_test(table),
        cmocka_unit_test(mischief),
    };
    return cmocka_run_group_tests_name("job", tests, NULL, NULL);
}
