"""waiting.py: what a long queue costs.

Rates are taken from the stamps in the journal, between two ends of runs, so that
neither the start of the pool nor a look at the folders is part of them.
"""
import datetime
import json
import os
import time

from line import Line
from measure import run
from queues import PROGRAM, Spool, wait_for

RUNS = 4000  # timed ones
SKIP = 200   # before them
LATER = {"command": "true", "run_at": "2099-01-01T00:00:00Z"}
JOB = {"command": "true"}
WAIT_SEC = 300
PIECE = 100000


def fill(spool, n, document):
    for begin in range(0, n, PIECE):
        spool.fill(min(PIECE, n - begin), document)


def ends(spool, events=("done",)):
    """Seconds, of the ends of runs so far."""
    stamps = []
    for name in sorted(os.listdir(spool.path("journal"))):
        with open(spool.path("journal", name)) as f:
            for line in f:
                event = json.loads(line)
                if event["event"] in events:
                    stamps.append(datetime.datetime.fromisoformat(
                        event["at"].replace("Z", "+00:00")).timestamp())
    return sorted(stamps)


def journal_size(spool):
    return sum(os.path.getsize(spool.path("journal", name))
               for name in os.listdir(spool.path("journal")))


def rate_of(spool, runs):
    """Jobs a second of a pool of two, over so many runs."""
    before, least = len(ends(spool)), 100 * (SKIP + runs)  # a line has more bytes
    size = journal_size(spool)
    with spool.pool(2):
        wait_for(lambda: journal_size(spool) - size > least and
                 len(ends(spool)) - before > SKIP + runs, WAIT_SEC, "the runs")
    stamps = ends(spool)[before:]
    return runs / (stamps[SKIP + runs] - stamps[SKIP])


def private_bytes(pid):
    with open("/proc/%d/smaps_rollup" % pid) as f:
        return 1024 * sum(int(line.split()[1]) for line in f if line.startswith("Private_"))


def cpu_ticks(pid):
    with open("/proc/%d/stat" % pid) as f:
        return sum(map(int, f.read().rpartition(")")[2].split()[11:13]))


def pool_bytes(spool):
    """Of memory that is the pool's own, when it has seen all names and rests."""
    spool.q("pause")
    seen = []

    def rests():
        seen.append(cpu_ticks(pool.pid))
        time.sleep(0.2)
        return len(seen) > 5 and seen[-1] == seen[-6]
    with spool.pool(2) as pool:
        wait_for(rests, WAIT_SEC, "the pool's rest")
        size = private_bytes(pool.pid)
    spool.q("resume")
    return size


def best_ms(spool, *command):
    return 1e3 * min(run([PROGRAM, *command], cwd=spool.folder, env=spool.env).wall
                     for _ in range(5))


def names_ms(spool):
    """The least that reading the names of pending/ takes."""
    def once():
        begun = time.perf_counter()
        os.listdir(spool.path("pending"))
        return time.perf_counter() - begun
    return 1e3 * min(once() for _ in range(5))


class Long(Spool):
    """A spool in which n jobs wait, half of them for later."""

    def __init__(self, bench, n):
        super().__init__(bench.place)
        self.later, self.runs = n // 2, bench.jobs(RUNS)
        self.due = max(n // 2, self.runs + 2 * SKIP)
        fill(self, self.later, LATER)
        fill(self, self.due, JOB)

    def rate(self):
        """Of one round, after which as many wait as before."""
        rate = rate_of(self, self.runs)
        fill(self, max(0, self.due - (self.count("pending") - self.later)), JOB)
        return rate


def waiting(bench):
    for n, status_ms in ((100000, 60), (1000000, 400)):
        if bench.kind == "ext4" and n > 100000:
            continue # it has no room for two million files
        n = bench.jobs(n)
        what = "%d waiting: " % n
        with Long(bench, 1000) as short, Long(bench, n) as long:
            sizes, waits = [pool_bytes(s) for s in (short, long)], [s.count("pending")
                                                                  for s in (short, long)]
            name = max(map(len, os.listdir(long.path("pending"))[:100]))
            status, listing = (best_ms(long, *words) for words in (["status"],
                                                                   ["list", "--limit", "20"]))
            names = names_ms(long)
            best = {short: 0, long: 0}
            for _ in range(bench.rounds):
                for spool in best:
                    best[spool] = max(best[spool], spool.rate())
        yield Line(what + "rate against 1000", best[long] / best[short], "x", ">= 0.97",
                   "%.0f and %.0f jobs/s" % (best[long], best[short]))
        yield Line(what + "memory beside the name",
                   (sizes[1] - sizes[0]) / (waits[1] - waits[0]) - name, "B/job", "<= 64")
        yield Line(what + "status", status, "ms", "<= %d" % status_ms,
                   "the names alone %.0f" % names)
        yield Line(what + "list --limit 20 beyond the names", listing - names, "ms", "<= 50",
                   "%.0f ms, the names %.0f" % (listing, names))


def swell(folder, n):
    """Let it hold n names, and none again."""
    at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    for i in range(n):
        os.close(os.open("%032d.gone" % i, os.O_CREAT | os.O_WRONLY, 0o600, dir_fd=at))
    for i in range(n):
        os.unlink("%032d.gone" % i, dir_fd=at)
    os.close(at)


def once_full(bench):
    n, runs = bench.jobs(1000000), bench.jobs(RUNS)
    with Spool(bench.place) as fresh, Spool(bench.place) as swollen:
        for folder in ("pending", "ids"):
            swell(swollen.path(folder), n)
        rates = {fresh: [], swollen: []}
        for _ in range(bench.rounds):
            for spool, found in rates.items():
                spool.fill(runs + 2 * SKIP, JOB)
                found.append(rate_of(spool, runs))
        yield Line("folders that once held %d names: time a job against fresh ones" % n,
                   max(rates[fresh]) / max(rates[swollen]), "x", "<= 1.2",
                   "%.0f and %.0f jobs/s" % (max(rates[swollen]), max(rates[fresh])))
