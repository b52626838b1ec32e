"""room.py: one fresh spool, what is done in it, and whether it kept the promises.

A room is made for each point of a campaign: `queuectl init` (a copied spool is refused,
and rightly), the scene's preparation, then the operation under inject (inject.c).  After
it recover() lets a fresh, unharmed pool make good what is to be made good.
"""
import json
import os
import re
import shutil
import signal
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
LIB = os.path.join(os.path.dirname(HERE), "lib")
sys.path.insert(0, LIB)
import spoolcheck  # noqa: E402
from tap import wait_until  # noqa: E402

LOGGED_JOB = os.path.join(LIB, "logged-job")
HANG_SECONDS = 60  # nothing here takes more than 3 s; a machine may be ten times slower
LINGER_SECONDS = 15 # what a job leaves behind on purpose takes 0.2 s
TALKS = "echo hello; echo oh >&2"
SETTINGS = "grace = 100ms\nbackoff-base = 1\n"


class Done:
    """What a command said and how it ended; code None: it did not end in time."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err


class Unprepared(Exception):
    """It did not come to where the scene begins."""


class Room:
    def __init__(self, folder, program, tools, sound=None):
        """program: what is put to the test; sound: what prepares and recovers (itself)."""
        self.folder, self.program, self.tools = folder, program, tools
        self.sound = sound or program
        self.spool, self.runs = folder + "/spool", folder + "/runs"
        self.env = {"PATH": os.environ["PATH"], "QUEUECTL_SPOOL": self.spool, "LC_ALL": "C.UTF-8",
                    "HOME": folder}
        self.acked = set()
        os.makedirs(self.runs)

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    # -- doing ---------------------------------------------------------------

    def run(self, argv, text=None, seconds=HANG_SECONDS, more=None):
        """In a session of its own, so that all of it can be ended together."""
        p = subprocess.Popen(argv, env={**self.env, **(more or {})}, cwd=self.folder, start_new_session=True,
                             stdin=subprocess.PIPE if text is not None else subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            out, err = p.communicate(text.encode() if text is not None else None, seconds)
        except subprocess.TimeoutExpired:
            os.killpg(p.pid, signal.SIGKILL)
            self.end_all()
            out, err = p.communicate()
            return Done(None, out.decode(errors="replace"), err.decode(errors="replace"))
        return Done(p.returncode, out.decode(errors="replace"), err.decode(errors="replace"))

    def q(self, *args, text=None):
        """A command that must succeed: preparation."""
        done = self.run([self.sound, *args], text)
        if done.code != 0:
            raise Unprepared("queuectl %s: %s %s" % (" ".join(args), done.code, done.err))
        return done.out

    def init(self):
        self.q("init", self.spool)
        self.write("queuectl.ini", SETTINGS, "a")

    def inject(self, options, args, text=None):
        return self.run([self.tools.inject, *options, "--", self.program, *args], text)

    def processes(self):
        """Whoever works on this spool: by the environment all of them inherit."""
        mark = b"QUEUECTL_SPOOL=" + self.spool.encode() + b"\0"
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open("/proc/%s/environ" % pid, "rb") as f:
                    if mark in f.read() and not is_zombie(pid):
                        yield int(pid)
            except OSError:
                continue

    def await_end(self):
        return wait_until(lambda: not list(self.processes()), LINGER_SECONDS)

    def end_all(self):
        for pid in list(self.processes()):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    # -- making, by hand what is quicker by hand -------------------------------

    def at(self, *parts):
        return os.path.join(self.spool, *parts)

    def write(self, name, text="", how="w"):
        with open(self.at(name), how) as f:
            f.write(text)

    def argv(self, *command):
        return [LOGGED_JOB, self.runs, *command]

    def document(self, id, *command, **members):
        return json.dumps({"id": id, "argv": self.argv(*command or ("true",)), **members})

    def waits(self, id, *command, state="pending", due="20200101T000000.000000Z", attempts=0,
              **members):
        """A job as the queue itself would have it there."""
        self.write("ids/" + id)
        recorded = {"runs": attempts, "attempts": attempts, "max_retries": 3, **members}
        self.write("%s/%s.p0.a%d.%s.json" % (state, due, attempts, id),
                   self.document(id, *command, **recorded))
        self.acked.add(id)

    def ended(self, id, state, **members):
        """A job that has run once, with its log."""
        self.write("ids/" + id)
        self.write("logs/%s.r1.out" % id, "hello\n")
        code = 0 if state == "done" else 1
        self.write("%s/%s.json" % (state, id), self.document(
            id, runs=1, attempts=1, max_retries=0, exit_code=code,
            started_at="2020-01-01T00:00:00.000000Z", finished_at="2020-01-01T00:00:01.000000Z",
            last_error="exit 1" if code else None, **members))
        with open(os.path.join(self.runs, id), "w") as f:
            f.write("start 1 0\nend 1 %d\n" % code)
        self.acked.add(id)

    def drops(self, name, text, state="pending"):
        """A producer that knows no queuectl: written beside, renamed into place."""
        self.write("tmp/" + name, text)
        os.rename(self.at("tmp", name), self.at(state, name))

    # -- judging ---------------------------------------------------------------

    def recover(self):
        """One recovery; what is wrong with it."""
        self.env["UNHARMED"] = "1"
        done = self.run([self.sound, "worker", "run", "--drain", "--count", "1"],
                        more={"LD_PRELOAD": self.tools.later})
        if done.code is None:
            return ["hang: the recovery did not end in %d s: %s" % (HANG_SECONDS, done.err)]
        if done.code not in (0, 1):
            return ["recovery: exit %d: %s" % (done.code, done.err)]
        return []

    def findings(self, ends, allow=("stale-id",)):
        found = ["%s: %s: %s" % f for f in
                 spoolcheck.check(self.spool, self.acked, self.runs, ends, allow=allow)]
        found += self.lost_output()
        done = self.run([self.sound, "fsck"])
        if done.code != 0:
            found.append("fsck: %s%s" % (done.out, done.err))
        if not self.await_end():
            found.append("process: left running: %s"
                         % [words_of(pid) for pid in self.processes()])
            self.end_all()
        return found


    def lost_output(self):
        """What a job that talks has said is there when it is in done/."""
        for name in spoolcheck.names(self.spool, "done"):
            with open(self.at("done", name)) as f:
                text = f.read()
            if TALKS not in text:
                continue
            document = json.loads(text)
            for stream in ("out", "err"):
                log = "logs/%s.r%d.%s" % (document["id"], document["runs"], stream)
                if not os.path.exists(self.at(log)):
                    yield "output: %s is not there" % log


def is_zombie(pid):
    with open("/proc/%s/stat" % pid) as f:
        return f.read().rpartition(")")[2].split()[0] in "ZX"


def words_of(pid):
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as f:
            return f.read().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return "?"


def acknowledged(out):
    """The ids on stdout, whole lines only."""
    return set(re.findall(r"^([A-Za-z0-9][A-Za-z0-9._-]*)\n", out, re.M))
