/* cgroup_bsd.c: there are no cgroups here. */
#include "base/cgroup.h"

#include <errno.h>
#include <stdint.h>

static int not_here(void)
{
    errno = ENOTSUP;
    return -1;
}

int cgroup_make(bool asked, const char *token, char path[CGROUP_PATH_MAX + 1])
{
    (void)asked, (void)token;
    path[0] = '\0';
    return not_here();
}

int cgroup_open(const char *path, const char *token)
{
    (void)path, (void)token;
    return not_here();
}

void cgroup_remove(const char *path, const char *token)
{
    (void)path, (void)token;
}

pid_t cgroup_fork(int cgroup)
{
    (void)cgroup;
    return not_here();
}

int cgroup_enter(int cgroup)
{
    (void)cgroup;
    return not_here();
}

bool cgroup_lives(int cgroup)
{
    (void)cgroup;
    return false;
}

void cgroup_kill(int cgroup)
{
    (void)cgroup;
}

void cgroup_each(int cgroup, void (*visit)(pid_t pid, int64_t start, void *arg), void *arg)
{
    (void)cgroup, (void)visit, (void)arg;
}

void cgroup_sweep(bool asked, bool (*lives)(const char *token, void *arg), void *arg)
{
    (void)asked, (void)lives, (void)arg;
}
