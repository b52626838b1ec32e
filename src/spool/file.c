/* file.c: making, moving and looking at files.
 *
 * The commit points of the whole queue are the renames in this file.  Before
 * each, the content is complete (and synced where its caller asked); after it,
 * the job is where its new name says.  A crash in between leaves one of the
 * two, and perhaps a file in tmp/ under a dead maker's token.
 */
#include "spool/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/io.h"
#include "base/sys.h"

int file_make_tmp(struct spool *sp, const void *bytes, size_t n, enum file_sure sure,
                  char tmp[FILE_NAME_MAX + 1])
{
    snprintf(tmp, FILE_NAME_MAX + 1, "%s.%lu", sp->token, sp->made++);
    int fd = io_open(sp->dir[DIR_TMP], tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -1;
    int r = io_write_all(fd, bytes, n);
    if (r == 0 && sure == FILE_SYNCED)
        r = io_sync(fd);
    if (r == 0 && sure == FILE_WRITEBACK)
        sys_start_writeback(fd);
    int saved = errno;
    if (close(fd) != 0 && r == 0) {
        saved = errno;
        r = -1;
    }
    if (r != 0)
        file_drop_tmp(sp, tmp);
    errno = saved;
    return r;
}

void file_drop_tmp(const struct spool *sp, const char *tmp)
{
    unlinkat(sp->dir[DIR_TMP], tmp, 0);
}

int file_publish(const struct spool *sp, const char *tmp, enum dir d, const char *name)
{
    return sys_rename_noreplace(sp->dir[DIR_TMP], tmp, sp->dir[d], name);
}

int file_exchange(const struct spool *sp, const char *tmp, enum dir d, const char *name)
{
    int r = sys_rename_exchange(sp->dir[DIR_TMP], tmp, sp->dir[d], name);
    int saved = errno;
    file_drop_tmp(sp, tmp);
    errno = saved;
    return r;
}

int file_move(const struct spool *sp, enum dir d, const char *name, enum dir e, const char *new)
{
    return sys_rename_noreplace(sp->dir[d], name, sp->dir[e], new);
}

int file_replace(const struct spool *sp, enum dir d, const char *name, enum dir e, const char *new)
{
    return renameat(sp->dir[d], name, sp->dir[e], new);
}

int file_rename_root(const struct spool *sp, const char *name, const char *new)
{
    return renameat(sp->root, name, sp->root, new);
}

int file_remove(const struct spool *sp, enum dir d, const char *name)
{
    return unlinkat(sp->dir[d], name, 0);
}

int file_remove_folder(const struct spool *sp, enum dir d, const char *name)
{
    return unlinkat(sp->dir[d], name, AT_REMOVEDIR);
}

int file_sync(const struct spool *sp, enum dir d, const char *name)
{
    int fd = io_open(sp->dir[d], name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    int r = io_sync(fd);
    close(fd);
    return r;
}

int file_sync_dir(const struct spool *sp, enum dir d)
{
    return io_sync(sp->dir[d]);
}

static const char *kind_of(mode_t mode)
{
    if (S_ISLNK(mode))
        return "a symbolic link";
    if (S_ISDIR(mode))
        return "a folder";
    if (S_ISFIFO(mode))
        return "a named pipe";
    if (S_ISSOCK(mode))
        return "a socket";
    return "a device";
}

/* What fstat(2) alone can tell. */
static enum file_look judge(const struct stat *st, size_t max, bool foreign,
                            struct file_seen *seen)
{
    if (!S_ISREG(st->st_mode)) {
        snprintf(seen->why, sizeof seen->why, "it is %s, and a job is a regular file",
                 kind_of(st->st_mode));
        return FILE_MISFIT;
    }
    if (st->st_uid != geteuid() && st->st_uid != 0) {
        snprintf(seen->why, sizeof seen->why,
                 "it belongs to user %lu, whose jobs this spool does not run",
                 (unsigned long)st->st_uid);
        return FILE_MISFIT;
    }
    if (foreign && st->st_nlink > 1) {
        snprintf(seen->why, sizeof seen->why, "it has a second name (hard link)");
        return FILE_NOT_YET;
    }
    if (st->st_size > (off_t)max) {
        snprintf(seen->why, sizeof seen->why, "it has %lld bytes; a job has at most %zu",
                 (long long)st->st_size, max);
        return FILE_MISFIT;
    }
    return FILE_OK;
}

static enum file_look read_seen(int fd, size_t max, bool foreign, struct buf *out,
                                struct file_seen *seen)
{
    if (fstat(fd, &seen->st) != 0)
        return FILE_TROUBLE;
    enum file_look look = judge(&seen->st, max, foreign, seen);
    if (look == FILE_MISFIT)
        return look;
    if (foreign && sys_writers(fd) == SYS_WRITERS_SOME) {
        snprintf(seen->why, sizeof seen->why, "somebody has it open for writing");
        return FILE_NOT_YET;
    }
    if (look == FILE_OK && io_read_fd(fd, out, max) != 0) {
        snprintf(seen->why, sizeof seen->why, "it grew while it was read");
        return errno == EFBIG ? FILE_NOT_YET : FILE_TROUBLE;
    }
    return look;
}

/* A file that cannot be opened: what it is, if it is no job's file anyway. */
static enum file_look look_unopened(const struct spool *sp, enum dir d, const char *name,
                                    size_t max, struct file_seen *seen)
{
    int saved = errno;
    if (saved == ENOENT)
        return FILE_GONE;
    if (fstatat(sp->dir[d], name, &seen->st, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? FILE_GONE : FILE_TROUBLE;
    enum file_look look = judge(&seen->st, max, true, seen);
    if (look == FILE_MISFIT)
        return look;
    errno = saved;
    if (saved == EACCES || saved == EPERM) {
        snprintf(seen->why, sizeof seen->why, "it cannot be read (mode %03o)",
                 (unsigned)(seen->st.st_mode & 0777));
        return FILE_MISFIT;
    }
    return FILE_TROUBLE;
}

enum file_look file_inspect(const struct spool *sp, enum dir d, const char *name, size_t max,
                            bool foreign, struct buf *out, struct file_seen *seen)
{
    seen->why[0] = '\0';
    int fd = io_open(sp->dir[d], name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0);
    if (fd < 0)
        return look_unopened(sp, d, name, max, seen);
    enum file_look look = read_seen(fd, max, foreign, out, seen);
    int saved = errno;
    close(fd);
    errno = saved;
    return look;
}
