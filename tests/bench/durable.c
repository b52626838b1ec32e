/* durable.c: how many a second survive a power cut.
 *
 *   durable flush DIR N                 300 bytes added to a file, and synced, N times: on
 *                                       a journaled file system one commit each
 *   durable enqueue SPOOL N PROCESSES   N jobs through the C interface, by so many processes
 *
 * Prints the seconds it took.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <queuectl.h>

#define JOB "{\"command\":\"true\"}"
#define DOCUMENT_BYTES 300

static void give_up(const char *what, const char *why)
{
    fprintf(stderr, "durable: %s: %s\n", what, why);
    exit(1);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void flush(const char *dir, long n)
{
    char path[4096], bytes[DOCUMENT_BYTES];
    snprintf(path, sizeof path, "%s/flushed", dir);
    memset(bytes, 'x', sizeof bytes);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    for (; fd >= 0 && n > 0; n--)
        if (write(fd, bytes, sizeof bytes) != (ssize_t)sizeof bytes || fsync(fd) != 0)
            break;
    if (n != 0)
        give_up(path, strerror(errno));
    close(fd);
}

static void enqueue(const char *spool, long n)
{
    struct queuectl *q;
    enum queuectl_error e = queuectl_open(spool, QUEUECTL_WRITE, &q);
    for (; e == QUEUECTL_OK && n > 0; n--)
        e = queuectl_enqueue(q, JOB, 0, NULL);
    if (e != QUEUECTL_OK)
        give_up(spool, queuectl_error_text(q));
    queuectl_close(q);
}

static void enqueue_together(const char *spool, long n, long processes)
{
    int status, worst = 0;
    for (long i = 0; i < processes; i++) {
        pid_t pid = fork();
        if (pid < 0)
            give_up("fork", strerror(errno));
        if (pid == 0) {
            enqueue(spool, n / processes);
            _exit(0);
        }
    }
    while (wait(&status) > 0)
        worst |= status;
    if (worst)
        give_up(spool, "a producer failed");
}

int main(int argc, char **argv)
{
    long n = argc > 3 ? strtol(argv[3], NULL, 10) : 0;
    long processes = argc > 4 ? strtol(argv[4], NULL, 10) : 1;
    if (n < 1 || processes < 1)
        give_up("usage", "durable flush DIR N | durable enqueue SPOOL N PROCESSES");
    double begun = now();
    if (strcmp(argv[1], "flush") == 0)
        flush(argv[2], n);
    else
        enqueue_together(argv[2], n, processes);
    printf("%.6f\n", now() - begun);
    return 0;
}
