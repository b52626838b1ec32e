/* signals.h: signals become something poll(2) can wait for: handlers count and
 * write a byte into a pipe, nothing else. */
#ifndef WORKER_SIGNALS_H
#define WORKER_SIGNALS_H

#include <stdbool.h>

/* TERM, INT, HUP, CHLD are counted; PIPE is ignored. 0 or -1. */
int signals_open(void);
int signals_fd(void);
void signals_drain(void); /* empty the pipe: call after poll, before looking */

/* How often since the last call (TERM and INT together). */
int signals_stop(void);
bool signals_hangup(void);

/* In a child between vfork and exec: default actions, nothing blocked. */
void signals_reset_in_child(void);

#endif
