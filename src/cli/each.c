/* each.c: see each.h. */
#include "cli/each.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/open.h"
#include "cli/say.h"

int id_list_add(struct id_list *l, const char *id)
{
    if (l->count == l->room) {
        size_t room = l->room ? l->room * 2 : 64;
        char **grown = realloc(l->id, room * sizeof *grown);
        if (!grown)
            return -1;
        l->id = grown;
        l->room = room;
    }
    l->id[l->count] = strdup(id);
    return l->id[l->count] ? (l->count++, 0) : -1;
}

void id_list_release(struct id_list *l)
{
    for (size_t i = 0; i < l->count; i++)
        free(l->id[i]);
    free(l->id);
    *l = (struct id_list){0};
}

static int add_found(struct found *f, void *arg)
{
    return id_list_add(arg, f->name.id);
}

int id_list_fill(struct id_list *l, struct queue *q, const struct list_filter *filter)
{
    struct err err = ERR_INIT;
    if (list_jobs(q, filter, add_found, l, &err) == 0)
        return EXIT_DONE;
    return err.kind == ERR_NONE ? say_no_memory() : say_error(&err);
}

size_t each_id(struct queue *q, char *const *ids, size_t n, each_verb *verb, const char *done_word)
{
    size_t failed = 0;
    for (size_t i = 0; i < n; i++) {
        struct err err = ERR_INIT;
        if (verb(q, ids[i], &err) != 0) {
            say_error(&err);
            failed++;
        } else if (done_word) {
            printf("%s %s\n", done_word, ids[i]);
        }
    }
    return failed;
}

int each_run(const struct call *c, each_verb *verb, const char *done_word)
{
    struct queue q;
    int code = open_to_write(c, &q);
    if (code != EXIT_DONE)
        return code;
    if (each_id(&q, c->args, c->arg_count, verb, done_word) > 0)
        code = EXIT_FAILED;
    queue_close(&q);
    return code;
}

const char *each_count(size_t n, const char *noun, char out[EACH_COUNT_LEN])
{
    snprintf(out, EACH_COUNT_LEN, "%zu %s%s", n, noun, n == 1 ? "" : "s");
    return out;
}
