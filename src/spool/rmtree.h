/* rmtree.h: removing what somebody dropped, whatever it is.
 *
 * A folder goes with all that is in it.  No link is followed and no other file
 * system entered; two folders are open at a time, however deep it is.
 */
#ifndef SPOOL_RMTREE_H
#define SPOOL_RMTREE_H

#include "base/err.h"
#include "spool/spool.h"

/* Remove d/name; that it is gone already is success.  -1 and *err: what is left
 * lies under d/name still, folders in it perhaps under names of ours. */
int rmtree(struct spool *sp, enum dir d, const char *name, struct err *err);

#endif
