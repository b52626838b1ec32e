/* io.h: system calls on files, with EINTR handled here and nowhere else.
 *
 * All return like the call they wrap: 0, a count or a descriptor, or -1 with
 * errno.  Every descriptor made here is close-on-exec.
 */
#ifndef BASE_IO_H
#define BASE_IO_H

#include <stddef.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

int io_open(int dir, const char *name, int flags, mode_t mode); /* openat + O_CLOEXEC */

/* The same for a name that a stranger may have given to anything: no link is
 * followed, no pipe waited for, and what is no regular file is EINVAL. */
int io_open_file(int dir, const char *name, int flags, mode_t mode);
/* "a folder", "a named pipe", ...; NULL: a regular file. */
const char *io_odd_kind(mode_t mode);
/* err_sys about FOLDER/NAME (folder NULL: just NAME), which lies in dir; where
 * something odd has the name, that is said instead of errno.  Returns -1. */
int io_error(struct err *err, const char *what, int dir, const char *folder, const char *name);

ssize_t io_read(int fd, void *bytes, size_t n);
int io_write_all(int fd, const void *bytes, size_t n);
int io_sync(int fd); /* sys_sync(); EINVAL and EROFS on things that cannot be synced are success */

/* Append all that is left to read.  More than max bytes: -1, EFBIG.
 * Allocation: -1, ENOMEM. */
int io_read_fd(int fd, struct buf *out, size_t max);

/* io_open_file, append it whole, bounded as above. */
int io_read_file(int dir, const char *name, struct buf *out, size_t max);

/* Lists are read with a descriptor of their own: a fresh open of "." below
 * dir, so that two readers never share an offset.  -1 or a descriptor fit for
 * fdopendir(3). */
int io_open_list(int dir);

#endif
