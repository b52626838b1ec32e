/* cmd_config.c: the settings of a spool. */
#include <stdio.h>
#include <string.h>

#include "base/escape.h"
#include "cli/commands.h"
#include "cli/open.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/say.h"
#include "cli/table.h"
#include "job/json.h"
#include "queue/queue.h"

/* An unknown key is said here; then NULL. */
static const struct setting *find_key(const char *key)
{
    const struct setting *def = setting_find(key);
    if (def)
        return def;
    const char *near = setting_nearest(key);
    if (near)
        say("no setting %s; did you mean %s?", key, near);
    else
        say("no setting %s; see queuectl config list", key);
    return NULL;
}

/* --- reading -------------------------------------------------------------- */

struct view {
    struct settings settings;
    struct queue queue;
    bool open; /* else: no spool, the defaults */
};

static int view_open(const struct call *c, struct view *v)
{
    settings_init(&v->settings);
    enum opened opened = open_to_read(c, &v->queue);
    v->open = opened == OPEN_DONE;
    struct err err = ERR_INIT;
    if (v->open && queue_check_settings(&v->queue, &err) != 0) {
        queue_close(&v->queue);
        return say_error(&err);
    }
    if (v->open)
        v->settings = v->queue.settings;
    return opened == OPEN_FAILED ? EXIT_FAILED : EXIT_DONE;
}

static void view_close(struct view *v)
{
    if (v->open)
        queue_close(&v->queue);
}

static bool is_set(const struct view *v, const struct setting *def)
{
    int set = v->open ? settings_is_set(v->queue.spool->root, def) : 0;
    if (set < 0)
        output_lose();
    return set > 0;
}

/* The value as JSON: numbers and truth values bare, all else a string. */
static void add_json_value(const struct view *v, const struct setting *def, struct buf *out)
{
    struct buf text = BUF_INIT;
    setting_text(def, &v->settings, &text);
    if (def->kind == SETTING_INT || def->kind == SETTING_FRACTION || def->kind == SETTING_PRIORITY)
        buf_adds(out, buf_str(&text));
    else if (def->kind == SETTING_BOOL)
        buf_adds(out, strcmp(buf_str(&text), "yes") == 0 ? "true" : "false");
    else
        json_add_string(out, buf_str(&text), text.len);
    out->failed |= text.failed;
    buf_release(&text);
}

static void print_one(const struct view *v, const struct setting *def, bool json)
{
    struct buf out = BUF_INIT;
    if (json)
        add_json_value(v, def, &out);
    else
        setting_text(def, &v->settings, &out);
    output_line(&out);
    buf_release(&out);
}

static void print_all(const struct view *v, bool json)
{
    struct buf out = BUF_INIT;
    for (size_t i = 0; i < settings_count; i++) {
        const struct setting *def = &settings_table[i];
        buf_adds(&out, !json ? "" : i ? ", " : "{");
        buf_addf(&out, json ? "\"%s\": " : "%s = ", def->name);
        if (json)
            add_json_value(v, def, &out);
        else
            setting_text(def, &v->settings, &out);
        buf_adds(&out, json ? "" : "\n");
    }
    buf_adds(&out, json ? "}\n" : "");
    output_text(&out);
    buf_release(&out);
}

static int run_get(struct call *c)
{
    struct view v;
    const struct setting *def = NULL;
    if (c->arg_count > 0 && !(def = find_key(c->args[0])))
        return EXIT_USAGE;
    int code = view_open(c, &v);
    if (code != EXIT_DONE)
        return code;
    if (def)
        print_one(&v, def, option_on(c, "json"));
    else
        print_all(&v, option_on(c, "json"));
    view_close(&v);
    return EXIT_DONE;
}

/* --- list ----------------------------------------------------------------- */

static void list_json(const struct view *v)
{
    struct output_array array = OUTPUT_ARRAY_INIT;
    for (size_t i = 0; i < settings_count; i++) {
        const struct setting *def = &settings_table[i];
        struct buf out = BUF_INIT;
        buf_addc(&out, '{');
        output_string(&out, "name", def->name);
        buf_adds(&out, ", \"value\": ");
        add_json_value(v, def, &out);
        buf_addf(&out, ", \"default\": %s, ", is_set(v, def) ? "false" : "true");
        output_string(&out, "text", def->text);
        buf_addc(&out, '}');
        output_item(&array, &out);
        buf_release(&out);
    }
    output_end(&array);
}

static int list_table(const struct view *v, bool no_color)
{
    static const struct table_column columns[] = {
        {"NAME", false, false}, {"VALUE", false, false}, {"FROM", false, false},
        {"MEANING", false, false}};
    struct table *t = table_new(columns, 4, no_color);
    for (size_t i = 0; t && i < settings_count; i++) {
        const struct setting *def = &settings_table[i];
        struct buf text = BUF_INIT;
        setting_text(def, &v->settings, &text);
        table_add(t, def->name);
        table_add_buf(t, &text);
        table_add(t, is_set(v, def) ? "file" : "default");
        table_add(t, def->text);
        buf_release(&text);
    }
    return table_end(t) == 0 ? EXIT_DONE : say_no_memory();
}

static int run_list(struct call *c)
{
    struct view v;
    int code = view_open(c, &v);
    if (code != EXIT_DONE)
        return code;
    if (option_on(c, "json"))
        list_json(&v);
    else
        code = list_table(&v, c->no_color);
    view_close(&v);
    return code;
}

/* --- writing -------------------------------------------------------------- */

static void say_understood(int root, const struct setting *def)
{
    struct settings now;
    struct buf text = BUF_INIT;
    settings_load(root, &now, NULL);
    setting_explain(def, &now, &text);
    if (text.len == 0)
        setting_text(def, &now, &text);
    say("%s = %s", def->name, buf_str(&text));
    buf_release(&text);
}

/* Checked before the spool is looked for: a bad value is a bad call. */
static int check_value(const struct setting *def, const char *value)
{
    struct settings scratch;
    struct err err = ERR_INIT;
    settings_init(&scratch);
    if (setting_assign(def, &scratch, value, &err) == 0)
        return EXIT_DONE;
    say_error(&err);
    return err.kind == ERR_SYSTEM ? EXIT_FAILED : EXIT_USAGE;
}

/* Who is trusted is said in the settings: are the folders' modes in keeping? */
static void warn_untrusted(struct queue *q)
{
    struct err err = ERR_INIT;
    if (queue_refresh_settings(q, &err) >= 0 && spool_check_trust(q->spool, &err) != 0)
        say("warning: workers will refuse this spool: %s", err.text);
}

static int write_key(const struct call *c, const struct setting *def, const char *value)
{
    struct queue q;
    struct err err = ERR_INIT;
    int code = open_to_configure(c, &q);
    if (code != EXIT_DONE)
        return code;
    if (settings_write(q.spool->root, def->name, value, &err) != 0)
        code = say_error(&err);
    else {
        say_understood(q.spool->root, def);
        warn_untrusted(&q);
    }
    queue_close(&q);
    return code;
}

static int run_set(struct call *c)
{
    const struct setting *def = find_key(c->args[0]);
    int code = def ? check_value(def, c->args[1]) : EXIT_USAGE;
    return code == EXIT_DONE ? write_key(c, def, c->args[1]) : code;
}

static int run_unset(struct call *c)
{
    const struct setting *def = find_key(c->args[0]);
    return def ? write_key(c, def, NULL) : EXIT_USAGE;
}

/* --- the rows ------------------------------------------------------------- */

static const struct option get_options[] = {
    {0, "json", NULL, "the value, or an object of all, as JSON"},
    {0, NULL, NULL, NULL},
};

static const struct option list_options[] = {
    {0, "json", NULL, "an array of {name, value, default, text}"},
    {0, NULL, NULL, NULL},
};

static const struct command subs[] = {
    {
        .name = "get",
        .args = "[KEY]",
        .max_args = 1,
        .summary = "the value of a setting, or of all",
        .details = "max-retries and max_retries are the same key.",
        .examples = "queuectl config get max-retries\n",
        .options = get_options,
        .exec = run_get,
    },
    {
        .name = "set",
        .args = "KEY VALUE",
        .min_args = 2,
        .max_args = 2,
        .summary = "change a setting; running workers take it up",
        .examples = "queuectl config set max-retries 5\nqueuectl config set timeout 10m\n",
        .exec = run_set,
    },
    {
        .name = "list",
        .summary = "all settings: value, where it is from, meaning",
        .examples = "queuectl config list\n",
        .options = list_options,
        .exec = run_list,
    },
    {
        .name = "unset",
        .args = "KEY",
        .min_args = 1,
        .max_args = 1,
        .summary = "back to the default",
        .examples = "queuectl config unset timeout\n",
        .exec = run_unset,
    },
    {0},
};

const struct command cmd_config = {
    .name = "config",
    .summary = "the settings: get, set, list, unset",
    .details = "They stand in SPOOL/queuectl.ini, which may be edited by hand too.",
    .subs = subs,
};
