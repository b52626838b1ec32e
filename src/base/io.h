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

int io_open(int dir, const char *name, int flags, mode_t mode); /* openat + O_CLOEXEC */
ssize_t io_read(int fd, void *bytes, size_t n);
int io_write_all(int fd, const void *bytes, size_t n);
int io_sync(int fd); /* fsync(2); EINVAL and EROFS on things that cannot be synced are success */

/* Append all that is left to read.  More than max bytes: -1, EFBIG.
 * Allocation: -1, ENOMEM. */
int io_read_fd(int fd, struct buf *out, size_t max);

/* Open dir/name (O_RDONLY|O_NOFOLLOW|O_NONBLOCK), insist on a regular file
 * (else EINVAL), append it whole, bounded as above. */
int io_read_file(int dir, const char *name, struct buf *out, size_t max);

/* Lists are read with a descriptor of their own: a fresh open of "." below
 * dir, so that two readers never share an offset.  -1 or a descriptor fit for
 * fdopendir(3). */
int io_open_list(int dir);

#endif
