/* enqueue_lines.c: enqueue --lines: a line of stdin is an argument of a program,
 * often the name of a file.
 *
 * It takes the place of every {} (or what --replace says) in the program's words;
 * where there is none, it is one more word.  No shell sees it, so it arrives byte
 * for byte, whatever it holds; a place in the text that a shell is given to run
 * would undo that, and is refused.  The members that all jobs share are put into one document once; of each
 * line only "argv" is made. */
#include <string.h>

#include "base/escape.h"
#include "cli/batch.h"
#include "cli/jobflags.h"
#include "cli/options.h"
#include "cli/say.h"

#define PLACE "{}"

struct lines {
    const struct call *c;
    const char *place;    /* what a line takes the place of */
    struct json_doc *doc; /* all but argv */
    bool has_place;       /* a word holds it */
    bool null_ends;       /* -0 */
    size_t count;         /* lines that are not empty */
    struct buf word, argv, text;
};

static bool any_place(const struct call *c, const char *place)
{
    for (size_t i = 0; i < c->program_count; i++)
        if (strstr(c->program[i], place))
            return true;
    return false;
}

/* --- what would be run by a shell ----------------------------------------- */

/* Is the word one of these, by its last part? */
static bool is_among(const char *word, const char *const *names)
{
    const char *slash = strrchr(word, '/');
    for (word = slash ? slash + 1 : word; *names; names++)
        if (strcmp(word, *names) == 0)
            return true;
    return false;
}

/* The text behind the -c of a shell, whose words these are; NULL: none. */
static const char *shell_text(char *const *word, size_t n)
{
    bool has_text = false;
    for (size_t i = 1; i < n; i++) {
        const char *w = word[i];
        bool is_option = (w[0] == '-' || w[0] == '+') && w[1];
        if (!is_option || strcmp(w, "--") == 0) {
            i += is_option;
            return has_text && i < n ? word[i] : NULL;
        }
        if (w[1] == '-')
            continue;
        has_text |= w[0] == '-' && strchr(w, 'c');
        i += strchr(w, 'o') || strchr(w, 'O'); /* -o pipefail */
    }
    return NULL;
}

static bool is_run_by_shell(const struct call *c, const char *place)
{
    static const char *const shells[] = {"sh", "bash", "dash", "ksh", "zsh", NULL};
    static const char *const wrappers[] = {
        "busybox", "chrt", "doas", "env", "flock", "ionice", "nice", "nohup", "setpriv",
        "setsid", "stdbuf", "sudo", "taskset", "time", "timeout", "xargs", NULL};
    size_t words = is_among(c->program[0], wrappers) ? c->program_count : 1;
    for (size_t i = 0; i < words; i++) {
        const char *text = is_among(c->program[i], shells)
                               ? shell_text(c->program + i, c->program_count - i)
                               : NULL;
        if (text && strstr(text, place))
            return true;
    }
    return false;
}

/* --- from a line to argv -------------------------------------------------- */

static enum batch_made check_line(const struct lines *l, const char *text, size_t n,
                                  struct err *err)
{
    size_t at;
    if (n > JSON_DOCUMENT_MAX)
        return batch_too_long(err);
    if (!l->null_ends && memchr(text, '\0', n))
        err_set(err, ERR_BAD, "there is a NUL byte in it; where lines end with one, use -0");
    else if (!utf8_valid(text, n, &at))
        err_set(err, ERR_BAD, "not UTF-8 at byte %zu, so it cannot stand in a job", at + 1);
    else
        return BATCH_JOB;
    return BATCH_BAD;
}

/* Stops growing where no document could hold it. */
static void add_word(struct lines *l, const char *word, const char *text, size_t n)
{
    const char *place;
    buf_reset(&l->word);
    while (l->word.len <= JSON_DOCUMENT_MAX && (place = strstr(word, l->place))) {
        buf_add(&l->word, word, (size_t)(place - word));
        buf_add(&l->word, text, n);
        word = place + strlen(l->place);
    }
    buf_adds(&l->word, word);
    buf_adds(&l->argv, l->argv.len ? ", " : "[");
    json_add_string(&l->argv, buf_str(&l->word), l->word.len);
    l->argv.failed |= l->word.failed;
}

static void fill_argv(struct lines *l, const char *text, size_t n)
{
    buf_reset(&l->argv);
    for (size_t i = 0; i < l->c->program_count && l->argv.len <= JSON_DOCUMENT_MAX; i++)
        add_word(l, l->c->program[i], text, n);
    if (!l->has_place)
        add_word(l, l->place, text, n);
    buf_addc(&l->argv, ']');
}

static enum batch_made make_job(void *arg, const char *text, size_t n, struct job *job,
                                struct err *err)
{
    struct lines *l = arg;
    if (n == 0)
        return BATCH_EMPTY;
    l->count++;
    if (check_line(l, text, n, err) != BATCH_JOB)
        return BATCH_BAD;
    fill_argv(l, text, n);
    if (l->argv.len > JSON_DOCUMENT_MAX)
        return batch_too_long(err);
    buf_reset(&l->text);
    json_set_raw(l->doc, "argv", l->argv.failed ? NULL : l->argv.data);
    if (json_print(l->doc, &l->text) != 0) {
        err_no_memory(err);
        return BATCH_BAD;
    }
    if (l->text.len > JSON_DOCUMENT_MAX)
        return batch_too_long(err);
    return job_parse(job, l->text.data, l->text.len, NULL, err) == 0 ? BATCH_JOB : BATCH_BAD;
}

/* --- the whole ------------------------------------------------------------ */

static int run(struct lines *l, const struct enqueue_source *s)
{
    const struct batch_input in = {.file = "-",
                                   .name = enqueue_file_name("-"),
                                   .end = l->null_ends ? '\0' : '\n',
                                   .make = make_job,
                                   .arg = l};
    jobflags_apply(l->c, JOBFLAGS_ENQUEUE, l->doc);
    if (!json_has(l->doc, "cwd"))
        json_set_raw(l->doc, "cwd", s->cwd);
    int code = batch_run(l->c, &in);
    if (code == EXIT_DONE && l->count == 0)
        say("stdin: no lines, so nothing was enqueued");
    return code;
}

int enqueue_lines(const struct call *c, const struct enqueue_source *s)
{
    const char *given = option_value(c, "replace");
    const char *place = given ? given : PLACE;
    if (is_run_by_shell(c, place)) {
        say("%s inside a shell's text would be run by it; use: --lines -- sh -c 'echo \"$1\"' sh %s",
            place, place);
        return EXIT_USAGE;
    }
    struct lines l = {.c = c,
                      .place = place,
                      .doc = json_new(),
                      .has_place = any_place(c, place),
                      .null_ends = option_on(c, "null")};
    int code = l.doc ? run(&l, s) : say_no_memory();
    json_free(l.doc);
    buf_release(&l.word);
    buf_release(&l.argv);
    buf_release(&l.text);
    return code;
}
