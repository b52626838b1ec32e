/* tree.h: a job's whole process tree, and how it is brought to its end.
 *
 * The worker is subreaper: whatever a job leaves, however it detached itself,
 * becomes the worker's child sooner or later, so "no child left" means "no
 * process of the job left".  Where the system has no subreaper, the process
 * group is all that is known.
 *
 * Those that fork faster than they can be signalled one by one are ended by the
 * cgroup, where there is one (base/cgroup.h).
 */
#ifndef WORKER_TREE_H
#define WORKER_TREE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

struct tree {
    pid_t leader;     /* the job's first process: leader of its session and group */
    bool leader_left; /* it was reaped: status and usage are set */
    int status;       /* as from wait4(2) */
    struct rusage usage;
    bool empty;       /* no child of ours is left */
    int cgroup;       /* that holds them all; -1: none */
};

/* Reap what has ended. */
void tree_reap(struct tree *t);
/* Send sig to the group and to every descendant (with SIGCONT before TERM, so
 * that a stopped process hears it). */
void tree_signal(const struct tree *t, int sig);

#endif
