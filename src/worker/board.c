/* board.c: a ring with one who puts and many who take.
 *
 * head and tail only grow.  A taker copies the slot at head, then moves head by
 * compare-and-swap: if that succeeds nobody else has it, and the slot was not written
 * meanwhile, since the pool writes behind tail only, and tail is never further ahead
 * of head than there are slots.
 */
#include "worker/board.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/sys.h"
#include "base/text.h"

#define FD_LEAST 10 /* out of the way of what a worker inherits by number */

struct slot {
    unsigned char dir;
    char file[FILE_NAME_MAX + 1];
};

struct board {
    _Atomic uint64_t head, tail;
    _Atomic bool asked; /* for more */
    _Atomic uint64_t count[BOARD_COUNTS];
    struct slot slot[BOARD_SLOTS];
};

static struct board *map(int fd)
{
    void *at = mmap(NULL, sizeof(struct board), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return at == MAP_FAILED ? NULL : at;
}

struct board *board_make(int *fd)
{
    int low = sys_shared_memory(sizeof(struct board));
    *fd = low >= 0 ? fcntl(low, F_DUPFD_CLOEXEC, FD_LEAST) : -1;
    struct board *b = *fd >= 0 ? map(*fd) : NULL;
    if (low >= 0)
        close(low);
    if (!b && *fd >= 0) {
        close(*fd);
        *fd = -1;
    }
    return b;
}

struct board *board_join(int fd)
{
    struct board *b = map(fd);
    close(fd);
    return b;
}

void board_close(struct board *b, int fd)
{
    if (b)
        munmap(b, sizeof *b);
    if (fd >= 0)
        close(fd);
}

bool board_take(struct board *b, enum dir *d, char file[FILE_NAME_MAX + 1])
{
    if (!b)
        return false;
    uint64_t at = atomic_load(&b->head);
    while (at < atomic_load(&b->tail)) {
        struct slot s = b->slot[at % BOARD_SLOTS];
        if (!atomic_compare_exchange_weak(&b->head, &at, at + 1))
            continue;
        *d = (enum dir)s.dir;
        memcpy(file, s.file, sizeof s.file);
        return true;
    }
    return false;
}

bool board_is_empty(const struct board *b)
{
    return !b || atomic_load(&b->head) >= atomic_load(&b->tail);
}

bool board_has_room(const struct board *b)
{
    return b && atomic_load(&b->tail) - atomic_load(&b->head) < BOARD_SLOTS;
}

void board_put(struct board *b, enum dir d, const char *file)
{
    uint64_t at = atomic_load(&b->tail);
    struct slot *s = &b->slot[at % BOARD_SLOTS];
    s->dir = (unsigned char)d;
    text_copy(s->file, sizeof s->file, file);
    atomic_store(&b->tail, at + 1);
    atomic_store(&b->asked, false);
}

bool board_runs_low(struct board *b)
{
    if (!b || atomic_load(&b->asked) ||
        atomic_load(&b->tail) - atomic_load(&b->head) > BOARD_LOW)
        return false;
    return !atomic_exchange(&b->asked, true);
}

void board_add(struct board *b, enum board_count what)
{
    if (b)
        atomic_fetch_add(&b->count[what], 1);
}

uint64_t board_sum(const struct board *b, enum board_count what)
{
    return b ? atomic_load(&b->count[what]) : 0;
}
