/* index.h: the names of waiting jobs that a pool knows, in the order to run.
 *
 *   ready: due now; by priority, then due time, then name (but see index_share)
 *   later: by the time they wake
 *
 * In memory only, made from scans and events; a name that is gone costs a
 * failed claim and no more.  Pure: times come in as arguments.
 */
#ifndef WORKER_INDEX_H
#define WORKER_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spool/name.h"

struct index;

struct index *index_new(void); /* NULL: no memory */
void index_free(struct index *x);
void index_clear(struct index *x);
void index_forget(struct index *x, enum dir d); /* all of one folder */

/* Add a waiting job's file, to be offered from wake_us on (wall time; at or
 * before now: ready).  One that is known already stays as it is.  False: no
 * memory. */
bool index_add(struct index *x, enum dir d, const char *file, const struct name *n,
               int64_t wake_us, int64_t now_us);
bool index_has(const struct index *x, enum dir d, const char *file);

/* Make ready what has woken. */
void index_wake(struct index *x, int64_t now_us);

/* Of so many pools this is the one with that rank (from 0), and takes its share first;
 * at the start there is one. */
void index_share(struct index *x, unsigned rank, unsigned pools);

/* Take the best ready one out; false: none.  file is copied.  there: is this name, of
 * another pool's share, there still? */
typedef bool index_there(enum dir d, const char *file, void *arg);
bool index_pop(struct index *x, enum dir *d, char file[FILE_NAME_MAX + 1], index_there *there,
               void *arg);
/* Look at it without taking it out. */
bool index_has_ready(const struct index *x);
/* Does the best ready one run before this one, which is not in the index? */
bool index_beats(const struct index *x, const struct name *n, const char *file);

/* The clock was set by so much: those of d that wait wake as long from now as
 * before. */
void index_shift(struct index *x, enum dir d, int64_t by_us);

/* When the next one wakes; INT64_MAX: none. */
int64_t index_next_wake(const struct index *x);

size_t index_count(const struct index *x);

/* A scan of d begins; after its end, names of d that it did not see (by
 * index_add or index_has) and that were known before it began are dropped. */
void index_scan_begin(struct index *x, enum dir d);
void index_scan_end(struct index *x, enum dir d);

#endif
