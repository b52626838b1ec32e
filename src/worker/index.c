/* index.c: entries in one array, two binary heaps and a hash table of their
 * numbers: 32 bytes an entry, 8 to 16 for the table, 4 for the heap, beside the
 * name.
 */
#include "worker/index.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX

struct entry {
    char *file; /* NULL: free, and pos links to the next free one */
    int64_t due_us;
    int64_t wake_us;
    uint32_t pos; /* in its heap */
    int8_t priority;
    uint8_t dir;
    bool ready;
    uint8_t seen; /* the scan that saw it last */
};

struct heap {
    uint32_t *slot;
    size_t n;
};

struct index {
    struct entry *entry;
    size_t used, cap; /* entries ever used, allocated */
    uint32_t free;
    size_t count;
    struct heap ready, later;
    uint32_t *table; /* NONE or an entry's number; linear probing */
    size_t table_size;
    uint8_t scan[STATE_COUNT];
};

/* -- the heaps ----------------------------------------------------------- */

static bool before(const struct index *x, bool ready, uint32_t a, uint32_t b)
{
    const struct entry *p = &x->entry[a], *q = &x->entry[b];
    if (!ready)
        return p->wake_us < q->wake_us;
    if (p->priority != q->priority)
        return p->priority > q->priority;
    if (p->due_us != q->due_us)
        return p->due_us < q->due_us;
    return strcmp(p->file, q->file) < 0;
}

static struct heap *heap_of(struct index *x, bool ready)
{
    return ready ? &x->ready : &x->later;
}

static void put(struct index *x, struct heap *h, size_t at, uint32_t e)
{
    h->slot[at] = e;
    x->entry[e].pos = (uint32_t)at;
}

static void sift_up(struct index *x, bool ready, size_t at)
{
    struct heap *h = heap_of(x, ready);
    uint32_t e = h->slot[at];
    for (; at > 0 && before(x, ready, e, h->slot[(at - 1) / 2]); at = (at - 1) / 2)
        put(x, h, at, h->slot[(at - 1) / 2]);
    put(x, h, at, e);
}

static void sift_down(struct index *x, bool ready, size_t at)
{
    struct heap *h = heap_of(x, ready);
    uint32_t e = h->slot[at];
    for (;;) {
        size_t child = 2 * at + 1;
        if (child + 1 < h->n && before(x, ready, h->slot[child + 1], h->slot[child]))
            child++;
        if (child >= h->n || !before(x, ready, h->slot[child], e))
            break;
        put(x, h, at, h->slot[child]);
        at = child;
    }
    put(x, h, at, e);
}

static void heap_push(struct index *x, bool ready, uint32_t e)
{
    struct heap *h = heap_of(x, ready);
    x->entry[e].ready = ready;
    h->slot[h->n] = e;
    sift_up(x, ready, h->n++);
}

static void heap_remove(struct index *x, uint32_t e)
{
    bool ready = x->entry[e].ready;
    struct heap *h = heap_of(x, ready);
    size_t at = x->entry[e].pos;
    uint32_t last = h->slot[--h->n];
    if (last == e)
        return;
    put(x, h, at, last);
    sift_up(x, ready, at);
    sift_down(x, ready, x->entry[last].pos);
}

/* -- the table ----------------------------------------------------------- */

/* FNV-1a over folder and name. */
static size_t hash(uint8_t d, const char *file)
{
    uint64_t h = UINT64_C(14695981039346656037) ^ d;
    for (; *file; file++)
        h = (h ^ (unsigned char)*file) * UINT64_C(1099511628211);
    return (size_t)(h ^ h >> 32);
}

/* The slot that holds it, or the empty one where it would go. */
static size_t probe(const struct index *x, uint8_t d, const char *file)
{
    size_t at = hash(d, file) & (x->table_size - 1);
    for (; x->table[at] != NONE; at = (at + 1) & (x->table_size - 1)) {
        const struct entry *e = &x->entry[x->table[at]];
        if (e->dir == d && strcmp(e->file, file) == 0)
            break;
    }
    return at;
}

/* Close the gap: move back what would no longer be found. */
static void table_remove(struct index *x, size_t gap)
{
    size_t mask = x->table_size - 1;
    for (size_t at = (gap + 1) & mask; x->table[at] != NONE; at = (at + 1) & mask) {
        const struct entry *e = &x->entry[x->table[at]];
        size_t home = hash(e->dir, e->file) & mask;
        if (((at - home) & mask) >= ((at - gap) & mask)) {
            x->table[gap] = x->table[at];
            gap = at;
        }
    }
    x->table[gap] = NONE;
}

static bool table_resize(struct index *x, size_t size)
{
    uint32_t *fresh = malloc(size * sizeof *fresh);
    if (!fresh)
        return false;
    memset(fresh, 0xff, size * sizeof *fresh);
    free(x->table);
    x->table = fresh;
    x->table_size = size;
    for (uint32_t i = 0; i < x->used; i++)
        if (x->entry[i].file)
            x->table[probe(x, x->entry[i].dir, x->entry[i].file)] = i;
    return true;
}

/* -- entries ------------------------------------------------------------- */

static bool grow(struct index *x)
{
    size_t cap = x->cap ? 2 * x->cap : 1024;
    struct entry *entry = realloc(x->entry, cap * sizeof *entry);
    if (entry)
        x->entry = entry;
    uint32_t *ready = entry ? realloc(x->ready.slot, cap * sizeof *ready) : NULL;
    if (ready)
        x->ready.slot = ready;
    uint32_t *later = ready ? realloc(x->later.slot, cap * sizeof *later) : NULL;
    if (later)
        x->later.slot = later;
    if (!later || !table_resize(x, 2 * cap))
        return false;
    x->cap = cap;
    return true;
}

static uint32_t entry_new(struct index *x)
{
    uint32_t e = x->free;
    if (e != NONE) {
        x->free = x->entry[e].pos;
        return e;
    }
    if (x->used == x->cap && (x->cap >= NONE / 2 || !grow(x)))
        return NONE;
    return (uint32_t)x->used++;
}

static void entry_drop(struct index *x, uint32_t e)
{
    heap_remove(x, e);
    table_remove(x, probe(x, x->entry[e].dir, x->entry[e].file));
    free(x->entry[e].file);
    x->entry[e].file = NULL;
    x->entry[e].pos = x->free;
    x->free = e;
    x->count--;
}

struct index *index_new(void)
{
    struct index *x = calloc(1, sizeof *x);
    if (!x)
        return NULL;
    x->free = NONE;
    if (!grow(x)) {
        index_free(x);
        return NULL;
    }
    return x;
}

void index_clear(struct index *x)
{
    for (size_t i = 0; i < x->used; i++)
        free(x->entry[i].file);
    x->used = x->count = x->ready.n = x->later.n = 0;
    x->free = NONE;
    memset(x->table, 0xff, x->table_size * sizeof *x->table);
}

void index_free(struct index *x)
{
    if (!x)
        return;
    for (size_t i = 0; i < x->used; i++)
        free(x->entry[i].file);
    free(x->entry);
    free(x->ready.slot);
    free(x->later.slot);
    free(x->table);
    free(x);
}

bool index_has(const struct index *x, enum dir d, const char *file)
{
    uint32_t e = x->table[probe(x, (uint8_t)d, file)];
    if (e == NONE)
        return false;
    x->entry[e].seen = x->scan[d];
    return true;
}

bool index_add(struct index *x, enum dir d, const char *file, const struct name *n,
               int64_t wake_us, int64_t now_us)
{
    if (index_has(x, d, file))
        return true;
    uint32_t e = entry_new(x);
    if (e == NONE)
        return false;
    x->entry[e] = (struct entry){.file = strdup(file),
                                 .due_us = n->time_us,
                                 .wake_us = wake_us,
                                 .priority = (int8_t)n->priority,
                                 .dir = (uint8_t)d,
                                 .seen = x->scan[d]};
    if (!x->entry[e].file) {
        x->entry[e].pos = x->free;
        x->free = e;
        return false;
    }
    x->table[probe(x, (uint8_t)d, file)] = e;
    heap_push(x, wake_us <= now_us, e);
    x->count++;
    return true;
}

void index_wake(struct index *x, int64_t now_us)
{
    while (x->later.n > 0 && x->entry[x->later.slot[0]].wake_us <= now_us) {
        uint32_t e = x->later.slot[0];
        heap_remove(x, e);
        heap_push(x, true, e);
    }
}

void index_shift(struct index *x, enum dir d, int64_t by_us)
{
    for (size_t i = 0; i < x->later.n; i++) {
        struct entry *e = &x->entry[x->later.slot[i]];
        if (e->dir == d)
            e->wake_us += by_us;
    }
    for (size_t i = x->later.n / 2; i-- > 0;)
        sift_down(x, false, i);
}

bool index_has_ready(const struct index *x)
{
    return x->ready.n > 0;
}

bool index_pop(struct index *x, enum dir *d, char file[FILE_NAME_MAX + 1])
{
    if (x->ready.n == 0)
        return false;
    uint32_t e = x->ready.slot[0];
    *d = (enum dir)x->entry[e].dir;
    snprintf(file, FILE_NAME_MAX + 1, "%s", x->entry[e].file);
    entry_drop(x, e);
    return true;
}

int64_t index_next_wake(const struct index *x)
{
    return x->later.n > 0 ? x->entry[x->later.slot[0]].wake_us : INT64_MAX;
}

size_t index_count(const struct index *x)
{
    return x->count;
}

void index_forget(struct index *x, enum dir d)
{
    for (uint32_t i = 0; i < x->used; i++)
        if (x->entry[i].file && x->entry[i].dir == d)
            entry_drop(x, i);
}

void index_scan_begin(struct index *x, enum dir d)
{
    x->scan[d]++;
}

/* What an event added while the scan ran has the scan's number already. */
void index_scan_end(struct index *x, enum dir d)
{
    for (uint32_t i = 0; i < x->used; i++)
        if (x->entry[i].file && x->entry[i].dir == d && x->entry[i].seen != x->scan[d])
            entry_drop(x, i);
}
