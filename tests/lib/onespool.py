"""onespool.py: a spool of its own and the program that works on it, for Python tests.

    with OneSpool(program, FOLDER) as s:    FOLDER/spool; removed at the end, with all
        s.start(2)                          processes that have its name in their environment
        s.enqueue("id", "true", timeout=3)
        s.until_state("id", "done")
        s.check()                           stop, then spoolcheck.py

What does not come true raises Failed, with the end of worker.log.  Nothing waits a
fixed time; `patience` seconds are what a busy machine is given.
"""
import contextlib
import json
import os
import shutil
import subprocess

import spoolcheck
from tap import wait_until

PATIENCE = 40  # seconds


class Failed(Exception):
    """What was expected did not come true: a text, and what may explain it."""


class OneSpool:
    def __init__(self, program, folder, env=None, patience=PATIENCE, spool=None):
        self.program = program
        self.folder = folder
        self.spool = spool or os.path.join(folder, "spool")
        self.patience = patience
        self.env = dict(os.environ, QUEUECTL_SPOOL=self.spool, WORLD=folder, TZ="UTC",
                        **(env or {}))
        self.ids = []
        self.q("init", self.spool)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.q("worker", "stop", "--now", check=False)
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
        shutil.rmtree(self.folder, ignore_errors=True)

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
        """All that work on this spool, jobs too."""
        mark = ("QUEUECTL_SPOOL=%s\0" % self.spool).encode()
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

    def has(self, name):
        """Did somebody touch it?"""
        return os.path.exists(os.path.join(self.folder, name))

    def log(self):
        """The end of worker.log."""
        with contextlib.suppress(OSError), open(self.path("worker.log")) as log:
            return "".join(log.readlines()[-12:])
        return ""

    def check(self, allow=("stale-id",)):
        """Stop, and ask whether the spool keeps the promises."""
        self.stop()
        findings = spoolcheck.check(self.spool, self.ids, allow=allow)
        if findings:
            raise Failed("\n".join("%s: %s: %s" % f for f in findings))
