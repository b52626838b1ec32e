/* refuse.c: a disk that refuses (LD_PRELOAD): every call that would change something
 * under the folder $REFUSE_UNDER fails with the errno that stands in the file $REFUSE,
 * which disks.py writes; 0: none does.  The second number in it: statvfs(3) shows a
 * read-only file system.
 *
 * For what cannot be had at will from a real one while programs have files open for
 * writing: mount(8) remounts read-only only without them.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

static volatile int32_t *control; /* errno, read-only? */
static dev_t device;

__attribute__((constructor)) static void open_control(void)
{
    struct stat st;
    const char *path = getenv("REFUSE"), *under = getenv("REFUSE_UNDER");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0 || !under || stat(under, &st) != 0)
        return;
    device = st.st_dev;
    void *at = mmap(NULL, 2 * sizeof *control, PROT_READ, MAP_SHARED, fd, 0);
    control = at == MAP_FAILED ? NULL : at;
    close(fd);
}

static bool refuses(int fd, const char *path)
{
    struct stat st;
    int flags = path ? AT_SYMLINK_NOFOLLOW : AT_EMPTY_PATH;
    if (!control || !control[0])
        return false;
    if (fstatat(fd, path ? path : "", &st, flags) != 0 && /* not there: its folder tells */
        (!path || path[0] == '/' || fstatat(fd, ".", &st, 0) != 0))
        return false;
    if (st.st_dev != device)
        return false;
    errno = control[0];
    return true;
}

int openat(int dir, const char *path, int flags, ...)
{
    va_list more;
    va_start(more, flags);
    int mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(more, int) : 0;
    va_end(more);
    if ((flags & (O_CREAT | O_TRUNC) || (flags & O_ACCMODE) != O_RDONLY) && refuses(dir, path)) {
        bool there = faccessat(dir, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
        errno = there && (flags & O_EXCL) ? EEXIST : control[0]; /* EEXIST comes first */
        return -1;
    }
    return (int)syscall(SYS_openat, dir, path, flags, mode);
}

ssize_t write(int fd, const void *bytes, size_t n)
{
    return refuses(fd, NULL) ? -1 : syscall(SYS_write, fd, bytes, n);
}

ssize_t pwrite(int fd, const void *bytes, size_t n, off_t at)
{
    return refuses(fd, NULL) ? -1 : syscall(SYS_pwrite64, fd, bytes, n, at);
}

int renameat2(int from, const char *old, int to, const char *new, unsigned flags)
{
    struct stat st;
    if (fstatat(from, old, &st, AT_SYMLINK_NOFOLLOW) != 0 || refuses(from, old))
        return -1;
    return (int)syscall(SYS_renameat2, from, old, to, new, flags);
}

int renameat(int from, const char *old, int to, const char *new)
{
    return renameat2(from, old, to, new, 0);
}

int unlinkat(int dir, const char *path, int flags)
{
    struct stat st;
    if (fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) != 0 || refuses(dir, path))
        return -1;
    return (int)syscall(SYS_unlinkat, dir, path, flags);
}

int futimens(int fd, const struct timespec times[2])
{
    return refuses(fd, NULL) ? -1 : (int)syscall(SYS_utimensat, fd, NULL, times, 0);
}

int fchmod(int fd, mode_t mode)
{
    return refuses(fd, NULL) ? -1 : (int)syscall(SYS_fchmod, fd, mode);
}

int ftruncate(int fd, off_t size)
{
    return refuses(fd, NULL) ? -1 : (int)syscall(SYS_ftruncate, fd, size);
}

int posix_fallocate(int fd, off_t at, off_t n)
{
    if (refuses(fd, NULL))
        return errno;
    return syscall(SYS_fallocate, fd, 0, at, n) == 0 ? 0 : errno;
}

int fstatvfs(int fd, struct statvfs *fs)
{
    static int (*real)(int, struct statvfs *);
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "fstatvfs");
    int r = real(fd, fs);
    if (r == 0 && control && control[1])
        fs->f_flag |= ST_RDONLY;
    return r;
}
