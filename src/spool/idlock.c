/* idlock.c: flock(2) on ids/ID.
 *
 * A lock on a name is a lock on the inode that has it when we look: between
 * open and flock the holder may have finished, removed the file and somebody
 * made it anew.  So after locking, the path must still name our inode; if not,
 * try again with the new one (bounded: whoever wins that often is busy).
 */
#include "spool/idlock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/sys.h"
#include "spool/scan.h"

#define TRIES 16
#define MODE 0600
#define RUNS S_IXUSR
#define DOUBT "?"

/* In tmp/, where a crash leaves it to be swept, under a name that nobody has. */
static int make_in_tmp(const struct spool *sp, char name[TOKEN_MAX + 16])
{
    unsigned random;
    sys_random(&random, sizeof random);
    snprintf(name, TOKEN_MAX + 16, "%s.id-%08x", sp->token, random);
    return io_open(sp->dir[DIR_TMP], name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
}

static int give_up(const struct spool *sp, const char *name, int fd)
{
    int saved = errno;
    unlinkat(sp->dir[DIR_TMP], name, 0);
    close(fd);
    errno = saved;
    return -1;
}

/* Never seen without its content: whoever makes it may be killed. */
static int make_unsure(const struct spool *sp, const char *id)
{
    char name[TOKEN_MAX + 16];
    int fd = make_in_tmp(sp, name);
    if (fd < 0)
        return -1;
    if (io_write_all(fd, DOUBT, strlen(DOUBT)) == 0 &&
        sys_rename_noreplace(sp->dir[DIR_TMP], name, sp->dir[DIR_IDS], id) == 0)
        return fd;
    return give_up(sp, name, fd);
}

/* Open it, making it where missing; *fresh: made by this call. */
static int open_id(const struct spool *sp, const char *id, bool new, bool *fresh)
{
    const int flags = O_RDWR | O_NONBLOCK;
    int ids = sp->dir[DIR_IDS];
    for (int i = 0; i < TRIES; i++) {
        int fd = io_open_file(ids, id, flags, 0);
        *fresh = false;
        if (fd >= 0 || errno != ENOENT)
            return fd;
        fd = new ? io_open(ids, id, flags | O_CREAT | O_EXCL | O_NOFOLLOW, 0600)
                 : make_unsure(sp, id);
        *fresh = fd >= 0;
        if (fd >= 0 || errno != EEXIST)
            return fd;
    }
    return -1;
}

/* 1, 0: the path names another file or none, -1 errno. */
static int still_named(int ids, const char *id, int fd)
{
    struct stat path, held;
    if (fstatat(ids, id, &path, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? 0 : -1;
    return fstat(fd, &held) == 0 ? path.st_ino == held.st_ino : -1;
}

static int try_flock(int fd, int how)
{
    int r;
    do
        r = flock(fd, how | LOCK_NB);
    while (r != 0 && errno == EINTR);
    return r;
}

static enum idlock take(const struct spool *sp, const char *id, bool new, int *fd, bool *fresh)
{
    bool made = false;
    for (int i = 0; i < TRIES; i++) {
        *fd = open_id(sp, id, new, &made);
        if (*fd < 0)
            return errno == EEXIST || errno == ENOENT ? IDLOCK_BUSY : IDLOCK_ERROR;
        if (try_flock(*fd, LOCK_EX) != 0) {
            int saved = errno;
            close(*fd);
            errno = saved;
            return saved == EWOULDBLOCK ? IDLOCK_BUSY : IDLOCK_ERROR;
        }
        int named = still_named(sp->dir[DIR_IDS], id, *fd);
        if (named == 1) {
            if (fresh)
                *fresh = made;
            return IDLOCK_OWNED;
        }
        int saved = errno;
        close(*fd);
        errno = saved;
        if (named < 0)
            return IDLOCK_ERROR;
    }
    return IDLOCK_BUSY;
}

enum idlock idlock_take(const struct spool *sp, const char *id, int *fd, bool *fresh)
{
    return take(sp, id, false, fd, fresh);
}

enum idlock idlock_take_new(const struct spool *sp, const char *id, int *fd, bool *fresh)
{
    return take(sp, id, true, fd, fresh);
}

int idlock_error(const struct spool *sp, const char *id, struct err *err)
{
    return io_error(err, "lock", sp->dir[DIR_IDS], dir_name(DIR_IDS), id);
}

bool idlock_is_held(const struct spool *sp, const char *id)
{
    int fd = io_open_file(sp->dir[DIR_IDS], id, O_RDONLY | O_NONBLOCK, 0);
    if (fd < 0)
        return false;
    bool held = try_flock(fd, LOCK_SH) != 0 && errno == EWOULDBLOCK;
    close(fd);
    return held;
}

bool idlock_exists(const struct spool *sp, const char *id)
{
    struct stat st;
    return fstatat(sp->dir[DIR_IDS], id, &st, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

/* The bit says it, and no content: a page, and on a disk a block, written and given back
 * for each run is a twentieth of what a short job costs. */
int idlock_begin(int fd)
{
    struct stat st;
    if (fchmod(fd, MODE | RUNS) != 0 || fstat(fd, &st) != 0)
        return -1;
    if (st.st_nlink > 0)
        return 0;
    errno = ESTALE;
    return -1;
}

int idlock_end(int fd)
{
    return fchmod(fd, MODE);
}

enum idlock_mark idlock_marked(const struct stat *st)
{
    if (st->st_mode & RUNS)
        return IDLOCK_RUNS;
    return st->st_size > 0 ? IDLOCK_UNSURE : IDLOCK_CLEAR;
}

void idlock_doubt(int fd)
{
    struct stat st;
    if (fstat(fd, &st) == 0 && idlock_marked(&st) == IDLOCK_CLEAR)
        io_write_all(fd, DOUBT, strlen(DOUBT));
}

int idlock_clear(int fd)
{
    return ftruncate(fd, 0) == 0 ? idlock_end(fd) : -1;
}

void idlock_moved_back(int fd)
{
    futimens(fd, NULL);
}

void idlock_forget(const struct spool *sp, const char *id)
{
    struct stat st;
    if (fstatat(sp->dir[DIR_IDS], id, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        idlock_marked(&st) != IDLOCK_RUNS)
        unlinkat(sp->dir[DIR_IDS], id, 0);
}

int idlock_replace(const struct spool *sp, const char *id)
{
    char name[TOKEN_MAX + 16];
    int fd = make_in_tmp(sp, name);
    if (fd < 0)
        return -1;
    if (try_flock(fd, LOCK_EX) == 0 && renameat(sp->dir[DIR_TMP], name, sp->dir[DIR_IDS], id) == 0)
        return fd;
    return give_up(sp, name, fd);
}

#define BATCH ".batch"

int idlock_batch_begin(struct spool *sp, char marker[FILE_NAME_MAX + 1])
{
    char unlocked[FILE_NAME_MAX + 1];
    int tmp = sp->dir[DIR_TMP];
    snprintf(unlocked, sizeof unlocked, "%s.%lu", sp->token, sp->made++);
    snprintf(marker, FILE_NAME_MAX + 1, "%s.%lu" BATCH, sp->token, sp->made++);
    int fd = io_open(tmp, unlocked, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -1;
    /* Never visible under its name without the lock. */
    if (try_flock(fd, LOCK_EX) == 0 && renameat(tmp, unlocked, tmp, marker) == 0)
        return fd;
    idlock_batch_end(sp, unlocked, fd);
    return -1;
}

void idlock_batch_end(const struct spool *sp, const char *marker, int fd)
{
    unlinkat(sp->dir[DIR_TMP], marker, 0);
    close(fd);
}

struct batch_search {
    const struct spool *sp;
    const char *own;
};

static int batch_lives(const char *file, void *arg)
{
    const struct batch_search *s = arg;
    size_t n = strlen(file), suffix = sizeof BATCH - 1;
    if (n <= suffix || strcmp(file + n - suffix, BATCH) != 0 ||
        (s->own && strcmp(file, s->own) == 0))
        return 0;
    int fd = io_open_file(s->sp->dir[DIR_TMP], file, O_RDONLY | O_NONBLOCK, 0);
    struct stat st;
    if (fd < 0)
        return 0;
    /* Only the owner makes batches; tmp/ may be open to others. */
    bool lives = fstat(fd, &st) == 0 && st.st_uid == s->sp->owner && try_flock(fd, LOCK_SH) != 0;
    close(fd);
    return lives;
}

bool idlock_batch_lives(const struct spool *sp, const char *own)
{
    struct batch_search s = {sp, own};
    return scan_dir(sp, DIR_TMP, batch_lives, &s) != 0;
}
