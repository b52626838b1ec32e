/* background.c: starting a pool that stays behind.
 *
 * The pool is this program once more, in a session of its own, with its stderr
 * on SPOOL/worker.log.  It keeps the current directory.  When all its workers
 * are ready it writes one line into a pipe; if it dies before, the pipe closes
 * and its log says why.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "queue/queue.h"
#include "worker/logfile.h"
#include "worker/pool.h"

#define READY_FD 3
#define LINE_MAX_BYTES (1 << 20)
#define LOG_TAIL 4096

extern char **environ;

static int spawn_pool(const char *program, const char *spool, int count, int ready, int log,
                      pid_t *pid)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t none, defaults;
    char number[16];
    snprintf(number, sizeof number, "%d", count);
    char *argv[] = {(char[]){"queuectl"}, (char[]){"worker"}, (char[]){"pool"},
                    (char[]){"--spool"},  (char *)spool,      (char[]){"--count"},
                    number,               NULL};
    sigemptyset(&none);
    sigfillset(&defaults);
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attr);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, ready, READY_FD);
    posix_spawn_file_actions_adddup2(&files, log, 1);
    posix_spawn_file_actions_adddup2(&files, log, 2);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &defaults);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK |
                                        POSIX_SPAWN_SETSIGDEF);
    int r = posix_spawn(pid, program, &files, &attr, argv, environ);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&files);
    return r;
}

/* What the log has gained since: its last line. */
static int tell_log(const char *spool, int log, off_t since, struct err *err)
{
    char text[LOG_TAIL + 1], *line;
    struct stat st;
    if (fstat(log, &st) != 0 || st.st_size <= since)
        return err_set(err, ERR_SYSTEM, "the pool ended without a word; see %s/" LOGFILE_NAME,
                       spool);
    off_t from = st.st_size - since > LOG_TAIL ? st.st_size - LOG_TAIL : since;
    ssize_t n = pread(log, text, LOG_TAIL, from);
    while (n > 0 && text[n - 1] == '\n')
        n--;
    text[n > 0 ? n : 0] = '\0';
    line = strrchr(text, '\n');
    return err_set(err, ERR_SYSTEM, "the pool did not start: %s", line ? line + 1 : text);
}

static int await_ready(const char *spool, int ready, int log, off_t since, pid_t pid,
                       char **pids, struct err *err)
{
    struct buf line = BUF_INIT;
    if (io_read_fd(ready, &line, LINE_MAX_BYTES) != 0)
        err_sys(err, "wait for", "the pool");
    else if (line.len == 0 || line.data[line.len - 1] != '\n') {
        waitpid(pid, NULL, 0);
        tell_log(spool, log, since, err);
    } else {
        line.data[line.len - 1] = '\0';
        *pids = buf_detach(&line);
        return 0;
    }
    buf_release(&line);
    return -1;
}

/* Not on 0 to 3: dup2 onto itself would keep close-on-exec. */
static int lift(int fd)
{
    int high = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, READY_FD + 1);
    int saved = errno;
    if (fd >= 0)
        close(fd);
    errno = saved;
    return high;
}

static int make_pipe(int end[2])
{
    if (pipe(end) != 0)
        return -1;
    end[0] = lift(end[0]);
    int saved = errno;
    end[1] = lift(end[1]);
    if (end[0] >= 0 && end[1] >= 0)
        return 0;
    saved = end[0] < 0 ? saved : errno;
    for (int i = 0; i < 2; i++)
        if (end[i] >= 0)
            close(end[i]);
    errno = saved;
    return -1;
}

static int start_with(const char *program, const char *spool, int count, int log, char **pids,
                      struct err *err)
{
    int ready[2];
    pid_t pid;
    struct stat st;
    if (fstat(log, &st) != 0)
        return err_sys(err, "start a pool: look at", LOGFILE_NAME);
    if (make_pipe(ready) != 0)
        return err_sys(err, "start", "a pool: pipe");
    int r = spawn_pool(program, spool, count, ready[1], log, &pid);
    close(ready[1]);
    errno = r;
    r = r == 0 ? await_ready(spool, ready[0], log, st.st_size, pid, pids, err)
               : err_sys(err, "start", program);
    close(ready[0]);
    return r;
}

int pool_start(const char *program, const char *spool, int count, char **pids, struct err *err)
{
    struct queue q;
    if (queue_open(&q, spool, QUEUE_WRITE, err) != 0)
        return -1;
    int log = lift(logfile_open(q.spool));
    int r = log < 0 ? io_error(err, "open", q.spool->root, NULL, LOGFILE_NAME)
                    : start_with(program, q.spool->path, count, log, pids, err);
    if (log >= 0)
        close(log);
    queue_close(&q);
    return r;
}
