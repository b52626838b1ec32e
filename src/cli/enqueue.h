/* enqueue.h: the forms of enqueue, and what they share: making a job of a document
 * and flags, and printing what was or would be stored. */
#ifndef CLI_ENQUEUE_H
#define CLI_ENQUEUE_H

#include "cli/cli.h"
#include "queue/enqueue.h"

struct enqueue_source {
    const char *name; /* of the file, for messages; NULL: the call itself */
    bool flags;       /* some of jobflags.h were given */
    const char *cwd;  /* JSON: for jobs that have none; "" where --cwd was given */
};

/* How a file is called in messages: "-" is stdin. */
const char *enqueue_file_name(const char *file);

/* Append a file ("-": stdin), at most max bytes. -1: it has been said why not. */
int enqueue_read(const char *file, size_t max, struct buf *out);

/* A job from a document and the flags.  -1: as of job_parse, and *job needs no
 * release. */
int enqueue_make(const struct call *c, const struct enqueue_source *s, const char *text, size_t n,
                 struct job *job, struct err *err);

/* Fill in what would be stored; on failure *bad is the index.  q NULL: there is no
 * spool yet, so the default settings hold. */
int enqueue_dry_run(struct queue *q, struct job *jobs, size_t n, size_t *bad, struct err *err);

int enqueue_print(const struct job *job); /* the document; EXIT_... */

/* The forms. EXIT_... */
int enqueue_one(const struct call *c, struct enqueue_source *s);
int enqueue_batch(const struct call *c, const struct enqueue_source *s); /* --batch FILE */
int enqueue_lines(const struct call *c, const struct enqueue_source *s); /* --lines */

#endif
