/* worker.c: the worker's loop: listen, claim, run, report. */
#include "worker/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cgroup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "base/sys.h"
#include "base/text.h"
#include "queue/claim.h"
#include "queue/request.h"
#include "worker/logfile.h"
#include "worker/run.h"
#include "worker/signals.h"
#include "worker/worker_state.h"

#define BUSY_PAUSE_US 50 /* then twice that, and so on: 6 ms in all */
#define BUSY_PAUSE_MAX_US 3200
#define REST_US (1 * US_PER_SEC)
#define ROOM_US (20 * US_PER_MS)

/* -- listening ----------------------------------------------------------- */

static void raise_leaving(struct worker *w, enum leaving to)
{
    if (to > w->leaving)
        w->leaving = to;
}

/* The pool is dead: requests for us are ours to see now. */
static void become_orphan(struct worker *w)
{
    close(w->talk_fd);
    w->talk_fd = -1;
    raise_leaving(w, LEAVE);
    log_warn("the pool is gone; leaving when the job has ended");
    w->watch = watch_open(w->q.spool, 1u << DIR_CONTROL);
}

static void hear(struct worker *w, const struct talk *t)
{
    struct err err = ERR_INIT;
    switch ((enum talk_op)t->op) {
    case TALK_RUN:
        w->offer = *t;
        w->has_offer = true;
        break;
    case TALK_CANCEL:
        w->cancelled |= strcmp(t->name, w->record.run) == 0;
        break;
    case TALK_LEAVE:
        raise_leaving(w, LEAVE);
        break;
    case TALK_NOW:
        raise_leaving(w, NOW);
        break;
    case TALK_REOPEN:
        if (w->log_file)
            logfile_reopen(w->q.spool);
        break;
    case TALK_FOLDERS:
        if (spool_refresh(w->q.spool, &err) < 0)
            log_warn("%s", err.text);
        w->record_fd = live_republish(w->q.spool, &w->record, w->record_fd);
        break;
    case TALK_READY:
    case TALK_IDLE:
    case TALK_BACK:
    case TALK_LOW:
        break;
    }
}

static void hear_pool(struct worker *w)
{
    struct talk t;
    int r;
    while ((r = talk_receive(w->talk_fd, &t)) == 1)
        hear(w, &t);
    if (r < 0)
        become_orphan(w);
}

static void hear_signals(struct worker *w)
{
    for (int n = signals_stop(); n > 0; n--)
        raise_leaving(w, w->leaving == STAY ? LEAVE : NOW);
    if (signals_hangup() && w->log_file)
        logfile_reopen(w->q.spool);
}

static void ignore_event(unsigned dir, enum watch_what what, const char *file, void *arg)
{
    (void)dir;
    (void)what;
    (void)file;
    (void)arg;
}

static void look_at_control(struct worker *w)
{
    if (w->watch)
        watch_read(w->watch, ignore_event, NULL);
    w->cancelled |= w->record.run[0] && request_is_there(&w->q, REQUEST_CANCEL, w->record.run);
    if (request_is_there(&w->q, REQUEST_STOP_NOW, w->q.spool->token))
        raise_leaving(w, NOW);
}

void worker_listen(struct worker *w, int64_t deadline_us)
{
    int64_t now = clock_mono_us();
    int timeout = deadline_us < 0 ? -1 : clock_poll_ms(deadline_us, now);
    int other = w->talk_fd >= 0 ? w->talk_fd : w->watch ? watch_fd(w->watch) : -1;
    struct pollfd p = {.fd = other, .events = POLLIN};
    bool signalled;
    if (w->watch && watch_interval_ms(w->watch) >= 0 &&
        (timeout < 0 || watch_interval_ms(w->watch) < timeout))
        timeout = watch_interval_ms(w->watch);
    int ready = signals_poll(&p, 1, timeout, &signalled);
    if (signalled)
        hear_signals(w);
    if (w->talk_fd >= 0 && ready > 0)
        hear_pool(w);
    if (w->talk_fd < 0)
        look_at_control(w);
}

/* -- working ------------------------------------------------------------- */

/* A lock is held for an instant by whoever makes or moves a job: its event
 * arrives here before it lets go.  So look again soon, before giving up. */
static enum claim_result claim_soon(struct worker *w, enum dir d, const char *file,
                                    struct claim *c, struct err *err)
{
    enum claim_result r = claim_take(&w->q, d, file, c, err);
    for (int64_t us = BUSY_PAUSE_US; r == CLAIM_BUSY && us <= BUSY_PAUSE_MAX_US; us *= 2) {
        clock_pause_us(us);
        r = claim_take(&w->q, d, file, c, err);
    }
    return r;
}

/* What kept one job from starting would keep the next one, too. */
static void rest(struct worker *w)
{
    int64_t until = clock_mono_us() + REST_US;
    while (w->leaving == STAY && clock_mono_us() < until)
        worker_listen(w, until);
}

static enum talk_end trouble_end(int errnum)
{
    return spool_refused(errnum) ? END_REFUSED : END_TROUBLE;
}

static enum talk_end serve(struct worker *w, enum dir d, const char *file)
{
    struct claim c;
    int trouble;
    struct err err = ERR_INIT;
    if (queue_refresh_settings(&w->q, &err) < 0)
        err = (struct err)ERR_INIT; /* the pool has said it */
    switch (claim_soon(w, d, file, &c, &err)) {
    case CLAIM_WON:
        board_add(w->board, BOARD_WON);
        trouble = run_job(w, &c);
        claim_release(&c);
        if (trouble && !spool_refused(trouble))
            rest(w);
        return trouble ? trouble_end(trouble) : END_RAN;
    case CLAIM_LOST:
        board_add(w->board, BOARD_LOST);
        return END_GONE;
    case CLAIM_REFUSED:
        log_warn("%s", err.text);
        return END_RAN;
    case CLAIM_STUCK:
        log_warn("%s", err.text);
        run_put_back(w, &c);
        claim_release(&c);
        return trouble_end(err.errnum);
    case CLAIM_ERROR:
        log_warn("%s", err.text);
        return trouble_end(err.errnum);
    case CLAIM_BUSY:
    case CLAIM_NOT_YET:
        board_add(w->board, BOARD_LOST);
        break;
    }
    return END_LATER;
}

/* The run that the record names has ended: it names none. */
static void name_no_run(struct worker *w)
{
    if (!w->record.run[0])
        return;
    w->record.run[0] = '\0';
    w->record.run_pid = 0;
    live_update(w->record_fd, &w->record);
}

static void tell(struct worker *w, enum talk_op op, enum talk_end end, const struct talk *about)
{
    if (w->talk_fd >= 0 && talk_send(w->talk_fd, op, (enum dir)about->dir, end, about->name) != 0)
        become_orphan(w);
}

/* As often as the pool looks while jobs are claimed (care.c). */
static bool has_room(struct worker *w)
{
    int64_t now = clock_mono_us();
    if (now < w->room_us)
        return true;
    w->room_us = spool_room(w->q.spool) == SPOOL_ROOM ? now + ROOM_US : 0;
    return w->room_us > 0;
}

/* Without a word to the pool.  Where there may be no room on the disk the pool decides. */
static void take_from_board(struct worker *w)
{
    enum dir d;
    if (w->leaving != STAY || board_is_empty(w->board) || !has_room(w) ||
        !board_take(w->board, &d, w->offer.name))
        return;
    w->offer.dir = (unsigned char)d;
    w->has_offer = true;
    if (board_runs_low(w->board))
        tell(w, TALK_LOW, END_RAN, &w->offer);
}

/* What this job met the next would meet, too: then the pool has to say how it goes on. */
static void report(struct worker *w, const struct talk *t, enum talk_end end)
{
    if (!w->has_offer && end != END_REFUSED && end != END_TROUBLE)
        take_from_board(w);
    if (!w->has_offer) {
        name_no_run(w);
        tell(w, TALK_IDLE, end, t);
    } else if (end != END_RAN && end != END_GONE)
        tell(w, TALK_BACK, end, t);
}

static void work(struct worker *w)
{
    while (w->leaving == STAY || w->has_offer) {
        if (!w->has_offer) {
            worker_listen(w, -1);
            continue;
        }
        struct talk t = w->offer;
        w->has_offer = false;
        report(w, &t, w->leaving == STAY ? serve(w, (enum dir)t.dir, t.name) : END_LATER);
    }
}

static void make_cgroup(struct worker *w)
{
    w->cgroup = -1;
    if (w->q.settings.cgroup == CGROUP_NO)
        return;
    bool asked = w->q.settings.cgroup == CGROUP_YES;
    w->cgroup = cgroup_make(asked, w->q.spool->token, w->record.cgroup);
    if (w->cgroup < 0 && (asked || errno != ENOTSUP))
        log_warn("cannot make a cgroup for jobs: %s; they run without", strerror(errno));
}

static int set_up(struct worker *w, const struct worker_options *o, struct err *err)
{
    if (queue_open(&w->q, o->spool, QUEUE_WRITE, err) != 0)
        return -1;
    sys_subreaper();
    w->null_fd = io_open(AT_FDCWD, "/dev/null", O_RDONLY, 0);
    if (w->null_fd < 0)
        return err_sys(err, "open", "/dev/null");
    w->record = (struct live_record){.role = LIVE_WORKER,
                                     .pid = getpid(),
                                     .since_us = clock_wall_us(),
                                     .pid_ns = sys_pid_namespace(),
                                     .births = sys_births()};
    make_cgroup(w);
    text_copy(w->record.token, sizeof w->record.token, w->q.spool->token);
    text_copy(w->record.pool, sizeof w->record.pool, o->pool);
    w->record_fd = live_publish(w->q.spool, &w->record);
    if (w->record_fd < 0)
        return err_sys(err, "register in", dir_name(DIR_WORKERS));
    return 0;
}

int worker_main(const struct worker_options *o)
{
    struct worker w = {.q = {.journal_fd = -1},
                       .talk_fd = o->talk_fd,
                       .log_file = o->log_file,
                       .output = OUTPUT_INIT};
    struct err err = ERR_INIT;
    log_open("worker", STDERR_FILENO);
    if (o->board_fd >= 0)
        w.board = board_join(o->board_fd);
    /* Neither what our caller's caller had open nor our talk is a job's. */
    sys_close_from(o->talk_fd + 1);
    fcntl(o->talk_fd, F_SETFD, FD_CLOEXEC);
    if (signals_open() != 0 || set_up(&w, o, &err) != 0) {
        log_line(LOG_FATAL, "%s", err.kind ? err.text : strerror(errno));
        queue_close(&w.q);
        return 1;
    }
    if (talk_send(w.talk_fd, TALK_READY, DIR_PENDING, END_RAN, w.q.spool->token) != 0)
        become_orphan(&w);
    work(&w);
    bool clean = output_close(&w.output, &w.q) == 0;
    if (w.cgroup >= 0)
        cgroup_remove(w.record.cgroup, w.q.spool->token);
    request_drop(&w.q, REQUEST_STOP_NOW, w.q.spool->token);
    if (clean)
        live_retire(w.q.spool, w.q.spool->token, LIVE_WORKER, w.record_fd);
    else
        close(w.record_fd); /* a pool finds our logs by it, and removes both */
    if (w.watch)
        watch_close(w.watch);
    queue_close(&w.q);
    return 0;
}
