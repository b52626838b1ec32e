#include "worker/output.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "spool/file.h"

#define TAIL_BYTES 2048

int output_open(struct output *o, struct queue *q)
{
    o->cut = 0;
    o->empty = false;
    for (int s = LOGS_OUT; s <= LOGS_ERR; s++) {
        char file[FILE_NAME_MAX + 1];
        if (o->fd[s] >= 0)
            continue;
        logs_worker_name(q->spool->token, (enum logs_stream)s, file);
        o->fd[s] = io_open_file(q->spool->dir[DIR_LOGS], file,
                                O_WRONLY | O_CREAT | O_APPEND, 0600);
        if (o->fd[s] < 0 || file_set_mode(o->fd[s], q->spool->log_mode) != 0)
            return -1;
    }
    return 0;
}

/* Writers append, so after the cut they go on at the new end. */
void output_limit(struct output *o, int64_t max)
{
    o->empty = true;
    for (int s = LOGS_OUT; s <= LOGS_ERR; s++) {
        struct stat st;
        if (fstat(o->fd[s], &st) != 0)
            st.st_size = max;
        if (max > 0 && st.st_size > max && ftruncate(o->fd[s], max) == 0)
            o->cut += st.st_size - max;
        o->empty &= st.st_size == 0;
    }
}

void output_next(struct output *o, bool renamed)
{
    for (int s = LOGS_OUT; s <= LOGS_ERR; s++) {
        struct stat st;
        if (o->fd[s] < 0 || (o->empty && !renamed))
            continue;
        if (renamed) {
            close(o->fd[s]);
            o->fd[s] = -1;
        } else if (fstat(o->fd[s], &st) != 0 ||
                   (st.st_size > 0 && ftruncate(o->fd[s], 0) != 0)) {
            close(o->fd[s]);
            o->fd[s] = -1;
        }
    }
}

int output_close(struct output *o, struct queue *q)
{
    output_next(o, true);
    return logs_sweep(q, q->spool->token);
}

static size_t read_tail(int fd, char *bytes)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return 0;
    off_t at = st.st_size > TAIL_BYTES ? st.st_size - TAIL_BYTES : 0;
    ssize_t n = pread(fd, bytes, TAIL_BYTES, at);
    return n > 0 ? (size_t)n : 0;
}

static bool is_blank(char c)
{
    return c == '\n' || c == '\r' || c == ' ' || c == '\t' || c == '\0';
}

void output_last_line(struct queue *q, char *out, size_t size)
{
    char file[FILE_NAME_MAX + 1], bytes[TAIL_BYTES];
    logs_worker_name(q->spool->token, LOGS_ERR, file);
    int fd = io_open_file(q->spool->dir[DIR_LOGS], file, O_RDONLY | O_NONBLOCK, 0);
    size_t end = fd >= 0 ? read_tail(fd, bytes) : 0;
    if (fd >= 0)
        close(fd);
    while (end > 0 && is_blank(bytes[end - 1]))
        end--;
    size_t begin = end;
    while (begin > 0 && bytes[begin - 1] != '\n')
        begin--;
    size_t n = end - begin < size - 1 ? end - begin : size - 1;
    memcpy(out, bytes + begin, n);
    out[n] = '\0';
}
