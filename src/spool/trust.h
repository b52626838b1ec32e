/* trust.h: whose files a spool runs.
 *
 * Whoever can put a file into pending/ runs commands as the workers' user.  So
 * these alone may: that user, root, the users named by allow-users, and the
 * members of the group named by allow-group, as the user database says.
 */
#ifndef SPOOL_TRUST_H
#define SPOOL_TRUST_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

#define TRUST_NAME_MAX 64 /* bytes of a user's or group's name */

struct trust;

struct trust *trust_new(void); /* nobody is named; NULL: no memory */
void trust_free(struct trust *t);

/* Name them: users as words with blanks or commas between, one group; names or
 * numbers, NULL or "" for none.  -1 ERR_BAD: one is not known here (the others are in
 * force), ERR_SYSTEM: the user database could not be asked (nothing has changed). */
int trust_set(struct trust *t, const char *users, const char *group, struct err *err);

/* Has anybody been named? */
bool trust_is_shared(const struct trust *t);
/* Is this the group whose members may enqueue? */
bool trust_is_group(const struct trust *t, gid_t gid);

/* May a file of this user be a job?  Asks the user database, and keeps its answer
 * for some seconds.  TRUST_UNKNOWN: it could not be asked now (errno), which is no
 * verdict on the file. */
enum trust_answer { TRUST_NO, TRUST_YES, TRUST_UNKNOWN };
enum trust_answer trust_owner(struct trust *t, uid_t uid);

/* The words of allow-users as they were set, with this user added, for a message. */
void trust_with_user(const struct trust *t, uid_t uid, char *out, size_t size);

/* "alice", or the number where the database has no name for it. */
void trust_user_name(uid_t uid, char out[TRUST_NAME_MAX + 1]);
void trust_group_name(gid_t gid, char out[TRUST_NAME_MAX + 1]);

/* By name or number; -1 as of trust_set. */
int trust_find_group(const char *name, gid_t *gid, struct err *err);

#endif
