/* record.h: how the queue writes its members. Private to job*.c. */
#ifndef JOB_RECORD_H
#define JOB_RECORD_H

#include "job/json.h"

/* An ISO time; negative: the member goes. */
void record_time(struct json_doc *doc, const char *name, int64_t us);
/* last_error, cut to JOB_ERROR_MAX bytes at a character; NULL: it goes. */
void record_error(struct json_doc *doc, const char *text);

#endif
