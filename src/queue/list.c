/* list.c: names first, documents only of what is shown.
 *
 * All folders are read before anything is shown, in the order a job runs through
 * them, so that one that moves on meanwhile is seen in the later place.  An
 * entry whose file is gone when it is opened has moved on: if a later folder's
 * list has it, it is shown there, else it is looked up again; once.
 *
 * Of a million names only the first are kept where a limit allows it: some more than
 * will be shown, and whatever sorts behind the last of these is not even parsed.
 */
#include "queue/list.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/stamp.h"
#include "base/text.h"
#include "spool/scan.h"

#define KEPT_MORE 256 /* than the limit: some may have moved on when they are shown */

struct entry {
    char *file;
    int64_t key; /* sorts ascending */
    int priority;
};

struct entries {
    struct entry *item;
    size_t n, cap;
    size_t keep; /* 0: all; else the first so many, item[keep - 1] the last of them */
    bool pruned; /* the rest was dropped */
    enum dir d;
    const struct queue *q;
    const struct list_filter *f;
    int64_t now;
};

struct listing {
    struct queue *q;
    const struct list_filter *f;
    int (*visit)(struct found *, void *);
    void *arg;
    struct err *err;
    size_t shown;
    struct entries *entries;   /* of each state */
    char (*moved)[ID_MAX + 1]; /* shown where they went: not to be shown again */
    size_t moved_n;
};

static const struct {
    const char *word;
    enum list_part part;
    enum dir state;
} words[] = {
    {"pending", LIST_STATE, DIR_PENDING},   {"processing", LIST_STATE, DIR_PROCESSING},
    {"failed", LIST_STATE, DIR_FAILED},     {"done", LIST_STATE, DIR_DONE},
    {"completed", LIST_STATE, DIR_DONE},    {"dead", LIST_STATE, DIR_DEAD},
    {"scheduled", LIST_SCHEDULED, DIR_PENDING}, {"ready", LIST_READY, DIR_PENDING},
    {"held", LIST_HELD, DIR_PENDING},
};

bool list_filter_parse(const char *word, struct list_filter *f)
{
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(word, words[i].word) == 0) {
            f->part = words[i].part;
            f->state = words[i].state;
            return true;
        }
    return false;
}

static bool wants_state(const struct list_filter *f, enum dir d)
{
    switch (f->part) {
    case LIST_ALL:
        return true;
    case LIST_STATE:
        return f->state == d;
    case LIST_SCHEDULED:
    case LIST_READY:
        return d == DIR_PENDING;
    case LIST_HELD:
        return d == DIR_PENDING || d == DIR_FAILED;
    }
    return false;
}

bool list_is_partial(const struct queue *q, const struct list_filter *f)
{
    for (int d = 0; d < STATE_COUNT; d++)
        if (wants_state(f, (enum dir)d) && spool_is_closed(q->spool, (enum dir)d))
            return true;
    return false;
}

static bool wants_name(const struct list_filter *f, const struct name *n, int64_t now)
{
    switch (f->part) {
    case LIST_SCHEDULED:
        return !n->held && n->time_us > now;
    case LIST_READY:
        return !n->held && n->time_us <= now;
    case LIST_HELD:
        return n->held;
    default:
        return true;
    }
}

/* Done and dead: newest first, by the moment of the last rename (ctime).  Asked
 * for only where they are shown. */
static int64_t ended_key(const struct entries *e, const char *file)
{
    struct stat st;
    if (fstatat(e->q->spool->dir[e->d], file, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return INT64_MAX;
    return -((int64_t)st.st_ctim.tv_sec * INT64_C(1000000000) + st.st_ctim.tv_nsec);
}

/* What is due now goes by priority and time; what is later or held by time. */
static int run_order(const struct entry *a, const struct entry *b, int64_t now)
{
    bool a_due = a->key <= now, b_due = b->key <= now;
    if (a_due != b_due)
        return a_due ? -1 : 1;
    if (a_due && a->priority != b->priority)
        return a->priority > b->priority ? -1 : 1;
    return 0;
}

/* qsort(3) has no argument for it; a thread each, as queuectl.h promises. */
static _Thread_local int64_t order_now;

static int compare_waiting(const void *x, const void *y)
{
    const struct entry *a = x, *b = y;
    int order = run_order(a, b, order_now);
    if (order)
        return order;
    return a->key != b->key ? (a->key < b->key ? -1 : 1) : strcmp(a->file, b->file);
}

static int compare_time(const void *x, const void *y)
{
    const struct entry *a = x, *b = y;
    return a->key != b->key ? (a->key < b->key ? -1 : 1) : strcmp(a->file, b->file);
}

static int compare(const struct entries *e, const struct entry *a, const struct entry *b)
{
    order_now = e->now;
    return e->d == DIR_PENDING ? compare_waiting(a, b) : compare_time(a, b);
}

static void sort_by_name(struct entries *e)
{
    order_now = e->now;
    if (e->n > 0)
        qsort(e->item, e->n, sizeof *e->item,
              e->d == DIR_PENDING ? compare_waiting : compare_time);
}

static bool has_ended(const struct entries *e)
{
    return e->d == DIR_DONE || e->d == DIR_DEAD;
}

static void sort_entries(struct entries *e)
{
    for (size_t i = 0; i < e->n && has_ended(e); i++)
        e->item[i].key = ended_key(e, e->item[i].file);
    sort_by_name(e);
}

static void prune(struct entries *e)
{
    sort_by_name(e);
    while (e->n > e->keep)
        free(e->item[--e->n].file);
    e->pruned = true;
}

/* Without parsing it: of the priority of the last one that is kept, but later. */
static bool is_behind(const struct entries *e, const char *file)
{
    const char *last = e->item[e->keep - 1].file;
    const char *priority = last + STAMP_NAME_LEN; /* ".p0.": see name.h */
    if (e->item[e->keep - 1].key == INT64_MAX || strncmp(file, last, STAMP_NAME_LEN) <= 0 ||
        strnlen(file, STAMP_NAME_LEN) < STAMP_NAME_LEN)
        return false;
    size_t n = strcspn(priority + 1, ".") + 2;
    return strncmp(file + STAMP_NAME_LEN, priority, n) == 0;
}

static bool make_room(struct entries *e)
{
    if (e->n < e->cap)
        return true;
    size_t cap = e->cap ? 2 * e->cap : 256;
    struct entry *grown = realloc(e->item, cap * sizeof *grown);
    if (!grown)
        return false;
    e->item = grown;
    e->cap = cap;
    return true;
}

static int add_entry(const char *file, void *arg)
{
    struct entries *e = arg;
    struct name n;
    if ((e->pruned && is_behind(e, file)) || !name_parse(e->d, file, &n) ||
        !wants_name(e->f, &n, e->now))
        return 0;
    struct entry one = {NULL, n.held ? INT64_MAX : n.time_us, n.priority};
    if (e->pruned) {
        one.file = (char *)file; /* only to compare */
        if (compare(e, &one, &e->item[e->keep - 1]) > 0)
            return 0;
    }
    one.file = make_room(e) ? strdup(file) : NULL;
    if (!one.file)
        return -1;
    e->item[e->n++] = one;
    if (e->keep > 0 && e->n >= 2 * e->keep)
        prune(e);
    return 0;
}

static bool was_moved(const struct listing *l, const char *id)
{
    for (size_t i = 0; i < l->moved_n; i++)
        if (strcmp(l->moved[i], id) == 0)
            return true;
    return false;
}

static void note_moved(struct listing *l, const char *id)
{
    void *grown = realloc(l->moved, (l->moved_n + 1) * sizeof *l->moved);
    if (!grown)
        return;
    l->moved = grown;
    text_copy(l->moved[l->moved_n++], sizeof *l->moved, id);
}

static bool wants_job(const struct list_filter *f, const struct found *job)
{
    if (f->error_text && (!job->job.last_error || !strstr(job->job.last_error, f->error_text)))
        return false;
    if (f->older_than_us == 0)
        return true;
    int64_t at = job->job.updated_us > 0 ? job->job.updated_us : found_changed(job);
    return at < f->older_than_us;
}

static int show(struct listing *l, struct found *job)
{
    int r = 0;
    if (wants_job(l->f, job)) {
        l->shown++;
        r = l->visit(job, l->arg);
    }
    found_release(job);
    return r;
}

/* Is this id in the list of a later state? */
static bool is_listed_later(const struct listing *l, enum dir d, const char *id)
{
    for (int later = d + 1; later < STATE_COUNT; later++)
        for (size_t i = 0; i < l->entries[later].n; i++) {
            struct name n;
            const char *file = l->entries[later].item[i].file;
            if (strstr(file, id) && name_parse((enum dir)later, file, &n) &&
                strcmp(n.id, id) == 0)
                return true;
        }
    return false;
}

/* One that moved on since its folder was read. */
static int show_moved(struct listing *l, enum dir d, const char *id)
{
    struct found job;
    struct err none = ERR_INIT;
    if (l->f->part != LIST_ALL || is_listed_later(l, d, id) || find_job(l->q, id, &job, &none) != 0)
        return 0;
    note_moved(l, id);
    return show(l, &job);
}

static int show_entry(struct listing *l, enum dir d, const char *file)
{
    struct found job = {.state = d};
    text_copy(job.file, sizeof job.file, file);
    if (!name_parse(d, file, &job.name) || was_moved(l, job.name.id))
        return 0;
    int r = found_read(l->q, &job, l->err);
    if (r < 0)
        return -1;
    return r == 0 ? show(l, &job) : show_moved(l, d, job.name.id);
}

static bool enough(const struct listing *l)
{
    return l->f->limit > 0 && l->shown >= l->f->limit;
}

static int show_all(struct listing *l, struct entries *e)
{
    sort_entries(e);
    int r = 0;
    for (size_t i = 0; i < e->n && r == 0 && !enough(l); i++)
        r = show_entry(l, e->d, e->item[i].file);
    return r;
}

static void entries_release(struct entries *e)
{
    for (size_t i = 0; i < e->n; i++)
        free(e->item[i].file);
    free(e->item);
}

static int read_entries(struct listing *l, enum dir d, int64_t now, struct entries *e)
{
    *e = (struct entries){.d = d, .q = l->q, .f = l->f, .now = now};
    if (!wants_state(l->f, d))
        return 0;
    /* By name alone it is known neither when a job ended nor what its document says. */
    if (l->f->limit > 0 && !has_ended(e) && !l->f->error_text && l->f->older_than_us == 0)
        e->keep = l->f->limit + KEPT_MORE;
    return scan_dir(l->q->spool, d, add_entry, e) == 0 ? 0 : err_sys(l->err, "read", dir_name(d));
}

int list_jobs(struct queue *q, const struct list_filter *f,
              int (*visit)(struct found *job, void *arg), void *arg, struct err *err)
{
    static const enum dir shown[] = {DIR_PROCESSING, DIR_PENDING, DIR_FAILED, DIR_DONE, DIR_DEAD};
    struct listing l = {.q = q, .f = f, .visit = visit, .arg = arg, .err = err};
    struct entries e[STATE_COUNT] = {0};
    int64_t now = clock_wall_us();
    int r = 0;
    l.entries = e;
    for (int d = 0; d < STATE_COUNT && r == 0; d++)
        r = read_entries(&l, (enum dir)d, now, &e[d]);
    for (size_t i = 0; i < STATE_COUNT && r == 0 && !enough(&l); i++)
        r = show_all(&l, &e[shown[i]]);
    for (int d = 0; d < STATE_COUNT; d++)
        entries_release(&e[d]);
    free(l.moved);
    return r;
}

/* -- counts -------------------------------------------------------------- */

struct counting {
    struct counts *c;
    enum dir d;
    int64_t now;
};

static int count_name(const char *file, void *arg)
{
    struct counting *k = arg;
    struct name n;
    if (name_parse(k->d, file, &n)) {
        k->c->state[k->d]++;
        k->c->held += n.held;
        k->c->scheduled += k->d == DIR_PENDING && !n.held && n.time_us > k->now;
    } else if (k->d == DIR_PENDING && name_is_foreign(file)) {
        k->c->state[k->d]++;
        k->c->foreign++;
    }
    return 0;
}

int list_count(struct queue *q, struct counts *c, struct err *err)
{
    *c = (struct counts){0};
    for (int d = 0; d < STATE_COUNT; d++) {
        struct counting k = {c, (enum dir)d, clock_wall_us()};
        if (scan_dir(q->spool, (enum dir)d, count_name, &k) != 0)
            return err_sys(err, "read", dir_name((enum dir)d));
    }
    return 0;
}
