/* proc_linux.h: one process as Linux shows it in /proc (proc(5)); for
 * sys_linux.c and procs_linux.c alone.
 */
#ifndef BASE_PROC_LINUX_H
#define BASE_PROC_LINUX_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define PROC_DIR_LEN 48

struct proc {
    pid_t pid, parent, group;
    int64_t start; /* clock ticks since boot */
    int threads;
    char state;
    bool leaving;  /* its first thread is about to exit, or has */
    bool kernel;   /* a thread of the kernel's own */
    bool in_exec;  /* its new memory holds no environment yet (or may not be seen) */
};

/* False: there is none, or it could not be read (proc_trouble()). */
bool proc_read(pid_t pid, struct proc *p);
/* Its first thread may have exited while others go on: that is no zombie. */
bool proc_is_dead(const struct proc *p);
/* The folder that shows its memory and files: a thread's that is left. */
void proc_dir(const struct proc *p, char out[PROC_DIR_LEN]);
/* Does errno say that we could not look, rather than that it is gone? */
bool proc_trouble(void);

/* The number that was given out last (open "/proc/loadavg" for it); -1 unknown. */
pid_t proc_newest(int loadavg);
/* Numbers are given out in rising order, from PROC_FIRST again after this one. */
#define PROC_FIRST 300
pid_t proc_last_number(void);

#endif
