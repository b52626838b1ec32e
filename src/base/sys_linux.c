/* sys_linux.c: what Linux calls the things of sys.h.
 *
 * Sources: rename(2) (RENAME_NOREPLACE, RENAME_EXCHANGE; EINVAL where the file
 * system lacks them, ENOSYS before 3.15), prctl(2) PR_SET_CHILD_SUBREAPER,
 * proc(5) (stat field 22 is the start in clock ticks since boot, field 3 the
 * state), fcntl(2) F_SETLEASE, pidfd_open(2), random(4), statfs(2),
 * timerfd_create(2).
 */
#include "base/sys.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/num.h"

#define PROC_FILE_MAX 65536

/* The first 32 hex digits of text, dashes left out.  False if there are fewer. */
static bool hex_digits(const char *text, char out[SYS_ID_LEN + 1])
{
    size_t n = 0;
    for (; *text && n < SYS_ID_LEN; text++) {
        if (strchr("0123456789abcdef", *text))
            out[n++] = *text;
        else if (*text != '-')
            break;
    }
    out[n] = '\0';
    return n == SYS_ID_LEN;
}

static int read_id(const char *path, char out[SYS_ID_LEN + 1])
{
    struct buf text = BUF_INIT;
    int fd = io_open(AT_FDCWD, path, O_RDONLY, 0);
    if (fd < 0)
        return -1;
    int r = io_read_fd(fd, &text, 4096);
    close(fd);
    if (r == 0 && !hex_digits(buf_str(&text), out)) {
        errno = EINVAL;
        r = -1;
    }
    buf_release(&text);
    return r;
}

int sys_boot_id(char out[SYS_ID_LEN + 1])
{
    return read_id("/proc/sys/kernel/random/boot_id", out);
}

/* FNV-1a, twice with different offsets: a name for a host without machine-id,
 * not a secret. */
static void hash_name(const char *text, char out[SYS_ID_LEN + 1])
{
    uint64_t a = UINT64_C(14695981039346656037), b = a ^ UINT64_C(0x9e3779b97f4a7c15);
    for (; *text; text++) {
        a = (a ^ (unsigned char)*text) * UINT64_C(1099511628211);
        b = (b ^ (unsigned char)*text) * UINT64_C(1099511628211);
    }
    snprintf(out, SYS_ID_LEN + 1, "%016llx%016llx", (unsigned long long)a, (unsigned long long)b);
}

int sys_host_id(char out[SYS_ID_LEN + 1])
{
    char name[256];
    if (read_id("/etc/machine-id", out) == 0 || read_id("/var/lib/dbus/machine-id", out) == 0)
        return 0;
    if (gethostname(name, sizeof name) != 0)
        return -1;
    name[sizeof name - 1] = '\0';
    hash_name(name, out);
    return 0;
}

static int rename_flags(int olddir, const char *old, int newdir, const char *new, unsigned flags)
{
    int r;
    do
        r = renameat2(olddir, old, newdir, new, flags);
    while (r != 0 && errno == EINTR);
    return r;
}

static bool flag_unknown(void)
{
    return errno == EINVAL || errno == ENOSYS || errno == ENOTSUP;
}

int sys_rename_noreplace(int olddir, const char *old, int newdir, const char *new)
{
    struct stat st;
    if (rename_flags(olddir, old, newdir, new, RENAME_NOREPLACE) == 0)
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
    if (rename_flags(olddir, old, newdir, new, RENAME_EXCHANGE) == 0)
        return 0;
    if (!flag_unknown())
        return -1;
    if (fstatat(newdir, new, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return -1;
    return renameat(olddir, old, newdir, new);
}

int sys_subreaper(void)
{
    return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

struct process {
    pid_t pid, parent, group;
    int64_t start;
    char state;
    bool ours;
};

/* From /proc/PID/stat.  The name in field 2 may hold anything, so fields are
 * counted from the last ')'. */
static bool read_stat(pid_t pid, struct process *p)
{
    char path[40], line[1024];
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    int fd = io_open(AT_FDCWD, path, O_RDONLY, 0);
    if (fd < 0)
        return false;
    ssize_t n = io_read(fd, line, sizeof line - 1);
    close(fd);
    if (n <= 0)
        return false;
    line[n] = '\0';
    char *at = strrchr(line, ')');
    if (!at || at[1] != ' ')
        return false;
    *p = (struct process){.pid = pid, .state = at[2]};
    char *end = at + 3;
    for (int field = 4; field <= 22; field++) {
        long long v = strtoll(end, &end, 10);
        if (field == 4)
            p->parent = (pid_t)v;
        if (field == 5)
            p->group = (pid_t)v;
        if (field == 22)
            p->start = v;
    }
    return true;
}

static bool is_dead(const struct process *p)
{
    return p->state == 'Z' || p->state == 'X' || p->state == 'x';
}

int64_t sys_process_start(pid_t pid)
{
    struct process p;
    return pid > 0 && read_stat(pid, &p) && !is_dead(&p) ? p.start : -1;
}

uint64_t sys_pid_namespace(void)
{
    struct stat st;
    return stat("/proc/self/ns/pid", &st) == 0 ? (uint64_t)st.st_ino : 0;
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

/* Does errno say that we could not look, rather than that it is gone? */
static bool could_not_look(void)
{
    return errno == EMFILE || errno == ENFILE || errno == ENOMEM;
}

/* Every process's pid, to visit. */
static int each_process(void (*visit)(pid_t pid, void *arg), void *arg)
{
    DIR *proc = opendir("/proc");
    if (!proc)
        return -1;
    struct dirent *e;
    while ((e = readdir(proc))) {
        int64_t pid;
        if (num_parse(e->d_name, 1, INT32_MAX, &pid))
            visit((pid_t)pid, arg);
    }
    closedir(proc);
    return 0;
}

struct env_search {
    const char *prefix;
    bool (*accept)(const char *, void *);
    void (*visit)(pid_t, int64_t, void *);
    void *arg;
    int count;
    bool failed;
    struct buf text;
};

/* The last entry may lack its NUL; the buffer has one. */
static bool holds_entry(const struct env_search *s)
{
    size_t n = strlen(s->prefix);
    const char *at = buf_str(&s->text), *end = at + s->text.len;
    for (; at < end; at += strlen(at) + 1)
        if (strncmp(at, s->prefix, n) == 0 && s->accept(at + n, s->arg))
            return true;
    return false;
}

static void match_env(pid_t pid, void *arg)
{
    struct env_search *s = arg;
    char path[40];
    snprintf(path, sizeof path, "/proc/%ld/environ", (long)pid);
    int fd = io_open(AT_FDCWD, path, O_RDONLY, 0);
    if (fd < 0) {
        s->failed |= could_not_look();
        return;
    }
    buf_reset(&s->text);
    int r = io_read_fd(fd, &s->text, (size_t)1 << 22);
    s->failed |= r != 0 && could_not_look();
    close(fd);
    if (r != 0 || s->text.len == 0 || !holds_entry(s))
        return;
    int64_t start = sys_process_start(pid);
    if (start >= 0) {
        s->count++;
        if (s->visit)
            s->visit(pid, start, s->arg);
    }
}

int sys_each_with_env(const char *prefix, bool (*accept)(const char *, void *),
                      void (*visit)(pid_t, int64_t, void *), void *arg)
{
    struct env_search s = {.prefix = prefix, .accept = accept, .visit = visit, .arg = arg,
                           .text = BUF_INIT};
    s.failed |= each_process(match_env, &s) != 0;
    buf_release(&s.text);
    return s.failed && s.count == 0 ? -1 : s.count;
}

struct file_search {
    dev_t dev;
    ino_t ino;
    pid_t taker;
    void (*visit)(pid_t, int64_t, void *);
    void *arg;
    int count;
};

int sys_mark_file(int fd)
{
    return fcntl(fd, F_SETFL, O_APPEND);
}

/* "lock: 1: FLOCK ADVISORY WRITE PID ..." is there if this open file has the
 * lock.  The pid of a dead taker is 0 in a PID namespace that is not the first. */
static bool is_taken_by(const char *fdinfo, pid_t taker)
{
    const char *lock = strstr(fdinfo, "FLOCK"), *pid = lock ? strstr(lock, "WRITE") : NULL;
    long found = pid ? strtol(pid + 5, NULL, 10) : -1;
    return found == 0 || found == (long)taker;
}

static bool is_marked(pid_t pid, const char *number, pid_t taker)
{
    char path[80], text[512];
    snprintf(path, sizeof path, "/proc/%ld/fdinfo/%.20s", (long)pid, number);
    int fd = io_open(AT_FDCWD, path, O_RDONLY, 0);
    ssize_t n = fd < 0 ? -1 : io_read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    const char *flags = strstr(text, "flags:");
    return flags && (strtoul(flags + 6, NULL, 8) & O_APPEND) && is_taken_by(text, taker);
}

static bool has_open(pid_t pid, const struct file_search *s)
{
    char path[40];
    struct stat st;
    struct dirent *e;
    bool has = false;
    snprintf(path, sizeof path, "/proc/%ld/fd", (long)pid);
    DIR *fds = opendir(path);
    while (fds && !has && (e = readdir(fds)))
        has = fstatat(dirfd(fds), e->d_name, &st, 0) == 0 && st.st_ino == s->ino &&
              st.st_dev == s->dev && is_marked(pid, e->d_name, s->taker);
    if (fds)
        closedir(fds);
    return has;
}

static void match_file(pid_t pid, void *arg)
{
    struct file_search *s = arg;
    int64_t start = pid == getpid() ? -1 : sys_process_start(pid);
    if (start < 0 || !has_open(pid, s))
        return;
    s->count++;
    s->visit(pid, start, s->arg);
}

int sys_each_with_file(dev_t dev, ino_t ino, pid_t taker, void (*visit)(pid_t, int64_t, void *),
                       void *arg)
{
    struct file_search s = {dev, ino, taker, visit, arg, 0};
    each_process(match_file, &s);
    return s.count;
}

struct process_list {
    struct process *item;
    size_t n, cap;
    bool failed;
};

static void list_process(pid_t pid, void *arg)
{
    struct process_list *l = arg;
    struct process p;
    if (l->failed)
        return;
    if (!read_stat(pid, &p)) {
        l->failed |= could_not_look();
        return;
    }
    if (is_dead(&p))
        return;
    if (l->n == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 256;
        struct process *grown = realloc(l->item, cap * sizeof *grown);
        l->failed = !grown;
        if (!grown)
            return;
        l->item = grown;
        l->cap = cap;
    }
    l->item[l->n++] = p;
}

/* Children of ours are ours, until nothing is added. */
static int mark_descendants(struct process_list *l, pid_t root)
{
    int found = 0;
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < l->n; i++) {
            if (l->item[i].ours)
                continue;
            bool ours = l->item[i].parent == root;
            for (size_t k = 0; k < l->n && !ours; k++)
                ours = l->item[k].ours && l->item[k].pid == l->item[i].parent;
            if (ours) {
                l->item[i].ours = more = true;
                found++;
            }
        }
    }
    return found;
}

int sys_each_descendant(void (*visit)(pid_t, int64_t, void *), void *arg)
{
    struct process_list l = {0};
    if (each_process(list_process, &l) != 0 || l.failed) {
        free(l.item);
        return -1;
    }
    int found = mark_descendants(&l, getpid());
    for (size_t i = 0; i < l.n; i++)
        if (l.item[i].ours)
            visit(l.item[i].pid, l.item[i].start, arg);
    free(l.item);
    return found;
}

bool sys_group_alive(pid_t group)
{
    struct process_list l = {0};
    bool alive = false;
    if (group <= 1 || (kill(-group, 0) != 0 && errno == ESRCH))
        return false;
    l.failed |= each_process(list_process, &l) != 0;
    for (size_t i = 0; i < l.n && !alive; i++)
        alive = l.item[i].group == group;
    free(l.item);
    return alive || l.failed;
}

enum sys_writers sys_writers(int fd)
{
    if (fcntl(fd, F_SETLEASE, F_RDLCK) == 0) {
        fcntl(fd, F_SETLEASE, F_UNLCK);
        return SYS_WRITERS_NONE;
    }
    return errno == EAGAIN ? SYS_WRITERS_SOME : SYS_WRITERS_UNKNOWN;
}

/* Magic numbers of statfs(2) and linux/magic.h.  FUSE is not among them: most
 * of it is local, and sshfs cannot be told from the rest. */
static const struct {
    unsigned long magic;
    const char *kind;
} network[] = {
    {0x6969, "nfs"},       {0x517B, "smb"},        {0xFF534D42, "cifs"}, {0xFE534D42, "smb2"},
    {0x5346414F, "afs"},   {0x73757245, "coda"},   {0x00C36400, "ceph"}, {0x01021997, "9p"},
    {0x0BD00BD0, "lustre"}, {0x47504653, "gpfs"},  {0x7461636F, "ocfs2"}, {0x01161970, "gfs2"},
    {0x564C, "ncp"},       {0x6B414653, "afs"},
};

bool sys_network_fs(int fd, char kind[32])
{
    struct statfs fs;
    if (fstatfs(fd, &fs) != 0)
        return false;
    for (size_t i = 0; i < sizeof network / sizeof *network; i++)
        if (network[i].magic == (unsigned long)(fs.f_type & 0xFFFFFFFF)) {
            snprintf(kind, 32, "%s", network[i].kind);
            return true;
        }
    return false;
}

int sys_sync_fs(int fd)
{
    return syncfs(fd);
}

void sys_start_writeback(int fd)
{
    sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}

/* The start is in ticks of boot time; a tick of doubt is in favour of "the same". */
bool sys_started_after(pid_t pid, int64_t boot_us)
{
    int64_t start = sys_process_start(pid), tick_us = 1000000 / sysconf(_SC_CLK_TCK);
    return start >= 0 && start * tick_us > boot_us + tick_us;
}

int sys_self_path(char *out, size_t size)
{
    ssize_t n = readlink("/proc/self/exe", out, size);
    if (n < 0)
        return -1;
    if ((size_t)n >= size) {
        errno = ENAMETOOLONG;
        return -1;
    }
    out[n] = '\0';
    return 0;
}

/* close_range(2) is there since 5.9. */
void sys_close_from(int first)
{
#ifdef SYS_close_range
    if (syscall(SYS_close_range, (unsigned)first, ~0u, 0u) == 0)
        return;
#endif
    for (long fd = first, end = sysconf(_SC_OPEN_MAX); fd < end; fd++)
        close((int)fd);
}

/* The time itself never comes; a set clock, or the end of a suspend, cancels it.
 * The read that tells of it (ECANCELED) is what makes the next one heard. */
int sys_clock_watch(void)
{
    const struct itimerspec never = {.it_value = {.tv_sec = INT64_MAX}};
    int fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    if (fd < 0)
        return -1;
    if (timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

void sys_clock_heard(int fd)
{
    uint64_t times;
    (void)io_read(fd, &times, sizeof times);
}

void sys_random(void *out, size_t n)
{
    unsigned char *at = out;
    while (n > 0) {
        ssize_t got = getrandom(at, n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            abort();
        at += got;
        n -= (size_t)got;
    }
}
