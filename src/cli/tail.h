/* tail.h: where the last lines of a file begin. */
#ifndef CLI_TAIL_H
#define CLI_TAIL_H

#include <stdint.h>
#include <sys/types.h>

/* The offset at which the last n lines begin (a last line without its newline
 * counts); 0 if there are fewer, or on trouble. */
off_t tail_offset(int fd, int64_t n);

#endif
