/* live.c: the files in workers/.
 *
 * The record is written by functions that use nothing but memory of their own
 * and pwrite(2): a job's process writes it between vfork and exec, so that there
 * is no moment in which a run lives and the record does not say so.
 */
#include "spool/live.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/num.h"
#include "base/sys.h"
#include "base/text.h"
#include "spool/scan.h"

static const char *const suffixes[] = {[LIVE_POOL] = ".pool", [LIVE_WORKER] = ".worker"};

static void file_name(const char *token, enum live_role role, char out[LIVE_FILE_MAX + 1])
{
    snprintf(out, LIVE_FILE_MAX + 1, "%s%s", token, suffixes[role]);
}

/* -- the record ---------------------------------------------------------- */

static void put_line(struct text *t, const char *key, const char *value)
{
    text_adds(t, key);
    text_addc(t, ' ');
    text_adds(t, value);
    text_addc(t, '\n');
}

static void put_number(struct text *t, const char *key, uint64_t v)
{
    char digits[24];
    struct text number = text_in(digits, sizeof digits);
    text_add_uint(&number, v);
    put_line(t, key, digits);
}

int live_update(int fd, const struct live_record *r)
{
    char bytes[LIVE_RECORD_LEN + 1];
    struct text t = text_in(bytes, sizeof bytes);
    put_line(&t, "token", r->token);
    put_line(&t, "pool", r->pool);
    put_number(&t, "pid", (uint64_t)r->pid);
    put_number(&t, "since", (uint64_t)r->since_us);
    put_number(&t, "namespace", r->pid_ns);
    put_line(&t, "run", r->run);
    put_number(&t, "run-pid", (uint64_t)r->run_pid);
    put_number(&t, "run-boot", (uint64_t)r->run_boot_us);
    put_number(&t, "births", (uint64_t)r->births);
    if (r->cgroup[0])
        put_line(&t, "cgroup", r->cgroup);
    memset(bytes + t.len, '\n', LIVE_RECORD_LEN - t.len);
    ssize_t n;
    do
        n = pwrite(fd, bytes, LIVE_RECORD_LEN, 0);
    while (n < 0 && errno == EINTR);
    return n == LIVE_RECORD_LEN ? 0 : -1;
}

static void take_number(const char *value, int64_t *out)
{
    if (!num_parse(value, 0, INT64_MAX, out))
        *out = 0;
}

static void take_line(const char *key, const char *value, struct live_record *r)
{
    int64_t ns = 0;
    if (strcmp(key, "token") == 0)
        text_copy(r->token, sizeof r->token, value);
    else if (strcmp(key, "pool") == 0)
        text_copy(r->pool, sizeof r->pool, value);
    else if (strcmp(key, "run") == 0)
        text_copy(r->run, sizeof r->run, value);
    else if (strcmp(key, "pid") == 0)
        take_number(value, &r->pid);
    else if (strcmp(key, "since") == 0)
        take_number(value, &r->since_us);
    else if (strcmp(key, "run-pid") == 0)
        take_number(value, &r->run_pid);
    else if (strcmp(key, "run-boot") == 0)
        take_number(value, &r->run_boot_us);
    else if (strcmp(key, "births") == 0)
        take_number(value, &r->births);
    else if (strcmp(key, "cgroup") == 0)
        text_copy(r->cgroup, sizeof r->cgroup, value);
    else if (strcmp(key, "namespace") == 0) {
        take_number(value, &ns);
        r->pid_ns = (uint64_t)ns;
    }
}

static int read_record(int dir, const char *file, enum live_role role, struct live_record *out)
{
    struct buf text = BUF_INIT;
    *out = (struct live_record){.role = role};
    if (io_read_file(dir, file, &text, 2 * LIVE_RECORD_LEN) != 0) {
        buf_release(&text);
        return -1;
    }
    for (char *at = text.data, *end; at && *at; at = end) {
        end = strchr(at, '\n');
        if (!end)
            break;
        *end++ = '\0';
        char *value = strchr(at, ' ');
        if (value) {
            *value = '\0';
            take_line(at, value + 1, out);
        }
    }
    buf_release(&text);
    return 0;
}

int live_read(const struct spool *sp, const char *token, enum live_role role,
              struct live_record *out)
{
    char file[LIVE_FILE_MAX + 1];
    file_name(token, role, file);
    return read_record(sp->dir[DIR_WORKERS], file, role, out);
}

/* -- ours ---------------------------------------------------------------- */

int live_publish(const struct spool *sp, const struct live_record *r)
{
    char file[LIVE_FILE_MAX + 1], hidden[LIVE_FILE_MAX + 2];
    int dir = sp->dir[DIR_WORKERS];
    file_name(r->token, r->role, file);
    snprintf(hidden, sizeof hidden, ".%s", file);
    int fd = io_open(dir, hidden, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -1;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0 && live_update(fd, r) == 0 &&
        sys_rename_noreplace(dir, hidden, dir, file) == 0)
        return fd;
    int saved = errno;
    unlinkat(dir, hidden, 0);
    close(fd);
    errno = saved;
    return -1;
}

int live_republish(const struct spool *sp, const struct live_record *r, int fd)
{
    char file[LIVE_FILE_MAX + 1];
    struct stat path, held;
    file_name(r->token, r->role, file);
    if (fstatat(sp->dir[DIR_WORKERS], file, &path, AT_SYMLINK_NOFOLLOW) == 0 &&
        fstat(fd, &held) == 0 && path.st_ino == held.st_ino)
        return fd;
    int fresh = live_publish(sp, r);
    if (fresh < 0)
        return fd;
    close(fd);
    return fresh;
}

void live_bury(const struct spool *sp, const char *token, enum live_role role)
{
    char file[LIVE_FILE_MAX + 1];
    file_name(token, role, file);
    unlinkat(sp->dir[DIR_WORKERS], file, 0);
}

void live_retire(const struct spool *sp, const char *token, enum live_role role, int fd)
{
    live_bury(sp, token, role);
    close(fd);
}

/* -- others -------------------------------------------------------------- */

enum presence { ABSENT, UNLOCKED, LOCKED, IN_DOUBT /* errno: it counts as locked */ };

static enum presence look(const struct spool *sp, const char *file)
{
    int fd = io_open_file(sp->dir[DIR_WORKERS], file, O_RDONLY | O_NONBLOCK, 0);
    if (fd < 0) /* no file of ours is a folder or a link */
        return errno == ENOENT || errno == EINVAL ? ABSENT : IN_DOUBT;
    int r;
    do
        r = flock(fd, LOCK_SH | LOCK_NB);
    while (r != 0 && errno == EINTR);
    int saved = errno;
    close(fd);
    errno = saved;
    return r == 0 ? UNLOCKED : saved == EWOULDBLOCK ? LOCKED : IN_DOUBT;
}

int live_is_locked(const struct spool *sp, const char *file)
{
    enum presence p = look(sp, file);
    return p == IN_DOUBT ? -1 : p == LOCKED;
}

static bool other_boot(const struct token *t)
{
    char boot[SYS_ID_LEN + 1];
    return sys_boot_id(boot) == 0 && strncmp(boot, t->boot, 8) != 0;
}

/* Without a descriptor or memory nothing is known of a process: then it lives. */
static bool process_lives(const struct token *t)
{
    errno = 0;
    int64_t start = sys_process_start((pid_t)t->pid);
    return start == t->start || (start < 0 && (errno == EMFILE || errno == ENFILE ||
                                               errno == ENOMEM || errno == EIO));
}

bool live_is_alive(const struct spool *sp, const char *token)
{
    struct token t;
    char file[LIVE_FILE_MAX + 1];
    if (!token_parse(token, &t))
        return false;
    for (int role = LIVE_POOL; role <= LIVE_WORKER; role++) {
        file_name(token, (enum live_role)role, file);
        enum presence p = look(sp, file);
        if (p != ABSENT)
            return p != UNLOCKED;
    }
    return !other_boot(&t) && process_lives(&t);
}

struct each {
    const struct spool *sp;
    void (*visit)(const struct live_record *, bool, void *);
    void *arg;
};

static int visit_file(const char *file, void *arg)
{
    struct each *e = arg;
    struct live_record r;
    struct token t;
    const char *dot = strchr(file, '.');
    if (!dot || dot == file || dot - file > TOKEN_MAX)
        return 0;
    enum live_role role = strcmp(dot, suffixes[LIVE_POOL]) == 0 ? LIVE_POOL : LIVE_WORKER;
    if (strcmp(dot, suffixes[role]) != 0)
        return 0;
    enum presence p = look(e->sp, file);
    if (p == ABSENT || read_record(e->sp->dir[DIR_WORKERS], file, role, &r) != 0)
        return 0;
    snprintf(r.token, sizeof r.token, "%.*s", (int)(dot - file), file); /* the name decides */
    if (token_parse(r.token, &t))
        e->visit(&r, p != UNLOCKED, e->arg);
    return 0;
}

int live_each(const struct spool *sp, void (*visit)(const struct live_record *, bool, void *),
              void *arg)
{
    struct each e = {sp, visit, arg};
    return scan_dir(sp, DIR_WORKERS, visit_file, &e);
}
