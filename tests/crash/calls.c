/* calls.c: see calls.h. */
#include "calls.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>

#define NONE {-1, -1}
#define ON_FD(n) {{n, -1}, NONE}
#define ON_PATH(n) {{-1, n}, NONE}
#define IN_DIR(fd, path) {{fd, path}, NONE}
#define ON_NOTHING {NONE, NONE}
#define CALL(name, ...) {SYS_##name, #name, __VA_ARGS__, false, false}
#define TRANSFER(name, ...) {SYS_##name, #name, __VA_ARGS__, true, false}

static const struct call calls[] = {
    CALL(openat, IN_DIR(0, 1)),
    CALL(newfstatat, IN_DIR(0, 1)),
    CALL(fstat, ON_FD(0)),
    CALL(fstatfs, ON_FD(0)),
    CALL(statfs, ON_PATH(0)),
    CALL(access, ON_PATH(0)),
    CALL(faccessat2, IN_DIR(0, 1)),
    CALL(readlink, ON_PATH(0)),
    CALL(readlinkat, IN_DIR(0, 1)),
    CALL(getcwd, ON_NOTHING),
    CALL(chdir, ON_PATH(0)),
    CALL(getdents64, ON_FD(0)),
    CALL(lseek, ON_FD(0)),
    TRANSFER(read, ON_FD(0)),
    TRANSFER(write, ON_FD(0)),
    TRANSFER(pread64, ON_FD(0)),
    TRANSFER(pwrite64, ON_FD(0)),
    TRANSFER(sendto, ON_FD(0)),
    TRANSFER(recvfrom, ON_FD(0)),
    CALL(sendfile, ON_FD(0)),
    CALL(copy_file_range, ON_FD(0)),
    {SYS_close, "close", ON_FD(0), false, true},
    CALL(close_range, ON_NOTHING),
    CALL(dup, ON_FD(0)),
    CALL(dup2, ON_FD(0)),
    CALL(dup3, ON_FD(0)),
    CALL(fcntl, ON_FD(0)),
    CALL(flock, ON_FD(0)),
    CALL(ioctl, ON_FD(0)),
    CALL(fsync, ON_FD(0)),
    CALL(fdatasync, ON_FD(0)),
    CALL(syncfs, ON_FD(0)),
    CALL(sync_file_range, ON_FD(0)),
    CALL(ftruncate, ON_FD(0)),
    CALL(fallocate, ON_FD(0)),
    CALL(fchmod, ON_FD(0)),
    CALL(fchmodat, IN_DIR(0, 1)),
    CALL(fchown, ON_FD(0)),
    CALL(fchownat, IN_DIR(0, 1)),
    CALL(utimensat, IN_DIR(0, 1)),
    CALL(mkdir, ON_PATH(0)),
    CALL(mkdirat, IN_DIR(0, 1)),
    CALL(unlinkat, IN_DIR(0, 1)),
    CALL(unlink, ON_PATH(0)),
    CALL(linkat, {{0, 1}, {2, 3}}),
    CALL(renameat, {{0, 1}, {2, 3}}),
    CALL(renameat2, {{0, 1}, {2, 3}}),
    CALL(mmap, ON_NOTHING),
    CALL(pipe2, ON_NOTHING),
    CALL(socketpair, ON_NOTHING),
    CALL(socket, ON_NOTHING),
    CALL(connect, ON_FD(0)),
    CALL(poll, ON_NOTHING),
    CALL(ppoll, ON_NOTHING),
    CALL(inotify_init1, ON_NOTHING),
    CALL(inotify_add_watch, IN_DIR(0, 1)),
    CALL(timerfd_create, ON_NOTHING),
    CALL(timerfd_settime, ON_FD(0)),
    CALL(signalfd4, ON_NOTHING),
    CALL(getrandom, ON_NOTHING),
    CALL(prctl, ON_NOTHING),
    CALL(prlimit64, ON_NOTHING),
    CALL(getpgid, ON_NOTHING),
    CALL(setpgid, ON_NOTHING),
    CALL(setsid, ON_NOTHING),
    CALL(vfork, ON_NOTHING),
    CALL(fork, ON_NOTHING),
    CALL(clone, ON_NOTHING),
    CALL(clone3, ON_NOTHING),
    CALL(execve, ON_PATH(0)),
    CALL(wait4, ON_NOTHING),
    CALL(waitid, ON_NOTHING),
    CALL(kill, ON_NOTHING),
    CALL(tgkill, ON_NOTHING),
    CALL(pidfd_open, ON_NOTHING),
    CALL(pidfd_send_signal, ON_NOTHING),
};

const struct call *call_find(long number)
{
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (calls[i].number == number)
            return &calls[i];
    return NULL;
}

#define ERRNO(name) {#name, name}
static const struct {
    const char *name;
    int value;
} errnos[] = {ERRNO(EIO),    ERRNO(ENOSPC), ERRNO(EMFILE), ERRNO(ENFILE), ERRNO(ENOMEM),
              ERRNO(EINTR),  ERRNO(EROFS),  ERRNO(EACCES), ERRNO(EDQUOT), ERRNO(EAGAIN),
              ERRNO(ENOENT), ERRNO(EEXIST), ERRNO(EPERM),  ERRNO(ENOSYS), ERRNO(EINVAL),
              ERRNO(ESTALE), ERRNO(ENOLCK), ERRNO(EBADF),  ERRNO(ENODEV), ERRNO(EMLINK)};

long errno_of(const char *name)
{
    for (size_t i = 0; i < sizeof errnos / sizeof *errnos; i++)
        if (strcmp(errnos[i].name, name) == 0)
            return errnos[i].value;
    return 0;
}
