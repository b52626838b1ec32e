/* jobflags.c: a table of flag, member and how the value becomes JSON. */
#include "cli/jobflags.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/escape.h"
#include "base/num.h"
#include "cli/options.h"
#include "cli/say.h"
#include "job/job.h"

#define NUMBER_BOUND 1e15

/* --- values as JSON -------------------------------------------------------- */

/* Puts the member into the document; without memory the document cannot be printed
 * any more (json_set_raw). */
typedef void put_value(const struct call *c, const char *member, const char *value,
                       struct json_doc *doc);

static void put_buf(struct json_doc *doc, const char *member, const struct buf *raw)
{
    json_set_raw(doc, member, raw->failed ? NULL : buf_str(raw));
}

static void put_text(const struct call *c, const char *member, const char *value,
                     struct json_doc *doc)
{
    (void)c;
    json_set_string(doc, member, value);
}

/* A number where it reads as one, else a string: "90", "5m", "high". */
static void put_number(const struct call *c, const char *member, const char *value,
                       struct json_doc *doc)
{
    double number;
    (void)c;
    if (num_parse_fraction(value, -NUMBER_BOUND, NUMBER_BOUND, &number))
        json_set_raw(doc, member, value);
    else
        json_set_string(doc, member, value);
}

static void put_true(const struct call *c, const char *member, const char *value,
                     struct json_doc *doc)
{
    (void)c, (void)value;
    json_set_raw(doc, member, "true");
}

/* A job may run anywhere: a relative directory is meant from here. */
static void put_cwd(const struct call *c, const char *member, const char *value,
                    struct json_doc *doc)
{
    char *here = value[0] == '/' ? NULL : getcwd(NULL, 0);
    struct buf path = BUF_INIT, raw = BUF_INIT;
    (void)c;
    if (here)
        buf_addf(&path, "%s/", here);
    buf_adds(&path, value);
    json_add_string(&raw, buf_str(&path), path.len);
    raw.failed |= path.failed;
    put_buf(doc, member, &raw);
    buf_release(&raw);
    buf_release(&path);
    free(here);
}

static void set_variable(struct json_doc *env, const char *pair)
{
    size_t n = strcspn(pair, "=");
    char *name = strndup(pair, n);
    if (name)
        json_set_string(env, name, pair + n + 1);
    else
        json_set_raw(env, pair, NULL); /* no memory */
    free(name);
}

/* On one line. */
static void add_object(struct buf *out, const struct json_doc *object)
{
    buf_addc(out, '{');
    for (size_t i = 0; i < json_count(object); i++) {
        const char *name = json_name(object, i);
        buf_adds(out, i ? "," : "");
        json_add_string(out, name, strlen(name));
        buf_addc(out, ':');
        buf_adds(out, json_raw_at(object, i));
    }
    buf_addc(out, '}');
    out->failed |= json_failed(object);
}

/* What the document has already stays, byte for byte, unless it is named again:
 * job_parse will say what is wrong with it. */
static void put_env(const struct call *c, const char *member, const char *value,
                    struct json_doc *doc)
{
    const char *old = json_raw(doc, member);
    bool is_absent = !old || strcmp(old, "null") == 0;
    struct err err = ERR_INIT;
    struct buf raw = BUF_INIT;
    struct json_doc *env = is_absent ? json_new() : json_parse(old, strlen(old), NULL, &err);
    (void)value; /* the last of them */
    if (!env) {
        if (err.kind != ERR_BAD)
            json_set_raw(doc, member, NULL); /* no memory */
        return;
    }
    const char *pair;
    for (size_t at = 0; (pair = option_next(c, "env", &at));)
        set_variable(env, pair);
    add_object(&raw, env);
    put_buf(doc, member, &raw);
    buf_release(&raw);
    json_free(env);
}

static void put_argv(const struct call *c, struct json_doc *doc)
{
    struct buf raw = BUF_INIT;
    for (size_t i = 0; i < c->program_count; i++) {
        buf_adds(&raw, i ? ", " : "[");
        json_add_string(&raw, c->program[i], strlen(c->program[i]));
    }
    buf_addc(&raw, ']');
    put_buf(doc, "argv", &raw);
    buf_release(&raw);
}

/* --- the table ------------------------------------------------------------- */

static const struct flag {
    const char *option, *member;
    put_value *put;
    const char *excludes[3]; /* members that go; the last is NULL */
} flags[] = {
    {"id", "id", put_text, {0}},
    {"command", "command", put_text, {"argv"}},
    {"priority", "priority", put_number, {0}},
    {"max-retries", "max_retries", put_number, {0}},
    {"timeout", "timeout", put_number, {"timeout_ms", "timeout_seconds"}},
    {"run-at", "run_at", put_number, {"delay"}},
    {"delay", "delay", put_number, {"run_at"}},
    {"backoff-base", "backoff_base", put_number, {0}},
    {"cwd", "cwd", put_cwd, {0}},
    {"env", "env", put_env, {0}},
    {"detach", "detach", put_true, {0}},
    {"on-crash", "on_crash", put_text, {0}},
};
#define FLAG_COUNT (sizeof flags / sizeof *flags)

/* edit has no --id. */
static const char *value_of(const struct call *c, const struct flag *f)
{
    for (const struct option *o = c->cmd->options; o->name; o++)
        if (strcmp(o->name, f->option) == 0)
            return option_value(c, f->option);
    return NULL;
}

bool jobflags_given(const struct call *c)
{
    for (size_t i = 0; i < FLAG_COUNT; i++)
        if (value_of(c, &flags[i]))
            return true;
    return c->has_program;
}

static void exclude(struct json_doc *doc, enum jobflags_for use, const char *member)
{
    if (use == JOBFLAGS_EDIT)
        json_set_raw(doc, member, "null");
    else
        json_remove(doc, member);
}

void jobflags_apply(const struct call *c, enum jobflags_for use, struct json_doc *doc)
{
    for (const struct flag *f = flags; f < flags + FLAG_COUNT; f++) {
        const char *value = value_of(c, f);
        if (!value)
            continue;
        f->put(c, f->member, value, doc);
        for (size_t i = 0; f->excludes[i]; i++)
            exclude(doc, use, f->excludes[i]);
    }
    if (c->has_program) {
        put_argv(c, doc);
        exclude(doc, use, "command");
    }
}

/* --- are they good? ------------------------------------------------------- */

static int check_text(const char *option, const char *value)
{
    if (utf8_valid(value, strlen(value), NULL))
        return 0;
    say("--%s: the value is not UTF-8, so it cannot stand in a job", option);
    return -1;
}

static int check_env(const struct call *c)
{
    const char *pair;
    for (size_t at = 0; (pair = option_next(c, "env", &at));) {
        if (check_text("env", pair) != 0)
            return -1;
        if (pair[0] == '=' || !strchr(pair, '=')) {
            say("--env %s: use NAME=VALUE", pair);
            return -1;
        }
    }
    return 0;
}

/* Where we are, to be freed; NULL: it has been said why it cannot stand in a job. */
static char *current_dir(void)
{
    char *here = getcwd(NULL, 0);
    if (here && utf8_valid(here, strlen(here), NULL))
        return here;
    if (!here && errno == ENOMEM)
        say_no_memory();
    else
        say("the current directory %s%s; give --cwd with a path that starts with \"/\"",
            here ? "has a name that is not UTF-8" : "cannot be told: ",
            here ? "" : strerror(errno));
    free(here);
    return NULL;
}

/* A relative --cwd needs to know where we are. */
static int check_cwd(const struct call *c)
{
    const char *value = option_value(c, "cwd");
    if (!value || value[0] == '/')
        return 0;
    char *here = current_dir();
    bool is_known = here != NULL;
    free(here);
    return is_known ? 0 : -1;
}

static int check_pair(bool both, const char *first, const char *second)
{
    if (both)
        say("%s and %s exclude each other", first, second);
    return both ? -1 : 0;
}

static int check_words(const struct call *c)
{
    for (size_t i = 0; i < FLAG_COUNT; i++) {
        const char *value = value_of(c, &flags[i]);
        if (value && check_text(flags[i].option, value) != 0)
            return -1;
    }
    for (size_t i = 0; i < c->program_count; i++)
        if (check_text("", c->program[i]) != 0)
            return -1;
    if (c->has_program && c->program_count == 0) {
        say("no program behind --");
        return -1;
    }
    if (check_env(c) != 0 || check_cwd(c) != 0 ||
        check_pair(option_on(c, "run-at") && option_on(c, "delay"), "--run-at", "--delay") != 0)
        return -1;
    return check_pair(c->has_program && option_on(c, "command"), "--command",
                      "a program behind --");
}

/* A document of nothing but the flags must be a good one. */
int jobflags_check(const struct call *c)
{
    if (check_words(c) != 0)
        return EXIT_USAGE;
    struct json_doc *doc = json_new();
    struct buf text = BUF_INIT;
    struct err err = ERR_INIT;
    struct job job;
    if (doc) {
        jobflags_apply(c, JOBFLAGS_ENQUEUE, doc);
        if (!json_has(doc, "command") && !json_has(doc, "argv"))
            json_set_string(doc, "command", "true");
    }
    int code = EXIT_DONE;
    if (!doc || json_print(doc, &text) != 0)
        code = say_no_memory();
    else if (job_parse(&job, text.data, text.len, NULL, &err) == 0)
        job_release(&job);
    else if ((code = say_error(&err)) == EXIT_FAILED && err.kind != ERR_SYSTEM)
        code = EXIT_USAGE;
    json_free(doc);
    buf_release(&text);
    return code;
}

int jobflags_current_dir(struct buf *raw)
{
    char *here = current_dir();
    if (!here)
        return -1;
    json_add_string(raw, here, strlen(here));
    free(here);
    if (raw->failed)
        say_no_memory();
    return raw->failed ? -1 : 0;
}
