/* live.h: who lives: one file for each worker and pool in workers/, locked by
 * its owner for as long as it lives.
 *
 * The kernel drops the lock at death, so a file that can be locked belongs to a
 * dead process.  It is made under a dot name, locked, then renamed into place:
 * never visible unlocked.  Observers take a shared lock for a moment, so that
 * two of them do not see each other.
 *
 * The content is a fixed-size record of text lines, `key value`, padded with
 * newlines, written with one pwrite(2).
 */
#ifndef SPOOL_LIVE_H
#define SPOOL_LIVE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cgroup.h"
#include "spool/spool.h"

enum live_role { LIVE_POOL, LIVE_WORKER };

struct live_record {
    enum live_role role;
    char token[TOKEN_MAX + 1];
    char pool[TOKEN_MAX + 1]; /* a worker's pool */
    int64_t pid;
    int64_t since_us;               /* wall time it started */
    uint64_t pid_ns;                /* sys_pid_namespace() */
    char run[FILE_NAME_MAX + 1];    /* the name in processing/ it runs; "" idle */
    int64_t run_pid;                /* leader of the run's session and group; 0 not started */
    int64_t run_boot_us;            /* clock_boot_us() when it was started */
    int64_t births;                 /* sys_births() when the worker started; 0 unknown */
    char cgroup[CGROUP_PATH_MAX + 1]; /* that of the worker's jobs; "" none */
};

#define LIVE_RECORD_LEN 1024
#define LIVE_FILE_MAX (TOKEN_MAX + 8)

/* Make, lock and publish our file; the descriptor must be kept open. */
int live_publish(const struct spool *sp, const struct live_record *r);
/* Rewrite the record. Async-signal-safe (called between vfork and exec). */
int live_update(int fd, const struct live_record *r);
/* workers/ was replaced: make our file there anew.  The new descriptor, or fd as
 * it was where nothing is to be done or can be. */
int live_republish(const struct spool *sp, const struct live_record *r, int fd);
void live_retire(const struct spool *sp, const char *token, enum live_role role, int fd);

/* Read a record by token; -1 ENOENT where there is none, EINVAL where what has
 * its name is no regular file: nobody's. */
int live_read(const struct spool *sp, const char *token, enum live_role role,
              struct live_record *out);

/* Is the process behind this token alive?  By its file if it has one, else by
 * boot, pid and start time (for processes that have no file). */
bool live_is_alive(const struct spool *sp, const char *token);

/* Is this entry of workers/ locked by somebody?  -1: it cannot be told (errno). */
int live_is_locked(const struct spool *sp, const char *file);

/* Visit every record, alive or not. */
int live_each(const struct spool *sp,
              void (*visit)(const struct live_record *r, bool alive, void *arg), void *arg);

/* Remove a dead process's file. */
void live_bury(const struct spool *sp, const char *token, enum live_role role);

#endif
