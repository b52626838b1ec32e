/* tail.c: backwards in blocks, so that a long log is not read whole. */
#include "cli/tail.h"

#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK 16384

struct search {
    int64_t lines;  /* newlines still to be passed */
    off_t size;
};

/* Looks at one block from its end: the offset behind the newline that is one too
 * many, or -1. The newline that ends the file ends its last line. */
static off_t search_block(struct search *s, const char *bytes, ssize_t n, off_t start)
{
    for (ssize_t i = n - 1; i >= 0; i--) {
        off_t here = start + i;
        if (bytes[i] == '\n' && here != s->size - 1 && --s->lines == 0)
            return here + 1;
    }
    return -1;
}

off_t tail_offset(int fd, int64_t n)
{
    struct stat st;
    char bytes[BLOCK];
    if (fstat(fd, &st) != 0)
        return 0;
    if (n == 0)
        return st.st_size;
    struct search s = {n, st.st_size};
    for (off_t end = st.st_size; end > 0;) {
        off_t start = end > BLOCK ? end - BLOCK : 0;
        ssize_t got = pread(fd, bytes, (size_t)(end - start), start);
        if (got <= 0)
            return 0;
        off_t found = search_block(&s, bytes, got, start);
        if (found >= 0)
            return found;
        end = start;
    }
    return 0;
}
