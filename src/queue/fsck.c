/* fsck.c: a first pass over the names suspects, a second look under the job's
 * lock decides: in a queue at work, most of what looks wrong is only moving.
 *
 * An id without a job and a log without a job are no findings: `rm done/x.json`
 * is allowed and leaves both.
 */
#include "queue/fsck.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "queue/find.h"
#include "spool/file.h"
#include "spool/idlock.h"
#include "spool/live.h"
#include "spool/scan.h"

#define SLOT (ID_MAX + 2) /* an id and its state */

struct check {
    struct queue *q;
    void (*visit)(const struct fsck_finding *, void *);
    void *arg;
    struct err *err;
    long findings;
    size_t looked;
    enum dir d;
    char *ids; /* id, NUL, padding, state: for finding doubles */
    size_t n, cap;
    char *quarantined; /* names that reports speak of, one after another */
    size_t quarantined_len, quarantined_cap;
};

static void found(struct check *c, const char *code, enum dir d, const char *file,
                  const char *text)
{
    char place[FILE_NAME_MAX + 32];
    snprintf(place, sizeof place, "%s/%s", dir_name(d), file);
    struct fsck_finding f = {code, place, text};
    c->findings++;
    c->visit(&f, c->arg);
}

static bool is_there(struct check *c, enum dir d, const char *file)
{
    struct stat st;
    return fstatat(c->q->spool->dir[d], file, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static int note_id(struct check *c, const char *id)
{
    if (c->n == c->cap) {
        size_t cap = c->cap ? 2 * c->cap : 1024;
        char *grown = realloc(c->ids, cap * SLOT);
        if (!grown)
            return -1;
        c->ids = grown;
        c->cap = cap;
    }
    char *at = c->ids + c->n++ * SLOT;
    memset(at, 0, SLOT);
    text_copy(at, ID_MAX + 1, id);
    at[SLOT - 1] = (char)c->d;
    return 0;
}

static int note_quarantined(struct check *c, const char *name)
{
    size_t n = strlen(name) + 1;
    if (c->quarantined_len + n > c->quarantined_cap) {
        size_t cap = 2 * c->quarantined_cap + n + 4096;
        char *grown = realloc(c->quarantined, cap);
        if (!grown)
            return -1;
        c->quarantined = grown;
        c->quarantined_cap = cap;
    }
    memcpy(c->quarantined + c->quarantined_len, name, n);
    c->quarantined_len += n;
    return 0;
}

static bool has_report(const struct check *c, const char *name)
{
    for (size_t at = 0; at < c->quarantined_len; at += strlen(c->quarantined + at) + 1)
        if (strcmp(c->quarantined + at, name) == 0)
            return true;
    return false;
}

/* -- documents ----------------------------------------------------------- */

static void judge_document(struct check *c, const struct found *f)
{
    char text[2 * ID_MAX + 120];
    const struct job *j = &f->job;
    if (!j->doc)
        found(c, "bad-document", f->state, f->file, j->last_error ? j->last_error : "unreadable");
    else if (j->id[0] && strcmp(j->id, f->name.id) != 0) {
        snprintf(text, sizeof text, "its name says id \"%s\", its document \"%s\"; rename it",
                 f->name.id, j->id);
        found(c, "wrong-id", f->state, f->file, text);
    } else if (j->is_report && f->state != DIR_DEAD)
        found(c, "bad-document", f->state, f->file, "it is a report about a file, and no job");
}

static bool looks_wrong(const struct found *f)
{
    return !f->job.doc || (f->job.id[0] && strcmp(f->job.id, f->name.id) != 0) ||
           (f->job.is_report && f->state != DIR_DEAD);
}

/* The lock, or nothing: then somebody is at it.  A check leaves no id behind that
 * was not there. */
struct id_hold {
    const char *id;
    int fd;
    bool fresh;
};

static bool hold_id(struct check *c, const char *id, struct id_hold *h)
{
    h->id = id;
    if (geteuid() != c->q->spool->owner) { /* what root makes there its owner cannot open */
        h->fd = -1;
        h->fresh = false;
        return !idlock_is_held(c->q->spool, id);
    }
    return idlock_take(c->q->spool, id, &h->fd, &h->fresh) == IDLOCK_OWNED;
}

static void let_id_go(struct check *c, struct id_hold *h)
{
    if (h->fresh)
        idlock_forget(c->q->spool, h->id);
    if (h->fd >= 0)
        close(h->fd);
}

/* Again, under the lock; a running job is its worker's to change. */
static int look_again(struct check *c, struct found *f)
{
    struct id_hold h;
    if (!hold_id(c, f->name.id, &h))
        return 0;
    int r = found_read(c->q, f, c->err);
    if (r == 0) {
        judge_document(c, f);
        found_release(f);
    }
    let_id_go(c, &h);
    return r < 0 ? -1 : 0;
}

static int check_document(struct check *c, const char *file)
{
    struct found f = {.state = c->d};
    text_copy(f.file, sizeof f.file, file);
    int r = found_read(c->q, &f, c->err);
    if (r != 0)
        return r < 0 ? -1 : 0;
    bool wrong = looks_wrong(&f);
    if (f.job.is_report && f.job.quarantined)
        r = note_quarantined(c, f.job.quarantined);
    found_release(&f);
    return r == 0 && wrong ? look_again(c, &f) : r;
}

static void check_run(struct check *c, const struct name *n, const char *file)
{
    struct id_hold h;
    if (live_is_alive(c->q->spool, n->token) || !hold_id(c, n->id, &h))
        return;
    if (is_there(c, DIR_PROCESSING, file))
        found(c, "lost-run", c->d, file,
              "its worker is dead; any pool recovers it: queuectl worker start");
    let_id_go(c, &h);
}

static int check_name(const char *file, void *arg)
{
    struct check *c = arg;
    struct name n;
    c->looked++;
    if (file[0] == '.')
        return 0;
    if (!name_parse(c->d, file, &n)) {
        if (c->d != DIR_PENDING && is_there(c, c->d, file))
            found(c, "bad-name", c->d, file, "this is no job's name here; rename or remove it");
        return 0;
    }
    if (note_id(c, n.id) != 0)
        return err_sys(c->err, "check", file);
    if (c->d == DIR_PROCESSING)
        check_run(c, &n, file);
    return check_document(c, file);
}

/* -- doubles ------------------------------------------------------------- */

static int compare_slots(const void *a, const void *b)
{
    return memcmp(a, b, SLOT);
}

struct places {
    enum dir d;
    const char *id;
    int n;
    enum dir first, last; /* of the places */
    char file[FILE_NAME_MAX + 1];
};

static int count_place(const char *file, void *arg)
{
    struct places *p = arg;
    struct name n;
    if (!name_parse(p->d, file, &n) || strcmp(n.id, p->id) != 0)
        return 0;
    if (p->n++ == 0) {
        p->first = p->d;
        text_copy(p->file, sizeof p->file, file);
    }
    p->last = p->d;
    return 0;
}

static void check_double(struct check *c, const char *id)
{
    char text[160];
    struct id_hold h;
    struct places p = {.id = id};
    if (!hold_id(c, id, &h))
        return;
    for (int d = 0; d < STATE_COUNT; d++) {
        p.d = (enum dir)d;
        scan_dir(c->q->spool, p.d, count_place, &p);
    }
    let_id_go(c, &h);
    if (p.n < 2)
        return;
    snprintf(text, sizeof text, "%d files have this id (here and in %s/); keep one", p.n,
             dir_name(p.last));
    found(c, "two-places", p.first, p.file, text);
}

static void find_doubles(struct check *c)
{
    if (c->n > 0)
        qsort(c->ids, c->n, SLOT, compare_slots);
    for (size_t i = 1; i < c->n; i++) {
        const char *id = c->ids + i * SLOT;
        bool again = strcmp(id - SLOT, id) == 0;
        bool told = again && i > 1 && strcmp(id - 2 * SLOT, id) == 0;
        if (again && !told)
            check_double(c, id);
    }
}

static int check_quarantined(const char *file, void *arg)
{
    struct check *c = arg;
    c->looked++;
    if (!has_report(c, file))
        found(c, "unreported", DIR_QUARANTINE, file,
              "no report in dead/ speaks of it; remove it, or move it to pending/ once mended");
    return 0;
}

/* What stops commands and workers beside the jobs themselves. */
static void check_spool(struct check *c)
{
    struct err bad = ERR_INIT;
    struct fsck_finding f = {.place = c->q->spool->path};
    if (spool_check_trust(c->q->spool, &bad) != 0) {
        f.code = "untrusted";
        f.text = bad.text;
        c->findings++;
        c->visit(&f, c->arg);
    }
    if (c->q->settings_err.kind != ERR_NONE) {
        f.code = "bad-settings";
        f.place = SETTINGS_FILE;
        f.text = c->q->settings_err.text;
        c->findings++;
        c->visit(&f, c->arg);
    }
}

long fsck_run(struct queue *q, void (*visit)(const struct fsck_finding *, void *), void *arg,
              size_t *looked, struct err *err)
{
    struct check c = {.q = q, .visit = visit, .arg = arg, .err = err};
    int r = 0;
    check_spool(&c);
    for (int d = 0; d < STATE_COUNT && r == 0; d++) {
        c.d = (enum dir)d;
        r = scan_dir(q->spool, c.d, check_name, &c);
    }
    if (r == 0)
        find_doubles(&c);
    if (r == 0)
        r = scan_dir(q->spool, DIR_QUARANTINE, check_quarantined, &c);
    free(c.ids);
    free(c.quarantined);
    *looked = c.looked;
    if (r == 0)
        return c.findings;
    return err->kind ? -1 : err_sys(err, "check", q->spool->path);
}
