#include "worker/logfile.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "spool/file.h"

int logfile_open(const struct spool *sp)
{
    return io_open_file(sp->root, LOGFILE_NAME, O_RDWR | O_CREAT | O_APPEND, 0600);
}

void logfile_reopen(const struct spool *sp)
{
    int fd = logfile_open(sp);
    if (fd >= 0) {
        dup2(fd, STDOUT_FILENO);
        dup2(fd, STDERR_FILENO);
        close(fd);
    }
}

bool logfile_is_ours(const struct spool *sp)
{
    struct stat path, held;
    return fstatat(sp->root, LOGFILE_NAME, &path, AT_SYMLINK_NOFOLLOW) == 0 &&
           fstat(STDERR_FILENO, &held) == 0 && path.st_ino == held.st_ino;
}

bool logfile_rotate(const struct spool *sp)
{
    struct stat named, held;
    bool there = fstatat(sp->root, LOGFILE_NAME, &named, AT_SYMLINK_NOFOLLOW) == 0;
    if (there && named.st_size > LOGFILE_MAX)
        return file_rename_root(sp, LOGFILE_NAME, LOGFILE_NAME ".1") == 0;
    return fstat(STDERR_FILENO, &held) == 0 && (!there || named.st_ino != held.st_ino);
}
