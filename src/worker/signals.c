#include "worker/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define WRITE_TRIES 3

static int pipe_fd[2] = {-1, -1};
static volatile sig_atomic_t stops, hangups;

static void note(int sig)
{
    int saved = errno;
    if (sig == SIGTERM || sig == SIGINT)
        stops++;
    if (sig == SIGHUP)
        hangups++;
    /* A full pipe is as good as a written one; of no other trouble should a signal be
     * forgotten. */
    for (int i = 0; i < WRITE_TRIES; i++)
        if (write(pipe_fd[1], "", 1) == 1 || errno == EAGAIN)
            break;
    errno = saved;
}

static int set_up_pipe(void)
{
    if (pipe(pipe_fd) != 0)
        return -1;
    for (int i = 0; i < 2; i++)
        if (fcntl(pipe_fd[i], F_SETFD, FD_CLOEXEC) != 0 ||
            fcntl(pipe_fd[i], F_SETFL, O_NONBLOCK) != 0)
            return -1;
    return 0;
}

int signals_open(void)
{
    static const int counted[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD};
    struct sigaction act;
    sigset_t heard;
    sigemptyset(&heard);
    if (set_up_pipe() != 0)
        return -1;
    memset(&act, 0, sizeof act);
    sigemptyset(&act.sa_mask);
    act.sa_handler = note;
    act.sa_flags = SA_RESTART;
    for (size_t i = 0; i < sizeof counted / sizeof *counted; i++)
        if (sigaddset(&heard, counted[i]) != 0 || sigaction(counted[i], &act, NULL) != 0)
            return -1;
    act.sa_handler = SIG_IGN;
    /* Whoever started us may have had them blocked. */
    if (sigprocmask(SIG_UNBLOCK, &heard, NULL) != 0)
        return -1;
    /* sys_writers() has a lease for a moment: whoever opens the file for writing
     * just then makes the kernel send us SIGIO, which would end us. */
    if (sigaction(SIGIO, &act, NULL) != 0)
        return -1;
    /* A file-size limit is an error of a write, and no reason to die. */
    if (sigaction(SIGXFSZ, &act, NULL) != 0)
        return -1;
    return sigaction(SIGPIPE, &act, NULL);
}

int signals_fd(void)
{
    return pipe_fd[0];
}

void signals_drain(void)
{
    char bytes[64];
    while (read(pipe_fd[0], bytes, sizeof bytes) > 0)
        continue;
}

int signals_stop(void)
{
    static int seen;
    int now = stops, fresh = now - seen;
    seen = now;
    return fresh;
}

bool signals_hangup(void)
{
    static int seen;
    bool fresh = hangups != seen;
    seen = hangups;
    return fresh;
}

void signals_reset_in_child(void)
{
    struct sigaction act;
    memset(&act, 0, sizeof act);
    sigemptyset(&act.sa_mask);
    act.sa_handler = SIG_DFL;
    for (int sig = 1; sig < NSIG; sig++)
        sigaction(sig, &act, NULL); /* KILL, STOP and those of libc say no */
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}
