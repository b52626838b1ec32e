/* dropped.h: the set of dropped files whose fate is not known yet.
 *
 *   due: to be looked at now; the oldest first
 *   later: by the time of the next look (look_us)
 *
 * Adding, finding and taking cost O(log n) or less, so that a flood costs what
 * its files cost.  About 120 bytes a file, and its name.  Pure: times and ages
 * come in as arguments.
 */
#ifndef WORKER_DROPPED_H
#define WORKER_DROPPED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "queue/admit.h"

#define DROPPED_MAX 2000000 /* more are left to a scan that comes later */

struct dropped_set;

struct dropped_set *dropped_new(void); /* NULL: no memory */
void dropped_free(struct dropped_set *s);

/* Add a file, due now, of this age (any clock: smaller is older).  One that is
 * known becomes due and keeps its age.  False: no memory, or DROPPED_MAX. */
bool dropped_add(struct dropped_set *s, const char *file, int64_t age);
/* Make a known one due now; false: it is not known. */
bool dropped_wake(struct dropped_set *s, const char *file);
bool dropped_has(const struct dropped_set *s, const char *file);

/* Take the oldest due one out of the set, NULL if there is none: it is the
 * caller's, to put back or to forget.  An event that names it meanwhile adds it
 * anew. */
struct dropped *dropped_take(struct dropped_set *s, int64_t now_us);
/* Into the set again, until d->look_us.  Without memory, or if the name has been
 * added anew, d is forgotten; false: nobody will look at the name again. */
bool dropped_put_back(struct dropped_set *s, struct dropped *d);
void dropped_forget(struct dropped *d);

size_t dropped_count(const struct dropped_set *s);
/* When the next one is due: 0 is now, INT64_MAX never. */
int64_t dropped_next_us(const struct dropped_set *s);

#endif
