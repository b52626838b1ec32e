/* mark.c: `.queue` is written last, by one rename: a folder without it is no
 * spool, and `init` finishes what an interrupted `init` left.
 *
 * It holds the format, the host and the boot, and three things that no copy has in
 * common with the original, each for a way to copy: the number of its own inode (cp -a,
 * and a restored backup that writes the file anew), that of the spool's folder (hard
 * links, cp -al: the file is the same, a folder cannot be), and when that folder was
 * made (numbers of inodes are given again: rm -r and a restored backup may meet the same
 * ones).  A spool of an older version, or on a file system that does not tell, is not
 * asked for what it has not written down.
 */
#include "spool/mark.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/num.h"
#include "base/sys.h"
#include "base/text.h"
#include "spool/spool.h"

#define MARK_MAX 4096 /* bytes; ours has 150 */

/* What it says: lines of a word and a value. */
struct mark {
    int64_t format;
    char host[SYS_ID_LEN + 1];
    char boot[SYS_ID_LEN + 1];
    int64_t inode;
    int64_t folder; /* -1: not written down */
    int64_t born_us;
};

/* One that is too long is another's: cut, it might read like ours. */
static void read_id(const char *value, char id[SYS_ID_LEN + 1])
{
    text_copy(id, SYS_ID_LEN + 1, strlen(value) <= SYS_ID_LEN ? value : "");
}

static void read_line(char *line, struct mark *m)
{
    char *value = strchr(line, ' ');
    if (!value)
        return;
    *value++ = '\0';
    if (strcmp(line, "format") == 0)
        num_parse(value, 1, INT64_MAX, &m->format);
    else if (strcmp(line, "inode") == 0)
        num_parse(value, 0, INT64_MAX, &m->inode);
    else if (strcmp(line, "folder") == 0)
        num_parse(value, 0, INT64_MAX, &m->folder);
    else if (strcmp(line, "born") == 0)
        num_parse(value, 0, INT64_MAX, &m->born_us);
    else if (strcmp(line, "host") == 0)
        read_id(value, m->host);
    else if (strcmp(line, "boot") == 0)
        read_id(value, m->boot);
}

static int read_mark(int root, struct mark *m, ino_t *inode)
{
    struct buf text = BUF_INIT;
    struct stat st;
    *m = (struct mark){.format = -1, .inode = -1, .folder = -1, .born_us = -1};
    if (fstatat(root, MARK_FILE, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return -1;
    if (io_read_file(root, MARK_FILE, &text, MARK_MAX) != 0) {
        int saved = errno;
        buf_release(&text);
        errno = saved;
        return -1;
    }
    *inode = st.st_ino;
    for (char *at = text.data, *end; at && *at; at = end) {
        end = strchr(at, '\n');
        if (end)
            *end++ = '\0';
        read_line(at, m);
    }
    buf_release(&text);
    return 0;
}

static int fill(int root, int fd)
{
    char host[SYS_ID_LEN + 1], boot[SYS_ID_LEN + 1], text[320];
    struct stat st, folder;
    if (sys_host_id(host) != 0 || sys_boot_id(boot) != 0 || fstat(fd, &st) != 0 ||
        fstat(root, &folder) != 0)
        return -1;
    int n = snprintf(text, sizeof text, "format %d\nhost %s\nboot %s\ninode %ju\nfolder %ju\n",
                     SPOOL_FORMAT, host, boot, (uintmax_t)st.st_ino, (uintmax_t)folder.st_ino);
    int64_t born_us = sys_born_us(root);
    if (born_us >= 0)
        n += snprintf(text + n, sizeof text - (size_t)n, "born %" PRId64 "\n", born_us);
    return io_write_all(fd, text, (size_t)n) == 0 && io_sync(fd) == 0 ? 0 : -1;
}

/* EEXIST is success: another init was faster. */
static int put_in_place(int root, const char *tmp, bool replace)
{
    if (replace)
        return renameat(root, tmp, root, MARK_FILE);
    if (sys_rename_noreplace(root, tmp, root, MARK_FILE) == 0)
        return 0;
    return errno == EEXIST ? unlinkat(root, tmp, 0) : -1;
}

/* Beside, then renamed into place. */
int mark_write(int root, bool replace)
{
    char token[TOKEN_MAX + 1], tmp[TOKEN_MAX + 16];
    token_make(token);
    snprintf(tmp, sizeof tmp, MARK_FILE ".%s", token);
    int fd = io_open(root, tmp, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (fd < 0)
        return -1;
    int r = fill(root, fd);
    close(fd);
    if (r == 0)
        r = put_in_place(root, tmp, replace);
    if (r != 0) {
        int saved = errno;
        unlinkat(root, tmp, 0);
        errno = saved;
        return -1;
    }
    return io_sync(root);
}

static int check_format(const struct mark *m, const char *path, struct err *err)
{
    if (m->format > SPOOL_FORMAT)
        return err_set(err, ERR_BAD,
                       "%s was made by a newer queuectl (format %" PRId64 ", this one knows %d); "
                       "use that one",
                       path, m->format, SPOOL_FORMAT);
    return 0;
}

static bool is_copy(const struct mark *m, int root, const struct stat *folder, ino_t inode)
{
    int64_t born_us = sys_born_us(root);
    if ((ino_t)m->inode != inode)
        return true;
    return (m->folder >= 0 && (ino_t)m->folder != folder->st_ino) ||
           (m->born_us >= 0 && born_us >= 0 && m->born_us != born_us);
}

/* A machine that was given another name since is still this boot's, and is not asked
 * for its name.  Not to know who we are is no permission. */
static int check_host(const struct mark *m, const char *path, struct err *err)
{
    char host[SYS_ID_LEN + 1], boot[SYS_ID_LEN + 1];
    if (sys_boot_id(boot) == 0 && strcmp(boot, m->boot) == 0)
        return 0;
    if (sys_host_id(host) != 0 || sys_boot_id(boot) != 0)
        return err_sys(err, "cannot tell which host this is, to open", path);
    if (strcmp(host, m->host) == 0)
        return 0;
    return err_set(err, ERR_BAD, "%s belongs to another host; if it is not in use there: "
                   "queuectl init --adopt %s", path, path);
}

static int check_origin(const struct mark *m, int root, ino_t inode, const char *path,
                        struct err *err)
{
    struct stat folder;
    if (m->format < 1 || m->inode < 0)
        return err_set(err, ERR_BAD, "%s/" MARK_FILE " is damaged; if no worker runs on this spool: "
                       "queuectl init --adopt %s", path, path);
    if (fstat(root, &folder) != 0)
        return err_sys(err, "look at", path);
    if (is_copy(m, root, &folder, inode))
        return err_set(err, ERR_BAD, "%s is a copy of a spool; if the original is not in use: "
                       "queuectl init --adopt %s", path, path);
    return check_host(m, path, err);
}

bool mark_is_there(int root)
{
    struct stat st;
    return fstatat(root, MARK_FILE, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

int mark_share(int root)
{
    struct stat st;
    if (fstat(root, &st) != 0)
        return -1;
    int fd = io_open_file(root, MARK_FILE, O_RDONLY | O_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    bool shared = st.st_mode & S_IXGRP;
    int r = shared ? fchown(fd, (uid_t)-1, st.st_gid) : 0;
    if (r == 0)
        r = fchmod(fd, shared ? 0640 : 0600);
    close(fd);
    return r;
}

int mark_check(int root, bool adopt, const char *path, struct err *err)
{
    struct mark m;
    ino_t inode;
    if (read_mark(root, &m, &inode) != 0) {
        if (errno == ENOENT)
            return err_set(err, ERR_UNKNOWN, "%s is no spool (it has no " MARK_FILE "); make one: "
                           "queuectl init %s", path, path);
        return err_sys(err, "read " MARK_FILE " of", path);
    }
    if (check_format(&m, path, err) != 0)
        return -1;
    return adopt ? 0 : check_origin(&m, root, inode, path, err);
}
