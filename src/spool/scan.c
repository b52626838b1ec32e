/* scan.c: readdir(3), with errno kept apart from the end (errno = 0 before each
 * call).  A name that moves during a scan may be seen or not: scans are repeated
 * by whoever must be sure. */
#include "spool/scan.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"

static int open_list(struct scan *s, int dirfd)
{
    int fd = io_open_list(dirfd);
    s->dir = fd < 0 ? NULL : fdopendir(fd);
    if (!s->dir && fd >= 0)
        close(fd);
    return s->dir ? 0 : -1;
}

int scan_open(struct scan *s, const struct spool *sp, enum dir d)
{
    s->dir = NULL;
    return spool_is_closed(sp, d) ? 0 : open_list(s, sp->dir[d]);
}

static bool is_dots(const char *file)
{
    return file[0] == '.' && (file[1] == '\0' || (file[1] == '.' && file[2] == '\0'));
}

/* What visit returned if not 0, in *stop. */
static int read_some(DIR *dir, size_t n, int (*visit)(const char *, void *), void *arg, int *stop)
{
    for (size_t i = 0; i < n; i++) {
        errno = 0;
        struct dirent *e = readdir(dir);
        if (!e)
            return errno ? -1 : 0;
        if (!is_dots(e->d_name) && (*stop = visit(e->d_name, arg)) != 0)
            return 0;
    }
    return 1;
}

int scan_slice(struct scan *s, size_t n, int (*visit)(const char *, void *), void *arg)
{
    int stop = 0;
    int more = s->dir ? read_some(s->dir, n, visit, arg, &stop) : 0;
    return stop ? 0 : more;
}

void scan_close(struct scan *s)
{
    if (s->dir)
        closedir(s->dir);
    s->dir = NULL;
}

int scan_folder(int dirfd, int (*visit)(const char *, void *), void *arg)
{
    struct scan s;
    int stop = 0;
    if (open_list(&s, dirfd) != 0)
        return -1;
    int r = read_some(s.dir, SIZE_MAX, visit, arg, &stop);
    int saved = errno;
    scan_close(&s);
    errno = saved;
    return stop ? stop : r;
}

int scan_dir(const struct spool *sp, enum dir d, int (*visit)(const char *, void *), void *arg)
{
    return spool_is_closed(sp, d) ? 0 : scan_folder(sp->dir[d], visit, arg);
}

struct wanted {
    enum dir d;
    const char *id;
    char tail[ID_MAX + 8]; /* ".ID.json": compared before the name is parsed */
    size_t tail_len;
    char *file;
};

static int match(const char *file, void *arg)
{
    struct wanted *w = arg;
    struct name n;
    size_t len = strlen(file);
    if (len <= w->tail_len || strcmp(file + len - w->tail_len, w->tail) != 0 ||
        !name_parse(w->d, file, &n) || strcmp(n.id, w->id) != 0)
        return 0;
    text_copy(w->file, FILE_NAME_MAX + 1, file);
    return 1;
}

int scan_find_ended(const struct spool *sp, const char *id, enum dir *state,
                    char file[FILE_NAME_MAX + 1])
{
    struct stat st;
    struct name n = {0};
    text_copy(n.id, sizeof n.id, id);
    for (int d = DIR_DONE; d <= DIR_DEAD; d++) {
        *state = (enum dir)d;
        name_format(*state, &n, file);
        if (fstatat(sp->dir[d], file, &st, AT_SYMLINK_NOFOLLOW) == 0) {
            return 1;
        }
        if (errno != ENOENT)
            return -1;
    }
    return 0;
}

int scan_find_in(const struct spool *sp, enum dir d, const char *id,
                 char file[FILE_NAME_MAX + 1])
{
    struct wanted w = {.d = d, .id = id, .file = file};
    w.tail_len = (size_t)snprintf(w.tail, sizeof w.tail, ".%s.json", id);
    return scan_dir(sp, d, match, &w);
}

int scan_find(const struct spool *sp, const char *id, enum dir *state,
              char file[FILE_NAME_MAX + 1])
{
    static const enum dir order[] = {DIR_PENDING, DIR_FAILED, DIR_PROCESSING};
    int found = scan_find_ended(sp, id, state, file);
    for (size_t i = 0; i < 3 && found == 0; i++) {
        file[0] = '\0';
        found = scan_find_in(sp, *state = order[i], id, file);
    }
    /* It may have ended while the three were read. */
    return found == 0 ? scan_find_ended(sp, id, state, file) : found;
}
