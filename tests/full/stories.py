"""stories.py: what goes on while a disk is full.  STORIES: name -> function of a Spool.

A story raises Failed, or comes back.  WINDOW is a fixed time in which nothing may
happen; all else is waited for.
"""
import json
import os
import re
import subprocess
import time

from onespool import PATIENCE, Failed, OneSpool

__all__ = ["PATIENCE", "STORIES", "Spool"]

MIB = 1024 * 1024
WINDOW = 3.0
WAITING = 30
DROPPED = 12
LINES_MAX = 40   # of the log in a window, whatever they say
REPEATS_MAX = 4  # of one line: a worker that cannot start says so 0.2, 0.6, 1.4 s later
TICKS_MAX = 60   # of CPU in a window, by the pool and its workers: a spin takes 300

STORIES = {}


def story(f):
    STORIES[f.__name__.replace("_", " ")] = f
    return f


def need(what, holds):
    if not holds:
        raise Failed("not so: " + what)


class Spool(OneSpool):
    """On a disk that can be filled.  The pool's log goes to another disk, so that it
    is seen whatever it says: FOLDER/log."""

    def __init__(self, program, disk, patience=PATIENCE):
        self.disk = disk
        self.pools = []
        folder = os.path.join(disk.folder, "world")
        os.mkdir(folder)
        super().__init__(program, folder, disk.env, patience, os.path.join(disk.path, "spool"))

    def __exit__(self, *_):
        try:
            self.disk.free()
        finally:
            super().__exit__()

    def start(self, count=2):
        with open(os.path.join(self.folder, "log"), "a") as log:
            pool = subprocess.Popen([self.program, "worker", "run", "--count", str(count)],
                                    env=self.env, stdout=log, stderr=log, cwd=self.folder)
        self.pools.append(pool)
        self.until("the workers are there", lambda: len(self.workers()) >= count)

    def workers(self):
        return [w["pid"] for w in json.loads(self.q("status", "--json").stdout)["workers"]]

    def stop(self, *how):
        for pool in self.pools:
            pool.terminate()
            need("the pool stops", pool.wait(self.patience) in (0, 1))
        self.pools.clear()

    def log_text(self):
        with open(os.path.join(self.folder, "log"), errors="replace") as log:
            return log.read()

    def log(self):
        return "".join(self.log_text().splitlines(True)[-12:])

    def ticks(self):
        """CPU of the pool and its workers."""
        total = 0
        for pid in self.processes():
            try:
                with open("/proc/%d/stat" % pid) as f:
                    part = f.read().rsplit(")", 1)[1].split()
                with open("/proc/%d/cmdline" % pid) as f:
                    total += int(part[11]) + int(part[12]) if "queuectl" in f.read() else 0
            except OSError:
                pass
        return total

    def blocker(self, id, then="true", **members):
        """A job that runs until touch("go")."""
        self.enqueue(id, "touch $WORLD/%s; while [ ! -e $WORLD/go ]; do sleep 0.05; done; touch $WORLD/%s.end; %s"
                     % (id, id, then), **members)
        self.until("%s runs" % id, lambda: self.has(id))

    def names(self):
        """All files of the spool, but those that come and go without harm."""
        found = []
        for folder, _, files in os.walk(self.spool):
            found += [os.path.join(folder, f) for f in files]
        return sorted(f for f in found if not re.search(r"/(journal/|logs/\.|\.reserve)", f))

    def refused(self, *call, text=None):
        """It is refused, for a reason that names the trouble, and leaves nothing."""
        before = self.names()
        done = self.q(*call, check=False, text=text)
        what = " ".join(call)
        need("%s: exit %d" % (what, done.returncode), done.returncode == 1)
        need("%s: nothing on stdout: %s" % (what, done.stdout), not done.stdout)
        need("%s says why: %s" % (what, done.stderr),
             any(word in done.stderr for word in self.disk.words))
        now = self.names()
        need("%s leaves nothing: %s" % (what, sorted(set(now) ^ set(before))), now == before)


ENQUEUES = [
    (["enqueue", '{"command": "true"}'], None),
    (["enqueue", '{"id": "new", "command": "true"}'], None),
    (["enqueue", "--id", "new", "--", "true"], None),
    (["enqueue", "--batch", "-"], '{"command":"true"}\n{"id":"new","command":"true"}\n'),
    (["enqueue", "--lines", "--", "echo", "{}"], "a\nb\n"),
    (["enqueue", "--unique", "--id", "new", "--", "true"], None),
    (["enqueue", "--wait", "--id", "new", "--", "true"], None),
]


def idle(s, what, may_move=False):
    """Nothing is claimed, nothing spins, nothing is said again and again."""
    said, ticks = len(s.log_text()), s.ticks()
    waiting = os.listdir(s.path("pending"))
    time.sleep(WINDOW)  # a window
    now = os.listdir(s.path("pending"))
    need("%s: nothing moves in pending/: %s" % (what, set(now) ^ set(waiting)),
         may_move or now == waiting)
    ticks = s.ticks() - ticks
    lines = [re.sub(r"^\S+ \w+ \d+: ", "", line) for line in s.log_text()[said:].splitlines()]
    often = [line for line in set(lines) if lines.count(line) > REPEATS_MAX]
    need("%s: said again and again: %s" % (what, often), not often)
    need("%s: %d lines of log" % (what, len(lines)), len(lines) <= LINES_MAX)
    need("%s: %d ticks of CPU" % (what, ticks), ticks <= TICKS_MAX)


@story
def at_work(s):
    """Jobs run, wait, and wait for their retry while the disk fills up; one worker
    has nothing to do."""
    s.start(4)
    s.blocker("good")
    s.blocker("bad", "exit 3", max_retries=0)
    s.blocker("again", "[ $QUEUECTL_ATTEMPT = 2 ]", backoff_base=1)
    s.q("pause")
    for i in range(WAITING):
        s.enqueue("w%d" % i)
    s.disk.fill()
    for call, text in ENQUEUES:
        s.refused(*call, text=text)
    os.unlink(s.path("control", "pause"))  # as an operator may, with rm
    s.disk.fill()                          # that was an inode
    idle(s, "while it is full")
    s.touch("go")
    # Their ends are recorded from the reserve, or kept: not lost, and not wrong.
    for id in "good", "bad", "again":
        s.until("%s ended" % id, lambda id=id: s.has(id + ".end"))
    idle(s, "when jobs have ended", may_move=True)
    for id, state in ("good", "done"), ("bad", "dead"), ("again", "failed"):
        if s.disk.reserve_helps:
            s.until_state(id, state)
        need("%s is in %s" % (id, s.state(id)), s.state(id) in ("processing", state))
    s.disk.free()
    for id in ["good", "again"] + ["w%d" % i for i in range(WAITING)]:
        s.until_state(id, "done")
    s.until_state("bad", "dead")
    need("its result is kept", s.show("bad")["exit_code"] == 3)
    for id, runs in ("good", 1), ("bad", 1), ("again", 2):
        need("%s ran %d times" % (id, s.show(id)["runs"]), s.show(id)["runs"] == runs)
    s.enqueue("after")
    s.until_state("after", "done")
    s.check()


@story
def dropped(s):
    """Files that other programs drop are taken in when there is room."""
    s.start()
    os.mkdir(s.disk.filler())
    for i in range(DROPPED):
        spare = os.path.join(s.disk.filler(), "d%d.json" % i)
        with open(spare, "w") as f:
            f.write('{"id": "d%d", "command": "true"}' % i)
        os.link(spare, s.path("pending", "d%d.json" % i))  # with a second link it is not whole
        s.ids.append("d%d" % i)
    s.disk.fill()
    for i in range(DROPPED):
        os.unlink(os.path.join(s.disk.filler(), "d%d.json" % i))
    idle(s, "dropped files on a full disk")
    s.disk.free()
    for i in range(DROPPED):
        s.until_state("d%d" % i, "done")
    s.check()


@story
def batch_too_big(s):
    """The disk fills up in the middle of a batch: none of it is left."""
    pad = "x" * 8000
    batch = "".join('{"id": "b%d", "command": "true", "pad": "%s"}\n' % (i, pad)
                    for i in range(3000))
    s.enqueue("before")
    s.refused("enqueue", "--batch", "-", text=batch)
    s.refused("enqueue", "--lines", "--", "echo", "{}", pad, text="a\n" * 3000)
    s.enqueue("b7")
    s.start()
    for id in "before", "b7":
        s.until_state(id, "done")
    s.check()


@story
def nearly_full(s):
    """There is some room, less than the floor: it is kept for results."""
    s.start(2)
    s.q("pause")
    s.enqueue("w")
    s.disk.fill(leave=MIB)
    os.unlink(s.path("control", "pause"))
    for call, text in ENQUEUES:
        s.refused(*call, text=text)
    idle(s, "under the floor")
    s.disk.free()
    s.until_state("w", "done")
    s.check()


@story
def a_worker_dies(s):
    """Its run is recovered, and it is replaced, when there is room."""
    s.start(1)
    s.blocker("lost")
    worker = s.workers()[0]
    s.disk.fill()
    s.touch("go")
    os.kill(worker, 9)
    idle(s, "a run of the dead", may_move=True)
    need("the job is there: %s" % s.state("lost"), s.state("lost") is not None)
    s.disk.free()
    s.until_state("lost", "done")
    s.check()


@story
def a_job_fills_it(s):
    """What it wrote lies in logs/; its end is recorded, and who deletes it makes room."""
    s.enqueue("big", "cat /dev/zero", max_retries=0, priority=10)
    for i in range(3):
        s.enqueue("w%d" % i)
    s.start(1)
    s.until_state("big", "dead")
    s.until("it is noticed", lambda: "nothing is claimed" in s.log_text())
    idle(s, "its log fills the disk", may_move=True)
    need("something waits", os.listdir(s.path("pending")))
    s.q("delete", "--yes", "big")
    s.ids.remove("big")
    for id in s.ids:
        s.until_state(id, "done")
    s.check()


@story
def words(s):
    """Who does something by hand is told; what makes room works."""
    s.enqueue("ended")
    s.enqueue("died", "exit 1", max_retries=0)
    s.start(1)
    s.until_state("died", "dead")
    s.until_state("ended", "done")
    s.stop()
    for id in "retried", "held", "cancelled", "edited", "deleted":
        s.enqueue(id, run_at=time.time() + 10 ** 6)
    s.disk.fill()
    for call in (["config", "set", "count", "7"], ["hold", "held"], ["cancel", "cancelled"],
                 ["retry", "died"], ["edit", "edited", "--priority", "5"], ["pause"],
                 ["dlq", "retry", "died"]):
        done = s.q(*call, check=False)
        need("%s: %s: exit %d" % (" ".join(call), done.stderr, done.returncode),
             done.returncode in (0, 1))
        need("%s says why: %s" % (" ".join(call), done.stderr),
             done.returncode == 0 or any(w in done.stderr for w in s.disk.words))
    s.refused("enqueue", "--unique", "--id", "ended", "--", "true")
    other = os.path.join(s.disk.path, "other")
    made = s.q("init", other, check=False)
    need("init: %s" % made.stderr, made.returncode == 0 or
         (made.returncode == 1 and any(w in made.stderr for w in s.disk.words)))
    for call in ["status"], ["list"], ["show", "died"], ["fsck"]:
        done = s.q(*call, check=False)
        need("%s works: %s" % (call[0], done.stderr), done.returncode == 0)
    done = s.q("worker", "start", check=False)
    need("worker start: %s" % done.stderr, done.returncode == 0 or
         (done.returncode == 1 and any(w in done.stderr for w in s.disk.words)))
    s.q("worker", "stop", check=False)
    if s.disk.deletes:
        s.q("delete", "--yes", "deleted")
        s.ids.remove("deleted")
    s.disk.free()
    s.q("init", other)
    s.q("--spool", other, "enqueue", '{"command": "true"}')
    s.q("resume", check=False)
    s.check()
