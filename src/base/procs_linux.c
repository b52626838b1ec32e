/* procs_linux.c: finding processes in /proc.
 *
 * A reading of /proc is no snapshot.  A process that forks and exits, again and
 * again, is missed by its old number, which is gone when we come to it, and by
 * its new one, which was not there when we passed.  So the numbers that were
 * given out meanwhile are looked at, in their order, and again those given out
 * during that, until a look ends in which nobody was born (/proc/loadavg names
 * the newest).  Then nothing was missed: a process that is dead when we look has
 * left either nobody or a child, which was there by then and has a later number.
 * A look takes less time than a fork, so it ends even beside an endless chain.
 * On a host so busy that we are never quick enough, ROUNDS such looks must do:
 * a chain has to wait for the processor there as we have, so its living link is
 * among the newest when our turn comes, and these are looked at first.
 *
 * A process in the middle of an exec shows no environment, which is no answer: it
 * is asked again.
 */
#include "base/sys.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/num.h"
#include "base/proc_linux.h"

#define BORN_US (50 * US_PER_MS) /* after that ROUNDS are enough */
#define ROUNDS 16
#define NEWEST 100    /* are looked at before the others that were born */
#define UNBORN 64     /* so many may have a number and not be there yet, when we begin */
#define UNCLEAR_MAX 64
#define EXEC_TRIES 20 /* a millisecond each */
#define ENV_MAX ((size_t)1 << 22)

struct member {
    pid_t pid;
    int64_t start;
};

struct search {
    /* Is it one of those?  Then its start. */
    bool (*wanted)(struct search *s, pid_t pid, int64_t *start);
    void (*visit)(pid_t pid, int64_t start, void *arg); /* NULL: one is enough */
    void *arg;
    struct member *found;
    size_t n, cap;
    size_t rising; /* the first of them, in the order of their numbers */
    bool unsure;   /* one could not be looked at */
    pid_t unclear[UNCLEAR_MAX]; /* to be asked again */
    int unclear_n;

    const char *prefix; /* wanted: an entry in its environment */
    bool (*accept)(const char *rest, void *arg);
    struct buf text;
    dev_t dev;          /* ... this file */
    ino_t ino;
    pid_t taker;
    pid_t group;        /* ... in this group */
};

/* -- those that were found ----------------------------------------------- */

static int by_pid(const void *a, const void *b)
{
    pid_t x = ((const struct member *)a)->pid, y = ((const struct member *)b)->pid;
    return x < y ? -1 : x > y;
}

static const struct member *find(const struct search *s, pid_t pid)
{
    struct member key = {pid, 0};
    if (s->n == 0)
        return NULL;
    const struct member *m = bsearch(&key, s->found, s->rising, sizeof key, by_pid);
    for (size_t i = s->n; !m && i > s->rising; i--)
        if (s->found[i - 1].pid == pid)
            m = &s->found[i - 1];
    return m;
}

static void add(struct search *s, pid_t pid, int64_t start)
{
    if (s->n == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : 64;
        struct member *grown = realloc(s->found, cap * sizeof *grown);
        if (!grown) {
            s->unsure = true;
            return;
        }
        s->found = grown;
        s->cap = cap;
    }
    if (s->n == s->rising && (s->n == 0 || s->found[s->n - 1].pid < pid))
        s->rising++;
    s->found[s->n++] = (struct member){pid, start};
}

static bool is_enough(const struct search *s)
{
    return !s->visit && s->n > 0;
}

static void take(struct search *s, pid_t pid, int64_t start)
{
    const struct member *m = find(s, pid);
    if (m && m->start == start)
        return;
    add(s, pid, start);
    if (s->visit)
        s->visit(pid, start, s->arg);
}

static void look_at(struct search *s, pid_t pid)
{
    int64_t start;
    if (!is_enough(s) && s->wanted(s, pid, &start))
        take(s, pid, start);
}

/* -- looking at all ------------------------------------------------------- */

static void look_at_all(struct search *s)
{
    DIR *proc = opendir("/proc");
    struct dirent *e;
    int64_t pid;
    s->unsure |= !proc;
    while (proc && (e = readdir(proc)))
        if (num_parse(e->d_name, 1, INT32_MAX, &pid))
            look_at(s, (pid_t)pid);
    if (proc)
        closedir(proc);
}

/* The numbers after `from` up to `to`. */
static void look_at_numbers(struct search *s, pid_t from, pid_t to)
{
    if (to < from) {
        for (pid_t last = proc_last_number(); from < last;)
            look_at(s, ++from);
        from = PROC_FIRST - 1;
    }
    while (from < to)
        look_at(s, ++from);
}

static void look_at_born(struct search *s, int loadavg, pid_t from)
{
    int64_t until = clock_mono_us() + BORN_US;
    pid_t to;
    for (int i = 0; !is_enough(s) && (to = proc_newest(loadavg)) != from; i++) {
        if (to < 0)
            s->unsure = true;
        if (to < 0 || (i >= ROUNDS && clock_mono_us() >= until))
            return;
        for (pid_t pid = to; i > 0 && pid > 0 && pid > to - NEWEST && pid != from; pid--)
            look_at(s, pid);
        look_at_numbers(s, from, to);
        from = to;
    }
}

static void ask_again(struct search *s)
{
    for (int i = 0; i < EXEC_TRIES && s->unclear_n > 0; i++) {
        int n = s->unclear_n;
        s->unclear_n = 0;
        for (int k = 0; k < n; k++)
            look_at(s, s->unclear[k]);
        if (s->unclear_n > 0)
            poll(NULL, 0, i > 0);
    }
    s->unsure |= s->unclear_n > 0;
}

/* How many; -1: none, but that is not certain. */
static int search(struct search *s, void (*all)(struct search *))
{
    int loadavg = io_open(AT_FDCWD, "/proc/loadavg", O_RDONLY, 0);
    int why = loadavg < 0 && errno == ENOENT ? ENOSYS : EAGAIN;
    pid_t from = loadavg < 0 ? -1 : proc_newest(loadavg);
    all(s);
    ask_again(s);
    if (from < 0)
        s->unsure = true;
    else
        look_at_born(s, loadavg, from > PROC_FIRST + UNBORN ? from - UNBORN : 0);
    ask_again(s);
    if (loadavg >= 0)
        close(loadavg);
    free(s->found);
    buf_release(&s->text);
    errno = why;
    return s->unsure && s->n == 0 ? -1 : (int)s->n;
}

/* -- by the environment --------------------------------------------------- */

/* The last entry may lack its NUL; the buffer has one. */
static bool holds_entry(const struct search *s)
{
    size_t n = strlen(s->prefix);
    const char *at = buf_str(&s->text), *end = at + s->text.len;
    for (; at < end; at += strlen(at) + 1)
        if (strncmp(at, s->prefix, n) == 0 && s->accept(at + n, s->arg))
            return true;
    return false;
}

/* 1 read, 0 nothing there, -1 not ours to see or not to be had. */
static int read_environment(struct search *s, const char *dir)
{
    char path[PROC_DIR_LEN + 8];
    snprintf(path, sizeof path, "%s/environ", dir);
    buf_reset(&s->text);
    int fd = io_open(AT_FDCWD, path, O_RDONLY, 0);
    int r = fd < 0 ? -1 : io_read_fd(fd, &s->text, ENV_MAX);
    int saved = errno;
    if (fd >= 0)
        close(fd);
    errno = saved;
    if (r == 0)
        return s->text.len > 0;
    if (errno == ESRCH) /* it has no memory (any more) */
        return 0;
    s->unsure |= proc_trouble();
    return -1;
}

static void ask_later(struct search *s, pid_t pid)
{
    if (s->unclear_n < UNCLEAR_MAX)
        s->unclear[s->unclear_n++] = pid;
    else
        s->unsure = true;
}

static bool has_entry(struct search *s, pid_t pid, int64_t *start)
{
    char dir[PROC_DIR_LEN];
    struct proc p;
    snprintf(dir, sizeof dir, "/proc/%ld", (long)pid);
    int r = read_environment(s, dir);
    if (r < 0 || (r > 0 && !holds_entry(s)))
        return false;
    if (!proc_read(pid, &p) || proc_is_dead(&p))
        return false;
    *start = p.start;
    if (r > 0)
        return true;
    if (p.leaving && p.threads > 1) {
        proc_dir(&p, dir);
        r = read_environment(s, dir);
        if (r > 0)
            return holds_entry(s);
        if (r == 0)
            ask_later(s, pid); /* that thread is leaving, too */
    } else if (!p.leaving && !p.kernel && p.in_exec)
        ask_later(s, pid);
    return false;
}

int sys_each_with_env(const char *prefix, bool (*accept)(const char *, void *),
                      void (*visit)(pid_t, int64_t, void *), void *arg)
{
    struct search s = {.wanted = has_entry, .visit = visit, .arg = arg, .prefix = prefix,
                       .accept = accept, .text = BUF_INIT};
    return search(&s, look_at_all);
}

/* -- by an open file ------------------------------------------------------- */

int sys_mark_file(int fd)
{
    return fcntl(fd, F_SETFL, O_APPEND);
}

/* "lock: 1: FLOCK ADVISORY WRITE PID ..." is there if this open file has the
 * lock.  The pid of a dead taker is 0 in a PID namespace that is not the first. */
static bool is_taken_by(const char *fdinfo, pid_t taker)
{
    const char *lock = strstr(fdinfo, "FLOCK"), *pid = lock ? strstr(lock, "WRITE") : NULL;
    long found = pid ? strtol(pid + 5, NULL, 10) : -1;
    return found == 0 || found == (long)taker;
}

static bool is_marked(const char *dir, const char *number, pid_t taker)
{
    char path[PROC_DIR_LEN + 40], text[512];
    snprintf(path, sizeof path, "%s/fdinfo/%.20s", dir, number);
    int fd = io_open(AT_FDCWD, path, O_RDONLY, 0);
    ssize_t n = fd < 0 ? -1 : io_read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    const char *flags = strstr(text, "flags:");
    return flags && (strtoul(flags + 6, NULL, 8) & O_APPEND) && is_taken_by(text, taker);
}

static bool has_file(struct search *s, pid_t pid, int64_t *start)
{
    char dir[PROC_DIR_LEN], path[PROC_DIR_LEN + 8];
    struct proc p;
    struct stat st;
    struct dirent *e;
    bool has = false;
    if (pid == getpid() || !proc_read(pid, &p) || proc_is_dead(&p))
        return false;
    proc_dir(&p, dir);
    snprintf(path, sizeof path, "%s/fd", dir);
    DIR *fds = opendir(path);
    s->unsure |= !fds && proc_trouble();
    while (fds && !has && (e = readdir(fds)))
        has = fstatat(dirfd(fds), e->d_name, &st, 0) == 0 && st.st_ino == s->ino &&
              st.st_dev == s->dev && is_marked(dir, e->d_name, s->taker);
    if (fds)
        closedir(fds);
    *start = p.start;
    return has;
}

int sys_each_with_file(dev_t dev, ino_t ino, pid_t taker, void (*visit)(pid_t, int64_t, void *),
                       void *arg)
{
    struct search s = {.wanted = has_file, .visit = visit, .arg = arg, .dev = dev, .ino = ino,
                       .taker = taker, .text = BUF_INIT};
    return search(&s, look_at_all);
}

/* -- by the group ----------------------------------------------------------- */

static bool is_in_group(struct search *s, pid_t pid, int64_t *start)
{
    struct proc p;
    if (!proc_read(pid, &p)) {
        s->unsure |= proc_trouble();
        return false;
    }
    *start = p.start;
    return p.group == s->group && !proc_is_dead(&p) && getsid(pid) == s->group;
}

bool sys_group_alive(pid_t group)
{
    struct search s = {.wanted = is_in_group, .group = group, .text = BUF_INIT};
    if (group <= 1 || (kill(-group, 0) != 0 && errno == ESRCH))
        return false;
    return search(&s, look_at_all) != 0;
}

/* -- by descent --------------------------------------------------------------- */

/* For one that was born while we looked: its parent was found, or has died, and
 * then we are its parent. */
static bool is_child(struct search *s, pid_t pid, int64_t *start)
{
    struct proc p;
    if (!proc_read(pid, &p)) {
        s->unsure |= proc_trouble();
        return false;
    }
    *start = p.start;
    return !proc_is_dead(&p) && (p.parent == getpid() || find(s, p.parent));
}

enum kin { KIN_UNKNOWN, KIN_YES, KIN_NO };

struct relative {
    struct proc p;
    enum kin kin;
};

struct family {
    struct relative *item;
    size_t n, cap;
    bool failed;
};

static void list_one(struct family *f, pid_t pid)
{
    struct proc p;
    if (!proc_read(pid, &p)) {
        f->failed |= proc_trouble();
        return;
    }
    if (proc_is_dead(&p))
        return;
    if (f->n == f->cap) {
        size_t cap = f->cap ? 2 * f->cap : 256;
        struct relative *grown = realloc(f->item, cap * sizeof *grown);
        f->failed |= !grown;
        if (!grown)
            return;
        f->item = grown;
        f->cap = cap;
    }
    f->item[f->n++] = (struct relative){p, KIN_UNKNOWN};
}

static int relatives_by_pid(const void *a, const void *b)
{
    pid_t x = ((const struct relative *)a)->p.pid, y = ((const struct relative *)b)->p.pid;
    return x < y ? -1 : x > y;
}

static void list_all(struct family *f)
{
    DIR *proc = opendir("/proc");
    struct dirent *e;
    int64_t pid;
    f->failed |= !proc;
    while (proc && !f->failed && (e = readdir(proc)))
        if (num_parse(e->d_name, 1, INT32_MAX, &pid))
            list_one(f, (pid_t)pid);
    if (proc)
        closedir(proc);
    if (f->n > 0)
        qsort(f->item, f->n, sizeof *f->item, relatives_by_pid);
}

static struct relative *relative_of(const struct family *f, pid_t pid)
{
    struct relative key = {.p.pid = pid};
    return f->n ? bsearch(&key, f->item, f->n, sizeof key, relatives_by_pid) : NULL;
}

static struct relative *parent_of(const struct family *f, struct relative *r)
{
    struct relative *parent = relative_of(f, r->p.parent);
    /* It died since, and its child has another one now. */
    if (!parent && r->p.parent > 0 && proc_read(r->p.pid, &r->p))
        parent = relative_of(f, r->p.parent);
    return parent;
}

/* Up to us or to one that is known, then the same way again to note it: each is
 * passed twice in all. */
static enum kin kin_of(struct family *f, struct relative *r)
{
    enum kin kin = KIN_UNKNOWN;
    struct relative *at = r;
    for (size_t steps = 0; kin == KIN_UNKNOWN; steps++) {
        struct relative *parent = at->kin == KIN_UNKNOWN ? parent_of(f, at) : NULL;
        kin = at->kin != KIN_UNKNOWN            ? at->kin
              : at->p.parent == getpid()        ? KIN_YES
              : !parent || steps > f->n         ? KIN_NO
                                                : KIN_UNKNOWN;
        at = parent;
    }
    for (at = r; at && at->kin == KIN_UNKNOWN && at->p.pid != getpid();
         at = relative_of(f, at->p.parent))
        at->kin = kin;
    return kin;
}

static void look_at_family(struct search *s)
{
    struct family f = {0};
    list_all(&f);
    s->unsure |= f.failed;
    for (size_t i = 0; i < f.n && !f.failed; i++)
        if (f.item[i].p.pid != getpid() && kin_of(&f, &f.item[i]) == KIN_YES)
            take(s, f.item[i].p.pid, f.item[i].p.start);
    free(f.item);
}

int sys_each_descendant(void (*visit)(pid_t, int64_t, void *), void *arg)
{
    struct search s = {.wanted = is_child, .visit = visit, .arg = arg, .text = BUF_INIT};
    return search(&s, look_at_family);
}
