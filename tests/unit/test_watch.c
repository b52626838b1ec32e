/* test_watch.c: the back end that is linked in tells what it must.
 *
 * Runs against any of the three.  A back end that only sees folders answers
 * WATCH_SCAN where another one names the file, so told() takes either.  The
 * spool is made by hand: descriptors and a path are all a watch needs.  Nothing
 * sleeps: every wait is for an event, up to WAIT_MS.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "spool/dirstamp.h"
#include "spool/spool.h"
#include "spool/watch.h"

#ifdef __linux__
#include <sys/inotify.h>
#include <sys/syscall.h>
#endif

#define WAIT_MS 5000
#define BIT(d) (1u << (d))
#define WATCHED (BIT(DIR_PENDING) | BIT(DIR_CONTROL) | BIT(DIR_WORKERS) | BIT(WATCH_ROOT))
#define SEEN_MAX 1024

struct seen {
    unsigned dir;
    enum watch_what what;
    char file[FILE_NAME_MAX + 1]; /* "" for none */
};

struct fixture {
    struct spool sp;
    struct watch *w;
    struct seen seen[SEEN_MAX]; /* the first ones; a flood's rest is only counted */
    unsigned n;
    unsigned scans; /* bits of the folders that were to be scanned */
};

#ifdef __linux__
/* Stands before libc's: the watch limit cannot be reached without disturbing
 * every other program of this user. */
static int watches_left = -1; /* -1: no bound */

int inotify_add_watch(int fd, const char *path, uint32_t mask)
{
    if (watches_left == 0) {
        errno = ENOSPC;
        return -1;
    }
    if (watches_left > 0)
        watches_left--;
    return (int)syscall(SYS_inotify_add_watch, fd, path, mask);
}
#endif

static void record(unsigned dir, enum watch_what what, const char *file, void *arg)
{
    struct fixture *f = arg;
    assert_true(dir <= WATCH_ROOT);
    assert_true((what == WATCH_SCAN || what == WATCH_REPLACED) == (file == NULL));
    if (what == WATCH_SCAN)
        f->scans |= BIT(dir);
    if (f->n == SEEN_MAX)
        return;
    struct seen *s = &f->seen[f->n++];
    s->dir = dir;
    s->what = what;
    snprintf(s->file, sizeof s->file, "%s", file ? file : "");
}

static void forget(struct fixture *f)
{
    f->n = 0;
    f->scans = 0;
}

static bool told_exactly(const struct fixture *f, unsigned dir, enum watch_what what,
                         const char *file)
{
    for (unsigned i = 0; i < f->n; i++)
        if (f->seen[i].dir == dir && f->seen[i].what == what && strcmp(f->seen[i].file, file) == 0)
            return true;
    return false;
}

static bool told(const struct fixture *f, unsigned dir, enum watch_what what, const char *file)
{
    return (f->scans & BIT(dir)) || told_exactly(f, dir, what, file);
}

/* One wait as a pool does it, then one read.  False when the time is over. */
static bool turn(struct fixture *f, int64_t deadline)
{
    struct pollfd p = {.fd = watch_fd(f->w), .events = POLLIN};
    int ms = clock_poll_ms(deadline, clock_mono_us());
    int most = watch_interval_ms(f->w);
    if (ms == 0)
        return false;
    if (most >= 0 && most < ms)
        ms = most;
    assert_true(poll(&p, 1, ms) >= 0);
    watch_read(f->w, record, f);
    return true;
}

static void wait_told(struct fixture *f, bool exactly, unsigned dir, enum watch_what what,
                      const char *file)
{
    int64_t deadline = clock_mono_us() + WAIT_MS * US_PER_MS;
    while (!(exactly ? told_exactly : told)(f, dir, what, file))
        if (!turn(f, deadline))
            fail_msg("not told: %d of %s/%s", (int)what,
                     dir == WATCH_ROOT ? "" : dir_name((enum dir)dir), file);
}

/* Read until nothing is due at once, so that what comes next is new. */
static void drain(struct fixture *f)
{
    struct pollfd p = {.fd = watch_fd(f->w), .events = POLLIN};
    do
        watch_read(f->w, record, f);
    while (watch_interval_ms(f->w) == 0 || poll(&p, 1, 0) > 0);
    forget(f);
}

static void make_file(int dir, const char *file)
{
    int fd = openat(dir, file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "{}", 2), 2);
    assert_int_equal(close(fd), 0);
}

static void open_folder(struct spool *sp, enum dir d)
{
    if (sp->dir[d] >= 0)
        close(sp->dir[d]);
    sp->dir[d] = openat(sp->root, dir_name(d), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(sp->dir[d] >= 0);
}

static void make_spool(struct spool *sp)
{
    const char *base = getenv("TMPDIR");
    char path[1024];
    struct stat st;
    snprintf(path, sizeof path, "%s/test_watch.XXXXXX", base && *base ? base : "/tmp");
    assert_non_null(mkdtemp(path));
    sp->path = realpath(path, NULL);
    assert_non_null(sp->path);
    sp->root = open(sp->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(fstat(sp->root, &st), 0);
    sp->dev = st.st_dev;
    for (int d = 0; d < DIR_COUNT; d++) {
        assert_int_equal(mkdirat(sp->root, dir_name((enum dir)d), 0700), 0);
        sp->dir[d] = -1;
        open_folder(sp, (enum dir)d);
    }
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    make_spool(&f->sp);
    f->w = watch_open(&f->sp, WATCHED);
    assert_non_null(f->w);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char command[1200];
    watch_close(f->w);
    for (int d = 0; d < DIR_COUNT; d++)
        close(f->sp.dir[d]);
    close(f->sp.root);
    snprintf(command, sizeof command, "rm -rf '%s'", f->sp.path);
    FILE *rm = popen(command, "r");
    assert_non_null(rm);
    assert_int_equal(pclose(rm), 0);
    free(f->sp.path);
    free(f);
    return 0;
}

static void watch_anew(struct fixture *f)
{
    watch_close(f->w);
    f->w = watch_open(&f->sp, WATCHED);
    assert_non_null(f->w);
}

static void set_mtime(int dir, int64_t ns)
{
    struct timespec t[2] = {{.tv_nsec = UTIME_OMIT},
                            {.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = ns % 1000000000}};
    assert_int_equal(futimens(dir, t), 0);
}

/* Watch folders that have not changed for long: no stamp of theirs is racy. */
static void watch_aged(struct fixture *f)
{
    int64_t ns = (clock_wall_us() - 100 * US_PER_SEC) * 1000 + 1;
    for (int d = 0; d < DIR_COUNT; d++)
        set_mtime(f->sp.dir[d], ns);
    set_mtime(f->sp.root, ns);
    watch_anew(f);
    drain(f);
}

static void test_dirstamp(void **state)
{
    struct fixture *f = *state;
    struct dirstamp s = {0};
    int dir = f->sp.dir[DIR_PENDING];
    int64_t now = clock_wall_us() * 1000 / 1000000000 * 1000000000;
    set_mtime(dir, now - INT64_C(9999999999));
    assert_true(dirstamp_changed(&s, dir)); /* never looked at */
    assert_false(dirstamp_changed(&s, dir));
    make_file(dir, "a");
    assert_true(dirstamp_changed(&s, dir));
    make_file(dir, "b");
    set_mtime(dir, s.mtime_ns); /* as if in the same tick */
    assert_true(dirstamp_changed(&s, dir));
    set_mtime(dir, now); /* whole seconds: a coarse file system */
    assert_true(dirstamp_changed(&s, dir));
    assert_true(dirstamp_changed(&s, dir));
    set_mtime(dir, now + INT64_C(3600999999999)); /* before the clock was put back */
    assert_true(dirstamp_changed(&s, dir));
    assert_false(dirstamp_changed(&s, dir));
    assert_true(dirstamp_changed(&s, f->sp.dir[DIR_CONTROL])); /* another folder */
    assert_true(dirstamp_changed(&s, -1));
}

static void test_rename(void **state)
{
    struct fixture *f = *state;
    drain(f);
    make_file(f->sp.dir[DIR_TMP], "u");
    assert_int_equal(renameat(f->sp.dir[DIR_TMP], "u", f->sp.dir[DIR_PENDING], "a.json"), 0);
    wait_told(f, false, DIR_PENDING, WATCH_APPEARED, "a.json");
}

static void test_change_before_first_read(void **state)
{
    struct fixture *f = *state;
    make_file(f->sp.dir[DIR_PENDING], "a.json");
    wait_told(f, false, DIR_PENDING, WATCH_APPEARED, "a.json");
}

static void test_every_folder(void **state)
{
    static const enum dir folders[] = {DIR_PENDING, DIR_CONTROL, DIR_WORKERS};
    struct fixture *f = *state;
    for (unsigned i = 0; i < 3; i++) {
        drain(f);
        make_file(f->sp.dir[folders[i]], "x");
        wait_told(f, false, folders[i], WATCH_APPEARED, "x");
    }
    drain(f);
    make_file(f->sp.root, "queuectl.ini");
    wait_told(f, false, WATCH_ROOT, WATCH_APPEARED, "queuectl.ini");
}

static void test_link(void **state)
{
    struct fixture *f = *state;
    make_file(f->sp.dir[DIR_TMP], "u");
    drain(f);
    assert_int_equal(linkat(f->sp.dir[DIR_TMP], "u", f->sp.dir[DIR_PENDING], "a.json", 0), 0);
    wait_told(f, false, DIR_PENDING, WATCH_APPEARED, "a.json");
}

static void test_tmpfile(void **state)
{
#ifdef O_TMPFILE
    struct fixture *f = *state;
    char path[40];
    drain(f);
    int fd = openat(f->sp.dir[DIR_PENDING], ".", O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600);
    if (fd < 0)
        skip();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    assert_int_equal(linkat(AT_FDCWD, path, f->sp.dir[DIR_PENDING], "a.json", AT_SYMLINK_FOLLOW),
                     0);
    close(fd);
    wait_told(f, false, DIR_PENDING, WATCH_APPEARED, "a.json");
    for (unsigned i = 0; i < f->n; i++)
        assert_true(f->seen[i].file[0] != '#');
#else
    (void)state;
    skip();
#endif
}

static void test_copy(void **state)
{
    struct fixture *f = *state;
    drain(f);
    int fd = openat(f->sp.dir[DIR_PENDING], "a.json", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    wait_told(f, false, DIR_PENDING, WATCH_APPEARED, "a.json");
    bool names = told_exactly(f, DIR_PENDING, WATCH_APPEARED, "a.json");
    drain(f);
    assert_int_equal(write(fd, "{}", 2), 2);
    close(fd);
    if (names)
        wait_told(f, true, DIR_PENDING, WATCH_CLOSED, "a.json");
}

/* A setting written in place, a lock dropped by a death: told everywhere. */
static void test_close_in_workers_and_root(void **state)
{
    struct fixture *f = *state;
    int ini = openat(f->sp.root, "queuectl.ini", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    int live = openat(f->sp.dir[DIR_WORKERS], "t", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    watch_aged(f);
    assert_int_equal(write(ini, "#", 1), 1);
    close(ini);
    close(live);
    wait_told(f, false, WATCH_ROOT, WATCH_CLOSED, "queuectl.ini");
    wait_told(f, false, DIR_WORKERS, WATCH_CLOSED, "t");
}

static void test_gone(void **state)
{
    struct fixture *f = *state;
    make_file(f->sp.dir[DIR_CONTROL], "pause");
    drain(f);
    assert_int_equal(unlinkat(f->sp.dir[DIR_CONTROL], "pause", 0), 0);
    wait_told(f, false, DIR_CONTROL, WATCH_GONE, "pause");
}

/* Where names are told, claims out of pending/ wake nobody. */
static void test_claims_are_quiet(void **state)
{
    struct fixture *f = *state;
    drain(f);
    make_file(f->sp.dir[DIR_PENDING], "a.json");
    wait_told(f, false, DIR_PENDING, WATCH_APPEARED, "a.json");
    if (f->scans & BIT(DIR_PENDING))
        skip();
    drain(f);
    struct pollfd p = {.fd = watch_fd(f->w), .events = POLLIN};
    assert_int_equal(
        renameat(f->sp.dir[DIR_PENDING], "a.json", f->sp.dir[DIR_PROCESSING], "a.json"), 0);
    assert_int_equal(poll(&p, 1, 0), 0);
    assert_int_equal(watch_interval_ms(f->w), -1);
}

static void make_linked(struct fixture *f, const char *file)
{
    make_file(f->sp.dir[DIR_TMP], file);
    assert_int_equal(linkat(f->sp.dir[DIR_TMP], file, f->sp.dir[DIR_PENDING], file, 0), 0);
}

static void test_second_link_goes(void **state)
{
    struct fixture *f = *state;
    make_linked(f, "a.json");
    drain(f);
    watch_links(f->w, DIR_PENDING, "a.json");
    drain(f);
    unlinkat(f->sp.dir[DIR_TMP], "a.json", 0);
    wait_told(f, true, DIR_PENDING, WATCH_CLOSED, "a.json");
}

/* The link went before the watch came: told all the same, and once. */
static void test_second_link_gone_before(void **state)
{
    struct fixture *f = *state;
    make_file(f->sp.dir[DIR_PENDING], "a.json");
    drain(f);
    watch_links(f->w, DIR_PENDING, "a.json");
    assert_int_equal(watch_interval_ms(f->w), 0);
    watch_read(f->w, record, f);
    assert_true(told_exactly(f, DIR_PENDING, WATCH_CLOSED, "a.json"));
    drain(f);
    assert_false(told_exactly(f, DIR_PENDING, WATCH_CLOSED, "a.json"));
}

/* Two names of one inode in pending/: both are told. */
static void test_two_names(void **state)
{
    struct fixture *f = *state;
    make_linked(f, "a.json");
    assert_int_equal(linkat(f->sp.dir[DIR_TMP], "a.json", f->sp.dir[DIR_PENDING], "b.json", 0), 0);
    drain(f);
    watch_links(f->w, DIR_PENDING, "a.json");
    watch_links(f->w, DIR_PENDING, "b.json");
    unlinkat(f->sp.dir[DIR_TMP], "a.json", 0);
    wait_told(f, true, DIR_PENDING, WATCH_CLOSED, "a.json");
    wait_told(f, true, DIR_PENDING, WATCH_CLOSED, "b.json");
}

/* More files than the table holds, and files that go: nothing breaks, and
 * there is room again. */
static void test_many_links(void **state)
{
    struct fixture *f = *state;
    char file[40];
    for (int i = 0; i < WATCH_LINKS_MAX + 20; i++) {
        snprintf(file, sizeof file, "%d.json", i);
        make_linked(f, file);
        watch_links(f->w, DIR_PENDING, file);
    }
    watch_links(f->w, DIR_PENDING, "absent.json");
    drain(f);
    for (int i = 0; i < WATCH_LINKS_MAX + 20; i++) {
        snprintf(file, sizeof file, "%d.json", i);
        unlinkat(f->sp.dir[DIR_PENDING], file, 0);
        unlinkat(f->sp.dir[DIR_TMP], file, 0);
    }
    make_file(f->sp.dir[DIR_CONTROL], "after");
    wait_told(f, false, DIR_CONTROL, WATCH_APPEARED, "after");
    drain(f);
    make_linked(f, "last.json");
    watch_links(f->w, DIR_PENDING, "last.json");
    unlinkat(f->sp.dir[DIR_TMP], "last.json", 0);
    wait_told(f, true, DIR_PENDING, WATCH_CLOSED, "last.json");
}

static void move_pending_away(struct fixture *f)
{
    assert_int_equal(renameat(f->sp.root, "pending", f->sp.root, "pending.old"), 0);
}

static void use_new_pending(struct fixture *f)
{
    open_folder(&f->sp, DIR_PENDING);
    watch_rearm(f->w);
    drain(f);
    make_file(f->sp.dir[DIR_PENDING], "a.json");
    wait_told(f, false, DIR_PENDING, WATCH_APPEARED, "a.json");
}

static void test_replaced(void **state)
{
    struct fixture *f = *state;
    drain(f);
    move_pending_away(f);
    assert_int_equal(mkdirat(f->sp.root, "pending", 0700), 0);
    wait_told(f, true, DIR_PENDING, WATCH_REPLACED, "");
    use_new_pending(f);
    assert_false(told_exactly(f, DIR_PENDING, WATCH_REPLACED, ""));
}

/* Told when it goes and again when a new one is there. */
static void test_replaced_in_two_steps(void **state)
{
    struct fixture *f = *state;
    drain(f);
    move_pending_away(f);
    wait_told(f, true, DIR_PENDING, WATCH_REPLACED, "");
    drain(f);
    watch_rearm(f->w); /* as after a refresh that found nothing to open */
    make_file(f->sp.dir[DIR_CONTROL], "pause");
    wait_told(f, false, DIR_CONTROL, WATCH_APPEARED, "pause");
    assert_false(told_exactly(f, DIR_PENDING, WATCH_REPLACED, "")); /* no news */
    drain(f);
    assert_int_equal(mkdirat(f->sp.root, "pending", 0700), 0);
    wait_told(f, true, DIR_PENDING, WATCH_REPLACED, "");
    use_new_pending(f);
}

static void test_removed(void **state)
{
    struct fixture *f = *state;
    drain(f);
    assert_int_equal(unlinkat(f->sp.root, "pending", AT_REMOVEDIR), 0);
    wait_told(f, true, DIR_PENDING, WATCH_REPLACED, "");
    assert_int_equal(mkdirat(f->sp.root, "pending", 0700), 0);
    use_new_pending(f);
}

/* Between spool_open() and watch_open(). */
static void test_replaced_before_open(void **state)
{
    struct fixture *f = *state;
    move_pending_away(f);
    assert_int_equal(mkdirat(f->sp.root, "pending", 0700), 0);
    watch_anew(f);
    wait_told(f, true, DIR_PENDING, WATCH_REPLACED, "");
}

/* Two folders change places; each watch follows its descriptor. */
static void test_swapped(void **state)
{
    struct fixture *f = *state;
    drain(f);
    move_pending_away(f);
    assert_int_equal(renameat(f->sp.root, "control", f->sp.root, "pending"), 0);
    assert_int_equal(renameat(f->sp.root, "pending.old", f->sp.root, "control"), 0);
    wait_told(f, true, DIR_PENDING, WATCH_REPLACED, "");
    wait_told(f, true, DIR_CONTROL, WATCH_REPLACED, "");
    open_folder(&f->sp, DIR_CONTROL);
    use_new_pending(f);
    drain(f);
    make_file(f->sp.dir[DIR_CONTROL], "pause");
    wait_told(f, false, DIR_CONTROL, WATCH_APPEARED, "pause");
}

static void test_moved_spool(void **state)
{
    struct fixture *f = *state;
    char *path = malloc(strlen(f->sp.path) + 7);
    assert_non_null(path);
    snprintf(path, strlen(f->sp.path) + 7, "%s.moved", f->sp.path);
    drain(f);
    assert_int_equal(rename(f->sp.path, path), 0);
    wait_told(f, true, WATCH_ROOT, WATCH_REPLACED, "");
    make_file(f->sp.dir[DIR_PENDING], "a.json");
    wait_told(f, false, DIR_PENDING, WATCH_APPEARED, "a.json");
    free(f->sp.path);
    f->sp.path = path;
}

static long queued_events_max(void)
{
    long n = 16384;
    FILE *in = fopen("/proc/sys/fs/inotify/max_queued_events", "r");
    if (in) {
        if (fscanf(in, "%ld", &n) != 1)
            n = 16384;
        fclose(in);
    }
    return n;
}

static void test_overflow(void **state)
{
    struct fixture *f = *state;
    long n = queued_events_max();
    if (n > 200000)
        skip();
    drain(f);
    make_file(f->sp.dir[DIR_WORKERS], "w");
    make_file(f->sp.root, "r");
    make_file(f->sp.dir[DIR_CONTROL], "a");
    make_file(f->sp.dir[DIR_PENDING], "p0");
    for (long i = 0; i <= n / 2; i++) { /* two events each */
        const char *from = i % 2 ? "b" : "a", *to = i % 2 ? "a" : "b";
        assert_int_equal(renameat(f->sp.dir[DIR_CONTROL], from, f->sp.dir[DIR_CONTROL], to), 0);
    }
    int64_t deadline = clock_mono_us() + WAIT_MS * US_PER_MS;
    while ((f->scans & WATCHED) != WATCHED)
        assert_true(turn(f, deadline));
    drain(f);
    make_file(f->sp.dir[DIR_PENDING], "after");
    wait_told(f, false, DIR_PENDING, WATCH_APPEARED, "after");
}

/* What the object that polls for want of a watch must still tell. */
static void check_polling(struct fixture *f)
{
    assert_int_equal(watch_fd(f->w), -1);
    drain(f);
    int64_t start = clock_mono_us();
    assert_in_range(watch_interval_ms(f->w), 1, 200);
    make_file(f->sp.dir[DIR_PENDING], "polled.json");
    wait_told(f, false, DIR_PENDING, WATCH_APPEARED, "polled.json");
    assert_true(clock_mono_us() - start < 2 * US_PER_SEC);
    test_second_link_goes((void **)&f);
    test_replaced((void **)&f);
}

/* No descriptor left: as the limit of instances, but nobody else's concern. */
static void test_no_instance(void **state)
{
    struct fixture *f = *state;
    struct rlimit was, none;
    watch_close(f->w);
    int lowest = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(lowest >= 0);
    close(lowest);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
    none = was;
    none.rlim_cur = (rlim_t)lowest;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    f->w = watch_open(&f->sp, WATCHED);
    int r = setrlimit(RLIMIT_NOFILE, &was);
    assert_int_equal(r, 0);
    assert_non_null(f->w);
    check_polling(f);
}

static void test_no_watch(void **state)
{
#ifdef __linux__
    struct fixture *f = *state;
    watches_left = 2;
    watch_anew(f);
    bool asked = watches_left == 0;
    watches_left = -1;
    if (!asked)
        skip();
    check_polling(f);
#else
    (void)state;
    skip();
#endif
}

/* The limit is met later: what happened meanwhile is told as a scan. */
static void test_no_watch_when_rearming(void **state)
{
#ifdef __linux__
    struct fixture *f = *state;
    watch_aged(f);
    if (watch_fd(f->w) < 0)
        skip();
    make_file(f->sp.dir[DIR_CONTROL], "unread");
    watches_left = 0;
    watch_rearm(f->w);
    watches_left = -1;
    if (watch_fd(f->w) >= 0)
        skip();
    watch_read(f->w, record, f);
    assert_int_equal(f->scans, WATCHED);
    check_polling(f);
#else
    (void)state;
    skip();
#endif
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_dirstamp),
        TEST(test_rename),
        TEST(test_change_before_first_read),
        TEST(test_every_folder),
        TEST(test_link),
        TEST(test_tmpfile),
        TEST(test_copy),
        TEST(test_close_in_workers_and_root),
        TEST(test_gone),
        TEST(test_claims_are_quiet),
        TEST(test_second_link_goes),
        TEST(test_second_link_gone_before),
        TEST(test_two_names),
        TEST(test_many_links),
        TEST(test_replaced),
        TEST(test_replaced_in_two_steps),
        TEST(test_removed),
        TEST(test_replaced_before_open),
        TEST(test_swapped),
        TEST(test_moved_spool),
        TEST(test_overflow),
        TEST(test_no_instance),
        TEST(test_no_watch),
        TEST(test_no_watch_when_rearming),
    };
    return cmocka_run_group_tests_name("watch", tests, NULL, NULL);
}
