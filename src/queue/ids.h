/* ids.h: getting the right to an id: for a new job, or for one that is there. */
#ifndef QUEUE_IDS_H
#define QUEUE_IDS_H

#include "queue/queue.h"

/* The ids that waiting and running files carry, from one scan: for looking up
 * many. */
struct id_set {
    char *text;      /* sorted, ID_MAX + 1 bytes each */
    size_t count, cap;
    bool known;      /* the scan was made */
    const char *own_batch; /* the caller's marker: see ids_reserve */
    bool beside_batch; /* it was made while another batch lived, which published since */
    unsigned asked;  /* looks that were made without it */
    int64_t since_us; /* wall time: when the scan, or the first look, began */
    int64_t offset_us; /* wall minus monotonic time, then */
    int64_t took_us;  /* the scan */
    int64_t needed_us; /* wall time, set by the caller: an older scan proves nothing (0: any) */
};
void id_set_release(struct id_set *set);
/* Is a job with this id there just now?  1, 0, -1 errno.  The set (may be NULL) is
 * filled by the calls that follow the first few, which look for just their id.  Of
 * a file moved here by hand an old scan still knows the name it had before: say in
 * needed_us since when it has its present one. */
int ids_has_job(struct queue *q, const char *id, struct id_set *set);

enum ids_claim {
    IDS_OWNED,  /* *fd is the lock: make the job, then close it */
    IDS_IN_USE, /* a job with this id is there */
    IDS_BUSY,   /* cannot tell just now: locked without a job, or a batch at work */
    IDS_UNSEEN, /* whether a job with this id is there: errno */
    IDS_ERROR   /* its lock: errno */
};

/* The right to make a job with this id.  An id without a job is stale and taken
 * over.  set: one scan serves many calls (its answer is as old as the scan: ask
 * only about ids that are locked here or by nobody).  own_batch: the marker of
 * our batch, or NULL. */
enum ids_claim ids_reserve(struct queue *q, const char *id, struct id_set *set,
                           const char *own_batch, int *fd, bool *fresh);

/* Lock the id of a job that is there, trying for at most patience_ms.
 * 0, or -1: ERR_BUSY, ERR_SYSTEM. */
int ids_lock(struct queue *q, const char *id, int64_t patience_ms, int *fd, struct err *err);

#endif
