#!/usr/bin/env python3
"""soak.py: many jobs of every kind, while workers and pools are killed and stopped.

    soak.py [--jobs N] [--seed N] [--odd PERCENT] [--seconds N] [--kills PERCENT]
            [--kinds KIND,...] [--pools N] [--workers N] [--dir FOLDER] [--ext4] [--found]

--jobs      so many are enqueued: in batches, one by one, and dropped as files; some of
            the calls are killed too
--odd       so many of a hundred fail, hang, daemonise, close every descriptor, ignore
            TERM, fork for ever ... (soakjob.c); the others end at once
--kinds     of these the odd ones are (all)
--kills     so many blows for a hundred starts of jobs (arena.py); 0: nobody is disturbed,
            and then each job is run exactly once
--seconds   no job is enqueued after that
--ext4      on a file system of its own with a journal, on a loop device (needs root)
--found     stop at the first run beside another one (for programs broken on purpose)

Afterwards: is each acknowledged job in one place, has each result a run behind it, did
no two runs of a job live at once, is nothing left?  Prints TAP; the seed repeats the
choices, not the timing.
"""
import argparse
import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
# pylint: disable=wrong-import-position
import spoolcheck  # noqa: E402
from arena import Arena, Keeper, Slayer, Work  # noqa: E402
from ledger import Ledger  # noqa: E402
from places import NoDisk, journaled_ext4  # noqa: E402
from reaper import adopt_orphans  # noqa: E402
from tap import Tap, wait_until  # noqa: E402

PRODUCERS = 3
BATCH = 100
WAITING_MAX = 4000  # producers wait then, so that no end is long in coming
QUIET = 10          # so few are left: no more blows
DRAIN_SEC = 600     # nothing is so slow; what waits for ever is found then

ENDLESS = {"timeout": 0.3, "max_retries": 0}
# kind: (what its document says beside the argv, how it may end)
KINDS = {
    "quick": ({}, "done"),
    "talk": ({}, "done"),
    "slow": ({}, "done"),
    "flaky": ({"max_retries": 2}, "done"),
    "children": ({}, "done"),
    "daemonise": ({}, "done"),
    "closed": ({}, "done"),
    "bare": ({}, "done"),
    "naked": ({}, "done"),
    "detach": ({"detach": True}, "done"),
    "fail": ({"max_retries": 1}, "exit 1: not today"),
    "crash": ({"max_retries": 0}, "killed by SIGSEGV"),
    "hang": (ENDLESS, "timed out after"),
    "stopped": (ENDLESS, "timed out after"),
    "stubborn": (ENDLESS, "timed out after"),
    "chained": (ENDLESS, "timed out after"),
    "escaping": (ENDLESS, "timed out after"),
    "breed": (ENDLESS, "timed out after"),
    "once": ({"on_crash": "dead"}, "done"),
}
BEHAVIOUR = {"once": "slow"}  # the others behave as they are called
ODD = sorted(set(KINDS) - {"quick"})


class Load:
    """Which job is of which kind, and which were acknowledged."""

    def __init__(self, args):
        self.args, self.kind = args, {}
        self.acked, self.lock = set(), threading.Lock()
        self.until = time.monotonic() + args.seconds if args.seconds else None

    def document(self, number, rng):
        kind = rng.choice(self.args.kinds) if rng.uniform(0, 100) < self.args.odd else "quick"
        id = "j%d" % number
        self.kind[id] = kind
        argv = ["./soakjob", "ledger", str(number), BEHAVIOUR.get(kind, kind)]
        return json.dumps({"id": id, "argv": argv, **KINDS[kind][0]})

    def acknowledge(self, ids):
        with self.lock:
            self.acked.update(ids)

    def is_over(self):
        return self.until is not None and time.monotonic() >= self.until


class Producer(Work):
    def __init__(self, arena, load, numbers, seed):
        self.load, self.numbers, self.random = load, numbers, random.Random(seed)
        self.killed = 0
        super().__init__(arena)

    def work(self):
        ways = [self.batch] * 4 + [self.one, self.drop]
        while self.numbers and not self.over.is_set() and not self.load.is_over():
            if self.arena.count("pending") > WAITING_MAX:
                time.sleep(0.1)
                continue
            self.random.choice(ways)()

    def documents(self, n):
        n = min(n, len(self.numbers))
        return [self.load.document(self.numbers.pop(), self.random) for _ in range(n)]

    def batch(self):
        self.enqueue("".join(d + "\n" for d in self.documents(BATCH)), "--batch", "-")

    def one(self):
        for document in self.documents(BATCH // 25):
            self.enqueue(document, "-")

    def enqueue(self, text, *args):
        """What it said before it was killed counts, whatever it did."""
        with tempfile.TemporaryFile() as out, \
             subprocess.Popen([self.arena.program, "enqueue", *args], cwd=self.arena.folder,
                              env=self.arena.environment, stdin=subprocess.PIPE,
                              stdout=out) as call:
            if self.load.args.kills and self.random.random() < 0.1:
                timer = threading.Timer(self.random.uniform(0, 0.02), call.kill)
                timer.start()
            with contextlib.suppress(BrokenPipeError):
                call.communicate(text.encode())
            if call.returncode not in (0, -9):
                raise RuntimeError("enqueue: exit %d" % call.returncode)
            self.killed += call.returncode == -9
            out.seek(0)
            self.load.acknowledge(out.read().decode().split())

    def drop(self):
        for document in self.documents(BATCH // 5):
            id = json.loads(document)["id"]
            with open(os.path.join(self.arena.folder, id), "w") as f:
                f.write(document)
            os.rename(f.name, self.arena.path("pending", id + ".json"))
            self.load.acknowledge([id])


# -- the verdict -----------------------------------------------------------------

def wrong_end(kind, job):
    """Why a job of this kind may not have ended so; "" if it may."""
    document, wanted = job.document, KINDS[kind][1]
    reason = document.get("last_error") or "" if job.state == "dead" else job.state
    if reason.startswith(wanted):
        return ""
    lost = [run["outcome"] for run in document["history"][-3:]] == ["lost"] * 3
    if reason == "lost: worker died" and (lost or kind == "once"):
        return ""
    return "%s/%s (%s): %s" % (job.state, job.file, kind, reason)


def judge_runs(tap, load, jobs, ledger):
    documents = [job for job in jobs if isinstance(job.document, dict)]
    tap.check("no two runs of a job at once", ledger.overlaps)
    tap.check("no run is made twice", ledger.repeated + ledger.odd)
    tap.check("a run begins with its file in processing/",
              (s.file for s in ledger.starts.values() if not s.there))
    tap.check("every start is counted", (
        "%s: %d starts, %d runs" % (job.id, len(ledger.by_id[job.id]), job.document["runs"])
        for job in documents if len(ledger.by_id[job.id]) > job.document.get("runs", 0)))
    tap.check("every result has a full run behind it",
              (text for job in documents for text in ledger.unfounded(job)))
    tap.check("every job ended as its kind does",
              filter(None, (wrong_end(load.kind[job.id], job) for job in documents)))
    if not load.args.kills:
        tap.check("each job that ends well was run once", (
            "%s: %d runs, %d attempts" % (job.id, job.document["runs"], job.document["attempts"])
            for job in documents
            if job.state == "done" and load.kind[job.id] != "flaky" and
            (job.document["runs"], job.document["attempts"]) != (1, 1)))
        tap.check("all workers had a part", "" if load.args.odd or len(
            {job.document["worker"] for job in documents}) == load.args.pools * load.args.workers
            else "some had none")


def judge_spool(tap, arena, load):
    findings = spoolcheck.check(arena.spool, load.acked,
                                ends=dict.fromkeys(load.kind, ("done", "dead")))
    told = ("lost", "doubled", "state")
    for kind, what in zip(told, ("no acknowledged job is lost", "no job is in two places",
                                 "every job is in done/ or dead/")):
        tap.check(what, ("%s: %s" % f[1:] for f in findings if f.kind == kind))
    tap.check("every file is whole, and nothing is left in the spool",
              ("%s: %s: %s" % f for f in findings if f.kind not in told))


def judge(tap, arena, load, slayer, producers):
    jobs, _ = spoolcheck.jobs(arena.spool)
    ledger = Ledger(os.path.join(arena.folder, "ledger"))
    judge_spool(tap, arena, load)
    judge_runs(tap, load, jobs, ledger)
    fsck = arena.q("fsck")
    tap.check("fsck finds nothing", fsck.stdout + fsck.stderr if fsck.returncode else "")
    tap.check("no process is left", map(arena.describe, arena.processes()))
    lost = sum(job.document.get("lost", 0) for job in jobs if isinstance(job.document, dict))
    blows = ["%d %s" % (slayer.count[what], what) for what in sorted(slayer.count)] if slayer else []
    tap.note("%d jobs acknowledged, %d starts, %d runs lost; %s" % (
        len(load.acked), len(ledger.starts), lost,
        ", ".join(blows + ["%d calls killed" % sum(p.killed for p in producers)])))
    if slayer and len(load.acked) >= 1000:
        tap.check("there was chaos", "" if lost and slayer.count["workers killed"] else "none")


# -- the course of it --------------------------------------------------------------

def left(arena):
    return sum(arena.count(folder) for folder in ("pending", "failed", "processing"))


def has_overlap(arena):
    with contextlib.suppress(FileNotFoundError), open(arena.folder + "/ledger") as f:
        return any(line.startswith("O ") for line in f)
    return False


def soak(tap, arena, args):
    shutil.copy(os.path.join(os.environ.get("QUEUECTL_BUILD", os.path.dirname(arena.program)),
                             "tests", "soakjob"), arena.folder)
    for key, value in (("grace", "200ms"), ("backoff-max", "1s"), ("backoff-base", "1")):
        arena.must("config", "set", key, value)
    load = Load(args)
    numbers = list(range(args.jobs))
    keeper = Keeper(arena)
    producers = [Producer(arena, load, numbers[i::PRODUCERS], args.seed * 100 + i)
                 for i in range(PRODUCERS)]
    slayer = Slayer(arena, args.kills) if args.kills else None
    over = wait_until(lambda: (args.found and has_overlap(arena)) or
                      (not any(p.is_alive() for p in producers) and left(arena) <= QUIET),
                      args.seconds + DRAIN_SEC + args.jobs / 20)
    for thread in filter(None, producers + [slayer, keeper]):
        thread.stop()
    if args.found and has_overlap(arena):
        tap.check("no two runs of a job at once", Ledger(arena.folder + "/ledger").overlaps)
        return
    if not arena.living("pool"):
        keeper.start_pool()
    end = arena.q("wait", "--all", "--timeout", "%ds" % DRAIN_SEC, timeout=2 * DRAIN_SEC)
    tap.check("all that was enqueued ended", "" if over and end.returncode != 124 else
              arena.q("list").stdout)
    tap.check("every start of a pool came to an end", keeper.hung)
    arena.settle(keeper)
    judge(tap, arena, load, slayer, producers)


def arguments():
    parser = argparse.ArgumentParser(description="many jobs, while workers and pools are killed")
    parser.add_argument("--jobs", type=int, default=200000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--odd", type=float, default=2)
    parser.add_argument("--seconds", type=float, default=0)
    parser.add_argument("--kinds", type=lambda text: text.split(","), default=ODD)
    parser.add_argument("--kills", type=float, default=0.5)
    parser.add_argument("--pools", type=int, default=4)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--dir", default="/dev/shm")
    parser.add_argument("--ext4", action="store_true")
    parser.add_argument("--found", action="store_true")
    return parser.parse_args()


def main():
    args, tap, began = arguments(), Tap(), time.monotonic()
    adopt_orphans()
    place = journaled_ext4(args.dir, 1024) if args.ext4 else contextlib.nullcontext(args.dir)
    try:
        with place as folder, Arena(folder, args.pools, args.workers, args.seed) as arena:
            soak(tap, arena, args)
    except NoDisk as why:
        tap.skip("soak on ext4", why)
    tap.note("%.0f s; seed %d" % (time.monotonic() - began, args.seed))
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
