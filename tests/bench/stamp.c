/* stamp.c: a job that says when its first instruction ran.
 *
 *   stamp FILE [WORD]
 *
 * It appends one line to FILE, which may be a FIFO: nanoseconds of the monotonic
 * clock, nanoseconds of the wall clock, and the word.  Linked static: what a dynamic
 * linker does before main() is no part of a queue.
 */
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static long long now_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int main(int argc, char **argv)
{
    long long mono = now_ns(CLOCK_MONOTONIC), wall = now_ns(CLOCK_REALTIME);
    char line[300];
    if (argc < 2)
        return 2;
    int n = snprintf(line, sizeof line, "%lld %lld %.200s\n", mono, wall, argc > 2 ? argv[2] : "");
    int fd = open(argv[1], O_WRONLY | O_APPEND | O_CLOEXEC);
    if (fd < 0 || write(fd, line, (size_t)n) != n)
        return 1;
    return 0;
}
