/* options.c: first the command is found (global options may stand before it),
 * then its subcommand, then the rest is read by its option table. */
#include "cli/options.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"
#include "cli/say.h"

const struct option global_options[] = {
    {0, "spool", "DIR", "the spool (else $QUEUECTL_SPOOL, ./spool, or the user's own)"},
    {0, "no-color", NULL, "no colours (so does NO_COLOR in the environment)"},
    {'h', "help", NULL, "explain the command"},
    {0, "version", NULL, "print the version"},
    {0, NULL, NULL, NULL},
};

struct reader {
    char **word; /* the next one; ends with NULL */
    struct call *c;
};

/* --- finding things in the tables ----------------------------------------- */

static bool is_called(const struct command *cmd, const char *name)
{
    return strcmp(cmd->name, name) == 0 || (cmd->alias && strcmp(cmd->alias, name) == 0);
}

const struct command *options_find_command(const char *name)
{
    for (size_t i = 0; commands[i]; i++)
        if (is_called(commands[i], name))
            return commands[i];
    return NULL;
}

const struct command *options_find_sub(const struct command *group, const char *name)
{
    for (const struct command *sub = group->subs; sub && sub->name; sub++)
        if (is_called(sub, name))
            return sub;
    return NULL;
}

static const struct option *find_long(const struct option *list, const char *name, size_t n)
{
    for (; list && list->name; list++)
        if (strlen(list->name) == n && strncmp(list->name, name, n) == 0)
            return list;
    return NULL;
}

static const struct option *find_letter(const struct option *list, char letter)
{
    for (; list && list->name; list++)
        if (list->letter == letter)
            return list;
    return NULL;
}

/* --- one option ----------------------------------------------------------- */

static void suggest_from(struct nearest *near, const struct option *list)
{
    for (; list && list->name; list++)
        nearest_offer(near, list->name);
}

static int unknown_option(const struct call *c, const char *text, size_t n)
{
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)(n < 63 ? n : 63), text);
    struct nearest near;
    nearest_init(&near, name);
    if (c->cmd)
        suggest_from(&near, c->cmd->options);
    suggest_from(&near, global_options);
    const char *best = nearest_best(&near);
    if (best)
        say("no option --%s; did you mean --%s?", name, best);
    else
        say("no option --%s; see queuectl %s%s%s%s--help", name, c->group ? c->group->name : "",
            c->group ? " " : "", c->cmd ? c->cmd->name : "", c->cmd ? " " : "");
    return -1;
}

static void take(struct call *c, const struct option *o, const char *value)
{
    struct {
        const char *name;
        bool *flag;
    } const flags[] = {
        {"no-color", &c->no_color}, {"help", &c->help}, {"version", &c->version}};
    bool global = o >= global_options &&
                  o < global_options + sizeof global_options / sizeof *global_options;
    if (!global) {
        c->given[c->given_count++] = (struct given){o, value};
        return;
    }
    if (o->arg)
        c->spool = value;
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (strcmp(flags[i].name, o->name) == 0)
            *flags[i].flag = true;
}

/* The value behind "=", or the next word. */
static int take_with_value(struct reader *r, const struct option *o, const char *value)
{
    if (!value && !*r->word) {
        say("--%s needs a value: --%s %s", o->name, o->name, o->arg);
        return -1;
    }
    value = value ? value : *r->word++;
    if (o == global_options && !*value) {
        say("--%s needs the name of a folder", o->name);
        return -1;
    }
    take(r->c, o, value);
    return 0;
}

static int read_long(struct reader *r, const char *text)
{
    size_t n = strcspn(text, "=");
    const char *value = text[n] ? text + n + 1 : NULL;
    const struct option *o = r->c->cmd ? find_long(r->c->cmd->options, text, n) : NULL;
    if (!o)
        o = find_long(global_options, text, n);
    if (!o)
        return unknown_option(r->c, text, n);
    if (o->arg)
        return take_with_value(r, o, value);
    if (value) {
        say("--%s takes no value", o->name);
        return -1;
    }
    take(r->c, o, NULL);
    return 0;
}

/* -n 5 or -n5; switches stand alone. */
static int read_letter(struct reader *r, const char *text)
{
    const struct option *o = r->c->cmd ? find_letter(r->c->cmd->options, text[0]) : NULL;
    if (!o)
        o = find_letter(global_options, text[0]);
    if (!o || (!o->arg && text[1])) {
        const struct call *c = r->c;
        say("no option -%s; see queuectl %s%s%s%s--help", text, c->group ? c->group->name : "",
            c->group ? " " : "", c->cmd ? c->cmd->name : "", c->cmd ? " " : "");
        return -1;
    }
    if (o->arg)
        return take_with_value(r, o, text[1] ? text + 1 : NULL);
    take(r->c, o, NULL);
    return 0;
}

static int read_option(struct reader *r)
{
    const char *word = *r->word++;
    return word[1] == '-' ? read_long(r, word + 2) : read_letter(r, word + 1);
}

/* "-" is stdin, "-5" a number unless the command has an option -5. */
static bool looks_like_option(const struct call *c, const char *word)
{
    if (word[0] != '-' || !word[1] || strcmp(word, "--") == 0)
        return false;
    return !isdigit((unsigned char)word[1]) || (c->cmd && find_letter(c->cmd->options, word[1]));
}

/* --- the whole call ------------------------------------------------------- */

static int unknown_command(const struct command *group, const char *name)
{
    struct nearest near;
    nearest_init(&near, name);
    if (group)
        for (const struct command *sub = group->subs; sub->name; sub++)
            nearest_offer(&near, sub->name);
    else
        for (size_t i = 0; commands[i]; i++)
            if (!commands[i]->hidden)
                nearest_offer(&near, commands[i]->name);
    const char *best = nearest_best(&near);
    const char *before = group ? group->name : "";
    const char *gap = group ? " " : "";
    if (best)
        say("no command %s%s%s; did you mean %s%s%s?", before, gap, name, before, gap, best);
    else
        say("no command %s%s%s; see queuectl %s%s--help", before, gap, name, before, gap);
    return -1;
}

/* Global options, then a word: 1 there is one, 0 the call ends, -1. */
static int next_word(struct reader *r)
{
    while (*r->word && looks_like_option(r->c, *r->word))
        if (read_option(r) != 0)
            return -1;
    return *r->word != NULL;
}

static int read_command(struct reader *r)
{
    struct call *c = r->c;
    int more = next_word(r);
    if (more <= 0)
        return more;
    const char *name = *r->word++;
    c->cmd = options_find_command(name);
    if (!c->cmd)
        return unknown_command(NULL, name);
    if (!c->cmd->subs)
        return 0;
    more = next_word(r);
    if (more <= 0)
        return more;
    name = *r->word++;
    c->group = c->cmd;
    c->cmd = options_find_sub(c->group, name);
    return c->cmd ? 0 : unknown_command(c->group, name);
}

static void read_program(struct reader *r)
{
    struct call *c = r->c;
    c->has_program = true;
    c->program = r->word;
    while (*r->word) {
        r->word++;
        c->program_count++;
    }
}

static int read_rest(struct reader *r)
{
    struct call *c = r->c;
    bool only_args = false;
    while (*r->word) {
        if (!only_args && strcmp(*r->word, "--") == 0) {
            r->word++;
            only_args = true;
            if (c->cmd && c->cmd->takes_program)
                read_program(r);
        } else if (!only_args && looks_like_option(c, *r->word)) {
            if (read_option(r) != 0)
                return -1;
        } else {
            c->args[c->arg_count++] = *r->word++;
        }
    }
    return 0;
}

static int check_count(const struct call *c)
{
    const struct command *cmd = c->cmd;
    const char *group = c->group ? c->group->name : "";
    const char *gap = c->group ? " " : "";
    bool few = (int)c->arg_count < cmd->min_args;
    bool many = cmd->max_args >= 0 && (int)c->arg_count > cmd->max_args;
    if (!few && !many)
        return 0;
    say("%s%s%s: %s; usage: queuectl %s%s%s%s%s", group, gap, cmd->name,
        few ? "an argument is missing" : "too many arguments", group, gap, cmd->name,
        cmd->args ? " " : "", cmd->args ? cmd->args : "");
    return -1;
}

int options_parse(struct call *c, int argc, char **argv)
{
    *c = (struct call){0};
    c->args = calloc((size_t)argc + 1, sizeof *c->args);
    c->given = calloc((size_t)argc + 1, sizeof *c->given);
    if (!c->args || !c->given)
        return say_no_memory();
    struct reader r = {argv + (argc > 0), c};
    if (read_command(&r) != 0 || read_rest(&r) != 0)
        return EXIT_USAGE;
    if (c->help || c->version || !c->cmd || !c->cmd->exec)
        return EXIT_DONE;
    return check_count(c) == 0 ? EXIT_DONE : EXIT_USAGE;
}

void options_release(struct call *c)
{
    free(c->args);
    free(c->given);
}
