/* find.c: looking again is the whole trick; see find.h. */
#include "queue/find.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "queue/quarantine.h"
#include "spool/file.h"
#include "spool/idlock.h"
#include "spool/scan.h"

#define LOOKS 8
#define LOOK_PAUSE_MS 2

int find_place(struct queue *q, const char *id, enum dir *state, char file[FILE_NAME_MAX + 1],
               struct err *err)
{
    if (!name_id_valid(id))
        return 0;
    for (int i = 0; i < LOOKS; i++) {
        int found = scan_find(q->spool, id, state, file);
        if (found < 0)
            return file_error(err, "look for", id, "read", *state, file);
        if (found || !idlock_exists(q->spool, id))
            return found;
        if (i > 0 && !idlock_is_held(q->spool, id))
            return 0; /* seen twice, and nobody moves it: a stale id */
        poll(NULL, 0, LOOK_PAUSE_MS);
    }
    return 0;
}

void found_release(struct found *f)
{
    job_release(&f->job);
    buf_release(&f->text);
}

static int unreadable(struct found *f, const char *why, struct err *err)
{
    f->job = (struct job){.last_error = strdup(why)};
    if (!f->job.last_error)
        return err_no_memory(err);
    text_copy(f->job.id, sizeof f->job.id, f->name.id);
    return 0;
}

/* What is no job's is no error; that we could not find out is one. */
static int parse(struct found *f, struct err *err)
{
    struct err bad = ERR_INIT;
    if (job_parse(&f->job, buf_str(&f->text), f->text.len, NULL, &bad) == 0)
        return 0;
    if (bad.kind == ERR_SYSTEM)
        return err_no_memory(err);
    return unreadable(f, bad.text, err);
}

int found_read(struct queue *q, struct found *f, struct err *err)
{
    struct file_seen seen;
    f->text = (struct buf)BUF_INIT;
    f->job = (struct job){0};
    if (!name_parse(f->state, f->file, &f->name))
        return err_set(err, ERR_BAD, "%s/%s is no job's name", dir_name(f->state), f->file);
    enum file_look look = file_inspect(q->spool, f->state, f->file, JSON_STORED_MAX, false,
                                       &f->text, &seen);
    f->st = seen.st;
    if (look == FILE_GONE) {
        buf_release(&f->text);
        return 1;
    }
    if (look == FILE_TROUBLE) {
        file_error(err, "look at", f->name.id, "read", f->state, f->file);
        buf_release(&f->text);
        return -1;
    }
    int r = look == FILE_OK ? parse(f, err) : unreadable(f, seen.why, err);
    if (r != 0)
        buf_release(&f->text);
    return r;
}

bool find_dropped(const struct queue *q, const char *id)
{
    struct stat st;
    struct name n = {0};
    char file[FILE_NAME_MAX + 1];
    if (!name_id_valid(id))
        return false;
    text_copy(n.id, sizeof n.id, id);
    name_format(DIR_DONE, &n, file); /* ID.json */
    return fstatat(q->spool->dir[DIR_PENDING], file, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

struct report_search {
    struct queue *q;
    const char *dropped_as;
    char prefix[ID_MAX + 1]; /* of the report's id: all but the inode */
    size_t len;
    int64_t changed; /* of the newest so far */
    char *report;
};

/* A prefix says little: an id may itself end in ".json-1f", and long names are cut. */
static bool is_about(const struct found *f, const char *dropped_as)
{
    cJSON *value = f->job.is_report ? json_value(f->job.doc, "dropped_as") : NULL;
    bool same = cJSON_IsString(value) && strcmp(value->valuestring, dropped_as) == 0;
    cJSON_Delete(value);
    return same;
}

static int match_report(const char *file, void *arg)
{
    struct report_search *s = arg;
    struct found f = {.state = DIR_DEAD};
    if (strncmp(file, s->prefix, s->len) != 0)
        return 0;
    text_copy(f.file, sizeof f.file, file);
    if (found_read(s->q, &f, NULL) != 0)
        return 0;
    if (is_about(&f, s->dropped_as) && (!*s->report || found_changed(&f) > s->changed)) {
        s->changed = found_changed(&f);
        text_copy(s->report, ID_MAX + 1, f.name.id);
    }
    found_release(&f);
    return 0;
}

bool find_report(struct queue *q, const char *id, char report[ID_MAX + 1])
{
    char file[FILE_NAME_MAX + 1], dropped_as[2 * FILE_NAME_MAX];
    struct report_search s = {.q = q, .dropped_as = dropped_as, .report = report};
    struct name n = {0};
    report[0] = '\0';
    if (!name_id_valid(id))
        return false;
    text_copy(n.id, sizeof n.id, id);
    name_format(DIR_DONE, &n, file);
    snprintf(dropped_as, sizeof dropped_as, "%s/%s", dir_name(DIR_PENDING), file);
    quarantine_report_id(file, 0, s.prefix);
    s.len = strlen(s.prefix) - 1;
    scan_dir(q->spool, DIR_DEAD, match_report, &s);
    return report[0] != '\0';
}

int find_no_job(struct queue *q, const char *id, const char *why, struct err *err)
{
    char report[ID_MAX + 1];
    if (!err)
        return -1;
    bool rejected = find_report(q, id, report);
    const char *then = rejected ? "; a file of that name was rejected: queuectl show " : "";
    /* Where jobs are hidden from us there is more to say than "none". */
    if (spool_hides_jobs(q->spool))
        return err_set(err, ERR_UNKNOWN, "no job \"%s\" in %s that you can see; it may be running "
                       "or waiting for a retry%s%s", id, q->spool->path, then, report);
    if (rejected)
        return err_set(err, ERR_UNKNOWN, "no job \"%s\"%s%s", id, then, report);
    return err_set(err, ERR_UNKNOWN, "no job \"%s\" in %s%s", id, q->spool->path, why);
}

static int not_found(struct queue *q, const char *id, struct err *err)
{
    if (find_dropped(q, id))
        return err_set(err, ERR_UNKNOWN, "%s lies in %s/%s/ and is not taken in yet", id,
                       q->spool->path, dir_name(DIR_PENDING));
    return find_no_job(q, id, "", err);
}

int find_job(struct queue *q, const char *id, struct found *out, struct err *err)
{
    for (int i = 0; i < LOOKS; i++) {
        int found = find_place(q, id, &out->state, out->file, err);
        if (found < 0)
            return -1;
        if (!found)
            break;
        int r = found_read(q, out, err);
        if (r <= 0)
            return r;
    }
    return not_found(q, id, err);
}

bool find_still(const struct queue *q, enum dir state, const char *file)
{
    struct stat st;
    return fstatat(q->spool->dir[state], file, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static void set_stamp(struct json_doc *doc, const char *member, int64_t us)
{
    char at[STAMP_ISO_LEN + 1];
    if (us < 0) {
        json_set_raw(doc, member, "null");
        return;
    }
    stamp_iso_format(us, at);
    json_set_string(doc, member, at);
}

static bool is_waiting(enum dir state)
{
    return state == DIR_PENDING || state == DIR_FAILED;
}

int find_json(struct queue *q, struct found *f, struct buf *out, struct err *err)
{
    struct json_doc *own = f->job.doc ? NULL : json_new();
    struct json_doc *doc = f->job.doc ? f->job.doc : own;
    const struct job *j = &f->job;
    bool ended = f->state == DIR_DONE || f->state == DIR_DEAD;
    if (!doc)
        return err_sys(err, "show", f->name.id);
    json_set_string(doc, "id", f->name.id);
    json_set_string(doc, "state", dir_name(f->state));
    json_set_int(doc, "priority", ended ? j->priority : f->name.priority);
    json_set_int(doc, "attempts", ended ? j->attempts : f->name.attempts);
    json_set_int(doc, "max_retries", j->has_max_retries ? j->max_retries : q->settings.max_retries);
    set_stamp(doc, "created_at", own ? -1 : j->created_us);
    set_stamp(doc, "updated_at", own || j->updated_us <= 0 ? found_changed(f) : j->updated_us);
    if (f->state == DIR_PROCESSING)
        set_stamp(doc, "started_at", f->name.time_us);
    set_stamp(doc, "next_run_at", is_waiting(f->state) && !f->name.held ? f->name.time_us : -1);
    if (own && j->last_error)
        json_set_string(doc, "last_error", j->last_error);
    int r = json_print(doc, out);
    json_free(own);
    return r == 0 ? 0 : err_sys(err, "show", f->name.id);
}

int64_t found_changed(const struct found *f)
{
    return (int64_t)f->st.st_mtim.tv_sec * 1000000 + f->st.st_mtim.tv_nsec / 1000;
}
