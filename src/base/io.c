/* io.c: system calls on files (see io.h).
 *
 * EINTR is handled here: a call that a signal cut short is made again.
 * close(2) is not among them: after EINTR the descriptor is gone on Linux, and
 * a second close might hit somebody else's.  Descriptors are set to
 * O_NONBLOCK only so that opening a FIFO someone dropped cannot hang; for the
 * regular files read here the flag means nothing.
 */
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
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
    int rc;

    do
        rc = fsync(fd);
    while (rc < 0 && errno == EINTR);
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
    int fd = io_open(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
    int rc = -1, saved;
    struct stat st;

    if (fd < 0)
        return -1;
    if (fstat(fd, &st) == 0) {
        if (S_ISREG(st.st_mode))
            rc = io_read_fd(fd, out, max);
        else
            errno = EINVAL;
    }
    saved = errno;
    close(fd);
    errno = saved;
    return rc;
}

int io_open_list(int dir)
{
    return io_open(dir, ".", O_RDONLY | O_DIRECTORY, 0);
}
