/* cmd_edit.c: change a waiting job: by JSON, by flags, or in an editor. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/editor.h"
#include "cli/jobflags.h"
#include "cli/open.h"
#include "cli/options.h"
#include "cli/say.h"
#include "cli/term.h"
#include "queue/find.h"
#include "queue/verbs.h"

static int store(struct queue *q, const char *id, const struct json_doc *changes)
{
    struct buf text = BUF_INIT;
    struct err err = ERR_INIT;
    int code = EXIT_DONE;
    if (json_print(changes, &text) != 0)
        code = say_no_memory();
    else if (verb_edit(q, id, text.data, text.len, &err) != 0)
        code = say_error(&err);
    else
        printf("edited %s\n", id);
    buf_release(&text);
    return code;
}

/* --- by words ------------------------------------------------------------- */

/* --env adds to what the job has. */
static void take_env(struct queue *q, const char *id, struct json_doc *changes)
{
    struct found f;
    if (json_has(changes, "env") || find_job(q, id, &f, NULL) != 0)
        return;
    if (f.job.doc && json_has(f.job.doc, "env"))
        json_set_raw(changes, "env", json_raw(f.job.doc, "env"));
    found_release(&f);
}

static int edit_by_words(const struct call *c, struct queue *q)
{
    const char *text = c->arg_count > 1 ? c->args[1] : "{}";
    struct err err = ERR_INIT;
    struct json_doc *changes = json_parse(text, strlen(text), NULL, &err);
    if (!changes)
        return say_error(&err);
    if (option_on(c, "env"))
        take_env(q, c->args[0], changes);
    jobflags_apply(c, JOBFLAGS_EDIT, changes);
    int code = store(q, c->args[0], changes);
    json_free(changes);
    return code;
}

/* --- in an editor --------------------------------------------------------- */

static bool is_shown(const char *name)
{
    if (strcmp(name, "id") == 0)
        return false;
    for (size_t i = 0; i < job_member_count; i++)
        if (strcmp(job_members[i].name, name) == 0)
            return !job_members[i].recorded;
    return true;
}

/* What may be changed. */
static struct json_doc *shown_part(const struct json_doc *doc)
{
    struct json_doc *part = json_new();
    for (size_t i = 0; part && i < json_count(doc); i++)
        if (is_shown(json_name(doc, i)))
            json_set_raw(part, json_name(doc, i), json_raw(doc, json_name(doc, i)));
    return part;
}

/* Of `after`, what is not as before; null for what is there no more. */
static struct json_doc *difference(const struct json_doc *before, const struct json_doc *after)
{
    struct json_doc *changes = json_new();
    for (size_t i = 0; changes && i < json_count(after); i++) {
        const char *name = json_name(after, i);
        const char *old = json_raw(before, name);
        if (!old || strcmp(old, json_raw(after, name)) != 0)
            json_set_raw(changes, name, json_raw(after, name));
    }
    for (size_t i = 0; changes && i < json_count(before); i++)
        if (!json_has(after, json_name(before, i)))
            json_set_raw(changes, json_name(before, i), "null");
    return changes;
}

static int store_edited(struct queue *q, const char *id, const struct json_doc *before,
                        const struct buf *text)
{
    struct err err = ERR_INIT;
    struct json_doc *after = json_parse(buf_str(text), text->len, NULL, &err);
    if (!after)
        return say_error(&err);
    struct json_doc *changes = difference(before, after);
    int code = EXIT_DONE;
    if (!changes)
        code = say_no_memory();
    else if (json_count(changes) == 0)
        say("%s: nothing was changed", id);
    else
        code = store(q, id, changes);
    json_free(changes);
    json_free(after);
    return code;
}

static int edit_part(struct queue *q, const char *id, const struct json_doc *part)
{
    struct buf text = BUF_INIT;
    int code = EXIT_FAILED;
    if (!part || json_print(part, &text) != 0) {
        say_no_memory();
    } else if (editor_run(&text, JSON_DOCUMENT_MAX) == 0) {
        code = store_edited(q, id, part, &text);
        if (code != EXIT_DONE)
            editor_keep(&text);
    }
    buf_release(&text);
    return code;
}

static int edit_in_editor(struct queue *q, const char *id)
{
    struct found f;
    struct err err = ERR_INIT;
    if (find_job(q, id, &f, &err) != 0)
        return say_error(&err);
    struct json_doc *part = f.job.doc ? shown_part(f.job.doc) : NULL;
    int code = EXIT_FAILED;
    if (f.state != DIR_PENDING && f.state != DIR_FAILED)
        say("%s is %s; only a waiting job can be edited", id, dir_name(f.state));
    else
        code = edit_part(q, id, part);
    json_free(part);
    found_release(&f);
    return code;
}

/* --- the command ---------------------------------------------------------- */

static int run(struct call *c)
{
    struct queue q;
    bool flags = jobflags_given(c);
    bool words = flags || c->arg_count > 1;
    int code = flags ? jobflags_check(c) : EXIT_DONE;
    if (code != EXIT_DONE)
        return code;
    if (!words && !(isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))) {
        say("edit: what? give '{JSON}' or flags; an editor needs a terminal");
        return EXIT_USAGE;
    }
    code = open_to_write(c, &q);
    if (code != EXIT_DONE)
        return code;
    code = words ? edit_by_words(c, &q) : edit_in_editor(&q, c->args[0]);
    queue_close(&q);
    return code;
}

static const struct option options[] = {
    JOBFLAGS_OPTIONS,
    {0, NULL, NULL, NULL},
};

const struct command cmd_edit = {
    .name = "edit",
    .args = "ID ['{JSON}'] [-- PROGRAM ARG...]",
    .min_args = 1,
    .max_args = 2,
    .takes_program = true,
    .summary = "change a waiting job: when and what it runs",
    .details = "The JSON holds the members to set; null takes one out. With neither JSON nor\n"
               "flags, on a terminal: in $VISUAL or $EDITOR.",
    .examples = "queuectl edit report-42 --priority high\n"
                "queuectl edit report-42 '{\"timeout\":\"10m\",\"run_at\":null}'\n",
    .options = options,
    .exec = run,
};
