/* spool.c: making and opening the directory.
 *
 * `.queue` is written last, by one rename: a folder without it is no spool, and
 * `init` finishes what an interrupted `init` left.  It holds the format, the
 * host, the boot, and the number of its own inode: a copy of the spool has the
 * same text at another inode and so knows that it is a copy.
 */
#include "spool/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/io.h"
#include "base/num.h"
#include "base/sys.h"

#define MARK ".queue"
#define RESERVE ".reserve"
#define SPOOL_MODE 0700

struct mark {
    int64_t format;
    char host[SYS_ID_LEN + 1];
    char boot[SYS_ID_LEN + 1];
    int64_t inode;
};

/* -- the mark ------------------------------------------------------------ */

static void mark_line(char *line, struct mark *m)
{
    char *value = strchr(line, ' ');
    if (!value)
        return;
    *value++ = '\0';
    if (strcmp(line, "format") == 0)
        num_parse(value, 1, INT64_MAX, &m->format);
    else if (strcmp(line, "inode") == 0)
        num_parse(value, 0, INT64_MAX, &m->inode);
    else if (strcmp(line, "host") == 0)
        snprintf(m->host, sizeof m->host, "%s", value);
    else if (strcmp(line, "boot") == 0)
        snprintf(m->boot, sizeof m->boot, "%s", value);
}

static int mark_read(int root, struct mark *m, ino_t *inode)
{
    struct buf text = BUF_INIT;
    struct stat st;
    *m = (struct mark){.format = -1, .inode = -1};
    if (fstatat(root, MARK, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
        io_read_file(root, MARK, &text, 4096) != 0) {
        buf_release(&text);
        return -1;
    }
    *inode = st.st_ino;
    for (char *at = text.data, *end; at && *at; at = end) {
        end = strchr(at, '\n');
        if (end)
            *end++ = '\0';
        mark_line(at, m);
    }
    buf_release(&text);
    return 0;
}

static int mark_fill(int fd)
{
    char host[SYS_ID_LEN + 1], boot[SYS_ID_LEN + 1], text[256];
    struct stat st;
    if (sys_host_id(host) != 0 || sys_boot_id(boot) != 0 || fstat(fd, &st) != 0)
        return -1;
    int n = snprintf(text, sizeof text, "format %d\nhost %s\nboot %s\ninode %ju\n", SPOOL_FORMAT,
                     host, boot, (uintmax_t)st.st_ino);
    return io_write_all(fd, text, (size_t)n) == 0 && io_sync(fd) == 0 ? 0 : -1;
}

/* Write the mark beside and rename it into place.  Without replace, a mark that
 * is there already (another init was faster) is success. */
static int mark_write(int root, bool replace)
{
    char token[TOKEN_MAX + 1], tmp[TOKEN_MAX + 16];
    token_make(token);
    snprintf(tmp, sizeof tmp, MARK ".%s", token);
    int fd = io_open(root, tmp, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (fd < 0)
        return -1;
    int r = mark_fill(fd);
    close(fd);
    if (r == 0 && replace)
        r = renameat(root, tmp, root, MARK);
    else if (r == 0 && (r = sys_rename_noreplace(root, tmp, root, MARK)) != 0 && errno == EEXIST) {
        unlinkat(root, tmp, 0);
        r = 0;
    }
    if (r != 0) {
        int saved = errno;
        unlinkat(root, tmp, 0);
        errno = saved;
        return -1;
    }
    return io_sync(root);
}

static int format_check(const struct mark *m, const char *path, struct err *err)
{
    if (m->format > SPOOL_FORMAT)
        return err_set(err, ERR_BAD,
                       "%s was made by a newer queuectl (format %" PRId64 ", this one knows %d); "
                       "use that one",
                       path, m->format, SPOOL_FORMAT);
    return 0;
}

static int mark_check(const struct mark *m, ino_t inode, const char *path, struct err *err)
{
    char host[SYS_ID_LEN + 1] = "", boot[SYS_ID_LEN + 1] = "";
    if (m->format < 1 || m->inode < 0)
        return err_set(err, ERR_BAD, "%s/" MARK " is damaged; if no worker runs on this spool: "
                       "queuectl init --adopt %s", path, path);
    if ((ino_t)m->inode != inode)
        return err_set(err, ERR_BAD, "%s is a copy of a spool; if the original is not in use: "
                       "queuectl init --adopt %s", path, path);
    if (sys_host_id(host) == 0 && sys_boot_id(boot) == 0 && strcmp(host, m->host) != 0 &&
        strcmp(boot, m->boot) != 0)
        return err_set(err, ERR_BAD, "%s belongs to another host; if it is not in use there: "
                       "queuectl init --adopt %s", path, path);
    return 0;
}

int spool_identify(struct spool *sp, struct err *err)
{
    return mark_write(sp->root, true) == 0 ? 0 : err_sys(err, "write " MARK " in", sp->path);
}

/* -- making -------------------------------------------------------------- */

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
        if (mkdir(partial, SPOOL_MODE) != 0 && errno != EEXIST)
            return -1;
    }
    return 0;
}

static bool is_part(const char *file)
{
    static const char *const parts[] = {MARK, RESERVE, "queuectl.ini", "README.md"};
    for (int d = 0; d < DIR_COUNT; d++)
        if (strcmp(file, dir_name((enum dir)d)) == 0)
            return true;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strcmp(file, parts[i]) == 0)
            return true;
    return strncmp(file, MARK ".", sizeof MARK) == 0 || strncmp(file, "worker.log", 10) == 0 ||
           strncmp(file, ".queuectl.ini.", 14) == 0;
}

static int check_only_parts(int root, const char *path, struct err *err)
{
    int fd = io_open_list(root);
    DIR *list = fd < 0 ? NULL : fdopendir(fd);
    if (!list) {
        if (fd >= 0)
            close(fd);
        return err_sys(err, "read", path);
    }
    struct dirent *e;
    int r = 0;
    while (r == 0 && (e = readdir(list)))
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 && !is_part(e->d_name))
            r = err_set(err, ERR_BAD, "%s is not empty and no spool (it holds %s); name a new "
                        "folder", path, e->d_name);
    closedir(list);
    return r;
}

static int make_folder(int root, const char *name, struct err *err)
{
    if (mkdirat(root, name, SPOOL_MODE) != 0 && errno != EEXIST)
        return err_sys(err, "make folder", name);
    int fd = io_open(root, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    if (fd < 0)
        return err_sys(err, "open folder", name);
    int r = fchmod(fd, SPOOL_MODE) == 0 && io_sync(fd) == 0 ? 0 : err_sys(err, "set up", name);
    close(fd);
    return r;
}

static void reserve_make(int root)
{
    int fd = io_open(root, RESERVE, O_WRONLY | O_CREAT | O_NOFOLLOW, 0600);
    if (fd < 0)
        return;
    if (posix_fallocate(fd, 0, SPOOL_RESERVE_BYTES) != 0)
        unlinkat(root, RESERVE, 0);
    close(fd);
}

static int check_file_system(int root, const char *path, struct err *err)
{
    char kind[32];
    if (sys_network_fs(root, kind))
        return err_set(err, ERR_BAD, "%s lies on a network file system (%s), where renames and "
                       "locks promise too little; choose a local one", path, kind);
    return 0;
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

static int init_in(int root, const char *path, struct err *err)
{
    struct stat st;
    if (check_file_system(root, path, err) != 0)
        return -1;
    if (fstatat(root, MARK, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return 0;
    if (check_only_parts(root, path, err) != 0)
        return -1;
    if (fchmod(root, SPOOL_MODE) != 0)
        return err_sys(err, "set the mode of", path);
    for (int d = 0; d < DIR_COUNT; d++)
        if (make_folder(root, dir_name((enum dir)d), err) != 0)
            return -1;
    reserve_make(root);
    if (mark_write(root, false) != 0)
        return err_sys(err, "write " MARK " in", path);
    sync_parent(root);
    return 0;
}

int spool_init(const char *path, struct err *err)
{
    if (make_parents(path) != 0)
        return err_sys(err, "make", path);
    int root = io_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
    if (root < 0)
        return err_sys(err, "open", path);
    int r = init_in(root, path, err);
    close(root);
    return r;
}

/* -- opening ------------------------------------------------------------- */

static int open_folder(const struct spool *sp, enum dir d, int *fd, struct err *err)
{
    struct stat st;
    char where[PATH_MAX];
    snprintf(where, sizeof where, "%s/%s", sp->path, dir_name(d));
    *fd = io_open(sp->root, dir_name(d), O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    if (*fd < 0 && errno == ENOENT)
        return err_set(err, ERR_BAD, "%s is missing; make it again: mkdir -m 700 %s", where,
                       where);
    if (*fd < 0)
        return err_sys(err, "open", where);
    if (fstat(*fd, &st) != 0)
        return err_sys(err, "look at", where);
    if (st.st_dev != sp->dev)
        return err_set(err, ERR_BAD, "%s lies on another file system than %s; a job moves by "
                       "rename(2), so all folders of a spool must share one", where, sp->path);
    return 0;
}

static int open_folders(struct spool *sp, struct err *err)
{
    struct stat st;
    if (fstat(sp->root, &st) != 0)
        return err_sys(err, "look at", sp->path);
    sp->dev = st.st_dev;
    for (int d = 0; d < DIR_COUNT; d++)
        if (open_folder(sp, (enum dir)d, &sp->dir[d], err) != 0)
            return -1;
    return 0;
}

static int check_mark(const struct spool *sp, bool foreign, struct err *err)
{
    struct mark m;
    ino_t inode;
    if (mark_read(sp->root, &m, &inode) != 0) {
        if (errno == ENOENT)
            return err_set(err, ERR_UNKNOWN, "%s is no spool (it has no " MARK "); make one: "
                           "queuectl init %s", sp->path, sp->path);
        return err_sys(err, "read " MARK " of", sp->path);
    }
    if (format_check(&m, sp->path, err) != 0)
        return -1;
    return foreign ? 0 : mark_check(&m, inode, sp->path, err);
}

static int open_root(struct spool *sp, const char *path, struct err *err)
{
    sp->path = realpath(path, NULL);
    if (!sp->path) {
        if (errno == ENOENT || errno == ENOTDIR)
            return err_set(err, ERR_UNKNOWN, "no spool at %s; make one: queuectl init %s", path,
                           path);
        return err_sys(err, "open", path);
    }
    sp->root = io_open(AT_FDCWD, sp->path, O_RDONLY | O_DIRECTORY, 0);
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
    if (open_root(sp, path, err) == 0 && check_mark(sp, foreign, err) == 0 &&
        check_file_system(sp->root, sp->path, err) == 0 && open_folders(sp, err) == 0)
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
    free(sp->path);
    free(sp);
}

/* -- trust --------------------------------------------------------------- */

static int check_folder_trust(int fd, const char *path, const char *name, struct err *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return err_sys(err, "look at", path);
    if (st.st_uid != geteuid())
        return err_set(err, ERR_BAD, "%s%s%s belongs to user %ju, and jobs of a spool run as its "
                       "owner; run this as that user", path, *name ? "/" : "", name,
                       (uintmax_t)st.st_uid);
    if (st.st_mode & (S_IWGRP | S_IWOTH))
        return err_set(err, ERR_BAD, "others can write to %s%s%s, and so run commands as you; "
                       "mend it: chmod go-w %s%s%s", path, *name ? "/" : "", name, path,
                       *name ? "/" : "", name);
    return 0;
}

int spool_check_trust(const struct spool *sp, struct err *err)
{
    if (check_folder_trust(sp->root, sp->path, "", err) != 0)
        return -1;
    for (int d = 0; d < DIR_COUNT; d++)
        if (check_folder_trust(sp->dir[d], sp->path, dir_name((enum dir)d), err) != 0)
            return -1;
    return 0;
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
    char *mark = join(path, "/" MARK);
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
        close(sp->dir[d]);
        sp->dir[d] = fd;
        replaced = 1;
    }
    return replaced;
}

static bool has_less_than(const struct spool *sp, uint64_t bytes)
{
    struct statvfs fs;
    if (fstatvfs(sp->root, &fs) != 0)
        return false;
    return (uint64_t)fs.f_bavail * fs.f_frsize < bytes || (fs.f_files > 0 && fs.f_favail < 16);
}

bool spool_is_full(const struct spool *sp)
{
    return has_less_than(sp, SPOOL_FLOOR_BYTES);
}

void spool_reserve_release(const struct spool *sp)
{
    unlinkat(sp->root, RESERVE, 0);
}

void spool_reserve_restore(const struct spool *sp)
{
    struct stat st;
    if (fstatat(sp->root, RESERVE, &st, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT &&
        !has_less_than(sp, SPOOL_FLOOR_BYTES + 2 * SPOOL_RESERVE_BYTES))
        reserve_make(sp->root);
}
