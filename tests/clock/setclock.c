/* setclock.c: a clock that a test can set, for programs that have this loaded
 * (LD_PRELOAD) and SETCLOCK in their environment: the path of a file that clock.py
 * writes.  The real clock stays as it is.
 *
 * Only CLOCK_REALTIME differs from the real one, by the offset in force.  So that
 * the world fits together, three more things are as the kernel would make them:
 *
 *   times of files     what was made while an offset was in force has it in its
 *                      stamps (the file holds all offsets, and since when)
 *   timerfd            CLOCK_REALTIME with TFD_TIMER_CANCEL_ON_SET: readable when
 *                      the clock is set, and read(2) fails with ECANCELED.  It is
 *                      an inotify descriptor on SETCLOCK.set, which clock.py touches
 *   suspend            is a step forward of the wall clock alone
 *
 * The file counts the calls of poll(2), too: a spin shows there however loaded the
 * machine is.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define STEPS_MAX 4096
#define NS INT64_C(1000000000)

struct control {
    _Atomic int64_t steps;
    _Atomic int64_t polls;
    struct {
        int64_t at_ns; /* by the real clock: in force from then on */
        int64_t offset_ns;
    } step[STEPS_MAX];
};

static const char *path;
static struct control *control;
static int clock_fd = -1;

__attribute__((constructor)) static void open_control(void)
{
    path = getenv("SETCLOCK");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *at = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    control = at == MAP_FAILED ? NULL : at;
    close(fd);
}

/* -- reading the clock ------------------------------------------------------ */

static int64_t last_offset(void)
{
    int64_t n = control ? atomic_load(&control->steps) : 0;
    return n > 0 ? control->step[n - 1].offset_ns : 0;
}

static void shift(struct timespec *t, int64_t ns)
{
    int64_t sum = (int64_t)t->tv_sec * NS + t->tv_nsec + ns;
    t->tv_sec = sum / NS - (sum % NS < 0);
    t->tv_nsec = (sum % NS + NS) % NS;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    static int (*real)(clockid_t, struct timespec *);
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
    int r = real(clock, now);
    if (r == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        shift(now, last_offset());
    return r;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec t;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &t);
    *now = (struct timeval){t.tv_sec, t.tv_nsec / 1000};
    return 0;
}

time_t time(time_t *out)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    if (out)
        *out = t.tv_sec;
    return t.tv_sec;
}

int timespec_get(struct timespec *now, int base)
{
    return base == TIME_UTC && clock_gettime(CLOCK_REALTIME, now) == 0 ? base : 0;
}

/* -- the stamps of files ---------------------------------------------------- */

static void stamp(struct timespec *t)
{
    int64_t ns = (int64_t)t->tv_sec * NS + t->tv_nsec;
    int64_t i = control ? atomic_load(&control->steps) : 0;
    while (i > 0 && control->step[i - 1].at_ns > ns)
        i--;
    if (i > 0)
        shift(t, control->step[i - 1].offset_ns);
}

static int stamped(int r, struct stat *st)
{
    if (r == 0) {
        stamp(&st->st_atim);
        stamp(&st->st_mtim);
        stamp(&st->st_ctim);
    }
    return r;
}

int fstatat(int dir, const char *restrict name, struct stat *restrict st, int flags)
{
    return stamped((int)syscall(SYS_newfstatat, dir, name, st, flags), st);
}

int fstat(int fd, struct stat *st)
{
    return fstatat(fd, "", st, AT_EMPTY_PATH);
}

int stat(const char *restrict name, struct stat *restrict st)
{
    return fstatat(AT_FDCWD, name, st, 0);
}

int lstat(const char *restrict name, struct stat *restrict st)
{
    return fstatat(AT_FDCWD, name, st, AT_SYMLINK_NOFOLLOW);
}

/* -- being told that it was set --------------------------------------------- */

int timerfd_create(int clock, int flags)
{
    if (clock != CLOCK_REALTIME || !control) {
        errno = ENOSYS;
        return -1;
    }
    return clock_fd = inotify_init1((flags & TFD_NONBLOCK ? IN_NONBLOCK : 0) |
                                    (flags & TFD_CLOEXEC ? IN_CLOEXEC : 0));
}

int timerfd_settime(int fd, int flags, const struct itimerspec *new, struct itimerspec *old)
{
    (void)new;
    (void)old;
    if (fd != clock_fd || !(flags & TFD_TIMER_ABSTIME) || !(flags & TFD_TIMER_CANCEL_ON_SET))
        return 0; /* armed, and never cancelled */
    char bell[4096];
    snprintf(bell, sizeof bell, "%s.set", path);
    return inotify_add_watch(fd, bell, IN_CLOSE_WRITE) < 0 ? -1 : 0;
}

ssize_t read(int fd, void *bytes, size_t n)
{
    char events[4096];
    if (fd < 0 || fd != clock_fd)
        return syscall(SYS_read, fd, bytes, n);
    ssize_t got = syscall(SYS_read, fd, events, sizeof events);
    if (got > 0)
        errno = ECANCELED;
    return -1;
}

int close(int fd)
{
    if (fd >= 0 && fd == clock_fd)
        clock_fd = -1;
    return (int)syscall(SYS_close, fd);
}

/* -- counting --------------------------------------------------------------- */

int ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask)
{
    static int (*real)(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *);
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "ppoll");
    if (control)
        atomic_fetch_add(&control->polls, 1);
    return real(fds, n, timeout, mask);
}

int poll(struct pollfd *fds, nfds_t n, int timeout)
{
    static int (*real)(struct pollfd *, nfds_t, int);
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "poll");
    if (control)
        atomic_fetch_add(&control->polls, 1);
    return real(fds, n, timeout);
}
