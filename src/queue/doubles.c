/* doubles.c: see doubles.h.
 *
 * Every change of a document writes updated_at anew, and nothing but being accepted
 * writes created_at: with the same id and created_at, the later updated_at is the later
 * state of the job.
 */
#include "queue/doubles.h"

#include <stdio.h>

#include "base/sys.h"
#include "queue/find.h"
#include "queue/journal.h"
#include "spool/file.h"
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
    snprintf(ended.file, sizeof ended.file, "%s", file);
    if (found_read(q, &ended, NULL) != 0)
        return d;
    if (ended.job.doc && ended.job.created_us == ours->created_us &&
        ended.job.updated_us != ours->updated_us)
        d = ended.job.updated_us > ours->updated_us ? DOUBLES_OLDER : DOUBLES_NEWER;
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
