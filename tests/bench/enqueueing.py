"""enqueueing.py: how fast jobs come in, durably."""
import os
import shutil
import subprocess
import tempfile

from line import Line
from measure import Cost, Failed, by_turns, output, run
from peers import there
from queues import PROGRAM, Spool, tool

ONE_BY_ONE = 300
FLUSHES = 1000
BATCH = 100000


def repeat(n, argv, cwd, env):
    """So many processes, one after another."""
    loop = 'i=0; while [ $i -lt %d ]; do "$@" >/dev/null || exit; i=$((i + 1)); done' % n
    return run(["sh", "-c", loop, "repeat", *argv], cwd=cwd, env=env)


def by_queuectl(bench, n):
    with Spool(bench.place) as spool:
        return repeat(n, [PROGRAM, "enqueue", "--command", "true"], spool.folder, spool.env)


def by_tsp(bench, n):
    """Its server runs them as they come, as it always does; a job is as short as can be.
    Now and then it hangs up ("wait_newjob_ok"), and that round is made again."""
    for tries in range(10):
        with bench.folder() as folder:
            env = dict(os.environ, TS_SOCKET=folder + "/tsp", TMPDIR=folder)
            try:
                run(["tsp", "true"], cwd=folder, env=env) # starts the server
                return repeat(n, ["tsp", "true"], folder, env)
            except Failed:
                if tries == 9:
                    raise
            finally:
                subprocess.run(["tsp", "-K"], env=env, check=False, stderr=subprocess.DEVNULL)
    return None


def by_nq(bench, n):
    folder = tempfile.mkdtemp(dir=bench.place)
    env = dict(os.environ, NQDIR=folder)
    try:
        cost = repeat(n, ["nq", "-q", "true"], folder, env)
        run(["nq", "-w"], cwd=folder, env=env)
        return cost
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def enqueue(bench):
    n = bench.jobs(ONE_BY_ONE)
    contenders = {"queuectl": lambda: by_queuectl(bench, n)}
    if there("tsp"):
        contenders["tsp"] = lambda: by_tsp(bench, n)
    if there("nq"):
        contenders["nq"] = lambda: by_nq(bench, n)
    best = by_turns(contenders, bench.rounds)
    ours = best.pop("queuectl")
    for name, cost in best.items():
        bound = {("tmpfs", "tsp"): "<= 1", ("tmpfs", "nq"): "<= 1", ("ext4", "tsp"): "<= 1.6",
                 ("disk", "tsp"): "<= 1.6"}
        yield Line("queuectl enqueue, durable, against %s, which syncs nothing" % name,
                   ours.wall / cost.wall, "x", bound.get((bench.kind, name), ""),
                   "%.2f and %.2f ms" % (1e3 * ours.wall / n, 1e3 * cost.wall / n))


def seconds(*argv):
    return Cost(float(output([tool("durable"), *argv])), 0)


def flushes(bench, n):
    with bench.folder() as folder:
        return seconds("flush", folder, str(n))


def through_c(bench, n, processes):
    with Spool(bench.place) as spool:
        return seconds("enqueue", spool.at, str(n), str(processes))


def interface(bench):
    n = bench.jobs(FLUSHES)
    best = by_turns({
        "flush": lambda: flushes(bench, n),
        1: lambda: through_c(bench, n, 1),
        8: lambda: through_c(bench, 8 * n, 8),
    }, bench.rounds)
    demanded = bench.kind != "tmpfs"  # there a flush costs nothing
    raw = n / best["flush"].wall
    for processes, jobs, bound in ((1, n, ">= 0.38"), (8, 8 * n, ">= 1.5")):
        rate = jobs / best[processes].wall
        yield Line("C interface, %d at once, against the rate of raw flushes" % processes,
                   rate / raw, "x", bound if demanded else "", "%.0f and %.0f/s" % (rate, raw))


def count_syncs(spool, source):
    trace = os.path.join(spool.folder, "trace")
    run(["strace", "-f", "-o", trace, "-e", "trace=fsync,fdatasync,syncfs,sync_file_range,sync",
         PROGRAM, "enqueue", "--batch", source], cwd=spool.folder, env=spool.env)
    with open(trace) as f:
        return sum("sync" in line and "(" in line for line in f)


def batch(bench):
    n = bench.jobs(BATCH)
    costs = []
    for i in range(bench.rounds):
        with Spool(bench.place) as spool:
            source = os.path.join(spool.folder, "jobs")
            with open(source, "w") as f:
                f.write('{"command":"true"}\n' * n)
            costs.append(run([PROGRAM, "enqueue", "--batch", source], cwd=spool.folder,
                             env=spool.env))
        if i == 0 and there("strace"):
            with Spool(bench.place) as spool:
                source = os.path.join(spool.folder, "jobs")
                with open(source, "w") as f:
                    f.write('{"command":"true"}\n' * min(n, 10000))
                syncs = count_syncs(spool, source)
            yield Line("--batch, syncs", syncs, "", "<= 3", "%d jobs" % min(n, 10000))
    yield Line("--batch, %d jobs" % n, n / min(c.wall for c in costs), "/s",
               ">= 20000" if bench.kind == "tmpfs" else "")
