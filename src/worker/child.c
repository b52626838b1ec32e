#include "worker/child.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cgroup.h"
#include "base/clock.h"
#include "worker/signals.h"

/* What the child tells, in memory that both see. */
struct report {
    volatile int errnum;
    const char *volatile where;
    volatile int64_t boot_us; /* when it was recorded */
};

static int place_descriptors(const struct child *c)
{
    if (dup2(c->in, 0) < 0 || dup2(c->out, 1) < 0 || dup2(c->err, 2) < 0)
        return -1;
    for (int least = CHILD_LOCK_FD; c->lock >= 0; least /= 2) /* a limit may be lower */
        if (fcntl(c->lock, F_DUPFD, least) >= 0)
            break;
        else if (least < 10)
            return -1;
    return 0;
}

/* May run in the parent's memory: it may write only what the parent expects. */
static void become(const struct child *c, struct report *f)
{
    f->where = "start";
    if (setsid() < 0)
        goto failed;
    if (c->record) {
        c->record->run_pid = getpid();
        f->boot_us = c->record->run_boot_us = clock_boot_us();
        if (live_update(c->record_fd, c->record) != 0)
            goto failed;
    }
    if (place_descriptors(c) != 0)
        goto failed;
    f->where = "cwd";
    if (c->cwd && chdir(c->cwd) != 0)
        goto failed;
    signals_reset_in_child();
    f->where = "program";
    execve(c->path, c->argv, c->envp);
failed:
    f->errnum = errno ? errno : EINVAL;
}

/* A cgroup that cannot be entered holds one process less, and that is all. */
static pid_t start_by_vfork(const struct child *c, struct report *f)
{
    pid_t pid = vfork(); /* NOLINT(clang-analyzer-security.insecureAPI.vfork) */
    if (pid == 0) {
        if (c->cgroup >= 0)
            cgroup_enter(c->cgroup);
        become(c, f);
        _exit(127);
    }
    return pid;
}

/* -1 ENOTSUP: try the other way. */
static pid_t start_in_cgroup(const struct child *c, struct report *f)
{
    struct report *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
                                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return -1;
    pid_t pid = cgroup_fork(c->cgroup);
    if (pid == 0) {
        become(c, shared);
        _exit(127);
    }
    int saved = errno;
    if (pid > 0)
        *f = *shared;
    munmap(shared, sizeof *shared);
    if (pid > 0 && c->record) {
        c->record->run_pid = pid;
        c->record->run_boot_us = f->boot_us;
    }
    errno = saved;
    return pid;
}

static pid_t start(const struct child *c, struct report *f)
{
    pid_t pid = c->cgroup < 0 ? -1 : start_in_cgroup(c, f);
    if (c->cgroup >= 0 && (pid > 0 || errno != ENOTSUP))
        return pid;
    return start_by_vfork(c, f);
}

pid_t child_start(const struct child *c, const char **where)
{
    struct report f = {0, "start", 0};
    pid_t pid = start(c, &f);
    int saved = errno;
    *where = f.where;
    if (pid > 0 && f.errnum) {
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            continue;
        saved = f.errnum;
        pid = -1;
    }
    errno = saved;
    return pid;
}

static const char *search_path(char *const *envp)
{
    for (; *envp; envp++)
        if (strncmp(*envp, "PATH=", 5) == 0)
            return *envp + 5;
    return "/usr/local/bin:/usr/bin:/bin";
}

static bool is_program(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

char *child_find_program(const char *name, char *const *envp)
{
    if (strchr(name, '/'))
        return strdup(name);
    for (const char *at = search_path(envp), *end; at; at = *end ? end + 1 : NULL) {
        struct buf path = BUF_INIT;
        end = at + strcspn(at, ":");
        if (end > at) {
            buf_add(&path, at, (size_t)(end - at));
            buf_addc(&path, '/');
        }
        buf_adds(&path, name);
        if (!path.failed && is_program(buf_str(&path)))
            return buf_detach(&path);
        buf_release(&path);
    }
    errno = ENOENT;
    return NULL;
}
