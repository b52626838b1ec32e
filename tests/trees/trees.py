#!/usr/bin/env python3
"""trees.py: jobs whose processes are hard to end, each ended in each way.

    trees.py [--kinds A,B] [--ends A,B] [--cgroup] [--by-term] [--shy] [--broken]
             [--at-once N] [--side-by-side N] [--program PATH]

tree.c has the kinds; the ways to end are the functions below.  For each pair:

  - no process of the tree is left GRACE + 2 s after it was to end (and SLACK, for
    machines with other work; the slowest is printed),
  - the job has the fate it must have; a second run saw nothing of the first alive,
  - after `detach` all of it is left, and the pool is gone all the same,
  - bystanders got no signal: processes with almost the same environment, and one
    that has the id's file open.

--cgroup: in a cgroup that is delegated to the pool, where also those must go that
nothing else can find (tree.c: lost).  Exit 77 where none can be made.
--shy: the pool is made to lose each race with chain-shy, alone of its kind (shy.c).
--by-term: with a grace that is too long to be waited for, so TERM must do.
--broken: the program is broken on purpose: exit 0 only if something is not so.

TAP on stdout; exit 1 if anything is not so.
"""
import argparse
import concurrent.futures
import json
import mmap
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lib"))
from tap import Tap, wait_until  # noqa: E402

import delegated  # noqa: E402

GRACE, LONG_GRACE = 0.5, 600
PROMISED = GRACE + 2
SLACK = float(os.environ.get("TREES_SLACK", "60"))
LONG = 60  # for what must come, however slow the machine is
LOST = {"lost", "lost-deaf", "chain-lost"}  # once the worker is dead, only a cgroup knows them
FIELDS = ["up", "over", "count", "signals", "overlap", "members"]  # beat.h


class Beat:
    """The page that all processes of a tree share."""

    def __init__(self, path):
        path.write_bytes(bytes(mmap.PAGESIZE))
        self.path = path
        with open(path, "r+b") as file:
            self.page = mmap.mmap(file.fileno(), mmap.PAGESIZE)

    def __getitem__(self, field):
        return struct.unpack_from("l", self.page, 8 * FIELDS.index(field))[0]

    def __setitem__(self, field, value):
        struct.pack_into("l", self.page, 8 * FIELDS.index(field), value)


def processes():
    """{path of the program: [pid]}, zombies left out (they have no program)."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                found.setdefault(os.readlink("/proc/%s/exe" % name), []).append(int(name))
            except OSError:
                if not first_thread_left(name):
                    continue
                for tid in os.listdir("/proc/%s/task" % name):
                    try:
                        exe = os.readlink("/proc/%s/task/%s/exe" % (name, tid))
                        found.setdefault(exe, []).append(int(name))
                    except OSError:
                        pass
    return found


def first_thread_left(pid):
    try:
        return len(os.listdir("/proc/%s/task" % pid)) > 1
    except OSError:
        return False


class Case:
    """One job: its own link of the program, and its beat."""

    def __init__(self, place, tree, kind):
        self.kind = kind
        self.exe = place / ("tree." + kind)
        os.link(tree, self.exe)
        self.beat = Beat(place / ("beat." + kind))
        self.count = -1
        self.gone = None

    def job(self, leader, members):
        return dict(id=self.kind, argv=[str(self.exe), self.kind, leader, str(self.beat.path)],
                    **members)

    def lives(self, seen):
        """Does anything of it live?  A chain shows by its count alone."""
        before, self.count = self.count, self.beat["count"]
        return str(self.exe) in seen or self.count != before

    def clear(self):
        """What is left over leaves by itself, but for what is stopped."""
        self.beat["over"] = 1

        def away():
            pids = processes().get(str(self.exe), [])
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except OSError:
                    pass
            return not pids
        wait_until(away, LONG)


class Spool:
    """A spool with its pools, and the cases that are run on it."""

    def __init__(self, options, tree, kinds):
        self.options = options
        self.place = pathlib.Path(tempfile.mkdtemp(prefix="queuectl-trees.", dir=options.scratch))
        self.path = self.place / "spool"
        self.q("init", str(self.path))
        self.q("config", "set", "grace",
               "%dms" % (1000 * (LONG_GRACE if options.by_term else GRACE)))
        self.cases = [Case(self.place, tree, kind) for kind in kinds]
        self.bystanders = []

    def q(self, *args, check=True, through=(), **how):
        env = dict(os.environ, QUEUECTL_SPOOL=str(self.path))
        done = subprocess.run([*through, self.options.program, *args], env=env,
                              capture_output=True, text=True, timeout=4 * LONG, check=False,
                              cwd=self.place, **how)
        if check and done.returncode != 0:
            raise RuntimeError("%s: %s" % (" ".join(args), done.stderr))
        return done.stdout

    def start(self, count):
        enter = self.options.cgroup.enter() if self.options.cgroup else []
        if self.options.shy and self.cases:
            enter = ["env", "LD_PRELOAD=%s" % self.options.shy,
                     "SHY_BEAT=%s" % self.cases[0].beat.path]
        self.q("worker", "start", "--count", str(count), through=enter)

    def enqueue(self, leader, **members):
        jobs = [json.dumps(case.job(leader, members)) for case in self.cases]
        self.q("enqueue", "--batch", "-", input="\n".join(jobs))

    def workers(self):
        return json.loads(self.q("worker", "list", "--json"))

    def show(self, case):
        return json.loads(self.q("show", "--json", case.kind))

    def await_trees(self):
        if not wait_until(lambda: all(c.beat["up"] for c in self.cases), LONG):
            raise RuntimeError("trees that do not stand after %d s: %s" % (
                LONG, [c.kind for c in self.cases if not c.beat["up"]]))

    def await_end(self, began):
        """Note for each case when nothing of it was left; until all are gone."""
        def all_gone():
            seen = processes()
            for case in self.cases:
                lives = case.lives(seen)
                if not lives and case.gone is None:
                    case.gone = time.monotonic() - began
                elif lives:
                    case.gone = None
            return all(c.gone is not None for c in self.cases)
        wait_until(all_gone, PROMISED + SLACK, 0.1)

    def add_bystanders(self):
        """Like the first case's processes in all but one thing."""
        run = next(self.path.glob("processing/*.%s.json" % self.cases[0].kind), None)
        if run is None:
            return
        like = dict(os.environ, QUEUECTL_JOB_ID=self.cases[0].kind, QUEUECTL_RUN="1",
                    QUEUECTL_SPOOL=str(self.path))
        # A run of another boot.  (One of this boot, with this id, would live, and the
        # job would wait for it.)
        boot = str(run).index(".w") + 2
        other = str(run)[:boot] + ("0" if str(run)[boot] != "0" else "1") + str(run)[boot + 1:]
        with open(self.path / "ids" / self.cases[0].kind, "ab") as file:
            for extra in [{}, {"QUEUECTL_JOB": str(run) + "x"}, {"QUEUECTL_JOB": other},
                          {"XQUEUECTL_JOB": str(run)}]:
                beat = Beat(self.place / ("bystander.%d" % len(self.bystanders)))
                child = subprocess.Popen([self.options.tree, "bystander", str(beat.path)],
                                         env={**like, **extra}, stdin=file,
                                         stdout=subprocess.DEVNULL)
                self.bystanders.append((child, beat))
        wait_until(lambda: all(b["up"] for _, b in self.bystanders), LONG)

    def harmed(self):
        return ["bystander %d: %d signals, exit %s" % (i, beat["signals"], child.poll())
                for i, (child, beat) in enumerate(self.bystanders)
                if beat["signals"] or child.poll() is not None]

    def close(self):
        for case in self.cases:
            case.clear()
        self.q("worker", "stop", "--now", check=False)
        for child, beat in self.bystanders:
            beat["over"] = 1
            child.wait()
        shutil.rmtree(self.place)


def kill(pids):
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


# -- ways to end: each returns when that was said, and what must come of the job --------

TIMED_OUT = {"state": "dead", "attempts": 1, "history.0.timed_out": True}
CANCELLED = {"state": "dead", "last_error": "cancelled"}
PUT_BACK = {"state": "pending", "attempts": 0}
DONE = {"state": "done", "attempts": 1, "exit_code": 0}
MADE_AGAIN = {"state": "done", "attempts": 1, "runs": 2,
              "history.0.error": "lost: worker died"}


def timeout(spool):
    seconds = 1.5
    spool.enqueue("stays", timeout="%dms" % (seconds * 1000), max_retries=0)
    spool.start(len(spool.cases))
    began = time.monotonic()
    spool.await_trees()
    spool.add_bystanders()
    return began + seconds, TIMED_OUT


def stand(spool, leader="stays", **members):
    spool.enqueue(leader, max_retries=0, **members)
    spool.start(len(spool.cases))
    spool.await_trees()
    spool.add_bystanders()
    return time.monotonic()


def cancel(spool):
    began = stand(spool)
    spool.q("cancel", *[c.kind for c in spool.cases], check=False)
    return began, CANCELLED


def now(spool):
    began = stand(spool)
    spool.q("worker", "stop", "--now", check=False)
    return began, PUT_BACK


def itself(spool):
    return stand(spool, "leaves"), DONE


def worker(spool):
    """Every worker is killed; one of two pools recovers its run."""
    spool.start(1)
    began = stand(spool)
    kill(w["pid"] for w in spool.workers() if w.get("job"))
    return began, MADE_AGAIN


def pool(spool):
    """The pool goes with its workers; another one recovers."""
    stand(spool)
    dying = spool.workers()
    spool.start(1)
    began = time.monotonic()
    kill({w["pool"] for w in dying} | {w["pid"] for w in dying})
    return began, MADE_AGAIN


def detach(spool):
    return stand(spool, "leaves", detach=True), DONE


ENDS = {"timeout": timeout, "cancel": cancel, "now": now, "itself": itself, "worker": worker,
        "pool": pool, "detach": detach}


# -- the verdict ---------------------------------------------------------------------------


def member(document, path):
    for part in path.split("."):
        if isinstance(document, list):
            document = document[int(part)] if int(part) < len(document) else None
        else:
            document = document.get(part) if document else None
    return document


def wrong_fate(spool, case, fate):
    seen = {}

    def holds():
        document = spool.show(case)
        seen.update({path: member(document, path) for path in fate})
        return seen == fate
    return "" if wait_until(holds, LONG) else "fate %s, must be %s" % (seen, fate)


def judge(spool, case, fate):
    """What is wrong with it."""
    wrong = []
    if case.gone is None:
        wrong.append("left: processes %s, count %d" % (processes().get(str(case.exe)),
                                                       case.beat["count"]))
    elif case.gone > PROMISED + SLACK:
        wrong.append("gone only after %.1f s" % case.gone)
    if case.gone is not None:
        wrong.append(wrong_fate(spool, case, fate))
    if case.beat["overlap"]:
        wrong.append("a second run began while the first was alive")
    return wrong


def judge_detached(spool, case, fate):
    """It is done and goes on; nobody minds it, not even when the pool leaves."""
    wrong = [wrong_fate(spool, case, fate)]
    spool.q("worker", "stop", check=False)
    before = case.beat["count"]
    alive = lambda: str(case.exe) in processes() or case.beat["count"] != before  # noqa: E731
    if not wait_until(alive, 5):
        wrong.append("nothing of it is left")
    return wrong


def run(options, end, kinds):
    """[(name, what is wrong)], the slowest end"""
    spool = Spool(options, options.tree, kinds)
    try:
        began, fate = ENDS[end](spool)
        if end == "detach":
            return [("%s, %s" % (c.kind, end), judge_detached(spool, c, fate))
                    for c in spool.cases], (0, "")
        spool.await_end(began)
        said = [("%s, %s" % (c.kind, end), judge(spool, c, fate)) for c in spool.cases]
        said.append(("bystanders, %s" % end, spool.harmed()))
        return said, max((c.gone or 0, "%s, %s" % (c.kind, end)) for c in spool.cases)
    finally:
        spool.close()


def batches(options):
    for end in options.ends:
        # Where nothing tells whose they are there is nothing to promise.
        kinds = [k for k in options.kinds
                 if options.cgroup or k not in LOST or end not in ("worker", "pool")]
        for i in range(0, len(kinds), options.at_once):
            yield end, kinds[i:i + options.at_once]


def arguments():
    words = argparse.ArgumentParser(description="see the head of this file")
    words.add_argument("--kinds")
    words.add_argument("--ends", default=",".join(ENDS))
    words.add_argument("--cgroup", action="store_true")
    words.add_argument("--by-term", action="store_true")
    words.add_argument("--shy", action="store_true")
    words.add_argument("--broken", action="store_true")
    words.add_argument("--at-once", type=int, default=8, help="kinds of trees")
    words.add_argument("--side-by-side", type=int, default=2, help="ways to end")
    words.add_argument("--program", default=os.environ.get(
        "QUEUECTL_BIN", str(HERE.parents[1] / "build/queuectl")))
    return words.parse_args()


def build(scratch, name, *flags):
    made = pathlib.Path(scratch) / name
    subprocess.run([*os.environ.get("CC", "cc").split(), "-std=c11", "-D_GNU_SOURCE", "-O1",
                    "-pthread", *flags, "-o", str(made), str(HERE / (name + ".c"))], check=True)
    return made


def sweep(options):
    """What detached trees left is removed by the next pool."""
    spool = Spool(options, options.tree, [])
    spool.start(1)
    spool.close()


def main():
    options = arguments()
    tap = Tap()
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    options.scratch = tempfile.mkdtemp(prefix="queuectl-trees.", dir=base)
    try:
        options.tree = build(options.scratch, "tree")
        options.shy = options.shy and build(options.scratch, "shy", "-shared", "-fPIC")
        names = subprocess.check_output([options.tree, "kinds"], text=True).split()
        options.kinds = options.kinds.split(",") if options.kinds else names
        options.ends = options.ends.split(",")
        if options.cgroup:
            options.cgroup = delegated.make()
            if not options.cgroup:
                print("no cgroup of version 2 can be made here", file=sys.stderr)
                return 77
        slowest = (0, "")
        with concurrent.futures.ThreadPoolExecutor(options.side_by_side) as threads:
            for said, took in threads.map(lambda b: run(options, *b), batches(options)):
                slowest = max(slowest, took)
                for name, wrong in said:
                    tap.check(name, wrong)
        if options.cgroup:
            sweep(options)
            tap.check("no cgroup is left", options.cgroup.litter())
    finally:
        if isinstance(options.cgroup, delegated.Cgroup):
            options.cgroup.remove()
        shutil.rmtree(options.scratch)
    tap.note("the slowest was gone after %.2f s (%s); promised: %.1f s" % (*slowest, PROMISED))
    if options.broken:
        return 0 if tap.failed else 1
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
