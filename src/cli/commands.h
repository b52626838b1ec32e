/* commands.h: the rows of main.c's table, one a file (cmd_NAME.c). */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include "cli/cli.h"

extern const struct command cmd_enqueue;
extern const struct command cmd_worker;
extern const struct command cmd_status;
extern const struct command cmd_list;
extern const struct command cmd_show;
extern const struct command cmd_logs;
extern const struct command cmd_wait;
extern const struct command cmd_retry;
extern const struct command cmd_cancel;
extern const struct command cmd_hold;    /* cmd_hold.c, both */
extern const struct command cmd_release;
extern const struct command cmd_edit;
extern const struct command cmd_delete;
extern const struct command cmd_clear;
extern const struct command cmd_dlq;
extern const struct command cmd_pause;   /* cmd_pause.c, both */
extern const struct command cmd_resume;
extern const struct command cmd_config;
extern const struct command cmd_init;
extern const struct command cmd_fsck;

#endif
