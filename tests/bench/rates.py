"""rates.py: how many jobs a second, and what they cost, against xargs and against S.

Each contender runs the very same program.  S is the rate of spawn.c, "the least" that of
the same program with a directory for each state (spawn --states).  CPU is that of all
processes that take part: pool, workers and jobs; xargs and its children.
"""
import json
import os

from line import Line
from measure import by_turns, run
from peers import PEERS, measure, xargs
from queues import Spool, tool

NOOP = ["sh", "-c", "true"]
KIB = "x" * 1023
JOBS = 8000  # a pool's start and end, some 20 ms, are part of what is timed


def spawn(bench, jobs, processes, *argv):
    with bench.folder() as folder:
        return run([tool("spawn"), folder, str(jobs), str(processes), *argv])


def least(bench, jobs, processes, sure):
    """No queue could do less that keeps its states as this one does."""
    with bench.folder() as folder:
        for state in ("pending", "processing", "tmp", "done"):
            os.mkdir(os.path.join(folder, state))
        for job in range(jobs):
            with open(os.path.join(folder, "pending", str(job)), "w") as f:
                json.dump({"id": str(job), "command": "true", "attempts": 0}, f)
        return run([tool("spawn"), "--states", sure, folder, str(jobs), str(processes), *NOOP])


def by_xargs(bench, jobs, *argv):
    with bench.folder() as folder:
        return xargs(folder, jobs, *argv)


def queue(bench, jobs, document, workers=2, durability="auto"):
    with Spool(bench.place) as spool:
        spool.config(durability=durability)
        spool.fill(jobs, document)
        return spool.drain(workers)


def compare(bench, what, jobs, argv, document, demanded):
    """The first row, for one kind of job."""
    best = by_turns({
        "xargs": lambda: by_xargs(bench, jobs, *argv),
        "S": lambda: spawn(bench, jobs, 2, *argv),
        "never": lambda: queue(bench, jobs, document, durability="never"),
        "auto": lambda: queue(bench, jobs, document),
    }, bench.rounds)
    xargs_, s, never, auto = (best[name] for name in ("xargs", "S", "never", "auto"))
    note = "%.0f, %.0f, %.0f, %.0f jobs/s (xargs, S, never, auto)" % tuple(
        jobs / best[name].wall for name in ("xargs", "S", "never", "auto"))
    bound = demanded.get
    yield Line(what + ", results never synced, against xargs", xargs_.wall / never.wall, "x",
               bound("xargs", ""), note)
    yield Line(what + ", results never synced, against S", s.wall / never.wall, "x", bound("S", ""))
    yield Line(what + ", results auto, against S", s.wall / auto.wall, "x", bound("auto", ""))
    yield Line(what + ", CPU a job against xargs, auto", auto.cpu / xargs_.cpu, "x",
               bound("cpu", ""), "%.0f, %.0f, %.0f us (xargs, S, auto)" % tuple(
                   1e6 * best[name].cpu / jobs for name in ("xargs", "S", "auto")))


def noop(bench):
    jobs = bench.jobs(JOBS)
    yield from compare(bench, "no-op jobs", jobs, NOOP, {"command": "true"},
                       {"xargs": ">= 1.25", "S": ">= 0.95", "auto": ">= 0.88", "cpu": "<= 0.90"})
    best = by_turns({
        "S": lambda: spawn(bench, jobs, 2, *NOOP),
        "never": lambda: least(bench, jobs, 2, "cached"),
        "auto": lambda: least(bench, jobs, 2, "written"),
    }, bench.rounds)
    for durability in ("never", "auto"):
        yield Line("no-op jobs, results %s, the least, against S" % durability,
                   best["S"].wall / best[durability].wall, "x")


def other_jobs(bench):
    """Where the job itself takes time, nothing can be much faster than another: what
    is demanded is the share of S."""
    demanded = {"S": ">= 0.95", "auto": ">= 0.88"}
    wait = "sleep 0.005"
    say = "printf %01023d\\\\n 0"
    yield from compare(bench, "jobs of 5 ms", bench.jobs(JOBS / 3), ["sh", "-c", wait],
                       {"command": wait}, demanded)
    yield from compare(bench, "jobs that print 1 KiB", bench.jobs(JOBS), ["sh", "-c", say],
                       {"command": say}, demanded)
    yield from compare(bench, "documents of 1 KiB", bench.jobs(JOBS), NOOP,
                       {"command": "true", "note": KIB}, demanded)


def peers(bench):
    jobs = bench.jobs(2000)
    ours = jobs / queue(bench, jobs, {"command": "true"}).wall
    base = jobs / by_turns({"": lambda: by_xargs(bench, jobs)}, bench.rounds)[""].wall
    for name in PEERS:
        rates = [measure(name, bench.place, jobs) for _ in range(bench.rounds)]
        rate = None if None in rates else max(rates)
        yield Line("no-op jobs, %s against xargs" % name, rate and rate / base, "x", "",
                   "%.0f jobs/s" % rate if rate else "not installed")
    ours = max([ours] + [jobs / queue(bench, jobs, {"command": "true"}).wall
                         for _ in range(bench.rounds - 1)])
    yield Line("no-op jobs, queuectl against xargs", ours / base, "x", "", "%.0f jobs/s" % ours)


def scaling(bench):
    jobs = bench.jobs(JOBS)
    job = {"command": "true"}
    contenders = {n: lambda n=n: queue(bench, jobs, job, workers=n) for n in (1, 2, 8)}
    contenders["S"] = lambda: spawn(bench, jobs, 2, *NOOP)
    for n in (1, 2):
        contenders["least", n] = lambda n=n: least(bench, jobs, n, "written")
    best = by_turns(contenders, bench.rounds)
    yield Line("2 workers against 1", best[1].wall / best[2].wall, "x", ">= 1.9")
    yield Line("2 workers against 1, the least",
               best["least", 1].wall / best["least", 2].wall, "x")
    yield Line("8 workers against 2", best[2].wall / best[8].wall, "x", ">= 0.9")
    yield Line("8 workers against S, results auto", best["S"].wall / best[8].wall, "x")


def program(bench):
    jobs = bench.jobs(JOBS)
    argv = ["/bin/true"]
    best = by_turns({
        "xargs": lambda: by_xargs(bench, jobs, *argv),
        "queuectl": lambda: queue(bench, jobs, {"argv": argv}),
    }, bench.rounds)
    yield Line("argv jobs against xargs of the program", best["xargs"].wall / best["queuectl"].wall,
               "x", ">= 1.25", "%.0f and %.0f jobs/s" % (jobs / best["xargs"].wall,
                                                          jobs / best["queuectl"].wall))


def synced(bench):
    jobs = bench.jobs(JOBS / 2)
    job = {"command": "true"}
    contenders = {how: lambda how=how: queue(bench, jobs, job, 8, how)
                  for how in ("never", "always")}
    for sure in ("cached", "synced"):
        contenders[sure] = lambda sure=sure: least(bench, jobs, 8, sure)
    best = by_turns(contenders, bench.rounds)
    yield Line("every result synced, 8 workers", best["never"].wall / best["always"].wall, "x",
               ">= 0.8",
               "%.0f and %.0f jobs/s" % (jobs / best["never"].wall, jobs / best["always"].wall))
    yield Line("every result synced, 8 workers, the least", best["cached"].wall / best["synced"].wall,
               "x", "", "%.0f and %.0f jobs/s" % (jobs / best["cached"].wall,
                                                   jobs / best["synced"].wall))
