/* beanworker.c: the least worker that beanstalkd can have, as a peer.
 *
 *   beanworker PORT
 *
 * Reserves jobs on loopback, runs each as `sh -c JOB`, and deletes it: no log, no
 * record of the result.  Ends when nothing is ready.
 * Source of the protocol: doc/protocol.txt of beanstalkd.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static void give_up(const char *what)
{
    fprintf(stderr, "beanworker: %s: %s\n", what, strerror(errno));
    exit(1);
}

struct server {
    int fd;   /* to write */
    FILE *in; /* to read */
};

static struct server dial(long port)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((in_port_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        give_up("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct server s = {fd, fdopen(fd, "r")};
    if (!s.in)
        give_up("fdopen");
    return s;
}

static void say(struct server *s, const char *text)
{
    if (write(s->fd, text, strlen(text)) != (ssize_t)strlen(text))
        give_up("write");
}

static void run(char *command)
{
    char *argv[] = {(char[]){"sh"}, (char[]){"-c"}, command, NULL};
    pid_t pid;
    int status;
    errno = posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, environ);
    if (errno != 0 || waitpid(pid, &status, 0) != pid || status != 0)
        give_up(command);
}

/* False when there is none. */
static int serve_one(struct server *s)
{
    char line[256], body[4096], order[64];
    unsigned long long id;
    size_t n;
    say(s, "reserve-with-timeout 0\r\n");
    if (!fgets(line, sizeof line, s->in))
        give_up("read");
    if (sscanf(line, "RESERVED %llu %zu", &id, &n) != 2)
        return 0;
    if (n + 2 > sizeof body || fread(body, 1, n + 2, s->in) != n + 2)
        give_up("read a job");
    body[n] = '\0';
    run(body);
    snprintf(order, sizeof order, "delete %llu\r\n", id);
    say(s, order);
    if (!fgets(line, sizeof line, s->in) || strncmp(line, "DELETED", 7) != 0)
        give_up("delete");
    return 1;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        errno = EINVAL;
        give_up("usage: beanworker PORT");
    }
    struct server s = dial(strtol(argv[1], NULL, 10));
    while (serve_one(&s))
        continue;
    return 0;
}
