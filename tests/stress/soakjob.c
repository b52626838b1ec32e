/* soakjob.c: a job that behaves as its arguments say, and keeps a ledger of it.
 *
 *     soakjob LEDGER NUMBER KIND [VERSION]
 *
 * The ledger is one file for all jobs; each line is one write(2) with O_APPEND:
 *
 *     S RUN N US PID THERE VERSION    a run began: its file's name in processing/, its
 *                                     number, the monotonic clock, whether that file
 *                                     was there, and the VERSION it was given
 *     E RUN CODE US                   it came to its end, and exits with CODE
 *     O RUN N US                      another run of this job lives: two at once
 *
 * What proves the last is a lock of our own (byte NUMBER of LEDGER.locks, an OFD lock:
 * it belongs to the open file, so all processes of the run hold it until the last one
 * is gone).  Kinds that close every descriptor close the queue's, and keep this one: it
 * is there to know what is true, and not to help the queue.
 *
 * The kinds that never end by themselves need a `timeout` in their document.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LAST_FD 1024
#define ORPHAN_MS 60000 /* longer than any test: the queue has to end it */
#define CHAIN_MAX_US (20 * 1000000LL)

static int ledger_fd, lock_fd;
static long number;
static long long began_us;
static const char *run, *run_number;

/* -- the ledger ---------------------------------------------------------- */

static long long now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (long long)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

__attribute__((format(printf, 1, 2))) static void note(const char *format, ...)
{
    char line[512];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (n < 0 || n >= (int)sizeof line || write(ledger_fd, line, (size_t)n) != n)
        _exit(98);
}

static int open_or_die(const char *path, int flags)
{
    int fd = open(path, flags | O_CREAT, 0600);
    if (fd < 0) {
        fprintf(stderr, "soakjob: %s: %s\n", path, strerror(errno));
        _exit(98);
    }
    return fd;
}

/* False: another run of this job lives. */
static bool lock_ours(void)
{
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = number, .l_len = 1};
    return fcntl(lock_fd, F_OFD_SETLK, &l) == 0;
}

static void begin(const char *path, const char *version)
{
    char locks[512];
    const char *file = getenv("QUEUECTL_JOB");
    run = file && strrchr(file, '/') ? strrchr(file, '/') + 1 : "?";
    began_us = now_us();
    run_number = getenv("QUEUECTL_RUN") ? getenv("QUEUECTL_RUN") : "0";
    ledger_fd = open_or_die(path, O_WRONLY | O_APPEND);
    snprintf(locks, sizeof locks, "%s.locks", path);
    lock_fd = open_or_die(locks, O_RDWR);
    if (!lock_ours()) {
        note("O %s %s %lld\n", run, run_number, now_us());
        _exit(99);
    }
    note("S %s %s %lld %ld %d %s\n", run, run_number, now_us(), (long)getpid(),
         file && access(file, F_OK) == 0, version);
}

/* -- what kinds are made of ---------------------------------------------- */

static void nap(long ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    while (nanosleep(&t, &t) != 0 && errno == EINTR)
        continue;
}

static void close_queue(void)
{
    for (int fd = 0; fd < LAST_FD; fd++)
        if (fd != ledger_fd && fd != lock_fd)
            close(fd);
}

static void ignore_signals(void)
{
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
}

/* A child that does nothing for so long. */
static void leave_child(bool session, long ms)
{
    if (fork() != 0)
        return;
    if (session)
        setsid();
    nap(ms);
    _exit(0);
}

static void leave_daemon(long ms)
{
    if (fork() == 0) {
        setsid();
        leave_child(false, ms);
        _exit(0);
    }
}

/* Long after anybody's patience, or when the test has removed its folder: what a broken
 * queue leaves behind must not be left to the machine. */
static bool is_over(void)
{
    struct stat st;
    return now_us() - began_us > CHAIN_MAX_US || fstat(ledger_fd, &st) != 0 || st.st_nlink == 0;
}

/* Fork, exit, fork, exit: each process lives some milliseconds. */
static void chain(bool leave_group)
{
    while (!is_over()) {
        nap(1 + number % 5);
        if (fork() != 0)
            _exit(0);
        if (leave_group)
            setsid();
    }
    _exit(0);
}

_Noreturn static void for_ever(void)
{
    for (;;)
        pause();
}

/* -- the kinds: each returns the exit code ------------------------------- */

static int quick(void) { return 0; }

static int fail(void)
{
    fputs("not today\n", stderr);
    return 1;
}

static int flaky(void)
{
    const char *attempt = getenv("QUEUECTL_ATTEMPT");
    return attempt && strcmp(attempt, "1") == 0 ? 1 : 0;
}

static int talk(void)
{
    printf("%s\n", run);
    return fflush(stdout) == 0 ? 0 : 98;
}

static int slow(void)
{
    nap(20 + number % 10 * 40);
    return 0;
}

static int late(void)
{
    slow();
    return flaky();
}

static int crash(void)
{
    const struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    raise(SIGSEGV);
    return 98;
}

static int hang(void) { for_ever(); }

static int stopped(void)
{
    raise(SIGSTOP);
    for_ever();
}

static int stubborn(void)
{
    ignore_signals();
    leave_child(false, ORPHAN_MS);
    for_ever();
}

static int children(void)
{
    leave_child(false, ORPHAN_MS);
    leave_child(true, ORPHAN_MS);
    leave_child(false, 30);
    nap(50 + number % 4 * 50);
    return 0;
}

static int daemonise(void)
{
    leave_daemon(ORPHAN_MS);
    return 0;
}

static int closed(void)
{
    close_queue();
    nap(50 + number % 5 * 50);
    return 0;
}

/* Nothing tells whose that daemon is but its environment. */
static int bare(void)
{
    close_queue();
    leave_daemon(ORPHAN_MS);
    nap(200);
    return 0;
}

/* Nothing tells whose that daemon is but the lock it holds. */
static int naked(void)
{
    char *argv[] = {(char[]){"sleep"}, (char[]){"60"}, NULL}, *envp[] = {NULL};
    if (fork() == 0) {
        setsid();
        execve("/bin/sleep", argv, envp);
        _exit(98);
    }
    nap(200);
    return 0;
}

static int chained(void)
{
    if (fork() == 0)
        chain(false);
    for_ever();
}

static int escaping(void)
{
    if (fork() == 0) {
        close_queue();
        chain(true);
    }
    for_ever();
}

/* About ten live at any time. */
static int breed(void)
{
    signal(SIGCHLD, SIG_IGN);
    while (!is_over()) {
        leave_child(number % 2, 20);
        nap(2);
    }
    return 98;
}

/* Its document says "detach": what it leaves is no part of the run. */
static int detach(void)
{
    if (fork() == 0) {
        close(lock_fd);
        setsid();
        nap(300);
        _exit(0);
    }
    return 0;
}

static const struct kind {
    const char *name;
    int (*work)(void);
} kinds[] = {{"quick", quick},         {"fail", fail},       {"flaky", flaky},
             {"talk", talk},           {"slow", slow},       {"late", late},
             {"crash", crash},         {"hang", hang},       {"stopped", stopped},
             {"stubborn", stubborn},   {"children", children}, {"daemonise", daemonise},
             {"closed", closed},       {"bare", bare},       {"naked", naked},
             {"chained", chained},     {"escaping", escaping}, {"breed", breed},
             {"detach", detach}};

int main(int argc, char **argv)
{
    if (argc < 4) {
        fputs("usage: soakjob LEDGER NUMBER KIND [VERSION]\n", stderr);
        return 2;
    }
    number = strtol(argv[2], NULL, 10);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(argv[3], kinds[i].name) == 0) {
            begin(argv[1], argc > 4 ? argv[4] : "-");
            int code = kinds[i].work();
            note("E %s %d %lld\n", run, code, now_us());
            _exit(code);
        }
    fprintf(stderr, "soakjob: no kind %s\n", argv[3]);
    return 2;
}
