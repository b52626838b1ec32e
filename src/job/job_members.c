/* job_members.c: the table of members, and how each is read.
 *
 * A reader gets the value through cJSON and as it was written.  Whole numbers
 * are read from what was written, so that no double rounds them; 3.0 and 3e0
 * are whole too, since many languages print 3 so.  A string is refused where
 * \u0000 would cut it short inside cJSON.
 *
 * Bounds and words stand in the table: readers and the schema (job_schema.c)
 * take them from there.  What a reader here accepts beyond them, the column
 * `schema` has to say; tests/cli/schema.bats compares the two.
 *
 * Recorded members come from us, or from somebody's copy of an old job: one
 * that is malformed counts as absent.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/duration.h"
#include "base/num.h"
#include "base/stamp.h"
#include "job/members.h"

#define SHOWN_VALUE_MAX 60 /* bytes of a value in a message */
#define NUMBER_MAX 60      /* characters; cJSON stops reading at 63 */
#define WHOLE_DIGITS 19    /* of INT64_MAX */
#define EXPONENT_MAX 9999  /* a larger one changes nothing */
#define COUNT_MAX 1000000000
#define RETRIES_MAX 1000
#define BACKOFF_MAX 1000
#define YEAR_10000 INT64_C(253402300800) /* seconds since 1970 */

/* One member on its way from the document into the struct. */
struct reading {
    const struct job_member *m;
    struct job *j;
    void *field;        /* of j, at m->offset */
    const cJSON *value;
    const char *raw;
};

static int copy_string(const cJSON *value, char **out)
{
    if (!cJSON_IsString(value) || value->valuestring[0] == '\0')
        return EINVAL;
    *out = strdup(value->valuestring);
    return *out == NULL ? ENOMEM : 0;
}

static int read_string(const struct reading *r)
{
    return copy_string(r->value, r->field);
}

static int read_id(const struct reading *r)
{
    if (!cJSON_IsString(r->value) || !name_id_valid(r->value->valuestring))
        return EINVAL;
    memcpy(r->field, r->value->valuestring, strlen(r->value->valuestring) + 1);
    return 0;
}

static void free_list(char **list)
{
    for (char **p = list; p != NULL && *p != NULL; p++)
        free(*p);
    free(list);
}

/* A NULL-terminated list of what `copy` makes of each child. */
static int read_list(const struct reading *r, int (*copy)(const cJSON *child, char **out))
{
    size_t n = 0;
    const cJSON *child;
    cJSON_ArrayForEach(child, r->value) n++;
    char **list = calloc(n + 1, sizeof *list);
    int rc = list == NULL ? ENOMEM : 0;
    n = 0;
    for (child = r->value->child; child != NULL && rc == 0; child = child->next)
        rc = copy(child, &list[n++]);
    if (rc != 0) {
        free_list(list);
        return rc;
    }
    *(char ***)r->field = list;
    return 0;
}

static int copy_argument(const cJSON *child, char **out)
{
    if (!cJSON_IsString(child))
        return EINVAL;
    *out = strdup(child->valuestring);
    return *out == NULL ? ENOMEM : 0;
}

static int read_argv(const struct reading *r)
{
    const cJSON *program = cJSON_IsArray(r->value) ? r->value->child : NULL;
    if (!cJSON_IsString(program) || program->valuestring[0] == '\0')
        return EINVAL;
    return read_list(r, copy_argument);
}

static int copy_variable(const cJSON *child, char **out)
{
    if (!cJSON_IsString(child) || child->string[0] == '\0' || strchr(child->string, '=') != NULL)
        return EINVAL;
    struct buf b = BUF_INIT;
    buf_adds(&b, child->string);
    buf_addc(&b, '=');
    buf_adds(&b, child->valuestring);
    *out = buf_detach(&b);
    return *out == NULL ? ENOMEM : 0;
}

static int read_env(const struct reading *r)
{
    return cJSON_IsObject(r->value) ? read_list(r, copy_variable) : EINVAL;
}

static bool is_number(const struct reading *r)
{
    return cJSON_IsNumber(r->value) && strlen(r->raw) <= NUMBER_MAX;
}

/* "e+12" or nothing. */
static int exponent_of(const char *at)
{
    if (*at == '\0')
        return 0;
    bool negative = at[1] == '-';
    int n = 0;
    for (at += 1 + (negative || at[1] == '+'); *at != '\0'; at++)
        n = n < EXPONENT_MAX ? n * 10 + (*at - '0') : n;
    return negative ? -n : n;
}

/* A number of JSON as DIGITS and a power of ten, no zeros at either end;
 * returns how many digits. */
static size_t take_apart(const char *at, char digits[NUMBER_MAX], int *power)
{
    size_t n = 0;
    bool behind_point = false;
    *power = 0;
    for (at += *at == '-'; *at != '\0' && *at != 'e' && *at != 'E'; at++) {
        if (*at == '.') {
            behind_point = true;
            continue;
        }
        if (n > 0 || *at != '0')
            digits[n++] = *at;
        *power -= behind_point;
    }
    *power += exponent_of(at);
    for (; n > 0 && digits[n - 1] == '0'; n--)
        ++*power;
    return n;
}

/* 3, 3.0, 30e-1: brought into the form without point and exponent, so that
 * nothing is rounded. */
static bool parse_whole(const struct reading *r, int64_t *out)
{
    char digits[NUMBER_MAX + WHOLE_DIGITS] = "-";
    int power;
    if (!is_number(r))
        return false;
    size_t n = take_apart(r->raw, digits + 1, &power);
    if (n == 0) {
        digits[++n] = '0';
        power = 0;
    }
    if (power < 0 || power > WHOLE_DIGITS || n > WHOLE_DIGITS)
        return false;
    memset(digits + 1 + n, '0', (size_t)power);
    n += (size_t)power;
    bool negative = r->raw[0] == '-' && digits[1] != '0';
    return num_parse_n(digits + !negative, n + negative, r->m->min, r->m->max, out);
}

static int read_int(const struct reading *r)
{
    int64_t n;
    if (!parse_whole(r, &n))
        return EINVAL;
    *(int *)r->field = (int)n;
    return 0;
}

static int read_ms(const struct reading *r)
{
    return parse_whole(r, r->field) ? 0 : EINVAL;
}

static const struct member_word priority_words[] = {
    {"low", -10}, {"medium", 0}, {"normal", 0}, {"high", 10}, {NULL, 0},
};
static const struct member_word policy_words[] = {{"dead", true}, {"retry", false}, {NULL, 0}};

static const struct member_word *find_word(const struct member_word *words, const char *text)
{
    for (; words->word != NULL; words++)
        if (strcmp(text, words->word) == 0)
            return words;
    return NULL;
}

static const struct member_word *word_of(const struct reading *r)
{
    return cJSON_IsString(r->value) ? find_word(r->m->words, r->value->valuestring) : NULL;
}

bool job_priority_parse(const char *text, int *priority)
{
    const struct member_word *word = find_word(priority_words, text);
    int64_t n;
    if (word == NULL && !num_parse(text, -NAME_PRIORITY_MAX, NAME_PRIORITY_MAX, &n))
        return false;
    *priority = word != NULL ? word->value : (int)n;
    return true;
}

static int read_priority(const struct reading *r)
{
    const struct member_word *word = word_of(r);
    if (word != NULL)
        *(int *)r->field = word->value;
    r->j->has_priority = word != NULL || read_int(r) == 0;
    return r->j->has_priority ? 0 : EINVAL;
}

static int read_max_retries(const struct reading *r)
{
    r->j->has_max_retries = read_int(r) == 0;
    return r->j->has_max_retries ? 0 : EINVAL;
}

static int read_backoff_base(const struct reading *r)
{
    double base = r->value->valuedouble;
    if (!is_number(r) || !(base >= (double)r->m->min && base <= (double)r->m->max))
        return EINVAL;
    *(double *)r->field = base;
    return 0;
}

static int read_seconds(const struct reading *r)
{
    return is_number(r) && duration_from_seconds(r->value->valuedouble, r->field) ? 0 : EINVAL;
}

static int read_duration(const struct reading *r)
{
    if (!cJSON_IsString(r->value))
        return read_seconds(r);
    return duration_parse(r->value->valuestring, r->field) ? 0 : EINVAL;
}

/* Seconds are read as text where they have no exponent: a double has not the
 * digits for microseconds in every year. */
static int read_time(const struct reading *r)
{
    if (cJSON_IsString(r->value))
        return stamp_parse(r->value->valuestring, r->field) ? 0 : EINVAL;
    if (!is_number(r))
        return EINVAL;
    if (stamp_parse(r->raw, r->field))
        return 0;
    double seconds = r->value->valuedouble;
    if (!(seconds >= 0 && seconds < (double)YEAR_10000))
        return EINVAL;
    *(int64_t *)r->field = (int64_t)(seconds * (double)US_PER_SEC + 0.5);
    return 0;
}

static int read_path(const struct reading *r)
{
    bool absolute = cJSON_IsString(r->value) && r->value->valuestring[0] == '/';
    return absolute ? copy_string(r->value, r->field) : EINVAL;
}

static int read_bool(const struct reading *r)
{
    if (!cJSON_IsBool(r->value))
        return EINVAL;
    *(bool *)r->field = cJSON_IsTrue(r->value);
    return 0;
}

static int read_policy(const struct reading *r)
{
    const struct member_word *word = word_of(r);
    if (word == NULL)
        return EINVAL;
    *(bool *)r->field = word->value;
    return 0;
}

static int read_worker(const struct reading *r)
{
    if (!cJSON_IsString(r->value) || strlen(r->value->valuestring) > TOKEN_MAX)
        return EINVAL;
    memcpy(r->field, r->value->valuestring, strlen(r->value->valuestring) + 1);
    return 0;
}

/* A name in quarantine/, and nothing that leads out of it: the file is deleted
 * or put back under this word. */
static int read_quarantined(const struct reading *r)
{
    const char *name = cJSON_IsString(r->value) ? r->value->valuestring : "";
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strchr(name, '/') != NULL ||
        strlen(name) > FILE_NAME_MAX)
        return EINVAL;
    return copy_string(r->value, r->field);
}

static bool member_is(const cJSON *object, const char *name, const char *text)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsString(value) && strcmp(value->valuestring, text) == 0;
}

static int read_history(const struct reading *r)
{
    int row = 0;
    const cJSON *run;
    cJSON_ArrayForEach(run, r->value)
        row = member_is(run, "outcome", "lost") && !member_is(run, "fate", "dead") ? row + 1 : 0;
    *(int *)r->field = row;
    return cJSON_IsArray(r->value) ? 0 : EINVAL;
}

#define TEXT_OF_(number) #number
#define TEXT_OF(number) TEXT_OF_(number)
#define FIELD(name) offsetof(struct job, name)

#define DURATIONS "90, \"90s\", \"5m\""
#define DURATION .schema = "'$ref': '#/$defs/duration'"
#define WHOLE .schema = "'type': ['integer', 'null'], 'minimum': @min, 'maximum': @max"
#define NUMBER .schema = "'type': ['number', 'null'], 'minimum': @min, 'maximum': @max"
#define NOT_NUL "[^\\\\x00]"

const struct job_member job_members[] = {
    {"id", "id", "1 to " TEXT_OF(ID_MAX) " of A-Z a-z 0-9 . _ -, the first a letter or digit",
     "Names the job; made where there is none.", FIELD(id), read_id,
     .max = ID_MAX, .schema = "'type': ['string', 'null'], 'maxLength': @max, @id",
     .examples = "'report-42'"},
    {"command", "command", "a string that is not empty", "What /bin/sh -c runs.", FIELD(command),
     read_string,
     .schema = "'type': ['string', 'null'], 'pattern': '^" NOT_NUL "+$'",
     .examples = "'make report'"},
    {"argv", "list of arguments", "[\"program\", \"argument\", ...]: strings, the first not empty",
     "A program and its arguments, run without a shell.", FIELD(argv), read_argv,
     .schema = "'type': ['array', 'null'], 'minItems': 1,\n"
               "'prefixItems': [{'type': 'string', 'pattern': '^" NOT_NUL "+$'}],\n"
               "'items': {'type': 'string', 'pattern': '^" NOT_NUL "*$'}",
     .examples = "['tar', '-czf', '/backup/home.tgz', '/home']"},
    {"priority", "priority",
     "-" TEXT_OF(NAME_PRIORITY_MAX) " to " TEXT_OF(NAME_PRIORITY_MAX)
     ", \"low\" (-10), \"medium\" or \"normal\" (0), \"high\" (10)",
     "Higher runs first.", FIELD(priority), read_priority,
     .min = -NAME_PRIORITY_MAX, .max = NAME_PRIORITY_MAX, .words = priority_words,
     .schema = "'anyOf': [{'type': ['integer', 'null'], 'minimum': @min, 'maximum': @max},\n"
               "          {'enum': @words}]",
     .examples = "-5, 'high'"},
    {"max_retries", "number of retries", "a whole number from 0 to " TEXT_OF(RETRIES_MAX),
     "Runs after the first that may follow failures.", FIELD(max_retries), read_max_retries,
     .max = RETRIES_MAX, WHOLE, .examples = "3"},
    {"backoff_base", "backoff base", "a number from 1 to " TEXT_OF(BACKOFF_MAX),
     "Retry n waits this to the power of n, in seconds.", FIELD(backoff_base), read_backoff_base,
     .min = 1, .max = BACKOFF_MAX, NUMBER, .examples = "2, 1.5"},
    {"timeout", "duration", DURATIONS, "Ends a run that lasts longer; 0 is none.",
     FIELD(timeout_ms), read_duration, DURATION, .examples = "90, '5m'"},
    {"timeout_ms", "number of milliseconds", "a whole number", "timeout in milliseconds.",
     FIELD(timeout_ms), read_ms, .max = DURATION_MAX_MS, WHOLE, .examples = "1500"},
    {"timeout_seconds", "number of seconds", "a number like 90 or 0.5", "timeout in seconds.",
     FIELD(timeout_ms), read_seconds, .max = DURATION_MAX_MS / 1000, NUMBER, .examples = "0.5"},
    {"run_at", "time", "\"2026-11-22T03:15:00Z\" or seconds since 1970",
     "Not run before; without a zone local time.", FIELD(run_at_us), read_time,
     .max = YEAR_10000,
     .schema = "'type': ['number', 'string', 'null'], 'minimum': @min, 'exclusiveMaximum': @max,\n"
               "@time",
     .examples = "'2026-11-22T03:15:00Z', '2026-11-22', 1795317300"},
    {"delay", "duration", DURATIONS, "Not run before this has passed since acceptance.",
     FIELD(delay_ms), read_duration, DURATION, .examples = "600, '1h30m'"},
    {"cwd", "absolute path", "one that starts with \"/\"", "Directory to run in.", FIELD(cwd),
     read_path,
     .schema = "'type': ['string', 'null'], 'pattern': '^/" NOT_NUL "*$'",
     .examples = "'/srv/shop'"},
    {"env", "environment", "{\"NAME\": \"text\", ...}: names not empty and without \"=\"",
     "Variables added to the environment.", FIELD(env), read_env,
     .schema = "'type': ['object', 'null'], 'propertyNames': {'pattern': '^[^=\\\\x00]+$'},\n"
               "'additionalProperties': {'type': 'string', 'pattern': '^" NOT_NUL "*$'}",
     .examples = "{'LANG': 'C'}"},
    {"detach", "truth value", "true or false", "What the job leaves running is left alone.",
     FIELD(detach), read_bool, .schema = "'type': ['boolean', 'null']", .examples = "true"},
    {"on_crash", "policy", "\"dead\" or \"retry\"",
     "What becomes of the job when its worker or host dies in a run.", FIELD(crash_is_death),
     read_policy, .words = policy_words, .schema = "'enum': @words", .examples = "'dead'"},

    {"attempts", "count", "a whole number", "Runs compared with max_retries.", FIELD(attempts),
     read_int, .max = NAME_ATTEMPTS_MAX, .recorded = true},
    {"runs", "count", "a whole number", "All runs ever; the last one's number.", FIELD(runs),
     read_int, .max = COUNT_MAX, .recorded = true},
    {"lost", "count", "a whole number", "Runs lost with their worker or host.", FIELD(lost),
     read_int, .max = COUNT_MAX, .recorded = true},
    {"created_at", "time", "a time", "When it was accepted.", FIELD(created_us), read_time,
     .recorded = true},
    {"updated_at", "time", "a time", "When the queue last changed the document.",
     FIELD(updated_us), read_time, .recorded = true},
    {"started_at", "time", "a time", "Start of the last run.", FIELD(started_us), read_time,
     .recorded = true},
    {"finished_at", "time", "a time", "End of the last run.", FIELD(finished_us), read_time,
     .recorded = true},
    {"duration_ms", "number of milliseconds", "a whole number", "How long the last run took.",
     FIELD(duration_ms), read_ms, .max = DURATION_MAX_MS, .recorded = true},
    {"exit_code", "exit code", "0 to 255", "Of the last run; absent after a signal.",
     FIELD(exit_code), read_int, .max = 255, .recorded = true},
    {"signal", "signal", "a number", "What ended the last run, if a signal did.", 0, NULL,
     .recorded = true},
    {"last_error", "text", "a string", "Why the last run failed.", FIELD(last_error), read_string,
     .recorded = true},
    {"next_run_at", "time", "a time", "When a failed job is run again.", FIELD(next_run_us),
     read_time, .recorded = true},
    {"worker", "token", "a token", "Who made the last run.", FIELD(worker), read_worker,
     .recorded = true},
    {"history", "list of runs", "a list", "One object for each of the last 20 runs.",
     FIELD(lost_in_row), read_history, .recorded = true},
    {"quarantined", "file name", "a file name",
     "Of a report: the file in quarantine/ that is no job.", FIELD(quarantined), read_quarantined,
     .recorded = true},
    {"dropped_as", "file name", "a file name",
     "Of a report: where the file was, and under which name.", 0, NULL, .recorded = true},
    {"advice", "text", "a string", "Of a report: what to do about the file.", 0, NULL,
     .recorded = true},
};
const size_t job_member_count = sizeof job_members / sizeof job_members[0];

const char *const members_exclusive[][2] = {
    {"command", "argv"},
    {"run_at", "delay"},
    {"timeout", "timeout_ms"},
    {"timeout", "timeout_seconds"},
    {"timeout_ms", "timeout_seconds"},
};
const size_t members_exclusive_count = sizeof members_exclusive / sizeof members_exclusive[0];

int members_no_memory(struct err *err)
{
    errno = ENOMEM;
    return err_set(err, ERR_SYSTEM, "out of memory");
}

const struct job_member *member_find(const char *name)
{
    for (size_t i = 0; i < job_member_count; i++)
        if (strcmp(job_members[i].name, name) == 0)
            return &job_members[i];
    return NULL;
}

void members_drop_excluded(struct json_doc *doc, const char *name)
{
    for (size_t i = 0; i < members_exclusive_count; i++)
        for (int side = 0; side < 2; side++)
            if (strcmp(members_exclusive[i][side], name) == 0)
                json_remove(doc, members_exclusive[i][1 - side]);
}

/* A value on one line: line breaks stand between tokens only, never inside a
 * string. */
static void show_value(struct buf *out, const char *raw)
{
    size_t n = strlen(raw);
    bool cut = n > SHOWN_VALUE_MAX;
    if (cut)
        for (n = SHOWN_VALUE_MAX; ((unsigned char)raw[n] & 0xC0) == 0x80;)
            n--;
    for (size_t i = 0; i < n; i++)
        buf_addc(out, strchr("\t\r\n", raw[i]) != NULL ? ' ' : raw[i]);
    buf_adds(out, cut ? "..." : "");
}

int member_refuse(const struct job_member *m, const char *raw, struct err *err)
{
    struct buf shown = BUF_INIT;
    show_value(&shown, raw);
    err_set(err, ERR_BAD, "%s: %s is no %s; use %s", m->name, buf_str(&shown), m->noun,
            m->accepts);
    buf_release(&shown);
    return -1;
}

static bool holds_nul(const char *raw)
{
    for (const char *p = strchr(raw, '\\'); p != NULL; p = strchr(p + 2, '\\'))
        if (strncmp(p, "\\u0000", 6) == 0)
            return true;
    return false;
}

/* The bytes of a member, NULL where it is absent or null. */
static const char *present(const struct json_doc *doc, const char *name)
{
    const char *raw = json_raw(doc, name);
    return raw != NULL && strcmp(raw, "null") != 0 ? raw : NULL;
}

static int read_member(struct job *j, const struct job_member *m, struct err *err)
{
    const char *raw = present(j->doc, m->name);
    if (raw == NULL || m->read == NULL)
        return 0;
    if (!m->recorded && holds_nul(raw))
        return err_set(err, ERR_BAD, "%s: holds \\u0000, which no program can be given", m->name);
    cJSON *value = json_value(j->doc, m->name);
    struct reading r = {m, j, (char *)j + m->offset, value, raw};
    int rc = value == NULL ? errno : m->read(&r);
    cJSON_Delete(value);
    if (rc == ENOMEM)
        return members_no_memory(err);
    return rc == 0 || m->recorded ? 0 : member_refuse(m, raw, err);
}

void members_release(struct job *j)
{
    free(j->command);
    free_list(j->argv);
    free(j->cwd);
    free_list(j->env);
    free(j->quarantined);
    free(j->last_error);
    j->command = j->cwd = j->quarantined = j->last_error = NULL;
    j->argv = j->env = NULL;
}

int members_read(struct job *j, struct err *err)
{
    *j = (struct job){
        .doc = j->doc, .timeout_ms = -1, .run_at_us = -1, .delay_ms = -1,
        .created_us = -1, .updated_us = -1, .started_us = -1, .finished_us = -1,
        .next_run_us = -1, .duration_ms = -1, .exit_code = -1,
    };
    for (size_t i = 0; i < job_member_count; i++)
        if (read_member(j, &job_members[i], err) != 0) {
            members_release(j);
            return -1;
        }
    j->is_report = j->quarantined != NULL && j->command == NULL && j->argv == NULL;
    if (!j->is_report) {
        free(j->quarantined);
        j->quarantined = NULL;
    }
    return 0;
}

int members_read_again(struct job *j, struct err *err)
{
    struct job fresh = {.doc = j->doc};
    if (json_failed(j->doc))
        return members_no_memory(err);
    if (members_read(&fresh, err) != 0)
        return -1;
    members_release(j);
    *j = fresh;
    return 0;
}

/* "Max-Retries" and "max_retries" with case, dash and underscore forgotten. */
static bool alike(const char *a, const char *b)
{
    for (;; a++, b++) {
        a += strspn(a, "-_");
        b += strspn(b, "-_");
        char x = *a >= 'A' && *a <= 'Z' ? (char)(*a | 0x20) : *a;
        if (x != *b)
            return false;
        if (x == '\0')
            return true;
    }
}

/* The most common slip, a capital letter, would otherwise be told as "missing". */
static int refuse_idle(const struct job *j, struct err *err)
{
    bool is_null = json_has(j->doc, "command") || json_has(j->doc, "argv");
    for (size_t i = 0; i < json_count(j->doc) && !is_null; i++) {
        const char *name = json_name(j->doc, i);
        if (alike(name, "command") || alike(name, "argv"))
            return err_set(err, ERR_BAD,
                           "needs \"command\" or \"argv\" (found \"%.40s\": names are "
                           "case-sensitive)",
                           name);
    }
    return err_set(err, ERR_BAD, "needs \"command\" or \"argv\"");
}

int members_check(const struct job *j, struct err *err)
{
    for (size_t i = 0; i < members_exclusive_count; i++) {
        const char *a = members_exclusive[i][0], *b = members_exclusive[i][1];
        if (present(j->doc, a) != NULL && present(j->doc, b) != NULL)
            return err_set(err, ERR_BAD, "\"%s\" and \"%s\" exclude each other; use one", a, b);
    }
    if (j->command == NULL && j->argv == NULL && !j->is_report)
        return refuse_idle(j, err);
    return 0;
}
