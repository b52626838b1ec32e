/* job.c: the life of a document outside its runs: read, changed by a flag or an
 * operator, accepted, printed.
 *
 * The document is the truth and the struct its reading: what changes the
 * document reads the struct anew (members_read_again), so the two cannot drift
 * apart.
 */
#include "job/job.h"

#include <string.h>

#include "base/clock.h"
#include "base/stamp.h"
#include "job/members.h"
#include "job/record.h"

int job_parse(struct job *j, const char *text, size_t n, bool *incomplete, struct err *err)
{
    struct job fresh = {.doc = json_parse(text, n, incomplete, err)};
    if (fresh.doc == NULL)
        return -1;
    if (members_read(&fresh, err) != 0) {
        json_free(fresh.doc);
        return -1;
    }
    if (members_check(&fresh, err) != 0) {
        job_release(&fresh);
        return -1;
    }
    *j = fresh;
    return 0;
}

void job_release(struct job *j)
{
    members_release(j);
    json_free(j->doc);
    j->doc = NULL;
}

int job_print(const struct job *j, struct buf *out)
{
    return json_print(j->doc, out);
}

/* {"NAME": RAW} as a document, NULL if that is not one member exactly. */
static struct json_doc *wrap(const char *name, const char *raw, struct err *err)
{
    struct buf text = BUF_INIT;
    buf_addc(&text, '{');
    json_add_string(&text, name, strlen(name));
    buf_addc(&text, ':');
    buf_adds(&text, raw);
    buf_addc(&text, '}');
    struct json_doc *doc = NULL;
    if (text.failed)
        err_no_memory(err);
    else if ((doc = json_parse(text.data, text.len, NULL, err)) != NULL && json_count(doc) != 1) {
        json_free(doc);
        doc = NULL;
        err_set(err, ERR_BAD, "more than one value");
    }
    buf_release(&text);
    return doc;
}

/* The text of j with one member changed. */
static int print_changed(const struct job *j, const char *member, const char *raw,
                         struct buf *out, struct err *err)
{
    struct buf text = BUF_INIT;
    struct json_doc *doc = NULL;
    if (json_print(j->doc, &text) == 0)
        doc = json_parse(text.data, text.len, NULL, NULL);
    buf_release(&text);
    if (doc == NULL)
        return err_no_memory(err);
    members_drop_excluded(doc, member);
    json_set_raw(doc, member, raw);
    int rc = json_print(doc, out);
    json_free(doc);
    return rc == 0 ? 0 : err_no_memory(err);
}

/* Of a member that is the user's own: no more is asked of it than that it is JSON. */
static int refuse_value(const char *member, const char *raw, struct err *err)
{
    struct buf shown = BUF_INIT;
    member_show_value(&shown, raw);
    err_set(err, ERR_BAD, "%s: %s is no JSON value", member, buf_str(&shown));
    buf_release(&shown);
    return -1;
}

int job_set(struct job *j, const char *member, const char *raw_json, struct err *err)
{
    const struct job_member *m = member_find(member);
    if (m != NULL && m->recorded)
        return err_set(err, ERR_BAD, "%s: is written by the queue alone", member);
    struct err why = ERR_INIT;
    struct json_doc *value = wrap(member, raw_json, &why);
    if (value == NULL && why.kind == ERR_SYSTEM)
        return err_no_memory(err);
    if (value == NULL)
        return m != NULL ? member_refuse(m, raw_json, err) : refuse_value(member, raw_json, err);

    struct job fresh;
    struct buf text = BUF_INIT;
    int rc = print_changed(j, member, json_raw(value, member), &text, err);
    if (rc == 0)
        rc = job_parse(&fresh, text.data, text.len, NULL, err);
    buf_release(&text);
    json_free(value);
    if (rc != 0)
        return -1;
    job_release(j);
    *j = fresh;
    return 0;
}

void job_unset(struct job *j, const char *member)
{
    json_remove(j->doc, member);
    if (members_read_again(j, NULL) != 0)
        json_set_raw(j->doc, member, NULL); /* no memory: printing must fail */
}

/* What stays where it is: the history of a job put back, and what is set anew
 * in its place. */
static bool is_kept(const char *name, bool keep_history)
{
    static const char *const stamps[] = {"created_at", "updated_at"};
    static const char *const past[] = {"runs", "lost", "history"};
    for (size_t i = 0; i < 2; i++)
        if (strcmp(name, stamps[i]) == 0)
            return true;
    for (size_t i = 0; i < 3 && keep_history; i++)
        if (strcmp(name, past[i]) == 0)
            return true;
    return false;
}

static void drop_recorded(struct json_doc *doc, bool keep_history)
{
    for (size_t i = 0; i < job_member_count; i++)
        if (job_members[i].recorded && !is_kept(job_members[i].name, keep_history))
            json_remove(doc, job_members[i].name);
}

static int refuse_report(const struct job *j, struct err *err)
{
    return j->is_report
               ? err_set(err, ERR_BAD, "is a report about a file in quarantine, and no job")
               : 0;
}

/* A copy that is put back later would wait again. */
static void settle_delay(struct job *j, int64_t now_us)
{
    if (j->delay_ms < 0)
        return;
    json_remove(j->doc, "delay");
    record_time(j->doc, "run_at", now_us + j->delay_ms * US_PER_MS);
}

int job_hand_over(struct job *j, const char *id, int64_t now_us, struct err *err)
{
    if (refuse_report(j, err) != 0)
        return -1;
    for (size_t i = 0; i < job_member_count; i++)
        if (job_members[i].recorded)
            json_remove(j->doc, job_members[i].name);
    json_set_string(j->doc, "id", id);
    settle_delay(j, now_us);
    return members_read_again(j, err);
}

int job_accept(struct job *j, const char *id, const struct settings *s, int64_t now_us,
               bool keep_history, struct err *err)
{
    if (refuse_report(j, err) != 0)
        return -1;
    drop_recorded(j->doc, keep_history);
    json_set_string(j->doc, "id", id);
    if (!j->has_priority)
        json_set_int(j->doc, "priority", s->priority);
    if (!j->has_max_retries)
        json_set_int(j->doc, "max_retries", s->max_retries);
    settle_delay(j, now_us);
    if (!keep_history || j->created_us < 0)
        record_time(j->doc, "created_at", now_us);
    record_time(j->doc, "updated_at", now_us);
    return members_read_again(j, err);
}

int64_t job_due(const struct job *j, int64_t now_us)
{
    if (j->delay_ms >= 0)
        return now_us + j->delay_ms * US_PER_MS;
    return j->run_at_us > now_us ? j->run_at_us : now_us;
}

void job_amend(struct job *j, int attempts, const char *last_error, int64_t next_run_us,
               int64_t now_us)
{
    json_set_int(j->doc, "attempts", attempts);
    record_error(j->doc, last_error);
    record_time(j->doc, "next_run_at", next_run_us);
    record_time(j->doc, "updated_at", now_us);
    if (members_read_again(j, NULL) != 0)
        json_set_raw(j->doc, "updated_at", NULL); /* no memory: printing must fail */
}

static bool is_plain_word(const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "%+,-./:=@_";
    return word[0] != '\0' && word[strspn(word, plain)] == '\0';
}

static void add_quoted(struct buf *out, const char *word)
{
    if (is_plain_word(word)) {
        buf_adds(out, word);
        return;
    }
    buf_addc(out, '\'');
    for (; *word != '\0'; word++) {
        if (*word == '\'')
            buf_adds(out, "'\\''");
        else
            buf_addc(out, *word);
    }
    buf_addc(out, '\'');
}

void job_describe(const struct job *j, struct buf *out)
{
    if (j->command != NULL)
        buf_adds(out, j->command);
    for (char **word = j->argv; word != NULL && *word != NULL; word++) {
        buf_adds(out, word == j->argv ? "" : " ");
        add_quoted(out, *word);
    }
    if (j->is_report) {
        buf_adds(out, "(no job: quarantine/");
        buf_adds(out, j->quarantined);
        buf_addc(out, ')');
    }
}
