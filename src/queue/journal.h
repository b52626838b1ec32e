/* journal.h: what happened, one JSON line an event, a file a UTC day.
 *
 *   {"at":"2026-11-22T03:15:00.250000Z","event":"done","id":"report","run":1,...}
 *
 * For history and charts; the truth never comes from it, so trouble writing it
 * is nobody's failure: an event that cannot be written is dropped.  A pool asks
 * now and then whether that is so, and says it once.
 */
#ifndef QUEUE_JOURNAL_H
#define QUEUE_JOURNAL_H

#include "queue/queue.h"

/* more: further members as JSON text (",\"run\":3") or "". */
void journal_event(struct queue *q, const char *event, const char *id, const char *more);
/* The same with one text member that may hold anything. */
void journal_note(struct queue *q, const char *event, const char *id, const char *member,
                  const char *text);
/* Can events of today be written?  -1: *err says what is in the way. */
int journal_check(struct queue *q, struct err *err);
void journal_close(struct queue *q);

#endif
