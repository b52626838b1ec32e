"""queues.py: a spool that is measured.

    with Spool(place) as spool:      made in a folder of its own there, gone afterwards
        spool.config(durability="never")
        spool.fill(1000, {"command": "true"})
        cost = spool.drain(workers=2)

    with spool.pool(2) as pool: ...  a pool in the background; pool.pid, pool.workers()
"""
import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time

from measure import Failed, output, run

PROGRAM = os.path.abspath(os.environ.get("QUEUECTL_BIN", "build/queuectl"))
TOOLS = os.path.abspath(os.environ.get("QUEUECTL_BENCH", "build/bench"))
READY_SEC = 60


def tool(name):
    return os.path.join(TOOLS, name)


def wait_for(holds, seconds, what):
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise Failed("%s: not within %d s" % (what, seconds))
        time.sleep(0.005)


class Pool:
    def __init__(self, spool, workers, log):
        self.spool = spool
        # pylint: disable=consider-using-with  # stop() waits for it
        self.process = subprocess.Popen(
            [PROGRAM, "worker", "run", "--count", str(workers)], cwd=spool.folder,
            env=spool.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log)
        self.pid = self.process.pid
        try:
            wait_for(lambda: len(self.workers()) == workers, READY_SEC, "the workers' start")
        except Failed:
            self.stop()
            raise

    def workers(self):
        """Their pids, of those that are ready."""
        names = (name.split("-") for name in os.listdir(self.spool.path("workers"))
                 if name.endswith(".worker") and not name.startswith("."))
        with open("/proc/%d/task/%d/children" % (self.pid, self.pid)) as f:
            ours = set(map(int, f.read().split()))
        return [int(part[1]) for part in names if int(part[1]) in ours]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(READY_SEC)


class Spool:
    def __init__(self, place):
        self.folder = tempfile.mkdtemp(prefix="spool.", dir=place)
        self.at = os.path.join(self.folder, "spool")
        self.env = dict(os.environ, QUEUECTL_SPOOL=self.at)
        self.q("init", self.at)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder, ignore_errors=True)

    def path(self, *parts):
        return os.path.join(self.at, *parts)

    def count(self, folder):
        return len(os.listdir(self.path(folder)))

    def q(self, *args, text=None, limit=600):
        return output([PROGRAM, *args], cwd=self.folder, env=self.env, text=text, limit=limit)

    def config(self, **settings):
        for key, value in settings.items():
            self.q("config", "set", key.replace("_", "-"), str(value))

    def batch(self, documents):
        self.q("enqueue", "--batch", "-", text="".join(json.dumps(d) + "\n" for d in documents))

    def fill(self, n, document):
        self.batch([document] * n)

    def drain(self, workers):
        """Run what is due; its Cost.  Every job must have ended well."""
        due = self.count("done") + sum(self.count(d) for d in ("pending", "failed"))
        with open(os.path.join(self.folder, "log"), "wb") as log:
            cost = run([PROGRAM, "worker", "run", "--count", str(workers), "--drain"],
                       cwd=self.folder, env=self.env, stderr=log)
        if self.count("done") != due:
            raise Failed("%d of %d jobs are done" % (self.count("done"), due))
        return cost

    @contextlib.contextmanager
    def pool(self, workers):
        with open(os.path.join(self.folder, "log"), "ab") as log:
            pool = Pool(self, workers, log)
            try:
                yield pool
            finally:
                pool.stop()
