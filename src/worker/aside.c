/* aside.c: the thread's last act is a byte in a pipe.  It takes no signals: they
 * are for the loop. */
#include "worker/aside.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "base/io.h"

#define AGAIN_MS 10

int aside_open(struct aside *s)
{
    *s = (struct aside){.open = false};
    if (pipe(s->fd) != 0)
        return -1;
    s->open = true;
    for (int i = 0; i < 2; i++)
        fcntl(s->fd[i], F_SETFD, FD_CLOEXEC);
    return 0;
}

void aside_close(struct aside *s)
{
    aside_wait(s);
    for (int i = 0; i < 2 && s->open; i++)
        close(s->fd[i]);
    s->open = false;
}

static void *run(void *arg)
{
    struct aside *s = arg;
    s->work(s->arg);
    /* Whoever waits for this byte waits for ever without it. */
    while (io_write_all(s->fd[1], "", 1) != 0)
        poll(NULL, 0, AGAIN_MS);
    return NULL;
}

void aside_begin(struct aside *s, void (*work)(void *), void *arg)
{
    sigset_t all, before;
    s->work = work;
    s->arg = arg;
    s->busy = true;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    s->started = pthread_create(&s->thread, NULL, run, s) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!s->started)
        run(s);
}

int aside_fd(const struct aside *s)
{
    return s->busy ? s->fd[0] : -1;
}

void aside_wait(struct aside *s)
{
    char byte;
    if (!s->busy)
        return;
    io_read(s->fd[0], &byte, 1);
    if (s->started)
        pthread_join(s->thread, NULL);
    s->busy = false;
}

bool aside_done(struct aside *s)
{
    struct pollfd ended = {.fd = s->fd[0], .events = POLLIN};
    if (s->busy && poll(&ended, 1, 0) > 0)
        aside_wait(s);
    return !s->busy;
}
