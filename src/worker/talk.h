/* talk.h: what a pool and its worker say to each other, over a socket pair, in
 * frames of one size; at most a few are under way, so a send never blocks. */
#ifndef WORKER_TALK_H
#define WORKER_TALK_H

#include <stdbool.h>

#include "spool/name.h"

enum talk_op {
    /* pool to worker */
    TALK_RUN,    /* claim dir/name and run it */
    TALK_CANCEL, /* end the run `name` if it is yours: cancelled */
    TALK_LEAVE,  /* leave when the job has ended */
    TALK_NOW,    /* end the job, put it back, leave */
    TALK_REOPEN,  /* the log file was put aside */
    TALK_FOLDERS, /* a folder of the spool was replaced */
    /* worker to pool */
    TALK_READY,  /* started; name is my token */
    TALK_IDLE,   /* this name is dealt with, end says how, and I have no other */
    TALK_BACK,   /* the same, but I have another; said only where it was not run */
    TALK_LOW     /* few names are left on the board */
};

enum talk_end {
    END_RAN,     /* claimed, run, recorded (or refused): nothing to do */
    END_GONE,    /* somebody else was faster */
    END_LATER,   /* locked, or still being written: offer it again later */
    END_TROUBLE, /* the same, for an error that may be its own */
    END_REFUSED  /* the same; the disk takes nothing more */
};

struct talk {
    unsigned char op;
    unsigned char dir;
    unsigned char end;
    char name[FILE_NAME_MAX + 1];
};

/* 0, or -1: the other side is gone. */
int talk_send(int fd, enum talk_op op, enum dir d, enum talk_end end, const char *name);
/* 1 a frame, 0 nothing there now, -1 the other side is gone. */
int talk_receive(int fd, struct talk *t);

#endif
