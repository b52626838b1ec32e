/* spawn.c: what the machine allows, the rate S that a queue is measured against.
 *
 *   spawn DIR JOBS PROCESSES PROGRAM [ARG ...]
 *
 * Each of the processes starts its share of the jobs one after another, and for each
 * does what none can leave out: make a log file of its own in DIR, spawn the program
 * (posix_spawn(3): the class of vfork(2)) with its output there, wait for it.  Nothing
 * is claimed, recorded or moved.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static void give_up(const char *what, int errnum)
{
    fprintf(stderr, "spawn: %s: %s\n", what, strerror(errnum));
    exit(1);
}

static long number(const char *text)
{
    char *end;
    long n = strtol(text, &end, 10);
    if (end == text || *end || n < 1)
        give_up(text, EINVAL);
    return n;
}

static void run_one(const char *dir, long process, long job, char *const *argv)
{
    posix_spawn_file_actions_t files;
    char log[4096];
    pid_t pid;
    int status;
    snprintf(log, sizeof log, "%s/%ld-%ld.log", dir, process, job);
    int fd = open(log, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0)
        give_up(log, errno);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, fd, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&files, fd, STDERR_FILENO);
    int r = posix_spawnp(&pid, argv[0], &files, NULL, argv, environ);
    if (r != 0)
        give_up(argv[0], r);
    posix_spawn_file_actions_destroy(&files);
    close(fd);
    if (waitpid(pid, &status, 0) != pid || status != 0)
        give_up("a job failed", ECHILD);
}

int main(int argc, char **argv)
{
    if (argc < 5)
        give_up("usage: spawn DIR JOBS PROCESSES PROGRAM [ARG ...]", EINVAL);
    long jobs = number(argv[2]), processes = number(argv[3]);
    for (long p = 0; p < processes; p++) {
        pid_t pid = fork();
        if (pid < 0)
            give_up("fork", errno);
        if (pid > 0)
            continue;
        for (long job = p; job < jobs; job += processes)
            run_one(argv[1], p, job, argv + 4);
        _exit(0);
    }
    int status, worst = 0;
    while (wait(&status) > 0)
        worst |= status;
    return worst != 0;
}
