/* sys_bsd.c: what FreeBSD, DragonFly, NetBSD, OpenBSD and macOS call the
 * things of sys.h.  The only file that asks for the name of a system; NetBSD
 * wants -D_NETBSD_SOURCE on the command line besides -std=c11.
 *
 * Boot: a random number of this boot where the kernel has one (FreeBSD 13
 * kern.boot_id, macOS kern.bootsessionuuid).  kern.boottime is worse: it moves
 * when the clock is set.  NetBSD and DragonFly keep the wall time at which
 * process 1 started as it was written then, so that serves; OpenBSD and older
 * FreeBSD have only kern.boottime, and a clock that is set looks like a new
 * boot there.
 *
 * Start of a process: FreeBSD and OpenBSD store the time since boot and add
 * kern.boottime when asked; it is taken off again, else setting the clock would
 * make every process another one.  The rest store the wall time and keep it.
 *
 * Descendants: from the parents in the process table.  Where this process is
 * the reaper (FreeBSD, DragonFly) orphans have it as their parent, so that is
 * all of them; elsewhere orphans are lost to process 1, and only the group and
 * the lock on the job's id still hold them.
 *
 * No file descriptor for a process: between the comparison of the start and
 * the signal the pid could in theory be given away.  Nobody can be asked for
 * writers (F_SETLEASE) or to sync one file system.
 */
#include "base/sys.h"

#if defined(__APPLE__)
#include <mach-o/dyld.h>
#endif
#if defined(__DragonFly__)
#include <sys/kinfo.h>
#endif
#include <sys/param.h>

#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysctl.h>
#include <sys/time.h>
#if defined(__FreeBSD__) || defined(__DragonFly__)
#include <sys/procctl.h>
#endif
#if defined(__FreeBSD__)
#include <sys/user.h>
#endif
#if defined(__NetBSD__)
#include <sys/statvfs.h>
#endif
#if defined(__NetBSD__) || defined(__OpenBSD__)
#include <sys/proc.h>
#endif

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

/* --- the kernel's tables ---------------------------------------------------- */

/* All of a sysctl, which may grow between asking and reading.  The caller
 * frees; NULL and errno. */
static void *read_sysctl(int *mib, unsigned n, size_t *len)
{
    for (int tries = 0; tries < 8; tries++) {
        size_t size = 0;
        if (sysctl(mib, n, NULL, &size, NULL, 0) != 0)
            return NULL;
        size += size / 4 + 256;
        void *all = calloc(1, size);
        if (!all)
            return NULL;
        *len = size;
        if (sysctl(mib, n, all, len, NULL, 0) == 0)
            return all;
        free(all);
        if (errno != ENOMEM)
            return NULL;
    }
    return NULL;
}

static int64_t boot_time_us(void)
{
    int mib[] = {CTL_KERN, KERN_BOOTTIME};
    struct timeval tv = {0, 0};
    size_t len = sizeof tv;
    if (sysctl(mib, 2, &tv, &len, NULL, 0) != 0 || len != sizeof tv)
        return -1;
    return (int64_t)tv.tv_sec * US_PER_SEC + tv.tv_usec;
}

struct process {
    pid_t pid, parent, group;
    int64_t start;
    bool dead, ours;
};

#define START_US(sec, usec) ((int64_t)(sec)*US_PER_SEC + (int64_t)(usec))

#if defined(__FreeBSD__)
typedef struct kinfo_proc kernel_process;
#define START_MOVES_WITH_CLOCK 1
static struct process process_of(const kernel_process *k)
{
    return (struct process){.pid = k->ki_pid,
                            .parent = k->ki_ppid,
                            .group = k->ki_pgid,
                            .start = START_US(k->ki_start.tv_sec, k->ki_start.tv_usec),
                            .dead = k->ki_stat == SZOMB};
}
#elif defined(__DragonFly__)
typedef struct kinfo_proc kernel_process;
#define START_MOVES_WITH_CLOCK 0
static struct process process_of(const kernel_process *k)
{
    return (struct process){.pid = k->kp_pid,
                            .parent = k->kp_ppid,
                            .group = k->kp_pgid,
                            .start = START_US(k->kp_start.tv_sec, k->kp_start.tv_usec),
                            .dead = k->kp_stat == SZOMB};
}
#elif defined(__APPLE__)
typedef struct kinfo_proc kernel_process;
#define START_MOVES_WITH_CLOCK 0
static struct process process_of(const kernel_process *k)
{
    return (struct process){
        .pid = k->kp_proc.p_pid,
        .parent = k->kp_eproc.e_ppid,
        .group = k->kp_eproc.e_pgid,
        .start = START_US(k->kp_proc.p_starttime.tv_sec, k->kp_proc.p_starttime.tv_usec),
        .dead = k->kp_proc.p_stat == SZOMB};
}
#elif defined(__NetBSD__)
typedef struct kinfo_proc2 kernel_process;
#define START_MOVES_WITH_CLOCK 0
static struct process process_of(const kernel_process *k)
{
    return (struct process){.pid = k->p_pid,
                            .parent = k->p_ppid,
                            .group = k->p__pgid,
                            .start = START_US(k->p_ustart_sec, k->p_ustart_usec),
                            .dead = k->p_realstat == SZOMB || k->p_realstat == SDEAD};
}
#elif defined(__OpenBSD__)
typedef struct kinfo_proc kernel_process;
#define START_MOVES_WITH_CLOCK 1
static struct process process_of(const kernel_process *k)
{
    return (struct process){.pid = k->p_pid,
                            .parent = k->p_ppid,
                            .group = k->p__pgid,
                            .start = START_US(k->p_ustart_sec, k->p_ustart_usec),
                            .dead = k->p_stat == SDEAD || !k->p_uvalid};
}
#endif

static kernel_process *read_table(pid_t pid, size_t *n)
{
#if defined(__NetBSD__)
    int mib[] = {CTL_KERN,
                 KERN_PROC2,
                 pid ? KERN_PROC_PID : KERN_PROC_ALL,
                 (int)pid,
                 (int)sizeof(kernel_process),
                 INT_MAX};
    unsigned parts = 6;
#elif defined(__OpenBSD__)
    int mib[] = {CTL_KERN,
                 KERN_PROC,
                 pid ? KERN_PROC_PID : KERN_PROC_ALL,
                 (int)pid,
                 (int)sizeof(kernel_process),
                 INT_MAX};
    unsigned parts = 6;
#else
    int mib[] = {CTL_KERN, KERN_PROC, pid ? KERN_PROC_PID : KERN_PROC_ALL, (int)pid};
    unsigned parts = pid ? 4 : 3;
#endif
    size_t len;
    kernel_process *table = read_sysctl(mib, parts, &len);
    *n = table ? len / sizeof *table : 0;
    return table;
}

/* One process, or all for pid 0.  The caller frees; NULL and errno.  Asked
 * again if the clock was set meanwhile, see above. */
static struct process *read_processes(pid_t pid, size_t *n)
{
    kernel_process *table = NULL;
    int64_t booted, booted_then;
    do {
        free(table);
        booted = START_MOVES_WITH_CLOCK ? boot_time_us() : 0;
        table = read_table(pid, n);
        booted_then = START_MOVES_WITH_CLOCK ? boot_time_us() : 0;
    } while (table && booted != booted_then);
    struct process *list = table ? calloc(*n + 1, sizeof *list) : NULL;
    for (size_t i = 0; list && i < *n; i++) {
        list[i] = process_of(&table[i]);
        list[i].start -= booted;
    }
    free(table);
    return list;
}

/* --- names of this boot and host ---------------------------------------------- */

/* FNV-1a, twice with different offsets: a name, not a secret. */
static void hash_bytes(const void *bytes, size_t n, char out[SYS_ID_LEN + 1])
{
    uint64_t a = UINT64_C(14695981039346656037), b = a ^ UINT64_C(0x9e3779b97f4a7c15);
    for (size_t i = 0; i < n; i++) {
        a = (a ^ ((const unsigned char *)bytes)[i]) * UINT64_C(1099511628211);
        b = (b ^ ((const unsigned char *)bytes)[i]) * UINT64_C(1099511628211);
    }
    snprintf(out, SYS_ID_LEN + 1, "%016llx%016llx", (unsigned long long)a, (unsigned long long)b);
}

#if defined(__FreeBSD__) || defined(__APPLE__)
#if defined(__APPLE__)
#define BOOT_NUMBER "kern.bootsessionuuid"
#else
#define BOOT_NUMBER "kern.boot_id"
#endif
static bool boot_number(char out[SYS_ID_LEN + 1])
{
    char bytes[64];
    size_t len = sizeof bytes;
    if (sysctlbyname(BOOT_NUMBER, bytes, &len, NULL, 0) != 0 || len < 16)
        return false;
    hash_bytes(bytes, len, out);
    return true;
}
#else
static bool boot_number(char out[SYS_ID_LEN + 1])
{
    (void)out;
    return false;
}
#endif

int sys_boot_id(char out[SYS_ID_LEN + 1])
{
    if (boot_number(out))
        return 0;
    int64_t since = START_MOVES_WITH_CLOCK ? boot_time_us() : sys_process_start(1);
    if (since < 0)
        return -1;
    hash_bytes(&since, sizeof since, out);
    return 0;
}

/* The machine's own name for itself; false if it has none or all zeros. */
static bool host_uuid(char *text, size_t size)
{
#if defined(__APPLE__)
    static const struct timespec at_once = {0, 0};
    unsigned char uuid[16];
    if (gethostuuid(uuid, &at_once) != 0)
        return false;
    for (size_t i = 0; i < sizeof uuid; i++)
        snprintf(text + 2 * i, size - 2 * i, "%02x", uuid[i]);
#elif defined(__OpenBSD__)
    int mib[] = {CTL_HW, HW_UUID};
    if (sysctl(mib, 2, text, &size, NULL, 0) != 0)
        return false;
#else
#if defined(__NetBSD__)
#define HOST_UUID "machdep.dmi.system-uuid"
#else
#define HOST_UUID "kern.hostuuid"
#endif
    if (sysctlbyname(HOST_UUID, text, &size, NULL, 0) != 0)
        return false;
#endif
    return text[strspn(text, "0-")] != '\0';
}

int sys_host_id(char out[SYS_ID_LEN + 1])
{
    char text[256] = "";
    if (!host_uuid(text, sizeof text - 1) && gethostname(text, sizeof text - 1) != 0)
        return -1;
    hash_bytes(text, strlen(text), out);
    return 0;
}

int64_t sys_born_us(int fd)
{
#if defined(__OpenBSD__) || defined(__DragonFly__)
    (void)fd;
    return -1;
#else
    struct stat st;
#if defined(__APPLE__)
    const struct timespec *born = &st.st_birthtimespec;
#else
    const struct timespec *born = &st.st_birthtim;
#endif
    if (fstat(fd, &st) != 0 || born->tv_sec <= 0)
        return -1;
    return (int64_t)born->tv_sec * 1000000 + born->tv_nsec / 1000;
#endif
}

/* --- renaming ------------------------------------------------------------------- */

/* One call where the kernel has it (macOS; FreeBSD 16, without the exchange).
 * ENOTSUP: not here. */
static int rename_excl(int olddir, const char *old, int newdir, const char *new)
{
#if defined(RENAME_EXCL)
    return renameatx_np(olddir, old, newdir, new, RENAME_EXCL);
#elif defined(AT_RENAME_NOREPLACE)
    return renameat2(olddir, old, newdir, new, AT_RENAME_NOREPLACE);
#else
    (void)olddir, (void)old, (void)newdir, (void)new;
    errno = ENOTSUP;
    return -1;
#endif
}

static int rename_swap(int olddir, const char *old, int newdir, const char *new)
{
#if defined(RENAME_SWAP)
    return renameatx_np(olddir, old, newdir, new, RENAME_SWAP);
#else
    (void)olddir, (void)old, (void)newdir, (void)new;
    errno = ENOTSUP;
    return -1;
#endif
}

static bool flag_unknown(void)
{
    return errno == ENOTSUP || errno == EOPNOTSUPP || errno == EINVAL || errno == ENOSYS;
}

int sys_rename_noreplace(int olddir, const char *old, int newdir, const char *new)
{
    struct stat st;
    if (rename_excl(olddir, old, newdir, new) == 0)
        return 0;
    if (!flag_unknown())
        return -1;
    if (fstatat(newdir, new, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        errno = EEXIST;
        return -1;
    }
    return renameat(olddir, old, newdir, new);
}

int sys_rename_exchange(int olddir, const char *old, int newdir, const char *new)
{
    struct stat st;
    if (rename_swap(olddir, old, newdir, new) == 0)
        return 0;
    if (!flag_unknown())
        return -1;
    if (fstatat(newdir, new, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return -1;
    return renameat(olddir, old, newdir, new);
}

/* --- processes ------------------------------------------------------------------ */

/* FreeBSD says EBUSY and DragonFly EALREADY to one that is a reaper already. */
int sys_subreaper(void)
{
#if defined(PROC_REAP_ACQUIRE)
    if (procctl(P_PID, getpid(), PROC_REAP_ACQUIRE, NULL) == 0 || errno == EBUSY ||
        errno == EALREADY)
        return 0;
    return -1;
#else
    errno = ENOSYS;
    return -1;
#endif
}

int64_t sys_process_start(pid_t pid)
{
    size_t n;
    struct process *p = pid > 0 ? read_processes(pid, &n) : NULL;
    int64_t start = p && n > 0 && p[0].pid == pid && !p[0].dead ? p[0].start : -1;
    free(p);
    return start;
}

uint64_t sys_pid_namespace(void)
{
    return 0;
}

int sys_signal(pid_t pid, int64_t start, int sig)
{
    if (pid <= 1 || sys_process_start(pid) != start) {
        errno = ESRCH;
        return -1;
    }
    return kill(pid, sig);
}

/* A process's environment as strings one after the other; what precedes it
 * (OpenBSD: a table of pointers that ends in NULL, macOS: the arguments) does
 * no harm.  NULL: may not be looked at. */
static char *read_environment(pid_t pid, size_t *len)
{
#if defined(__FreeBSD__)
    int mib[] = {CTL_KERN, KERN_PROC, KERN_PROC_ENV, (int)pid};
#elif defined(__NetBSD__) || defined(__OpenBSD__)
    int mib[] = {CTL_KERN, KERN_PROC_ARGS, (int)pid, KERN_PROC_ENV};
#elif defined(__APPLE__)
    int mib[] = {CTL_KERN, KERN_PROCARGS2, (int)pid};
#else
    (void)pid, (void)len;
    return NULL;
#endif
#if !defined(__DragonFly__)
    return read_sysctl(mib, sizeof mib / sizeof *mib, len);
#endif
}

static bool holds_entry(const char *at, size_t len, const char *prefix,
                        bool (*accept)(const char *, void *), void *arg)
{
    const char *end = at + len;
    size_t n = strlen(prefix);
    while (at < end && memchr(at, '\0', (size_t)(end - at))) {
        if (strncmp(at, prefix, n) == 0 && accept(at + n, arg))
            return true;
        at += strlen(at) + 1;
    }
    return false;
}

int sys_each_with_env(const char *prefix, bool (*accept)(const char *, void *),
                      void (*visit)(pid_t, int64_t, void *), void *arg)
{
    size_t n;
    int count = 0;
    struct process *list = read_processes(0, &n);
    for (size_t i = 0; list && i < n; i++) {
        size_t len;
        char *env = list[i].pid > 1 && !list[i].dead ? read_environment(list[i].pid, &len) : NULL;
        if (env && holds_entry(env, len, prefix, accept, arg)) {
            count++;
            if (visit)
                visit(list[i].pid, list[i].start, arg);
        }
        free(env);
    }
    free(list);
    return count;
}

static bool is_child_of_ours(const struct process *list, size_t n, pid_t parent)
{
    if (parent == getpid())
        return true;
    for (size_t i = 0; i < n; i++)
        if (list[i].ours && list[i].pid == parent)
            return true;
    return false;
}

/* Children of ours are ours, until nothing is added.  The dead count here:
 * their children may not have been given a new parent yet. */
static void mark_descendants(struct process *list, size_t n)
{
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < n; i++)
            if (!list[i].ours && is_child_of_ours(list, n, list[i].parent))
                list[i].ours = more = true;
    }
}

int sys_each_descendant(void (*visit)(pid_t, int64_t, void *), void *arg)
{
    size_t n;
    int found = 0;
    struct process *list = read_processes(0, &n);
    if (!list) {
        errno = ENOSYS;
        return -1;
    }
    mark_descendants(list, n);
    for (size_t i = 0; i < n; i++)
        if (list[i].ours && !list[i].dead) {
            found++;
            visit(list[i].pid, list[i].start, arg);
        }
    free(list);
    return found;
}

/* kern.proc.filedesc and its like differ too much to be worth it: callers have
 * the group and the environment as well. */
int sys_each_with_file(dev_t dev, ino_t ino, pid_t taker, void (*visit)(pid_t, int64_t, void *),
                       void *arg)
{
    (void)dev, (void)ino, (void)taker, (void)visit, (void)arg;
    return 0;
}

bool sys_group_alive(pid_t group)
{
    size_t n;
    bool alive = false;
    if (group <= 1 || (kill(-group, 0) != 0 && errno == ESRCH))
        return false;
    struct process *list = read_processes(0, &n);
    for (size_t i = 0; list && i < n && !alive; i++)
        alive = list[i].group == group && !list[i].dead && getsid(list[i].pid) == group;
    bool known = list != NULL;
    free(list);
    return alive || !known;
}

/* Where starts are wall time they are first made boot time by today's
 * difference of the two clocks.  A second of doubt is in favour of "the same". */
enum sys_leader sys_group_leader(pid_t group, int64_t boot_us)
{
    int64_t start = sys_process_start(group);
    if (start < 0)
        return SYS_LEADER_GONE;
    if (!START_MOVES_WITH_CLOCK)
        start -= clock_wall_us() - clock_boot_us();
    return start > boot_us + US_PER_SEC ? SYS_LEADER_OTHER : SYS_LEADER_SAME;
}

/* Numbers are given out at random on some of these. */
int64_t sys_births(void)
{
    return 0;
}

bool sys_numbers_reused(int64_t births_then)
{
    (void)births_then;
    return true;
}

/* --- files ---------------------------------------------------------------------- */

enum sys_writers sys_writers(int fd)
{
    (void)fd;
    return SYS_WRITERS_UNKNOWN;
}

bool sys_network_fs(int fd, char kind[32])
{
#if defined(__NetBSD__)
    struct statvfs fs;
    if (fstatvfs(fd, &fs) != 0 || (fs.f_flag & MNT_LOCAL))
        return false;
#else
    struct statfs fs;
    if (fstatfs(fd, &fs) != 0 || (fs.f_flags & MNT_LOCAL))
        return false;
#endif
    snprintf(kind, 32, "%.31s", fs.f_fstypename);
    return true;
}

int sys_sync_fs(int fd)
{
    (void)fd;
    errno = ENOSYS;
    return -1;
}

bool sys_keeps_order(int fd)
{
    (void)fd;
    return false;
}

int sys_sync(int fd)
{
    int rc;
    do
        rc = fsync(fd);
    while (rc < 0 && errno == EINTR);
    return rc;
}

int sys_write_out(int fd)
{
    return sys_sync(fd);
}

#if defined(__APPLE__)
static int program_path(char path[PATH_MAX])
{
    uint32_t size = PATH_MAX;
    return _NSGetExecutablePath(path, &size);
}
#elif defined(__OpenBSD__)
/* The kernel does not know: argv[0], looked up in PATH as the shell did. */
static int program_path(char path[PATH_MAX])
{
    int mib[] = {CTL_KERN, KERN_PROC_ARGS, (int)getpid(), KERN_PROC_ARGV};
    size_t len;
    char **argv = read_sysctl(mib, 4, &len);
    const char *at = getenv("PATH");
    int r = -1;
    if (argv && argv[0] && strchr(argv[0], '/')) {
        r = snprintf(path, PATH_MAX, "%s", argv[0]) < PATH_MAX ? 0 : -1;
    } else if (argv && argv[0]) {
        for (; r != 0 && at && *at; at += strcspn(at, ":"), at += *at == ':')
            if (snprintf(path, PATH_MAX, "%.*s/%s", (int)strcspn(at, ":"), at, argv[0]) < PATH_MAX)
                r = access(path, X_OK);
    }
    free(argv);
    return r;
}
#else
static int program_path(char path[PATH_MAX])
{
#if defined(__NetBSD__)
    int mib[] = {CTL_KERN, KERN_PROC_ARGS, -1, KERN_PROC_PATHNAME};
#else
    int mib[] = {CTL_KERN, KERN_PROC, KERN_PROC_PATHNAME, -1};
#endif
    size_t size = PATH_MAX;
    return sysctl(mib, 4, path, &size, NULL, 0);
}
#endif

/* Who has a file open cannot be known here, so a mark would help nobody. */
int sys_mark_file(int fd)
{
    (void)fd;
    return 0;
}

int sys_self_path(char *out, size_t size)
{
    char path[PATH_MAX];
    if (program_path(path) != 0)
        return -1;
    char *real = realpath(path, NULL);
    if (!real)
        return -1;
    size_t n = strlen(real);
    bool fits = n < size;
    if (fits)
        memcpy(out, real, n + 1);
    else
        errno = ENAMETOOLONG;
    free(real);
    return fits ? 0 : -1;
}

void sys_close_from(int first)
{
#if defined(__APPLE__)
    for (long fd = first, end = sysconf(_SC_OPEN_MAX); fd < end; fd++)
        close((int)fd);
#else
    closefrom(first);
#endif
}

int sys_shared_memory(size_t size)
{
#ifdef SHM_ANON
    int fd = shm_open(SHM_ANON, O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, (off_t)size) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
#else
    (void)size;
    errno = ENOSYS;
#endif
    return -1;
}

/* EVFILT_TIMER with NOTE_ABSTIME fires later or sooner, and tells of no step. */
int sys_clock_watch(void)
{
    errno = ENOSYS;
    return -1;
}

void sys_clock_heard(int fd)
{
    (void)fd;
}

void sys_random(void *out, size_t n)
{
    arc4random_buf(out, n);
}
