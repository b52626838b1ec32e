"""world.py: a spool, and a clock that can be set (setclock.c), for clock.py.

    with World("name", program, shim) as w:     a OneSpool (tests/lib)
        w.start(2)                  a pool; all programs see the clock of this world
        w.set(-3600)                set it an hour back; shifts add up
        w.wall()                    what the programs read, in seconds
        with w.pools_stopped(): ... what happens here they see at once, afterwards
        w.rest()                    until the pool waits for nothing near
"""
import contextlib
import mmap
import os
import signal
import struct
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
from onespool import PATIENCE, Failed, OneSpool  # noqa: E402

NS = 10 ** 9
STEPS_MAX = 4096
CONTROL_SIZE = 8 * (2 + 2 * STEPS_MAX)


def build_shim(folder):
    """The path of setclock.so."""
    out = os.path.join(folder, "setclock.so")
    done = subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-O2", "-Wall", "-Wextra",
                           "-D_GNU_SOURCE", "-o", out, os.path.join(HERE, "setclock.c"), "-ldl"],
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(done.stderr)
    return out


def is_stopped(pid):
    with open("/proc/%d/stat" % pid) as f:
        return f.read().rsplit(")", 1)[1].split()[0] == "T"


class World(OneSpool):
    def __init__(self, name, program, shim, patience=PATIENCE):
        base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        folder = tempfile.mkdtemp(prefix="queuectl-clock-%s." % name, dir=base)
        self.control = os.path.join(folder, "clock")
        for path, size in (self.control, CONTROL_SIZE), (self.control + ".set", 0):
            with open(path, "wb") as f:
                f.truncate(size)
        with open(self.control, "r+b") as f:
            self.memory = mmap.mmap(f.fileno(), CONTROL_SIZE)
        self.offset = 0
        self.steps = 0
        super().__init__(program, folder, {"LD_PRELOAD": shim, "SETCLOCK": self.control}, patience)

    def __exit__(self, *_):
        super().__exit__()
        self.memory.close()

    def set(self, seconds):
        """Shift the wall clock by so much; who watches is told."""
        self.offset += int(seconds * NS)
        place = 16 + 16 * self.steps
        self.memory[place:place + 16] = struct.pack("=qq", time.time_ns(), self.offset)
        self.steps += 1
        self.memory[0:8] = struct.pack("=q", self.steps)
        self.touch("clock.set")

    def set_and_heard(self, seconds):
        """The same, until somebody's poll(2) has returned for it."""
        before = self.polls()
        self.set(seconds)
        self.until("the step is heard of", lambda: self.polls() > before)

    def wall(self):
        return time.time() + self.offset / NS

    @contextlib.contextmanager
    def pools_stopped(self):
        """Pools see at once, afterwards, what happens meanwhile."""
        pids = [int(name.split("-")[1]) for name in os.listdir(self.path("workers"))
                if name.endswith(".pool") and name[0] != "."]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
            self.until("the pool is stopped", lambda pid=pid: is_stopped(pid))
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    def polls(self):
        """Calls of poll(2) so far, by all programs."""
        return struct.unpack("=q", self.memory[8:16])[0]

    def rest(self):
        """Until no poll(2) returns for a while."""
        def quiet():
            before = self.polls()
            time.sleep(0.3)
            return self.polls() == before
        self.until("at rest", quiet)

    def rest_until(self, wall):
        """Until the world's clock says so (the clock only: nothing is waited for)."""
        while self.wall() < wall:
            time.sleep(max(0.0, min(0.1, wall - self.wall())))
