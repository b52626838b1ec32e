/* nomem.c: the Nth allocation of a program fails.  A library for LD_PRELOAD.
 *
 *   NOMEM=FILE    four numbers that driver and programs share (struct nomem): how many
 *                 allocations there were, the first and the last one to fail, how many
 *                 did.  The driver may change them while the program runs: memory is
 *                 there again once `last` is 0.
 *   NOMEM_ARGV=T  only processes whose arguments hold this text take part ("worker
 *                 serve"); their allocations are counted together
 *   NOMEM_TRACE=F where each failure happened, for addr2line(1)
 *
 * Asking for a user or a group is one allocation that fails as a whole: glibc's own
 * code for it (nss) dies of a failed one.
 *
 * Not FILE but its number is counted: one that is missing, too short or unreadable
 * leaves the program alone.  What the C library allocates for itself (a stream's
 * buffer, a folder's) comes through here too.  glibc only: it is asked by its own
 * names, since dlsym(3) allocates.
 */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <grp.h>
#include <malloc.h>
#include <pwd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FRAMES 24

struct nomem {
    uint64_t count;
    uint64_t first, last;
    uint64_t failed;
};

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t align, size_t size);

static struct nomem *shared;
static const char *trace_file;
static __thread bool spared; /* what is allocated now is no part of it */

/* The arguments, a blank between two. */
static bool takes_part(void)
{
    const char *wanted = getenv("NOMEM_ARGV");
    char words[4096];
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, words, sizeof words - 1) : 0;
    if (fd >= 0)
        close(fd);
    if (!wanted || n <= 0)
        return false;
    for (ssize_t i = 0; i + 1 < n; i++)
        if (words[i] == '\0')
            words[i] = ' ';
    words[n] = '\0';
    return strstr(words, wanted) != NULL;
}

__attribute__((constructor)) static void begin(void)
{
    void *frame[1];
    const char *file = getenv("NOMEM");
    int saved = errno;
    int fd = file && takes_part() ? open(file, O_RDWR | O_CLOEXEC) : -1;
    void *at = fd >= 0 ? mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
                       : MAP_FAILED;
    if (fd >= 0)
        close(fd);
    backtrace(frame, 1); /* it loads a library, once */
    trace_file = getenv("NOMEM_TRACE");
    if (at != MAP_FAILED)
        shared = at;
    errno = saved;
}

static void trace(void)
{
    void *frame[FRAMES];
    int fd = open(trace_file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (fd < 0)
        return;
    spared = true;
    backtrace_symbols_fd(frame, backtrace(frame, FRAMES), fd);
    (void)!write(fd, "\n", 1);
    spared = false;
    close(fd);
}

static bool fails(void)
{
    if (!shared || spared)
        return false;
    uint64_t n = __atomic_add_fetch(&shared->count, 1, __ATOMIC_RELAXED);
    if (n < shared->first || n > shared->last)
        return false;
    __atomic_add_fetch(&shared->failed, 1, __ATOMIC_RELAXED);
    if (trace_file)
        trace();
    errno = ENOMEM;
    return true;
}

void *malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    return fails() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *old, size_t size)
{
    return fails() ? NULL : __libc_realloc(old, size);
}

void *reallocarray(void *old, size_t n, size_t size)
{
    size_t whole;
    if (__builtin_mul_overflow(n, size, &whole)) {
        errno = ENOMEM;
        return NULL;
    }
    return realloc(old, whole);
}

void *memalign(size_t align, size_t size)
{
    return fails() ? NULL : __libc_memalign(align, size);
}

void *aligned_alloc(size_t align, size_t size)
{
    return memalign(align, size);
}

int posix_memalign(void **out, size_t align, size_t size)
{
    int saved = errno;
    void *at = memalign(align, size);
    errno = saved;
    if (!at)
        return ENOMEM;
    *out = at;
    return 0;
}

/* -- users and groups ---------------------------------------------------------- */

#define ASKED(call, type, key_type)                                                        \
    int call(key_type key, struct type *entry, char *text, size_t n, struct type **found)  \
    {                                                                                      \
        int (*real)(key_type, struct type *, char *, size_t, struct type **);              \
        *found = NULL;                                                                     \
        if (fails())                                                                       \
            return ENOMEM;                                                                 \
        spared = true;                                                                     \
        *(void **)&real = dlsym(RTLD_NEXT, #call);                                         \
        int r = real(key, entry, text, n, found);                                          \
        spared = false;                                                                    \
        return r;                                                                          \
    }

ASKED(getpwnam_r, passwd, const char *)
ASKED(getpwuid_r, passwd, uid_t)
ASKED(getgrnam_r, group, const char *)
ASKED(getgrgid_r, group, gid_t)

int getgrouplist(const char *user, gid_t group, gid_t *list, int *n)
{
    int (*real)(const char *, gid_t, gid_t *, int *);
    if (fails()) {
        *n = 0;
        return -1;
    }
    spared = true;
    *(void **)&real = dlsym(RTLD_NEXT, "getgrouplist");
    int r = real(user, group, list, n);
    spared = false;
    return r;
}
