/* dropped.c: one block an item, its name at its end; two binary heaps, and a
 * table of chains by the hash of the name.  An item lies in one of the heaps
 * and knows its place there, so that waking it is a removal and a push. */
#include "worker/dropped.h"

#include <stdlib.h>
#include <string.h>

struct item {
    struct dropped d; /* first: what goes out comes back */
    struct item *next; /* of its chain */
    uint32_t hash;
    uint32_t pos; /* in its heap */
    bool due;
    char name[];
};

struct heap {
    struct item **slot;
    size_t n;
};

struct dropped_set {
    struct heap due, later;
    struct item **table;
    size_t table_size; /* a power of two, and room in each heap */
    size_t count;
};

/* -- the heaps ----------------------------------------------------------- */

static bool before(const struct item *a, const struct item *b)
{
    if (!a->due)
        return a->d.look_us < b->d.look_us;
    if (a->d.age != b->d.age)
        return a->d.age < b->d.age;
    return strcmp(a->name, b->name) < 0;
}

static struct heap *heap_of(struct dropped_set *s, const struct item *it)
{
    return it->due ? &s->due : &s->later;
}

static void put(struct heap *h, size_t at, struct item *it)
{
    h->slot[at] = it;
    it->pos = (uint32_t)at;
}

static void sift_up(struct heap *h, size_t at)
{
    struct item *it = h->slot[at];
    for (; at > 0 && before(it, h->slot[(at - 1) / 2]); at = (at - 1) / 2)
        put(h, at, h->slot[(at - 1) / 2]);
    put(h, at, it);
}

static void sift_down(struct heap *h, size_t at)
{
    struct item *it = h->slot[at];
    for (;;) {
        size_t child = 2 * at + 1;
        if (child + 1 < h->n && before(h->slot[child + 1], h->slot[child]))
            child++;
        if (child >= h->n || !before(h->slot[child], it))
            break;
        put(h, at, h->slot[child]);
        at = child;
    }
    put(h, at, it);
}

static void heap_push(struct dropped_set *s, struct item *it, bool due)
{
    it->due = due;
    struct heap *h = heap_of(s, it);
    h->slot[h->n] = it;
    sift_up(h, h->n++);
}

static void heap_remove(struct dropped_set *s, struct item *it)
{
    struct heap *h = heap_of(s, it);
    struct item *last = h->slot[--h->n];
    if (last == it)
        return;
    put(h, it->pos, last);
    sift_up(h, last->pos);
    sift_down(h, last->pos);
}

/* -- the table ----------------------------------------------------------- */

/* FNV-1a */
static uint32_t hash_name(const char *file)
{
    uint64_t h = UINT64_C(14695981039346656037);
    for (; *file; file++)
        h = (h ^ (unsigned char)*file) * UINT64_C(1099511628211);
    return (uint32_t)(h ^ h >> 32);
}

/* The link that leads to it, or the end of its chain. */
static struct item **find(const struct dropped_set *s, const char *file, uint32_t hash)
{
    struct item **at = &s->table[hash & (s->table_size - 1)];
    while (*at && ((*at)->hash != hash || strcmp((*at)->name, file) != 0))
        at = &(*at)->next;
    return at;
}

/* Both heaps and the table take `size`; on failure all is as before. */
static bool resize(struct dropped_set *s, size_t size)
{
    struct item **due = realloc(s->due.slot, size * sizeof *due);
    if (due)
        s->due.slot = due;
    struct item **later = due ? realloc(s->later.slot, size * sizeof *later) : NULL;
    if (later)
        s->later.slot = later;
    struct item **table = later ? calloc(size, sizeof *table) : NULL;
    if (!table)
        return false;
    for (size_t i = 0; i < s->table_size; i++)
        for (struct item *it = s->table[i], *next; it; it = next) {
            next = it->next;
            it->next = table[it->hash & (size - 1)];
            table[it->hash & (size - 1)] = it;
        }
    free(s->table);
    s->table = table;
    s->table_size = size;
    return true;
}

/* Room for one more. */
static bool make_room(struct dropped_set *s)
{
    return s->count < s->table_size ||
           (s->count < DROPPED_MAX && resize(s, s->table_size ? 2 * s->table_size : 256));
}

static void enter(struct dropped_set *s, struct item *it, bool due)
{
    struct item **link = &s->table[it->hash & (s->table_size - 1)];
    it->next = *link;
    *link = it;
    heap_push(s, it, due);
    s->count++;
}

static void leave(struct dropped_set *s, struct item *it)
{
    *find(s, it->name, it->hash) = it->next;
    heap_remove(s, it);
    s->count--;
}

/* -- the set ------------------------------------------------------------- */

struct dropped_set *dropped_new(void)
{
    struct dropped_set *s = calloc(1, sizeof *s);
    if (s && !make_room(s)) {
        dropped_free(s);
        return NULL;
    }
    return s;
}

void dropped_free(struct dropped_set *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->due.n; i++)
        free(s->due.slot[i]);
    for (size_t i = 0; i < s->later.n; i++)
        free(s->later.slot[i]);
    free(s->due.slot);
    free(s->later.slot);
    free(s->table);
    free(s);
}

bool dropped_has(const struct dropped_set *s, const char *file)
{
    return *find(s, file, hash_name(file)) != NULL;
}

static void wake(struct dropped_set *s, struct item *it)
{
    if (it->due)
        return;
    heap_remove(s, it);
    heap_push(s, it, true);
}

bool dropped_wake(struct dropped_set *s, const char *file)
{
    struct item *it = *find(s, file, hash_name(file));
    if (it)
        wake(s, it);
    return it != NULL;
}

bool dropped_add(struct dropped_set *s, const char *file, int64_t age)
{
    size_t len = strlen(file) + 1;
    if (dropped_wake(s, file))
        return true;
    struct item *it = make_room(s) ? malloc(sizeof *it + len) : NULL;
    if (!it)
        return false;
    *it = (struct item){.d = {.file = it->name, .age = age}, .hash = hash_name(file)};
    memcpy(it->name, file, len);
    enter(s, it, true);
    return true;
}

struct dropped *dropped_take(struct dropped_set *s, int64_t now_us)
{
    while (s->later.n > 0 && s->later.slot[0]->d.look_us <= now_us)
        wake(s, s->later.slot[0]);
    if (s->due.n == 0)
        return NULL;
    struct item *it = s->due.slot[0];
    leave(s, it);
    return &it->d;
}

bool dropped_put_back(struct dropped_set *s, struct dropped *d)
{
    struct item *it = (struct item *)d;
    bool known = *find(s, it->name, it->hash) != NULL;
    bool room = !known && make_room(s);
    if (room)
        enter(s, it, false);
    else
        free(it);
    return known || room;
}

void dropped_forget(struct dropped *d)
{
    free(d);
}

size_t dropped_count(const struct dropped_set *s)
{
    return s->count;
}

int64_t dropped_next_us(const struct dropped_set *s)
{
    if (s->due.n > 0)
        return 0;
    return s->later.n > 0 ? s->later.slot[0]->d.look_us : INT64_MAX;
}
