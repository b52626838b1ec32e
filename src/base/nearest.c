/* nearest.c: the Damerau-Levenshtein distance with adjacent letters swapped at
 * most once: a letter too many, too few, another, or two that changed places. */
#include "base/nearest.h"

#include <string.h>

#define WORD_MAX 32 /* longer words have no neighbours */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t distance(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    if (n > WORD_MAX || m > WORD_MAX)
        return WORD_MAX;
    size_t d[WORD_MAX + 1][WORD_MAX + 1];
    for (size_t i = 0; i <= n; i++)
        d[i][0] = i;
    for (size_t j = 0; j <= m; j++)
        d[0][j] = j;
    for (size_t i = 1; i <= n; i++)
        for (size_t j = 1; j <= m; j++) {
            size_t other = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            d[i][j] = least(other, 1 + least(d[i - 1][j], d[i][j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                d[i][j] = least(d[i][j], d[i - 2][j - 2] + 1);
        }
    return d[n][m];
}

void nearest_init(struct nearest *n, const char *typed)
{
    *n = (struct nearest){typed, NULL, WORD_MAX};
}

void nearest_offer(struct nearest *n, const char *candidate)
{
    size_t d = distance(n->typed, candidate);
    if (d < n->distance) {
        n->distance = d;
        n->best = candidate;
    }
}

const char *nearest_best(const struct nearest *n)
{
    /* One slip in a short word, three in a long one. */
    size_t allowed = 1 + strlen(n->typed) / 4;
    return n->best && n->distance <= least(allowed, 3) ? n->best : NULL;
}
