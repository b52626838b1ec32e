/* job_members.c: the table of members, the walk over it that fills a struct job,
 * and whether the members of a document fit together.
 *
 * Bounds and words stand in the table: the readers (member_read.c) and the schema
 * (job_schema.c) take them from there.
 *
 * A string is refused where \u0000 would cut it short inside cJSON.  Recorded
 * members come from us, or from somebody's copy of an old job: one that is
 * malformed counts as absent.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/nearest.h"
#include "job/member_read.h"
#include "job/members.h"

#define SHOWN_VALUE_MAX 60 /* bytes of a value in a message */
#define RETRIES_MAX 1000
#define BACKOFF_MAX 1000

static const struct member_word priority_words[] = {
    {"low", -10}, {"medium", 0}, {"normal", 0}, {"high", 10}, {NULL, 0},
};
static const struct member_word policy_words[] = {{"dead", true}, {"retry", false}, {NULL, 0}};

#define TEXT_OF_(number) #number
#define TEXT_OF(number) TEXT_OF_(number)
#define FIELD(name) offsetof(struct job, name)

#define DURATIONS "90, \"90s\", \"5m\""
#define DURATION .schema = "'$ref': '#/$defs/duration'"
#define WHOLE .schema = "'type': ['integer', 'null'], 'minimum': @min, 'maximum': @max"
#define NUMBER .schema = "'type': ['number', 'null'], 'minimum': @min, 'maximum': @max"
#define NOT_NUL "[^\\\\x00]"

const struct job_member job_members[] = {
    {"id", "id", "1 to " TEXT_OF(ID_MAX) " of A-Z a-z 0-9 . _ -, the first a letter or digit, "
     "and not like held.p0.a0.x",
     "Names the job; made where there is none.", FIELD(id), member_read_id,
     .max = ID_MAX, .schema = "'type': ['string', 'null'], 'maxLength': @max, @id",
     .examples = "'report-42'"},
    {"command", "command", "a string that is not empty", "What /bin/sh -c runs.", FIELD(command),
     member_read_string,
     .schema = "'type': ['string', 'null'], 'pattern': '^" NOT_NUL "+$'",
     .examples = "'make report'"},
    {"argv", "list of arguments", "[\"program\", \"argument\", ...]: strings, the first not empty",
     "A program and its arguments, run without a shell.", FIELD(argv), member_read_argv,
     .schema = "'type': ['array', 'null'], 'minItems': 1,\n"
               "'prefixItems': [{'type': 'string', 'pattern': '^" NOT_NUL "+$'}],\n"
               "'items': {'type': 'string', 'pattern': '^" NOT_NUL "*$'}",
     .examples = "['tar', '-czf', '/backup/home.tgz', '/home']"},
    {"priority", "priority",
     "-" TEXT_OF(NAME_PRIORITY_MAX) " to " TEXT_OF(NAME_PRIORITY_MAX)
     ", \"low\" (-10), \"medium\" or \"normal\" (0), \"high\" (10)",
     "Higher runs first.", FIELD(priority), member_read_priority,
     .min = -NAME_PRIORITY_MAX, .max = NAME_PRIORITY_MAX, .words = priority_words,
     .schema = "'anyOf': [{'type': ['integer', 'null'], 'minimum': @min, 'maximum': @max},\n"
               "          {'enum': @words}]",
     .examples = "-5, 'high'"},
    {"max_retries", "number of retries", "a whole number from 0 to " TEXT_OF(RETRIES_MAX),
     "Runs after the first that may follow failures.", FIELD(max_retries), member_read_max_retries,
     .max = RETRIES_MAX, WHOLE, .examples = "3"},
    {"backoff_base", "backoff base", "a number from 1 to " TEXT_OF(BACKOFF_MAX),
     "Retry n waits this to the power of n, in seconds.", FIELD(backoff_base), member_read_fraction,
     .min = 1, .max = BACKOFF_MAX, NUMBER, .examples = "2, 1.5"},
    {"timeout", "duration", DURATIONS, "Ends a run that lasts longer; 0 is none.",
     FIELD(timeout_ms), member_read_duration, DURATION, .examples = "90, '5m'"},
    {"timeout_ms", "number of milliseconds", "a whole number", "timeout in milliseconds.",
     FIELD(timeout_ms), member_read_ms, .max = DURATION_MAX_MS, WHOLE, .examples = "1500"},
    {"timeout_seconds", "number of seconds", "a number like 90 or 0.5", "timeout in seconds.",
     FIELD(timeout_ms), member_read_seconds, .max = DURATION_MAX_MS / 1000, NUMBER, .examples = "0.5"},
    {"run_at", "time", "\"2026-11-22T03:15:00Z\" or seconds since 1970",
     "Not run before; without a zone local time.", FIELD(run_at_us), member_read_time,
     .max = MEMBER_TIME_END,
     .schema = "'type': ['number', 'string', 'null'], 'minimum': @min, 'exclusiveMaximum': @max,\n"
               "@time",
     .examples = "'2026-11-22T03:15:00Z', '2026-11-22', 1795317300"},
    {"delay", "duration", DURATIONS, "Not run before this has passed since acceptance.",
     FIELD(delay_ms), member_read_duration, DURATION, .examples = "600, '1h30m'"},
    {"cwd", "absolute path", "one that starts with \"/\"", "Directory to run in.", FIELD(cwd),
     member_read_path,
     .schema = "'type': ['string', 'null'], 'pattern': '^/" NOT_NUL "*$'",
     .examples = "'/srv/shop'"},
    {"env", "environment", "{\"NAME\": \"text\", ...}: names not empty and without \"=\"",
     "Variables added to the environment.", FIELD(env), member_read_env,
     .schema = "'type': ['object', 'null'], 'propertyNames': {'pattern': '^[^=\\\\x00]+$'},\n"
               "'additionalProperties': {'type': 'string', 'pattern': '^" NOT_NUL "*$'}",
     .examples = "{'LANG': 'C'}"},
    {"detach", "truth value", "true or false", "What the job leaves running is left alone.",
     FIELD(detach), member_read_bool, .schema = "'type': ['boolean', 'null']", .examples = "true"},
    {"on_crash", "policy", "\"dead\" or \"retry\"",
     "What becomes of the job when its worker or host dies in a run.", FIELD(crash_is_death),
     member_read_policy, .words = policy_words, .schema = "'enum': @words", .examples = "'dead'"},

    {"attempts", "count", "a whole number", "Runs compared with max_retries.", FIELD(attempts),
     member_read_int, .max = NAME_ATTEMPTS_MAX, .recorded = true},
    {"runs", "count", "a whole number", "All runs ever; the last one's number.", FIELD(runs),
     member_read_int, .max = MEMBER_COUNT_MAX, .recorded = true},
    {"lost", "count", "a whole number", "Runs lost with their worker or host.", FIELD(lost),
     member_read_int, .max = MEMBER_COUNT_MAX, .recorded = true},
    {"created_at", "time", "a time", "When it was accepted.", FIELD(created_us), member_read_time,
     .recorded = true},
    {"updated_at", "time", "a time", "When the queue last changed the document.",
     FIELD(updated_us), member_read_time, .recorded = true},
    {"started_at", "time", "a time", "Start of the last run.", FIELD(started_us), member_read_time,
     .recorded = true},
    {"finished_at", "time", "a time", "End of the last run.", FIELD(finished_us), member_read_time,
     .recorded = true},
    {"duration_ms", "number of milliseconds", "a whole number", "How long the last run took.",
     FIELD(duration_ms), member_read_ms, .max = DURATION_MAX_MS, .recorded = true},
    {"exit_code", "exit code", "0 to 255", "Of the last run; absent after a signal.",
     FIELD(exit_code), member_read_int, .max = 255, .recorded = true},
    {"signal", "signal", "a number", "What ended the last run, if a signal did.", 0, NULL,
     .recorded = true},
    {"last_error", "text", "a string", "Why the last run failed.", FIELD(last_error), member_read_string,
     .recorded = true},
    {"next_run_at", "time", "a time", "When a failed job is run again.", FIELD(next_run_us),
     member_read_time, .recorded = true},
    {"worker", "token", "a token", "Who made the last run.", FIELD(worker), member_read_worker,
     .recorded = true},
    {"history", "list of runs", "a list", "One object for each of the last 20 runs.",
     FIELD(lost_in_row), member_read_history, .recorded = true},
    {"quarantined", "file name", "a file name",
     "Of a report: the file in quarantine/ that is no job.", FIELD(quarantined), member_read_quarantined,
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

/* Line breaks stand between tokens only, never inside a string. */
void member_show_value(struct buf *out, const char *raw)
{
    size_t n = strlen(raw);
    bool cut = n > SHOWN_VALUE_MAX;
    if (cut)
        for (n = SHOWN_VALUE_MAX; n > 0 && ((unsigned char)raw[n] & 0xC0) == 0x80;)
            n--;
    for (size_t i = 0; i < n; i++)
        buf_addc(out, strchr("\t\r\n", raw[i]) != NULL ? ' ' : raw[i]);
    buf_adds(out, cut ? "..." : "");
}

int member_refuse(const struct job_member *m, const char *raw, struct err *err)
{
    struct buf shown = BUF_INIT;
    member_show_value(&shown, raw);
    err_set(err, ERR_BAD, "%s: %s is no %s; use %s", m->name, buf_str(&shown), m->noun,
            m->accepts);
    buf_release(&shown);
    return -1;
}

/* argv[17], env "NAME". */
static void name_element(struct buf *out, const struct member_reading *r)
{
    int place = 0;
    if (cJSON_IsObject(r->value)) {
        struct buf name = BUF_INIT;
        json_add_string(&name, (*r->bad)->string, strlen((*r->bad)->string));
        buf_addf(out, "%s ", r->m->name);
        member_show_value(out, buf_str(&name));
        buf_release(&name);
        return;
    }
    for (const cJSON *at = r->value->child; at != *r->bad; at = at->next)
        place++;
    buf_addf(out, "%s[%d]", r->m->name, place);
}

static int refuse_element(const struct member_reading *r, struct err *err)
{
    struct buf where = BUF_INIT, shown = BUF_INIT;
    char *raw = cJSON_PrintUnformatted(*r->bad);
    if (raw == NULL)
        return err_no_memory(err);
    name_element(&where, r);
    member_show_value(&shown, raw);
    cJSON_free(raw);
    err_set(err, ERR_BAD, "%s: %s does not fit; use %s", buf_str(&where), buf_str(&shown),
            r->m->accepts);
    buf_release(&where);
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
    const cJSON *bad = NULL;
    struct member_reading r = {m, j, (char *)j + m->offset, value, raw, &bad};
    int rc = value == NULL ? errno : m->read(&r);
    if (rc == ENOMEM)
        err_no_memory(err);
    else if (rc != 0 && !m->recorded)
        bad != NULL ? refuse_element(&r, err) : member_refuse(m, raw, err);
    cJSON_Delete(value);
    return rc == 0 || (m->recorded && rc != ENOMEM) ? 0 : -1;
}

void members_release(struct job *j)
{
    free(j->command);
    member_free_list(j->argv);
    free(j->cwd);
    member_free_list(j->env);
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
        return err_no_memory(err);
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

/* The member that was meant, NULL: none. */
static const char *meant_by(const char *name)
{
    struct nearest n;
    if (member_find(name) != NULL)
        return NULL;
    nearest_init(&n, name);
    nearest_offer(&n, "command");
    nearest_offer(&n, "argv");
    return nearest_best(&n);
}

static const char needs_work[] = "needs \"command\" or \"argv\"";

/* Another member's name on one line, as a document would spell it; meant NULL: it
 * differs in case or dashes alone. */
static int refuse_found(const char *name, const char *meant, struct err *err)
{
    struct buf spelled = BUF_INIT, shown = BUF_INIT;
    json_add_string(&spelled, name, strlen(name));
    member_show_value(&shown, buf_str(&spelled));
    if (meant == NULL)
        err_set(err, ERR_BAD, "%s (found %s: names are case-sensitive)", needs_work,
                buf_str(&shown));
    else
        err_set(err, ERR_BAD, "%s (found %s; did you mean \"%s\"?)", needs_work,
                buf_str(&shown), meant);
    buf_release(&spelled);
    buf_release(&shown);
    return -1;
}

/* The most common slips would otherwise be told as "missing". */
static int refuse_idle(const struct job *j, struct err *err)
{
    bool is_null = json_has(j->doc, "command") || json_has(j->doc, "argv");
    for (size_t i = 0; i < json_count(j->doc) && !is_null; i++) {
        const char *name = json_name(j->doc, i), *meant = meant_by(name);
        if (alike(name, "command") || alike(name, "argv"))
            return refuse_found(name, NULL, err);
        if (meant != NULL)
            return refuse_found(name, meant, err);
    }
    return err_set(err, ERR_BAD, "%s", needs_work);
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
