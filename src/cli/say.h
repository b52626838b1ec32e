/* say.h: one line on stderr, "queuectl: ...", with whatever came from elsewhere
 * escaped. */
#ifndef CLI_SAY_H
#define CLI_SAY_H

#include "base/err.h"

void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The error, and the exit code that belongs to its kind. */
int say_error(const struct err *e);
int say_error_of(const struct err *e, const char *what); /* "what: error" */
int say_no_memory(void);

/* In quotes for the shell: for a command that is to be copied. */
struct buf;
void say_add_word(struct buf *out, const char *word);

#endif
