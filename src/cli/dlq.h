/* dlq.h: what the subcommands of dlq share. */
#ifndef CLI_DLQ_H
#define CLI_DLQ_H

#include "cli/cli.h"
#include "queue/list.h"

#define DLQ_FILTER_OPTIONS                                                                         \
    {0, "error", "TEXT", "only those whose reason holds TEXT"},                                    \
        {0, "older-than", "DURATION", "only those that died longer ago: 7d"}

/* The dead that these two options let through. -1: said; EXIT_USAGE. */
int dlq_read_filter(const struct call *c, struct list_filter *filter);

/* dlq list */
int dlq_run_list(struct call *c);

#endif
