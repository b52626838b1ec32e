"""world.py: a spool, and a clock that can be set (setclock.c), for clock.py.

    with World("name") as w:
        w.start(2)                  a pool; all programs see the clock of this world
        w.set(-3600)                set it an hour back; shifts add up
        w.q("enqueue", ...)         queuectl; CompletedProcess
        w.wall()                    what the programs read, in seconds
"""
import contextlib
import json
import mmap
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
import spoolcheck  # noqa: E402
from tap import wait_until  # noqa: E402

PATIENCE = 40  # seconds: for what must happen and may take its time on a busy machine
NS = 10 ** 9
STEPS_MAX = 4096
CONTROL_SIZE = 8 * (2 + 2 * STEPS_MAX)


class Failed(Exception):
    """What was expected did not come true: a text, and what may explain it."""


def build_shim(folder):
    """The path of setclock.so, or None where it cannot be built."""
    out = os.path.join(folder, "setclock.so")
    cc = os.environ.get("CC", "cc")
    done = subprocess.run([cc, "-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-D_GNU_SOURCE",
                           "-o", out,
                           os.path.join(HERE, "setclock.c"), "-ldl"],
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(done.stderr)
    return out


class World:
    def __init__(self, name, program, shim, patience=PATIENCE):
        self.program = program
        self.patience = patience
        self.folder = tempfile.mkdtemp(prefix="queuectl-clock-%s." % name,
                                       dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
        self.spool = os.path.join(self.folder, "spool")
        self.control = os.path.join(self.folder, "clock")
        with open(self.control, "wb") as f:
            f.truncate(CONTROL_SIZE)
        self.touch("clock.set")
        self.file = open(self.control, "r+b")
        self.memory = mmap.mmap(self.file.fileno(), CONTROL_SIZE)
        self.offset = 0
        self.steps = 0
        self.env = dict(os.environ, LD_PRELOAD=shim, SETCLOCK=self.control,
                        QUEUECTL_SPOOL=self.spool, WORLD=self.folder, TZ="UTC")
        self.ids = []
        self.q("init", self.spool)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.q("worker", "stop", "--now", check=False)
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
        self.memory.close()
        self.file.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    # -- the clock

    def set(self, seconds):
        """Shift the wall clock by so much; who watches is told."""
        self.offset += int(seconds * NS)
        place = 16 + 16 * self.steps
        self.memory[place:place + 16] = struct.pack("=qq", time.time_ns(), self.offset)
        self.steps += 1
        self.memory[0:8] = struct.pack("=q", self.steps)
        self.touch("clock.set")

    def wall(self):
        return time.time() + self.offset / NS

    def polls(self):
        return struct.unpack("=q", self.memory[8:16])[0]

    # -- the program

    def q(self, *args, check=True, text=None):
        done = subprocess.run([self.program, *args], env=self.env, input=text, cwd=self.folder,
                              capture_output=True, text=True, timeout=2 * PATIENCE, check=False)
        if check and done.returncode != 0:
            raise Failed("%s: exit %d: %s" % (" ".join(args), done.returncode, done.stderr))
        return done

    def start(self, count=1):
        self.q("worker", "start", "--count", str(count))

    def stop(self, *how):
        self.q("worker", "stop", *how)

    def enqueue(self, id, command="true", **members):
        document = dict(members, id=id, command=command)
        self.q("enqueue", json.dumps(document))
        self.ids.append(id)

    def processes(self):
        """All that live in this world."""
        mark = ("SETCLOCK=%s\0" % self.control).encode()
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError), open("/proc/%s/environ" % pid, "rb") as f:
                if int(pid) != os.getpid() and mark in f.read():
                    yield int(pid)

    # -- what is there

    def path(self, *parts):
        return os.path.join(self.spool, *parts)

    def find(self, id):
        """(state, file name) or (None, None)"""
        for job in spoolcheck.jobs(self.spool)[0]:
            if job.id == id:
                return job.state, job.file
        return None, None

    def state(self, id):
        return self.find(id)[0]

    def show(self, id):
        return json.loads(self.q("show", "--json", id).stdout)

    def until(self, what, holds, seconds=None):
        seconds = seconds or self.patience
        if not wait_until(holds, seconds):
            raise Failed("after %d s: not %s" % (seconds, what), self.log())

    def until_state(self, id, state, seconds=None):
        self.until("%s in %s" % (id, state), lambda: self.state(id) == state, seconds)

    def touch(self, name):
        with open(os.path.join(self.folder, name), "w"):
            pass

    def log(self):
        """The end of worker.log."""
        with contextlib.suppress(OSError), open(self.path("worker.log")) as log:
            return "".join(log.readlines()[-12:])
        return ""

    def rest(self):
        """Until the pool waits for nothing near: no poll(2) for a while."""
        def quiet():
            before = self.polls()
            time.sleep(0.3)
            return self.polls() == before
        self.until("at rest", quiet)

    def rest_until(self, wall):
        """Until the world's clock says so (the clock only: nothing is waited for)."""
        while self.wall() < wall:
            time.sleep(max(0.0, min(0.1, wall - self.wall())))

    def check(self):
        """Stop, and ask whether the spool keeps the promises."""
        self.stop()
        findings = spoolcheck.check(self.spool, self.ids, allow=("stale-id",))
        if findings:
            raise Failed("\n".join("%s: %s: %s" % f for f in findings))
