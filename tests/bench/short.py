#!/usr/bin/env python3
"""short.py: a bench for every run of the tests, which fails on gross regressions only.

System calls are counted with strace, which is exact: of a worker, and of the whole pool,
for each no-op job; of one `queuectl enqueue`; the syncs of a batch.  The limits are what
was counted, and a little.  CPU is compared with that of spawn.c in the same run, and may
be half as much again.  Prints TAP.
"""
import collections
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
# pylint: disable=wrong-import-position
import enqueueing  # noqa: E402
import rates  # noqa: E402
from line import Bench  # noqa: E402
from measure import by_turns, run  # noqa: E402
from peers import there  # noqa: E402
from queues import PROGRAM, Spool  # noqa: E402
from reaper import adopt_orphans  # noqa: E402
from tap import Tap  # noqa: E402

JOBS = 200
WORKER_CALLS = 44  # for each job; the job's own first steps, before exec, not among them
POOL_CALLS = 1.5   # for each job, of the pool alone
ENQUEUE_CALLS = 182
BATCH_SYNCS = 3
CPU_RATIO = 1.5
CALL = re.compile(r"^(\d+) +(\w+)\(")


def trace(spool, argv):
    """{pid: calls}, the resumed ones counted once."""
    path = os.path.join(spool.folder, "trace")
    run(["strace", "-f", "-o", path, *argv], cwd=spool.folder, env=spool.env)
    calls = collections.Counter()
    with open(path) as f:
        for line in f:
            found = CALL.match(line)
            if found:
                calls[int(found[1])] += 1
    return calls


def drained_calls(jobs):
    """Of the pool, of its only worker, after that many jobs."""
    with Spool("/dev/shm") as spool:
        if jobs:
            spool.fill(jobs, {"command": "true"})
        calls = trace(spool, [PROGRAM, "worker", "run", "--count", "1", "--drain"])
    pids = sorted(calls)
    return calls[pids[0]], calls[pids[1]]


def count_calls(tap):
    none, some = drained_calls(0), drained_calls(JOBS)
    pool, worker = ((b - a) / JOBS for a, b in zip(none, some))
    tap.note("system calls for a no-op job: %.1f of the worker, %.1f of the pool" % (worker, pool))
    tap.check("a worker makes at most %d system calls for a no-op job" % WORKER_CALLS,
              "" if worker <= WORKER_CALLS else "%.1f" % worker)
    tap.check("a pool makes at most %.1f for it" % POOL_CALLS,
              "" if pool <= POOL_CALLS else "%.1f" % pool)
    with Spool("/dev/shm") as spool:
        calls = sum(trace(spool, [PROGRAM, "enqueue", "--command", "true"]).values())
        tap.note("system calls of one enqueue: %d" % calls)
        tap.check("queuectl enqueue makes at most %d" % ENQUEUE_CALLS,
                  "" if calls <= ENQUEUE_CALLS else str(calls))
        source = os.path.join(spool.folder, "jobs")
        with open(source, "w") as f:
            f.write('{"command":"true"}\n' * 1000)
        syncs = enqueueing.count_syncs(spool, source)
        tap.check("a batch syncs at most %d times" % BATCH_SYNCS,
                  "" if 1 <= syncs <= BATCH_SYNCS else str(syncs))


def compare_cpu(tap):
    bench = Bench("tmpfs", "/dev/shm", 3, 1)
    best = by_turns({"S": lambda: rates.spawn(bench, JOBS * 3, 2, *rates.NOOP),
                     "queue": lambda: rates.queue(bench, JOBS * 3, {"command": "true"})},
                    bench.rounds)
    ratio = best["queue"].cpu / best["S"].cpu
    tap.note("CPU of a no-op job against its bare spawn: %.2f x" % ratio)
    tap.check("a no-op job costs at most %.1f times its bare spawn" % CPU_RATIO,
              "" if ratio <= CPU_RATIO else "%.2f" % ratio)


def main():
    adopt_orphans()
    tap = Tap()
    if not there("strace"):
        tap.skip("system calls", "no strace")
    elif not os.access("/dev/shm", os.W_OK):
        tap.skip("system calls", "no /dev/shm")
    else:
        count_calls(tap)
        compare_cpu(tap)
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
