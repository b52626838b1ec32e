/* options.h: the words of a call, read by the option tables.
 *
 *   --name VALUE, --name=VALUE, -n VALUE, -nVALUE, and switches; options and
 *   arguments may be mixed; "--" ends the options.
 *
 * What is wrong has been said on stderr when -1 comes back; the exit code is
 * then EXIT_USAGE.
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdint.h>

#include "cli/cli.h"

/* Read a whole call (argv[1] on) into *c; argv must outlive it.  An empty call
 * has cmd NULL; a group without its subcommand has exec NULL.  EXIT_... */
int options_parse(struct call *c, int argc, char **argv);
void options_release(struct call *c);

/* The command of that name or alias in either kind of list; NULL: none. */
const struct command *options_find_command(const char *name);
const struct command *options_find_sub(const struct command *group, const char *name);

/* What was given.  The name must be in the command's table (else it is a bug). */
bool option_on(const struct call *c, const char *name);
const char *option_value(const struct call *c, const char *name); /* the last one; NULL */
/* One after the other: start with *at = 0; NULL at the end. */
const char *option_next(const struct call *c, const char *name, size_t *at);

/* The same, read: *out is left alone where the option is absent. */
int option_int(const struct call *c, const char *name, int64_t min, int64_t max, int64_t *out);
int option_duration(const struct call *c, const char *name, int64_t *ms);

#endif
