/* fuzz.c: see fuzz.h. */
#include "fuzz.h"

#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void fuzz_broken(const char *file, int line, const char *condition, const char *fmt, ...)
{
    va_list args;
    fprintf(stderr, "\nBROKEN %s:%d: ", file, line);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fprintf(stderr, "\n  not so: %s\n", condition);
    abort();
}

char *fuzz_string(const void *bytes, size_t n)
{
    char *text = malloc(n + 1);
    must(text != NULL, "no memory");
    memcpy(text, bytes, n);
    text[n] = '\0';
    return text;
}

char *fuzz_cut_line(char *text)
{
    char *end = strchr(text, '\n');
    if (end == NULL)
        return text + strlen(text);
    *end = '\0';
    return end + 1;
}

/* --- numbers ------------------------------------------------------------------ */

static uint64_t state;

/* FNV-1a, and splitmix64 from there. */
void fuzz_seed(const void *bytes, size_t n)
{
    state = 14695981039346656037u;
    for (size_t i = 0; i < n; i++)
        state = (state ^ ((const unsigned char *)bytes)[i]) * 1099511628211u;
}

static uint64_t next(void)
{
    uint64_t z = state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

/* The ends more often than their share: that is where things break. */
int64_t fuzz_pick(int64_t least, int64_t most)
{
    uint64_t r = next(), span = (uint64_t)most - (uint64_t)least + 1;
    if (r % 8 == 0)
        return least;
    if (r % 8 == 1)
        return most;
    r = next();
    return (int64_t)((uint64_t)least + (span == 0 ? r : r % span));
}

/* --- files -------------------------------------------------------------------- */

int fuzz_folder(void)
{
    static int fd = -1;
    const char *tmp = getenv("TMPDIR");
    char path[PATH_MAX];
    if (fd >= 0)
        return fd;
    snprintf(path, sizeof path, "%s/fuzz.XXXXXX", tmp != NULL ? tmp : "/tmp");
    must(mkdtemp(path) != NULL, "cannot make %s", path);
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    must(fd >= 0, "cannot open %s", path);
    return fd;
}

void fuzz_write_file(int dir, const char *name, const void *bytes, size_t n)
{
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    must(fd >= 0 && write(fd, bytes, n) == (ssize_t)n, "cannot write %s", name);
    close(fd);
}

bool fuzz_read_file(int dir, const char *name, struct buf *out)
{
    char some[4096];
    ssize_t n;
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    while ((n = read(fd, some, sizeof some)) > 0)
        buf_add(out, some, (size_t)n);
    close(fd);
    must(n == 0 && !out->failed, "cannot read %s", name);
    return true;
}

/* --- dates -------------------------------------------------------------------- */

bool fuzz_date_real(const struct fuzz_date *d, int64_t *seconds)
{
    struct tm tm = {.tm_year = d->year - 1900, .tm_mon = d->month - 1, .tm_mday = d->day,
                    .tm_hour = d->hour, .tm_min = d->minute, .tm_sec = d->second};
    struct tm asked = tm;
    time_t s = timegm(&tm);
    *seconds = s;
    return d->year >= 1970 && d->year <= 9999 && tm.tm_year == asked.tm_year &&
           tm.tm_mon == asked.tm_mon && tm.tm_mday == asked.tm_mday &&
           tm.tm_hour == asked.tm_hour && tm.tm_min == asked.tm_min && tm.tm_sec == asked.tm_sec;
}
