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
    snprintf(at, ID_MAX + 1, "%s", id);
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

/* Again, under the lock; a running job is its worker's to change. */
static int look_again(struct check *c, struct found *f)
{
    int lock;
    if (idlock_take(c->q->spool, f->name.id, &lock, NULL) != IDLOCK_OWNED)
        return 0;
    int r = found_read(c->q, f, c->err);
    if (r == 0) {
        judge_document(c, f);
        found_release(f);
    }
    close(lock);
    return r < 0 ? -1 : 0;
}

static int check_document(struct check *c, const char *file)
{
    struct found f = {.state = c->d};
    snprintf(f.file, sizeof f.file, "%s", file);
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
    int lock;
    if (live_is_alive(c->q->spool, n->token) ||
        idlock_take(c->q->spool, n->id, &lock, NULL) != IDLOCK_OWNED)
        return;
    if (is_there(c, DIR_PROCESSING, file))
        found(c, "lost-run", c->d, file,
              "its worker is dead; any pool recovers it: queuectl worker start");
    close(lock);
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
};

static int count_place(const char *file, void *arg)
{
    struct places *p = arg;
    struct name n;
    p->n += name_parse(p->d, file, &n) && strcmp(n.id, p->id) == 0;
    return 0;
}

static int count_places(struct check *c, const char *id)
{
    struct places p = {.id = id};
    for (int d = 0; d < STATE_COUNT; d++) {
        p.d = (enum dir)d;
        scan_dir(c->q->spool, p.d, count_place, &p);
    }
    return p.n;
}

static int find_doubles(struct check *c)
{
    char text[160];
    if (c->n > 0)
        qsort(c->ids, c->n, SLOT, compare_slots);
    for (size_t i = 1; i < c->n; i++) {
        const char *a = c->ids + (i - 1) * SLOT, *b = c->ids + i * SLOT;
        int lock;
        if (strcmp(a, b) != 0 || idlock_take(c->q->spool, a, &lock, NULL) != IDLOCK_OWNED)
            continue;
        int places = count_places(c, a);
        close(lock);
        if (places < 2)
            continue;
        snprintf(text, sizeof text, "%d files have this id (here and in %s/); keep one", places,
                 dir_name((enum dir)b[SLOT - 1]));
        found(c, "two-places", (enum dir)a[SLOT - 1], a, text);
    }
    return 0;
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

long fsck_run(struct queue *q, void (*visit)(const struct fsck_finding *, void *), void *arg,
              size_t *looked, struct err *err)
{
    struct check c = {.q = q, .visit = visit, .arg = arg, .err = err};
    int r = 0;
    for (int d = 0; d < STATE_COUNT && r == 0; d++) {
        c.d = (enum dir)d;
        r = scan_dir(q->spool, c.d, check_name, &c);
    }
    if (r == 0)
        r = find_doubles(&c);
    if (r == 0)
        r = scan_dir(q->spool, DIR_QUARANTINE, check_quarantined, &c);
    free(c.ids);
    free(c.quarantined);
    *looked = c.looked;
    if (r == 0)
        return c.findings;
    return err->kind ? -1 : err_sys(err, "check", q->spool->path);
}
