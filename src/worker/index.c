/* index.c: entries in one array, three binary heaps and a hash table of their
 * numbers: 32 bytes an entry, 8 to 16 for the table, 4 for the heap, beside the
 * name.
 *
 * Where several pools share a spool, each would offer the same names first, and all
 * but one of their claims would be lost.  So each has its share of the names, by their
 * hash, and takes those first, among names of one priority.  The others' are taken when
 * nothing else is left; or when one of them is there still after PASS_MAX of our own
 * went before it: then its pool is busy, or gone, and so may be those behind it, until
 * one is found that was claimed meanwhile.
 */
#include "worker/index.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX
#define PASS_MAX 64    /* more than a pool has in its workers' hands (board.h) */
#define SHARE_BITS 1024 /* not those that choose the place in the table */

struct entry {
    char *file; /* NULL: free, and pos links to the next free one */
    int64_t due_us;
    int64_t wake_us;
    uint32_t pos; /* in its heap */
    int8_t priority;
    uint8_t dir;
    uint8_t heap;
    uint8_t seen; /* the scan that saw it last */
};

enum { OWN, OTHERS, LATER, HEAPS }; /* the first two are ready */

struct heap {
    uint32_t *slot;
    size_t n;
};

struct index {
    struct entry *entry;
    size_t used, cap; /* entries ever used, allocated */
    uint32_t free;
    size_t count;
    struct heap heap[HEAPS];
    unsigned rank, pools; /* our share: 0 of 1 is all */
    size_t passed;        /* own ones taken since we looked at the others' */
    uint32_t suspect;     /* the first of these that was there then */
    bool stuck;           /* it was there again */
    uint32_t *table; /* NONE or an entry's number; linear probing */
    size_t table_size;
    uint8_t scan[STATE_COUNT];
};

/* -- the heaps ----------------------------------------------------------- */

static bool runs_before(const struct index *x, uint32_t a, uint32_t b)
{
    const struct entry *p = &x->entry[a], *q = &x->entry[b];
    if (p->priority != q->priority)
        return p->priority > q->priority;
    if (p->due_us != q->due_us)
        return p->due_us < q->due_us;
    return strcmp(p->file, q->file) < 0;
}

static bool before(const struct index *x, int heap, uint32_t a, uint32_t b)
{
    return heap == LATER ? x->entry[a].wake_us < x->entry[b].wake_us : runs_before(x, a, b);
}

static void put(struct index *x, struct heap *h, size_t at, uint32_t e)
{
    h->slot[at] = e;
    x->entry[e].pos = (uint32_t)at;
}

static void sift_up(struct index *x, int heap, size_t at)
{
    struct heap *h = &x->heap[heap];
    uint32_t e = h->slot[at];
    for (; at > 0 && before(x, heap, e, h->slot[(at - 1) / 2]); at = (at - 1) / 2)
        put(x, h, at, h->slot[(at - 1) / 2]);
    put(x, h, at, e);
}

static void sift_down(struct index *x, int heap, size_t at)
{
    struct heap *h = &x->heap[heap];
    uint32_t e = h->slot[at];
    for (;;) {
        size_t child = 2 * at + 1;
        if (child + 1 < h->n && before(x, heap, h->slot[child + 1], h->slot[child]))
            child++;
        if (child >= h->n || !before(x, heap, h->slot[child], e))
            break;
        put(x, h, at, h->slot[child]);
        at = child;
    }
    put(x, h, at, e);
}

static void heap_push(struct index *x, int heap, uint32_t e)
{
    struct heap *h = &x->heap[heap];
    x->entry[e].heap = (uint8_t)heap;
    h->slot[h->n] = e;
    sift_up(x, heap, h->n++);
}

static void heap_remove(struct index *x, uint32_t e)
{
    int heap = x->entry[e].heap;
    struct heap *h = &x->heap[heap];
    size_t at = x->entry[e].pos;
    uint32_t last = h->slot[--h->n];
    if (last == e)
        return;
    put(x, h, at, last);
    sift_up(x, heap, at);
    sift_down(x, heap, x->entry[last].pos);
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
    if (!entry)
        return false;
    for (int heap = 0; heap < HEAPS; heap++) {
        uint32_t *slot = realloc(x->heap[heap].slot, cap * sizeof *slot);
        if (!slot)
            return false;
        x->heap[heap].slot = slot;
    }
    if (!table_resize(x, 2 * cap))
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
    x->pools = 1;
    x->suspect = NONE;
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
    x->used = x->count = 0;
    for (int heap = 0; heap < HEAPS; heap++)
        x->heap[heap].n = 0;
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
    for (int heap = 0; heap < HEAPS; heap++)
        free(x->heap[heap].slot);
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

static int share_of(const struct index *x, uint32_t e)
{
    const struct entry *of = &x->entry[e];
    return x->pools <= 1 || hash(of->dir, of->file) / SHARE_BITS % x->pools == x->rank ? OWN : OTHERS;
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
    heap_push(x, wake_us <= now_us ? share_of(x, e) : LATER, e);
    x->count++;
    return true;
}

void index_wake(struct index *x, int64_t now_us)
{
    const struct heap *later = &x->heap[LATER];
    while (later->n > 0 && x->entry[later->slot[0]].wake_us <= now_us) {
        uint32_t e = later->slot[0];
        heap_remove(x, e);
        heap_push(x, share_of(x, e), e);
    }
}

void index_share(struct index *x, unsigned rank, unsigned pools)
{
    if (rank == x->rank && pools == x->pools)
        return;
    x->rank = rank;
    x->pools = pools;
    x->passed = 0;
    x->suspect = NONE;
    x->stuck = false;
    x->heap[OWN].n = x->heap[OTHERS].n = 0;
    for (uint32_t e = 0; e < x->used; e++)
        if (x->entry[e].file && x->entry[e].heap != LATER)
            heap_push(x, share_of(x, e), e);
}

void index_shift(struct index *x, enum dir d, int64_t by_us)
{
    const struct heap *later = &x->heap[LATER];
    for (size_t i = 0; i < later->n; i++) {
        struct entry *e = &x->entry[later->slot[i]];
        if (e->dir == d)
            e->wake_us += by_us;
    }
    for (size_t i = later->n / 2; i-- > 0;)
        sift_down(x, LATER, i);
}

bool index_has_ready(const struct index *x)
{
    return x->heap[OWN].n > 0 || x->heap[OTHERS].n > 0;
}

/* The first of a heap, NONE: it is empty. */
static uint32_t top(const struct index *x, int heap)
{
    return x->heap[heap].n > 0 ? x->heap[heap].slot[0] : NONE;
}

bool index_beats(const struct index *x, const struct name *n, const char *file)
{
    uint32_t own = top(x, OWN), other = top(x, OTHERS);
    if (other != NONE && x->entry[other].priority > n->priority)
        return true;
    if (own == NONE)
        return false;
    const struct entry *best = &x->entry[own];
    if (best->priority != n->priority)
        return best->priority > n->priority;
    if (best->due_us != n->time_us)
        return best->due_us < n->time_us;
    return strcmp(best->file, file) < 0;
}

/* The first of the others' names that is there still; those before it are dropped. */
static uint32_t first_there(struct index *x, index_there *there, void *arg)
{
    uint32_t e;
    while ((e = top(x, OTHERS)) != NONE &&
           !there((enum dir)x->entry[e].dir, x->entry[e].file, arg)) {
        entry_drop(x, e);
        x->stuck = false;
    }
    return e;
}

/* Shall one of the others' go before our best? */
static bool is_others_turn(struct index *x, uint32_t own, index_there *there, void *arg)
{
    uint32_t other = top(x, OTHERS);
    if (other == NONE || !runs_before(x, other, own))
        return false;
    if (x->entry[other].priority > x->entry[own].priority) {
        other = first_there(x, there, arg);
        return other != NONE && x->entry[other].priority > x->entry[own].priority;
    }
    if (!x->stuck && ++x->passed < PASS_MAX)
        return false;
    x->passed = 0;
    other = first_there(x, there, arg);
    x->stuck = other != NONE && runs_before(x, other, own) && (x->stuck || other == x->suspect);
    x->suspect = other;
    return x->stuck;
}

bool index_pop(struct index *x, enum dir *d, char file[FILE_NAME_MAX + 1], index_there *there,
               void *arg)
{
    uint32_t e = top(x, OWN);
    if (e == NONE || is_others_turn(x, e, there, arg))
        e = first_there(x, there, arg);
    if (e == NONE)
        return false;
    *d = (enum dir)x->entry[e].dir;
    text_copy(file, FILE_NAME_MAX + 1, x->entry[e].file);
    entry_drop(x, e);
    return true;
}

int64_t index_next_wake(const struct index *x)
{
    uint32_t next = top(x, LATER);
    return next != NONE ? x->entry[next].wake_us : INT64_MAX;
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
