/* kernel.pml: what the kernel promises, and the model takes for granted.
 *
 * One step of the model is one system call of the program (d_step): between two
 * of them anything may happen.  A process that is killed stops between two steps
 * and the kernel closes what it had open, which is all that the others see.
 *
 *   flock(2)    belongs to the open file, not to the process: who inherited the
 *               descriptor shares the lock, and the last one that closes it (or
 *               dies) gives it up.  It is on the inode: a new file under the same
 *               name is not locked.
 *   rename(2)   is one step; of two that rename the same name the second gets
 *               ENOENT.  NOREPLACE fails with EEXIST; EXCHANGE needs both names.
 *   inodes      the number of a removed file is used again as soon as nobody has
 *               it open (ext4 does so at once).
 */

/* -- broken variants ---------------------------------------------------------------
 * Each B_... is a queue that somebody might have written.  For each the search must
 * find a trail to a broken promise (variants.list): a model that sees nothing in them
 * would see nothing in ours. */
#if defined(B_LIVE_BY_PID) || defined(B_LIVE_BY_LEASE) || defined(B_LOCK_AFTER_START)
#define NO_LOCK /* when a job is claimed */
#endif
#if defined(B_LIVE_BY_PID) || defined(B_LIVE_BY_LEASE)
#define WORKER_IS_RUN /* who is dead has no run that lives */
#endif

/* Each process has a number, and stands as a bit among those that share an open
 * file.  Those of a run's own process come last: RUN(1), RUN(2), ... */
#define W1        0 /* workers */
#define W2        1
#define R1        2 /* pools, of which only the recovering is of interest here */
#define R2        3
#define C1        4 /* commands: queuectl enqueue, retry, cancel, ... */
#define C2        5
#define RUN(r)    (5 + (r))
#define BIT(p)    (1 << (p))

/* -- ids/ID -------------------------------------------------------------------- */

#ifndef INODES
#define INODES 3
#endif
byte ids;                 /* the inode that ids/ID names; 0: there is no such file */
short opened[INODES + 1]; /* who has it open */
short locked[INODES + 1]; /* who shares the open file that has the lock */
byte says[INODES + 1];    /* its content: the run that began and has not ended, */
#define NOBODY 0          /* nothing, */
#define UNSURE 15         /* or "?" */

/* openat(O_CREAT): an inode that nobody uses gets the name; its content with it. */
byte i_;
inline make_inode(content)
{
    i_ = 1;
    do
    :: i_ == ids || opened[i_] != 0 -> i_++; assert(i_ <= INODES)
    :: else -> break
    od;
    says[i_] = content; ids = i_; i_ = 0
}

/* st_nlink, and the number behind the path (fd 0: who takes no lock looks at none) */
#define is_named(fd)  (ids == (fd) || (fd) == 0)

#define may_lock(i)  (locked[i] == 0)
#define id_is_held   (ids != 0 && locked[ids] != 0)

inline close_id(me, fd)
{
    opened[fd] = opened[fd] & ~BIT(me);
    locked[fd] = locked[fd] & ~BIT(me);
    fd = 0
}

/* -- workers/TOKEN.worker ------------------------------------------------------- */

/* A worker that is born again has a token of its own: the number of its life. */
#ifndef KILLS
#define KILLS 0
#endif
#define FIRST_LIVES 4 /* W1 to R2 */
#ifndef REBOOTS
#define REBOOTS 0
#endif
#define LIVES (FIRST_LIVES + KILLS + 2 * REBOOTS)
byte lives; /* more of them */
bool file_of[LIVES + 1];   /* the file is there */
short lock_of[LIVES + 1];   /* who shares its lock */
byte record_run[LIVES + 1]; /* its record: the run, */
bool record_pid[LIVES + 1]; /* and whether the run's process has written its pid */

/* live_publish(): the file is never seen unlocked.  The first lives are numbered by
 * the scene, so that there is one order of them and not all. */
inline be_born(me, life)
{
    atomic {
        if
        :: life == 0 -> life = me + 1
        :: else -> lives++; life = FIRST_LIVES + lives; assert(life <= LIVES)
        fi;
        file_of[life] = true;
#ifndef B_VISIBLE_UNLOCKED
        lock_of[life] = BIT(me)
#endif
    };
#ifdef B_VISIBLE_UNLOCKED
    lock_of[life] = BIT(me)
#endif
}

/* -- death ----------------------------------------------------------------------- */

bool killed[C2 + 1]; /* told to stop; true until it has */

/* All descriptors of a dead process are closed. */
byte k_;
inline close_all(me)
{
    k_ = 0;
    do
    :: k_ < INODES -> k_++;
        opened[k_] = opened[k_] & ~BIT(me);
        locked[k_] = locked[k_] & ~BIT(me)
    :: else -> break
    od;
    k_ = 0;
    do
    :: k_ < LIVES -> k_++; lock_of[k_] = lock_of[k_] & ~BIT(me)
    :: else -> break
    od;
    k_ = 0
}

byte kills = KILLS;

/* { ... } unless_killed(me): it stops where it is killed. */
#if KILLS + REBOOTS > 0
#define unless_killed(me)  unless { killed[me] }
#else
#define unless_killed(me)
#endif

/* kill -9, at any moment, of any of those that the scene has. */
proctype killer(short whom)
{
    byte p;
    do
    :: kills == 0 -> break
    :: atomic {
            kills > 0 -> kills--;
            if
            :: whom & BIT(W1) -> p = W1
            :: whom & BIT(W2) -> p = W2
            :: whom & BIT(R1) -> p = R1
            :: whom & BIT(R2) -> p = R2
            :: whom & BIT(C1) -> p = C1
            :: whom & BIT(C2) -> p = C2
            fi;
            d_step { killed[p] = true; close_all(p); p = 0 }
        }
    od
}
