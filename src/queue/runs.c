/* runs.c: see runs.h. */
#include "queue/runs.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cgroup.h"
#include "base/clock.h"
#include "base/sys.h"
#include "base/text.h"
#include "queue/living.h"
#include "spool/idlock.h"
#include "spool/live.h"

bool runs_of_this_boot(const struct name *n)
{
    struct token t;
    char boot[SYS_ID_LEN + 1];
    return token_parse(n->token, &t) && (sys_boot_id(boot) != 0 || strncmp(boot, t.boot, 8) == 0);
}

/* Nothing ran if the record was not yet about this run, or named no process.
 * After another boot the record proves nothing: it was never synced; nor does one
 * that does not say whose it is: somebody wrote into it. */
bool runs_never_started(struct queue *q, const struct name *n, const char *run)
{
    struct live_record r;
    if (!runs_of_this_boot(n) || live_read(q->spool, n->token, LIVE_WORKER, &r) != 0 ||
        strcmp(r.token, n->token) != 0)
        return false;
    return strcmp(r.run, run) != 0 || r.run_pid == 0;
}

/* -- its processes ------------------------------------------------------- */

struct search {
    struct queue *q;
    const char *run; /* this run, or */
    const char *id;  /* any of this id */
    int sig;         /* 0: only look */
    int count;
    pid_t group; /* has the signal already; 0: none */
    pid_t *told; /* so have these */
    size_t told_n;
};

static bool was_told(struct search *s, pid_t pid)
{
    if (s->group && getpgid(pid) == s->group)
        return true;
    for (size_t i = 0; i < s->told_n; i++)
        if (s->told[i] == pid)
            return true;
    pid_t *grown = realloc(s->told, (s->told_n + 1) * sizeof *grown);
    if (grown) {
        s->told = grown;
        s->told[s->told_n++] = pid;
    }
    return false;
}

/* Once each: to many programs a second TERM means "at once". */
static void visit_process(pid_t pid, int64_t start, void *arg)
{
    struct search *s = arg;
    s->count++;
    if (!s->sig || was_told(s, pid))
        return;
    sys_signal(pid, start, s->sig);
    if (s->sig == SIGTERM)
        sys_signal(pid, start, SIGCONT);
}

/* A number that nobody has may be given to others, with a group of theirs.  While
 * the leader is there, it is not; and not before all numbers were given out.  When
 * neither is sure the group counts, since in doubt the run lives, but gets no signal. */
static void visit_group(struct search *s, const struct live_record *r)
{
    pid_t group = (pid_t)r->run_pid;
    if (group <= 1 || r->pid_ns != sys_pid_namespace() || !sys_group_alive(group))
        return;
    enum sys_leader leader = sys_group_leader(group, r->run_boot_us);
    if (leader == SYS_LEADER_OTHER)
        return;
    s->count++;
    if (!s->sig || (leader == SYS_LEADER_GONE && sys_numbers_reused(r->births)))
        return;
    if (kill(-group, s->sig) == 0)
        s->group = group;
    if (s->sig == SIGTERM)
        kill(-group, SIGCONT);
}

/* A worker's cgroup holds the processes of the run that its record names. */
static void visit_cgroup(struct search *s, const struct live_record *r)
{
    int cgroup = r->cgroup[0] ? cgroup_open(r->cgroup, r->token) : -1;
    if (cgroup < 0)
        return;
    if (cgroup_lives(cgroup)) {
        s->count++;
        if (s->sig == SIGKILL)
            cgroup_kill(cgroup);
        else if (s->sig)
            cgroup_each(cgroup, visit_process, s);
    }
    close(cgroup);
}

static void visit_record(struct search *s, const struct live_record *r)
{
    if (r->run_pid > 0) {
        visit_group(s, r);
        visit_cgroup(s, r);
    }
}

static bool is_searched(const char *run, void *arg)
{
    struct search *s = arg;
    struct name n;
    if (s->run)
        return strcmp(run, s->run) == 0;
    return name_parse(DIR_PROCESSING, run, &n) && strcmp(n.id, s->id) == 0 &&
           runs_of_this_boot(&n);
}

static void visit_by_environment(struct search *s)
{
    struct buf prefix = BUF_INIT;
    buf_addf(&prefix, "QUEUECTL_JOB=%s/%s/", s->q->spool->path, dir_name(DIR_PROCESSING));
    if (prefix.failed || sys_each_with_env(buf_str(&prefix), is_searched,
                                           s->sig ? visit_process : NULL, s) != 0)
        s->count++; /* or could not look: in doubt it lives */
    buf_release(&prefix);
}

static void visit_by_record(struct search *s, const struct name *n)
{
    struct live_record r;
    if (live_read(s->q->spool, n->token, LIVE_WORKER, &r) == 0 && strcmp(r.run, s->run) == 0) {
        text_copy(r.token, sizeof r.token, n->token); /* the name decides */
        visit_record(s, &r);
    }
}

bool runs_live(struct queue *q, const struct name *n, const char *run)
{
    struct search s = {.q = q, .run = run};
    if (!runs_of_this_boot(n))
        return false;
    visit_by_record(&s, n);
    if (s.count == 0)
        visit_by_environment(&s);
    return s.count > 0;
}

void runs_signal(struct queue *q, const struct name *n, const char *run, int sig)
{
    struct search s = {.q = q, .run = run, .sig = sig};
    struct stat st;
    struct token t;
    if (!runs_of_this_boot(n) || !token_parse(n->token, &t))
        return;
    visit_by_record(&s, n);
    visit_by_environment(&s);
    if (fstatat(q->spool->dir[DIR_IDS], n->id, &st, AT_SYMLINK_NOFOLLOW) == 0)
        sys_each_with_file(st.st_dev, st.st_ino, (pid_t)t.pid, visit_process, &s);
    free(s.told);
}

/* -- of an id ------------------------------------------------------------ */

/* A worker that lives runs what its record names, lock or no lock. */
static void visit_worker(const struct live_record *r, bool alive, void *arg)
{
    struct search *s = arg;
    if (!r->run[0] || !is_searched(r->run, s))
        return;
    if (alive)
        s->count++;
    else
        visit_record(s, r);
}

/* What the lock's file was made for began before: one look may answer for many. */
static bool may_live(struct queue *q, const char *id, const struct stat *st)
{
    return living_may_have(q, id, (int64_t)st->st_mtim.tv_sec * US_PER_SEC +
                                      st->st_mtim.tv_nsec / 1000);
}

bool runs_outlive_lock(struct queue *q, const char *id, int lock)
{
    struct search s = {.q = q, .id = id};
    struct stat st;
    enum idlock_mark mark;
    if (fstat(lock, &st) != 0)
        return true;
    if ((mark = idlock_marked(&st)) == IDLOCK_CLEAR)
        return false;
    if (live_each(q->spool, visit_worker, &s) != 0 || s.count > 0)
        return true;
    if (mark == IDLOCK_RUNS)
        visit_by_environment(&s);
    if (s.count > 0 || (mark == IDLOCK_UNSURE && may_live(q, id, &st)))
        return true;
    return idlock_clear(lock) != 0;
}
