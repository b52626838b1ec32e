/* ids.c: the file in ids/ says that an id may be in use; the five folders say
 * whether it is.  A stale one (left by `rm done/x.json` or by a crash between
 * its making and the job's) is found by looking, under its lock. */
#include "queue/ids.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "spool/idlock.h"
#include "spool/scan.h"

#define SLOT (ID_MAX + 1)
#define RETRY_MS 5
#define ASK_EACH 3 /* reading and sorting a million names costs ten looks for one */
#define GRAIN_US (20 * US_PER_MS)

void id_set_release(struct id_set *set)
{
    free(set->text);
    *set = (struct id_set){0};
}

struct collect {
    struct id_set *set;
    enum dir d;
};

static int collect_id(const char *file, void *arg)
{
    struct collect *c = arg;
    struct id_set *set = c->set;
    struct name n;
    if (!name_parse(c->d, file, &n))
        return 0;
    if (set->count == set->cap) {
        size_t cap = set->cap ? 2 * set->cap : 1024;
        char *grown = realloc(set->text, cap * SLOT);
        if (!grown)
            return -1;
        set->text = grown;
        set->cap = cap;
    }
    text_copy(set->text + set->count++ * SLOT, SLOT, n.id);
    return 0;
}

static int compare_ids(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void begin(struct id_set *set)
{
    set->since_us = clock_wall_us();
    set->offset_us = set->since_us - clock_mono_us();
}

static int id_set_fill(struct id_set *set, const struct spool *sp)
{
    static const enum dir order[] = {DIR_PENDING, DIR_FAILED, DIR_PROCESSING};
    int64_t began_us = clock_mono_us();
    begin(set);
    set->count = 0;
    set->beside_batch = idlock_batch_lives(sp, set->own_batch);
    for (size_t i = 0; i < 3; i++) {
        struct collect c = {set, order[i]};
        if (scan_dir(sp, order[i], collect_id, &c) != 0)
            return -1;
    }
    if (set->count > 0)
        qsort(set->text, set->count, SLOT, compare_ids);
    set->known = true;
    set->took_us = clock_mono_us() - began_us;
    return 0;
}

static bool holds(const struct id_set *set, const char *id)
{
    return set->count > 0 && bsearch(id, set->text, set->count, SLOT, compare_ids);
}

int ids_has_job(struct queue *q, const char *id, struct id_set *set)
{
    enum dir state;
    char file[FILE_NAME_MAX + 1];
    if (set && set->asked++ == 0)
        begin(set);
    if (!set || (!set->known && set->asked <= ASK_EACH))
        return scan_find(q->spool, id, &state, file);
    int ended = scan_find_ended(q->spool, id, &state, file);
    if (ended != 0)
        return ended; /* the common case, without the set */
    if (!set->known && id_set_fill(set, q->spool) != 0)
        return -1;
    if (holds(set, id) && set->since_us <= set->needed_us + GRAIN_US &&
        id_set_fill(set, q->spool) != 0)
        return -1;
    if (holds(set, id))
        return 1;
    return scan_find_ended(q->spool, id, &state, file);
}

/* Was the id taken, by its making or a takeover, since the scan (or so shortly
 * before that the tick cannot tell)?  After the clock was set back no file's time
 * says that. */
static bool taken_since(int fd, const struct id_set *set)
{
    struct stat st;
    bool set_back = clock_wall_us() - clock_mono_us() < set->offset_us - GRAIN_US;
    return set_back || fstat(fd, &st) != 0 ||
           (int64_t)st.st_mtim.tv_sec * US_PER_SEC + st.st_mtim.tv_nsec / 1000 >=
               set->since_us - GRAIN_US;
}

/* The set may be too old to know: of a batch that has reserved its ids before the scan
 * and has published since, or of whoever took just this id since. */
static int ask_again(struct queue *q, const char *id, int fd, struct id_set *set)
{
    if (set->beside_batch && id_set_fill(set, q->spool) != 0)
        return -1;
    if (holds(set, id))
        return 1;
    return taken_since(fd, set) ? ids_has_job(q, id, NULL) : 0;
}

/* Without a file in ids/ (somebody removed it) the id of a job that runs or has ended is
 * still not free.  These folders are cheap to ask; one that waits is not looked for. */
static bool is_in_sight(struct queue *q, const char *id)
{
    enum dir state;
    char file[FILE_NAME_MAX + 1];
    return scan_find_in(q->spool, DIR_PROCESSING, id, file) != 0 ||
           scan_find_ended(q->spool, id, &state, file) != 0;
}

enum ids_claim ids_reserve(struct queue *q, const char *id, struct id_set *set,
                           const char *own_batch, int *fd, bool *fresh)
{
    bool made = false;
    enum idlock lock = idlock_take_new(q->spool, id, fd, &made);
    if (set)
        set->own_batch = own_batch;
    if (fresh)
        *fresh = made;
    if (lock == IDLOCK_ERROR)
        return IDS_ERROR;
    if (lock == IDLOCK_OWNED && made && !is_in_sight(q, id))
        return IDS_OWNED;
    /* Before the look: a batch that has ended has published. */
    bool batch = idlock_batch_lives(q->spool, own_batch);
    int found = ids_has_job(q, id, set);
    if (lock == IDLOCK_OWNED && found == 0 && !batch && set && set->known)
        found = ask_again(q, id, *fd, set);
    if (lock == IDLOCK_OWNED && found == 0 && !batch) {
        futimens(*fd, NULL); /* others' sets are too old from here on */
        return IDS_OWNED;
    }
    if (lock == IDLOCK_OWNED && made)
        idlock_forget(q->spool, id); /* it would say that nothing runs */
    if (lock == IDLOCK_OWNED)
        close(*fd);
    *fd = -1;
    return found < 0 ? IDS_UNSEEN : found ? IDS_IN_USE : IDS_BUSY;
}

int ids_lock(struct queue *q, const char *id, int64_t patience_ms, int *fd, struct err *err)
{
    int64_t until = clock_mono_us() + patience_ms * US_PER_MS;
    for (;;) {
        enum idlock lock = idlock_take(q->spool, id, fd, NULL);
        if (lock == IDLOCK_OWNED)
            return 0;
        if (lock == IDLOCK_ERROR)
            return idlock_error(q->spool, id, err);
        if (clock_mono_us() >= until)
            return err_set(err, ERR_BUSY, "%s is being run or moved just now; try again", id);
        poll(NULL, 0, RETRY_MS);
    }
}
