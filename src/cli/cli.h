/* cli.h: a command of the program, and one call of it.
 *
 * A command is a row: how it is called, what it says about itself, its options
 * and the function behind it.  Parsing, usage, help and `help --table` (against
 * which a test holds the manual page) all come from that row.
 *
 * exec returns the exit code.  Results go to stdout through stdio (main flushes
 * it and looks for a full disk), everything else to stderr through say.h.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>

enum exit_code {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,       /* it could not be done */
    EXIT_USAGE = 2,        /* the words of the call are off */
    EXIT_TIMEOUT = 124,
    EXIT_INTERRUPTED = 130 /* SIGINT while waiting; or the job was cancelled */
};

struct option {
    char letter;      /* 'n' for -n, or 0 */
    const char *name; /* "limit" for --limit; NULL ends a list */
    const char *arg;  /* "N"; NULL: a switch */
    const char *text;
};

struct call;

struct command {
    const char *name;           /* NULL ends a list of subcommands */
    const char *alias;          /* or NULL */
    const char *args;           /* what follows in the usage: "ID...", or NULL */
    int min_args, max_args;     /* how many of them; max_args -1: any number */
    bool takes_program;         /* words behind "--" are kept apart, in call.program */
    bool hidden;                /* not in any help */
    const char *summary;        /* one line */
    const char *details;        /* whole lines for its help, or NULL */
    const char *examples;       /* whole lines: calls that work, or NULL */
    const struct option *options;
    const struct command *subs; /* then exec is NULL */
    int (*exec)(struct call *c);
};

struct given {
    const struct option *option;
    const char *value; /* NULL for a switch */
};

struct call {
    const struct command *group;   /* the command whose subcommand cmd is, or NULL */
    const struct command *cmd;
    const char *spool;             /* --spool, or NULL */
    bool no_color, help, version;  /* the other global options */
    char **args;
    size_t arg_count;
    char **program;                /* behind "--", if the command takes one */
    size_t program_count;
    bool has_program;
    struct given *given;           /* in the order of the call */
    size_t given_count;
};

/* All commands in the order of the help; ends with NULL. */
extern const struct command *const commands[];
extern const struct option global_options[];

#endif
