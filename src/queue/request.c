/* request.c: names in control/. */
#include "queue/request.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "spool/file.h"

static const char *const prefixes[] = {[REQUEST_PAUSE] = "pause",
                                       [REQUEST_STOP] = "stop.",
                                       [REQUEST_STOP_NOW] = "stop-now.",
                                       [REQUEST_CANCEL] = "cancel."};

static void request_name(enum request what, const char *of, char out[FILE_NAME_MAX + 1])
{
    snprintf(out, FILE_NAME_MAX + 1, "%s%s", prefixes[what], of);
}

int request_make(struct queue *q, enum request what, const char *of, struct err *err)
{
    char file[FILE_NAME_MAX + 1];
    request_name(what, of, file);
    int control = q->spool->dir[DIR_CONTROL];
    int fd = io_open_file(control, file, O_WRONLY | O_CREAT | O_NONBLOCK, 0600);
    if (fd < 0)
        return io_error(err, "write the request", control, dir_name(DIR_CONTROL), file);
    close(fd);
    return 0;
}

bool request_is_there(struct queue *q, enum request what, const char *of)
{
    char file[FILE_NAME_MAX + 1];
    struct stat st;
    request_name(what, of, file);
    return fstatat(q->spool->dir[DIR_CONTROL], file, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

bool request_drop(struct queue *q, enum request what, const char *of)
{
    char file[FILE_NAME_MAX + 1];
    request_name(what, of, file);
    return file_remove(q->spool, DIR_CONTROL, file) == 0;
}

bool request_parse(const char *file, enum request *what, const char **of)
{
    for (int r = REQUEST_STOP; r <= REQUEST_CANCEL; r++) {
        size_t n = strlen(prefixes[r]);
        if (strncmp(file, prefixes[r], n) == 0) {
            *what = (enum request)r;
            *of = file + n;
            return true;
        }
    }
    *what = REQUEST_PAUSE;
    *of = "";
    return strcmp(file, prefixes[REQUEST_PAUSE]) == 0;
}
