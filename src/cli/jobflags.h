/* jobflags.h: the options that stand for members of a job, for enqueue and edit.
 *
 * A flag wins over the member, and over those that exclude it: --delay drops
 * run_at, --command drops argv.
 */
#ifndef CLI_JOBFLAGS_H
#define CLI_JOBFLAGS_H

#include "cli/cli.h"
#include "job/json.h"

/* The rows for an option table. */
#define JOBFLAGS_OPTIONS                                                                           \
    {0, "command", "TEXT", "what /bin/sh -c runs"},                                                \
        {0, "priority", "N", "-100 to 100, or low, normal, high; higher runs first (0)"},          \
        {0, "max-retries", "N", "how often a failed job is run again (3)"},                        \
        {0, "timeout", "DURATION", "end the job after this time: 90, 90s, 5m, 2h (none)"},         \
        {0, "run-at", "TIME", "not before: 2026-11-22T03:15, with Z or +01:00, or Unix seconds"},  \
        {0, "delay", "DURATION", "not before this much time has passed"},                          \
        {0, "backoff-base", "N", "retry n waits N^n seconds (2)"},                                 \
        {0, "cwd", "DIR", "where it runs (the current directory)"},                                \
        {0, "env", "NAME=VALUE", "one more environment variable; may be repeated"},                \
        {0, "detach", NULL, "what the job leaves running may go on"},                              \
        {0, "on-crash", "WORD", "dead: never start it a second time if its worker dies"}

bool jobflags_given(const struct call *c);

/* Are the values good by themselves?  EXIT_...; EXIT_USAGE: it has been said that they
 * are not. */
int jobflags_check(const struct call *c);

/* Put them into a document.  For an edit what they exclude becomes null ("take it
 * out"), else it is taken out here.  Of --env the variables are added to those the
 * document has.  Without memory the document cannot be printed (json_print). */
enum jobflags_for { JOBFLAGS_ENQUEUE, JOBFLAGS_EDIT };
void jobflags_apply(const struct call *c, enum jobflags_for use, struct json_doc *doc);

/* Append the current directory as a JSON string.  -1: it has been said why not. */
int jobflags_current_dir(struct buf *raw);

#endif
