/* jobflags.c: a table of flag, member and how the value becomes JSON. */
#include "cli/jobflags.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/escape.h"
#include "base/num.h"
#include "cli/options.h"
#include "cli/say.h"
#include "job/job.h"

enum kind {
    TEXT,   /* always a string */
    NUMBER, /* a number where it reads as one, else a string: "90", "5m", "high" */
    SWITCH,
    CWD,
    ENV
};

struct flag {
    const char *option, *member;
    enum kind kind;
    const char *excludes[3]; /* members that go */
};

static const struct flag flags[] = {
    {"id", "id", TEXT, {0}},
    {"command", "command", TEXT, {"argv"}},
    {"priority", "priority", NUMBER, {0}},
    {"max-retries", "max_retries", NUMBER, {0}},
    {"timeout", "timeout", NUMBER, {"timeout_ms", "timeout_seconds"}},
    {"run-at", "run_at", NUMBER, {"delay"}},
    {"delay", "delay", NUMBER, {"run_at"}},
    {"backoff-base", "backoff_base", NUMBER, {0}},
    {"cwd", "cwd", CWD, {0}},
    {"env", "env", ENV, {0}},
    {"detach", "detach", SWITCH, {0}},
    {"on-crash", "on_crash", TEXT, {0}},
};
#define FLAG_COUNT (sizeof flags / sizeof *flags)

#define NUMBER_BOUND 1e15

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

/* --- as JSON -------------------------------------------------------------- */

static void set_number(struct json_doc *doc, const char *member, const char *value)
{
    double number;
    if (num_parse_fraction(value, -NUMBER_BOUND, NUMBER_BOUND, &number))
        json_set_raw(doc, member, value);
    else
        json_set_string(doc, member, value);
}

/* What the document has already stays, unless it is named again. */
static void set_env(const struct call *c, struct json_doc *doc)
{
    cJSON *env = json_value(doc, "env");
    if (env && !cJSON_IsObject(env)) {
        cJSON_Delete(env);
        return; /* job_parse will say what is wrong with it */
    }
    if (!env)
        env = cJSON_CreateObject();
    const char *pair;
    for (size_t at = 0; (pair = option_next(c, "env", &at));) {
        char *name = strndup(pair, strcspn(pair, "="));
        cJSON_DeleteItemFromObjectCaseSensitive(env, name ? name : "");
        cJSON_AddStringToObject(env, name ? name : "", pair + strcspn(pair, "=") + 1);
        free(name);
    }
    char *raw = cJSON_PrintUnformatted(env);
    if (raw)
        json_set_raw(doc, "env", raw);
    cJSON_free(raw);
    cJSON_Delete(env);
}

static void set_argv(const struct call *c, struct json_doc *doc)
{
    struct buf raw = BUF_INIT;
    for (size_t i = 0; i < c->program_count; i++) {
        buf_adds(&raw, i ? ", " : "[");
        json_add_string(&raw, c->program[i], strlen(c->program[i]));
    }
    buf_addc(&raw, ']');
    if (!raw.failed)
        json_set_raw(doc, "argv", raw.data);
    buf_release(&raw);
}

static void exclude(struct json_doc *doc, enum jobflags_for use, const char *member)
{
    if (use == JOBFLAGS_EDIT)
        json_set_raw(doc, member, "null");
    else
        json_remove(doc, member);
}

/* A job may run anywhere: a relative directory is meant from here. */
static void set_cwd(struct json_doc *doc, const char *value)
{
    char *here = value[0] == '/' ? NULL : getcwd(NULL, 0);
    struct buf path = BUF_INIT;
    if (here)
        buf_addf(&path, "%s/", here);
    buf_adds(&path, value);
    json_set_string(doc, "cwd", buf_str(&path));
    buf_release(&path);
    free(here);
}

static void apply_flag(const struct call *c, const struct flag *f, enum jobflags_for use,
                       const char *value, struct json_doc *doc)
{
    if (f->kind == TEXT)
        json_set_string(doc, f->member, value);
    else if (f->kind == NUMBER)
        set_number(doc, f->member, value);
    else if (f->kind == SWITCH)
        json_set_raw(doc, f->member, "true");
    else if (f->kind == CWD)
        set_cwd(doc, value);
    else
        set_env(c, doc);
    for (size_t i = 0; i < 3 && f->excludes[i]; i++)
        exclude(doc, use, f->excludes[i]);
}

void jobflags_apply(const struct call *c, enum jobflags_for use, struct json_doc *doc)
{
    for (size_t i = 0; i < FLAG_COUNT; i++) {
        const char *value = value_of(c, &flags[i]);
        if (value)
            apply_flag(c, &flags[i], use, value, doc);
    }
    if (c->has_program) {
        set_argv(c, doc);
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
    if (check_env(c) != 0 ||
        check_pair(option_on(c, "run-at") && option_on(c, "delay"), "--run-at", "--delay") != 0)
        return -1;
    return check_pair(c->has_program && option_on(c, "command"), "--command",
                      "a program behind --");
}

/* A document of nothing but the flags must be a good one. */
int jobflags_check(const struct call *c)
{
    if (check_words(c) != 0)
        return -1;
    struct json_doc *doc = json_new();
    struct buf text = BUF_INIT;
    struct err err = ERR_INIT;
    struct job job;
    if (doc) {
        jobflags_apply(c, JOBFLAGS_ENQUEUE, doc);
        if (!json_has(doc, "command") && !json_has(doc, "argv"))
            json_set_string(doc, "command", "true");
    }
    int result = doc ? json_print(doc, &text) : -1;
    if (result != 0)
        say_no_memory();
    else if ((result = job_parse(&job, text.data, text.len, NULL, &err)) != 0)
        say_error(&err);
    else
        job_release(&job);
    json_free(doc);
    buf_release(&text);
    return result;
}

int jobflags_current_dir(struct buf *raw)
{
    char *here = getcwd(NULL, 0);
    if (!here || !utf8_valid(here, strlen(here), NULL)) {
        say("the current directory %s; give --cwd",
            here ? "has a name that is not UTF-8" : "cannot be told");
        free(here);
        return -1;
    }
    json_add_string(raw, here, strlen(here));
    free(here);
    return raw->failed ? -1 : 0;
}
