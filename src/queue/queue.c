/* queue.c: opening a queue. */
#include "queue/queue.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "queue/drop.h"
#include "queue/journal.h"
#include "queue/living.h"
#include "queue/recover.h"

/* That they could not be read for want of something that passes (memory,
 * descriptors) is no word on what they say: what was in force stays.  A file that is
 * closed to us is as good as bad: that does not pass. */
static bool is_passing(const struct err *err)
{
    return err->kind == ERR_SYSTEM && err->errnum != EACCES;
}

/* -1 and *err: nothing has changed.  What is bad in them is in settings_err. */
static int load_settings(struct queue *q, struct err *err)
{
    struct settings fresh;
    struct stat seen;
    struct err bad = ERR_INIT, unknown = ERR_INIT;
    if (fstatat(q->spool->root, SETTINGS_FILE, &seen, AT_SYMLINK_NOFOLLOW) != 0)
        seen = (struct stat){0};
    settings_load(q->spool->root, &fresh, &bad);
    if (!is_passing(&bad))
        trust_set(q->spool->trust, fresh.allow_users, fresh.allow_group, &unknown);
    if (is_passing(&bad) || is_passing(&unknown)) {
        *err = is_passing(&bad) ? bad : unknown;
        return -1;
    }
    q->settings = fresh;
    q->settings_seen = seen;
    q->settings_closed = bad.errnum == EACCES && q->spool->owner != geteuid();
    if (q->settings_closed)
        bad = (struct err)ERR_INIT;
    q->settings_err = bad.kind != ERR_NONE ? bad : unknown;
    return 0;
}

static int open_at(struct queue *q, const char *path, bool make, struct err *err)
{
    q->spool = spool_open(path, err);
    if (!q->spool && make && err->kind == ERR_UNKNOWN) {
        *err = (struct err)ERR_INIT;
        if (spool_init(path, NULL, err) != 0)
            return -1;
        q->spool = spool_open(path, err);
    }
    return q->spool ? 0 : -1;
}

static int check_trust(const struct queue *q, enum queue_use use, struct err *err)
{
    if (use == QUEUE_READ || (use == QUEUE_ENQUEUE && spool_is_member(q->spool)))
        return 0;
    if (use == QUEUE_READ_ALL)
        return spool_check_open(q->spool, err);
    if (use == QUEUE_CONFIGURE)
        return spool_check_root(q->spool, err);
    return spool_check_settings_file(q->spool, &q->settings_seen, SETTINGS_FILE, err) == 0
               ? spool_check_trust(q->spool, err)
               : -1;
}

/* ./spool was not named by anybody: somebody else's may have been put there to
 * receive our commands. */
static int check_named(const struct queue *q, const char *path, enum queue_use use,
                       struct err *err)
{
    const char *variable = getenv("QUEUECTL_SPOOL");
    char owner[TRUST_NAME_MAX + 1];
    if (path || (variable && *variable) || use < QUEUE_ENQUEUE || !spool_is_member(q->spool))
        return 0;
    trust_user_name(q->spool->owner, owner);
    return err_set(err, ERR_BAD, "./spool belongs to user %s, who would run the job; if that is "
                   "meant, name it: --spool ./spool", owner);
}

int queue_open(struct queue *q, const char *path, enum queue_use use, struct err *err)
{
    bool is_default;
    *q = (struct queue){.journal_fd = -1};
    char *place = spool_locate(path, &is_default, err);
    if (!place)
        return -1;
    int r = open_at(q, place, is_default && use >= QUEUE_ENQUEUE, err);
    free(place);
    if (r != 0)
        return -1;
    if (load_settings(q, err) != 0 || check_named(q, path, use, err) != 0 || check_trust(q, use, err) != 0) {
        queue_close(q);
        return -1;
    }
    return 0;
}

void queue_close(struct queue *q)
{
    drops_free(q->drops);
    q->drops = NULL;
    living_free(q->living);
    q->living = NULL;
    journal_close(q);
    spool_close(q->spool);
    q->spool = NULL;
}

static int adopt_spool(const char *path, struct err *err)
{
    struct queue q = {.journal_fd = -1};
    q.spool = spool_open_foreign(path, err);
    if (!q.spool)
        return -1;
    int r = load_settings(&q, err);
    if (r == 0)
        r = check_trust(&q, QUEUE_WRITE, err);
    if (r == 0)
        r = recover_adopt(&q, err);
    if (r == 0)
        r = spool_identify(q.spool, err);
    queue_close(&q);
    return r;
}

/* Who may write is open to see in the folders' modes; that it is meant is said
 * here.  A crash before leaves a spool that workers refuse. */
static int allow_group(const char *path, const char *group, struct err *err)
{
    struct spool *sp = spool_open_foreign(path, err);
    if (!sp)
        return -1;
    int r = settings_write(sp->root, "allow-group", group, err);
    spool_close(sp);
    return r;
}

int queue_init(const char *path, const char *group, bool adopt, char **made, struct err *err)
{
    bool is_default;
    char *place = path ? strdup(path) : spool_locate(NULL, &is_default, err);
    if (!place)
        return path ? err_sys(err, "make", path) : -1;
    int r = spool_init(place, group, err);
    if (r == 0 && group)
        r = allow_group(place, group, err);
    if (r == 0 && adopt)
        r = adopt_spool(place, err);
    struct spool *sp = r == 0 ? spool_open(place, err) : NULL;
    free(place);
    if (!sp)
        return -1;
    r = spool_check_open(sp, err);
    *made = r == 0 ? strdup(sp->path) : NULL;
    spool_close(sp);
    return r != 0 || *made ? r : err_sys(err, "make", "the spool");
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_size == b->st_size && a->st_mode == b->st_mode &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

int queue_check_settings(const struct queue *q, struct err *err)
{
    char owner[TRUST_NAME_MAX + 1];
    if (!q->settings_closed)
        return 0;
    trust_user_name(q->spool->owner, owner);
    return err_set(err, ERR_BAD, "%s/" SETTINGS_FILE " belongs to user %s and is closed to you; "
                   "run this as that user: sudo -u %s queuectl ...", q->spool->path, owner, owner);
}

int queue_refresh_settings(struct queue *q, struct err *err)
{
    struct stat now;
    if (fstatat(q->spool->root, SETTINGS_FILE, &now, AT_SYMLINK_NOFOLLOW) != 0)
        now = (struct stat){0};
    if (same_file(&now, &q->settings_seen))
        return 0;
    if (spool_check_settings_file(q->spool, &now, SETTINGS_FILE, err) != 0) {
        q->settings_seen = now; /* said once; the old ones stay in force */
        return -1;
    }
    if (load_settings(q, err) != 0)
        return -1;
    if (q->settings_err.kind == ERR_NONE)
        return 1;
    *err = q->settings_err;
    return -1;
}
