/* spool_open.h: what spool*.c share. */
#ifndef SPOOL_SPOOL_OPEN_H
#define SPOOL_SPOOL_OPEN_H

#include "spool/spool.h"

#define SPOOL_RESERVE_FILE ".reserve"

void spool_make_reserve(int root);
int spool_check_file_system(int root, const char *path, struct err *err);

/* ERR_BAD: it is another user's; what to do instead.  The second: we cannot even
 * look. */
int spool_not_ours(const char *path, uid_t owner, struct err *err);
int spool_closed_to_us(const char *path, uid_t owner, struct err *err);

#endif
