/* show.h: one job for a person: its members, its runs, where its file lies. */
#ifndef CLI_SHOW_H
#define CLI_SHOW_H

#include "cli/cli.h"
#include "queue/find.h"

/* As `show ID` and `dlq show ID` print it (--json: the document); EXIT_... */
int show_job(const struct call *c, struct queue *q, struct found *f);

#endif
