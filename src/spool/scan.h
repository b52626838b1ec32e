/* scan.h: reading a folder's names. */
#ifndef SPOOL_SCAN_H
#define SPOOL_SCAN_H

#include <dirent.h>

#include "spool/spool.h"

/* Call visit for every entry but "." and ".."; non-zero from it ends the scan
 * and is returned.  0 when read to its end, -1 and errno on trouble.  The order
 * is the file system's: any.  A folder that is closed to us
 * (spool.h) is read as an empty one. */
int scan_dir(const struct spool *sp, enum dir d, int (*visit)(const char *file, void *arg),
             void *arg);

/* The same of a folder that is no spool yet. */
int scan_folder(int dirfd, int (*visit)(const char *file, void *arg), void *arg);

/* The same in slices: open, call slice until it returns 0, close. */
struct scan {
    DIR *dir;
};
int scan_open(struct scan *s, const struct spool *sp, enum dir d);
/* Visits at most n entries: 1 there are more, 0 that was the last, -1 errno. */
int scan_slice(struct scan *s, size_t n, int (*visit)(const char *file, void *arg), void *arg);
void scan_close(struct scan *s);

/* Find the waiting or running file of an id: pending/, failed/, processing/ by
 * scanning, in the order a job goes.  1 found (state, file), 0 not, -1 errno.
 * done/ and dead/ are looked at first, by name. */
int scan_find(const struct spool *sp, const char *id, enum dir *state,
              char file[FILE_NAME_MAX + 1]);

/* Only in this one of the three. */
int scan_find_in(const struct spool *sp, enum dir d, const char *id,
                 char file[FILE_NAME_MAX + 1]);
/* Only in done/ and dead/: two looks by name, no scan. */
int scan_find_ended(const struct spool *sp, const char *id, enum dir *state,
                    char file[FILE_NAME_MAX + 1]);

#endif
