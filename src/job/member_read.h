/* member_read.h: how the value of a member is read into struct job: one reader a
 * kind of value, named by the rows of the table (job_members.c).
 *
 * A reader gives 0 and has filled *r->field; or EINVAL (not what the row accepts)
 * or ENOMEM, and what it has filled means nothing.  The memory of strings and
 * lists belongs to the job.  Private to job*.c.
 */
#ifndef JOB_MEMBER_READ_H
#define JOB_MEMBER_READ_H

#include "job/job.h"

/* One member on its way from the document into the struct. */
struct member_reading {
    const struct job_member *m;
    struct job *j;
    void *field;        /* of j, at m->offset */
    const cJSON *value; /* not null */
    const char *raw;    /* the same as it was written */
    const cJSON **bad;  /* out: the element of a list that does not fit */
};

/* char[ID_MAX + 1]: an id. */
int member_read_id(const struct member_reading *r);
/* char *: a string that is not empty; a path starts with "/". */
int member_read_string(const struct member_reading *r);
int member_read_path(const struct member_reading *r);
/* char **, NULL-terminated: arguments, the first not empty; "NAME=value". */
int member_read_argv(const struct member_reading *r);
int member_read_env(const struct member_reading *r);
/* Whole numbers within the row's bounds: int, int64_t. */
int member_read_int(const struct member_reading *r);
int member_read_ms(const struct member_reading *r);
/* The same, or one of the row's words; has_... follows. */
int member_read_priority(const struct member_reading *r);
int member_read_max_retries(const struct member_reading *r);
/* double, within the row's bounds. */
int member_read_fraction(const struct member_reading *r);
/* int64_t, milliseconds: a number of seconds; the same or text such as "5m". */
int member_read_seconds(const struct member_reading *r);
int member_read_duration(const struct member_reading *r);
/* int64_t, microseconds since 1970: text, or a number of seconds. */
int member_read_time(const struct member_reading *r);
/* bool: true or false; one of the row's words. */
int member_read_bool(const struct member_reading *r);
int member_read_policy(const struct member_reading *r);

/* Of what the queue writes.  char[TOKEN_MAX + 1]: a token. */
int member_read_worker(const struct member_reading *r);
/* char *: a name in quarantine/, and nothing that leads out of it. */
int member_read_quarantined(const struct member_reading *r);
/* int: how many runs at the end of the history were lost one after the other. */
int member_read_history(const struct member_reading *r);

/* Free a list of member_read_argv or _env; NULL is allowed. */
void member_free_list(char **list);

/* Where times end, in seconds since 1970: the year 10000. */
#define MEMBER_TIME_END INT64_C(253402300800)

#endif
