/* spawn.c: what the machine allows.
 *
 *   spawn DIR JOBS PROCESSES PROGRAM [ARG ...]
 *
 * S, the rate that a queue is measured against.  Each of the processes starts its share
 * of the jobs one after another, and for each does what none can leave out: make a log
 * file of its own in DIR, spawn the program (posix_spawn(3): the class of vfork(2)) with
 * its output there, wait for it.  Nothing is claimed, recorded or moved.
 *
 *   spawn --states SURE DIR JOBS PROCESSES PROGRAM [ARG ...]
 *
 * The least that a queue takes in which the directory of a document is its state: the
 * documents 0, 1, ... are in DIR/pending, and go over DIR/processing to DIR/done.  Each is
 * claimed by a rename and read; its job runs, with a log that its process keeps; the
 * result is made in DIR/tmp, exchanged with the document, which is removed, and renamed
 * to done.  SURE is what is waited for: `cached` nothing, `written` that the result is
 * written before it takes the document's place, `synced` that besides and the last rename.
 * There is no lock, no check, no text made, and no way to stop a job.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define RESULT_BYTES 600

extern char **environ;

enum sure { CACHED, WRITTEN, SYNCED };

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

static int make(const char *file, int flags)
{
    int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | flags, 0600);
    if (fd < 0)
        give_up(file, errno);
    return fd;
}

/* -- S ---------------------------------------------------------------------- */

static void run_with_log(int log, char *const *argv)
{
    posix_spawn_file_actions_t files;
    pid_t pid;
    int status;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, log, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&files, log, STDERR_FILENO);
    int r = posix_spawnp(&pid, argv[0], &files, NULL, argv, environ);
    if (r != 0)
        give_up(argv[0], r);
    posix_spawn_file_actions_destroy(&files);
    if (waitpid(pid, &status, 0) != pid || status != 0)
        give_up("a job failed", ECHILD);
}

static void run_jobs(long process, long step, long jobs, char *const *argv)
{
    char log[64];
    for (long job = process; job < jobs; job += step) {
        snprintf(log, sizeof log, "%ld-%ld.log", process, job);
        int fd = make(log, O_APPEND);
        run_with_log(fd, argv);
        close(fd);
    }
}

/* -- with states -------------------------------------------------------------- */

static void move(const char *from, const char *to, unsigned flags)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, flags) != 0)
        give_up(from, errno);
}

static void claim(const char *pending, const char *processing)
{
    char document[4096];
    move(pending, processing, RENAME_NOREPLACE);
    int fd = open(processing, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, document, sizeof document) < 0)
        give_up(processing, errno);
    close(fd);
}

static void record(const char *tmp, const char *processing, const char *done, enum sure sure,
                   int done_dir)
{
    char result[RESULT_BYTES];
    memset(result, 'x', sizeof result);
    int fd = make(tmp, 0);
    if (write(fd, result, sizeof result) != (ssize_t)sizeof result)
        give_up(tmp, errno);
    if (sure != CACHED && sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE |
                                                        SYNC_FILE_RANGE_WAIT_AFTER) != 0)
        give_up(tmp, errno);
    close(fd);
    move(tmp, processing, RENAME_EXCHANGE);
    if (unlink(tmp) != 0)
        give_up(tmp, errno);
    move(processing, done, RENAME_NOREPLACE);
    if (sure == SYNCED && fsync(done_dir) != 0)
        give_up("done", errno);
}

static void run_documents(long process, long step, long jobs, char *const *argv, enum sure sure)
{
    char pending[64], processing[64], tmp[64], done[64], log[64];
    int done_dir = open("done", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    snprintf(log, sizeof log, "%ld.log", process);
    int fd = make(log, O_APPEND);
    for (long job = process; job < jobs; job += step) {
        snprintf(pending, sizeof pending, "pending/%ld", job);
        snprintf(processing, sizeof processing, "processing/%ld", job);
        snprintf(tmp, sizeof tmp, "tmp/%ld", job);
        snprintf(done, sizeof done, "done/%ld", job);
        claim(pending, processing);
        run_with_log(fd, argv);
        record(tmp, processing, done, sure, done_dir);
    }
}

/* -- all together --------------------------------------------------------------- */

static enum sure sure_of(const char *word)
{
    static const char *const words[] = {"cached", "written", "synced"};
    for (int i = CACHED; i <= SYNCED; i++)
        if (strcmp(word, words[i]) == 0)
            return (enum sure)i;
    give_up(word, EINVAL);
    return CACHED;
}

int main(int argc, char **argv)
{
    bool states = argc > 2 && strcmp(argv[1], "--states") == 0;
    enum sure sure = states ? sure_of(argv[2]) : CACHED;
    argv += states ? 2 : 0;
    argc -= states ? 2 : 0;
    if (argc < 5 || chdir(argv[1]) != 0)
        give_up("usage: spawn [--states SURE] DIR JOBS PROCESSES PROGRAM [ARG ...]", EINVAL);
    long jobs = number(argv[2]), processes = number(argv[3]);
    for (long p = 0; p < processes; p++) {
        pid_t pid = fork();
        if (pid < 0)
            give_up("fork", errno);
        if (pid > 0)
            continue;
        if (states)
            run_documents(p, processes, jobs, argv + 4, sure);
        else
            run_jobs(p, processes, jobs, argv + 4);
        _exit(0);
    }
    int status, worst = 0;
    while (wait(&status) > 0)
        worst |= status;
    return worst != 0;
}
