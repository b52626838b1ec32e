/* nearest.h: what somebody who mistyped a word may have meant. */
#ifndef BASE_NEAREST_H
#define BASE_NEAREST_H

#include <stddef.h>

struct nearest {
    const char *typed;
    const char *best;
    size_t distance;
};

void nearest_init(struct nearest *n, const char *typed);
void nearest_offer(struct nearest *n, const char *candidate);
/* NULL: nothing offered was near enough. */
const char *nearest_best(const struct nearest *n);

#endif
