"""starts.py: how soon a job runs, and how often workers get in each other's way."""
import contextlib
import os
import re
import subprocess
import time

from line import Line
from measure import output, quantile
from queues import PROGRAM, Spool, tool, wait_for

STARTS = 400
PAUSE_MS = 10
TIMED = 400
SPACING_US = 7000
POOLS = 4


def starts(spool, n, *argv):
    text = output([tool("dispatch"), spool.path("..", "fifo"), str(n), str(PAUSE_MS), *argv],
                  cwd=spool.folder, env=spool.env)
    return [int(line) / 1e3 for line in text.split()]


@contextlib.contextmanager
def least(folder):
    """The server of least.c."""
    os.mkdir(folder)
    with subprocess.Popen([tool("least"), "serve", folder]) as server:
        try:
            yield folder
        finally:
            server.terminate()


def dispatch(bench):
    """From the start of `queuectl enqueue` to the job's first instruction, by a pool that
    idles; from the start of a shell that runs the same command; and by least.c, which
    says how near the one can come to the other."""
    n = bench.jobs(STARTS)
    with Spool(bench.place) as spool, spool.pool(2), \
            least(os.path.join(spool.folder, "least")) as place:
        fifo = os.path.join(spool.folder, "fifo")
        os.mkfifo(fifo)
        command = "exec %s %s" % (tool("stamp"), fifo)
        ways = {"queuectl": [PROGRAM, "enqueue", "--command", command],
                "least": [tool("least"), "put", place, command], "direct": ["sh", "-c", command]}
        times = {way: [] for way in ways}
        for _ in range(bench.rounds):
            for way, argv in ways.items():
                times[way].append(starts(spool, n, *argv))
    for q, bound in ((0.5, "<= 1.6"), (0.99, "<= 2.2")):
        best = {way: min(quantile(of_round, q) for of_round in times[way]) for way in ways}
        yield Line("enqueue to the job's first instruction against no queue, p%d" % (100 * q),
                   best["queuectl"] / best["direct"], "x",
                   bound if bench.kind == "tmpfs" else "",
                   "%.0f and %.0f us; the least that can be: %.2f x" % (
                       best["queuectl"], best["direct"], best["least"] / best["direct"]))


def lateness(spool, n):
    """Milliseconds after run_at, of n jobs at times of their own."""
    stamps = os.path.join(spool.folder, "stamps")
    open(stamps, "w").close()
    first = int(time.time() * 1e6) + 1500000
    spool.batch({"argv": [tool("stamp"), stamps, str(first + i * SPACING_US)],
                 "run_at": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(
                     (first + i * SPACING_US) // 1000000)) +
                 ".%06dZ" % ((first + i * SPACING_US) % 1000000)} for i in range(n))

    def lines():
        with open(stamps) as f:
            return f.read().splitlines()
    wait_for(lambda: len(lines()) == n, 60 + n * SPACING_US / 1e6, "jobs with a run_at")
    return [int(line.split()[1]) / 1e6 - int(line.split()[2]) / 1e3 for line in lines()]


def run_at(bench):
    n = bench.jobs(TIMED)
    with Spool(bench.place) as spool, spool.pool(2):
        rounds = [lateness(spool, n) for _ in range(bench.rounds)]
    yield Line("run_at, late by, p99", min(quantile(late, 0.99) for late in rounds), "ms", "<= 5",
               "p50 %.2f ms, earliest %.2f ms" % (min(quantile(late, 0.5) for late in rounds),
                                                   min(min(late) for late in rounds)))


def overtaking(bench):
    """Four pools want the same names."""
    n = bench.jobs(6000)
    shares = []
    for _ in range(bench.rounds):
        with Spool(bench.place) as spool:
            spool.q("pause")
            spool.fill(n, {"command": "true"})
            with contextlib.ExitStack() as stack:
                for _ in range(POOLS):
                    stack.enter_context(spool.pool(2))
                spool.q("resume")
                wait_for(lambda spool=spool, n=n: spool.count("done") == n, 300, "the jobs")
            with open(os.path.join(spool.folder, "log")) as f:
                told = re.findall(r"claims: (\d+) won, (\d+) lost", f.read())
            won, lost = (sum(int(t[i]) for t in told) for i in (0, 1))
            if won != n:
                raise AssertionError("%d claims won, %d jobs" % (won, n))
            shares.append(lost / won)
    yield Line("claims lost for each one won, %d pools of 2" % POOLS, quantile(shares, 0.5), "",
               "<= 0.3", "the median; worst of %d: %.2f" % (bench.rounds, max(shares)))
