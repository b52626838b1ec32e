/* cgroup_linux.c: see cgroup.h; cgroups(7) and the kernel's
 * Documentation/admin-guide/cgroup-v2.rst.
 *
 * Our cgroup is in /proc/self/cgroup ("0::PATH"), where that lies in
 * /proc/self/mountinfo.  No controller is switched on in it, so that it may hold
 * both processes and cgroups.
 */
#include "base/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/num.h"
#include "base/sys.h"

#define PREFIX "queuectl."
#define DEPTH_MAX 16 /* of what a job makes below its own */
#define TEXT_MAX ((size_t)1 << 22)

/* -- where is it? --------------------------------------------------------- */

static int read_text(int dir, const char *name, struct buf *out)
{
    buf_reset(out);
    int fd = io_open(dir, name, O_RDONLY, 0);
    int r = fd < 0 ? -1 : io_read_fd(fd, out, TEXT_MAX);
    if (fd >= 0)
        close(fd);
    return r;
}

static bool own_path(char out[CGROUP_PATH_MAX + 1])
{
    struct buf text = BUF_INIT;
    bool found = false;
    if (read_text(AT_FDCWD, "/proc/self/cgroup", &text) == 0)
        for (const char *at = buf_str(&text); *at && !found; at += strcspn(at, "\n"), at += *at != 0)
            if (strncmp(at, "0::/", 4) == 0) {
                size_t n = strcspn(at + 3, "\n");
                found = n <= CGROUP_PATH_MAX;
                snprintf(out, CGROUP_PATH_MAX + 1, "%.*s", (int)n, at + 3);
            }
    buf_release(&text);
    return found;
}

/* Blanks and the like are written \040 there. */
static void unescape(char *text)
{
    char *to = text;
    for (const char *at = text; *at; to++) {
        bool octal = *at == '\\' && strspn(at + 1, "01234567") >= 3;
        char digits[4] = {0};
        if (octal)
            memcpy(digits, at + 1, 3);
        *to = octal ? (char)strtol(digits, NULL, 8) : *at;
        at += octal ? 4 : 1;
    }
    *to = '\0';
}

/* What of path lies below root; NULL: it does not. */
static const char *below(const char *path, const char *root)
{
    size_t n = strcmp(root, "/") == 0 ? 0 : strlen(root);
    return strncmp(path, root, n) == 0 && (path[n] == '/' || path[n] == '\0') ? path + n : NULL;
}

/* One line of mountinfo: "36 35 98:0 ROOT POINT OPTIONS [TAGS] - TYPE ..." */
static int open_at_mount(char *line, const char *path)
{
    char *field[5], *save = NULL, *type = strstr(line, " - ");
    if (!type || strncmp(type + 3, "cgroup2 ", 8) != 0)
        return -1;
    for (int i = 0; i < 5; i++)
        if (!(field[i] = strtok_r(i ? NULL : line, " ", &save)))
            return -1;
    unescape(field[3]);
    unescape(field[4]);
    const char *rest = below(path, field[3]);
    if (!rest)
        return -1;
    int fd = -1;
    struct buf full = BUF_INIT;
    buf_addf(&full, "%s%s", field[4], rest);
    if (!full.failed)
        fd = io_open(AT_FDCWD, buf_str(&full), O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    buf_release(&full);
    return fd;
}

static int open_path(const char *path)
{
    struct buf text = BUF_INIT;
    int fd = -1;
    if (read_text(AT_FDCWD, "/proc/self/mountinfo", &text) == 0 && text.len > 0) {
        char *save = NULL;
        for (char *line = strtok_r(text.data, "\n", &save); line && fd < 0;
             line = strtok_r(NULL, "\n", &save))
            fd = open_at_mount(line, path);
    }
    buf_release(&text);
    if (fd < 0)
        errno = ENOTSUP;
    return fd;
}

/* -- is it ours? ------------------------------------------------------------- */

static bool is_marked(int fd, const char *attribute)
{
    char value[8];
    return fgetxattr(fd, attribute, value, sizeof value) == 1 && value[0] == '1';
}

/* Our own cgroup if we may use it. */
static int open_own(bool asked, char path[CGROUP_PATH_MAX + 1])
{
    int fd = own_path(path) ? open_path(path) : -1;
    if (fd >= 0 && (asked || is_marked(fd, "user.delegate") || is_marked(fd, "trusted.delegate")))
        return fd;
    if (fd >= 0)
        close(fd);
    errno = ENOTSUP;
    return -1;
}

int cgroup_make(bool asked, const char *token, char path[CGROUP_PATH_MAX + 1])
{
    char own[CGROUP_PATH_MAX + 1], name[64];
    path[0] = '\0';
    int dir = open_own(asked, own), fd = -1;
    if (dir < 0)
        return -1;
    snprintf(name, sizeof name, PREFIX "%s", token);
    if (strlen(own) + strlen(name) + 1 > CGROUP_PATH_MAX)
        errno = ENAMETOOLONG;
    else if (mkdirat(dir, name, 0755) == 0)
        fd = io_open(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    if (fd >= 0)
        snprintf(path, CGROUP_PATH_MAX + 1, "%s/%s", strcmp(own, "/") == 0 ? "" : own, name);
    int saved = errno;
    close(dir);
    errno = saved;
    return fd;
}

/* A name with the worker's token is a cgroup that the worker made. */
int cgroup_open(const char *path, const char *token)
{
    char name[64];
    const char *last = strrchr(path, '/');
    snprintf(name, sizeof name, PREFIX "%s", token);
    if (!last || strcmp(last + 1, name) != 0) {
        errno = ENOENT;
        return -1;
    }
    return open_path(path);
}

/* -- its processes ------------------------------------------------------------- */

/* Visit every folder below, the deepest first. */
static void each_folder(int fd, int depth, void (*visit)(int dir, const char *name, int fd, void *),
                        void *arg)
{
    int list = depth < DEPTH_MAX ? io_open_list(fd) : -1;
    DIR *dir = list < 0 ? NULL : fdopendir(list);
    struct dirent *e;
    while (dir && (e = readdir(dir))) {
        if (e->d_type != DT_DIR || e->d_name[0] == '.')
            continue;
        int sub = io_open(fd, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
        if (sub < 0)
            continue;
        each_folder(sub, depth + 1, visit, arg);
        visit(fd, e->d_name, sub, arg);
        close(sub);
    }
    if (dir)
        closedir(dir);
}

static void remove_folder(int dir, const char *name, int fd, void *arg)
{
    (void)fd, (void)arg;
    unlinkat(dir, name, AT_REMOVEDIR);
}

static void remove_named(int dir, const char *name)
{
    int fd = io_open(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    if (fd < 0)
        return;
    if (!cgroup_lives(fd)) {
        each_folder(fd, 0, remove_folder, NULL);
        unlinkat(dir, name, AT_REMOVEDIR); /* fails where something lives in it */
    }
    close(fd);
}

void cgroup_remove(const char *path, const char *token)
{
    int fd = cgroup_open(path, token), dir = fd < 0 ? -1 : io_open(fd, "..", O_RDONLY, 0);
    if (dir >= 0)
        remove_named(dir, strrchr(path, '/') + 1);
    if (dir >= 0)
        close(dir);
    if (fd >= 0)
        close(fd);
}

static int write_text(int cgroup, const char *name, const char *text)
{
    int fd = openat(cgroup, name, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t n = write(fd, text, strlen(text));
    close(fd);
    return n < 0 ? -1 : 0;
}

int cgroup_enter(int cgroup)
{
    return write_text(cgroup, "cgroup.procs", "0");
}

/* clone3(2) with CLONE_INTO_CGROUP is there since Linux 5.7: a child that is moved
 * later costs a grace period of RCU, tens of milliseconds. */
pid_t cgroup_fork(int cgroup)
{
    pid_t pid = -1;
    errno = ENOSYS;
#if defined(CLONE_INTO_CGROUP) && defined(SYS_clone3)
    struct clone_args args = {.flags = CLONE_INTO_CGROUP | CLONE_VFORK,
                              .exit_signal = SIGCHLD,
                              .cgroup = (uint64_t)cgroup};
    pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
#else
    (void)cgroup;
#endif
    if (pid < 0 && errno != EAGAIN && errno != ENOMEM)
        errno = ENOTSUP;
    return pid;
}

bool cgroup_lives(int cgroup)
{
    struct buf text = BUF_INIT;
    bool empty = read_text(cgroup, "cgroup.events", &text) == 0 &&
                 strstr(buf_str(&text), "populated 0") != NULL;
    bool gone = text.len == 0 && (errno == ENODEV || errno == ENOENT);
    buf_release(&text);
    return !empty && !gone;
}

struct visit {
    void (*visit)(pid_t, int64_t, void *);
    void *arg;
};

static void visit_folder(int dir, const char *name, int fd, void *arg)
{
    struct visit *v = arg;
    struct buf text = BUF_INIT;
    (void)dir, (void)name;
    if (read_text(fd, "cgroup.procs", &text) == 0)
        for (char *at = text.data, *end; at && *at; at = *end ? end + 1 : end) {
            pid_t pid = (pid_t)strtol(at, &end, 10);
            int64_t start = end > at ? sys_process_start(pid) : -1;
            if (start >= 0)
                v->visit(pid, start, v->arg);
            end += strcspn(end, "\n");
        }
    buf_release(&text);
}

void cgroup_each(int cgroup, void (*visit)(pid_t, int64_t, void *), void *arg)
{
    struct visit v = {visit, arg};
    each_folder(cgroup, 0, visit_folder, &v);
    visit_folder(-1, NULL, cgroup, &v);
}

static void kill_one(pid_t pid, int64_t start, void *arg)
{
    (void)arg;
    sys_signal(pid, start, SIGKILL);
}

void cgroup_kill(int cgroup)
{
    if (write_text(cgroup, "cgroup.kill", "1") != 0)
        cgroup_each(cgroup, kill_one, NULL);
}

/* -- what the dead left ----------------------------------------------------------- */

void cgroup_sweep(bool asked, bool (*lives)(const char *token, void *arg), void *arg)
{
    char own[CGROUP_PATH_MAX + 1];
    int dir = open_own(asked, own), list = dir < 0 ? -1 : io_open_list(dir);
    DIR *names = list < 0 ? NULL : fdopendir(list);
    struct dirent *e;
    while (names && (e = readdir(names)))
        if (strncmp(e->d_name, PREFIX, strlen(PREFIX)) == 0 &&
            !lives(e->d_name + strlen(PREFIX), arg))
            remove_named(dir, e->d_name);
    if (names)
        closedir(names);
    if (dir >= 0)
        close(dir);
}
