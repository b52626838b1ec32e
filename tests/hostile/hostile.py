"""hostile.py: drop every case of cases.py into one spool at work, hold each one's
end against the table, then try what a table cannot say (attacks.py).  Prints TAP.

    hostile.py WORK     WORK is an empty folder, best on a memory file system

Called by test_hostile.sh.  CASES=REGEX narrows the table, ATTACKS=no leaves the
second part out; for looking at one case by hand.
"""
import json
import os
import random
import re
import statistics
import stat
import subprocess
import sys
import threading
import time

import attacks
from cases import CANONICAL, CASES, Case, doc
from spool import Spool, Tap, inode, on_terminal, raw, snapshot, wait_until

WORKERS = 8
SETTLED_SECONDS = 60
MEDIAN_MS = 200
BUSY = 3              # times the median of the same command with no queue, if that is more
SHOW_SECONDS = 3  # a document of 1 MiB is no excuse
GOOD_EVERY = 0.03
ROUNDS = 3  # of the measurement: the machine is shared
IS_ROOT = os.geteuid() == 0


class Started:
    """Commands that say when they run, each into a file; when each was begun."""

    def __init__(self, folder):
        self.folder, self.begun = folder, {}
        os.mkdir(folder)

    def command(self, name):
        return "date +%%s%%N >%s/%s" % (self.folder, name)

    def waiting(self):
        return len(self.begun) - len(os.listdir(self.folder))

    def times_ms(self, kind=0, kinds=1):
        """From its beginning to its first instruction; the names that never ran.  Of all,
        or of one kind of so many that took turns."""
        times, missing = [], []
        for name, begun in list(self.begun.items())[kind::kinds]:
            try:
                with open("%s/%s" % (self.folder, name)) as f:
                    times.append((int(f.read()) - begun) / 1e6)
            except (FileNotFoundError, ValueError):
                missing.append(name)
        return times, missing


HOW = ("moved in", "moved in under a name of the queue's own", "enqueued")


class GoodJobs(threading.Thread):
    """Drops good jobs all the time, in each of three ways (HOW).
    No more than the workers can run at once, lest they wait for each other.  With each
    goes a peer, the same command with no queue."""

    def __init__(self, spool, work):
        super().__init__(daemon=True)
        self.spool, self.new, self.enough = spool, work + "/new", threading.Event()
        self.jobs, self.peers = Started(work + "/good"), Started(work + "/peers")

    def run(self):
        while not self.enough.wait(GOOD_EVERY):
            if self.jobs.waiting() >= WORKERS:
                continue
            self.drop("good%04d" % len(self.jobs.begun), len(self.jobs.begun) % len(HOW))

    def drop(self, name, kind):
        text = json.dumps({"id": name, "command": self.jobs.command(name)}).encode()
        self.peers.begun[name] = time.time_ns()
        peer = subprocess.Popen(["/bin/sh", "-c", self.peers.command(name)])
        if kind < 2:
            with open(self.new, "wb") as f:
                f.write(text)
        self.jobs.begun[name] = time.time_ns()
        if kind == 2:
            self.spool.must("enqueue", text.decode())
        else:
            os.rename(self.new, self.spool.at(
                "pending", (CANONICAL % name) if kind else name + ".json"))
        peer.wait()


class Blocked(threading.Thread):
    """Waits for the other end of a pipe, wherever that is moved; `woken` when somebody has
    opened it."""

    def __init__(self, path, flags):
        super().__init__(daemon=True)
        self.path, self.flags, self.woken = path, flags, False
        self.pin = os.open(path, os.O_PATH)

    def run(self):
        os.close(os.open("/proc/self/fd/%d" % self.pin, self.flags))
        self.woken = True

    def let_go(self):
        was = self.woken
        fd = os.open("/proc/self/fd/%d" % self.pin, os.O_RDWR | os.O_NONBLOCK)
        self.join(5)
        os.close(fd)
        os.close(self.pin)
        return was


class Writer(threading.Thread):
    """A producer that is not finished when its file is in pending/."""

    def __init__(self, case, path, text, work, enough):
        super().__init__(daemon=True)
        self.case, self.path, self.text, self.work, self.enough = case, path, text, work, enough
        self.fd = os.open(path, os.O_RDWR | os.O_APPEND)
        if case.special != "grow":
            os.ftruncate(self.fd, len(text) if case.special == "rewrite" else 0)

    def run(self):
        getattr(self, self.case.special)()
        os.close(self.fd)

    def grow(self):
        for _ in range(200):
            os.write(self.fd, b"x" * 65536)
            if self.enough.wait(0.01):
                break

    def parts(self):
        return [self.text[i:i + 20] for i in range(0, len(self.text), 20)]

    def pieces(self):
        for part in self.parts():
            os.write(self.fd, part)
            time.sleep(0.1)

    def reopen(self):
        for part in self.parts():
            try:
                fd = os.open(self.path, os.O_WRONLY | os.O_APPEND)
            except FileNotFoundError:
                return
            os.write(fd, part)
            os.close(fd)
            time.sleep(0.1)

    def rewrite(self):
        if wait_until(lambda: os.path.exists("%s/ran/%s" % (self.work, self.case.name)), 30):
            os.ftruncate(self.fd, 0)
            os.write(self.fd, b"rubbish written after the claim")


PREP = {
    "done": {},
    "dead": {"max_retries": 0},
    "failed": {"max_retries": 5, "backoff_base": 1000},
    "waiting": {"run_at": "2099-01-01T00:00:00Z"},
    "held": {"run_at": "2099-01-02T00:00:00Z"},
    "running": {},
}
PREP_FOLDER = {"waiting": "pending", "held": "pending", "running": "processing"}


class Table:
    """The whole table in one spool."""

    def __init__(self, work, cases):
        self.work, self.cases = work, cases
        self.enough = threading.Event()
        for name in ("stage", "ran", "outside"):
            os.mkdir(work + "/" + name)
        self.spool = Spool(work + "/spool")
        self.spool.must("worker", "start", "--count", str(WORKERS))
        self.workers = self.spool.workers()
        self.before, self.inode, self.writers, self.blocked = {}, {}, [], {}

    # -- before the drop

    def command(self, case):
        command = "echo ran >>%s/ran/%s" % (self.work, case.name)
        if case.prep in ("dead", "failed"):
            command += "; [ -e %s/better ]" % self.work
        if case.prep == "running":
            command += "; until [ -e %s/end ]; do sleep 0.1; done" % self.work
        return command

    def is_prepared(self, case):
        if case.prep == "rejected":
            return os.path.lexists(self.spool.at("quarantine", case.name + ".json"))
        folder = PREP_FOLDER.get(case.prep, case.prep)
        ran = self.lines(case) if case.prep == "running" else 1
        return ran and any(f == case.name + ".json" or f.endswith("." + case.name + ".json")
                           for f in os.listdir(self.spool.at(folder)))

    def prepare(self):
        wanted = [c for c in self.cases if c.prep]
        lines = [json.dumps(dict(PREP[c.prep], id=c.name, command=self.command(c)))
                 for c in wanted if c.prep != "rejected"]
        if lines:
            self.spool.must("enqueue", "--batch", "-", text="\n".join(lines).encode())
        for c in wanted:
            if c.prep == "held":
                self.spool.must("hold", c.name)
            if c.prep == "rejected":
                with open(self.work + "/stage/new", "wb") as f:
                    f.write(b"rubbish " + c.name.encode())
                os.rename(self.work + "/stage/new", self.spool.at("pending", c.name + ".json"))
        late = [c for c in wanted if not wait_until(lambda c=c: self.is_prepared(c), 60)]
        if late:
            raise RuntimeError("not prepared: %s" % [c.name for c in late])

    def stage_path(self, case):
        return os.fsencode("%s/stage/%d" % (self.work, self.cases.index(case)))

    def stage(self, case):
        path = self.stage_path(case)
        if case.source:
            return
        if isinstance(case.make, bytes):
            with open(path, "wb") as f:
                f.write(case.bytes(self.work))
        else:
            case.make(path, case, self.work)
        if case.special:
            self.writers.append(Writer(case, path, case.bytes(self.work), self.work, self.enough))
        if case.name.startswith("pipe-with-a-writer"):
            self.blocked[case] = Blocked(path, os.O_WRONLY)
            self.blocked[case].start()

    def source_path(self, case):
        if case.source == "report":
            report = self.spool.reports()[os.fsencode(case.name + ".json")][0][0]
            return self.spool.bytes_at("dead", report + ".json")
        return case.source(case, self.work) if case.source else self.stage_path(case)

    def place(self, case):
        folder = "failed" if case.place == "failed" else "pending"
        return self.spool.bytes_at(folder, case.file)

    # -- the drop

    def drop(self, case):
        path = self.source_path(case)
        self.before[case] = snapshot(path)
        self.inode[case] = inode(path)
        if case.place == "by way of tmp":
            tmp = self.spool.bytes_at("tmp", case.file)
            os.rename(path, tmp)
            path = tmp
        os.rename(path, self.place(case))
        for writer in self.writers:
            if writer.case is case:
                writer.path = self.place(case)
                writer.start()

    @staticmethod
    def take_a_turn():
        """Drop about as fast as this machine runs them: what waits for its turn behind
        the jobs before it tells nothing of what keeps it."""
        for _ in range(5):
            subprocess.run(["/bin/sh", "-c", "true"], check=True)

    def drop_all(self):
        order = list(self.cases)
        random.Random(1).shuffle(order)
        # What is running is taken away while it runs, before `end` lets it.
        order.sort(key=lambda c: c.prep != "running")
        for i, case in enumerate(order):
            self.drop(case)
            if i % 5 == 4:
                self.take_a_turn()

    # -- afterwards

    def lines(self, case):
        try:
            with open("%s/ran/%s" % (self.work, case.name)) as f:
                return len(f.readlines())
        except FileNotFoundError:
            return 0

    def may_lie(self, folder):
        """Names that stay in a folder."""
        stay = {c.file for c in self.cases if c.fate in ("left", "waits") and
                (c.place == "failed") == (folder == "failed")}
        return stay

    def unsettled(self):
        wrong = []
        for folder in ("pending", "failed", "processing"):
            stays = self.may_lie(folder)
            for file in self.spool.names(folder):
                waits = folder != "processing" and file[:2] in (b"20", b"he") and (
                    file > b"2026" or file.startswith(b"held"))
                good = b".good" in file or file.startswith(b"good")
                if file not in stays and not waits and not good:
                    wrong.append("%s/%r" % (folder, file))
        return wrong

    def look(self):
        """What the spool holds, read once."""
        self.by_inode = {}
        for name in self.spool.names("quarantine"):
            self.by_inode[inode(self.spool.bytes_at("quarantine", name))] = name
        self.by_name = {v for v in self.by_inode.values()}
        self.reports = self.spool.reports()
        self.done = {}
        for name in self.spool.names("done"):
            with open(self.spool.bytes_at("done", name), "rb") as f:
                text = f.read()
            ran = re.search(rb"/ran/([A-Za-z0-9._-]+)", text)
            if ran:
                self.done.setdefault(ran.group(1).decode(), []).append(text)

    def wrong(self, case):
        return getattr(self, "wrong_" + case.fate)(case) + self.wrong_stay(case)

    def wrong_done(self, case):
        found = self.done.get(case.name, [])
        wrong = []
        if len(found) != 1:
            return ["it is %d times in done/%s" % (len(found), self.whereabouts(case))]
        if self.lines(case) != case.runs:
            wrong.append("it ran %d times" % self.lines(case))
        if b'\n  "exit_code": 0' not in found[0]:
            wrong.append("its exit code is not 0")
        wrong += ["%r is not kept" % k[:60] for k in case.kept if k not in found[0]]
        return wrong

    def inode_at(self, folder, file):
        try:
            return inode(self.spool.bytes_at(folder, file))
        except FileNotFoundError:
            return None  # it moves

    def whereabouts(self, case):
        name = self.by_inode.get(self.inode[case])
        if name:
            return "; it lies in quarantine/: %s" % self.reports.get(name)
        for folder in ("pending", "processing", "failed", "dead"):
            for file in self.spool.names(folder):
                if self.inode_at(folder, file) == self.inode[case] or file.endswith(
                        os.fsencode("." + case.name + ".json")):
                    return "; it lies in %s/%r" % (folder, file)
        return ""

    def wrong_quarantine(self, case):
        name = self.by_inode.get(self.inode[case])
        if name is None and case.file in self.by_name:
            name = case.file  # the queue's own copy of a file with a second name
        if name is None:
            return ["it is not in quarantine/%s%s" % (
                self.whereabouts(case), ", but in done/" if case.name in self.done else "")]
        wrong = []
        if not case.changes and snapshot(self.spool.bytes_at("quarantine", name)) != \
                self.before[case]:
            wrong.append("it changed: %s, was %s" % (
                snapshot(self.spool.bytes_at("quarantine", name)), self.before[case]))
        reports = self.reports.get(name, [])
        if len(reports) != 1:
            wrong.append("%d reports speak of it" % len(reports))
        for _, reason in reports:
            if case.text not in reason:
                wrong.append("the reason is: %s" % reason)
                wrong.append("... and not:   %s" % case.text)
        ran = 1 if case.prep in ("done", "dead", "failed", "running") else 0
        if self.lines(case) != ran:
            wrong.append("its command ran %d times" % self.lines(case))
        if case in self.blocked:
            if self.blocked[case].let_go():
                wrong.append("it was opened: the process that waits at the pipe's other end woke")
        return wrong

    def wrong_left(self, case):
        try:
            if snapshot(self.place(case)) != self.before[case]:
                return ["it changed"]
        except FileNotFoundError:
            return ["it is gone%s" % self.whereabouts(case)]
        return ["its command ran"] if self.lines(case) else []

    def wrong_waits(self, case):
        if not case.changes:
            return self.wrong_left(case)
        end = os.fsencode(".%s.json" % case.name)
        if not any(f.endswith(end) and f[:3] == b"209" or f.endswith(end) and f > b"2026"
                   for f in self.spool.names("pending")):
            return ["it is not waiting%s" % self.whereabouts(case)]
        return ["its command ran"] if self.lines(case) else []

    def wrong_stay(self, case):
        """The job whose id or bytes were used must be where it was, untouched."""
        if not case.stays:
            return []
        end = os.fsencode(case.name + ".json")
        there = [f for f in self.spool.names(case.stays) if f == end or f.endswith(b"." + end)]
        return [] if len(there) == 1 else ["%d of the job itself in %s/" % (
            len(there), case.stays)]


class Canaries:
    """Files outside that links lead to: nobody may read, write or open them."""

    def __init__(self, work):
        self.file, self.probe = work + "/outside/canary", work + "/outside/probe"
        for path in (self.file, self.probe):
            with open(path, "w") as f:
                f.write('{"command":"touch %s/canary-ran"}' % work)
            # An access time older than the change: even relatime would move it.
            os.utime(path, (1000000000, 1500000000))
        self.before = os.stat(self.file)
        os.makedirs(work + "/outside/tree/branch")
        with open(work + "/outside/tree/branch/leaf", "w") as f:
            f.write("leaf")
        self.tree = snapshot(work + "/outside/tree")
        self.tree_path = work + "/outside/tree"
        if IS_ROOT:
            os.mknod(work + "/outside/zeros", stat.S_IFCHR | 0o666, os.makedev(1, 5))
        with open(self.probe) as f:
            f.read()
        self.atime_tells = os.stat(self.probe).st_atime != 1000000000
        self.pipes = []
        for name, flags in (("pipe", os.O_WRONLY), ("pipe-read", os.O_RDONLY)):
            os.mkfifo(work + "/outside/" + name)
            self.pipes.append(Blocked(work + "/outside/" + name, flags))
            self.pipes[-1].start()

    def wrong(self):
        now = os.stat(self.file)
        return ["%s: %s, was %s" % (what, getattr(now, what), getattr(self.before, what))
                for what in ("st_atime_ns", "st_mtime_ns", "st_ctime_ns", "st_size", "st_ino")
                if getattr(now, what) != getattr(self.before, what)]

    def wrong_tree(self):
        try:
            return "" if snapshot(self.tree_path) == self.tree else "the tree outside changed"
        except FileNotFoundError:
            return "the tree outside is gone"

    def opened(self):
        return ["%s was opened" % p.path for p in self.pipes if p.let_go()]


# --- the parts of the test ----------------------------------------------------------------------


def run_round(work, cases):
    """Everything dropped, good jobs in between, until all is settled."""
    os.mkdir(work)
    table = Table(work, cases)
    canaries = Canaries(work)
    table.prepare()
    open(work + "/better", "w").close()
    for case in cases:
        table.stage(case)
    good = GoodJobs(table.spool, work)
    good.start()
    begin = time.monotonic()
    try:
        table.drop_all()
    finally:
        open(work + "/end", "w").close()
    state = {"since": None, "left": []}

    def settled():
        state["left"] = table.unsettled()
        if state["left"] or any(w.is_alive() for w in table.writers):
            state["since"] = None
        elif state["since"] is None:
            state["since"] = time.monotonic()
        return state["since"] is not None and time.monotonic() - state["since"] > 0.5

    wait_until(settled, SETTLED_SECONDS, 0.1)
    table.took = time.monotonic() - begin
    good.enough.set()
    good.join()
    table.enough.set()
    names = set(good.jobs.begun)
    wait_until(lambda: names <= {os.fsdecode(f)[:-5] for f in table.spool.names("done")}, 40)
    return table, canaries, good, state["left"]


def slowest_way(tap, good):
    """The median over the good jobs of the way that is the slowest; over their peers."""
    peers = good.peers.times_ms()[0]
    medians = []
    for kind, how in enumerate(HOW):
        times = good.jobs.times_ms(kind, len(HOW))[0] or [1e9]
        medians.append(statistics.median(times))
        tap.note("%d good jobs %s: median %.1f ms, longest %.1f ms" % (
            len(times), how, medians[-1], max(times)))
    tap.note("with no queue: median %.1f ms" % statistics.median(peers))
    return max(medians), statistics.median(peers)


def measure(tap, work, cases, good):
    """The medians against their bound or, on a machine where the command alone is late,
    what their peers took; again if that was not so."""
    medians = []
    for again in range(ROUNDS):
        if again:
            table, _, good, _ = run_round("%s%d" % (work, again), cases)
            stop(table.spool)
        median, peers = slowest_way(tap, good)
        medians.append(median)
        if median < max(MEDIAN_MS, BUSY * peers):
            return ""
    return "the medians of %d rounds: %s ms" % (ROUNDS, ", ".join("%.0f" % m for m in medians))


def stop(spool):
    return spool.q("worker", "stop", "--now", seconds=30)


def expected_findings(cases):
    found = set()
    for c in cases:
        if c.fate == "left" and c.place == "failed" and not c.file.startswith(b"."):
            found.add(("bad-name", "failed/" + os.fsdecode(c.file)))
        if c.name in ("waits.held-rubbish", "waits.held-fifo", "waits.scheduled-rubbish"):
            found.add(("bad-document", "pending/" + os.fsdecode(c.file)))
        if c.name == "copy-own-waiting":
            found.add(("two-places", None))
        if c.name == "report-moved":  # its file has lost its report
            found.add(("unreported", "quarantine/report-moved.json"))
    return found


def check_fsck(table):
    r = table.spool.q("fsck", "--json")
    try:
        findings = json.loads(r.out)
    except ValueError:
        return ["exit %s: %r %r" % (r.code, r.out[:200], r.err[:200])]
    findings = findings if isinstance(findings, list) else findings.get("findings", [])
    wanted = expected_findings(table.cases)
    anywhere = {code for code, place in wanted if place is None}
    seen, wrong = set(), []
    for f in findings:
        code, place = f.get("code"), f.get("place")
        seen |= {(code, place), (code, None)}
        if (code, place) not in wanted and code not in anywhere:
            wrong.append("not expected: %s" % f)
    wrong += ["not found: %s %s" % w for w in wanted - seen]
    if r.code != (1 if wanted else 0):
        wrong.append("exit %s" % r.code)
    return wrong


def check_journal(table):
    """Every line is JSON; each rejection is told once."""
    told, wrong = 0, []
    for file in table.spool.names("journal"):
        with open(table.spool.bytes_at("journal", file), "rb") as f:
            for line in f:
                try:
                    told += json.loads(line)["event"] == "quarantined"
                except ValueError:
                    wrong.append("no JSON: %r" % line[:200])
    rejected = sum(c.fate == "quarantine" for c in table.cases)
    rejected += sum(c.prep == "rejected" for c in table.cases)
    if told != rejected:
        wrong.append("%d rejections are told, %d happened" % (told, rejected))
    return wrong


def read_file(path):
    with open(path, "rb") as f:
        return f.read()


def check_printed(tap, table):
    spool = table.spool
    tap.check("nothing raw in worker.log", raw(read_file(spool.at("worker.log"))))
    tap.check("nothing raw in the journal", [
        w for file in spool.names("journal")
        for w in raw(read_file(spool.bytes_at("journal", file)))])
    tap.check("nothing raw in the reports", [
        w for file in spool.names("dead") if file.startswith(b"rejected")
        for w in raw(read_file(spool.bytes_at("dead", file)))])
    for words in ("list --limit 100000", "dlq list", "status", "fsck"):
        r = spool.q(*words.split())
        tap.check("nothing raw in a pipe: " + words, raw(r.out) + raw(r.err))
    for script in ("$Q list --limit 100000", "$Q dlq list", "$Q dlq list --by-error", "$Q status",
                   "$Q fsck"):
        tap.check("nothing raw on a terminal: " + script, raw(on_terminal(spool, script), True))
    with open(table.work + "/ids", "wb") as f:
        for folder in ("dead", "done"):
            for name in spool.names(folder):
                if not name.startswith((b"good", b"mine-95000")):
                    f.write(name[:-5] + b"\n")
    shown = on_terminal(
        spool, 'while read -r id; do "$Q" show "$id" || echo "no $id"; done <%s/ids' % table.work)
    tap.check("nothing raw on a terminal: show of each", raw(shown, True))
    for name in ("mine-95000", "mine-95000.claim"):
        if name in table.done:
            r = spool.q("show", name, seconds=SHOW_SECONDS)
            tap.check("show %s ends within %d s" % (name, SHOW_SECONDS),
                      "" if r.code == 0 else "exit %s" % r.code)
    tap.check("show knows each", ["" if b"\nno " not in shown else "some are not shown"])


def check_counts(table):
    spool, wrong = table.spool, []
    aside = sum(c.fate == "quarantine" for c in table.cases)
    aside += sum(c.name == "report-moved" for c in table.cases)
    if len(spool.names("quarantine")) != aside:
        wrong.append("%d files in quarantine/, %d were rejected" % (
            len(spool.names("quarantine")), aside))
    wrong += table.unsettled()
    wrong += ["tmp/%r" % f for f in spool.names("tmp")]
    wrong += ["control/%r" % f for f in spool.names("control")]
    left = sum(c.fate == "left" for c in table.cases)
    have = sum(f.startswith(b".") or not f.endswith(b".json") for f in spool.names("pending"))
    want = sum(c.fate == "left" and c.place == "pending" for c in table.cases)
    if left and have != want:
        wrong.append("%d files of others in pending/, %d were dropped" % (have, want))
    return wrong


def check_ran(table):
    """Nothing ran that no row says runs; nothing was touched by a name or a document."""
    names = {c.name for c in table.cases}
    wrong = ["ran/%s" % f for f in os.listdir(table.work + "/ran") if f not in names]
    for where in (table.work, table.spool.path, "/", os.path.expanduser("~"), "."):
        wrong += ["%s/%s" % (where, n) for n in ("canary", "canary-ran") if
                  os.path.lexists(os.path.join(where, n))]
    return wrong


def check_retry(table):
    """A few reports: their files come back, and are rejected again with one report each."""
    spool, chosen = table.spool, []
    wanted = ("list", "list.claim", "pipe", "folder-full", "link-dangling.claim", "name.escape.rubbish",
              "sparse-1T", "name.201", "socket.claim")
    for case in table.cases:
        if case.name in wanted:
            chosen.append((case, table.by_inode[table.inode[case]]))
    wrong = []
    for case, name in chosen:
        for report, _ in table.reports[name]:
            r = spool.q("dlq", "retry", report)
            if r.code != 0:
                wrong.append("%s: dlq retry: %r" % (case.name, r.err))

    # One with a name too long to be taken in is refused, in words.
    for case in table.cases:
        if case.name == "name.255":
            r = spool.q("dlq", "retry", table.reports[table.by_inode[table.inode[case]]][0][0])
            if r.code != 1 or b"too long; move it to pending/" not in r.err:
                wrong.append("%s: exit %s: %r" % (case.name, r.code, r.err))

    def back(case):
        table.look()
        name = table.by_inode.get(table.inode[case])
        return name is not None and len(table.reports.get(name, [])) == 1

    for case, _ in chosen:
        if not wait_until(lambda c=case: back(c), 90):
            wrong.append("%s: not rejected again%s" % (case.name, table.whereabouts(case)))
        elif case.text not in table.reports[table.by_inode[table.inode[case]]][0][1]:
            wrong.append("%s: another reason than before" % case.name)
        elif not case.changes and table.before[case] != snapshot(
                spool.bytes_at("quarantine", table.by_inode[table.inode[case]])):
            wrong.append("%s: it changed" % case.name)
    return wrong


def check_purge(table):
    spool = table.spool
    r = spool.q("dlq", "purge", "--yes", seconds=60)
    wrong = [] if r.code == 0 else ["exit %s: %r" % (r.code, r.err[:300])]
    # A file whose report an operator took away is his.
    wrong += ["quarantine/%r is there still" % n for n in spool.names("quarantine")
              if n != b"report-moved.json"]
    wrong += ["dead/%r is there still" % n for n in spool.names("dead")]
    return wrong


def check_outside(table):
    """Files that had a second name in the spool are whole."""
    wrong = []
    for case in table.cases:
        path = "%s/outside/%s" % (table.work, case.name)
        if not case.name.startswith("second-name"):
            continue
        text = b"rubbish" if "rubbish" in case.name else Case(case.name, doc(), "").bytes(table.work)
        if not os.path.exists(path) or read_file(path) != text:
            wrong.append("%s changed" % path)
    return wrong


def check_table(tap, work, cases, skipped):
    table, canaries, good, unsettled = run_round(work, cases)
    tap.note("%d cases; all settled after %.1f s" % (len(cases), table.took))
    table.look()
    for case in cases:
        tap.check("%s: %s%s" % (case.name, case.fate, ": " + case.text if case.text else ""),
                  table.wrong(case))
    for case in skipped:
        tap.skip(case.name, "needs root" if case.root else
                 "not as root: a fault would change a file of the system")
    spool = table.spool
    tap.check("all is settled within %d s" % SETTLED_SECONDS, unsettled)
    tap.check("every good job ran", good.jobs.times_ms()[1])
    tap.check("... and is done", ["%s is not in done/" % n for n in good.jobs.begun
                                  if not os.path.exists(spool.at("done", n + ".json"))])
    tap.check("no worker died", "" if spool.workers() == table.workers else "other workers than before")
    tap.check("nothing ran but what the table says", check_ran(table))
    if canaries.atime_tells:
        tap.check("what links lead to was not read", canaries.wrong())
    else:
        tap.skip("what links lead to was not read", "this file system keeps no access times")
    tap.check("pipes that links lead to were not opened", canaries.opened())
    tap.check("files with a second name outside are whole", check_outside(table))
    tap.check("the journal tells each rejection once", check_journal(table))
    check_printed(tap, table)
    tap.check("fsck finds what the table leaves behind, and nothing else", check_fsck(table))
    tap.check("each folder holds just what it should", check_counts(table))
    tap.check("dlq retry: rejected again, with one report each", check_retry(table))
    tap.check("dlq purge removes them all, whatever they are", check_purge(table))
    tap.check("what folders in quarantine/ link to is whole after that", canaries.wrong_tree())
    tap.check("the workers stop", "" if stop(spool).code == 0 else "they do not")
    tap.check("a good job starts within %d ms (the median), whichever way it came" % MEDIAN_MS,
              measure(tap, work, cases, good))


def main():
    work = sys.argv[1]
    only = os.environ.get("CASES", "")
    chosen = [c for c in CASES if re.search(only, c.name)]
    skipped = [c for c in chosen if (c.harmful if IS_ROOT else c.root)]
    tap = Tap()
    check_table(tap, work + "/table", [c for c in chosen if c not in skipped], skipped)
    if os.environ.get("ATTACKS") != "no":
        attacks.run(tap, work)
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
