/* signals.c: blocked but for the moment of ppoll(2), signals need no pipe, and a child
 * between vfork and exec no mask of its own: no handler of ours can run there.
 *
 * ppoll(2) that finds a descriptor ready does not look for signals: so that a flood of
 * events cannot keep TERM waiting, what is pending is asked for then.
 */
#include "worker/signals.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>

static volatile sig_atomic_t stops, hangups;
static sigset_t while_waiting; /* the mask with what we count let through */

static const int counted[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD};
/* sys_writers() has a lease for a moment: whoever opens the file for writing just then
 * makes the kernel send us SIGIO, which would end us.  A file-size limit is an error of
 * a write, and no reason to die; nor is a peer that is gone. */
static const int ignored[] = {SIGIO, SIGXFSZ, SIGPIPE};
#define COUNT(array) (sizeof(array) / sizeof *(array))

static void note(int sig)
{
    if (sig == SIGTERM || sig == SIGINT)
        stops++;
    if (sig == SIGHUP)
        hangups++;
}

static int set_all(const int *sig, size_t n, void (*handler)(int))
{
    struct sigaction act;
    memset(&act, 0, sizeof act);
    sigemptyset(&act.sa_mask);
    act.sa_handler = handler;
    for (size_t i = 0; i < n; i++)
        if (sigaction(sig[i], &act, NULL) != 0)
            return -1;
    return 0;
}

int signals_open(void)
{
    sigset_t heard;
    sigemptyset(&heard);
    for (size_t i = 0; i < COUNT(counted); i++)
        sigaddset(&heard, counted[i]);
    if (sigprocmask(SIG_BLOCK, &heard, &while_waiting) != 0)
        return -1;
    /* Whoever started us may have had them blocked. */
    for (size_t i = 0; i < COUNT(counted); i++)
        sigdelset(&while_waiting, counted[i]);
    if (set_all(counted, COUNT(counted), note) != 0)
        return -1;
    return set_all(ignored, COUNT(ignored), SIG_IGN);
}

static bool any_pending(void)
{
    sigset_t pending;
    if (sigpending(&pending) != 0)
        return false;
    for (size_t i = 0; i < COUNT(counted); i++)
        if (sigismember(&pending, counted[i]) == 1)
            return true;
    return false;
}

int signals_poll(struct pollfd *fds, nfds_t n, int timeout_ms, bool *heard)
{
    static const struct timespec at_once = {0, 0};
    struct timespec t = {timeout_ms / 1000, timeout_ms % 1000 * 1000000L};
    int ready = ppoll(fds, n, timeout_ms < 0 ? NULL : &t, &while_waiting);
    int saved = errno;
    *heard = ready < 0 && saved == EINTR;
    if (ready > 0 && any_pending())
        *heard = ppoll(NULL, 0, &at_once, &while_waiting) < 0;
    errno = saved;
    return ready;
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

/* What we catch exec(2) would reset, but not before it is too late: let through, a
 * signal must find the child's own action. */
void signals_reset_in_child(void)
{
    sigset_t none;
    set_all(counted, COUNT(counted), SIG_DFL);
    set_all(ignored, COUNT(ignored), SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}
