/* enqueue.c: see enqueue.h. */
#include "cli/enqueue.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/text.h"
#include "cli/jobflags.h"
#include "cli/output.h"
#include "cli/say.h"

const char *enqueue_file_name(const char *file)
{
    return strcmp(file, "-") == 0 ? "stdin" : file;
}

int enqueue_read(const char *file, size_t max, struct buf *out)
{
    bool is_stdin = strcmp(file, "-") == 0;
    if (is_stdin && isatty(STDIN_FILENO)) /* else it looks like a hang */
        say("reading from the terminal; end with Ctrl-D");
    int fd = is_stdin ? STDIN_FILENO : io_open(AT_FDCWD, file, O_RDONLY, 0);
    int result = fd < 0 ? -1 : io_read_fd(fd, out, max);
    if (result != 0 && errno == EFBIG)
        say("%s: over %zu MiB", enqueue_file_name(file), max >> 20);
    else if (result != 0)
        say("%s: %s", enqueue_file_name(file), strerror(errno));
    if (fd > STDIN_FILENO)
        close(fd);
    return result;
}

/* --- from text and flags to a job ----------------------------------------- */

static int parse_with_flags(const struct call *c, const char *text, size_t n, struct job *job,
                            struct err *err)
{
    struct json_doc *doc = json_parse(text, n, NULL, err);
    if (!doc)
        return -1;
    jobflags_apply(c, JOBFLAGS_ENQUEUE, doc);
    struct buf merged = BUF_INIT;
    int result = json_print(doc, &merged);
    if (result != 0)
        err_no_memory(err);
    else
        result = job_parse(job, merged.data, merged.len, NULL, err);
    buf_release(&merged);
    json_free(doc);
    return result;
}

int enqueue_make(const struct call *c, const struct enqueue_source *s, const char *text, size_t n,
                 struct job *job, struct err *err)
{
    int result = s->flags ? parse_with_flags(c, text, n, job, err)
                          : job_parse(job, text, n, NULL, err);
    if (result != 0)
        return -1;
    if (!job->cwd && job_set(job, "cwd", s->cwd, err) != 0) {
        job_release(job);
        return -1;
    }
    return 0;
}

/* --- what would be stored, what was stored -------------------------------- */

/* --dry-run where there is no spool yet: by the default settings. */
static int dry_without_spool(struct job *job, struct err *err)
{
    struct settings settings;
    char id[ID_MAX + 1];
    int64_t now = clock_wall_us();
    settings_init(&settings);
    if (job->id[0])
        text_copy(id, sizeof id, job->id);
    else
        name_new_id(NULL, now, id);
    return job_accept(job, id, &settings, now, false, err);
}

int enqueue_dry_run(struct queue *q, struct job *jobs, size_t n, size_t *bad, struct err *err)
{
    for (*bad = 0; *bad < n; ++*bad)
        if ((q ? enqueue_dry(q, &jobs[*bad], err) : dry_without_spool(&jobs[*bad], err)) != 0)
            return -1;
    return 0;
}

int enqueue_print(const struct job *job)
{
    struct buf text = BUF_INIT;
    int result = job_print(job, &text);
    if (result == 0)
        output_text(&text);
    else
        say_no_memory();
    buf_release(&text);
    return result == 0 ? EXIT_DONE : EXIT_FAILED;
}
