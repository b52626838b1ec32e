/* rmtree.c: a folder is emptied from its top: each folder found in it hands what
 * it holds to the top, by rename, and is empty then.  So nothing is deeper than
 * two levels, no way down must be remembered, and no ".." be trusted.
 *
 * A folder is renamed before it is opened.  A mount point cannot be (EBUSY), and
 * its st_dev would not tell: it may be another place of the same file system.
 */
#include "spool/rmtree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/sys.h"

#define OPEN_FOLDER (O_RDONLY | O_DIRECTORY | O_NOFOLLOW)

struct removal;
typedef int act_on(struct removal *r, int folder, const char *entry);

struct removal {
    struct spool *sp;
    enum dir d;
    const char *name;
    int top;    /* d/name, open */
    dev_t dev;  /* of the spool */
    bool found; /* the top was not empty yet */
    struct err *err;
};

static int fail(const struct removal *r, const char *entry)
{
    const char *where = dir_name(r->d);
    if (entry == r->name)
        entry = "";
    return err_set(r->err, ERR_SYSTEM, "remove %s/%s%s%s: %s; by hand: rm -r %s/%s/%s", where,
                   r->name, *entry ? "/" : "", entry,
                   errno == EBUSY ? "a file system is mounted there" : strerror(errno),
                   r->sp->path, where, r->name);
}

/* act() on each entry of a folder; the first -1 ends it. */
static int each_entry(struct removal *r, int folder, act_on *act)
{
    int fd = io_open_list(folder), rc = 0;
    DIR *list = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *e;
    if (!list) {
        if (fd >= 0)
            close(fd);
        return fail(r, "");
    }
    while (rc == 0 && (errno = 0, e = readdir(list)) != NULL)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            rc = act(r, folder, e->d_name);
    if (rc == 0 && errno != 0)
        rc = fail(r, "");
    closedir(list);
    return rc;
}

/* An entry becomes one of the top, under a name that nobody has. */
static int lift(struct removal *r, int folder, const char *entry, char as[FILE_NAME_MAX + 1])
{
    int rc;
    do {
        snprintf(as, FILE_NAME_MAX + 1, "%s.%lu", r->sp->token, r->sp->made++);
        rc = sys_rename_noreplace(folder, entry, r->top, as);
    } while (rc != 0 && errno == EEXIST);
    return rc == 0 || errno == ENOENT ? 0 : fail(r, entry);
}

/* 1: it is gone; 0: a folder that is not empty. */
static int remove_plain(struct removal *r, int folder, const char *entry)
{
    struct stat st;
    if (fstatat(folder, entry, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? 1 : fail(r, entry);
    if (unlinkat(folder, entry, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0) == 0 || errno == ENOENT)
        return 1;
    return S_ISDIR(st.st_mode) && (errno == ENOTEMPTY || errno == EEXIST) ? 0 : fail(r, entry);
}

static int remove_or_lift(struct removal *r, int folder, const char *entry)
{
    char as[FILE_NAME_MAX + 1];
    int gone = remove_plain(r, folder, entry);
    return gone < 0 || (gone == 0 && lift(r, folder, entry, as) != 0) ? -1 : 0;
}

static int open_folder(const struct removal *r, int folder, const char *entry)
{
    struct stat st;
    int fd = io_open(folder, entry, OPEN_FOLDER, 0);
    if (fd >= 0 && fstat(fd, &st) == 0 && st.st_dev == r->dev)
        return fd;
    if (fd >= 0) {
        close(fd);
        errno = EBUSY;
    }
    return -1;
}

static int remove_from_top(struct removal *r, int top, const char *entry)
{
    char as[FILE_NAME_MAX + 1];
    r->found = true;
    int gone = remove_plain(r, top, entry);
    if (gone != 0)
        return gone < 0 ? -1 : 0;
    if (lift(r, top, entry, as) != 0)
        return -1;
    int fd = open_folder(r, top, as);
    if (fd < 0)
        return errno == ENOENT ? 0 : fail(r, as);
    int rc = each_entry(r, fd, remove_or_lift);
    close(fd);
    return rc;
}

/* What a folder hands up may be seen or not by the reading that goes on. */
static int empty_top(struct removal *r)
{
    int rc;
    do {
        r->found = false;
        rc = each_entry(r, r->top, remove_from_top);
    } while (rc == 0 && r->found);
    return rc;
}

int rmtree(struct spool *sp, enum dir d, const char *name, struct err *err)
{
    struct removal r = {.sp = sp, .d = d, .name = name, .err = err};
    struct stat st;
    int gone = remove_plain(&r, sp->dir[d], name);
    if (gone != 0)
        return gone < 0 ? -1 : 0;
    if (fstat(sp->dir[d], &st) != 0)
        return fail(&r, "");
    r.dev = st.st_dev;
    r.top = open_folder(&r, sp->dir[d], name);
    if (r.top < 0)
        return fail(&r, "");
    int rc = empty_top(&r);
    close(r.top);
    if (rc == 0 && unlinkat(sp->dir[d], name, AT_REMOVEDIR) != 0 && errno != ENOENT)
        rc = fail(&r, "");
    return rc;
}
