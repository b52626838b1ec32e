/* child.h: starting a job's process.
 *
 * vfork, not fork: a grown process pays nothing for its size, and the parent
 * stands still until the exec, so the child may tell it of a failure through
 * memory.  In the child nothing is called but what signal-safety(7) allows.
 *
 * Before exec the child makes a session of its own, records itself in the
 * worker's file (live.h), takes the id's lock along on a high descriptor, and
 * resets all signals.
 *
 * Where there is a cgroup for it, it is born there, and then by a real fork: no
 * call that a C library offers does both.
 */
#ifndef WORKER_CHILD_H
#define WORKER_CHILD_H

#include <sys/types.h>

#include "spool/live.h"

/* The lowest number the lock may get: scripts use 3 to 9; and under 64, up to where a
 * process has room without asking the kernel for more. */
#define CHILD_LOCK_FD 60

struct child {
    char *const *argv;  /* argv[0] is looked up by `path` */
    const char *path;   /* the file to execute */
    char *const *envp;
    const char *cwd;    /* NULL: ours */
    int in, out, err;
    int lock;           /* inherited */
    struct live_record *record; /* run_pid and run_boot_us are filled in */
    int record_fd;
    int cgroup;         /* it is born in; -1: none */
};

/* The child's pid; -1 and errno where nothing was executed, *where says what
 * failed ("cwd" or the program).  The caller reaps it. */
pid_t child_start(const struct child *c, const char **where);

/* Find a program as execvp(3) does, by the PATH among envp. NULL: not found. The
 * caller frees. */
char *child_find_program(const char *name, char *const *envp);

#endif
