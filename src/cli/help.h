/* help.h: what the tables say about themselves. */
#ifndef CLI_HELP_H
#define CLI_HELP_H

#include <stdio.h>

#include "cli/cli.h"

void help_overview(FILE *out);
void help_command(FILE *out, const struct command *group, const struct command *cmd);

extern const struct command cmd_help;

#endif
