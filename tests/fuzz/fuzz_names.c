/* fuzz_names.c: the names of files (src/spool/name.h).
 *
 * Input: one name, or two, a line each.  Asserted:
 *   - what is a name, and what it says, is what the grammar says: here written down
 *     once more, as regular expressions and bounds
 *   - print(parse(x)) == x in all five folders, parse(print(n)) == n for any id
 *   - no name means two things: an ended job's never reads as a waiting or running one
 *   - names sort as their times do
 *   - a token, an owned name, a new id are what their grammar says
 */
#include "fuzz.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spool/name.h"

#define NUMBER "(0|-?[1-9][0-9]*)"
#define TIME "[0-9]{8}T[0-9]{6}\\.[0-9]{6}Z"
#define TOKEN "([0-9a-f]{8})-([1-9][0-9]{0,9})-(0|[1-9][0-9]{0,18})-[0-9a-f]{8}"
#define ID "[A-Za-z0-9][A-Za-z0-9._-]*"
#define LAST_US INT64_C(253402300799999999)

/* --- the grammar, once more ------------------------------------------------------ */

static bool fits(const char *pattern, const char *text, size_t n, regmatch_t *parts)
{
    static struct {
        const char *pattern;
        regex_t compiled;
    } known[8];
    size_t i = 0;
    while (known[i].pattern != NULL && known[i].pattern != pattern)
        i++;
    if (known[i].pattern == NULL) {
        must(regcomp(&known[i].compiled, pattern, REG_EXTENDED) == 0, "%s", pattern);
        known[i].pattern = pattern;
    }
    return regexec(&known[i].compiled, text, n, parts, 0) == 0;
}

static int64_t number_at(const char *text, const regmatch_t *part)
{
    return strtoll(text + part->rm_so, NULL, 10);
}

static bool is_token(const char *text)
{
    static const char pattern[] = "^" TOKEN "$";
    regmatch_t part[4];
    if (!fits(pattern, text, 4, part) || number_at(text, &part[2]) > INT32_MAX)
        return false;
    return part[3].rm_eo - part[3].rm_so < 19 ||
           strncmp(text + part[3].rm_so, "9223372036854775807", 19) <= 0;
}

/* Up to the first dot: a token, behind this letter if there is one to be? */
static bool begins_with_token(const char *text, const char *letter)
{
    size_t skip = strlen(letter), n = strcspn(text, ".");
    if (text[n] == '\0' || strncmp(text, letter, skip) != 0 || n < skip)
        return false;
    char *token = fuzz_string(text + skip, n - skip);
    bool yes = is_token(token);
    free(token);
    return yes;
}

static bool is_id(const char *id)
{
    static const char shape[] = "^" ID "$";
    static const char waiting[] = "^(" TIME "|held)\\.p-?[0-9]+\\.a-?[0-9]+\\.";
    return strlen(id) <= 128 && fits(shape, id, 0, NULL) && !fits(waiting, id, 0, NULL) &&
           !begins_with_token(id, "w");
}

static bool is_id_file(const char *text)
{
    size_t n = strlen(text);
    if (n < 5 || strcmp(text + n - 5, ".json") != 0)
        return false;
    char *id = fuzz_string(text, n - 5);
    bool yes = is_id(id);
    free(id);
    return yes;
}

static bool read_time(const char *text, int64_t *us)
{
    struct fuzz_date d;
    int fraction;
    if (strncmp(text, "held.", 5) == 0) {
        *us = -1;
        return true;
    }
    if (sscanf(text, "%4d%2d%2dT%2d%2d%2d.%6dZ", &d.year, &d.month, &d.day, &d.hour, &d.minute,
               &d.second, &fraction) != 7 || !fuzz_date_real(&d, us))
        return false;
    *us = *us * 1000000 + fraction;
    return true;
}

/* Is it a name of this folder; and which time, priority, attempts? */
static bool expected(enum dir state, const char *text, int64_t said[3])
{
    static const char pattern[] = "^(" TIME "|held)\\.p" NUMBER "\\.a" NUMBER "\\.";
    regmatch_t part[4];
    said[0] = said[1] = said[2] = 0;
    if (state == DIR_DONE || state == DIR_DEAD)
        return is_id_file(text);
    if (!fits(pattern, text, 4, part) || !read_time(text, &said[0]))
        return false;
    said[1] = number_at(text, &part[2]);
    said[2] = number_at(text, &part[3]);
    if (part[2].rm_eo - part[2].rm_so > 4 || said[1] < -100 || said[1] > 100 ||
        part[3].rm_eo - part[3].rm_so > 6 || said[2] < 0 || said[2] > 999999)
        return false;
    const char *rest = text + part[0].rm_eo;
    if (state != DIR_PROCESSING)
        return is_id_file(rest);
    return said[0] >= 0 && begins_with_token(rest, "w") && is_id_file(strchr(rest, '.') + 1);
}

/* --- properties ------------------------------------------------------------------- */

static bool same(const struct name *a, const struct name *b)
{
    return a->time_us == b->time_us && a->held == b->held && a->priority == b->priority &&
           a->attempts == b->attempts && strcmp(a->token, b->token) == 0 &&
           strcmp(a->id, b->id) == 0;
}

static void check_folder(enum dir state, const char *text)
{
    struct name n, again;
    char printed[FILE_NAME_MAX + 1];
    int64_t said[3];
    bool is = name_parse(state, text, &n);
    must(is == expected(state, text, said), "%s/%s: %s", dir_name(state), text,
         is ? "taken for a name" : "not taken for a name");
    if (!is)
        return;
    must(n.held == (said[0] < 0) && n.time_us == (n.held ? 0 : said[0]), "time of %s", text);
    must(n.priority == said[1] && n.attempts == said[2], "numbers of %s", text);
    must((n.token[0] != '\0') == (state == DIR_PROCESSING), "token of %s", text);
    name_format(state, &n, printed);
    must(strcmp(printed, text) == 0, "%s is printed as %s", text, printed);
    must(name_parse(state, printed, &again) && same(&n, &again), "%s is read otherwise", printed);
}

/* People move files between folders: nobody's name may mean another there. */
static void check_one_meaning(const char *text)
{
    struct name n;
    bool waits = name_parse(DIR_PENDING, text, &n);
    bool runs = name_parse(DIR_PROCESSING, text, &n);
    bool ended = name_parse(DIR_DONE, text, &n);
    size_t len = strlen(text);
    must(waits + runs + ended <= 1, "%s is a name in several folders", text);
    must(name_is_foreign(text) == (len > 5 && strcmp(text + len - 5, ".json") == 0 &&
                                   text[0] != '.' && !waits), "foreign: %s", text);
}

/* Any id in any folder, with any numbers. */
static void check_id(const char *id)
{
    static const char token[] = "0a1b2c3d-4711-99887766-deadbeef";
    must(name_id_valid(id) == is_id(id), "id %s", id);
    for (int state = 0; state < STATE_COUNT && is_id(id); state++) {
        struct name n = {0}, again;
        char printed[FILE_NAME_MAX + 1];
        if (state != DIR_DONE && state != DIR_DEAD) {
            n.held = state != DIR_PROCESSING && fuzz_pick(0, 3) == 0;
            n.time_us = n.held ? 0 : fuzz_pick(0, LAST_US);
            n.priority = (int)fuzz_pick(-NAME_PRIORITY_MAX, NAME_PRIORITY_MAX);
            n.attempts = (int)fuzz_pick(0, NAME_ATTEMPTS_MAX);
        }
        if (state == DIR_PROCESSING)
            memcpy(n.token, token, sizeof token);
        memcpy(n.id, id, strlen(id) + 1);
        name_format((enum dir)state, &n, printed);
        must(name_parse((enum dir)state, printed, &again) && same(&n, &again),
             "%s does not come back from %s/%s", id, dir_name((enum dir)state), printed);
    }
}

static void check_order(const char *a, const char *b)
{
    struct name x, y;
    if (!name_parse(DIR_PENDING, a, &x) || !name_parse(DIR_PENDING, b, &y))
        return;
    if (x.held || y.held)
        must(x.held >= y.held || strcmp(a, b) < 0, "the held one sorts first: %s, %s", a, b);
    else if (x.time_us != y.time_us)
        must((x.time_us < y.time_us) == (strcmp(a, b) < 0), "order of %s, %s", a, b);
}

static void check_token(const char *text)
{
    struct token t;
    char printed[80], token[TOKEN_MAX + 1];
    must(token_parse(text, &t) == is_token(text), "token %s", text);
    const char *behind = token_prefix(text, token);
    must((behind != NULL) == begins_with_token(text, ""), "token in front of %s", text);
    if (behind != NULL)
        must(behind == text + strlen(token) + 1 && is_token(token), "rest of %s", text);
    must((name_owned(text, token) != NULL) == (text[0] == '.' && begins_with_token(text + 1, "")),
         "owned: %s", text);
    if (!is_token(text))
        return;
    snprintf(printed, sizeof printed, "%s-%lld-%lld-%s", t.boot, (long long)t.pid,
             (long long)t.start, text + strlen(text) - 8);
    must(strcmp(printed, text) == 0, "%s is read as %s", text, printed);
}

static void check_new_id(const char *stem)
{
    char id[ID_MAX + 1];
    name_new_id(stem, fuzz_pick(0, LAST_US), id);
    must(is_id(id), "a new id for %s: %s", stem, id);
}

static void check(const char *text)
{
    size_t n = strlen(text);
    for (int state = 0; state < STATE_COUNT; state++)
        check_folder((enum dir)state, text);
    check_one_meaning(text);
    check_token(text);
    check_id(text);
    if (n > 5 && strcmp(text + n - 5, ".json") == 0) {
        char *id = fuzz_string(text, n - 5);
        check_id(id);
        free(id);
    }
    check_new_id(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *first = fuzz_string(data, size), *second = fuzz_cut_line(first);
    fuzz_seed(data, size);
    check(first);
    if (second[0] != '\0') {
        check(second);
        check_order(first, second);
    }
    free(first);
    return 0;
}
