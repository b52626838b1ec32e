/* living.h: the ids of all runs of this spool whose processes live, from one look at
 * their environments; for asking about many ids.
 *
 * Somebody who restores, copies or drops hundreds of files whose ids/ID is missing
 * makes as many locks that do not know whether a run lives (idlock.h, unsure).  One
 * look answers for all of them: what began before a lock's file was made and lives
 * must be among those that lived after it was made, and what begins later has to get
 * that lock first. */
#ifndef QUEUE_LIVING_H
#define QUEUE_LIVING_H

#include "queue/queue.h"

struct living; /* in struct queue, NULL until the first question */

/* May a run of this id live, whose lock's file was made or doubted at made_us (wall
 * time)?  In doubt yes, and also where a look would be due that comes too soon after
 * the last, for what it costs: ask again. */
bool living_may_have(struct queue *q, const char *id, int64_t made_us);
void living_free(struct living *l);

#endif
