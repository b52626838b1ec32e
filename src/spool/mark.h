/* mark.h: the file .queue: the format of a spool, and how it knows that it is no
 * copy.  Private to what makes and opens spools.
 */
#ifndef SPOOL_MARK_H
#define SPOOL_MARK_H

#include <stdbool.h>

#include "base/err.h"

#define MARK_FILE ".queue"

/* Is there one in this folder? */
bool mark_is_there(int root);

/* Write it anew, synced, under this inode, host and boot.  Without replace, one
 * that is there already (another init was faster) is success.  -1 errno. */
int mark_write(int root, bool replace);

/* Let the root's group read it (it holds no secret), or nobody. */
int mark_share(int root);

/* Is it a spool of a format we know?  And, unless it is to be adopted, of this
 * host and no copy?  ERR_UNKNOWN: no spool. */
int mark_check(int root, bool adopt, const char *path, struct err *err);

#endif
