/* logs_read.h: printing what one run of a job wrote. */
#ifndef CLI_LOGS_READ_H
#define CLI_LOGS_READ_H

#include "queue/find.h"
#include "queue/logs.h"

#define LOGS_FOLLOW_MS 100

struct logs_source {
    enum logs_stream which;
    int to;
    int fd;    /* -1: none (yet) */
    bool sure; /* what it holds is this run's output */
    off_t at;
};

struct logs_reading {
    struct queue *q;
    const char *id;
    int run;
    char file[FILE_NAME_MAX + 1]; /* in processing/, "" when the run is over */
    int64_t tail;                 /* lines; < 0: all */
    struct logs_source stream[2];
    size_t streams;
    bool any;    /* something was printed */
    bool failed;
};

/* Print run `run`; file is its name in processing/ while it goes on, else "".
 * follow: until it has ended, or SIGINT (waiting.h). */
void logs_print_run(struct logs_reading *r, int run, const char *file, bool follow);

/* The same as one JSON value; run 0: it has not run yet.  EXIT_... */
int logs_print_json(struct logs_reading *r, int run);

#endif
