/* logfile.h: SPOOL/worker.log: what background workers say, on their stderr. */
#ifndef WORKER_LOGFILE_H
#define WORKER_LOGFILE_H

#include <stdbool.h>
#include <sys/types.h>

#include "spool/spool.h"

#define LOGFILE_NAME "worker.log"
#define LOGFILE_MAX (10 * 1024 * 1024) /* bytes: then it is put aside as worker.log.1 */

int logfile_open(const struct spool *sp); /* appending; a descriptor or -1 */
/* Open it anew and put it in the place of stdout and stderr (after SIGHUP, or when it was
 * put aside). */
void logfile_reopen(const struct spool *sp);
/* Put it aside if it is over LOGFILE_MAX.  True if it is to be opened anew: it
 * was put aside, now or by another pool or a person. */
bool logfile_rotate(const struct spool *sp);

/* Is the log we write the one of that name (another pool may have put it aside)? */
bool logfile_is_ours(const struct spool *sp);

#endif
