/* sys_linux.c: what Linux calls the things of sys.h.
 *
 * Sources: rename(2) (RENAME_NOREPLACE, RENAME_EXCHANGE; EINVAL where the file
 * system lacks them, ENOSYS before 3.15), prctl(2) PR_SET_CHILD_SUBREAPER,
 * fcntl(2) F_SETLEASE, random(4), statfs(2), timerfd_create(2).  Processes are in
 * proc_linux.c (one) and procs_linux.c (finding them).
 */
#include "base/sys.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
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
#include "base/text.h"

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

static struct {
    char id[SYS_ID_LEN + 1];
    int errnum; /* 0: it is known */
} boot;

static void read_boot_id(void)
{
    boot.errnum = read_id("/proc/sys/kernel/random/boot_id", boot.id) == 0 ? 0 : errno;
}

/* It is asked for more than once, and does not change while we live. */
int sys_boot_id(char out[SYS_ID_LEN + 1])
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    int r = pthread_once(&once, read_boot_id);
    errno = r ? r : boot.errnum;
    if (errno)
        return -1;
    memcpy(out, boot.id, sizeof boot.id);
    return 0;
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

int64_t sys_born_us(int fd)
{
    struct statx st;
    if (statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &st) != 0 || !(st.stx_mask & STATX_BTIME))
        return -1;
    return (int64_t)st.stx_btime.tv_sec * 1000000 + st.stx_btime.tv_nsec / 1000;
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

uint64_t sys_pid_namespace(void)
{
    struct stat st;
    return stat("/proc/self/ns/pid", &st) == 0 ? (uint64_t)st.st_ino : 0;
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
            text_copy(kind, 32, network[i].kind);
            return true;
        }
    return false;
}

int sys_sync_fs(int fd)
{
    return syncfs(fd);
}

#define BTRFS 0x9123683EUL
/* ext2, ext3, ext4; XFS; tmpfs, ramfs: a power cut takes all; ZFS: by transactions */
static const unsigned long in_order[] = {0xEF53, 0x58465342, 0x01021994, 0x858458F6, 0x2FC12FC1};

static unsigned long fs_magic(int fd)
{
    struct statfs fs;
    return fstatfs(fd, &fs) == 0 ? (unsigned long)(fs.f_type & 0xFFFFFFFF) : 0;
}

static bool is_in_order(unsigned long magic)
{
    for (size_t i = 0; i < sizeof in_order / sizeof *in_order; i++)
        if (in_order[i] == magic)
            return true;
    return false;
}

bool sys_keeps_order(int fd)
{
    return is_in_order(fs_magic(fd));
}

int sys_sync(int fd)
{
    int rc;
    do
        rc = fs_magic(fd) == BTRFS ? syncfs(fd) : fsync(fd);
    while (rc < 0 && errno == EINTR);
    return rc;
}

/* To begin the writing (SYNC_FILE_RANGE_WRITE alone) is not enough: since Linux 5.6
 * ext4 writes into unwritten extents, which a journal commit between the rename and
 * the end of the writing shows as zeros.  On btrfs even the end of the writing is not:
 * when the folder is in its log, a rename puts the file there too, without its content
 * unless that was synced. */
int sys_write_out(int fd)
{
    if (sys_keeps_order(fd))
        return sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
                                             SYNC_FILE_RANGE_WAIT_AFTER);
    return fsync(fd);
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

int sys_shared_memory(size_t size)
{
    int fd = memfd_create("queuectl", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, (off_t)size) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
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
