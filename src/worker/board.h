/* board.h: the best names, in memory that a pool shares with its workers.
 *
 * A worker that has ended a job takes the first name itself: the pool is not woken,
 * nobody waits for it, and it is asked for more only when few are left.  What is on
 * the board is in order, and better than what the pool still has: it takes all of it
 * back when something better comes, when nothing may be claimed, and before it looks
 * at the folders.  Each name is taken by one process, worker or pool.
 *
 * A worker that dies between the taking and the claim takes a name with it, which the
 * pool finds again by a scan (crew.c).
 */
#ifndef WORKER_BOARD_H
#define WORKER_BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spool/name.h"

#define BOARD_SLOTS 16 /* few: each better job that comes moves them all */
#define BOARD_LOW 6    /* so many are left: time to ask for more */

struct board;

/* The pool's.  NULL: no such memory to be had; it goes without.  *fd is for its
 * workers to inherit, and closed by board_close. */
struct board *board_make(int *fd);
/* A worker's, of what it inherited; closes fd.  NULL: none. */
struct board *board_join(int fd);
void board_close(struct board *b, int fd); /* fd -1: none */

/* The first name; false: there is none.  NULL is an empty board. */
bool board_take(struct board *b, enum dir *d, char file[FILE_NAME_MAX + 1]);
bool board_is_empty(const struct board *b);

/* The pool's: one more at the end, where there is room for it. */
bool board_has_room(const struct board *b);
void board_put(struct board *b, enum dir d, const char *file);
/* A worker's: true once when few are left, until something is put. */
bool board_runs_low(struct board *b);

/* How claims went, of all workers since the start. */
enum board_count { BOARD_WON, BOARD_LOST, BOARD_COUNTS };
void board_add(struct board *b, enum board_count what);
uint64_t board_sum(const struct board *b, enum board_count what);

#endif
