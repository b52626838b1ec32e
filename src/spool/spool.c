/* spool.c: opening and finding the directory (spool_make.c makes it). */
#include "spool/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/sys.h"
#include "spool/mark.h"
#include "spool/spool_open.h"

/* -- opening ------------------------------------------------------------- */

/* Without these there is nothing to see for one who is not the owner. */
static bool is_needed(enum dir d)
{
    return d == DIR_PENDING || d == DIR_DONE || d == DIR_DEAD;
}

/* *fd is -1 where it is closed to us, which is no error. */
static int open_folder(const struct spool *sp, enum dir d, int *fd, struct err *err)
{
    struct stat st;
    char where[PATH_MAX];
    snprintf(where, sizeof where, "%s/%s", sp->path, dir_name(d));
    *fd = io_open(sp->root, dir_name(d), O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    if (*fd < 0 && errno == EACCES && sp->owner != geteuid())
        return is_needed(d) ? spool_closed_to_us(sp->path, sp->owner, err) : 0;
    if (*fd < 0 && errno == ENOENT)
        return err_set(err, ERR_BAD, "%s is missing; make it again: queuectl init %s", where,
                       sp->path);
    if (*fd < 0)
        return err_sys(err, "open", where);
    if (fstat(*fd, &st) != 0)
        return err_sys(err, "look at", where);
    if (st.st_dev != sp->dev)
        return err_set(err, ERR_BAD, "%s lies on another file system than %s; a job moves by "
                       "rename(2), so all folders of a spool must share one", where, sp->path);
    return 0;
}

/* What is made in a folder its group may read can be read by it. */
static mode_t mode_in(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && (st.st_mode & S_IRGRP) ? 0640 : 0600;
}

static void look_at_modes(struct spool *sp)
{
    /* What a member writes must be readable for the owner, who is of the group too. */
    sp->document_mode = sp->owner == geteuid() ? mode_in(sp->dir[DIR_DONE]) : 0640;
    sp->log_mode = mode_in(sp->dir[DIR_LOGS]);
}

static int open_folders(struct spool *sp, struct err *err)
{
    for (int d = 0; d < DIR_COUNT; d++)
        if (open_folder(sp, (enum dir)d, &sp->dir[d], err) != 0)
            return -1;
    look_at_modes(sp);
    return 0;
}

static int open_root(struct spool *sp, const char *path, struct err *err)
{
    struct stat st;
    sp->path = realpath(path, NULL);
    if (!sp->path) {
        if (errno == ENOENT || errno == ENOTDIR)
            return err_set(err, ERR_UNKNOWN, "no spool at %s; make one: queuectl init %s", path,
                           path);
        return err_sys(err, "open", path);
    }
    if (stat(sp->path, &st) != 0)
        return err_sys(err, "look at", sp->path);
    sp->dev = st.st_dev;
    sp->owner = st.st_uid;
    sp->root = io_open(AT_FDCWD, sp->path, O_RDONLY | O_DIRECTORY, 0);
    if (sp->root < 0 && errno == EACCES)
        return spool_closed_to_us(sp->path, sp->owner, err);
    return sp->root >= 0 ? 0 : err_sys(err, "open", sp->path);
}

static struct spool *open_any(const char *path, bool foreign, struct err *err)
{
    struct spool *sp = calloc(1, sizeof *sp);
    if (!sp) {
        err_sys(err, "open", path);
        return NULL;
    }
    sp->root = -1;
    for (int d = 0; d < DIR_COUNT; d++)
        sp->dir[d] = -1;
    token_make(sp->token);
    sp->trust = trust_new();
    if (!sp->trust)
        err_sys(err, "open", path);
    else if (open_root(sp, path, err) == 0 && mark_check(sp->root, foreign, sp->path, err) == 0 &&
        spool_check_file_system(sp->root, sp->path, err) == 0 && open_folders(sp, err) == 0)
        return sp;
    spool_close(sp);
    return NULL;
}

struct spool *spool_open(const char *path, struct err *err)
{
    return open_any(path, false, err);
}

struct spool *spool_open_foreign(const char *path, struct err *err)
{
    return open_any(path, true, err);
}

void spool_close(struct spool *sp)
{
    if (!sp)
        return;
    for (int d = 0; d < DIR_COUNT; d++)
        if (sp->dir[d] >= 0)
            close(sp->dir[d]);
    if (sp->root >= 0)
        close(sp->root);
    trust_free(sp->trust);
    free(sp->path);
    free(sp);
}

/* -- which one ----------------------------------------------------------- */

static char *join(const char *a, const char *b)
{
    struct buf path = BUF_INIT;
    buf_adds(&path, a);
    buf_adds(&path, b);
    return buf_detach(&path);
}

static bool is_spool(const char *path)
{
    struct stat st;
    char *mark = join(path, "/" MARK_FILE);
    bool is = mark && stat(mark, &st) == 0;
    free(mark);
    return is;
}

static char *default_spool(struct err *err)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    char *path;
    if (geteuid() == 0)
        path = strdup("/var/spool/queuectl");
    else if (state && state[0] == '/')
        path = join(state, "/queuectl/spool");
    else if (home && home[0] == '/')
        path = join(home, "/.local/state/queuectl/spool");
    else {
        err_set(err, ERR_UNKNOWN, "no spool named, and no home folder to look in; "
                "use --spool DIR or set QUEUECTL_SPOOL");
        return NULL;
    }
    if (!path)
        err_sys(err, "name", "the default spool");
    return path;
}

char *spool_locate(const char *wanted, bool *is_default, struct err *err)
{
    const char *named = wanted ? wanted : getenv("QUEUECTL_SPOOL");
    *is_default = false;
    if (wanted && !*wanted) {
        err_set(err, ERR_USAGE, "--spool needs the name of a folder");
        return NULL;
    }
    if (!named || !*named)
        named = is_spool("spool") ? "spool" : NULL;
    if (!named) {
        *is_default = true;
        return default_spool(err);
    }
    char *path = strdup(named);
    if (!path)
        err_sys(err, "name", "the spool");
    return path;
}

/* -- while it is open ---------------------------------------------------- */

static bool same_inode(int dir, const char *name, int fd)
{
    struct stat a, b;
    return fstatat(dir, name, &a, AT_SYMLINK_NOFOLLOW) == 0 && fstat(fd, &b) == 0 &&
           a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

int spool_refresh(struct spool *sp, struct err *err)
{
    struct stat st;
    int replaced = 0;
    if (fstat(sp->root, &st) != 0 || st.st_nlink == 0)
        return err_set(err, ERR_UNKNOWN, "%s is gone", sp->path);
    for (int d = 0; d < DIR_COUNT; d++) {
        int fd;
        if (same_inode(sp->root, dir_name((enum dir)d), sp->dir[d]))
            continue;
        if (open_folder(sp, (enum dir)d, &fd, err) != 0) {
            if (fd >= 0)
                close(fd);
            return -1;
        }
        replaced |= fd >= 0 || sp->dir[d] >= 0; /* else it is closed to us as before */
        if (sp->dir[d] >= 0)
            close(sp->dir[d]);
        sp->dir[d] = fd;
    }
    look_at_modes(sp);
    return replaced;
}

bool spool_holds_states(const struct spool *sp)
{
    for (int d = 0; d < STATE_COUNT; d++)
        if (!same_inode(sp->root, dir_name((enum dir)d), sp->dir[d]))
            return false;
    return true;
}

static enum spool_room room_for(const struct spool *sp, uint64_t bytes)
{
    struct statvfs fs;
    if (fstatvfs(sp->root, &fs) != 0)
        return SPOOL_ROOM;
    if (fs.f_flag & ST_RDONLY)
        return SPOOL_READ_ONLY;
    bool full = (uint64_t)fs.f_bavail * fs.f_frsize < bytes ||
                (fs.f_files > 0 && fs.f_favail < SPOOL_FLOOR_INODES);
    return full ? SPOOL_FULL : SPOOL_ROOM;
}

enum spool_room spool_room(const struct spool *sp)
{
    return room_for(sp, SPOOL_FLOOR_BYTES);
}

bool spool_refused(int errnum)
{
    return errnum == ENOSPC || errnum == EDQUOT || errnum == EROFS;
}

/* False: there is no room for it.  Any other trouble says nothing about room. */
static bool make_reserve(int root, off_t beside)
{
    int fd = io_open(root, SPOOL_RESERVE_FILE, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    if (fd < 0)
        return !spool_refused(errno);
    int r = posix_fallocate(fd, 0, SPOOL_RESERVE_BYTES + beside);
    if (r == 0 && beside > 0 && ftruncate(fd, SPOOL_RESERVE_BYTES) != 0)
        r = errno;
    if (r != 0)
        unlinkat(root, SPOOL_RESERVE_FILE, 0);
    close(fd);
    return !spool_refused(r);
}

void spool_make_reserve(int root)
{
    make_reserve(root, 0);
}

int spool_check_file_system(int root, const char *path, struct err *err)
{
    char kind[32];
    if (sys_network_fs(root, kind))
        return err_set(err, ERR_BAD, "%s lies on a network file system (%s), where renames and "
                       "locks promise too little; choose a local one", path, kind);
    return 0;
}

bool spool_reserve_release(const struct spool *sp)
{
    return unlinkat(sp->root, SPOOL_RESERVE_FILE, 0) == 0;
}

void spool_reserve_restore(const struct spool *sp)
{
    struct stat st;
    if (fstatat(sp->root, SPOOL_RESERVE_FILE, &st, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT &&
        room_for(sp, SPOOL_FLOOR_BYTES + 2 * SPOOL_RESERVE_BYTES) == SPOOL_ROOM)
        make_reserve(sp->root, 0);
}

/* A disk that goes bad lets itself be asked, and refuses what is done. */
static bool can_make_file(const struct spool *sp)
{
    char probe[TOKEN_MAX + 8];
    snprintf(probe, sizeof probe, "%s.probe", sp->token);
    int fd = io_open(sp->dir[DIR_TMP], probe, O_WRONLY | O_CREAT | O_NOFOLLOW, 0600);
    if (fd < 0)
        return false;
    close(fd);
    return unlinkat(sp->dir[DIR_TMP], probe, 0) == 0;
}

bool spool_can_move(const struct spool *sp)
{
    if (!can_make_file(sp))
        return false;
    for (int d = DIR_PENDING; d <= DIR_PROCESSING; d++)
        if (faccessat(sp->dir[d], ".", W_OK | X_OK, 0) != 0)
            return false;
    return true;
}

bool spool_reserve_regain(const struct spool *sp)
{
    return make_reserve(sp->root, SPOOL_FLOOR_BYTES);
}
