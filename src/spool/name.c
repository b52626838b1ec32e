/* name.c: one reader and one writer of the grammar, both walking the same
 * fields in the same order, so that what one prints the other reads:
 *
 *   TIME "." "p" PRIO "." "a" ATTEMPTS "." [ "w" TOKEN "." ] ID ".json"
 *
 * Numbers have one spelling only (no "+", no leading zero, no "-0"): two names
 * never mean the same.
 */
#include "spool/name.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "base/sys.h"
#include "base/text.h"

#include <unistd.h>

#define SUFFIX ".json"
#define SUFFIX_LEN 5
#define HELD "held"
#define HELD_LEN 4
#define NUMBER_MAX 1000000 /* no field of a name goes as far */

static const char *const dir_names[DIR_COUNT] = {
    [DIR_PENDING] = "pending",   [DIR_FAILED] = "failed",         [DIR_PROCESSING] = "processing",
    [DIR_DONE] = "done",         [DIR_DEAD] = "dead",             [DIR_TMP] = "tmp",
    [DIR_IDS] = "ids",           [DIR_LOGS] = "logs",             [DIR_WORKERS] = "workers",
    [DIR_CONTROL] = "control",   [DIR_QUARANTINE] = "quarantine", [DIR_JOURNAL] = "journal",
};

const char *dir_name(enum dir d)
{
    return dir_names[d];
}

bool dir_is_folder(const char *text)
{
    for (int d = 0; d < DIR_COUNT; d++)
        if (strcmp(text, dir_names[d]) == 0)
            return true;
    return false;
}

bool dir_state(const char *text, enum dir *state)
{
    for (int d = 0; d < STATE_COUNT; d++)
        if (strcmp(text, dir_names[d]) == 0) {
            *state = (enum dir)d;
            return true;
        }
    return false;
}

/* A table, since a scan asks for each character of a million names: 1 what an id may
 * begin with, 2 what else it may hold. */
static const unsigned char id_class[256] = {
    ['0'] = 1, ['1'] = 1, ['2'] = 1, ['3'] = 1, ['4'] = 1, ['5'] = 1, ['6'] = 1, ['7'] = 1,
    ['8'] = 1, ['9'] = 1, ['a'] = 1, ['b'] = 1, ['c'] = 1, ['d'] = 1, ['e'] = 1, ['f'] = 1,
    ['g'] = 1, ['h'] = 1, ['i'] = 1, ['j'] = 1, ['k'] = 1, ['l'] = 1, ['m'] = 1, ['n'] = 1,
    ['o'] = 1, ['p'] = 1, ['q'] = 1, ['r'] = 1, ['s'] = 1, ['t'] = 1, ['u'] = 1, ['v'] = 1,
    ['w'] = 1, ['x'] = 1, ['y'] = 1, ['z'] = 1, ['A'] = 1, ['B'] = 1, ['C'] = 1, ['D'] = 1,
    ['E'] = 1, ['F'] = 1, ['G'] = 1, ['H'] = 1, ['I'] = 1, ['J'] = 1, ['K'] = 1, ['L'] = 1,
    ['M'] = 1, ['N'] = 1, ['O'] = 1, ['P'] = 1, ['Q'] = 1, ['R'] = 1, ['S'] = 1, ['T'] = 1,
    ['U'] = 1, ['V'] = 1, ['W'] = 1, ['X'] = 1, ['Y'] = 1, ['Z'] = 1, ['.'] = 2, ['_'] = 2,
    ['-'] = 2,
};

/* Its length, if it consists of what an id may hold; else 0. */
static size_t shape_length(const char *id)
{
    const unsigned char *at = (const unsigned char *)id;
    if (id_class[*at] != 1)
        return 0;
    while (id_class[*at])
        at++;
    return *at == '\0' ? (size_t)(at - (const unsigned char *)id) : 0;
}

static bool hex_n(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!text[i] || !strchr("0123456789abcdef", text[i]))
            return false;
    return true;
}

/* A whole token of n characters: 8 hex, pid, start, 8 hex, joined by dashes. */
static bool token_parse_n(const char *text, size_t n, struct token *out)
{
    const char *end = text + n;
    if (n < 8 + 4 + 8 || n > TOKEN_MAX || !hex_n(text, 8) || text[8] != '-')
        return false;
    const char *pid = text + 9;
    const char *start = memchr(pid, '-', (size_t)(end - pid));
    if (!start)
        return false;
    const char *random = memchr(start + 1, '-', (size_t)(end - start - 1));
    if (!random || end - random != 9 || !hex_n(random + 1, 8))
        return false;
    memcpy(out->boot, text, 8);
    out->boot[8] = '\0';
    return num_parse_n(pid, (size_t)(start - pid), 1, INT32_MAX, &out->pid) &&
           num_parse_n(start + 1, (size_t)(random - start - 1), 0, INT64_MAX, &out->start);
}

bool token_parse(const char *text, struct token *out)
{
    return token_parse_n(text, strlen(text), out);
}

const char *token_prefix(const char *text, char token[TOKEN_MAX + 1])
{
    struct token t;
    const char *dot = strchr(text, '.');
    if (!dot || !token_parse_n(text, (size_t)(dot - text), &t))
        return NULL;
    memcpy(token, text, (size_t)(dot - text));
    token[dot - text] = '\0';
    return dot + 1;
}

void token_make(char out[TOKEN_MAX + 1])
{
    char boot[SYS_ID_LEN + 1];
    uint32_t random;
    int64_t start = sys_process_start(getpid());
    if (sys_boot_id(boot) != 0)
        snprintf(boot, sizeof boot, "00000000");
    sys_random(&random, sizeof random);
    snprintf(out, TOKEN_MAX + 1, "%.8s-%ld-%lld-%08x", boot, (long)getpid(),
             (long long)(start < 0 ? 0 : start), (unsigned)random);
}

/* Does this begin with wTOKEN. ? */
static bool begins_with_owner(const char *text)
{
    struct token t;
    const char *dot = text[0] == 'w' ? strchr(text, '.') : NULL;
    return dot && token_parse_n(text + 1, (size_t)(dot - text - 1), &t);
}

/* Digits and a dot behind this; NULL: no. */
static const char *skip_number(const char *at, char letter)
{
    if (*at++ != letter)
        return NULL;
    at += *at == '-';
    size_t n = strspn(at, "0123456789");
    return n > 0 && at[n] == '.' ? at + n + 1 : NULL;
}

/* Does this begin like the name of a waiting job, WHEN.pN.aN. ?  By its shape
 * only: a rule that the schema can tell too. */
static bool begins_like_waiting(const char *text)
{
    static const char shape[] = "00000000T000000.000000Z.";
    size_t n = 0;
    if (text[0] == HELD[0] && strncmp(text, HELD ".", HELD_LEN + 1) == 0)
        n = HELD_LEN + 1;
    else
        for (; shape[n]; n++)
            if (shape[n] == '0' ? text[n] < '0' || text[n] > '9' : text[n] != shape[n])
                return false;
    const char *at = skip_number(text + n, 'p');
    return at && skip_number(at, 'a');
}

/* What else it could be read as has a dot; an id of ours has none. */
static bool reads_as_id(const char *id)
{
    return !strchr(id, '.') || (!begins_with_owner(id) && !begins_like_waiting(id));
}

bool name_id_valid(const char *id)
{
    size_t n = shape_length(id);
    return n > 0 && n <= ID_MAX && reads_as_id(id);
}

/* One field: the letter, a number, the dot behind it.  *at moves past it. */
static bool take_number(const char **at, char letter, int min, int max, int *out)
{
    const char *p = *at;
    if (*p++ != letter)
        return false;
    bool negative = *p == '-';
    p += negative;
    if (*p == '0' && (negative || p[1] != '.'))
        return false;
    const char *digits = p;
    int v = 0;
    for (; *p >= '0' && *p <= '9' && v <= NUMBER_MAX; p++)
        v = 10 * v + (*p - '0');
    *out = negative ? -v : v;
    *at = p + 1;
    return p > digits && *p == '.' && *out >= min && *out <= max;
}

static bool take_time(const char **at, bool may_be_held, struct name *out)
{
    if (may_be_held && **at == HELD[0] && strncmp(*at, HELD ".", HELD_LEN + 1) == 0) {
        out->held = true;
        *at += HELD_LEN + 1;
        return true;
    }
    if (!stamp_name_parse(*at, &out->time_us) || (*at)[STAMP_NAME_LEN] != '.')
        return false;
    *at += STAMP_NAME_LEN + 1;
    return true;
}

static bool take_token(const char **at, struct name *out)
{
    const char *dot = strchr(*at, '.');
    if (!begins_with_owner(*at))
        return false;
    size_t n = (size_t)(dot - *at - 1);
    memcpy(out->token, *at + 1, n);
    out->token[n] = '\0';
    *at = dot + 1;
    return true;
}

static bool take_id(const char *at, struct name *out)
{
    size_t n = shape_length(at); /* the suffix is of the same characters */
    if (n <= SUFFIX_LEN || n - SUFFIX_LEN > ID_MAX ||
        memcmp(at + n - SUFFIX_LEN, SUFFIX, SUFFIX_LEN) != 0)
        return false;
    memcpy(out->id, at, n - SUFFIX_LEN);
    out->id[n - SUFFIX_LEN] = '\0';
    return reads_as_id(out->id);
}

bool name_parse(enum dir state, const char *file, struct name *out)
{
    const char *at = file;
    out->held = false;
    out->time_us = 0;
    out->priority = out->attempts = 0;
    out->token[0] = out->id[0] = '\0';
    if (state == DIR_PENDING || state == DIR_FAILED || state == DIR_PROCESSING) {
        if (!take_time(&at, state != DIR_PROCESSING, out) ||
            !take_number(&at, 'p', -NAME_PRIORITY_MAX, NAME_PRIORITY_MAX, &out->priority) ||
            !take_number(&at, 'a', 0, NAME_ATTEMPTS_MAX, &out->attempts))
            return false;
        if (state == DIR_PROCESSING && !take_token(&at, out))
            return false;
    }
    return take_id(at, out);
}

void name_format(enum dir state, const struct name *n, char out[FILE_NAME_MAX + 1])
{
    char time[STAMP_NAME_LEN + 1] = HELD;
    if (!n->held)
        stamp_name_format(n->time_us, time);
    struct text t = text_in(out, FILE_NAME_MAX + 1);
    if (state <= DIR_PROCESSING) {
        text_adds(&t, time);
        text_adds(&t, ".p");
        text_add_int(&t, n->priority);
        text_adds(&t, ".a");
        text_add_int(&t, n->attempts);
        text_adds(&t, state == DIR_PROCESSING ? ".w" : "");
        text_adds(&t, state == DIR_PROCESSING ? n->token : "");
        text_addc(&t, '.');
    }
    text_adds(&t, n->id);
    text_adds(&t, SUFFIX);
}

bool name_is_foreign(const char *file)
{
    struct name n;
    size_t len = strlen(file);
    return file[0] != '.' && len > SUFFIX_LEN && strcmp(file + len - SUFFIX_LEN, SUFFIX) == 0 &&
           !name_parse(DIR_PENDING, file, &n);
}

const char *name_owned(const char *file, char token[TOKEN_MAX + 1])
{
    return file[0] == '.' ? token_prefix(file + 1, token) : NULL;
}

/* n characters of an alphabet without look-alikes (5 bits each). */
static void random_text(char *out, size_t n)
{
    static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";
    unsigned char bytes[16];
    sys_random(bytes, n);
    for (size_t i = 0; i < n; i++)
        out[i] = alphabet[bytes[i] & 31];
    out[n] = '\0';
}

void name_new_id(const char *stem, int64_t now_us, char out[ID_MAX + 1])
{
    char random[9], time[STAMP_NAME_LEN + 1];
    size_t n = 0;
    random_text(random, 8);
    for (; stem && *stem && n < ID_MAX - 9; stem++) {
        unsigned char c = (unsigned char)*stem;
        if (id_class[c] == 1 || (id_class[c] == 2 && n > 0))
            out[n++] = *stem;
        else if (n > 0 && out[n - 1] != '-')
            out[n++] = '-';
    }
    if (n == 0) {
        stamp_name_format(now_us, time);
        /* 20261122T031500 and the microseconds, so that ids sort by time */
        n = (size_t)snprintf(out, ID_MAX + 1, "%.15s%.6s", time, time + 16);
        for (size_t i = 0; i < n; i++)
            out[i] = (char)tolower((unsigned char)out[i]);
    }
    snprintf(out + n, ID_MAX + 1 - n, "-%s", random);
    if (!name_id_valid(out)) /* such a stem; a time makes a valid one */
        name_new_id(NULL, now_us, out);
}
