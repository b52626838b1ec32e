"""quiet.py: what a pool costs that has nothing to do, or a thousand things, or one that
prints without end."""
import os
import time

from line import Line
from measure import run
from queues import PROGRAM, Spool, tool, wait_for

WINDOW_SEC = 10
SETTLE_SEC = 15 # at most, after the start; the safety look comes each 30 s
REST_SEC = 0.5
MANY = 1000
MIB_A_SEC = 64


def switches(pid):
    total = 0
    for task in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/status" % (pid, task)) as f:
            total += sum(int(line.split()[1]) for line in f if "ctxt_switches" in line)
    return total


def pss_kib(pid):
    with open("/proc/%d/smaps_rollup" % pid) as f:
        return next(int(line.split()[1]) for line in f if line.startswith("Pss:"))


def rests(pids):
    before = sum(map(switches, pids))
    time.sleep(REST_SEC)
    return sum(map(switches, pids)) == before


def idle(bench):
    with Spool(bench.place) as spool, spool.pool(8) as pool:
        everybody = [pool.pid, *pool.workers()]
        wait_for(lambda: rests(everybody), SETTLE_SEC, "rest after the start")
        before = sum(map(switches, everybody))
        time.sleep(WINDOW_SEC)
        yield Line("idle, 8 workers: context switches in %d s" % WINDOW_SEC,
                   sum(map(switches, everybody)) - before, "", "<= 0")
        yield Line("idle, 8 workers: memory of each (PSS)", max(map(pss_kib, pool.workers())) / 1024,
                   "MiB", "<= 0.4", "the pool %.2f MiB" % (pss_kib(pool.pid) / 1024))


def left_behind(spool):
    """Processes that stand in its folder."""
    found = 0
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            found += os.readlink("/proc/%s/cwd" % pid).startswith(spool.folder)
        except OSError:
            continue
    return found


def many(bench):
    n = bench.jobs(MANY)
    with Spool(bench.place) as spool:
        stamps = os.path.join(spool.folder, "stamps")
        open(stamps, "w").close()
        with spool.pool(n) as pool:
            descriptors = len(os.listdir("/proc/%d/fd" % pool.pid))
            spool.q("pause")
            spool.fill(n, {"command": "%s %s; exec sleep 5" % (tool("stamp"), stamps)})
            begun = time.monotonic()
            spool.q("resume")
            wait_for(lambda: spool.count("done") == n, 120, "the jobs")
            with open(stamps) as f:
                last = max(int(line.split()[0]) for line in f) / 1e9
            yield Line("%d jobs at once: the last one started after" % n, last - begun, "s", "<= 3")
            yield Line("%d jobs at once: descriptors of the pool more than before" % n,
                       len(os.listdir("/proc/%d/fd" % pool.pid)) - descriptors, "", "<= 0")
        yield Line("%d jobs at once: processes left" % n, left_behind(spool), "", "<= 0")


def output(bench):
    seconds = max(2, int(60 * bench.scale))
    pour = ("i=0; while [ $i -lt %d ]; do sleep 1 & head -c %d /dev/zero; wait; i=$((i + 1)); done"
            % (seconds, MIB_A_SEC << 20))
    with Spool(bench.place) as spool:
        spool.config(output_max=0, timeout="10m")
        with open(os.path.join(spool.folder, "direct"), "wb") as f:
            direct = run(["sh", "-c", pour], cwd=spool.folder, stdout=f)
        os.unlink(os.path.join(spool.folder, "direct"))
        with spool.pool(1) as pool:
            worker = pool.workers()[0]
            spool.q("enqueue", "--wait", "--command", "true")
            before = pss_kib(worker)
            queued = run([PROGRAM, "enqueue", "--wait", "--command", pour], cwd=spool.folder,
                         env=spool.env)
            grown = pss_kib(worker) - before
        size = sum(os.path.getsize(spool.path("logs", name)) for name in os.listdir(spool.path("logs")))
        yield Line("%d MiB/s of output for %d s, time against no queue" % (MIB_A_SEC, seconds),
                   queued.wall / direct.wall, "x", "<= 1.02")
        yield Line("the same, bytes kept of those written", size / (seconds * (MIB_A_SEC << 20)), "x",
                   ">= 1")
        yield Line("the same, growth of the worker", grown, "KiB", "<= 64")
