/* find.c: looking again is the whole trick; see find.h. */
#include "queue/find.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
            return err_sys(err, "look for", id);
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

static void unreadable(struct found *f, const char *why)
{
    f->job = (struct job){0};
    f->job.last_error = strdup(why);
    snprintf(f->job.id, sizeof f->job.id, "%s", f->name.id);
}

int found_read(struct queue *q, struct found *f, struct err *err)
{
    struct file_seen seen;
    struct err bad = ERR_INIT;
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
        err_sys(err, "read", f->file);
        buf_release(&f->text);
        return -1;
    }
    if (look != FILE_OK)
        unreadable(f, seen.why);
    else if (job_parse(&f->job, buf_str(&f->text), f->text.len, NULL, &bad) != 0)
        unreadable(f, bad.text);
    return 0;
}

bool find_dropped(const struct queue *q, const char *id)
{
    struct stat st;
    struct name n = {0};
    char file[FILE_NAME_MAX + 1];
    if (!name_id_valid(id))
        return false;
    snprintf(n.id, sizeof n.id, "%s", id);
    name_format(DIR_DONE, &n, file); /* ID.json */
    return fstatat(q->spool->dir[DIR_PENDING], file, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

struct report_search {
    char prefix[ID_MAX + 1];
    size_t len;
    char *report;
};

static int match_report(const char *file, void *arg)
{
    struct report_search *s = arg;
    struct name n;
    if (strncmp(file, s->prefix, s->len) != 0 || !name_parse(DIR_DEAD, file, &n))
        return 0;
    snprintf(s->report, ID_MAX + 1, "%s", n.id);
    return 1;
}

bool find_report(const struct queue *q, const char *id, char report[ID_MAX + 1])
{
    struct report_search s = {.report = report};
    struct name n = {0};
    char file[FILE_NAME_MAX + 1];
    snprintf(n.id, sizeof n.id, "%s", id);
    name_format(DIR_DONE, &n, file);
    quarantine_report_id(file, 0, s.prefix);
    s.len = strlen(s.prefix) - 1; /* all but the inode */
    return scan_dir(q->spool, DIR_DEAD, match_report, &s) == 1;
}

/* Where jobs are hidden from us there is more to say than "none". */
static int not_seen(struct queue *q, const char *id, struct err *err)
{
    char report[ID_MAX + 1];
    bool refused = name_id_valid(id) && find_report(q, id, report);
    return err_set(err, ERR_UNKNOWN, "no job \"%s\" in %s that you can see; it may be running or "
                   "waiting for a retry%s%s", id, q->spool->path,
                   refused ? "; a file of that name was refused: queuectl show " : "",
                   refused ? report : "");
}

static int not_found(struct queue *q, const char *id, struct err *err)
{
    if (spool_hides_jobs(q->spool) && !find_dropped(q, id))
        return not_seen(q, id, err);
    if (find_dropped(q, id))
        return err_set(err, ERR_UNKNOWN, "%s lies in %s/%s/ and is not taken in yet", id,
                       q->spool->path, dir_name(DIR_PENDING));
    return err_set(err, ERR_UNKNOWN, "no job \"%s\" in %s", id, q->spool->path);
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
