/* arrival.h: the steps in which a job comes into pending/, for enqueue.c,
 * enqueue_unique.c and drop.c, in the order of this file.  Whoever fails behind _reserve
 * calls _undo; what is acknowledged was synced by _sync. */
#ifndef QUEUE_ARRIVAL_H
#define QUEUE_ARRIVAL_H

#include "queue/ids.h"
#include "queue/queue.h"
#include "spool/file.h"

struct arrival {
    char tmp[FILE_NAME_MAX + 1];
    char file[FILE_NAME_MAX + 1]; /* its name in pending/ */
    bool reserved;                /* ids/ID was made by us */
    bool written;                 /* tmp/ holds the document */
    bool published;
    int held;                     /* the document, open for its sync; -1: not */
};

int arrival_refuse_full(const struct queue *q, struct err *err);

/* Make the document the queue's, with a new id where it has none.  A second call
 * for one job changes its times only. */
int arrival_accept(struct queue *q, struct job *job, int64_t now, struct err *err);

/* The same id twice in one batch: *bad is the later one. */
int arrival_check_twins(const struct job *jobs, size_t n, size_t *bad, struct err *err);

/* The right to its id: *fd is the lock.  Waits a little while somebody has it who
 * may give it back; ERR_EXISTS, ERR_BUSY.  set, batch, fresh as in ids.h. */
int arrival_reserve(struct queue *q, const char *id, struct id_set *set, const char *batch,
                    int *fd, bool *fresh, struct err *err);
int arrival_refuse_id(const struct queue *q, enum ids_claim c, const char *id, struct err *err);

void arrival_name(const struct job *job, int64_t now, struct arrival *a);
int arrival_write(struct queue *q, const struct job *job, enum file_sure sure, struct arrival *a,
                  struct err *err);
/* Of one alone: in one commit where the file system allows that.  Afterwards
 * _let_go. */
int arrival_write_alone(struct queue *q, const struct job *job, struct arrival *a,
                        struct err *err);
int arrival_sync_alone(struct queue *q, const struct arrival *a, struct err *err);
void arrival_let_go(struct arrival *a);
/* Of many, written FILE_CACHED. */
int arrival_sync_written(struct queue *q, const struct arrival *a, size_t n, struct err *err);
int arrival_publish(struct queue *q, const struct job *job, struct arrival *a, struct err *err);
int arrival_sync(struct queue *q, struct err *err);

/* Nothing of it stays: the document, and the id if it is ours and no job's.  False: it
 * was published, and a worker has it; the caller says so by arrival_stays (-1). */
bool arrival_undo(struct queue *q, const struct job *job, struct arrival *a);
int arrival_stays(struct err *err, const char *what);

#endif
