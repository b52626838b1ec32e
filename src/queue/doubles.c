/* doubles.c: see doubles.h.
 *
 * Every change of a document writes updated_at anew, and nothing but being accepted
 * writes created_at: with the same id and created_at, the later updated_at is the later
 * state of the job.  One that was created after the other had ended came in its place.
 */
#include "queue/doubles.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sys.h"
#include "base/text.h"
#include "queue/find.h"
#include "queue/journal.h"
#include "queue/quarantine.h"
#include "spool/file.h"
#include "spool/idlock.h"
#include "spool/scan.h"

enum doubles doubles_compare(struct queue *q, const char *id, const struct job *ours,
                             enum dir *state, char file[FILE_NAME_MAX + 1])
{
    struct found ended;
    enum doubles d = DOUBLES_STRANGER;
    if (scan_find_ended(q->spool, id, state, file) != 1)
        return DOUBLES_NONE;
    if (ours->created_us < 0 || sys_keeps_order(q->spool->root))
        return d;
    ended.state = *state;
    text_copy(ended.file, sizeof ended.file, file);
    if (found_read(q, &ended, NULL) != 0)
        return d;
    if (ended.job.doc && ended.job.created_us == ours->created_us &&
        ended.job.updated_us != ours->updated_us)
        d = ended.job.updated_us > ours->updated_us ? DOUBLES_OLDER : DOUBLES_NEWER;
    else if (ended.job.doc && ended.job.updated_us >= 0 &&
             ours->created_us > ended.job.updated_us)
        d = DOUBLES_REPLACED;
    found_release(&ended);
    return d;
}

int doubles_remove(struct queue *q, enum dir state, const char *file, const char *id)
{
    if (file_remove(q->spool, state, file) != 0)
        return -1;
    journal_note(q, "older-state-removed", id, "was_in", dir_name(state));
    return 0;
}

int doubles_put_aside(struct queue *q, enum dir state, const char *file, struct err *err)
{
    struct misfit m = {state, file, "a newer job of this id took its place; a power cut brought "
                       "it back", MEND_ID};
    return quarantine_put(q, state, file, &m, err);
}

struct mending {
    struct queue *q;
    enum dir d;
};

/* Two names of one file: it was renamed from one to the other, and only the new name
 * reached the disk. */
static bool is_same_file(const struct spool *sp, enum dir a, const char *file_a, enum dir b,
                         const char *file_b)
{
    struct stat sa, sb;
    return fstatat(sp->dir[a], file_a, &sa, AT_SYMLINK_NOFOLLOW) == 0 &&
           fstatat(sp->dir[b], file_b, &sb, AT_SYMLINK_NOFOLLOW) == 0 && sa.st_ino == sb.st_ino;
}

/* The caller has the id's lock, and has seen `ended` under it, in `state`. */
static void mend_waiting(struct queue *q, const char *id, enum dir d, const char *file,
                         enum dir state, char ended[FILE_NAME_MAX + 1])
{
    struct found f = {.state = d};
    struct err err = ERR_INIT; /* what cannot be mended now is seen at the claim, and by fsck */
    if (is_same_file(q->spool, d, file, state, ended)) { /* retry, or --unique */
        doubles_remove(q, state, ended, id);
        return;
    }
    text_copy(f.file, sizeof f.file, file);
    if (found_read(q, &f, NULL) != 0)
        return;
    enum doubles which = doubles_compare(q, id, &f.job, &state, ended);
    if (which == DOUBLES_OLDER)
        doubles_remove(q, d, file, id);
    else if (which == DOUBLES_NEWER)
        doubles_remove(q, state, ended, id);
    else if (which == DOUBLES_REPLACED)
        doubles_put_aside(q, state, ended, &err);
    found_release(&f);
}

static int mend_one(const char *file, void *arg)
{
    struct mending *m = arg;
    struct spool *sp = m->q->spool;
    struct name n;
    enum dir state;
    char other[FILE_NAME_MAX + 1];
    int lock;
    if (!name_parse(m->d, file, &n))
        return 0;
    bool waits = m->d == DIR_PENDING || m->d == DIR_FAILED;
    bool twice = waits && scan_find_ended(sp, n.id, &state, other) == 1;
    if ((!twice && idlock_exists(sp, n.id)) || idlock_take(sp, n.id, &lock, NULL) != IDLOCK_OWNED)
        return 0; /* a run has it: its claim has looked */
    if (twice)
        mend_waiting(m->q, n.id, m->d, file, state, other);
    close(lock);
    return 0;
}

void doubles_mend(struct queue *q)
{
    struct mending m = {.q = q};
    if (sys_keeps_order(q->spool->root))
        return;
    for (int d = 0; d < STATE_COUNT; d++) {
        m.d = (enum dir)d;
        scan_dir(q->spool, m.d, mend_one, &m);
    }
}
