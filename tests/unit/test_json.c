/* Units of src/job/json.h: what is a document, and that its bytes stay. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/escape.h"
#include "job/json.h"

#define LENGTH(array) (sizeof(array) / sizeof(array)[0])

/* The text in memory of its exact size, so that a sanitizer sees a byte too far. */
static struct json_doc *parse_n(const char *text, size_t n, bool *incomplete, struct err *err)
{
    char *exact = malloc(n > 0 ? n : 1);
    assert_non_null(exact);
    memcpy(exact, text, n);
    struct json_doc *doc = json_parse(exact, n, incomplete, err);
    free(exact);
    return doc;
}

static char *print(const struct json_doc *doc)
{
    struct buf out = BUF_INIT;
    assert_int_equal(json_print(doc, &out), 0);
    return buf_detach(&out);
}

struct bad {
    const char *text;
    const char *message;
    bool incomplete;
};

static void check_bad(const char *text, size_t n, const char *message, bool incomplete)
{
    struct err err = ERR_INIT;
    bool early = !incomplete;
    struct json_doc *doc = parse_n(text, n, &early, &err);
    if (doc != NULL)
        fail_msg("accepted: %.*s", (int)n, text);
    assert_int_equal(err.kind, ERR_BAD);
    if (message != NULL)
        assert_string_equal(err.text, message);
    if (early != incomplete)
        fail_msg("%.*s: incomplete is %d (%s)", (int)n, text, early, err.text);
}

static void refusals(void **state)
{
    (void)state;
    static const struct bad rows[] = {
        {"[]", "invalid JSON at byte 1: expected '{'", false},
        {"  7", "invalid JSON at byte 3: expected '{'", false},
        {"echo hi", "invalid JSON at byte 1: expected '{'", false},
        {"{\"a\":1,}", "invalid JSON at byte 8: a comma before '}'", false},
        {"{\"a\":[1,]}", "invalid JSON at byte 9: a comma before ']'", false},
        {"{,}", "invalid JSON at byte 2: expected a name in double quotes", false},
        {"{a:1}", "invalid JSON at byte 2: expected a name in double quotes", false},
        {"{'a':1}", "invalid JSON at byte 2: expected a name in double quotes", false},
        {"{\"a\" 1}", "invalid JSON at byte 6: expected ':'", false},
        {"{\"a\":1 \"b\":2}", "invalid JSON at byte 8: expected ',' or '}'", false},
        {"{\"a\":[1 2]}", "invalid JSON at byte 9: expected ',' or ']'", false},
        {"{\"a\":[1}", "invalid JSON at byte 8: expected ',' or ']'", false},
        {"{\"a\":}", "invalid JSON at byte 6: expected a value", false},
        {"{\"a\":]", "invalid JSON at byte 6: expected a value", false},
        {"{\"a\":True}", "invalid JSON at byte 6: expected a value", false},
        {"{\"a\":nul}", "invalid JSON at byte 6: expected a value", false},
        {"{\"a\":NaN}", "invalid JSON at byte 6: expected a value", false},
        {"{\"a\":+1}", "invalid JSON at byte 6: expected a value", false},
        {"{\"a\":.5}", "invalid JSON at byte 6: expected a value", false},
        {"{\"a\":01}", "invalid JSON at byte 6: a number with a leading zero", false},
        {"{\"a\":-01}", "invalid JSON at byte 7: a number with a leading zero", false},
        {"{\"a\":1.}", "invalid JSON at byte 8: expected a digit", false},
        {"{\"a\":1.e5}", "invalid JSON at byte 8: expected a digit", false},
        {"{\"a\":1e}", "invalid JSON at byte 8: expected a digit", false},
        {"{\"a\":1e+}", "invalid JSON at byte 9: expected a digit", false},
        {"{\"a\":-}", "invalid JSON at byte 7: expected a digit", false},
        {"{\"a\":0x10}", "invalid JSON at byte 7: expected ',' or '}'", false},
        {"{} x", "invalid JSON at byte 4: something follows the document's last '}'", false},
        {"{}{}", "invalid JSON at byte 3: something follows the document's last '}'", false},
        {"{\"a\":\"\\x\"}", "invalid JSON at byte 7: unknown escape in a string", false},
        {"{\"a\":\"\\u12g4\"}", "invalid JSON at byte 11: expected four hex digits after \\u",
         false},
        {"{\"a\":\"\\ud83d\"}", "invalid JSON at byte 7: half a surrogate pair", false},
        {"{\"a\":\"\\ude00\"}", "invalid JSON at byte 7: half a surrogate pair", false},
        {"{\"a\":\"\\ud83d\\u0041\"}", "invalid JSON at byte 7: half a surrogate pair", false},
        {"{\"a\":\"\\ud83d\\n\"}", "invalid JSON at byte 7: half a surrogate pair", false},
        {"{\"a\":\"x\ny\"}", "invalid JSON at byte 8: a line break in a string; write it as \\n",
         false},
        {"{\"a\":\"\t\"}",
         "invalid JSON at byte 7: control character 0x09 in a string; write it as \\u0009", false},
        {"{\"id\\u0000x\":1}", "invalid JSON at byte 2: \\u0000 in a member's name", false},
        {"{/* c */}", "invalid JSON at byte 2: expected a name in double quotes", false},
        {"\xEF\xBB\xBF{}",
         "invalid JSON at byte 1: the text starts with a byte order mark; write plain UTF-8",
         false},
        {"{\"a\":\"\xC0\x80\"}", "invalid JSON at byte 7: not UTF-8", false},
        {"{\"a\":\"\xED\xA0\x80\"}", "invalid JSON at byte 7: not UTF-8", false},
        {"{\"a\":\"\xF4\x90\x80\x80\"}", "invalid JSON at byte 7: not UTF-8", false},
        {"{\"a\":\"\xE9t\xE9\"}", "invalid JSON at byte 7: not UTF-8", false},
        {"{}\xFF", "invalid JSON at byte 3: not UTF-8", false},
        {"\xFF", "invalid JSON at byte 1: not UTF-8", false},
        {"{\xC3", "invalid JSON at byte 2: not UTF-8", false},
        {"{\xC2\xA0}", "invalid JSON at byte 2: expected a name in double quotes", false},
    };
    for (size_t i = 0; i < LENGTH(rows); i++)
        check_bad(rows[i].text, strlen(rows[i].text), rows[i].message, rows[i].incomplete);
}

static void bytes_of_other_texts(void **state)
{
    (void)state;
    const char *utf16 = "invalid JSON at byte 1: the text is UTF-16; write plain UTF-8";
    check_bad("\xFF\xFE{\0}\0", 6, utf16, false);
    check_bad("\xFE\xFF\0{\0}", 6, utf16, false);
    check_bad("{\0}\0", 4, utf16, false);
    check_bad("\0{\0}", 4, utf16, false);
    check_bad("\0\0\0\0", 4, "invalid JSON at byte 1: a NUL byte", false);
    check_bad("{\"a\":\"x\0\"}", 10, "invalid JSON at byte 8: a NUL byte", false);
    check_bad("{\"a\":1}\0", 8, "invalid JSON at byte 8: a NUL byte", false);
    check_bad("{\"a\":1\0}", 8, "invalid JSON at byte 7: a NUL byte", false);
    check_bad("{\"a\":tr\0ue}", 12, "invalid JSON at byte 8: a NUL byte", false);
    check_bad("\0{\"a\":1}", 8, "invalid JSON at byte 1: a NUL byte", false);
    check_bad("\0{", 2, "invalid JSON at byte 1: a NUL byte", false);
    check_bad("{\0", 2, "invalid JSON at byte 2: a NUL byte", false);
    check_bad("{\0\0\0", 4, "invalid JSON at byte 2: a NUL byte", false);
    check_bad("\0\1\2\3", 4, "invalid JSON at byte 1: a NUL byte", false);
}

static void duplicates(void **state)
{
    (void)state;
    static const struct bad rows[] = {
        {"{\"id\":1,\"id\":2}", "invalid JSON at byte 9: duplicate member \"id\"", false},
        {"{\"id\":1,\"\\u0069d\":2}", "invalid JSON at byte 9: duplicate member \"\\u0069d\"",
         false},
        {"{\"x\":{\"a\":1,\"b\":{},\"a\":2}}", "invalid JSON at byte 20: duplicate member \"a\"",
         false},
        {"{\"x\":[{\"\\u0000\":1,\"\\u0000\":2}]}",
         "invalid JSON at byte 19: duplicate member \"\\u0000\"", false},
        {"{\"\":1,\"\":2}", "invalid JSON at byte 7: duplicate member \"\"", false},
        {"{\"b\":1,\"a\":2,\"a\":3,\"b\":4}", "invalid JSON at byte 14: duplicate member \"a\"",
         false},
        {"{\"\xF0\x9F\x98\x80\":1,\"\\uD83D\\ude00\":2}",
         "invalid JSON at byte 11: duplicate member \"\\uD83D\\ude00\"", false},
        {"{\"a/b\":1,\"a\\/b\":2}", "invalid JSON at byte 10: duplicate member \"a\\/b\"", false},
        /* hopeless though it ends early */
        {"{\"a\":1,\"a\":", NULL, false},
        {"{\"x\":{\"a\":1,\"a\":2,\"y\":[{\"z\":1", NULL, false},
        {"{\"a\":1,\"a\":2,\"x\":{\"b\":\"", NULL, false},
    };
    for (size_t i = 0; i < LENGTH(rows); i++)
        check_bad(rows[i].text, strlen(rows[i].text), rows[i].message, rows[i].incomplete);

    static const char good[] = "{\"a\":{\"a\":{\"a\":1}},\"A\":[{\"b\":1},{\"b\":2}],"
                               "\"x\":{\"n\\u0000a\":1,\"n\\u0000b\":2,\"n\":3}}";
    struct json_doc *doc = parse_n(good, sizeof good - 1, NULL, NULL);
    assert_non_null(doc);
    json_free(doc);
}

/* A name of any length is shown cut, at a character. */
static void duplicate_with_a_long_name(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    buf_adds(&b, "{\"x\":1");
    for (int twice = 0; twice < 2; twice++) {
        buf_adds(&b, ",\"");
        for (int i = 0; i < 100; i++)
            buf_adds(&b, "\xC3\xA9");
        buf_adds(&b, "\":1");
    }
    buf_adds(&b, "}");
    struct err err = ERR_INIT;
    assert_null(parse_n(b.data, b.len, NULL, &err));
    assert_true(utf8_valid(err.text, strlen(err.text), NULL));
    assert_true(strlen(err.text) < 120);
    assert_non_null(strstr(err.text, "\xC3\xA9..."));
    buf_release(&b);
}

/* Every proper prefix of a good document is incomplete: also within a word, an
 * escape, a surrogate pair or a character. */
static void prefixes(void **state)
{
    (void)state;
    static const char text[] =
        " {\"a\" : [true,false,null,-1.5e+3,0,{}], \"b\\u00e9\":\"\\ud83d\\ude00 "
        "\xF0\x9F\x98\x80\xE2\x82\xAC\xED\x9F\xBF\xF4\x8F\xBF\xBF\xE0\xA0\x80\xF1\x80\x80\x80\", "
        "\"c\":{\"d\":\"\\\\\\\"\"}}";
    for (size_t n = 0; n < sizeof text - 1; n++)
        check_bad(text, n, NULL, true);
    struct json_doc *doc = parse_n(text, sizeof text - 1, NULL, NULL);
    assert_non_null(doc);
    json_free(doc);
    check_bad("", 0, "invalid JSON: the text is empty", true);
    check_bad(" \n", 2, "invalid JSON at byte 3: the text ends here, in the middle of the document",
              true);
    static const char *const hopeless[] = {
        "{\"a\":\"\\u12\xC3", "{\"a\":\"\\ud83d\xC3", "{\"a\":\"\xE2\x41",
        "{\"a\":\"\xF5",      "{\"a\":\xC3",           "{\"a\":\"\xED\xA0",
    };
    for (size_t i = 0; i < LENGTH(hopeless); i++)
        check_bad(hopeless[i], strlen(hopeless[i]), NULL, false);
}

static struct json_doc *parse_nested(size_t levels, struct err *err)
{
    struct buf b = BUF_INIT;
    buf_adds(&b, "{\"a\":");
    for (size_t i = 1; i < levels; i++)
        buf_addc(&b, '[');
    for (size_t i = 1; i < levels; i++)
        buf_addc(&b, ']');
    buf_addc(&b, '}');
    struct json_doc *doc = parse_n(b.data, b.len, NULL, err);
    buf_release(&b);
    return doc;
}

static void nesting(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct json_doc *doc = json_parse("{\"a\":7}", 7, NULL, NULL);
    json_free(doc);
    doc = parse_nested(JSON_NESTING_MAX, &err);
    if (doc == NULL)
        fail_msg("%s", err.text);
    json_free(doc);
    assert_null(parse_nested(JSON_NESTING_MAX + 1, &err));
    assert_non_null(strstr(err.text, "nested deeper than 64 levels"));
    assert_null(parse_nested(400000, &err));
}

static void members_and_names(void **state)
{
    (void)state;
    static const char text[] =
        "\n{ \"a\":1 ,\t\"b\\n\\u00e9\\ud83d\\ude00\\/\" :[1,\n 2] , \"\": {} }\r\n";
    struct json_doc *doc = parse_n(text, sizeof text - 1, NULL, NULL);
    assert_non_null(doc);
    assert_int_equal(json_count(doc), 3);
    assert_string_equal(json_name(doc, 0), "a");
    assert_string_equal(json_name(doc, 1), "b\n\xC3\xA9\xF0\x9F\x98\x80/");
    assert_string_equal(json_name(doc, 2), "");
    assert_string_equal(json_raw(doc, "a"), "1");
    assert_string_equal(json_raw(doc, json_name(doc, 1)), "[1,\n 2]");
    assert_ptr_equal(json_raw_at(doc, 1), json_raw(doc, json_name(doc, 1)));
    assert_null(json_raw(doc, "A"));
    assert_false(json_has(doc, "b"));
    char *out = print(doc);
    assert_string_equal(
        out, "{\n  \"a\": 1,\n  \"b\\n\\u00e9\\ud83d\\ude00\\/\": [1,\n 2],\n  \"\": {}\n}\n");
    free(out);
    json_free(doc);
}

static void bytes_stay(void **state)
{
    (void)state;
    static const char *const values[] = {
        "9223372036854775807", "-9223372036854775808", "18446744073709551616123456789",
        "1.0", "1e2", "-0", "-0.0", "1E+400", "0.1000000000000000055511151231257827",
        "\"\\u0041\\/\\u0000\\ud83d\\uDE00\"", "{ \"z\" : 1 ,\n\t\"a\":[ ] }", "\"\x7F\"",
        "[1,2 , 3]", "\"\"", "null", "true",
    };
    struct buf text = BUF_INIT;
    buf_adds(&text, "{");
    for (size_t i = 0; i < LENGTH(values); i++)
        buf_addf(&text, "%s\"m%zu\":%s", i == 0 ? "" : ",", i, values[i]);
    buf_adds(&text, "}");
    struct json_doc *doc = parse_n(text.data, text.len, NULL, NULL);
    buf_release(&text);
    assert_non_null(doc);
    char *first = print(doc);
    for (int round = 0; round < 3; round++) {
        json_free(doc);
        doc = parse_n(first, strlen(first), NULL, NULL);
        assert_non_null(doc);
        for (size_t i = 0; i < LENGTH(values); i++) {
            char name[12];
            snprintf(name, sizeof name, "m%zu", i);
            assert_string_equal(json_raw(doc, name), values[i]);
        }
        char *again = print(doc);
        assert_string_equal(first, again);
        free(again);
    }
    free(first);
    json_free(doc);
}

static void setting(void **state)
{
    (void)state;
    struct json_doc *doc = json_parse("{\"a\":1,\"b\":2,\"c\":3}", 19, NULL, NULL);
    assert_non_null(doc);
    json_set_raw(doc, "b", "[2]");
    json_set_raw(doc, "b", "[2,2]");
    json_set_int(doc, "n", INT64_MIN);
    json_set_string(doc, "q\"\n", "\x01\"\\\x7F\xC2\x85\xE2\x82\xAC\xFF\t");
    json_remove(doc, "a");
    json_remove(doc, "nobody");
    assert_false(json_failed(doc));
    char *out = print(doc);
    assert_string_equal(out, "{\n  \"b\": [2,2],\n  \"c\": 3,\n  \"n\": -9223372036854775808,\n"
                             "  \"q\\\"\\n\": \"\\u0001\\\"\\\\\\u007f\\u0085\xE2\x82\xAC"
                             "\xEF\xBF\xBD\\t\"\n}\n");
    json_free(doc);
    doc = parse_n(out, strlen(out), NULL, NULL);
    assert_non_null(doc);
    free(out);
    cJSON *value = json_value(doc, "q\"\n");
    assert_true(cJSON_IsString(value));
    cJSON_Delete(value);
    errno = 0;
    assert_null(json_value(doc, "absent"));
    assert_int_equal(errno, ENOENT);
    json_free(doc);
}

static void empty_and_grown(void **state)
{
    (void)state;
    struct json_doc *doc = json_new();
    assert_non_null(doc);
    char *out = print(doc);
    assert_string_equal(out, "{\n}\n");
    free(out);
    for (int i = 0; i < 1000; i++) {
        char name[16];
        snprintf(name, sizeof name, "n%d", i);
        json_set_int(doc, name, i);
    }
    assert_int_equal(json_count(doc), 1000);
    for (int i = 0; i < 1000; i += 2) {
        char name[16];
        snprintf(name, sizeof name, "n%d", i);
        json_remove(doc, name);
    }
    assert_int_equal(json_count(doc), 500);
    assert_string_equal(json_raw(doc, "n999"), "999");
    json_set_raw(doc, "x", NULL);
    assert_true(json_failed(doc));
    struct buf b = BUF_INIT;
    errno = 0;
    assert_int_equal(json_print(doc, &b), -1);
    assert_int_equal(errno, ENOMEM);
    buf_release(&b);
    json_free(doc);
    json_free(NULL);
}

/* A number longer than cJSON's own buffer may be too much for it, but is no lack
 * of memory. */
static void long_numbers(void **state)
{
    (void)state;
    static const char digits[] =
        "11111111111111111111111111111111111111111111111111111111111111111111111111111111";
    struct buf b = BUF_INIT;
    buf_addf(&b, "{\"a\":[%s]}", digits);
    struct json_doc *doc = parse_n(b.data, b.len, NULL, NULL);
    assert_non_null(doc);
    cJSON *value = json_value(doc, "a");
    assert_true(value != NULL || errno == EINVAL);
    cJSON_Delete(value);
    json_free(doc);
    buf_release(&b);
}

/* 1 MiB of members: not quadratic.  Five seconds are a hundred times what it
 * takes, and quadratic would be minutes. */
static void many_members(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    buf_adds(&b, "{\"in\":{\"x\":1");
    for (int i = 0; b.len < JSON_DOCUMENT_MAX - 20; i++)
        buf_addf(&b, ",\"%x\":1", i);
    buf_adds(&b, "}}");
    int64_t start = clock_mono_us();
    struct json_doc *doc = parse_n(b.data, b.len, NULL, NULL);
    assert_non_null(doc);
    json_free(doc);
    b.data[b.len - 2] = ',';
    b.data[b.len - 1] = ' ';
    buf_adds(&b, "\"77\":2}}");
    assert_null(parse_n(b.data, b.len, NULL, NULL));
    assert_true(clock_mono_us() - start < 5 * US_PER_SEC);
    buf_release(&b);
}

static void stored_stays_under_its_bound(void **state)
{
    (void)state;
    struct buf b = BUF_INIT, out = BUF_INIT;
    buf_adds(&b, "{");
    for (int i = 0; b.len < JSON_DOCUMENT_MAX - 20; i++)
        buf_addf(&b, "%s\"%x\":1", i == 0 ? "" : ",", i);
    buf_adds(&b, "}");
    struct json_doc *doc = parse_n(b.data, b.len, NULL, NULL);
    assert_non_null(doc);
    assert_int_equal(json_print(doc, &out), 0);
    assert_true(out.len + 128 * 1024 < JSON_STORED_MAX);
    json_free(doc);
    buf_release(&b);
    buf_release(&out);
}

/* Mutated documents: nothing crashes; what is accepted is a fixed point of
 * printing from the first print on, and cJSON agrees that it is JSON. */
static uint32_t dice_state = 20261122;
static uint32_t dice(uint32_t sides)
{
    dice_state = dice_state * 1664525u + 1013904223u;
    return (dice_state >> 8) % sides;
}

static void mutate(char *text, size_t *n, size_t room)
{
    static const char seeds[] = "{}[]\",:\\u0123dDeE+-. \n\0tfn\xC3\xA9\xED\xFF";
    size_t at = dice((uint32_t)*n + 1);
    switch (dice(3)) {
    case 0:
        if (at < *n)
            text[at] = seeds[dice(sizeof seeds - 1)];
        break;
    case 1:
        if (at < *n)
            memmove(text + at, text + at + 1, --*n - at);
        break;
    default:
        if (*n < room) {
            memmove(text + at + 1, text + at, (*n)++ - at);
            text[at] = seeds[dice(sizeof seeds - 1)];
        }
    }
}

static bool check_round_trip(const char *text, size_t n)
{
    struct err err = ERR_INIT;
    struct json_doc *doc = parse_n(text, n, NULL, &err);
    if (doc == NULL) {
        assert_int_equal(err.kind, ERR_BAD);
        return false;
    }
    char *first = print(doc);
    json_free(doc);
    doc = parse_n(first, strlen(first), NULL, NULL);
    assert_non_null(doc);
    char *second = print(doc);
    assert_string_equal(first, second);
    json_free(doc);
    cJSON *other = cJSON_Parse(first);
    assert_non_null(other);
    cJSON_Delete(other);
    free(first);
    free(second);
    return true;
}

static void mutations(void **state)
{
    (void)state;
    static const char *const seeds[] = {
        "{\"id\":\"a\",\"command\":\"echo \\u00e9\\ud83d\\ude00\",\"n\":[1,2.5e-3,{\"x\":null}]}",
        "{\"a\":{\"b\":{\"c\":[[],[],{}]}},\"d\":\"\xC3\xA9\",\"e\":true,\"f\":-0}",
        "{\"history\":[{\"run\":1},{\"run\":2}],\"\":\"\"}",
    };
    int accepted = 0;
    for (int i = 0; i < 60000; i++) {
        char text[200];
        const char *seed = seeds[dice(LENGTH(seeds))];
        size_t n = strlen(seed);
        memcpy(text, seed, n);
        for (uint32_t k = dice(4) + 1; k > 0; k--)
            mutate(text, &n, sizeof text);
        accepted += check_round_trip(text, n);
    }
    assert_true(accepted > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusals),
        cmocka_unit_test(bytes_of_other_texts),
        cmocka_unit_test(duplicates),
        cmocka_unit_test(duplicate_with_a_long_name),
        cmocka_unit_test(prefixes),
        cmocka_unit_test(nesting),
        cmocka_unit_test(members_and_names),
        cmocka_unit_test(bytes_stay),
        cmocka_unit_test(setting),
        cmocka_unit_test(empty_and_grown),
        cmocka_unit_test(long_numbers),
        cmocka_unit_test(many_members),
        cmocka_unit_test(stored_stays_under_its_bound),
        cmocka_unit_test(mutations),
    };
    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
