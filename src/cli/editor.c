/* editor.c: the editor runs through the shell, since $EDITOR may have arguments;
 * the file's name is handed over as $1, so nothing in it is interpreted. */
#include "cli/editor.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "cli/say.h"

#define PATH_SIZE 4096

extern char **environ;

/* A new file with this text; its path goes to `path`. */
static int make_copy(const struct buf *text, char path[PATH_SIZE])
{
    const char *dir = getenv("TMPDIR");
    int n = snprintf(path, PATH_SIZE, "%s/queuectl-edit-XXXXXX", dir && *dir ? dir : "/tmp");
    int fd = n > 0 && n < PATH_SIZE ? mkostemp(path, O_CLOEXEC) : -1;
    if (fd < 0)
        return -1;
    int result = io_write_all(fd, buf_str(text), text->len);
    if (close(fd) != 0)
        result = -1;
    return result;
}

static int run_editor(char *path)
{
    char shell[] = "sh", flag[] = "-c", script[] = "exec ${VISUAL:-${EDITOR:-vi}} \"$1\"";
    char *argv[] = {shell, flag, script, shell, path, NULL};
    pid_t pid;
    int status;
    errno = posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, environ); /* lint: allow process */
    if (errno != 0) {
        say("cannot start the editor: %s", strerror(errno));
        return -1;
    }
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    say("the editor failed; nothing was changed");
    return -1;
}

int editor_run(struct buf *text, size_t max)
{
    char path[PATH_SIZE];
    if (make_copy(text, path) != 0) {
        say("cannot make a copy to edit: %s", strerror(errno));
        return -1;
    }
    if (run_editor(path) != 0) {
        unlink(path); /* lint: allow names */
        return -1;
    }
    buf_reset(text);
    if (io_read_file(AT_FDCWD, path, text, max) != 0) {
        say("%s: cannot read it back: %s", path, strerror(errno));
        return -1;
    }
    unlink(path); /* lint: allow names */
    return 0;
}

void editor_keep(const struct buf *text)
{
    char path[PATH_SIZE];
    if (make_copy(text, path) == 0)
        say("what you wrote is in %s", path);
}
