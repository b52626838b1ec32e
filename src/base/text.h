/* text.h: a short text put together in memory of the caller's, piece by piece: no
 * allocation, no stdio, so that it may be done between vfork and exec, and costs little
 * where it is done for each job.
 *
 *   char name[64];
 *   struct text t = text_in(name, sizeof name);
 *   text_adds(&t, "r");
 *   text_add_int(&t, run);
 *
 * It is a C string at any time; what does not fit is left out.
 */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stddef.h>
#include <stdint.h>

struct text {
    char *to;
    size_t size; /* of the caller's memory, 1 at least */
    size_t len;  /* so far, without the NUL */
};

/* A copy, as much of it as fits. */
void text_copy(char *to, size_t size, const char *from);

struct text text_in(char *to, size_t size);
void text_add(struct text *t, const char *bytes, size_t n);
void text_adds(struct text *t, const char *s);
void text_addc(struct text *t, char c);
void text_add_int(struct text *t, int64_t value);
void text_add_uint(struct text *t, uint64_t value);
/* With zeros in front, if it has fewer digits; 20 are the most. */
void text_add_digits(struct text *t, uint64_t value, size_t least);

#endif
