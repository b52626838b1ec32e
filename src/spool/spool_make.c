/* spool_make.c: making the directory, and opening it to a group.
 *
 * Private first, shared when all of it is there: each folder is made 0700, given
 * to the group, and only then opened to it (chown clears the setgid bit, so the
 * mode comes last).  setgid: what is made in a folder belongs to the group,
 * whatever group its maker is in.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/sys.h"
#include "spool/mark.h"
#include "spool/scan.h"
#include "spool/spool_open.h"

#define PRIVATE 0700
#define ROOT_SHARED 0750

/* Whom the folders are made for. */
struct sharing {
    bool with_group;
    gid_t gid;
    const char *name;
};

static mode_t folder_mode(enum dir d, const struct sharing *sh)
{
    if (!sh->with_group)
        return PRIVATE;
    switch (d) {
    case DIR_PENDING:
    case DIR_TMP:
        return 02770;
    case DIR_DONE:
    case DIR_DEAD:
    case DIR_LOGS:
        return 02750;
    default:
        return PRIVATE;
    }
}

/* mkdir -p, private: what is missing of the path belongs to this user only. */
static int make_parents(const char *path)
{
    char partial[PATH_MAX];
    size_t n = strlen(path);
    if (n >= sizeof partial) {
        errno = ENAMETOOLONG;
        return -1;
    }
    for (size_t i = 1; i <= n; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(partial, path, i);
        partial[i] = '\0';
        if (mkdir(partial, PRIVATE) != 0 && errno != EEXIST)
            return -1;
    }
    return 0;
}

/* May this lie in a folder that becomes a spool? */
static bool is_part(const char *file)
{
    static const char *const parts[] = {MARK_FILE, SPOOL_RESERVE_FILE, "queuectl.ini", "README.md"};
    static const char *const beginnings[] = {MARK_FILE ".", "worker.log", ".queuectl.ini."};
    for (int d = 0; d < DIR_COUNT; d++)
        if (strcmp(file, dir_name((enum dir)d)) == 0)
            return true;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strcmp(file, parts[i]) == 0)
            return true;
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++)
        if (strncmp(file, beginnings[i], strlen(beginnings[i])) == 0)
            return true;
    return false;
}

struct folder {
    const char *path;
    struct err *err;
};

static int refuse_stranger(const char *file, void *arg)
{
    const struct folder *f = arg;
    if (is_part(file))
        return 0;
    err_set(f->err, ERR_BAD, "%s is not empty and no spool (it holds %s); name a new folder",
            f->path, file);
    return 1;
}

static int check_only_parts(int root, const char *path, struct err *err)
{
    struct folder f = {path, err};
    int r = scan_folder(root, refuse_stranger, &f);
    if (r < 0)
        err_sys(err, "read", path);
    return r == 0 ? 0 : -1;
}

static int no_member(const struct sharing *sh, struct err *err)
{
    char user[TRUST_NAME_MAX + 1];
    trust_user_name(geteuid(), user);
    return err_set(err, ERR_BAD, "%s is not in group %s, so it cannot share a spool with it; as "
                   "root: usermod -aG %s %s (and log in again)", user, sh->name, sh->name, user);
}

static int set_mode(int fd, mode_t mode, const struct sharing *sh, const char *name,
                    struct err *err)
{
    if (sh->with_group && (mode & S_IXGRP) && fchown(fd, (uid_t)-1, sh->gid) != 0)
        return errno == EPERM ? no_member(sh, err) : err_sys(err, "give to the group", name);
    return fchmod(fd, mode) == 0 && io_sync(fd) == 0 ? 0 : err_sys(err, "set up", name);
}

static int make_folder(int root, enum dir d, const struct sharing *sh, struct err *err)
{
    const char *name = dir_name(d);
    if (mkdirat(root, name, PRIVATE) != 0 && errno != EEXIST)
        return err_sys(err, "make folder", name);
    int fd = io_open(root, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    if (fd < 0)
        return err_sys(err, "open folder", name);
    int r = set_mode(fd, folder_mode(d, sh), sh, name, err);
    close(fd);
    return r;
}

static int make_folders(int root, const struct sharing *sh, const char *path, struct err *err)
{
    for (int d = 0; d < DIR_COUNT; d++)
        if (make_folder(root, (enum dir)d, sh, err) != 0)
            return -1;
    return set_mode(root, sh->with_group ? ROOT_SHARED : PRIVATE, sh, path, err);
}

/* The folder's own name must survive too. */
static void sync_parent(int root)
{
    int parent = io_open(root, "..", O_RDONLY | O_DIRECTORY, 0);
    if (parent >= 0) {
        io_sync(parent);
        close(parent);
    }
}

static int make_all(int root, const struct sharing *sh, const char *path, struct err *err)
{
    if (check_only_parts(root, path, err) != 0 || make_folders(root, sh, path, err) != 0)
        return -1;
    spool_make_reserve(root);
    if (mark_write(root, false) != 0 || mark_share(root) != 0)
        return err_sys(err, "write " MARK_FILE " in", path);
    sync_parent(root);
    return 0;
}

/* A spool that is there, for a group from now on. */
static int share(int root, const struct sharing *sh, const char *path, struct err *err)
{
    if (make_folders(root, sh, path, err) != 0)
        return -1;
    return mark_share(root) == 0 ? 0 : err_sys(err, "share " MARK_FILE " of", path);
}

/* Folders that somebody removed, as they were made: the root still tells for whom.
 * Only by exactly our mode: one that git or tar made 0755 has not been shared. */
static int make_missing(int root, const char *path, struct err *err)
{
    struct stat st, folder;
    char group[TRUST_NAME_MAX + 1];
    if (fstat(root, &st) != 0)
        return err_sys(err, "look at", path);
    trust_group_name(st.st_gid, group);
    struct sharing sh = {.with_group = (st.st_mode & 0777) == ROOT_SHARED, .gid = st.st_gid, .name = group};
    for (int d = 0; d < DIR_COUNT; d++)
        if (fstatat(root, dir_name((enum dir)d), &folder, AT_SYMLINK_NOFOLLOW) != 0 &&
            errno == ENOENT && make_folder(root, (enum dir)d, &sh, err) != 0)
            return -1;
    return 0;
}

static int init_in(int root, const struct sharing *sh, const char *path, struct err *err)
{
    struct stat st;
    if (spool_check_file_system(root, path, err) != 0)
        return -1;
    if (fstat(root, &st) != 0)
        return err_sys(err, "look at", path);
    if (st.st_uid != geteuid())
        return mark_is_there(root) && !sh->with_group ? 0 : spool_not_ours(path, st.st_uid, err);
    if (!mark_is_there(root))
        return make_all(root, sh, path, err);
    return sh->with_group ? share(root, sh, path, err) : make_missing(root, path, err);
}

int spool_init(const char *path, const char *group, struct err *err)
{
    struct sharing sh = {.with_group = group != NULL, .name = group};
    if (group && trust_find_group(group, &sh.gid, err) != 0)
        return -1;
    if (make_parents(path) != 0)
        return err_sys(err, "make", path);
    int root = io_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
    if (root < 0)
        return err_sys(err, "open", path);
    int r = init_in(root, &sh, path, err);
    close(root);
    return r;
}

int spool_identify(struct spool *sp, struct err *err)
{
    return mark_write(sp->root, true) == 0 && mark_share(sp->root) == 0
               ? 0
               : err_sys(err, "write " MARK_FILE " in", sp->path);
}
