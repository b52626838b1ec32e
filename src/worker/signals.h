/* signals.h: signals arrive while we wait, and at no other time: handlers count, and
 * that is all they do.  A process that uses this was started with every action at its
 * default (crew.c), or keeps what its caller had ignored. */
#ifndef WORKER_SIGNALS_H
#define WORKER_SIGNALS_H

#include <poll.h>
#include <stdbool.h>

/* TERM, INT, HUP, CHLD are counted, and blocked from now on; PIPE and the like are
 * ignored.  0 or -1. */
int signals_open(void);

/* As poll(2), and they are let through: *heard, one or more came.  With timeout_ms 0 too. */
int signals_poll(struct pollfd *fds, nfds_t n, int timeout_ms, bool *heard);

/* How often since the last call (TERM and INT together). */
int signals_stop(void);
bool signals_hangup(void);

/* In a child between vfork and exec: default actions, nothing blocked. */
void signals_reset_in_child(void);

#endif
