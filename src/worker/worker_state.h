/* worker_state.h: what the parts of a worker share (worker.c, run.c). */
#ifndef WORKER_WORKER_STATE_H
#define WORKER_WORKER_STATE_H

#include "queue/queue.h"
#include "spool/live.h"
#include "spool/watch.h"
#include "worker/board.h"
#include "worker/output.h"
#include "worker/talk.h"

enum leaving {
    STAY,
    LEAVE, /* when the job has ended */
    NOW    /* end the job, put it back, leave */
};

struct worker {
    struct queue q;
    int talk_fd;           /* -1: the pool is dead, and we watch control/ */
    struct board *board;   /* NULL: none */
    bool log_file;
    struct watch *watch;   /* then */
    struct live_record record;
    int record_fd;
    int cgroup;            /* for its jobs; -1: none */
    int null_fd;
    struct output output;
    enum leaving leaving;
    bool cancelled;        /* the present run is to be ended */
    bool has_offer;
    struct talk offer;     /* the name to claim */
    int64_t room_us;       /* monotonic: until then there is room on the disk */
};

/* Wait until something happens or the deadline (monotonic; -1: none), and take
 * note of it in the fields above. */
void worker_listen(struct worker *w, int64_t deadline_us);

#endif
