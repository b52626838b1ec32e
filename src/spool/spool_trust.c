/* spool_trust.c: may this user work on this spool, and who else can?
 *
 *   the owner   everything
 *   root        look at everything; change nothing, it would be root's then
 *   a member    look at pending/, done/, dead/ and logs/, drop files
 *   others      nothing
 *
 * Only pending/ and tmp/ may ever be open to others.  The trusted group may do
 * there as it likes: its members run commands as the workers' user anyway.
 * Anybody else who can write there must be kept off others' files by the sticky
 * bit, as in /tmp; what he drops is refused by its owner.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "spool/spool_open.h"

/* As sudo(8) wants a user: "alice", '#1000'. */
static void sudo_name(const char *name, char out[TRUST_NAME_MAX + 4])
{
    bool number = name[strspn(name, "0123456789")] == '\0';
    snprintf(out, TRUST_NAME_MAX + 4, number ? "'#%s'" : "%s", name);
}

int spool_not_ours(const char *path, uid_t owner, struct err *err)
{
    char name[TRUST_NAME_MAX + 1], sudo[TRUST_NAME_MAX + 4];
    trust_user_name(owner, name);
    sudo_name(name, sudo);
    return err_set(err, ERR_BAD, "%s belongs to user %s, and jobs of a spool run as its owner; run "
                   "this as that user: sudo -u %s queuectl ...", path, name, sudo);
}

/* A folder of it that is not even its owner's. */
static int odd_owner(const struct spool *sp, const char *path, uid_t uid, struct err *err)
{
    char name[TRUST_NAME_MAX + 1], owner[TRUST_NAME_MAX + 1];
    trust_user_name(uid, name);
    trust_user_name(sp->owner, owner);
    return err_set(err, ERR_BAD, "%s belongs to user %s, and the spool to %s; as root: chown %s %s",
                   path, name, owner, owner, path);
}

int spool_closed_to_us(const char *path, uid_t owner, struct err *err)
{
    char name[TRUST_NAME_MAX + 1], sudo[TRUST_NAME_MAX + 4];
    trust_user_name(owner, name);
    sudo_name(name, sudo);
    return err_set(err, ERR_BAD, "%s belongs to user %s and is closed to you; run this as that "
                   "user: sudo -u %s queuectl ...; who else may do what: queuectl-spool(7), WHO "
                   "MAY ENQUEUE", path, name, sudo);
}

bool spool_hides_jobs(const struct spool *sp)
{
    for (int d = 0; d < STATE_COUNT; d++)
        if (spool_is_closed(sp, (enum dir)d))
            return true;
    return false;
}

int spool_check_open(const struct spool *sp, struct err *err)
{
    for (int d = 0; d < DIR_COUNT; d++)
        if (spool_is_closed(sp, (enum dir)d))
            return spool_closed_to_us(sp->path, sp->owner, err);
    return 0;
}

static bool may_write(const struct spool *sp, enum dir d)
{
    return !spool_is_closed(sp, d) &&
           faccessat(sp->dir[d], ".", W_OK | X_OK, AT_EACCESS) == 0;
}

bool spool_is_member(const struct spool *sp)
{
    return geteuid() != sp->owner && geteuid() != 0 && may_write(sp, DIR_PENDING) &&
           may_write(sp, DIR_TMP);
}

int spool_refuse_member(const struct spool *sp, struct err *err)
{
    return spool_is_member(sp) ? spool_not_ours(sp->path, sp->owner, err) : 0;
}

static bool is_drop_folder(const struct spool *sp, int fd)
{
    return fd == sp->dir[DIR_PENDING] || fd == sp->dir[DIR_TMP];
}

/* Who besides the owner can write, those left out who may. */
static mode_t other_writers(const struct spool *sp, int fd, const struct stat *st)
{
    mode_t writers = st->st_mode & (S_IWGRP | S_IWOTH);
    if (is_drop_folder(sp, fd) && trust_is_group(sp->trust, st->st_gid))
        writers &= ~(mode_t)S_IWGRP;
    return writers;
}

static int open_to_others(const struct spool *sp, int fd, const struct stat *st, const char *path,
                          struct err *err)
{
    char group[TRUST_NAME_MAX + 1];
    bool by_group = is_drop_folder(sp, fd) && !(st->st_mode & S_IWOTH);
    trust_group_name(st->st_gid, group);
    return err_set(err, ERR_BAD, "others can write to %s, and so run commands as you; mend it: "
                   "chmod go-w %s%s%s", path, path,
                   by_group ? "; or trust its group: queuectl config set allow-group " : "",
                   by_group ? group : "");
}

static int check_folder(const struct spool *sp, int fd, const char *path, struct err *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return err_sys(err, "look at", path);
    if (st.st_uid != sp->owner)
        return odd_owner(sp, path, st.st_uid, err);
    if (fd == sp->root && st.st_uid != geteuid()) /* the others have the same owner */
        return spool_not_ours(path, st.st_uid, err);
    if (!other_writers(sp, fd, &st))
        return 0;
    if (!is_drop_folder(sp, fd) || !trust_is_shared(sp->trust))
        return open_to_others(sp, fd, &st, path, err);
    if (st.st_mode & S_ISVTX)
        return 0;
    return err_set(err, ERR_BAD, "users whom this spool does not trust can take files out of %s; "
                   "mend it: chmod +t %s", path, path);
}

int spool_check_root(const struct spool *sp, struct err *err)
{
    return check_folder(sp, sp->root, sp->path, err);
}

int spool_check_trust(const struct spool *sp, struct err *err)
{
    int r = spool_check_root(sp, err);
    for (int d = 0; d < DIR_COUNT && r == 0; d++) {
        struct buf path = BUF_INIT;
        if (check_folder(sp, sp->dir[d], "", NULL) == 0)
            continue;
        buf_addf(&path, "%s/%s", sp->path, dir_name((enum dir)d));
        r = check_folder(sp, sp->dir[d], buf_str(&path), err);
        buf_release(&path);
    }
    return r;
}

int spool_check_settings_file(const struct spool *sp, const struct stat *file, const char *name,
                              struct err *err)
{
    struct stat root;
    if (fstat(sp->root, &root) != 0)
        return err_sys(err, "look at", sp->path);
    bool reached = root.st_mode & (S_IXGRP | S_IXOTH);
    if (!reached || !(file->st_mode & (S_IWGRP | S_IWOTH)))
        return 0;
    return err_set(err, ERR_BAD, "others can write to %s/%s, and so say whom this spool trusts; "
                   "mend it: chmod go-w %s/%s", sp->path, name, sp->path, name);
}
