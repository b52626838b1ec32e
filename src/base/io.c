/* io.c: system calls on files (see io.h).
 *
 * EINTR is handled here: a call that a signal cut short is made again.
 * close(2) is not among them: after EINTR the descriptor is gone on Linux, and
 * a second close might hit somebody else's.  Descriptors are set to
 * O_NONBLOCK only so that opening a FIFO someone dropped cannot hang; for the
 * regular files read here the flag means nothing.
 */
#include "base/io.h"
#include "base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_CHUNK ((size_t)4096)

int io_open(int dir, const char *name, int flags, mode_t mode)
{
    int fd;

    do
        fd = openat(dir, name, flags | O_CLOEXEC, mode);
    while (fd < 0 && errno == EINTR);
    return fd;
}

const char *io_odd_kind(mode_t mode)
{
    static const struct {
        mode_t type;
        const char *name;
    } kinds[] = {{S_IFLNK, "a symbolic link"}, {S_IFDIR, "a folder"}, {S_IFIFO, "a named pipe"},
                 {S_IFSOCK, "a socket"},       {S_IFREG, NULL}};

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if ((mode & S_IFMT) == kinds[i].type)
            return kinds[i].name;
    return "a device";
}

/* Systems disagree on the errno of a link or a folder, so the name is asked. */
static bool is_odd(int dir, const char *name, struct stat *st)
{
    return fstatat(dir, name, st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISREG(st->st_mode);
}

/* Who did not ask for O_NONBLOCK may hand the descriptor on to a job. */
static int insist_on_regular(int fd, int flags)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return -1;
    if (!S_ISREG(st.st_mode)) {
        errno = EINVAL;
        return -1;
    }
    return flags & O_NONBLOCK ? 0 : fcntl(fd, F_SETFL, flags & O_APPEND);
}

int io_open_file(int dir, const char *name, int flags, mode_t mode)
{
    int fd = io_open(dir, name, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, mode);
    int saved = errno;
    struct stat st;

    if (fd < 0) {
        errno = is_odd(dir, name, &st) ? EINVAL : saved;
        return -1;
    }
    if (insist_on_regular(fd, flags) == 0)
        return fd;
    saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

int io_error(struct err *err, const char *what, int dir, const char *folder, const char *name)
{
    int saved = errno;
    const char *parent = folder ? folder : "", *slash = folder ? "/" : "";
    struct stat st;
    bool odd = is_odd(dir, name, &st);

    errno = saved;
    if (odd)
        return err_set(err, ERR_SYSTEM, "%s %s%s%s: it is %s, and no regular file; move it away",
                       what, parent, slash, name, io_odd_kind(st.st_mode));
    return err_set(err, ERR_SYSTEM, "%s %s%s%s: %s", what, parent, slash, name, strerror(saved));
}

ssize_t io_read(int fd, void *bytes, size_t n)
{
    ssize_t got;

    do
        got = read(fd, bytes, n);
    while (got < 0 && errno == EINTR);
    return got;
}

int io_write_all(int fd, const void *bytes, size_t n)
{
    const char *at = bytes;

    while (n > 0) {
        ssize_t wrote = write(fd, at, n);

        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return -1;
        at += wrote;
        n -= (size_t)wrote;
    }
    return 0;
}

int io_sync(int fd)
{
    int rc = sys_sync(fd);

    if (rc < 0 && (errno == EINVAL || errno == EROFS))
        return 0;
    return rc;
}

int io_read_fd(int fd, struct buf *out, size_t max)
{
    size_t start = out->len;

    for (;;) {
        size_t left = max - (out->len - start);
        size_t want = out->cap - out->len > READ_CHUNK ? out->cap - out->len - 1 : READ_CHUNK;
        char *to;
        ssize_t got;

        /* One byte over max is asked for, so that "too big" is seen. */
        if (left < want)
            want = left + 1;
        to = buf_room(out, want);
        if (to == NULL) {
            errno = ENOMEM;
            return -1;
        }
        got = io_read(fd, to, want);
        to[got > 0 ? got : 0] = '\0';
        if (got <= 0)
            return got < 0 ? -1 : 0;
        if ((size_t)got > left) {
            to[0] = '\0';
            errno = EFBIG;
            return -1;
        }
        out->len += (size_t)got;
    }
}

int io_read_file(int dir, const char *name, struct buf *out, size_t max)
{
    int fd = io_open_file(dir, name, O_RDONLY | O_NONBLOCK, 0);
    int rc, saved;

    if (fd < 0)
        return -1;
    rc = io_read_fd(fd, out, max);
    saved = errno;
    close(fd);
    errno = saved;
    return rc;
}

int io_open_list(int dir)
{
    return io_open(dir, ".", O_RDONLY | O_DIRECTORY, 0);
}
