/* members.h: between the document and struct job.  Private to job*.c. */
#ifndef JOB_MEMBERS_H
#define JOB_MEMBERS_H

#include "job/job.h"

#define MEMBER_COUNT_MAX 1000000000 /* of runs */

/* Fill the struct from j->doc; j's other fields are overwritten, not freed.
 * On failure none of them holds memory. */
int members_read(struct job *j, struct err *err);

/* The same for a struct that is in use: -1 (ENOMEM, or ERR_BAD) leaves it as it
 * was. */
int members_read_again(struct job *j, struct err *err);

/* Free what members_read allocated; the document stays. */
void members_release(struct job *j);

/* Do the members fit together: nothing said twice, and something to run? */
int members_check(const struct job *j, struct err *err);

/* Pairs of which a document may hold one.  Of the first it needs one. */
extern const char *const members_exclusive[][2];
extern const size_t members_exclusive_count;

const struct job_member *member_find(const char *name);

/* Remove from the document what cannot stand beside this member. */
void members_drop_excluded(struct json_doc *doc, const char *name);

/* A value as a message shows it: on one line, and not all of a long one. */
void member_show_value(struct buf *out, const char *raw);

/* ERR_BAD: NAME: VALUE is no NOUN; use ACCEPTS. */
int member_refuse(const struct job_member *m, const char *raw, struct err *err);

#endif
