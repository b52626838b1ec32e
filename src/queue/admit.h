/* admit.h: taking in what others dropped into pending/.
 *
 *   inspect it without harm; lock its id; write a copy of exactly the bytes that
 *   were parsed (with what the queue adds); own it by renaming it to a dot name
 *   with our token; sync the copy and exchange it in; rename to the canonical name;
 *   where the file system keeps no order (sys.h), sync that before the id is let go
 *
 * A crash leaves the foreign file, a dot name whose taker is dead (recover.h
 * puts it back), or the job. */
#ifndef QUEUE_ADMIT_H
#define QUEUE_ADMIT_H

#include "queue/queue.h"

#define ADMIT_BATCH 256          /* files that share a sync, at most: each holds a lock open */
#define ADMIT_UNCHANGED_MS 5000  /* not whole, nobody writing: no job */

/* A foreign file that is watched until its fate is known. */
struct dropped {
    const char *file;      /* its name in pending/ */
    int64_t age;           /* the order in which they are looked at: whoever keeps them says */
    int tries;             /* looks that said "not yet" */
    int64_t look_us;       /* monotonic: look again then */
    int64_t unchanged_us;  /* monotonic: size and mtime are the same since; 0: not seen */
    int64_t size;
    int64_t mtime_ns;
};

enum admit_fate {
    ADMIT_TAKEN,    /* it is in pending/ as `canonical` */
    ADMIT_GONE,     /* no longer there */
    ADMIT_REJECTED, /* it lies in quarantine/; why */
    ADMIT_LATER,    /* look again at look_us (set here) */
    ADMIT_STUCK,    /* trouble with this one (why), no verdict: look again at look_us */
    ADMIT_ERROR,    /* trouble that others will have too (why): look again at look_us */
    ADMIT_REFUSED   /* the same; the disk takes nothing more */
};

/* Each file's fate is told once, in whichever of the calls below it is known; from
 * then on the admission knows nothing of d.  links: it waits only for its second
 * name to go. */
typedef void admit_told(struct dropped *d, enum admit_fate fate, const char *canonical,
                        const char *why, bool links, void *arg);

/* Files on their way in, a batch at a time: add until it is full or there are no
 * more, sync, commit until it is done.  The caller may do other things between any two
 * calls, but must finish before the spool's folders are opened anew. */
struct admission;
struct admission *admit_open(struct queue *q, admit_told *tell, void *arg); /* NULL: no memory */
void admit_close(struct admission *a); /* none may be under way */

/* The steps up to the written copy.  False: the batch is full, d was not looked
 * at. */
bool admit_add(struct admission *a, struct dropped *d, int64_t mono_now_us);
bool admit_is_full(const struct admission *a);
size_t admit_waiting(const struct admission *a); /* how many wait for sync or commit */
/* Make durable what the batch did.  Changes nothing but what admit_commit() reads, so it
 * may run in a thread while no other call is made. */
void admit_sync(struct admission *a);
/* Rename the oldest one into its place.  ADMIT_SYNC: each has its place, and none may be
 * claimed before admit_sync() was called again: its result could reach the disk and what
 * became of the dropped file not, which would then come back beside it.  ADMIT_DONE: the
 * next batch may begin. */
enum admit_step { ADMIT_MORE, ADMIT_SYNC, ADMIT_DONE };
enum admit_step admit_commit(struct admission *a, int64_t mono_now_us);
/* Has it its place, and waits to be synced there?  Its fate will be told. */
bool admit_is_placed(const struct admission *a, const char *canonical);

/* Dot names in pending/ whose taker is dead get their own names back. */
int admit_put_back(struct queue *q, struct err *err);

#endif
