/* job_schema.c: the table of members as a JSON Schema (draft 2020-12).
 *
 * A row's column `schema` is JSON with ' for its quotes; an @word stands for
 * what is in the other columns, or for one of the patterns made here (parts[]).
 *
 * The patterns use only what regular expressions have in common, since every
 * validator brings its own: classes, groups, counts, ^ and $, no \d (which may
 * mean the digits of all scripts), no lookahead.  In Python $ also matches
 * before a line break at the end; so where a string may hold none, that is
 * said apart ("not").
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/duration.h"
#include "job/members.h"

#define INDENT "      "

/* --- patterns --------------------------------------------------------------- */

/* One digit from low to high, then any `behind` digits. */
static void add_digits(struct buf *out, char low, char high, int behind)
{
    if (high > low)
        buf_addf(out, "[%c-%c]", low, high);
    else
        buf_addc(out, low);
    if (behind > 0)
        buf_addf(out, "[0-9]{%d}", behind);
}

/* Whole numbers from 1 to n, without leading zeros: those with fewer digits,
 * then for each digit of n those that are below it there and like n before. */
static void add_up_to(struct buf *out, int64_t n)
{
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%" PRId64, n);
    if (len > 1)
        buf_addf(out, "[1-9][0-9]{0,%d}", len - 2);
    for (int i = 0; i < len; i++) {
        int behind = len - i - 1;
        bool last = (int)strspn(digits + i + 1, "9") == behind;
        char low = i == 0 ? '1' : '0';
        char high = last ? digits[i] : (char)(digits[i] - 1);
        if (high >= low) {
            buf_adds(out, len > 1 ? "|" : "");
            buf_add(out, digits, (size_t)i);
            add_digits(out, low, high, behind);
        }
        if (last)
            return;
    }
}

/* A number of units up to max, with a fraction unless it is the maximum. */
static void add_length(struct buf *out, int64_t max)
{
    buf_adds(out, "0*((0|");
    add_up_to(out, max - 1);
    buf_addf(out, ")([.][0-9]+)?|%" PRId64 "([.]0+)?)", max);
}

#define BLANK "[ \\\\t-\\\\r]"

/* A number of seconds, or text: the same, or parts in falling order.  Each part
 * has a bound of its own; their sum is beyond an expression. */
static void add_duration(struct buf *out)
{
    buf_addf(out,
             "    \"duration\": {\n"
             INDENT "\"type\": [\"number\", \"string\", \"null\"], \"minimum\": 0, "
             "\"maximum\": %" PRId64 ",\n"
             INDENT "\"allOf\": [{\"pattern\": \"^" BLANK "*[0-9]\"}],\n"
             INDENT "\"pattern\": \"^" BLANK "*(", DURATION_MAX_MS / 1000);
    add_length(out, DURATION_MAX_MS / 1000);
    buf_addc(out, '|');
    for (const struct duration_unit *u = duration_units; u->suffix != NULL; u++) {
        buf_addc(out, '(');
        add_length(out, DURATION_MAX_MS / u->ms);
        buf_addf(out, "%s)?", u->suffix);
    }
    buf_adds(out, ")" BLANK "*$\"\n    }");
}

#define YEAR "(19[7-9][0-9]|[2-9][0-9]{3})"
#define LEAP_YEAR "(19(7[26]|8[048]|9[26])|[2-9][0-9](0[48]|[2468][048]|[13579][26])|" \
                  "([2468][048]|[3579][26])00)"
#define DAY_OF_ANY_YEAR "((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|" \
                        "(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))"
#define DATE "(" YEAR "-" DAY_OF_ANY_YEAR "|" LEAP_YEAR "-02-29)"
#define HOUR "([01][0-9]|2[0-3])"
#define FRACTION "([.][0-9]+)?"
#define TIME_OF_DAY HOUR ":[0-5][0-9](:([0-5][0-9]|60)" FRACTION ")?"
#define ZONE "([Zz]|[+-]" HOUR "(:?[0-5][0-9])?)?"

/* Seconds as digits, or a date with or without a time. */
static void add_time(const struct job_member *m, struct buf *out)
{
    buf_adds(out, "\"pattern\": \"^(0*(0|");
    add_up_to(out, m->max - 1);
    buf_adds(out, ")" FRACTION "|" DATE "([Tt ]" TIME_OF_DAY ZONE ")?)$\",\n" INDENT
                  "\"not\": {\"type\": \"string\", \"pattern\": \"\\\\n\"}");
}

/* Of legal characters, and neither wTOKEN. nor WHEN.pN.aN. and more
 * (spool/name.h). */
static void add_id(const struct job_member *m, struct buf *out)
{
    (void)m;
    buf_adds(out, "\"pattern\": \"^[A-Za-z0-9]\",\n" INDENT
                  "\"not\": {\"type\": \"string\", \"pattern\": \"[^A-Za-z0-9._-]|"
                  "^(held|[0-9]{8}T[0-9]{6}[.][0-9]{6}Z)[.]p-?[0-9]+[.]a-?[0-9]+[.]|"
                  "^w[0-9a-f]{8}-(");
    add_up_to(out, INT32_MAX);
    buf_adds(out, ")-(0|");
    add_up_to(out, INT64_MAX);
    buf_adds(out, ")-[0-9a-f]{8}[.]\"}");
}

/* --- the other columns ------------------------------------------------------ */

static void add_min(const struct job_member *m, struct buf *out)
{
    buf_addf(out, "%" PRId64, m->min);
}

static void add_max(const struct job_member *m, struct buf *out)
{
    buf_addf(out, "%" PRId64, m->max);
}

static void add_words(const struct job_member *m, struct buf *out)
{
    buf_addc(out, '[');
    for (const struct member_word *w = m->words; w->word != NULL; w++)
        buf_addf(out, "\"%s\", ", w->word);
    buf_adds(out, "null]");
}

static const struct {
    const char *name;
    void (*add)(const struct job_member *m, struct buf *out);
} parts[] = {
    {"min", add_min}, {"max", add_max}, {"words", add_words},
    {"id", add_id},   {"time", add_time},
};
#define PART_COUNT (sizeof parts / sizeof parts[0])

/* Returns what lies behind the word. */
static const char *add_part(const struct job_member *m, const char *word, struct buf *out)
{
    size_t n = strspn(word, "abcdefghijklmnopqrstuvwxyz");
    for (size_t i = 0; i < PART_COUNT; i++)
        if (strlen(parts[i].name) == n && strncmp(parts[i].name, word, n) == 0)
            parts[i].add(m, out);
    return word + n;
}

static void add_template(const struct job_member *m, const char *at, struct buf *out)
{
    while (*at != '\0') {
        char c = *at++;
        if (c == '@')
            at = add_part(m, at, out);
        else if (c == '\n')
            buf_adds(out, "\n" INDENT);
        else
            buf_addc(out, c == '\'' ? '"' : c);
    }
}

/* --- the whole -------------------------------------------------------------- */

static void add_line(struct buf *out, const char *keyword, const char *text, const char *end)
{
    buf_addf(out, INDENT "\"%s\": ", keyword);
    json_add_string(out, text, strlen(text));
    buf_adds(out, end);
}

static void add_member(const struct job_member *m, struct buf *out)
{
    struct buf text = BUF_INIT;
    buf_adds(&text, m->text);
    if (m->recorded)
        buf_adds(&text, " Written by the queue; whatever a producer writes is dropped.");
    else
        buf_addf(&text, " Use %s.", m->accepts);
    buf_addf(out, "    \"%s\": {\n", m->name);
    add_line(out, "title", m->noun, ",\n");
    add_line(out, "description", buf_str(&text), ",\n");
    out->failed = out->failed || text.failed;
    buf_release(&text);
    if (m->recorded) {
        buf_adds(out, INDENT "\"readOnly\": true\n    }");
        return;
    }
    buf_adds(out, INDENT "\"examples\": [");
    add_template(m, m->examples, out);
    buf_adds(out, "],\n" INDENT);
    add_template(m, m->schema, out);
    buf_adds(out, "\n    }");
}

/* Null counts as absent: present is what is there and not null. */
static void add_present(const char *a, const char *b, struct buf *out)
{
    buf_addf(out, "{\"required\": [\"%s\"", a);
    if (b != NULL)
        buf_addf(out, ", \"%s\"", b);
    buf_addf(out, "], \"properties\": {\"%s\": {\"$ref\": \"#/$defs/present\"}", a);
    if (b != NULL)
        buf_addf(out, ", \"%s\": {\"$ref\": \"#/$defs/present\"}", b);
    buf_adds(out, "}}");
}

static void add_exclusions(struct buf *out)
{
    buf_adds(out, "  \"anyOf\": [\n    ");
    add_present(members_exclusive[0][0], NULL, out);
    buf_adds(out, ",\n    ");
    add_present(members_exclusive[0][1], NULL, out);
    buf_adds(out, "\n  ],\n  \"allOf\": [");
    for (size_t i = 0; i < members_exclusive_count; i++) {
        buf_adds(out, i == 0 ? "\n    {\"not\": " : ",\n    {\"not\": ");
        add_present(members_exclusive[i][0], members_exclusive[i][1], out);
        buf_addc(out, '}');
    }
    buf_adds(out, "\n  ]\n");
}

int job_print_schema(struct buf *out)
{
    buf_adds(out,
             "{\n"
             "  \"$schema\": \"https://json-schema.org/draft/2020-12/schema\",\n"
             "  \"$id\": \"urn:queuectl:job\",\n"
             "  \"title\": \"job of queuectl\",\n"
             "  \"description\": \"What a producer writes: see queuectl-job(5). A member that is "
             "null counts as absent; members that are not named here are the user's.\",\n"
             "  \"examples\": [\n"
             "    {\"command\": \"make report\"},\n"
             "    {\"id\": \"sync-42\", \"argv\": [\"./sync\", \"--all\"], \"cwd\": \"/srv/shop\", "
             "\"timeout\": \"2m\", \"order\": 4711}\n"
             "  ],\n"
             "  \"type\": \"object\",\n"
             "  \"properties\": {\n");
    for (size_t i = 0; i < job_member_count; i++) {
        add_member(&job_members[i], out);
        buf_adds(out, i + 1 < job_member_count ? ",\n" : "\n");
    }
    buf_adds(out, "  },\n"
                  "  \"additionalProperties\": true,\n"
                  "  \"$defs\": {\n"
                  "    \"present\": {\"not\": {\"type\": \"null\"}},\n");
    add_duration(out);
    buf_adds(out, "\n  },\n");
    add_exclusions(out);
    buf_adds(out, "}\n");
    if (out->failed)
        errno = ENOMEM;
    return out->failed ? -1 : 0;
}
