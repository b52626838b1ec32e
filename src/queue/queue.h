/* queue.h: an open queue: a spool and its settings. What may happen to a job
 * stands in the files beside this one, one verb or noun a file.
 *
 * Nothing here prints.  Functions return 0, or -1 with *err filled.
 */
#ifndef QUEUE_QUEUE_H
#define QUEUE_QUEUE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/err.h"
#include "job/job.h"
#include "job/settings.h"
#include "spool/spool.h"

#define JOURNAL_FILE_LEN 16 /* "2026-11-22.jsonl" */

struct queue {
    struct spool *spool;
    struct settings settings;
    struct stat settings_seen; /* of the file they were read from */
    struct err settings_err;   /* its first bad line, if any: worth a warning */
    bool settings_closed;      /* a member cannot read them: `settings` are the defaults */
    int journal_fd;            /* of journal_file, or -1 */
    bool journal_torn; /* the last write to it failed */
    char journal_file[JOURNAL_FILE_LEN + 1];
    struct drops *drops;       /* see drop.h */
    size_t drops_kept;
    struct living *living;     /* see living.h */
};

/* What a spool is opened for, and who may:
 *   READ       look at what is open to this user (spool_hides_jobs)
 *   READ_ALL   the same, and nothing may be closed
 *   ENQUEUE    as WRITE; or, by a member, drop files: enqueue.h does it
 *   WRITE      whom spool_check_trust lets
 *   CONFIGURE  change the settings: the root must be ours only, since whom to
 *              trust is said there
 * The last three make the default spool where it is missing. */
enum queue_use { QUEUE_READ, QUEUE_READ_ALL, QUEUE_ENQUEUE, QUEUE_WRITE, QUEUE_CONFIGURE };

/* Open the spool at `path` (NULL: see spool_locate).  ERR_UNKNOWN: there is no
 * spool there (a reader then answers as if it were empty); err->text says which
 * was looked for.  A bad line in the settings is no failure: the rest is in force
 * and settings_err tells; that they could not be read at all is one.  The caller
 * closes. */
int queue_open(struct queue *q, const char *path, enum queue_use use, struct err *err);
void queue_close(struct queue *q);

/* Make a spool at `path` (NULL: the default one).  group (NULL: none): for this
 * group to enqueue and to read results, said in the settings too.  adopt: take
 * over a copied spool, or one that came from another host: every run in it is
 * lost, every request void. *made: the path, for the caller to free. */
int queue_init(const char *path, const char *group, bool adopt, char **made, struct err *err);

/* Can this user read the settings?  ERR_BAD. */
int queue_check_settings(const struct queue *q, struct err *err);

/* Read the settings anew if the file changed: 1 they did, 0 no, -1 the file is
 * bad (*err) and the good part of it is in force; or ERR_SYSTEM: it could not be read,
 * and what was in force stays until the next call. */
int queue_refresh_settings(struct queue *q, struct err *err);

#endif
