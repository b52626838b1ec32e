/* least.c: the least that any queue of this kind takes from a command to a job, as a
 * measure for dispatch.c: no lock, no check, no record.
 *
 *   least serve DIR     runs what is put there, one after another, as `sh -c COMMAND`
 *   least put DIR COMMAND
 *
 * A file is made under a dot name and renamed; inotify(7) wakes the server, which takes
 * it by a rename, reads it and spawns the shell.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static void give_up(const char *what)
{
    fprintf(stderr, "least: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void put(const char *command)
{
    char made[64], name[64];
    snprintf(made, sizeof made, ".%ld", (long)getpid());
    snprintf(name, sizeof name, "%ld", (long)getpid());
    int fd = open(made, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, command, strlen(command)) < 0 || fsync(fd) != 0 || close(fd) != 0 ||
        rename(made, name) != 0)
        give_up(made);
}

static void run(const char *name)
{
    char taken[NAME_MAX + 2], command[4096];
    char *argv[] = {(char[]){"sh"}, (char[]){"-c"}, command, NULL};
    pid_t pid;
    snprintf(taken, sizeof taken, ".%s", name);
    if (name[0] == '.' || rename(name, taken) != 0)
        return;
    int fd = open(taken, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, command, sizeof command - 1);
    if (n < 0)
        give_up(taken);
    close(fd);
    command[n] = '\0';
    errno = posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, environ);
    if (errno || waitpid(pid, NULL, 0) != pid || unlink(taken) != 0)
        give_up(command);
}

static void serve(void)
{
    _Alignas(struct inotify_event) char bytes[4096];
    int fd = inotify_init1(IN_CLOEXEC);
    if (fd < 0 || inotify_add_watch(fd, ".", IN_MOVED_TO) < 0)
        give_up("inotify");
    for (ssize_t n; (n = read(fd, bytes, sizeof bytes)) > 0;)
        for (ssize_t at = 0; at < n;) {
            const struct inotify_event *e = (const void *)(bytes + at);
            at += (ssize_t)(sizeof *e + e->len);
            run(e->name);
        }
}

int main(int argc, char **argv)
{
    if (argc < 3 || chdir(argv[2]) != 0)
        give_up("usage: least serve DIR | least put DIR COMMAND");
    if (argc > 3)
        put(argv[3]);
    else
        serve();
    return 0;
}
