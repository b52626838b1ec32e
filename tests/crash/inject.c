/* inject.c: run a program and let one of its system calls go wrong.
 *
 *     inject --list FILE -- PROGRAM ARGS...
 *         every call that may go wrong, a line each: ROLE CALL N PATH...
 *     inject --at ROLE:CALL:N[-M]:ACTION [--log FILE] -- PROGRAM ARGS...
 *         the Nth (to Mth) CALL of ROLE goes wrong
 *
 * ACTION  kill      SIGKILL to the process before the call
 *         killall   the same to all that are followed
 *         ERRNO     (EIO, ENOSPC, ...) the call is not made and fails; close(2) is made
 *                   and says that it failed, as the kernel does
 *         short=K   read, write and their like: at most K bytes
 *
 * ROLE is what a process is at that moment: cli; pool; worker (queuectl, by its
 * words); X-child, between X's vfork and the exec; X-thread.  Calls are counted by
 * role, so N does not depend on pids.  Other programs, jobs above all, are let go at
 * their exec; none stays: when the injector dies, all it follows die.  Calls of
 * the dynamic loader are not counted: no line of ours has run then.
 *
 * PATH is what the call names, or what its descriptor is; for a rename both names.
 * FILE gets what went wrong, in the same form, as it happens.  The exit code is the
 * program's, 128+N for a signal, 125 for trouble of the injector itself.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "calls.h"

#define TROUBLE 125
#define TASKS_MAX 256
#define COUNTERS_MAX 1024
#define EVENT_STOP 128 /* PTRACE_EVENT_STOP, which older headers lack */

struct task {
    pid_t tid, tgid;
    char role[32];
    char own_role[24]; /* of the program, without -child and -thread */
    uint64_t loader, loader_end;
    bool in_call;
    const struct call *changed; /* the call that is to end otherwise */
    long result;                /* as this, */
    unsigned long long count;   /* or with this third argument put back */
    bool shortened;
};

static struct task tasks[TASKS_MAX];
static struct counter {
    char role[32];
    const struct call *call;
    long n;
} counters[COUNTERS_MAX];
static size_t counters_n;

static struct {
    char role[32], call[32];
    long from, to;
    enum { NOTHING, KILL, KILL_ALL, FAIL, SHORT } action;
    long value;
} want;
static FILE *list, *hits;
static char program_exe[PATH_MAX];
static pid_t root;
static int root_status = -1;

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fputs("inject: ", stderr);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
    va_end(args);
    exit(TROUBLE);
}

/* -- who is it? ---------------------------------------------------------- */

static struct task *task_of(pid_t tid)
{
    struct task *free_one = NULL;
    for (size_t i = 0; i < TASKS_MAX; i++)
        if (tasks[i].tid == tid)
            return &tasks[i];
        else if (tasks[i].tid == 0 && !free_one)
            free_one = &tasks[i];
    if (!free_one)
        die("more than %d processes", TASKS_MAX);
    *free_one = (struct task){.tid = tid, .tgid = tid};
    return free_one;
}

static size_t read_proc(pid_t pid, const char *what, char *out, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, what);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, out, size - 1);
    if (fd >= 0)
        close(fd);
    out[n > 0 ? n : 0] = '\0';
    return n > 0 ? (size_t)n : 0;
}

static pid_t group_of(pid_t tid)
{
    char status[4096];
    read_proc(tid, "status", status, sizeof status);
    const char *at = strstr(status, "\nTgid:");
    return at ? (pid_t)strtol(at + 6, NULL, 10) : tid;
}

/* "worker run" and "worker pool" are pools, "worker serve" a worker. */
static const char *role_of_words(pid_t pid)
{
    char words[4096];
    size_t n = read_proc(pid, "cmdline", words, sizeof words), len = strlen(words) + 1;
    if (len >= n || strcmp(words + len, "worker") != 0)
        return "cli";
    const char *verb = words + len + sizeof "worker";
    if (verb >= words + n)
        return "cli";
    return strcmp(verb, "serve") == 0                                ? "worker"
           : strcmp(verb, "run") == 0 || strcmp(verb, "pool") == 0 ? "pool"
                                                                     : "cli";
}

/* Where the loader lies, from the auxiliary vector and the maps. */
static void find_loader(struct task *t)
{
    char raw[1024], *maps = malloc(1 << 16);
    size_t n = read_proc(t->tgid, "auxv", raw, sizeof raw);
    t->loader = t->loader_end = 0;
    for (size_t i = 0; i + sizeof(Elf64_auxv_t) <= n; i += sizeof(Elf64_auxv_t)) {
        Elf64_auxv_t entry;
        memcpy(&entry, raw + i, sizeof entry);
        if (entry.a_type == AT_BASE)
            t->loader = entry.a_un.a_val;
    }
    if (!maps)
        die("no memory");
    read_proc(t->tgid, "maps", maps, 1 << 16);
    for (char *rest = maps, *line; t->loader && (line = strsep(&rest, "\n"));) {
        unsigned long long from, to;
        if (sscanf(line, "%llx-%llx", &from, &to) == 2 && strstr(line, "/ld-linux") &&
            to > t->loader_end)
            t->loader_end = to;
    }
    free(maps);
}

/* false: a stranger, to be let go */
static bool learn_program(struct task *t)
{
    char link[64], exe[PATH_MAX];
    snprintf(link, sizeof link, "/proc/%d/exe", (int)t->tid);
    ssize_t n = readlink(link, exe, sizeof exe - 1);
    exe[n > 0 ? n : 0] = '\0';
    if (!*program_exe)
        snprintf(program_exe, sizeof program_exe, "%s", exe);
    if (strcmp(exe, program_exe) != 0)
        return false;
    t->tgid = t->tid;
    snprintf(t->own_role, sizeof t->own_role, "%s", role_of_words(t->tid));
    snprintf(t->role, sizeof t->role, "%s", t->own_role);
    find_loader(t);
    return true;
}

static void learn_birth(const struct task *parent, pid_t child)
{
    struct task *t = task_of(child);
    t->tgid = group_of(child);
    t->loader = parent->loader;
    t->loader_end = parent->loader_end;
    snprintf(t->own_role, sizeof t->own_role, "%s", parent->own_role);
    snprintf(t->role, sizeof t->role, "%s-%s", parent->own_role,
             t->tgid == parent->tgid ? "thread" : "child");
}

/* -- what is it about? --------------------------------------------------- */

static void read_text(pid_t tid, uint64_t at, char *out, size_t size)
{
    size_t n = 0;
    while (n + 1 < size) {
        errno = 0;
        long word = ptrace(PTRACE_PEEKDATA, tid, (void *)(at + n), NULL);
        if (errno)
            break;
        for (size_t i = 0; i < sizeof word && n + 1 < size; i++) {
            char c = (char)(word >> (8 * i));
            if (!c) {
                out[n] = '\0';
                return;
            }
            out[n++] = c == '\n' || c == ' ' ? '?' : c;
        }
    }
    out[n] = '\0';
}

static void say_descriptor(FILE *to, pid_t tid, long fd)
{
    char link[64], path[PATH_MAX];
    if (fd == AT_FDCWD)
        return;
    snprintf(link, sizeof link, "/proc/%d/fd/%ld", (int)tid, fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    fprintf(to, "%.*s", n > 0 ? (int)n : 1, n > 0 ? path : "?");
}

static void say_call(FILE *to, const struct task *t, const struct call *c, long n,
                     const unsigned long long *arg)
{
    char text[PATH_MAX];
    fprintf(to, "%s %s %ld", t->role, c->name, n);
    for (int i = 0; i < 2; i++) {
        const struct object *o = &c->object[i];
        if (o->fd < 0 && o->path < 0)
            continue;
        fputc(' ', to);
        text[0] = '\0';
        if (o->path >= 0)
            read_text(t->tid, arg[o->path], text, sizeof text);
        if (o->fd >= 0 && text[0] != '/')
            say_descriptor(to, t->tid, (int)arg[o->fd]);
        if (o->path >= 0)
            fprintf(to, "%s%s", o->fd >= 0 && *text && *text != '/' ? "/" : "", text);
    }
    fputc('\n', to);
    fflush(to);
}

/* -- letting it go wrong ------------------------------------------------- */

static long count_call(const struct task *t, const struct call *c)
{
    for (size_t i = 0; i < counters_n; i++)
        if (counters[i].call == c && strcmp(counters[i].role, t->role) == 0)
            return ++counters[i].n;
    if (counters_n == COUNTERS_MAX)
        die("more than %d kinds of calls", COUNTERS_MAX);
    struct counter *fresh = &counters[counters_n++];
    snprintf(fresh->role, sizeof fresh->role, "%s", t->role);
    fresh->call = c;
    fresh->n = 1;
    return 1;
}

static void skip_call(const struct task *t, struct user_regs_struct *regs)
{
    regs->orig_rax = (unsigned long long)-1;
    ptrace(PTRACE_SETREGS, t->tid, NULL, regs);
}

static void make_wrong(struct task *t, const struct call *c, struct user_regs_struct *regs)
{
    switch (want.action) {
    case NOTHING:
        break;
    case KILL:
        skip_call(t, regs);
        kill(t->tgid, SIGKILL);
        break;
    case KILL_ALL:
        skip_call(t, regs);
        for (size_t i = 0; i < TASKS_MAX; i++)
            if (tasks[i].tid)
                kill(tasks[i].tgid, SIGKILL);
        break;
    case FAIL:
        t->changed = c;
        t->result = -want.value;
        if (!c->made_anyway)
            skip_call(t, regs);
        break;
    case SHORT:
        if (!c->transfers || regs->rdx <= (unsigned long long)want.value)
            break;
        t->changed = c;
        t->shortened = true;
        t->count = regs->rdx;
        regs->rdx = (unsigned long long)want.value;
        ptrace(PTRACE_SETREGS, t->tid, NULL, regs);
        break;
    }
}

static void enter_call(struct task *t)
{
    struct user_regs_struct regs;
    if (ptrace(PTRACE_GETREGS, t->tid, NULL, &regs) != 0)
        return;
    if (regs.rip >= t->loader && regs.rip < t->loader_end)
        return;
    const struct call *c = call_find((long)regs.orig_rax);
    if (!c)
        return;
    const unsigned long long arg[] = {regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9};
    long n = count_call(t, c);
    if (list)
        say_call(list, t, c, n, arg);
    if (want.action == NOTHING || strcmp(c->name, want.call) != 0 || n < want.from ||
        n > want.to || strcmp(t->role, want.role) != 0)
        return;
    if (hits)
        say_call(hits, t, c, n, arg);
    make_wrong(t, c, &regs);
}

static void leave_call(struct task *t)
{
    struct user_regs_struct regs;
    if (!t->changed || ptrace(PTRACE_GETREGS, t->tid, NULL, &regs) != 0)
        return;
    if (t->shortened)
        regs.rdx = t->count;
    else
        regs.rax = (unsigned long long)t->result;
    ptrace(PTRACE_SETREGS, t->tid, NULL, &regs);
    t->changed = NULL;
    t->shortened = false;
}

/* -- following ----------------------------------------------------------- */

static void go_on(pid_t tid, int sig)
{
    ptrace(PTRACE_SYSCALL, tid, NULL, (void *)(long)sig);
}

static void at_event(struct task *t, int event, int sig)
{
    unsigned long other = 0;
    ptrace(PTRACE_GETEVENTMSG, t->tid, NULL, &other);
    switch (event) {
    case PTRACE_EVENT_FORK:
    case PTRACE_EVENT_VFORK:
    case PTRACE_EVENT_CLONE:
        learn_birth(t, (pid_t)other);
        break;
    case PTRACE_EVENT_EXEC:
        t->in_call = true; /* its end comes next */
        if (!learn_program(t)) {
            ptrace(PTRACE_DETACH, t->tid, NULL, NULL);
            t->tid = 0;
            return;
        }
        break;
    case EVENT_STOP:
        if (sig != SIGTRAP) { /* stopped as a group: until somebody continues it */
            ptrace(PTRACE_LISTEN, t->tid, NULL, NULL);
            return;
        }
        break;
    }
    go_on(t->tid, 0);
}

static void at_stop(struct task *t, int status)
{
    int sig = WSTOPSIG(status), event = status >> 16;
    if (event) {
        at_event(t, event, sig);
    } else if (sig == (SIGTRAP | 0x80)) {
        t->in_call = !t->in_call;
        if (t->in_call)
            enter_call(t);
        else
            leave_call(t);
        go_on(t->tid, 0);
    } else {
        go_on(t->tid, sig);
    }
}

static void follow(void)
{
    int status;
    pid_t tid;
    while ((tid = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR) {
        if (tid < 0)
            continue;
        if (WIFSTOPPED(status)) {
            at_stop(task_of(tid), status);
            continue;
        }
        task_of(tid)->tid = 0;
        if (tid == root)
            root_status = status;
    }
}

/* -- beginning ----------------------------------------------------------- */

static void start(char **argv)
{
    int go[2];
    char byte = 0;
    if (pipe(go) != 0 || (root = fork()) < 0)
        die("cannot start: %s", strerror(errno));
    if (root == 0) {
        close(go[1]);
        if (read(go[0], &byte, 1) != 1)
            _exit(TROUBLE);
        close(go[0]);
        execv(argv[0], argv);
        fprintf(stderr, "inject: %s: %s\n", argv[0], strerror(errno));
        _exit(TROUBLE);
    }
    close(go[0]);
    long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
                   PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
    if (ptrace(PTRACE_SEIZE, root, NULL, (void *)options) != 0)
        die("may not trace: %s", strerror(errno));
    struct task *t = task_of(root);
    t->loader_end = UINT64_MAX; /* nothing counts before the exec */
    if (ptrace(PTRACE_INTERRUPT, root, NULL, NULL) != 0 || write(go[1], &byte, 1) != 1)
        die("cannot start: %s", strerror(errno));
    close(go[1]);
}

static FILE *open_out(const char *path)
{
    FILE *f = fopen(path, "we");
    if (!f)
        die("%s: %s", path, strerror(errno));
    return f;
}

static void parse_want(char *text)
{
    char *role = strsep(&text, ":"), *call = strsep(&text, ":"), *n = strsep(&text, ":"),
         *action = text, *end;
    if (!action)
        die("--at ROLE:CALL:N[-M]:ACTION");
    snprintf(want.role, sizeof want.role, "%s", role);
    snprintf(want.call, sizeof want.call, "%s", call);
    want.from = want.to = strtol(n, &end, 10);
    if (*end == '-')
        want.to = end[1] ? strtol(end + 1, NULL, 10) : LONG_MAX;
    want.value = strncmp(action, "short=", 6) == 0 ? strtol(action + 6, NULL, 10) : errno_of(action);
    want.action = strcmp(action, "kill") == 0          ? KILL
                  : strcmp(action, "killall") == 0     ? KILL_ALL
                  : strncmp(action, "short=", 6) == 0 ? SHORT
                                                       : FAIL;
    if (want.value <= 0 && (want.action == FAIL || want.action == SHORT))
        die("%s: what is to happen?", action);
}

int main(int argc, char **argv)
{
    int i = 1;
    for (; i + 1 < argc && strcmp(argv[i], "--") != 0; i += 2)
        if (strcmp(argv[i], "--list") == 0)
            list = open_out(argv[i + 1]);
        else if (strcmp(argv[i], "--log") == 0)
            hits = open_out(argv[i + 1]);
        else if (strcmp(argv[i], "--at") == 0)
            parse_want(argv[i + 1]);
        else
            die("%s: no such option", argv[i]);
    if (i + 1 >= argc || strcmp(argv[i], "--") != 0)
        die("inject --list FILE | --at ROLE:CALL:N[-M]:ACTION [--log FILE] -- PROGRAM ARGS...");
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* who started us ends: so do all */
    start(argv + i + 1);
    follow();
    return WIFSIGNALED(root_status) ? 128 + WTERMSIG(root_status) : WEXITSTATUS(root_status);
}
