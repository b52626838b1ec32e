/* spool.h: the directory that is the queue: made, opened, checked.
 *
 * All work goes through the descriptors held here (openat, renameat), so a
 * spool may be moved as a whole while it is open.  JSON is unknown here.
 */
#ifndef SPOOL_SPOOL_H
#define SPOOL_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/err.h"
#include "spool/name.h"
#include "spool/trust.h"

#define SPOOL_FORMAT 1
#define SPOOL_RESERVE_BYTES (1024 * 1024)
/* Below this much free space nothing is claimed and nothing enqueued. */
#define SPOOL_FLOOR_BYTES (2 * 1024 * 1024)
#define SPOOL_FLOOR_INODES 16

struct spool {
    char *path; /* absolute, symlinks resolved */
    int root;
    int dir[DIR_COUNT]; /* -1: closed to us, see spool_is_closed */
    dev_t dev;
    uid_t owner;           /* of the root */
    mode_t document_mode;  /* of new documents: 0640 where the group may read done/, else 0600 */
    mode_t log_mode;       /* the same for logs/ */
    struct trust *trust;   /* whose files are run; set by queue.h from the settings */
    char token[TOKEN_MAX + 1]; /* of this process: marks what it makes in tmp/ */
    unsigned long made;        /* files made in tmp/ so far */
};

/* Make a spool, or finish one half made; one that is there already is left as
 * it is.  A folder that holds anything but parts of a spool is refused.
 * group (NULL: none): its members may drop files into pending/ and tmp/ (2770) and
 * read done/, dead/ and logs/ (2750); a spool that is there is changed to that. */
int spool_init(const char *path, const char *group, struct err *err);

/* Open a spool that is there: refuses what is no spool (ERR_UNKNOWN), a newer
 * format, a copied spool, another host's, a network file system, folders on
 * different file systems.  To whom pending/, done/ or dead/ is closed, the whole
 * is; who may see these opens it without the others.  The caller closes. */
struct spool *spool_open(const char *path, struct err *err);
/* The same without asking whether it is this host's and no copy: to adopt it. */
struct spool *spool_open_foreign(const char *path, struct err *err);
void spool_close(struct spool *sp);

/* Make this inode, host and boot the ones the spool is known by. */
int spool_identify(struct spool *sp, struct err *err);

/* Who is not the owner may find folders closed: a scan of one is empty, and what
 * lies there cannot be known. */
static inline bool spool_is_closed(const struct spool *sp, enum dir d)
{
    return sp->dir[d] < 0;
}
/* May there be jobs that we cannot see? */
bool spool_hides_jobs(const struct spool *sp);
/* Is all of it open to us?  ERR_BAD. */
int spool_check_open(const struct spool *sp, struct err *err);

/* Is this user a member: neither the owner nor root, but may write to pending/ and
 * tmp/?  He may look, and drop files; all that is more is refused (ERR_BAD). */
bool spool_is_member(const struct spool *sp);
int spool_refuse_member(const struct spool *sp, struct err *err);

/* May this user write here, and else only those who are trusted?  Whoever can
 * write to a spool runs commands as its workers' user, so writers and workers ask
 * first.  pending/ and tmp/ may be open to the trusted group; to others only if
 * somebody is trusted at all and the folder is sticky, so that nobody touches
 * another's files. ERR_BAD says the command that mends it. */
int spool_check_trust(const struct spool *sp, struct err *err);
/* The root alone: enough to say, in the settings, who is trusted. */
int spool_check_root(const struct spool *sp, struct err *err);
/* Can nobody else write the settings file that lies in the root? */
int spool_check_settings_file(const struct spool *sp, const struct stat *file, const char *name,
                              struct err *err);

/* Which spool is meant: `wanted` (from --spool), else $QUEUECTL_SPOOL, else
 * ./spool if it is one, else the user's default.  *is_default: the last, which
 * a writing command makes by itself.  Caller frees; NULL and *err if no home. */
char *spool_locate(const char *wanted, bool *is_default, struct err *err);

/* Look whether the held descriptors still are the folders of the path; those
 * that were replaced are opened anew.  1 something was replaced, 0 nothing,
 * -1 the spool is gone or unusable. */
int spool_refresh(struct spool *sp, struct err *err);

/* Are those of the five states there, and the ones we hold?  What goes to another one
 * is not seen any more. */
bool spool_holds_states(const struct spool *sp);

/* Is there room for more?  What cannot be known counts as room, and a quota is not
 * seen here: that shows when something is written. */
enum spool_room {
    SPOOL_ROOM,
    SPOOL_FULL,     /* free space, or inodes, under the floor */
    SPOOL_READ_ONLY /* the file system is */
};
enum spool_room spool_room(const struct spool *sp);
/* Does this errno say that nothing more can be written here, whatever it is? */
bool spool_refused(int errnum);
/* Give the reserve back to the file system, true if there was one; make it again when
 * there is room. */
bool spool_reserve_release(const struct spool *sp);
void spool_reserve_restore(const struct spool *sp);
/* May jobs be moved at all, into processing/ and out of the folders they wait in?  Not
 * where these cannot be written to (mode, chattr +i, a mount that became read-only). */
bool spool_can_move(const struct spool *sp);
/* After a refusal: is there room again?  Asked by making the reserve anew, with the
 * floor's room beside it, since of a quota only writing tells. */
bool spool_reserve_regain(const struct spool *sp);

#endif
