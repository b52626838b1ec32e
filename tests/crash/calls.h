/* calls.h: the system calls that inject.c can let go wrong, and the errnos it knows.
 *
 * Left out, since they cannot fail with right arguments, or there is nothing a program
 * could do: exit, exit_group, rt_sigreturn, getpid and its like, rt_sigaction,
 * rt_sigprocmask, umask, munmap, mprotect, brk, futex, set_*, rseq, arch_prctl.
 * (Memory that is refused is tests of their own.)
 */
#ifndef CRASH_CALLS_H
#define CRASH_CALLS_H

#include <stdbool.h>

struct object { /* which arguments name a file; -1: none */
    int fd, path;
};

struct call {
    long number;
    const char *name;
    struct object object[2]; /* a rename has two */
    bool transfers;          /* its third argument is a count of bytes */
    bool made_anyway;        /* it does its work even when it fails */
};

const struct call *call_find(long number); /* NULL: not one of ours */
long errno_of(const char *name);           /* 0: unknown */

#endif
