/* job_members.c: the table of members, and how each is read.
 *
 * A reader gets the value through cJSON and as it was written.  Whole numbers
 * are read from what was written: a double would take 3.0 or 1e0 for 3.  A
 * string is refused where \u0000 would cut it short inside cJSON.
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
#define COUNT_MAX 1000000000
#define LAST_SECOND 253402300799.0 /* of the year 9999 */

static int copy_string(const cJSON *value, char **out)
{
    if (!cJSON_IsString(value) || value->valuestring[0] == '\0')
        return EINVAL;
    *out = strdup(value->valuestring);
    return *out == NULL ? ENOMEM : 0;
}

static int read_string(struct job *j, void *field, const cJSON *value, const char *raw)
{
    (void)j, (void)raw;
    return copy_string(value, field);
}

static int read_id(struct job *j, void *field, const cJSON *value, const char *raw)
{
    (void)j, (void)raw;
    if (!cJSON_IsString(value) || !name_id_valid(value->valuestring))
        return EINVAL;
    memcpy(field, value->valuestring, strlen(value->valuestring) + 1);
    return 0;
}

static void free_list(char **list)
{
    for (char **p = list; p != NULL && *p != NULL; p++)
        free(*p);
    free(list);
}

/* A NULL-terminated list of what `copy` makes of each child. */
static int read_list(const cJSON *value, char ***out, int (*copy)(const cJSON *child, char **out))
{
    size_t n = 0;
    const cJSON *child;
    cJSON_ArrayForEach(child, value) n++;
    char **list = calloc(n + 1, sizeof *list);
    int rc = list == NULL ? ENOMEM : 0;
    n = 0;
    for (child = value->child; child != NULL && rc == 0; child = child->next)
        rc = copy(child, &list[n++]);
    if (rc != 0) {
        free_list(list);
        return rc;
    }
    *out = list;
    return 0;
}

static int copy_argument(const cJSON *child, char **out)
{
    if (!cJSON_IsString(child))
        return EINVAL;
    *out = strdup(child->valuestring);
    return *out == NULL ? ENOMEM : 0;
}

static int read_argv(struct job *j, void *field, const cJSON *value, const char *raw)
{
    (void)j, (void)raw;
    if (!cJSON_IsArray(value) || !cJSON_IsString(value->child) ||
        value->child->valuestring[0] == '\0')
        return EINVAL;
    return read_list(value, field, copy_argument);
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

static int read_env(struct job *j, void *field, const cJSON *value, const char *raw)
{
    (void)j, (void)raw;
    return cJSON_IsObject(value) ? read_list(value, field, copy_variable) : EINVAL;
}

static int read_int(const char *raw, int64_t min, int64_t max, int *out)
{
    int64_t n;
    if (!num_parse(raw, min, max, &n))
        return EINVAL;
    *out = (int)n;
    return 0;
}

static const struct {
    const char *word;
    int priority;
} priority_words[] = {{"low", -10}, {"medium", 0}, {"normal", 0}, {"high", 10}};

static bool priority_word(const char *text, int *priority)
{
    for (size_t i = 0; i < sizeof priority_words / sizeof priority_words[0]; i++)
        if (strcmp(text, priority_words[i].word) == 0) {
            *priority = priority_words[i].priority;
            return true;
        }
    return false;
}

bool job_priority_parse(const char *text, int *priority)
{
    return priority_word(text, priority) ||
           read_int(text, -NAME_PRIORITY_MAX, NAME_PRIORITY_MAX, priority) == 0;
}

static int read_priority(struct job *j, void *field, const cJSON *value, const char *raw)
{
    j->has_priority = cJSON_IsString(value)
                          ? priority_word(value->valuestring, field)
                          : read_int(raw, -NAME_PRIORITY_MAX, NAME_PRIORITY_MAX, field) == 0;
    return j->has_priority ? 0 : EINVAL;
}

static int read_max_retries(struct job *j, void *field, const cJSON *value, const char *raw)
{
    (void)value;
    j->has_max_retries = read_int(raw, 0, 1000, field) == 0;
    return j->has_max_retries ? 0 : EINVAL;
}

static bool is_number(const cJSON *value, const char *raw)
{
    return cJSON_IsNumber(value) && strlen(raw) <= NUMBER_MAX;
}

static int read_backoff_base(struct job *j, void *field, const cJSON *value, const char *raw)
{
    (void)j;
    if (!is_number(value, raw) || !(value->valuedouble >= 1 && value->valuedouble <= 1000))
        return EINVAL;
    *(double *)field = value->valuedouble;
    return 0;
}

static int read_seconds(struct job *j, void *field, const cJSON *value, const char *raw)
{
    (void)j;
    return is_number(value, raw) && duration_from_seconds(value->valuedouble, field) ? 0 : EINVAL;
}

static int read_duration(struct job *j, void *field, const cJSON *value, const char *raw)
{
    if (!cJSON_IsString(value))
        return read_seconds(j, field, value, raw);
    return duration_parse(value->valuestring, field) ? 0 : EINVAL;
}

static int read_ms(struct job *j, void *field, const cJSON *value, const char *raw)
{
    (void)j, (void)value;
    return num_parse(raw, 0, DURATION_MAX_MS, field) ? 0 : EINVAL;
}

/* Seconds are read as text where they have no exponent: a double has not the
 * digits for microseconds in every year. */
static int read_time(struct job *j, void *field, const cJSON *value, const char *raw)
{
    (void)j;
    if (cJSON_IsString(value))
        return stamp_parse(value->valuestring, field) ? 0 : EINVAL;
    if (!is_number(value, raw))
        return EINVAL;
    if (stamp_parse(raw, field))
        return 0;
    if (!(value->valuedouble >= 0 && value->valuedouble <= LAST_SECOND))
        return EINVAL;
    *(int64_t *)field = (int64_t)(value->valuedouble * (double)US_PER_SEC + 0.5);
    return 0;
}

static int read_path(struct job *j, void *field, const cJSON *value, const char *raw)
{
    (void)j, (void)raw;
    return cJSON_IsString(value) && value->valuestring[0] == '/' ? copy_string(value, field)
                                                                 : EINVAL;
}

static int read_bool(struct job *j, void *field, const cJSON *value, const char *raw)
{
    (void)j, (void)raw;
    if (!cJSON_IsBool(value))
        return EINVAL;
    *(bool *)field = cJSON_IsTrue(value);
    return 0;
}

static int read_on_crash(struct job *j, void *field, const cJSON *value, const char *raw)
{
    (void)j, (void)raw;
    const char *word = cJSON_IsString(value) ? value->valuestring : "";
    bool dead = strcmp(word, "dead") == 0;
    if (!dead && strcmp(word, "retry") != 0)
        return EINVAL;
    *(bool *)field = dead;
    return 0;
}

static int read_count(struct job *j, void *field, const cJSON *value, const char *raw)
{
    (void)j, (void)value;
    return read_int(raw, 0, COUNT_MAX, field);
}

static int read_attempts(struct job *j, void *field, const cJSON *value, const char *raw)
{
    (void)j, (void)value;
    return read_int(raw, 0, NAME_ATTEMPTS_MAX, field);
}

static int read_exit_code(struct job *j, void *field, const cJSON *value, const char *raw)
{
    (void)j, (void)value;
    return read_int(raw, 0, 255, field);
}

static int read_worker(struct job *j, void *field, const cJSON *value, const char *raw)
{
    (void)j, (void)raw;
    if (!cJSON_IsString(value) || strlen(value->valuestring) > TOKEN_MAX)
        return EINVAL;
    memcpy(field, value->valuestring, strlen(value->valuestring) + 1);
    return 0;
}

/* A name in quarantine/, and nothing that leads out of it: the file is deleted
 * or put back under this word. */
static int read_quarantined(struct job *j, void *field, const cJSON *value, const char *raw)
{
    (void)j, (void)raw;
    const char *name = cJSON_IsString(value) ? value->valuestring : "";
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strchr(name, '/') != NULL ||
        strlen(name) > FILE_NAME_MAX)
        return EINVAL;
    return copy_string(value, field);
}

static bool member_is(const cJSON *object, const char *name, const char *text)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsString(value) && strcmp(value->valuestring, text) == 0;
}

static int read_history(struct job *j, void *field, const cJSON *value, const char *raw)
{
    (void)j, (void)raw;
    int row = 0;
    const cJSON *run;
    cJSON_ArrayForEach(run, value)
        row = member_is(run, "outcome", "lost") && !member_is(run, "fate", "dead") ? row + 1 : 0;
    *(int *)field = row;
    return cJSON_IsArray(value) ? 0 : EINVAL;
}

#define DURATIONS "90, \"90s\", \"5m\""
#define FIELD(name) offsetof(struct job, name)

const struct job_member job_members[] = {
    {"id", false, "id",
     "1 to 128 of A-Z a-z 0-9 . _ -, the first a letter or digit",
     "Names the job; made where there is none.", FIELD(id), read_id},
    {"command", false, "command", "a string that is not empty", "What /bin/sh -c runs.",
     FIELD(command), read_string},
    {"argv", false, "list of arguments",
     "[\"program\", \"argument\", ...]: strings, the first not empty",
     "A program and its arguments, run without a shell.", FIELD(argv), read_argv},
    {"priority", false, "priority",
     "-100 to 100, \"low\" (-10), \"medium\" or \"normal\" (0), \"high\" (10)",
     "Higher runs first.", FIELD(priority), read_priority},
    {"max_retries", false, "number of retries", "a whole number from 0 to 1000",
     "Runs after the first that may follow failures.", FIELD(max_retries), read_max_retries},
    {"backoff_base", false, "backoff base", "a number from 1 to 1000",
     "Retry n waits this to the power of n, in seconds.", FIELD(backoff_base), read_backoff_base},
    {"timeout", false, "duration", DURATIONS, "Ends a run that lasts longer; 0 is none.",
     FIELD(timeout_ms), read_duration},
    {"timeout_ms", false, "number of milliseconds", "a whole number", "timeout in milliseconds.",
     FIELD(timeout_ms), read_ms},
    {"timeout_seconds", false, "number of seconds", "a number like 90 or 0.5",
     "timeout in seconds.", FIELD(timeout_ms), read_seconds},
    {"run_at", false, "time", "\"2026-11-22T03:15:00Z\" or seconds since 1970",
     "Not run before; without a zone local time.", FIELD(run_at_us), read_time},
    {"delay", false, "duration", DURATIONS, "Not run before this has passed since acceptance.",
     FIELD(delay_ms), read_duration},
    {"cwd", false, "absolute path", "one that starts with \"/\"", "Directory to run in.",
     FIELD(cwd), read_path},
    {"env", false, "environment",
     "{\"NAME\": \"text\", ...}: names not empty and without \"=\"",
     "Variables added to the environment.", FIELD(env), read_env},
    {"detach", false, "truth value", "true or false",
     "What the job leaves running is left alone.", FIELD(detach), read_bool},
    {"on_crash", false, "policy", "\"dead\" or \"retry\"",
     "What becomes of the job when its worker or host dies in a run.", FIELD(crash_is_death),
     read_on_crash},

    {"attempts", true, "count", "a whole number", "Runs compared with max_retries.",
     FIELD(attempts), read_attempts},
    {"runs", true, "count", "a whole number", "All runs ever; the last one's number.",
     FIELD(runs), read_count},
    {"lost", true, "count", "a whole number", "Runs lost with their worker or host.",
     FIELD(lost), read_count},
    {"created_at", true, "time", "a time", "When it was accepted.", FIELD(created_us), read_time},
    {"updated_at", true, "time", "a time", "When the queue last changed the document.",
     FIELD(updated_us), read_time},
    {"started_at", true, "time", "a time", "Start of the last run.", FIELD(started_us), read_time},
    {"finished_at", true, "time", "a time", "End of the last run.", FIELD(finished_us), read_time},
    {"duration_ms", true, "number of milliseconds", "a whole number",
     "How long the last run took.", FIELD(duration_ms), read_ms},
    {"exit_code", true, "exit code", "0 to 255", "Of the last run; absent after a signal.",
     FIELD(exit_code), read_exit_code},
    {"signal", true, "signal", "a number", "What ended the last run, if a signal did.", 0, NULL},
    {"last_error", true, "text", "a string", "Why the last run failed.", FIELD(last_error),
     read_string},
    {"next_run_at", true, "time", "a time", "When a failed job is run again.",
     FIELD(next_run_us), read_time},
    {"worker", true, "token", "a token", "Who made the last run.", FIELD(worker), read_worker},
    {"history", true, "list of runs", "a list", "One object for each of the last 20 runs.",
     FIELD(lost_in_row), read_history},
    {"quarantined", true, "file name", "a file name",
     "Of a report: the file in quarantine/ that is no job.", FIELD(quarantined),
     read_quarantined},
    {"dropped_as", true, "file name", "a file name",
     "Of a report: where the file was, and under which name.", 0, NULL},
    {"advice", true, "text", "a string", "Of a report: what to do about the file.", 0, NULL},
};
const size_t job_member_count = sizeof job_members / sizeof job_members[0];

/* Pairs of which a document may hold one. */
static const char *const exclusive[][2] = {
    {"command", "argv"},         {"run_at", "delay"},
    {"timeout", "timeout_ms"},   {"timeout", "timeout_seconds"},
    {"timeout_ms", "timeout_seconds"},
};
#define EXCLUSIVE_COUNT (sizeof exclusive / sizeof exclusive[0])

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
    for (size_t i = 0; i < EXCLUSIVE_COUNT; i++)
        for (int side = 0; side < 2; side++)
            if (strcmp(exclusive[i][side], name) == 0)
                json_remove(doc, exclusive[i][1 - side]);
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
    int rc = value == NULL ? errno : m->read(j, (char *)j + m->offset, value, raw);
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
    for (size_t i = 0; i < EXCLUSIVE_COUNT; i++) {
        const char *a = exclusive[i][0], *b = exclusive[i][1];
        if (present(j->doc, a) != NULL && present(j->doc, b) != NULL)
            return err_set(err, ERR_BAD, "\"%s\" and \"%s\" exclude each other; use one", a, b);
    }
    if (j->command == NULL && j->argv == NULL && !j->is_report)
        return refuse_idle(j, err);
    return 0;
}
