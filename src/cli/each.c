/* each.c: see each.h. */
#include "cli/each.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/open.h"
#include "cli/say.h"
#include "queue/verbs.h"

static int make_room(struct id_list *l)
{
    size_t room = l->room ? l->room * 2 : 64;
    char **id = realloc(l->id, room * sizeof *id);
    if (id)
        l->id = id;
    char **file = id ? realloc(l->file, room * sizeof *file) : NULL;
    if (file)
        l->file = file;
    enum dir *state = file ? realloc(l->state, room * sizeof *state) : NULL;
    if (!state)
        return -1;
    l->state = state;
    l->room = room;
    return 0;
}

int id_list_add(struct id_list *l, const char *id)
{
    if (l->count == l->room && make_room(l) != 0)
        return -1;
    l->id[l->count] = strdup(id);
    l->file[l->count] = NULL;
    return l->id[l->count] ? (l->count++, 0) : -1;
}

void id_list_release(struct id_list *l)
{
    for (size_t i = 0; i < l->count; i++) {
        free(l->id[i]);
        free(l->file[i]);
    }
    free(l->id);
    free(l->file);
    free(l->state);
    *l = (struct id_list){0};
}

static int add_found(struct found *f, void *arg)
{
    struct id_list *l = arg;
    if (id_list_add(l, f->name.id) != 0)
        return -1;
    l->state[l->count - 1] = f->state;
    l->file[l->count - 1] = strdup(f->file);
    return l->file[l->count - 1] ? 0 : -1;
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

/* Said once for all of them: nothing tells which would come back. */
static size_t sync_deleted(struct queue *q, const bool touched[STATE_COUNT])
{
    size_t failed = 0;
    for (int d = 0; d < STATE_COUNT; d++) {
        struct err err = ERR_INIT;
        if (touched[d] && verb_delete_sync(q, (enum dir)d, &err) != 0) {
            say_error(&err);
            failed++;
        }
    }
    return failed;
}

size_t each_delete(struct queue *q, const struct id_list *l, const char *done_word)
{
    size_t failed = 0;
    bool touched[STATE_COUNT] = {false};
    for (size_t i = 0; i < l->count; i++) {
        struct err err = ERR_INIT;
        int r = l->file[i] ? verb_delete_at(q, l->state[i], l->file[i], &err)
                           : verb_delete(q, l->id[i], &err);
        if (r != 0 && !(l->file[i] && err.kind == ERR_UNKNOWN)) {
            say_error(&err);
            failed++;
        } else if (done_word) {
            printf("%s %s\n", done_word, l->id[i]);
        }
        if (l->file[i])
            touched[l->state[i]] = true;
    }
    return failed + sync_deleted(q, touched);
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
