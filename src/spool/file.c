/* file.c: making, moving and looking at files.
 *
 * The commit points of the whole queue are the renames in this file.  Before
 * each, the content is complete (and synced where its caller asked); after it,
 * the job is where its new name says.  A crash in between leaves one of the
 * two, and perhaps a file in tmp/ under a dead maker's token.
 */
#include "spool/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/io.h"
#include "base/sys.h"
#include "base/text.h"

#define TMP_TRIES 16

/* Made private; the umask has no say in what the group may read. */
int file_set_mode(int fd, mode_t mode)
{
    return mode == 0600 ? 0 : fchmod(fd, mode);
}

/* Where others can write, somebody may have taken the next names: then a name that
 * nobody can guess. */
static int open_tmp(struct spool *sp, char tmp[FILE_NAME_MAX + 1])
{
    const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
    int fd = -1;
    struct text t = text_in(tmp, FILE_NAME_MAX + 1);
    text_adds(&t, sp->token);
    text_addc(&t, '.');
    text_add_uint(&t, sp->made++);
    for (int i = 0; i < TMP_TRIES; i++) {
        unsigned random;
        fd = io_open(sp->dir[DIR_TMP], tmp, flags, 0600);
        if (fd >= 0 || errno != EEXIST)
            break;
        sys_random(&random, sizeof random);
        snprintf(tmp, FILE_NAME_MAX + 1, "%s.%lu.%08x", sp->token, sp->made++, random);
    }
    return fd;
}

int file_make_tmp(struct spool *sp, const void *bytes, size_t n, enum file_sure sure,
                  char tmp[FILE_NAME_MAX + 1])
{
    int fd = open_tmp(sp, tmp);
    if (fd < 0)
        return -1;
    int r = file_set_mode(fd, sp->document_mode);
    if (r == 0)
        r = io_write_all(fd, bytes, n);
    if (r == 0 && sure == FILE_SYNCED)
        r = io_sync(fd);
    if (r == 0 && sure == FILE_WRITTEN)
        r = sys_write_out(fd);
    int saved = errno;
    if (close(fd) != 0 && r == 0) {
        saved = errno;
        r = -1;
    }
    if (r != 0)
        file_drop_tmp(sp, tmp);
    errno = saved;
    return r;
}

int file_error(struct err *err, const char *doing, const char *id, const char *call, enum dir d,
               const char *name)
{
    return err_set(err, ERR_SYSTEM, "%s %s: %s %s/%s: %s", doing, id, call, dir_name(d), name,
                   strerror(errno));
}

void file_drop_tmp(const struct spool *sp, const char *tmp)
{
    unlinkat(sp->dir[DIR_TMP], tmp, 0);
}

int file_publish(const struct spool *sp, const char *tmp, enum dir d, const char *name)
{
    return sys_rename_noreplace(sp->dir[DIR_TMP], tmp, sp->dir[d], name);
}

int file_exchange(const struct spool *sp, const char *tmp, enum dir d, const char *name)
{
    int r = sys_rename_exchange(sp->dir[DIR_TMP], tmp, sp->dir[d], name);
    int saved = errno;
    file_drop_tmp(sp, tmp);
    errno = saved;
    return r;
}

int file_move(const struct spool *sp, enum dir d, const char *name, enum dir e, const char *new)
{
    return sys_rename_noreplace(sp->dir[d], name, sp->dir[e], new);
}

int file_replace(const struct spool *sp, enum dir d, const char *name, enum dir e, const char *new)
{
    return renameat(sp->dir[d], name, sp->dir[e], new);
}

int file_rename_root(const struct spool *sp, const char *name, const char *new)
{
    return renameat(sp->root, name, sp->root, new);
}

int file_remove(const struct spool *sp, enum dir d, const char *name)
{
    return unlinkat(sp->dir[d], name, 0);
}

int file_hold(const struct spool *sp, enum dir d, const char *name)
{
    return io_open_file(sp->dir[d], name, O_RDONLY | O_NONBLOCK, 0);
}

int file_sync(const struct spool *sp, enum dir d, const char *name)
{
    int fd = file_hold(sp, d, name);
    if (fd < 0)
        return -1;
    int r = io_sync(fd);
    close(fd);
    return r;
}

int file_sync_dir(const struct spool *sp, enum dir d)
{
    return io_sync(sp->dir[d]);
}

static enum file_look misfit(struct file_seen *seen, const char *mend)
{
    text_copy(seen->mend, sizeof seen->mend, mend);
    return FILE_MISFIT;
}

static enum file_look judge_kind(struct file_seen *seen)
{
    if (S_ISREG(seen->st.st_mode))
        return FILE_OK;
    snprintf(seen->why, sizeof seen->why, "it is %s, and a job is a regular file",
             io_odd_kind(seen->st.st_mode));
    return misfit(seen, "drop the job as a regular file; remove this one: queuectl delete "
                        "{report}");
}

static enum file_look not_trusted(const struct spool *sp, struct file_seen *seen)
{
    char user[TRUST_NAME_MAX + 1], users[200];
    trust_user_name(seen->st.st_uid, user);
    trust_with_user(sp->trust, seen->st.st_uid, users, sizeof users);
    snprintf(seen->why, sizeof seen->why,
             "it belongs to user %s, whose jobs this spool does not run", user);
    snprintf(seen->mend, sizeof seen->mend, "to trust this user: queuectl config set "
             "allow-users '%s'; then: queuectl dlq retry {report}", users);
    return FILE_MISFIT;
}

/* Can anybody but the owner come to what lies in pending/?  *only_trusted: those
 * who can are all trusted. */
static bool is_reachable(const struct spool *sp, bool *only_trusted)
{
    struct stat root, drop;
    *only_trusted = false;
    if (fstat(sp->root, &root) != 0 || fstat(sp->dir[DIR_PENDING], &drop) != 0)
        return true;
    mode_t others = root.st_mode & drop.st_mode;
    *only_trusted = !(others & S_IXOTH) && trust_is_group(sp->trust, root.st_gid) &&
                    trust_is_group(sp->trust, drop.st_gid);
    return others & (S_IXGRP | S_IXOTH);
}

/* Who can write to the file could change what is run, after its owner was found
 * good: while it waits, or between our look and the copy. */
static enum file_look judge_writers(const struct spool *sp, struct file_seen *seen)
{
    const struct stat *st = &seen->st;
    bool only_trusted, all = st->st_mode & S_IWOTH;
    if (!(st->st_mode & (S_IWGRP | S_IWOTH)) || !is_reachable(sp, &only_trusted))
        return FILE_OK;
    if (!all && (only_trusted || trust_is_group(sp->trust, st->st_gid)))
        return FILE_OK;
    snprintf(seen->why, sizeof seen->why, "%s can write to it (mode %03o)",
             all ? "everybody" : "its whole group", (unsigned)(st->st_mode & 0777));
    return misfit(seen, "chmod go-w {path}; then: queuectl dlq retry {report}");
}

static enum file_look judge_owner(const struct spool *sp, struct file_seen *seen)
{
    const struct stat *st = &seen->st;
    enum trust_answer trusted =
        st->st_uid == sp->owner ? TRUST_YES : trust_owner(sp->trust, st->st_uid);
    if (trusted == TRUST_UNKNOWN)
        return FILE_TROUBLE;
    return trusted == TRUST_NO ? not_trusted(sp, seen) : judge_writers(sp, seen);
}

/* What fstat(2) alone can tell. */
static enum file_look judge(const struct spool *sp, size_t max, bool foreign,
                            struct file_seen *seen)
{
    enum file_look look = judge_kind(seen);
    if (look == FILE_OK)
        look = judge_owner(sp, seen);
    if (look != FILE_OK)
        return look;
    if (foreign && seen->st.st_nlink > 1) {
        snprintf(seen->why, sizeof seen->why, "it has a second name (hard link)");
        snprintf(seen->mend, sizeof seen->mend,
                 "remove its other name; then: queuectl dlq retry {report}");
        return FILE_NOT_YET;
    }
    if (seen->st.st_size > (off_t)max) {
        snprintf(seen->why, sizeof seen->why, "it has %lld bytes; a job has at most %zu",
                 (long long)seen->st.st_size, max);
        return misfit(seen, "put the data into a file of its own that the job reads; remove this "
                            "one: queuectl delete {report}");
    }
    return FILE_OK;
}

static enum file_look read_seen(const struct spool *sp, int fd, size_t max, bool foreign,
                                struct buf *out, struct file_seen *seen)
{
    if (fstat(fd, &seen->st) != 0)
        return FILE_TROUBLE;
    enum file_look look = judge(sp, max, foreign, seen);
    if (look != FILE_OK)
        return look;
    if (foreign && sys_writers(fd) == SYS_WRITERS_SOME) {
        seen->being_written = true;
        snprintf(seen->why, sizeof seen->why, "somebody has it open for writing");
        return FILE_NOT_YET;
    }
    if (io_read_fd(fd, out, max) != 0) {
        snprintf(seen->why, sizeof seen->why, "it grew while it was read");
        return errno == EFBIG ? FILE_NOT_YET : FILE_TROUBLE;
    }
    return look;
}

/* The least that lets us read it, by who may do that. */
static void advise_reading(const struct spool *sp, struct file_seen *seen)
{
    char group[TRUST_NAME_MAX + 1];
    struct stat drop;
    const char *then = "then: queuectl dlq retry {report}";
    if (seen->st.st_uid == geteuid()) {
        snprintf(seen->mend, sizeof seen->mend, "chmod u+r {path}; %s", then);
    } else if (fstat(sp->dir[DIR_PENDING], &drop) != 0 || drop.st_gid == seen->st.st_gid) {
        snprintf(seen->mend, sizeof seen->mend, "as root: chmod g+r {path}; %s", then);
    } else {
        trust_group_name(drop.st_gid, group);
        snprintf(seen->mend, sizeof seen->mend,
                 "as root: chgrp %s {path} && chmod g+r {path}; %s", group, then);
    }
}

/* Its writer may still be about to open it to us: no verdict at once. */
static enum file_look unreadable(const struct spool *sp, struct file_seen *seen)
{
    char user[TRUST_NAME_MAX + 1];
    trust_user_name(seen->st.st_uid, user);
    snprintf(seen->why, sizeof seen->why, "it cannot be read: it belongs to user %s and has mode "
             "%03o", user, (unsigned)(seen->st.st_mode & 0777));
    advise_reading(sp, seen);
    return FILE_NOT_YET;
}

/* It was there a moment ago, and cannot be opened. */
static enum file_look look_unopened(const struct spool *sp, int why, struct file_seen *seen)
{
    errno = why;
    if (why == ENOENT)
        return FILE_GONE;
    if (why == EWOULDBLOCK) { /* fcntl(2): a lease */
        seen->being_written = true;
        snprintf(seen->why, sizeof seen->why, "somebody has a lease on it");
        return FILE_NOT_YET;
    }
    if (why == EACCES || why == EPERM)
        return unreadable(sp, seen);
    return FILE_TROUBLE; /* ELOOP, ENXIO: replaced since; the next look will see */
}

enum file_look file_inspect(const struct spool *sp, enum dir d, const char *name, size_t max,
                            bool foreign, struct buf *out, struct file_seen *seen)
{
    *seen = (struct file_seen){.being_written = false};
    if (fstatat(sp->dir[d], name, &seen->st, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? FILE_GONE : FILE_TROUBLE;
    if (judge_kind(seen) != FILE_OK)
        return FILE_MISFIT;
    int fd = io_open(sp->dir[d], name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0);
    if (fd < 0) {
        int why = errno;
        enum file_look look = judge(sp, max, foreign, seen);
        return look == FILE_MISFIT ? look : look_unopened(sp, why, seen);
    }
    enum file_look look = read_seen(sp, fd, max, foreign, out, seen);
    int saved = errno;
    close(fd);
    errno = saved;
    return look;
}
