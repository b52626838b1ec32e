/* file.h: how a file comes into being, moves and goes. Content first, then
 * exactly one rename that commits. */
#ifndef SPOOL_FILE_H
#define SPOOL_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "spool/spool.h"

/* How sure a new file's content is before it is renamed. */
enum file_sure {
    FILE_CACHED,  /* in memory: a power cut may leave it empty under its new name */
    FILE_WRITTEN, /* whole under any name that a power cut leaves it with, but not sure
                     to be there.  Not for what goes to pending/ where the file system
                     does not keep its order (sys.h): producers sync that folder, and on
                     btrfs this brings along the names of new files without their content */
    FILE_SYNCED   /* it survives under the name it has then */
};

/* Write a new file in tmp/ under our token; its name goes to `tmp`.  On failure
 * nothing is left. 0 or -1 and errno. */
int file_make_tmp(struct spool *sp, const void *bytes, size_t n, enum file_sure sure,
                  char tmp[FILE_NAME_MAX + 1]);
/* Give a file just made with 0600 the mode the spool's group is due. */
int file_set_mode(int fd, mode_t mode);
/* "DOING ID: CALL tmp/NAME: strerror", with kind ERR_SYSTEM: what was to be done for
 * which job, and which step failed on which file.  Always returns -1. */
int file_error(struct err *err, const char *doing, const char *id, const char *call, enum dir d,
               const char *name);

void file_drop_tmp(const struct spool *sp, const char *tmp);

/* tmp/tmp becomes d/name, which must not exist (EEXIST). */
int file_publish(const struct spool *sp, const char *tmp, enum dir d, const char *name);

/* Swap tmp/tmp with d/name: afterwards d/name has the new content and the old
 * lies in tmp/, which is removed.  ENOENT: d/name is gone, and so is tmp/tmp. */
int file_exchange(const struct spool *sp, const char *tmp, enum dir d, const char *name);

/* d/name -> e/new, which must not exist (EEXIST).  ENOENT: lost the race. */
int file_move(const struct spool *sp, enum dir d, const char *name, enum dir e, const char *new);

/* The same over whatever has the name (rename(2)). */
int file_replace(const struct spool *sp, enum dir d, const char *name, enum dir e,
                 const char *new);

/* For the few files beside the folders (the log). */
int file_rename_root(const struct spool *sp, const char *name, const char *new);

int file_remove(const struct spool *sp, enum dir d, const char *name);
/* Its descriptor, for a sync after it was renamed: read-only, so that its close is no
 * event to who watches the folder.  The caller closes. */
int file_hold(const struct spool *sp, enum dir d, const char *name);
int file_sync(const struct spool *sp, enum dir d, const char *name);
int file_sync_dir(const struct spool *sp, enum dir d);

/* A file that anybody may have made, looked at without harm. */
enum file_look {
    FILE_OK,
    FILE_GONE,
    FILE_NOT_YET, /* a second link, open for writing, not readable: why says which */
    FILE_MISFIT,  /* can never be a job's file: why says why */
    FILE_TROUBLE  /* errno: no verdict */
};
struct file_seen {
    struct stat st;
    bool being_written; /* somebody has it open for that */
    char why[200];  /* what is wrong */
    char mend[300]; /* what to do about it, as in quarantine.h; "": mend the file */
};
/* Read d/name whole (at most max bytes) if it is a regular file of a trusted
 * owner; a foreign one must have one link, and nobody may have it open for
 * writing.  (A hard-linked backup of the spool gives all files two.)  What is no
 * regular file is not even opened: a device may notice. */
enum file_look file_inspect(const struct spool *sp, enum dir d, const char *name, size_t max,
                            bool foreign, struct buf *out, struct file_seen *seen);

#endif
