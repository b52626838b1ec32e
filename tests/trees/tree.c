/* tree.c: a job that leaves a tree of processes which is hard to end.
 *
 *   tree KIND stays|leaves BEAT   build the tree, say so, then stay (until it is
 *                                 ended) or leave with exit 0
 *   tree kinds                    print the names
 *   tree bystander BEAT           block every signal and count those that come
 *   tree stranger BEAT            the same, in the group of a leader that has left
 *   tree linger | forge BEAT      what kinds that exec become
 *
 * BEAT is a file of one page that every process of the tree has mapped: unlike a
 * descriptor or a variable of the environment a process cannot lose it by chance,
 * and a chain of short-lived processes is seen to live by its count.
 *
 * A run after the first (QUEUECTL_RUN) builds nothing: it looks whether anything of
 * an earlier run still lives, says so in BEAT, and exits 0.  That is what "no two
 * runs at once" means.  Processes are told apart by the path of their program, so
 * each job is given a link of its own.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "beat.h"

#define LOOK_MS 100
#define BOMB_SIZE 48

static struct beat *beat;
static const char *beat_path;

static void map_beat(const char *path)
{
    beat_path = path;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    beat = fd < 0 ? MAP_FAILED
                  : mmap(NULL, sizeof *beat, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (beat == MAP_FAILED) {
        perror(path);
        exit(2);
    }
    close(fd);
}

/* -- what processes do ------------------------------------------------------- */

static void linger(void)
{
    while (!beat->over)
        poll(NULL, 0, LOOK_MS);
    _exit(0);
}

static void stay(void)
{
    beat->members++;
    linger();
}

static void wait_for_members(long n)
{
    while (beat->members < n && !beat->over)
        poll(NULL, 0, 1);
}

static bool child(void)
{
    pid_t pid = fork();
    if (pid < 0) {
        perror("fork");
        exit(2);
    }
    return pid == 0;
}

static void close_all(void)
{
    if (syscall(SYS_close_range, 0u, ~0u, 0u) != 0)
        for (int fd = 0; fd < 1024; fd++)
            close(fd);
}

static void be_deaf(void)
{
    static const int deaf_to[] = {SIGTERM, SIGHUP, SIGINT, SIGQUIT};
    for (size_t i = 0; i < sizeof deaf_to / sizeof *deaf_to; i++)
        signal(deaf_to[i], SIG_IGN);
}

static void lose_environment(void)
{
    char *argv[] = {(char[]){"tree"}, (char[]){"linger"}, strdup(beat_path), NULL};
    char *envp[] = {NULL};
    execve("/proc/self/exe", argv, envp);
    _exit(127);
}

/* -- the kinds ---------------------------------------------------------------- */

static void plain(void)
{
    if (child())
        stay();
    if (child())
        stay();
    wait_for_members(2);
}

static void session(void)
{
    if (child()) {
        setsid();
        stay();
    }
    wait_for_members(1);
}

/* A process of no session or group of the job's, nor a child of one. */
static bool twice_removed(void)
{
    if (!child()) {
        wait(NULL);
        return false;
    }
    setsid();
    if (!child())
        _exit(0);
    return true;
}

static void double_fork(void)
{
    if (twice_removed())
        stay();
    wait_for_members(1);
}

static void daemon_like(void)
{
    if (twice_removed()) {
        close_all();
        if (chdir("/") == 0)
            stay();
    }
    wait_for_members(1);
}

static void nohup(void)
{
    signal(SIGHUP, SIG_IGN);
    plain();
}

static void deaf(void)
{
    be_deaf();
    session();
}

static void stop_members(void)
{
    for (int i = 0; i < 2; i++)
        if (child()) {
            if (i)
                setsid();
            beat->members++;
            raise(SIGSTOP);
            linger();
        }
    wait_for_members(2);
}

static void stopped_deaf(void)
{
    be_deaf();
    stop_members();
}

struct chain {
    bool sessions; /* each link has one of its own */
    bool bare;     /* without descriptors */
    int pause_ms;
};

static void forge(struct chain c)
{
    if (!child()) {
        wait_for_members(1);
        return;
    }
    signal(SIGCHLD, SIG_IGN);
    if (c.bare)
        close_all();
    beat->members++;
    while (!beat->over) {
        beat->count++;
        if (c.pause_ms)
            poll(NULL, 0, c.pause_ms);
        if (fork() > 0)
            _exit(0);
        if (c.sessions)
            setsid();
    }
    _exit(0);
}

static void chain(void) { forge((struct chain){.sessions = true}); }
static void chain_group(void) { forge((struct chain){.sessions = false, .bare = true}); }
static void chain_bare(void) { forge((struct chain){.sessions = true, .bare = true}); }
static void chain_slow(void) { forge((struct chain){.sessions = true, .pause_ms = 3}); }

static void chain_deaf(void)
{
    be_deaf();
    forge((struct chain){.sessions = true});
}

/* Goes on only when it is asked to: see shy.c. */
static void chain_shy(void)
{
    if (!child()) {
        wait_for_members(1);
        return;
    }
    signal(SIGCHLD, SIG_IGN);
    close_all();
    for (beat->members++; !beat->over;) {
        setsid();
        beat->link = getpid();
        while (!beat->over && beat->asked <= beat->count)
            poll(NULL, 0, 1);
        beat->count++;
        if (fork() > 0)
            _exit(0);
    }
    _exit(0);
}

/* Nothing tells whose it is: no group, no descriptor, no environment. */
static void chain_lost(void)
{
    if (child()) {
        char *argv[] = {(char[]){"tree"}, (char[]){"forge"}, strdup(beat_path), NULL};
        char *envp[] = {NULL};
        execve("/proc/self/exe", argv, envp);
        _exit(127);
    }
    wait_for_members(1);
}

static void lost(void)
{
    if (twice_removed()) {
        close_all();
        lose_environment();
    }
    wait_for_members(1);
}

static void lost_deaf(void)
{
    be_deaf();
    lost();
}

/* Many, each in a session of its own, each always with a child that dies young. */
static void bomb(void)
{
    for (int i = 0; i < BOMB_SIZE; i++)
        if (child()) {
            setsid();
            signal(SIGCHLD, SIG_IGN);
            beat->members++;
            while (!beat->over) {
                if (fork() == 0) {
                    poll(NULL, 0, 5);
                    _exit(0);
                }
                poll(NULL, 0, 20);
            }
            _exit(0);
        }
    wait_for_members(BOMB_SIZE);
}

static void groups(void)
{
    if (child()) {
        for (int i = 0; i < 3; i++)
            if (child()) {
                setpgid(0, 0);
                stay();
            }
        wait_for_members(3);
        _exit(0);
    }
    wait_for_members(3);
}

static void traced(void)
{
    if (child()) {
        setsid();
        pid_t pid = fork();
        if (pid == 0) {
            ptrace(PTRACE_TRACEME, 0, NULL, NULL);
            raise(SIGSTOP);
            linger();
        }
        int status;
        waitpid(pid, &status, 0); /* and there it stands */
        stay();
    }
    wait_for_members(1);
}

static void parent_death(void)
{
    if (child()) {
        be_deaf();
        if (child()) {
            prctl(PR_SET_PDEATHSIG, SIGTERM); /* which it does not hear */
            setsid();
            stay();
        }
        stay();
    }
    wait_for_members(2);
}

static void namespaces(int flags)
{
    if (child()) {
        if (unshare(flags) != 0) {
            beat->members += 2; /* not to be had here */
            _exit(0);
        }
        if (child()) { /* process 1 in there: deaf to all but KILL */
            if (child()) {
                setsid();
                stay();
            }
            stay();
        }
        linger();
    }
    wait_for_members(2);
}

static void pid_namespace(void) { namespaces(CLONE_NEWPID); }
static void user_namespace(void) { namespaces(CLONE_NEWUSER | CLONE_NEWPID); }

static void subreaper(void)
{
    if (child()) {
        setsid();
        prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
        double_fork();
        stay();
    }
    wait_for_members(2);
}

static void vforked(void)
{
    if (child()) {
        setsid();
        pid_t pid = vfork(); /* NOLINT: its parent stands still, for ever */
        if (pid == 0) {
            beat->members++;
            while (!beat->over)
                poll(NULL, 0, LOOK_MS);
            _exit(0);
        }
        linger();
    }
    wait_for_members(1);
}

static void *live_on(void *arg)
{
    stay();
    return arg;
}

/* Its first thread exits: /proc calls it a zombie, but it is none. */
static void threads(void)
{
    if (child()) {
        pthread_t t;
        setsid();
        if (pthread_create(&t, NULL, live_on, NULL) == 0)
            pthread_exit(NULL);
        _exit(2);
    }
    wait_for_members(1);
}

static void zombies(void)
{
    if (child()) {
        setsid();
        for (int i = 0; i < 100; i++)
            if (fork() == 0)
                _exit(0);
        stay();
    }
    wait_for_members(1);
}

static void hidden(void)
{
    if (child()) {
        setsid();
        prctl(PR_SET_DUMPABLE, 0);
        stay();
    }
    wait_for_members(1);
}

/* As setproctitle(3) does it: over argv, and on into the environment. */
static void renamed(void)
{
    extern char **environ;
    if (child()) {
        setsid();
        for (char **at = environ; *at; at++)
            memset(*at, 'x', strlen(*at));
        prctl(PR_SET_NAME, "queuectl");
        stay();
    }
    wait_for_members(1);
}

static void respawn(void)
{
    if (child()) {
        be_deaf();
        setsid();
        for (beat->members++; !beat->over;) {
            if (child()) {
                setsid();
                signal(SIGTERM, SIG_DFL);
                linger();
            }
            wait(NULL);
        }
        _exit(0);
    }
    wait_for_members(1);
}

static void hand_over(int sig)
{
    (void)sig;
    if (fork() == 0)
        setsid();
    else
        _exit(0);
}

/* On TERM a child goes on in its place. */
static void heir(void)
{
    if (child()) {
        setsid();
        signal(SIGTERM, hand_over);
        stay();
    }
    wait_for_members(1);
}

static const struct kind {
    const char *name;
    void (*make)(void);
} kinds[] = {
    {"plain", plain},           {"session", session},       {"double", double_fork},
    {"daemon", daemon_like},    {"nohup", nohup},           {"deaf", deaf},
    {"stopped", stop_members},  {"stopped-deaf", stopped_deaf},
    {"chain", chain},           {"chain-group", chain_group}, {"chain-bare", chain_bare},
    {"chain-slow", chain_slow}, {"chain-deaf", chain_deaf}, {"chain-lost", chain_lost},
    {"chain-shy", chain_shy},   {"bomb", bomb},             {"groups", groups},         {"traced", traced},
    {"pdeath", parent_death},   {"pidns", pid_namespace},   {"userns", user_namespace},
    {"subreaper", subreaper},   {"vfork", vforked},         {"threads", threads},
    {"zombies", zombies},       {"hidden", hidden},         {"renamed", renamed},
    {"respawn", respawn},       {"heir", heir},             {"lost", lost},
    {"lost-deaf", lost_deaf},
};
#define KINDS (sizeof kinds / sizeof *kinds)

/* -- the others -------------------------------------------------------------------- */

static void watch_signals(void)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    beat->up = 1;
    while (!beat->over) {
        const struct timespec look = {0, LOOK_MS * 1000000L};
        if (sigtimedwait(&all, NULL, &look) > 0)
            beat->signals++;
    }
}

/* The leader of a group leaves it to a bystander. */
static void be_stranger(void)
{
    setsid();
    if (!child())
        _exit(0);
    watch_signals();
}

/* Does another process run this very program? */
static bool another_lives(void)
{
    char own[4096], path[300], exe[4096];
    ssize_t n = readlink("/proc/self/exe", own, sizeof own), m;
    DIR *proc = opendir("/proc");
    struct dirent *e;
    bool found = false;
    while (n > 0 && proc && !found && (e = readdir(proc))) {
        long pid = strtol(e->d_name, NULL, 10);
        if (pid <= 0 || pid == getpid())
            continue;
        snprintf(path, sizeof path, "/proc/%ld/exe", pid);
        m = readlink(path, exe, sizeof exe);
        found = m == n && memcmp(own, exe, (size_t)n) == 0;
    }
    if (proc)
        closedir(proc);
    return found;
}

static int run_again(void)
{
    long before = beat->count;
    if (another_lives())
        beat->overlap++;
    poll(NULL, 0, LOOK_MS);
    if (beat->count != before)
        beat->overlap++;
    return 0;
}

static int list_kinds(void)
{
    for (size_t i = 0; i < KINDS; i++)
        puts(kinds[i].name);
    return 0;
}

static int build(const struct kind *k, bool stays)
{
    const char *run = getenv("QUEUECTL_RUN");
    if (run && strcmp(run, "1") != 0)
        return run_again();
    k->make();
    beat->up = 1;
    if (!stays)
        return 0;
    if (strncmp(k->name, "stopped", 7) == 0)
        raise(SIGSTOP);
    linger();
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "kinds") == 0)
        return list_kinds();
    if (argc < 3)
        return 2;
    map_beat(argv[argc - 1]);
    if (strcmp(argv[1], "bystander") == 0)
        watch_signals();
    else if (strcmp(argv[1], "stranger") == 0)
        be_stranger();
    else if (strcmp(argv[1], "linger") == 0)
        stay();
    else if (strcmp(argv[1], "forge") == 0)
        chain_bare();
    else
        for (size_t i = 0; i < KINDS; i++)
            if (strcmp(argv[1], kinds[i].name) == 0)
                return build(&kinds[i], strcmp(argv[2], "stays") == 0);
    return 0;
}
