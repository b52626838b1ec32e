#include "worker/tree.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cgroup.h"
#include "base/sys.h"

/* Where they die faster than we get here, deadlines must be looked at all the same. */
#define REAP_MAX 1000

void tree_reap(struct tree *t)
{
    for (int i = 0; i < REAP_MAX; i++) {
        int status;
        struct rusage usage;
        pid_t pid = wait4(-1, &status, WNOHANG, &usage);
        if (pid < 0 && errno == EINTR)
            continue;
        t->empty = pid < 0 && errno == ECHILD;
        if (pid <= 0)
            return;
        if (pid == t->leader && !t->leader_left) {
            t->leader_left = true;
            t->status = status;
            t->usage = usage;
        }
    }
}

struct sending {
    int sig;
    pid_t told; /* this group has it already; 0: none */
};

/* To many programs a second TERM means: at once. */
static void send(pid_t pid, int64_t start, void *arg)
{
    const struct sending *s = arg;
    if (s->told && getpgid(pid) == s->told)
        return;
    sys_signal(pid, start, s->sig);
    if (s->sig == SIGTERM)
        sys_signal(pid, start, SIGCONT);
}

/* The group first, in one step; then those that left it.  Once the leader was
 * reaped its number may belong to others, so then the group is signalled only
 * where descendants cannot be told.  TERM goes before CONT: a stopped process
 * then wakes up to it. */
void tree_signal(const struct tree *t, int sig)
{
    struct sending s = {sig, t->leader_left ? 0 : t->leader};
    if (sig == SIGKILL && t->cgroup >= 0)
        cgroup_kill(t->cgroup);
    if (!t->leader_left)
        kill(-t->leader, sig);
    bool untold = sys_each_descendant(send, &s) < 0 && errno == ENOSYS;
    if (t->leader_left && untold)
        kill(-t->leader, sig);
    if (sig == SIGTERM && (!t->leader_left || untold))
        kill(-t->leader, SIGCONT);
}
