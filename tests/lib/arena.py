"""arena.py: a spool with pools that work on it, and who disturbs them.

    with Arena(base, pools=4, workers=4, seed=1) as arena:
        arena.q("enqueue", ...)          the program under test (QUEUECTL_BIN)
        keeper = Keeper(arena)           a thread: as many pools as wanted, always
        slayer = Slayer(arena, 10)       a thread: ten blows for a hundred starts of runs

A blow is a SIGKILL to a worker or a pool or both, or a SIGSTOP for a while.  It waits
for runs to start (for IDLE_SEC at most): the slower the machine, the fewer.  Only
processes of this spool are hit: their number and their start are in their token.
"""
import collections
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

from tap import wait_until

START_SEC = 120  # no start of a pool takes so long, however slow the machine
LINE_LEN = 200   # of the ledger, for a run: about
IDLE_SEC = 3


def process_start(pid):
    """As the system counts it, and tokens have it; None if there is none (or a zombie)."""
    try:
        with open("/proc/%d/stat" % pid) as f:
            field = f.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if field[0] in "ZX" else field[19]


def is_alive(token):
    """The process of this token, and no later one with its number."""
    _, pid, start, _ = token.split("-")
    return process_start(int(pid)) == start


class Arena:
    def __init__(self, base="/dev/shm", pools=2, workers=2, seed=1):
        self.program = os.path.abspath(os.environ.get("QUEUECTL_BIN", "build/queuectl"))
        self.pools, self.workers, self.seed = pools, workers, seed
        base = base if os.access(base, os.W_OK) else tempfile.gettempdir()
        self.folder = tempfile.mkdtemp(prefix="queuectl-arena.", dir=base)
        self.spool = self.folder + "/spool"
        self.environment = dict(os.environ, QUEUECTL_SPOOL=self.spool)

    def __enter__(self):
        for sig in (signal.SIGTERM, signal.SIGINT):
            signal.signal(sig, lambda *_: sys.exit(130)) # through __exit__
        self.must("init", self.spool)
        return self

    def __exit__(self, *_):
        try:
            self.q("worker", "stop", "--now", timeout=60)
        except subprocess.TimeoutExpired:
            pass
        end = time.monotonic() + 60
        while self.processes() and time.monotonic() < end: # also what forks meanwhile
            for pid in self.processes():
                self.signal(pid, signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def q(self, *args, text=None, timeout=600):
        return subprocess.run([self.program, *args], cwd=self.folder, env=self.environment,
                              input=text, capture_output=True, text=True, timeout=timeout,
                              stdin=None if text is not None else subprocess.DEVNULL, check=False)

    def must(self, *args, text=None):
        done = self.q(*args, text=text)
        if done.returncode != 0:
            raise RuntimeError("queuectl %s: %s" % (" ".join(args), done.stderr))
        return done.stdout

    def path(self, *parts):
        return os.path.join(self.spool, *parts)

    def count(self, folder):
        return len(os.listdir(self.path(folder)))

    def ledger_size(self):
        try:
            return os.stat(self.folder + "/ledger").st_size
        except FileNotFoundError:
            return 0

    def living(self, role):
        """Tokens of the living: role is "pool" or "worker"."""
        tokens = (name[:-len(role) - 1] for name in sorted(os.listdir(self.path("workers")))
                  if name.endswith("." + role) and not name.startswith("."))
        return list(filter(is_alive, tokens))

    def processes(self):
        """Whoever stands in our folder: workers, pools, and all that jobs left."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                at = os.readlink("/proc/%s/cwd" % pid)
            except OSError:
                continue
            if at.startswith(self.folder) and process_start(int(pid)):
                found.append(int(pid))
        return found

    def describe(self, pid):
        try:
            with open("/proc/%d/cmdline" % pid, "rb") as f:
                return "%d %s" % (pid, f.read().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            return "%d" % pid

    def settle(self, keeper):
        """What the dead left in tmp/ is litter once it is over 5 s old; then pools stop."""
        def is_old():
            with contextlib.suppress(FileNotFoundError):
                times = [os.lstat(entry).st_ctime for entry in os.scandir(self.path("tmp"))]
                return all(time.time() - t > 7 for t in times)
            return False
        wait_until(is_old, 60)
        self.must("worker", "stop")
        keeper.start_pool()
        self.must("worker", "stop")

    @staticmethod
    def signal(pid, sig):
        try:
            os.kill(pid, sig)
        except ProcessLookupError:
            pass

    def hit(self, token, sig):
        """Signal the process of this token, and no later one with its number."""
        pid = int(token.split("-")[1])
        try:
            fd = os.pidfd_open(pid)
        except OSError:
            return False
        try:
            if not is_alive(token):
                return False
            signal.pidfd_send_signal(fd, sig)
            return True
        except ProcessLookupError:
            return False
        finally:
            os.close(fd)


class Work(threading.Thread):
    """A thread that goes on until stop(); what it raises is raised there."""

    def __init__(self, arena):
        super().__init__(daemon=True)
        self.arena, self.over, self.raised = arena, threading.Event(), None
        self.start()

    def run(self):
        try:
            self.work()
        except BaseException as why:  # pylint: disable=broad-except
            self.raised = why

    def stop(self):
        self.over.set()
        self.join()
        if self.raised:
            raise self.raised


class Keeper(Work):
    def __init__(self, arena):
        self.hung = []
        super().__init__(arena)

    def work(self):
        while not self.over.wait(0.05):
            if len(self.arena.living("pool")) < self.arena.pools:
                self.start_pool()

    def start_pool(self):
        try:
            self.arena.q("worker", "start", "--count", str(self.arena.workers), timeout=START_SEC)
        except subprocess.TimeoutExpired:
            self.hung.append("a start of a pool took more than %d s" % START_SEC)


class Slayer(Work):
    def __init__(self, arena, per_hundred):
        self.step = 100 * LINE_LEN / per_hundred
        self.random = random.Random(arena.seed)
        self.count, self.killed = collections.Counter(), []
        super().__init__(arena)

    def stop(self):
        """Whoever was just killed lives for another moment, and must pass for nobody's pool."""
        super().stop()
        wait_until(lambda: not any(map(is_alive, self.killed)), START_SEC)

    def work(self):
        blows = [self.kill_worker] * 6 + [self.kill_pool] * 2 + [self.kill_both] + \
                [self.stop_for_a_while] * 3
        while not self.over.is_set():
            self.wait_for_starts(self.random.uniform(0, 2 * self.step))
            self.random.choice(blows)()

    def wait_for_starts(self, bytes):
        end, enough = time.monotonic() + IDLE_SEC, self.arena.ledger_size() + bytes
        while time.monotonic() < end and self.arena.ledger_size() < enough:
            if self.over.wait(0.005):
                return

    def victim(self, role):
        living = self.arena.living(role)
        return self.random.choice(living) if living else None

    def kill(self, role):
        self.slay(role, self.victim(role))

    def slay(self, role, token):
        if token and self.arena.hit(token, signal.SIGKILL):
            self.killed.append(token)
            self.count[role + "s killed"] += 1

    def kill_worker(self):
        self.kill("worker")

    def kill_pool(self):
        self.kill("pool")

    def kill_both(self):
        self.kill("pool")
        self.kill("worker")

    def stop_for_a_while(self):
        """What is stopped is killed then, or goes on."""
        role = self.random.choice(("worker", "worker", "pool"))
        token = self.victim(role)
        if not token or not self.arena.hit(token, signal.SIGSTOP):
            return
        self.count[role + "s stopped"] += 1
        time.sleep(self.random.uniform(0, 0.3))
        if self.random.random() < 0.3:
            self.slay(role, token)
        self.arena.hit(token, signal.SIGCONT)
