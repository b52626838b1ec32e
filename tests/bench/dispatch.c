/* dispatch.c: from the start of a command to the first instruction of a job.
 *
 *   dispatch FIFO ROUNDS PAUSE_MS PROGRAM [ARG ...]
 *
 * In each round the program is started, which must sooner or later lead to one line
 * of stamp.c in the FIFO; the nanoseconds between the two are printed.  Then the
 * program is waited for, and a pause lets everybody come to rest.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define GIVES_UP_MS 30000

extern char **environ;

static void give_up(const char *what, int errnum)
{
    fprintf(stderr, "dispatch: %s: %s\n", what, strerror(errnum));
    exit(1);
}

static long long now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static long long read_stamp(int fd)
{
    char line[300], *end;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    if (poll(&p, 1, GIVES_UP_MS) != 1)
        give_up("no job has run", ETIMEDOUT);
    ssize_t n = read(fd, line, sizeof line - 1);
    if (n <= 0)
        give_up("read", errno);
    line[n] = '\0';
    long long stamp = strtoll(line, &end, 10);
    if (end == line)
        give_up(line, EINVAL);
    return stamp;
}

static long long one_round(int fd, char *const *argv)
{
    posix_spawn_file_actions_t files;
    pid_t pid;
    int status;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    long long begun = now_ns();
    int r = posix_spawnp(&pid, argv[0], &files, NULL, argv, environ);
    if (r != 0)
        give_up(argv[0], r);
    long long took = read_stamp(fd) - begun;
    if (waitpid(pid, &status, 0) != pid || status != 0)
        give_up("the command failed", ECHILD);
    posix_spawn_file_actions_destroy(&files);
    return took;
}

int main(int argc, char **argv)
{
    if (argc < 5)
        give_up("usage: dispatch FIFO ROUNDS PAUSE_MS PROGRAM [ARG ...]", EINVAL);
    /* A writer of our own keeps the FIFO from ending. */
    int fd = open(argv[1], O_RDWR | O_CLOEXEC);
    if (fd < 0)
        give_up(argv[1], errno);
    long pause_ms = strtol(argv[3], NULL, 10);
    for (long left = strtol(argv[2], NULL, 10); left > 0; left--) {
        printf("%lld\n", one_round(fd, argv + 4));
        poll(NULL, 0, (int)pause_ms);
    }
    return 0;
}
