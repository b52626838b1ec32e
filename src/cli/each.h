/* each.h: one verb over several jobs: each failure is one line, the rest goes on. */
#ifndef CLI_EACH_H
#define CLI_EACH_H

#include "cli/cli.h"
#include "queue/list.h"

struct id_list {
    char **id;
    enum dir *state; /* where id_list_fill saw it */
    char **file;     /* and under which name; NULL: not seen */
    size_t count, room;
};
int id_list_add(struct id_list *l, const char *id); /* -1: no memory */
void id_list_release(struct id_list *l);

/* The ids of all jobs the filter lets through. EXIT_... */
int id_list_fill(struct id_list *l, struct queue *q, const struct list_filter *filter);

typedef int each_verb(struct queue *q, const char *id, struct err *err);

/* Do it to each.  "DONE_WORD ID" goes to stdout (done_word NULL: nothing), errors
 * to stderr.  Returns how many failed. */
size_t each_id(struct queue *q, char *const *ids, size_t n, each_verb *verb, const char *done_word);

/* Delete each; one that has gone by itself meanwhile is as good as deleted. */
size_t each_delete(struct queue *q, const struct id_list *l, const char *done_word);

/* A whole command of that form: its arguments are the ids.  EXIT_... */
int each_run(const struct call *c, each_verb *verb, const char *done_word);

/* "1 job", "12 jobs" */
#define EACH_COUNT_LEN 48
const char *each_count(size_t n, const char *noun, char out[EACH_COUNT_LEN]);

#endif
