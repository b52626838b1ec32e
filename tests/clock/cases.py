"""cases.py: what happens to a queue when somebody sets the clock.

CASES: (name, function of a World, in the slice?).  A case raises Failed, or comes back.
Amounts are seconds.  "Window" marks the few fixed times: in them nothing may happen.
"""
import calendar
import json
import os
import random
import subprocess
import time

from world import Failed

HOUR = 3600
DECADE = 10 * 365 * 24 * HOUR
WINDOW = 2.0
HEARD = 12  # seconds: an idle pool hears of it at once; its next look by itself is far
QUIET = 4   # calls of poll(2) in a window: none is needed

CASES = []


def case(name, *args, slice=False):
    def add(f):
        CASES.append((name, lambda w: f(w, *args), slice))
        return f
    return add


def need(what, holds):
    if not holds:
        raise Failed("not so: " + what)


def blocker(w, id="blocker", **members):
    """A job that runs until w.touch("go")."""
    w.enqueue(id, "touch $WORLD/started; while [ ! -e $WORLD/go ]; do sleep 0.05; done", **members)
    w.until("the blocker runs", lambda: w.has("started"))


def real_time(w, name):
    """When the file was written, by the real clock."""
    return os.stat(os.path.join(w.folder, name)).st_mtime


def watches(pid):
    """It has an inotify descriptor."""
    for number in os.listdir("/proc/%d/fd" % pid):
        try:
            if "inotify" in os.readlink("/proc/%d/fd/%s" % (pid, number)):
                return True
        except FileNotFoundError: # closed meanwhile
            continue
    return False


def stays(w, id, state, what):
    time.sleep(WINDOW)  # a window
    need("%s: %s stays in %s" % (what, id, state), w.state(id) == state)


def quiet(w, what):
    """No spin: a pool that has nothing to do makes no call."""
    w.rest()
    before = w.polls()
    time.sleep(WINDOW)  # a window
    calls = w.polls() - before
    need("%s: %d calls of poll(2) in %g s" % (what, calls, WINDOW), calls <= QUIET)


def started(w, id):
    """When its last run began, by the clock of the world."""
    at = w.show(id)["started_at"]
    return calendar.timegm(time.strptime(at[:19], "%Y-%m-%dT%H:%M:%S")) + float("0" + at[19:-1] or 0)


def never_early(w, id, run_at):
    need("%s began %.3f s before its time" % (id, run_at - started(w, id)),
         started(w, id) >= run_at - 0.000001)


# -- an idle pool -----------------------------------------------------------------

@case("idle: it is set forward an hour", HOUR, slice=True)
@case("idle: it is set forward ten years", DECADE)
@case("idle: the machine slept eight hours", 8 * HOUR)
def idle_forward(w, by):
    w.start()
    run_at = w.wall() + by - 1
    w.enqueue("later", run_at=run_at)
    w.rest()
    w.set(by)
    w.until_state("later", "done", seconds=HEARD)
    never_early(w, "later", run_at)
    quiet(w, "after it")
    w.check()


@case("idle: it is set back an hour", -HOUR, slice=True)
@case("idle: it is set back ten years", -DECADE)
def idle_back(w, by):
    w.start()
    run_at = w.wall() + 2
    w.enqueue("later", run_at=run_at)
    w.set(by)
    quiet(w, "its time is far again")
    stays(w, "later", "pending", "its time is far again")
    w.set(-by)
    w.until_state("later", "done", seconds=HEARD)
    never_early(w, "later", run_at)
    w.check()


@case("idle: nine tenths of a second, back and forth", slice=True)
def idle_little(w):
    w.start(2)
    run_at = w.wall() + 2.5
    for i in range(4):
        w.enqueue("j%d" % i, run_at=run_at + i / 7)
    for by in (-0.9, 0.9, 0.9, -0.9):
        w.set_and_heard(by)
    for i in range(4):
        w.until_state("j%d" % i, "done")
        never_early(w, "j%d" % i, run_at + i / 7)
    w.check()


@case("due times between two milliseconds are slept to, not spun to", slice=True)
def rounding(w):
    w.start()
    run_at = w.wall() + 1
    for i in range(8):
        w.enqueue("j%d" % i, run_at=run_at + i * 0.1003)
    w.rest_until(run_at - 0.2)
    before = w.polls()
    for i in range(8):
        w.until_state("j%d" % i, "done")
        never_early(w, "j%d" % i, run_at + i * 0.1003)
    calls = w.polls() - before
    need("%d calls of poll(2) for 8 jobs" % calls, calls < 8 * 25)
    w.check()


# -- jobs that wait ---------------------------------------------------------------

@case("waiting: due jobs run after a step back of an hour", -HOUR)
@case("waiting: due jobs run after a step back of ten years", -DECADE, slice=True)
@case("waiting: due jobs run after a step forward", DECADE)
def waiting(w, by):
    w.start()
    blocker(w)
    for id in "abc":
        w.enqueue(id, "echo %s >>$WORLD/order" % id)
    w.set(by)
    w.enqueue("d", "echo d >>$WORLD/order")
    w.touch("go")
    for id in ("blocker", "a", "b", "c", "d"):
        w.until_state(id, "done")
    with open(os.path.join(w.folder, "order")) as f:
        need("all ran, once", sorted(f.read().split()) == ["a", "b", "c", "d"])
    w.check()


@case("waiting: a pool that starts after the step back", -HOUR, slice=True)
@case("waiting: a pool that starts after the step back of ten years", -DECADE)
def waiting_for_a_pool(w, by):
    w.enqueue("due")
    w.enqueue("held")
    w.q("hold", "held")
    far = w.wall() + 20
    w.enqueue("far", run_at=far)
    w.set(by)
    w.start()
    w.until_state("due", "done")
    stays(w, "far", "pending", "scheduled")
    need("held stays held", w.find("held")[1].startswith("held."))
    w.q("release", "held")
    w.until_state("held", "done")
    w.set(-by + 30)
    w.until_state("far", "done", seconds=HEARD)
    never_early(w, "far", far)
    w.check()


@case("waiting: what became due behind a busy worker waits again", slice=True)
def not_due_again(w):
    w.start()
    blocker(w)
    run_at = w.wall() + 0.5
    w.enqueue("later", run_at=run_at)
    w.rest_until(run_at + 0.5)
    w.set(-HOUR)
    w.touch("go")
    w.until_state("blocker", "done")
    stays(w, "later", "pending", "its time is far again")
    w.set(HOUR)
    w.until_state("later", "done")
    never_early(w, "later", run_at)
    w.check()


@case("waiting: a board without a battery begins in 1970, then hears what time it is")
def begins_in_1970(w):
    now = w.wall()
    w.set(60 - now)
    w.start()
    blocker(w)
    w.enqueue("due")
    w.enqueue("again", FAILS_ONCE, backoff_base=2)
    w.enqueue("later", run_at=now + 20)
    w.set(now - 60)
    w.touch("go")
    for id in "blocker", "due", "again":
        w.until_state(id, "done")
    need("later waits", w.state("later") == "pending")
    w.set(30)
    w.until_state("later", "done", seconds=HEARD)
    never_early(w, "later", now + 20)
    w.check()


# -- retries ----------------------------------------------------------------------

FAILS_ONCE = "if [ -e $WORLD/first ]; then touch $WORLD/second; else touch $WORLD/first; exit 1; fi"


@case("retry: after a step back of an hour it waits what was left", -HOUR, slice=True)
@case("retry: after a step back of ten years it waits what was left", -DECADE)
def retry_back(w, by):
    w.start()
    w.enqueue("again", FAILS_ONCE, backoff_base=3)
    w.until_state("again", "failed")
    w.set(by)
    w.until_state("again", "done")
    need("it waited", real_time(w, "second") - real_time(w, "first") > 2.9)
    w.check()


@case("retry: its failure and a step back of an hour are seen together", -HOUR, slice=True)
@case("retry: its failure and a step back of ten years are seen together", -DECADE)
@case("retry: a step back of an hour and its failure are seen together", -HOUR, True, slice=True)
@case("retry: a step back of ten years and its failure are seen together", -DECADE, True)
def retry_together(w, by, step_first=False):
    w.start()
    w.enqueue("again", "if [ -e $WORLD/first ]; then touch $WORLD/second; else "
              "touch $WORLD/started; while [ ! -e $WORLD/go ]; do sleep 0.05; done; "
              "touch $WORLD/first; exit 1; fi", backoff_base=3)
    w.until("it runs", lambda: w.has("started"))
    with w.pools_stopped():
        if step_first:
            w.set(by)
        w.touch("go")
        w.until_state("again", "failed")
        if not step_first:
            w.set(by)
    w.until_state("again", "done")
    took = real_time(w, "second") - real_time(w, "first")
    need("it waited %.1f s, not 3" % took, 2.9 < took < 15)
    w.check()


@case("retry: after a step forward it is due", HOUR)
@case("retry: after a step forward of ten years it is due", DECADE)
def retry_forward(w, by):
    w.start()
    w.enqueue("again", FAILS_ONCE, backoff_base=1000)
    w.until_state("again", "failed")
    w.set(by)
    w.until_state("again", "done", seconds=HEARD)
    w.check()


@case("retry: a pool that starts after the step back waits for backoff-max", -DECADE, 1000, "3s",
      slice=True)
@case("retry: a pool that starts after the step back waits its backoff anew", -DECADE, 3, "1h")
def retry_other_pool(w, by, backoff_base, backoff_max):
    w.q("config", "set", "backoff-max", backoff_max)
    w.start()
    w.enqueue("again", FAILS_ONCE, backoff_base=backoff_base)
    w.until_state("again", "failed")
    w.stop()
    w.set(by)
    w.start()
    w.until_state("again", "done")
    need("it waited", real_time(w, "second") - real_time(w, "first") > 2.9)
    w.check()


@case("retry: many small steps are one large one", slice=True)
def retry_drift(w):
    w.start()
    w.enqueue("again", FAILS_ONCE, backoff_base=5)
    w.until_state("again", "failed")
    for _ in range(50):
        w.set_and_heard(-0.4)
    w.until_state("again", "done")
    took = real_time(w, "second") - real_time(w, "first")
    need("it waited %.1f s, not 5" % took, 4.9 < took < 15)  # 25 if nobody sums them up
    w.check()


# -- jobs that run ----------------------------------------------------------------

@case("timeout: not sooner, when set forward", HOUR)
@case("timeout: not sooner, when set forward ten years", DECADE, slice=True)
@case("timeout: not later, when set back", -HOUR, slice=True)
def timeout(w, by):
    w.start()
    blocker(w, timeout=3, max_retries=0)
    w.set(by)
    w.until_state("blocker", "dead")
    job = w.show("blocker")
    need("timed out: %s" % job["last_error"], job["last_error"].startswith("timed out after 3s"))
    need("after 3 s, not %s ms" % job["duration_ms"], 3000 <= job["duration_ms"] < 20000)
    w.check()


@case("put back by stop --now after a step back: due at once", -HOUR, slice=True)
@case("put back by stop --now after a step back of ten years", -DECADE)
def put_back(w, by):
    w.start()
    blocker(w)
    w.set(by)
    w.stop("--now")
    need("it is put back", w.state("blocker") == "pending")
    w.touch("go")
    w.start()
    w.until_state("blocker", "done")
    w.check()


@case("a run lost after a step back is made again at once", -HOUR)
@case("a run lost after a step forward is made again at once", DECADE)
def lost(w, by):
    w.start()
    blocker(w)
    w.set(by)
    worker = json.loads(w.q("status", "--json").stdout)["workers"][0]["pid"]
    w.touch("go")
    os.kill(worker, 9)
    w.until_state("blocker", "done")
    w.check()


# -- files ------------------------------------------------------------------------

DEAD = "0123abcd-2147483646-1-89abcdef"  # the token of a process that is not there


@case("files: litter from the future is swept, an old stamp alone makes none", slice=True)
def files(w):
    w.set(HOUR)
    litter, young = w.path("tmp", DEAD + ".0"), w.path("tmp", "a-producers-file")
    for path in (litter, young):
        with open(path, "w"):
            pass
    os.utime(young, (0, 0))  # as cp -p, tar and rsync -t make them
    w.set(-2 * HOUR)
    with open(w.path("pending", "dropped.json"), "w") as f:
        f.write('{"id": "dropped", "command": "true"}')
    w.ids.append("dropped")
    os.utime(w.path("pending", "dropped.json"), (2 ** 33, 2 ** 33))
    w.start()
    w.until_state("dropped", "done")
    w.until("the litter is gone", lambda: not os.path.exists(litter))
    need("the producer's file is there", os.path.exists(young))
    os.unlink(young)
    w.check()


@case("files: who still writes is left alone when the clock goes forward", slice=True)
def writer(w):
    w.start()
    with open(w.path("tmp", "slow-writer"), "w"), open(w.path("tmp", "forsaken"), "w"):
        os.close(os.open(w.path("tmp", "closed"), os.O_CREAT | os.O_WRONLY, 0o600))
        w.set(DECADE)
        w.stop()  # a pool sweeps when it ends
        need("the closed one is gone", not os.path.exists(w.path("tmp", "closed")))
        need("the open ones are there", os.path.exists(w.path("tmp", "slow-writer")))
    os.unlink(w.path("tmp", "slow-writer"))
    os.unlink(w.path("tmp", "forsaken"))


@case("files: ids differ, and events are in the file of their day", slice=True)
def names(w):
    ids = []
    w.start()
    for by in (0, HOUR, -HOUR, DECADE, -2 * DECADE):
        w.set(by)
        ids += [w.q("enqueue", '{"command":"true"}').stdout.strip() for _ in range(3)]
    w.ids += ids
    need("15 ids", len(set(ids)) == 15)
    need("sorted where time went on", all(ids[i] < ids[i + 1] for i in range(14) if i % 3 < 2))
    for id in ids:
        w.until_state(id, "done")
    events = 0
    for name in os.listdir(w.path("journal")):
        with open(w.path("journal", name)) as f:
            for line in f:
                events += 1
                need("%s is of its day: %s" % (name, line), json.loads(line)["at"][:10] == name[:10])
    need("%d events" % events, events >= 15)
    w.check()


# -- who asks how it went ---------------------------------------------------------

@case("drain: a job that dies after a step back counts", ["worker", "run", "--drain"], slice=True)
@case("wait --all: a job that dies after a step back counts", ["wait", "--all"], slice=True)
def told(w, call):
    w.enqueue("blocker", "touch $WORLD/started; until [ -e $WORLD/go ]; do sleep 0.05; done; exit 1",
              max_retries=0)
    if call[0] == "wait":
        w.start()
    asked = subprocess.Popen([w.program, *call], env=w.env, stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
    w.until("the blocker runs", lambda: w.has("started"))
    w.until("it watches, and has taken the time before", lambda: watches(asked.pid))
    w.set(-HOUR)
    w.touch("go")
    need("%s says 1" % call, asked.wait(60) == 1)
    w.check()


@case("drain: one that died before is not counted after a step forward")
def told_before(w):
    w.enqueue("bad", "exit 1", max_retries=0)
    w.q("worker", "run", "--drain", check=False)
    need("it is dead", w.state("bad") == "dead")
    died = os.stat(os.path.join(w.spool, "dead", "bad.json")).st_ctime
    w.until("that is no longer just now", lambda: time.time() > died + 0.1)
    w.set(HOUR)
    w.enqueue("good")
    need("drain says 0", w.q("worker", "run", "--drain", check=False).returncode == 0)
    w.check()


# -- leap second, suspend, shaking ------------------------------------------------

@case("leap second: the last second of the day comes twice", slice=True)
def leap(w):
    """What the kernel does by default: at midnight the clock is set back a second."""
    w.start()
    now = w.wall()
    midnight = (int(now) // 86400 + 1) * 86400
    w.set(midnight - now - 2)
    for i in range(5):
        w.enqueue("j%d" % i, run_at=midnight - 1 + i / 2)
    w.rest_until(midnight - 0.25)  # or a job of midnight could be due before the step
    w.set(-1)
    for i in range(5):
        w.until_state("j%d" % i, "done")
        never_early(w, "j%d" % i, midnight - 1 + i / 2)
        need("once", w.show("j%d" % i)["runs"] == 1)
    quiet(w, "after midnight")
    w.check()


@case("suspend: time that was slept is no job's time")
def suspend(w):
    w.start(2)
    run_at = w.wall() + 4 * HOUR
    w.enqueue("later", run_at=run_at)
    blocker(w, timeout=3, max_retries=0)
    w.set(8 * HOUR)
    w.until_state("later", "done", seconds=HEARD)
    w.until_state("blocker", "dead")
    need("3 s of its own", 3000 <= w.show("blocker")["duration_ms"] < 20000)
    w.check()


@case("shaken: set every 50 ms for three seconds", 1, 60, slice=True)
@case("shaken: set every 50 ms for twenty seconds", 2, 400)
def shaken(w, seed, times):
    chance = random.Random(seed)
    w.q("config", "set", "backoff-max", "2s")
    w.start(2)
    for i in range(times // 2):
        kind = i % 3
        w.enqueue("j%d" % i, FAILS_ONCE.replace("first", "first%d" % i) if kind == 0 else "true",
                  **({"run_at": time.time() + chance.uniform(0, 3)} if kind == 1 else {}))
        for _ in range(2):
            w.set(chance.choice((-1, 1)) * chance.choice((0.4, 0.9, 1, 60, HOUR, DECADE)))
            time.sleep(0.05)
    w.set(-w.offset / 1e9)
    for i in range(times // 2):
        w.until_state("j%d" % i, "done")
        need("j%d ran %d times" % (i, w.show("j%d" % i)["runs"]),
             w.show("j%d" % i)["runs"] == (2 if i % 3 == 0 else 1))
    quiet(w, "when the shaking ends")
    w.check()
