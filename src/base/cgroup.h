/* cgroup.h: cgroups for the processes of jobs (Linux, cgroup version 2), where the
 * cgroup that we run in is delegated to us.
 *
 * A cgroup holds processes as nothing else does: a child is born into its parent's,
 * and one write ends all that are in it, however fast they fork.  Each worker makes
 * one for its jobs, below its own and named by its token, and starts them in it.
 *
 * Nothing is made or written outside of a cgroup that is ours.  That it is ours is
 * said by systemd, which marks what it delegates (Delegate=yes) with the attribute
 * user.delegate or trusted.delegate, or by the user (`asked`).  That we could write
 * there proves nothing: root can everywhere, and the cgroups of a user's programs
 * are his service manager's.
 *
 * On other systems, and where nothing is delegated, all of this says "not here".
 */
#ifndef BASE_CGROUP_H
#define BASE_CGROUP_H

#include <stdbool.h>
#include <sys/types.h>

#define CGROUP_PATH_MAX 300 /* longer ones are not used */

/* Make the cgroup of this token; its descriptor, and its path for cgroup_open.  -1:
 * ENOTSUP where nothing is delegated, else errno. */
int cgroup_make(bool asked, const char *token, char path[CGROUP_PATH_MAX + 1]);
/* That of a worker that is dead, if it still is there and is this token's. */
int cgroup_open(const char *path, const char *token);
/* Remove it, if nothing is in it. */
void cgroup_remove(const char *path, const char *token);

/* fork(2), but the child is born in the cgroup and, as with vfork(2), we wait for
 * its exec or exit; memory is not shared.  -1 ENOTSUP: cannot be had; then the child
 * may enter by itself (async-signal-safe). */
pid_t cgroup_fork(int cgroup);
int cgroup_enter(int cgroup);

/* Does anything live in it?  In doubt yes. */
bool cgroup_lives(int cgroup);
/* End all that is in it, at once (cgroup.kill; before Linux 5.14 one by one). */
void cgroup_kill(int cgroup);
/* Visit the processes in it, as it is now. */
void cgroup_each(int cgroup, void (*visit)(pid_t pid, int64_t start, void *arg), void *arg);

/* Remove what dead workers left below our own cgroup and nobody lives in. */
void cgroup_sweep(bool asked, bool (*lives)(const char *token, void *arg), void *arg);

#endif
