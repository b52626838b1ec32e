/* drop.h: a job comes in from a member of a shared spool: as a file that the
 * owner's pool takes in (doc/PRODUCERS.md), since ids/ is closed to him.
 *
 *   write tmp/u, sync, rename to pending/ID.json (never over another), sync pending/
 *
 * A crash leaves litter in tmp/, or the dropped file, unacknowledged.  What a
 * member cannot see may still refuse it: a job of that id that runs or waits for
 * its retry, a user who is not trusted.  Then a report about it is in dead/. */
#ifndef QUEUE_DROP_H
#define QUEUE_DROP_H

#include "queue/queue.h"

/* For enqueue.c, whose rules hold: all or none, *bad the index of the one that the
 * error is about, ERR_EXISTS for an id that can be seen to be in use.  Of files
 * that a pool takes in before a later one fails, that cannot be kept.  The order
 * in which they run is the pool's. */
int drop_jobs(struct queue *q, struct job *jobs, size_t n, size_t *bad, struct err *err);
/* Fill in what would be dropped. */
int drop_dry(struct queue *q, struct job *job, struct err *err);

/* The last q->drops_kept drops (0 unless its opener says more) are remembered, each
 * with its file open for reading: so its inode number, which names the report, is
 * not used again, and its link count tells when it was taken in.  Where too many
 * files are open already, the number alone must do. */
struct drop;
void drops_free(struct drops *d); /* by queue_close */

/* The last one of this id, or NULL; valid until the next drop.  *at: where to begin
 * to look, and then where to go on. */
const struct drop *drop_find(const struct queue *q, const char *id, size_t *at);

/* 1 ended: done, or dead, which a refused one is too; 0 not yet; -1 errno. */
int drop_ended(struct queue *q, const struct drop *d, enum dir *state);

/* Was the drop of this id refused?  Then the id of the report. */
bool drop_refused(struct queue *q, const char *id, char report[ID_MAX + 1]);

#endif
