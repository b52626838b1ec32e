/* jobtext.h: a job in words: cells of tables, and lines of a --format. */
#ifndef CLI_JOBTEXT_H
#define CLI_JOBTEXT_H

#include "base/buf.h"
#include "queue/find.h"

void jobtext_command(const struct found *f, struct buf *out);
int jobtext_priority(const struct found *f);
/* "1/4": attempts of at most max_retries + 1. */
void jobtext_attempts(const struct queue *q, const struct found *f, char out[32]);
int64_t jobtext_updated_us(const struct found *f);

/* The value of a member, as its bytes: strings decoded, all else as written;
 * nothing for NULL. */
void jobtext_value(const char *raw, struct buf *out);

/* '{id}\t{state}': {member}, {{ for a brace, \t \n \\. */
int jobtext_check_format(const char *format); /* -1: said; EXIT_USAGE */
void jobtext_format(const char *format, const struct json_doc *doc, struct buf *out);

#endif
