/* job_record.c: what became of a run, and where that is read again.
 *
 * A result is written before its file is moved to the state it belongs to, so a
 * worker may die in between.  Whoever recovers the file asks job_has_result():
 * the last object of the history says for which attempt the result is and what
 * the fate was, started_at and worker say for which run.  Then the move is made
 * up for, and the job is not run again.
 */
#include "base/text.h"
#include "job/record.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/stamp.h"
#include "job/members.h"

/* 20 runs fill a third of it at most.  More was not written by us, and is not
 * worth the risk of a document growing past JSON_STORED_MAX when printed. */
#define HISTORY_BYTES_MAX (64 * 1024)
#define RUN_BYTES 300 /* most of them */

static const char *const outcomes[] = {
    [OUTCOME_DONE] = "done",
    [OUTCOME_FAILED] = "failed",
    [OUTCOME_LOST] = "lost",
    [OUTCOME_CANCELLED] = "cancelled",
};

static const char *const fates[] = {
    [FATE_DONE] = "done",
    [FATE_RETRY] = "retry",
    [FATE_DEAD] = "dead",
    [FATE_AGAIN] = "again",
};
#define FATE_COUNT (sizeof fates / sizeof fates[0])

const char *outcome_name(enum outcome o)
{
    return outcomes[o];
}

/* An accepted document says it itself; one put into the spool by hand may not. */
static int max_retries(const struct job *j)
{
    if (j->has_max_retries)
        return j->max_retries;
    struct settings s;
    settings_init(&s);
    return s.max_retries;
}

enum fate job_fate(const struct job *j, const struct run *r)
{
    switch (r->outcome) {
    case OUTCOME_DONE: return FATE_DONE;
    case OUTCOME_CANCELLED: return FATE_DEAD;
    case OUTCOME_FAILED: return r->attempt <= max_retries(j) ? FATE_RETRY : FATE_DEAD;
    case OUTCOME_LOST: break;
    }
    return j->crash_is_death || j->lost_in_row + 1 >= JOB_LOST_MAX ? FATE_DEAD : FATE_AGAIN;
}

void record_time(struct json_doc *doc, const char *name, int64_t us)
{
    char text[STAMP_ISO_LEN + 3] = "\"";
    if (us < 0) {
        json_remove(doc, name);
        return;
    }
    stamp_iso_format(us, text + 1);
    memcpy(text + 1 + STAMP_ISO_LEN, "\"", 2);
    json_set_raw(doc, name, text);
}

/* Bytes of text that may be recorded: up to JOB_ERROR_MAX, whole characters. */
static size_t error_length(const char *text)
{
    size_t n = strnlen(text, JOB_ERROR_MAX + 1);
    if (n <= JOB_ERROR_MAX)
        return n;
    for (n = JOB_ERROR_MAX; n > 0 && ((unsigned char)text[n] & 0xC0) == 0x80;)
        n--;
    return n;
}

void record_error(struct json_doc *doc, const char *text)
{
    if (text == NULL || text[0] == '\0') {
        json_remove(doc, "last_error");
        return;
    }
    struct buf b = BUF_INIT;
    json_add_string(&b, text, error_length(text));
    json_set_text(doc, "last_error", &b);
}

/* A number, or nothing where it is under `least`. */
static void record_int(struct json_doc *doc, const char *name, int64_t value, int64_t least)
{
    if (value < least)
        json_remove(doc, name);
    else
        json_set_int(doc, name, value);
}

static void add_name(struct buf *out, const char *name)
{
    buf_adds(out, ",\"");
    buf_adds(out, name);
    buf_adds(out, "\":");
}

static void add_number(struct buf *out, const char *name, int64_t value, int64_t least)
{
    if (value < least)
        return;
    add_name(out, name);
    buf_add_int(out, value);
}

static void add_text(struct buf *out, const char *name, const char *text)
{
    add_name(out, name);
    json_add_string(out, text, strlen(text));
}

static void add_time(struct buf *out, const char *name, int64_t us)
{
    char text[STAMP_ISO_LEN + 1];
    if (us < 0)
        return;
    stamp_iso_format(us, text);
    add_text(out, name, text);
}

static void print_run(const struct run *r, int number, enum fate fate, struct buf *out)
{
    buf_room(out, RUN_BYTES);
    buf_adds(out, "{\"run\":");
    buf_add_int(out, number);
    add_number(out, "attempt", r->attempt, 0);
    add_text(out, "outcome", outcomes[r->outcome]);
    add_text(out, "fate", fates[fate]);
    add_time(out, "started_at", r->started_us);
    add_time(out, "finished_at", r->finished_us);
    add_number(out, "duration_ms", r->duration_ms, 0);
    add_number(out, "exit_code", r->exit_code, 0);
    add_number(out, "signal", r->signal, 1);
    buf_adds(out, r->timed_out ? ",\"timed_out\":true" : "");
    add_number(out, "cpu_ms", r->cpu_ms, 0);
    add_number(out, "max_rss_kib", r->max_rss_kib, 0);
    add_number(out, "output_cut", r->output_cut, 1);
    if (r->error != NULL) {
        buf_adds(out, ",\"error\":");
        json_add_string(out, r->error, error_length(r->error));
    }
    buf_addc(out, '}');
}

static bool is_run_list(const cJSON *list)
{
    const cJSON *run;
    cJSON_ArrayForEach(run, list)
        if (!cJSON_IsObject(run))
            return false;
    return cJSON_IsArray(list);
}

/* The stored list, or a fresh one where that is none; NULL: no memory. */
static cJSON *load_history(const struct json_doc *doc)
{
    const char *raw = json_raw(doc, "history");
    cJSON *list = NULL;
    if (raw != NULL && strlen(raw) <= HISTORY_BYTES_MAX) {
        list = json_value(doc, "history");
        if (list == NULL && errno == ENOMEM)
            return NULL;
    }
    if (is_run_list(list))
        return list;
    cJSON_Delete(list);
    return cJSON_CreateArray();
}

/* Put the run (as JSON) behind the others and let the oldest go. */
static void add_to_history(struct json_doc *doc, const char *run)
{
    cJSON *list = load_history(doc);
    cJSON *item = list == NULL || run == NULL ? NULL : cJSON_CreateRaw(run);
    char *text = NULL;
    if (item != NULL && cJSON_AddItemToArray(list, item)) {
        for (int n = cJSON_GetArraySize(list); n > JOB_HISTORY_MAX; n--)
            cJSON_DeleteItemFromArray(list, 0);
        text = cJSON_PrintUnformatted(list);
    }
    json_set_raw(doc, "history", text);
    cJSON_free(text);
    cJSON_Delete(list);
}

static void record_history(struct json_doc *doc, const struct run *r, int number, enum fate fate)
{
    bool first = !json_has(doc, "history");
    struct buf text = BUF_INIT;
    buf_adds(&text, first ? "[" : "");
    print_run(r, number, fate, &text);
    buf_adds(&text, first ? "]" : "");
    if (first)
        json_set_text(doc, "history", &text);
    else
        add_to_history(doc, text.failed ? NULL : text.data);
    buf_release(&text);
}

static int one_more(int count, bool really)
{
    return really && count < MEMBER_COUNT_MAX ? count + 1 : count;
}

/* As a reader of the document gets it: malformed UTF-8 is mended there. */
static char *read_error(const struct json_doc *doc)
{
    cJSON *text = json_value(doc, "last_error");
    char *error = cJSON_IsString(text) ? strdup(text->valuestring) : NULL;
    cJSON_Delete(text);
    return error;
}

/* Document and struct, so that the two stay one (test_job.c and fuzz_jobs.c hold them to
 * it): what the readers would not take is not written. */
static void record_run(struct job *j, const struct run *r, enum fate fate, int64_t next_run_us)
{
    bool lost = r->outcome == OUTCOME_LOST;
    int64_t duration = r->duration_ms < DURATION_MAX_MS ? r->duration_ms : DURATION_MAX_MS;
    struct json_doc *doc = j->doc;
    record_history(doc, r, j->runs + 1, fate);
    j->lost_in_row = lost && fate != FATE_DEAD ? j->lost_in_row + 1 : 0;

    json_set_int(doc, "attempts", j->attempts = lost && r->attempt > 0 ? r->attempt - 1 : r->attempt);
    json_set_int(doc, "runs", j->runs = one_more(j->runs, true));
    record_int(doc, "lost", j->lost = one_more(j->lost, lost), 1);
    record_time(doc, "started_at", j->started_us = r->started_us);
    record_time(doc, "finished_at", j->finished_us = r->finished_us);
    record_int(doc, "duration_ms", j->duration_ms = duration, 0);
    record_int(doc, "exit_code", j->exit_code = r->exit_code, 0);
    record_int(doc, "signal", r->signal, 1);
    record_error(doc, r->error);
    json_set_string(doc, "worker", r->worker);
    text_copy(j->worker, sizeof j->worker, r->worker);
    record_time(doc, "next_run_at", j->next_run_us = next_run_us);
    record_time(doc, "updated_at", j->updated_us = r->finished_us);
}

/* In a copy: a worker without memory for it tries again until it is recorded, and half
 * a record would make the next try the second of its kind. */
int job_record(struct job *j, const struct run *r, enum fate fate, int64_t next_run_us)
{
    bool has_error = r->error != NULL && r->error[0] != '\0';
    struct job fresh = *j;
    fresh.doc = json_copy(j->doc);
    fresh.last_error = NULL;
    if (fresh.doc != NULL)
        record_run(&fresh, r, fate, next_run_us);
    if (fresh.doc != NULL && has_error)
        fresh.last_error = read_error(fresh.doc);
    if (fresh.doc == NULL || json_failed(fresh.doc) || (has_error && fresh.last_error == NULL)) {
        json_free(fresh.doc);
        free(fresh.last_error);
        return err_no_memory(NULL);
    }
    json_free(j->doc);
    free(j->last_error);
    *j = fresh;
    return 0;
}

static bool read_fate(const cJSON *run, enum fate *fate)
{
    const cJSON *word = cJSON_GetObjectItemCaseSensitive(run, "fate");
    for (size_t i = 0; i < FATE_COUNT && cJSON_IsString(word); i++)
        if (strcmp(word->valuestring, fates[i]) == 0) {
            *fate = (enum fate)i;
            return true;
        }
    return false;
}

/* attempts is not asked: a lost run does not count in it. */
bool job_has_result(const struct job *j, int64_t started_us, int attempt, const char *worker,
                    enum fate *fate, int64_t *next_run_us)
{
    if (j->started_us < 0 || j->started_us != started_us || strcmp(j->worker, worker) != 0)
        return false;
    cJSON *list = json_value(j->doc, "history");
    int n = cJSON_IsArray(list) ? cJSON_GetArraySize(list) : 0;
    const cJSON *last = n > 0 ? cJSON_GetArrayItem(list, n - 1) : NULL;
    const cJSON *of = cJSON_GetObjectItemCaseSensitive(last, "attempt");
    bool is_ours = cJSON_IsNumber(of) && of->valuedouble == attempt && read_fate(last, fate);
    cJSON_Delete(list);
    if (is_ours)
        *next_run_us = j->next_run_us;
    return is_ours;
}

int job_print_report(const struct job_report *r, int64_t now_us, struct buf *out)
{
    struct json_doc *doc = json_new();
    if (doc == NULL) {
        errno = ENOMEM;
        return -1;
    }
    json_set_string(doc, "id", r->id);
    json_set_string(doc, "quarantined", r->quarantined);
    json_set_string(doc, "dropped_as", r->dropped_as);
    record_error(doc, r->reason);
    json_set_string(doc, "advice", r->advice);
    record_time(doc, "created_at", now_us);
    record_time(doc, "updated_at", now_us);
    int rc = json_print(doc, out);
    json_free(doc);
    return rc;
}
