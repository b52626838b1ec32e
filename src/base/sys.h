/* sys.h: the few things that differ between systems, files for each system
 * (*_linux.c, *_bsd.c), chosen when linking.  What a system lacks says so
 * by its return value; no caller asks for an OS name.
 */
#ifndef BASE_SYS_H
#define BASE_SYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SYS_ID_LEN 32 /* lower-case hex digits */

/* This boot of the kernel, and this host; -1 and errno if unknown.
 * Linux: /proc/sys/kernel/random/boot_id and /etc/machine-id (the host name's
 * hash where there is none); BSD: kern.boottime or kern.bootid, kern.hostuuid. */
int sys_boot_id(char out[SYS_ID_LEN + 1]);
int sys_host_id(char out[SYS_ID_LEN + 1]);

/* When the file of fd was made, in microseconds: unlike its other times it cannot be
 * set, and a copy has another.  -1 where the system or the file system does not tell. */
int64_t sys_born_us(int fd);

/* rename that fails with EEXIST where the target exists, and one that swaps
 * two existing names.  Where the kernel or file system lacks the flag, the
 * first is stat then rename and the second rename over the target with the
 * source gone (the caller unlinks it anyway): a window, see doc/DESIGN.md. */
int sys_rename_noreplace(int olddir, const char *old, int newdir, const char *new);
int sys_rename_exchange(int olddir, const char *old, int newdir, const char *new);

/* Orphans of this process's tree become its children (prctl
 * PR_SET_CHILD_SUBREAPER, procctl PROC_REAP_ACQUIRE).  -1 ENOSYS: not here. */
int sys_subreaper(void);

/* When the process started, in a unit of the system's own, the same for the
 * life of that pid; -1 if there is no such process (a zombie counts as none; one
 * whose first thread has exited while others go on is no zombie). */
int64_t sys_process_start(pid_t pid);

/* A number for the PID namespace this process lives in; 0 where there are none. */
uint64_t sys_pid_namespace(void);

/* Send a signal to pid only if it is still the process that started at
 * `start` (pidfd where there is one).  0 sent, -1 ESRCH: it is gone. */
int sys_signal(pid_t pid, int64_t start, int sig);

/* The searches below find a process that lives even if it forks and exits while
 * they look (procs_linux.c says how); elsewhere than on Linux they take one look.
 * Each process is visited once.  They return how many; -1: none was found, and
 * it is not certain that there is none (ENOSYS: here it never is). */

/* Call visit for every process whose environment holds an entry that begins with
 * `prefix` and whose rest `accept` takes; visit NULL: look only, one is enough.
 * Processes we may not look at are passed over.  0 also where this cannot be known. */
int sys_each_with_env(const char *prefix, bool (*accept)(const char *rest, void *arg),
                      void (*visit)(pid_t pid, int64_t start, void *arg), void *arg);

/* Mark an open file, for all who inherit it: only those are visited below. */
int sys_mark_file(int fd);
/* The same for every other process that has this file open and marked, with a lock
 * on it that `taker` took (who may be dead).  0 where this cannot be known. */
int sys_each_with_file(dev_t dev, ino_t ino, pid_t taker,
                       void (*visit)(pid_t pid, int64_t start, void *arg), void *arg);

/* Call visit for every descendant of this process, in any order. */
int sys_each_descendant(void (*visit)(pid_t pid, int64_t start, void *arg), void *arg);

/* Is any process of this group alive, which was made by setsid(2)?  Zombies are not
 * counted, nor is a stranger's group that has the number now: it lies in a session of
 * another number. */
bool sys_group_alive(pid_t group);

/* Does anybody have this file open for writing?  Linux asks for a read lease
 * (fcntl(2) F_SETLEASE): refused with EAGAIN when there is a writer. */
enum sys_writers { SYS_WRITERS_NONE, SYS_WRITERS_SOME, SYS_WRITERS_UNKNOWN };
enum sys_writers sys_writers(int fd);

/* Is the file system of fd a network one?  If so its name is in `kind`. */
bool sys_network_fs(int fd, char kind[32]);

/* Write back everything of fd's file system (syncfs), or -1 ENOSYS: sync the
 * files one by one. */
int sys_sync_fs(int fd);

/* Does fd's file system bring renames to the disk in the order in which they were
 * made, each with the data that was written back before it?  ext4 and XFS do, by one
 * journal; btrfs does not after a fsync(2); what is not known counts as no. */
bool sys_keeps_order(int fd);

/* fsync(2), without EINTR.  On btrfs, where its log brings a file and the names in its
 * folder to the disk but not what they replace, the whole file system (syncfs(2)): what
 * is found after a power cut was so at one time. */
int sys_sync(int fd);

/* Have fd's content written, so that no rename made from now on reaches the disk
 * before it: with less than a fsync(2) where that is known to do.  0 or -1 and errno. */
int sys_write_out(int fd);

/* The leader of a group that was founded at this clock_boot_us() moment.  While it is
 * there (a zombie, too) nobody else can have the number.  OTHER: somebody else has. */
enum sys_leader { SYS_LEADER_GONE, SYS_LEADER_SAME, SYS_LEADER_OTHER };
enum sys_leader sys_group_leader(pid_t group, int64_t boot_us);

/* How many processes were born on this host until now; 0: not known here. */
int64_t sys_births(void);
/* Can a number that was somebody's then be another's now?  Not before all of them
 * were given out once; in doubt it can. */
bool sys_numbers_reused(int64_t births_then);

/* Path of the running program, to start it again. */
int sys_self_path(char *out, size_t size);

/* Close every descriptor from `first` up: what a caller left open is not ours to
 * keep open for as long as a pool lives. */
void sys_close_from(int first);

/* A descriptor that poll(2) finds readable when the wall clock is set, until it is
 * said to be heard; -1 ENOSYS where nothing tells (Linux: timerfd_create(2),
 * TFD_TIMER_CANCEL_ON_SET).  The caller closes. */
int sys_clock_watch(void);
void sys_clock_heard(int fd);

/* Memory that processes can share: a descriptor for mmap(2), of so many bytes, all 0,
 * closed by exec, with no name anywhere; -1 errno.  (memfd_create(2), SHM_ANON.) */
int sys_shared_memory(size_t size);

/* n random bytes from the kernel; aborts if there are none. */
void sys_random(void *out, size_t n);

#endif
