/* fuzz_jobs.c: documents that are jobs, through their life (src/job/job.h).
 *
 * Input: a document.  Asserted, after reading, accepting, each of a few runs, an
 * operator's word, a change of a member, handing over:
 *   - members the queue does not know have the same names, values and order, byte for
 *     byte; those of the producer say the same
 *   - parse(print(x)) == x, member for member of the struct
 *   - a result written is found again, for its run and no other
 *   - what is refused is as it was, with a reason of one line
 */
#include "fuzz.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/escape.h"
#include "job/job.h"
#include "job/members.h"

#define NOW INT64_C(1795317300250001)
#define TOKEN "0a1b2c3d-4711-99887766-deadbeef"

/* --- what a job says, as text --------------------------------------------------- */

static void add_list(struct buf *out, const char *name, char **list)
{
    buf_addf(out, "%s%s", name, list == NULL ? " none" : "");
    for (; list != NULL && *list != NULL; list++)
        buf_addf(out, " <%s>", *list);
    buf_addc(out, '\n');
}

/* What accepting and running it leave as it was. */
static void add_said(struct buf *out, const struct job *j)
{
    buf_addf(out, "command %s\ncwd %s\n", j->command ? j->command : "none", j->cwd ? j->cwd : "none");
    add_list(out, "argv", j->argv);
    add_list(out, "env", j->env);
    buf_addf(out, "backoff %a timeout %" PRId64 " detach %d on crash %d\n", j->backoff_base,
             j->timeout_ms, j->detach, j->crash_is_death);
}

static void add_rest(struct buf *out, const struct job *j)
{
    buf_addf(out, "id %s priority %d %d retries %d %d run_at %" PRId64 " delay %" PRId64 "\n", j->id,
             j->has_priority, j->priority, j->has_max_retries, j->max_retries, j->run_at_us,
             j->delay_ms);
    buf_addf(out, "report %d %s attempts %d runs %d lost %d in a row %d\n", j->is_report,
             j->quarantined ? j->quarantined : "", j->attempts, j->runs, j->lost, j->lost_in_row);
    buf_addf(out, "times %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 "\n",
             j->created_us, j->updated_us, j->started_us, j->finished_us, j->next_run_us,
             j->duration_ms);
    buf_addf(out, "exit %d worker %s error %s\n", j->exit_code, j->worker,
             j->last_error ? j->last_error : "");
}

/* The members that are the user's own. */
static void add_own(struct buf *out, const struct job *j)
{
    for (size_t i = 0; i < json_count(j->doc); i++)
        if (member_find(json_name(j->doc, i)) == NULL)
            buf_addf(out, "%s: %s\n", json_name(j->doc, i), json_raw_at(j->doc, i));
}

static char *all_of(const struct job *j)
{
    struct buf b = BUF_INIT;
    add_said(&b, j);
    add_rest(&b, j);
    add_own(&b, j);
    return buf_detach(&b);
}

static char *lasting_part_of(const struct job *j)
{
    struct buf b = BUF_INIT;
    add_said(&b, j);
    add_own(&b, j);
    return buf_detach(&b);
}

static void must_be(const char *when, char *got, const char *want)
{
    must(strcmp(got, want) == 0, "%s:\n%sinstead of:\n%s", when, got, want);
    free(got);
}

static char *print(const struct job *j, size_t *n)
{
    struct buf b = BUF_INIT;
    must(job_print(j, &b) == 0, "no memory");
    *n = b.len;
    return buf_detach(&b);
}

/* What was printed reads the same, and prints the same. */
static void check_again(const char *when, const struct job *j)
{
    struct job again;
    struct err err = ERR_INIT;
    size_t n, m;
    char *text = print(j, &n), *want = all_of(j);
    must(job_parse(&again, text, n, NULL, &err) == 0, "%s, is refused: %s\n%s", when, err.text, text);
    must_be(when, all_of(&again), want);
    must_be(when, print(&again, &m), text);
    job_release(&again);
    free(want);
    free(text);
}

static void must_fail_well(const struct err *err)
{
    must(err->kind == ERR_BAD && err->text[0] != '\0' && strchr(err->text, '\n') == NULL,
         "the error \"%s\"", err->text);
}

static bool parse(struct job *j, const char *text, size_t n)
{
    struct err err = ERR_INIT;
    if (job_parse(j, text, n, NULL, &err) == 0)
        return true;
    must_fail_well(&err);
    return false;
}

/* --- a life --------------------------------------------------------------------- */

/* Of characters of two bytes, so that some limit lies within one. */
static const char *some_error(void)
{
    static char text[1001];
    size_t n = 2 * (size_t)fuzz_pick(0, 499), from = (size_t)fuzz_pick(0, 1);
    text[0] = 'x';
    for (size_t i = 1; i < n; i += 2)
        memcpy(text + i, "\xC3\xA9", 3);
    return n == 0 ? NULL : text + from;
}

static struct run some_run(const struct job *j)
{
    int64_t start = fuzz_pick(0, NOW);
    return (struct run){
        .outcome = (enum outcome)fuzz_pick(OUTCOME_DONE, OUTCOME_CANCELLED),
        .attempt = (int)fuzz_pick(0, j->attempts + 1),
        .worker = TOKEN,
        .started_us = start,
        .finished_us = fuzz_pick(start, NOW),
        .duration_ms = fuzz_pick(0, INT64_C(1) << 50),
        .exit_code = (int)fuzz_pick(-1, 255),
        .signal = (int)fuzz_pick(0, 64),
        .timed_out = fuzz_pick(0, 1),
        .cpu_ms = fuzz_pick(-1, 1000000),
        .max_rss_kib = fuzz_pick(-1, 1000000),
        .output_cut = fuzz_pick(0, 10),
        .error = some_error(),
    };
}

static void check_result(const struct job *j, const struct run *r, enum fate fate, int64_t next)
{
    enum fate found = FATE_DONE;
    int64_t when = -2;
    must(job_has_result(j, r->started_us, r->attempt, TOKEN, &found, &when) && found == fate &&
         when == next, "the result of a run is not found: fate %d, not %d", found, fate);
    must(!job_has_result(j, r->started_us + 1, r->attempt, TOKEN, &found, &when) &&
         !job_has_result(j, r->started_us, r->attempt + 1, TOKEN, &found, &when) &&
         !job_has_result(j, r->started_us, r->attempt, "0a1b2c3d-1-1-deadbeef", &found, &when),
         "the result of a run is taken for another's");
}

static void check_run(struct job *j)
{
    struct run r = some_run(j);
    enum fate fate = job_fate(j, &r);
    int64_t next = fate == FATE_RETRY ? fuzz_pick(0, NOW) : -1;
    int runs = j->runs;
    must((r.outcome == OUTCOME_DONE) == (fate == FATE_DONE), "outcome %d, fate %d", r.outcome, fate);
    must(job_record(j, &r, fate, next) == 0, "no memory");
    must(j->runs == runs + 1, "run %d is number %d", runs + 1, j->runs);
    const char *error = j->last_error ? j->last_error : "";
    must(strncmp(error, r.error ? r.error : "", strlen(error)) == 0 &&
         utf8_valid(error, strlen(error), NULL), "the error became %s", error);
    check_result(j, &r, fate, next);
    check_again("after a run", j);
    cJSON *history = json_value(j->doc, "history");
    must(cJSON_GetArraySize(history) <= JOB_HISTORY_MAX, "the history is long");
    cJSON_Delete(history);
}

static void check_accept(const char *text, size_t n, bool keep_history)
{
    struct job j;
    struct settings s;
    struct err err = ERR_INIT;
    settings_init(&s);
    if (!parse(&j, text, n))
        return;
    char *lasting = lasting_part_of(&j);
    int64_t due = job_due(&j, NOW);
    bool report = j.is_report;
    int rc = job_accept(&j, "an-id", &s, NOW, keep_history, &err);
    must(report == (rc != 0), "%s: %s", report ? "a report is accepted" : "is refused", err.text);
    if (rc == 0) {
        must(strcmp(j.id, "an-id") == 0 && j.has_priority && j.has_max_retries && j.delay_ms < 0 &&
             j.updated_us == NOW && (keep_history || j.runs + j.attempts + j.lost == 0),
             "not accepted in full");
        must(job_due(&j, NOW) == due, "is due at another time");
        check_again("accepted", &j);
        for (int i = (int)fuzz_pick(0, 3); i > 0; i--)
            check_run(&j);
        must_be("after its life", lasting_part_of(&j), lasting);
        job_amend(&j, 0, some_error(), fuzz_pick(-1, NOW), NOW);
        must_be("amended", lasting_part_of(&j), lasting);
        check_again("amended", &j);
    }
    free(lasting);
    job_release(&j);
}

static void check_hand_over(const char *text, size_t n)
{
    struct job j;
    struct err err = ERR_INIT;
    if (!parse(&j, text, n))
        return;
    char *lasting = lasting_part_of(&j);
    if (job_hand_over(&j, "an-id", NOW, &err) == 0) {
        must_be("handed over", lasting_part_of(&j), lasting);
        check_again("handed over", &j);
    } else
        must_fail_well(&err);
    free(lasting);
    job_release(&j);
}

/* --- one member changed ---------------------------------------------------------- */

/* Is this the value alone, but for blanks around it? */
static bool is_all(const char *value, const char *raw)
{
    size_t n = strlen(value);
    raw += strspn(raw, " \t\r\n");
    return strncmp(raw, value, n) == 0 && raw[n + strspn(raw + n, " \t\r\n")] == '\0';
}

static void check_set(const char *name, const char *raw)
{
    static const char plain[] = "{\"a\": 1,\"command\":\"true\" , \"timeout\": 5, \"z\":[ ]}";
    struct job j;
    struct err err = ERR_INIT;
    size_t n;
    must(parse(&j, plain, sizeof plain - 1), "the plain job is none");
    char *before = print(&j, &n);
    if (job_set(&j, name, raw, &err) != 0) {
        must_fail_well(&err);
        must_be("refused", print(&j, &n), before);
    } else {
        must(json_has(j.doc, name) && json_count(j.doc) <= 5 && is_all(json_raw(j.doc, name), raw),
             "%s: %s is set otherwise", name, raw);
        must(strcmp(name, "a") == 0 || strcmp(json_raw(j.doc, "a"), "1") == 0, "a is lost");
        must(strcmp(name, "z") == 0 || strcmp(json_raw(j.doc, "z"), "[ ]") == 0, "z is lost");
        check_again("a member set", &j);
        job_unset(&j, name);
        must(!json_has(j.doc, name), "%s is still there", name);
    }
    free(before);
    job_release(&j);
}

static void check_members(const char *text, size_t n)
{
    struct json_doc *doc = json_parse(text, n, NULL, NULL);
    for (size_t i = 0; doc != NULL && i < json_count(doc) && i < 4; i++)
        check_set(json_name(doc, i), json_raw_at(doc, i));
    json_free(doc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_string(data, size);
    struct job j;
    fuzz_seed(data, size);
    if (parse(&j, text, size)) {
        check_again("read", &j);
        job_release(&j);
        check_accept(text, size, false);
        check_accept(text, size, true);
        check_hand_over(text, size);
    }
    check_members(text, size);
    check_set("timeout", text);
    check_set("note", text);
    free(text);
    return 0;
}
