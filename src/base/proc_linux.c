#include "base/proc_linux.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/num.h"
#include "base/sys.h"

#define PF_EXITING 0x4u /* field 9 of stat, see linux/sched.h */
#define PF_KTHREAD 0x00200000u
#define PID_MAX_DEFAULT 32768

bool proc_trouble(void)
{
    return errno == EMFILE || errno == ENFILE || errno == ENOMEM;
}

/* A short file at once; its length, or -1. */
static ssize_t read_short(const char *path, char *out, size_t size)
{
    int fd = io_open(AT_FDCWD, path, O_RDONLY, 0);
    if (fd < 0)
        return -1;
    ssize_t n = io_read(fd, out, size - 1);
    int saved = errno;
    close(fd);
    errno = saved;
    out[n > 0 ? n : 0] = '\0';
    return n;
}

static void take_field(struct proc *p, int field, unsigned long long v)
{
    switch (field) {
    case 4: p->parent = (pid_t)v; break;
    case 5: p->group = (pid_t)v; break;
    case 9:
        p->leaving = (v & PF_EXITING) != 0 || p->state == 'Z';
        p->kernel = (v & PF_KTHREAD) != 0;
        break;
    case 20: p->threads = (int)v; break;
    case 22: p->start = (int64_t)v; break;
    case 51: p->in_exec = v == 0; break; /* env_end */
    default: break;
    }
}

/* The name in field 2 may hold anything, so fields are counted from the last ')'. */
bool proc_read(pid_t pid, struct proc *p)
{
    char path[PROC_DIR_LEN], line[1024];
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    if (read_short(path, line, sizeof line) <= 0)
        return false;
    char *at = strrchr(line, ')');
    if (!at || at[1] != ' ')
        return false;
    *p = (struct proc){.pid = pid, .state = at[2]};
    char *end = at + 3;
    for (int field = 4; field <= 51; field++)
        take_field(p, field, strtoull(end, &end, 10));
    return true;
}

bool proc_is_dead(const struct proc *p)
{
    return p->state == 'X' || p->state == 'x' || (p->state == 'Z' && p->threads <= 1);
}

void proc_dir(const struct proc *p, char out[PROC_DIR_LEN])
{
    int n = snprintf(out, PROC_DIR_LEN, "/proc/%ld", (long)p->pid);
    if (!p->leaving || p->threads <= 1)
        return;
    char tasks[PROC_DIR_LEN];
    snprintf(tasks, sizeof tasks, "%.30s/task", out);
    DIR *dir = opendir(tasks);
    struct dirent *e;
    int64_t tid;
    while (dir && (e = readdir(dir)))
        if (num_parse(e->d_name, 1, INT32_MAX, &tid) && tid != p->pid)
            snprintf(out + n, PROC_DIR_LEN - (size_t)n, "/task/%ld", (long)tid);
    if (dir)
        closedir(dir);
}

pid_t proc_newest(int loadavg)
{
    char line[128];
    ssize_t n = pread(loadavg, line, sizeof line - 1, 0);
    line[n > 0 ? n : 0] = '\0';
    char *at = strrchr(line, ' ');
    return at ? (pid_t)strtol(at, NULL, 10) : -1;
}

pid_t proc_last_number(void)
{
    char line[32];
    ssize_t n = read_short("/proc/sys/kernel/pid_max", line, sizeof line);
    return n > 0 ? (pid_t)strtol(line, NULL, 10) - 1 : PID_MAX_DEFAULT - 1;
}

/* -- what sys.h promises of one process ---------------------------------- */

int64_t sys_process_start(pid_t pid)
{
    struct proc p;
    return pid > 0 && proc_read(pid, &p) && !proc_is_dead(&p) ? p.start : -1;
}

/* The start is in ticks of boot time; a tick of doubt is in favour of "the same". */
enum sys_leader sys_group_leader(pid_t group, int64_t boot_us)
{
    struct proc p;
    int64_t tick_us = 1000000 / sysconf(_SC_CLK_TCK);
    if (!proc_read(group, &p))
        return SYS_LEADER_GONE;
    return p.start * tick_us > boot_us + tick_us ? SYS_LEADER_OTHER : SYS_LEADER_SAME;
}

int64_t sys_births(void)
{
    struct buf text = BUF_INIT;
    int64_t n = 0;
    int fd = io_open(AT_FDCWD, "/proc/stat", O_RDONLY, 0);
    if (fd >= 0 && io_read_fd(fd, &text, (size_t)1 << 22) == 0) {
        const char *at = strstr(buf_str(&text), "\nprocesses ");
        n = at ? strtoll(at + 11, NULL, 10) : 0;
    }
    if (fd >= 0)
        close(fd);
    buf_release(&text);
    return n;
}

/* Numbers that were taken by forks which then failed are not counted: half of all
 * is enough to be in doubt. */
bool sys_numbers_reused(int64_t births_then)
{
    int64_t now = sys_births();
    return births_then <= 0 || now < births_then || now - births_then >= proc_last_number() / 2;
}

/* With the pidfd open the pid cannot be given to another process, so the start
 * compared afterwards is that of the process that will get the signal. */
int sys_signal(pid_t pid, int64_t start, int sig)
{
    if (pid <= 1) {
        errno = ESRCH;
        return -1;
    }
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0 && errno != ENOSYS)
        return -1;
    int r = -1;
    if (sys_process_start(pid) != start)
        errno = ESRCH;
    else if (fd >= 0)
        r = (int)syscall(SYS_pidfd_send_signal, fd, sig, NULL, 0);
    else
        r = kill(pid, sig);
    if (fd >= 0)
        close(fd);
    return r;
}
