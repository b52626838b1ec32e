/* help.c: usage, help and the list for scripts, all read off the tables. */
#include "cli/help.h"

#include <string.h>

#include "cli/options.h"
#include "cli/output.h"
#include "cli/say.h"
#include "job/job.h"

#define OPTION_WIDTH 24

static void print_options(FILE *out, const char *title, const struct option *o)
{
    if (!o || !o->name)
        return;
    fprintf(out, "\n%s:\n", title);
    for (; o->name; o++) {
        char text[64];
        snprintf(text, sizeof text, "%c%c%s--%s%s%s", o->letter ? '-' : ' ',
                 o->letter ? o->letter : ' ', o->letter ? ", " : "  ", o->name, o->arg ? " " : "",
                 o->arg ? o->arg : "");
        fprintf(out, "  %-*s%s%s\n", OPTION_WIDTH, text, strlen(text) < OPTION_WIDTH ? "" : "  ",
                o->text);
    }
}

static void print_indented(FILE *out, const char *title, const char *lines)
{
    if (!lines)
        return;
    fprintf(out, "\n%s:\n", title);
    while (*lines) {
        size_t n = strcspn(lines, "\n");
        fprintf(out, "  %.*s\n", (int)n, lines);
        lines += n + (lines[n] == '\n');
    }
}

static void print_usage(FILE *out, const struct command *group, const struct command *cmd)
{
    fprintf(out, "queuectl %s%s%s", group ? group->name : "", group ? " " : "", cmd->name);
    if (cmd->subs)
        fputs(" COMMAND", out);
    if (cmd->options)
        fputs(" [options]", out);
    fprintf(out, "%s%s\n", cmd->args ? " " : "", cmd->args ? cmd->args : "");
}

static void print_subs(FILE *out, const struct command *group)
{
    fputs("\nCommands:\n", out);
    for (const struct command *sub = group->subs; sub->name; sub++)
        if (!sub->hidden)
            fprintf(out, "  %-10s%s\n", sub->name, sub->summary);
}

void help_overview(FILE *out)
{
    fputs("usage: queuectl [--spool DIR] COMMAND ...\n\n"
          "A queue of shell jobs for one host: a job is a JSON file, its state the\n"
          "folder it lies in.\n\nCommands:\n",
          out);
    for (size_t i = 0; commands[i]; i++)
        if (!commands[i]->hidden)
            fprintf(out, "  %-10s%s\n", commands[i]->name, commands[i]->summary);
    print_options(out, "Options of every command", global_options);
    fputs("\nMore: queuectl help COMMAND.  First steps:\n"
          "  queuectl enqueue --command 'echo hi'\n"
          "  queuectl worker start\n"
          "  queuectl list\n",
          out);
}

void help_command(FILE *out, const struct command *group, const struct command *cmd)
{
    fputs("usage: ", out);
    print_usage(out, group, cmd);
    fprintf(out, "\n%s\n", cmd->summary);
    if (cmd->alias)
        fprintf(out, "Also called: %s.\n", cmd->alias);
    if (cmd->details)
        fprintf(out, "\n%s\n", cmd->details);
    if (cmd->subs)
        print_subs(out, cmd);
    print_options(out, "Options", cmd->options);
    print_options(out, "Options of every command", global_options);
    print_indented(out, "Examples", cmd->examples);
}

/* --- queuectl help -------------------------------------------------------- */

/* A line for each way to write it. */
static void print_option_rows(const char *command, const struct option *o)
{
    for (; o && o->name; o++) {
        const char *gap = o->arg ? " " : "";
        const char *arg = o->arg ? o->arg : "";
        printf("%s\t--%s%s%s\t%s\n", command, o->name, gap, arg, o->text);
        if (o->letter)
            printf("%s\t-%c%s%s\tthe same as --%s\n", command, o->letter, gap, arg, o->name);
    }
}

static void print_row(const struct command *group, const struct command *cmd)
{
    if (cmd->hidden)
        return;
    char name[64];
    const char *before = group ? group->name : "";
    const char *gap = group ? " " : "";
    snprintf(name, sizeof name, "%s%s%s", before, gap, cmd->name);
    printf("%s\t\t%s\n", name, cmd->summary);
    if (cmd->alias)
        printf("%s%s%s\t\tthe same as %s\n", before, gap, cmd->alias, cmd->name);
    print_option_rows(name, cmd->options);
    for (const struct command *sub = cmd->subs; sub && sub->name; sub++)
        print_row(cmd, sub);
}

static void print_table(void)
{
    print_option_rows("", global_options);
    for (size_t i = 0; commands[i]; i++)
        print_row(NULL, commands[i]);
}

/* Of a job's document. */
static void print_members(void)
{
    for (size_t i = 0; i < job_member_count; i++) {
        const struct job_member *m = &job_members[i];
        printf("%s\t%s\t%s\t%s\n", m->name, m->recorded ? "recorded" : "given", m->accepts,
               m->text);
    }
}

static int print_schema(void)
{
    struct buf text = BUF_INIT;
    int result = job_print_schema(&text);
    if (result == 0)
        output_text(&text);
    buf_release(&text);
    return result == 0 ? EXIT_DONE : say_no_memory();
}

static int explain(const struct call *c)
{
    const struct command *group = NULL;
    const struct command *cmd = options_find_command(c->args[0]);
    if (cmd && c->arg_count == 2) {
        group = cmd;
        cmd = options_find_sub(group, c->args[1]);
    }
    if (!cmd) {
        say("no command %s%s%s; see queuectl help", group ? c->args[0] : "", group ? " " : "",
            c->args[c->arg_count - 1]);
        return EXIT_USAGE;
    }
    help_command(stdout, group, cmd);
    return EXIT_DONE;
}

static int run(struct call *c)
{
    if (option_on(c, "schema"))
        return print_schema();
    if (option_on(c, "table"))
        print_table();
    else if (option_on(c, "members"))
        print_members();
    else if (c->arg_count > 0)
        return explain(c);
    else
        help_overview(stdout);
    return EXIT_DONE;
}

static const struct option options[] = {
    {0, "table", NULL, "for scripts: command, option and text of each, with tabs between"},
    {0, "members", NULL, "for scripts: the members of a job: name, given or recorded, value, text"},
    {0, "schema", NULL, "for editors and validators: a JSON Schema of a job's document"},
    {0, NULL, NULL, NULL},
};

const struct command cmd_help = {
    .name = "help",
    .args = "[COMMAND [SUBCOMMAND]]",
    .max_args = 2,
    .summary = "explain a command",
    .examples = "queuectl help enqueue\nqueuectl help dlq retry\n",
    .options = options,
    .exec = run,
};
