"""load.py: what goes on while the disk is being recorded.

Producers, a pool and an operator at work at the same time, in threads.  Each says to
the log what it is about to do and what was acknowledged: one JSON object a mark,
  {"do": VERB, "ids": [...], ...}           begun
  {"did": VERB, "ids": [...], "code": N}    the command's exit code
  {"did": "claim", ...}                     a worker's, seen in processing/
and each run says "run PATH", with the path of its document, as its first act.
"""
import json
import os
import subprocess
import sys
import threading

sys.path.insert(1, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import spoolcheck
from tap import wait_until

FAR = "2101-01-01T00:00:00Z"  # waits for the operator's word, not for its time
MOST_DUE = 4


class Load:
    def __init__(self, program, spool, disk, rng, settings):
        self.program, self.spool, self.disk, self.rng = program, spool, disk, rng
        self.settings = settings
        self.run = 'echo "run $QUEUECTL_JOB" >%s' % disk.marks
        # Nothing fails any more after it: recovery need not wait for a retry.
        self.rebooted = os.path.join(os.path.dirname(disk.point), "rebooted")
        self.failed = []

    # -- words for the log, calls of the program ------------------------------

    def say(self, **mark):
        self.disk.mark(json.dumps(mark))

    def queuectl(self, *words, stdin=None):
        return subprocess.run([self.program, "--spool", self.spool, *words],
                              input=stdin, text=True, capture_output=True, check=False)

    def call(self, verb, ids, *words, stdin=None, **more):
        """One command; its beginning and its answer are in the log."""
        self.say(do=verb, ids=ids, **more)
        done = self.queuectl(*words, stdin=stdin)
        self.say(did=verb, ids=ids, code=done.returncode, **more)
        if done.returncode != 0:
            self.failed.append("%s: %s" % (" ".join(words), done.stderr.strip()))
        return done.returncode == 0

    def let_workers_follow(self):
        """Few jobs wait at any time: each is run again after each power cut."""
        wait_until(lambda: len(self.due()) < MOST_DUE, 30)

    def due(self):
        """Jobs and dropped files that somebody will see to."""
        return [name for state in ("pending", "failed", "processing")
                for name in spoolcheck.names(self.spool, state)
                if not name.startswith((FAR[:4], "held"))]

    def job(self, id, then="true", **members):
        return dict({"id": id, "command": "%s; %s" % (self.run, then)}, **members)

    def any_job(self, id):
        """Short ones, long ones, some that fail once, some that die."""
        kind = self.rng.choice(["short", "short", "short", "long", "again", "dies"])
        id = "%s-%s" % (kind, id)
        if kind == "again":
            return self.job(id, '[ "$QUEUECTL_RUN" -gt 1 ] || [ -e %s ]' % self.rebooted)
        if kind == "dies":
            return self.job(id, "exit 3", max_retries=0)
        return self.job(id, "sleep 0.11" if kind == "long" else "true")

    # -- the actors ------------------------------------------------------------

    def producer(self):
        for i in range(24):
            self.let_workers_follow()
            job = self.any_job("one%d" % i)
            self.call("enqueue", [job["id"]], "enqueue", json.dumps(job))

    def unique(self):
        for i in range(5):
            job = self.job("unique-%d" % i, run_at=FAR) if i % 2 else self.job("unique-%d" % i)
            for _ in range(3):
                self.call("enqueue", [job["id"]], "enqueue", "--unique", json.dumps(job))

    def batch(self):
        for i in range(5):
            self.let_workers_follow()
            jobs = [self.any_job("batch%d-%d" % (i, k)) for k in range(self.rng.choice([1, 3, 8]))]
            self.call("enqueue", [job["id"] for job in jobs], "enqueue", "--batch", "-",
                      stdin="".join(json.dumps(job) + "\n" for job in jobs))

    def drop(self, name, text):
        """A file by the protocol of doc/PRODUCERS.md."""
        tmp = os.path.join(self.spool, "tmp", name)
        pending = os.path.join(self.spool, "pending")
        with open(tmp, "x") as f:
            f.write(text)
            f.flush()
            os.fsync(f.fileno())
        os.link(tmp, os.path.join(pending, name))
        os.unlink(tmp)
        fd = os.open(pending, os.O_RDONLY)
        os.fsync(fd)
        os.close(fd)

    def dropper(self):
        for i in range(16):
            self.let_workers_follow()
            if i % 4 == 3:
                text = '{"command": %d}' % i
                self.drop("bad%d.json" % i, text)
                self.say(did="drop-bad", name="bad%d.json" % i, text=text)
                continue
            job = self.any_job("drop%d" % i)
            self.say(do="enqueue", ids=[job["id"]])
            self.drop(job["id"] + ".json", json.dumps(job))
            self.say(did="enqueue", ids=[job["id"]], code=0)

    def anonymous(self):
        """Dropped without an id: taken in twice it would be two jobs."""
        for i in range(8):
            self.let_workers_follow()
            job = self.job("", self.rng.choice(["true", "true", "sleep 0.11"]))
            del job["id"]
            name = "anonymous-%d" % i
            self.say(do="drop", names=[name])
            self.drop(name + ".json", json.dumps(job))
            self.say(did="drop", names=[name], code=0)

    def operator(self):
        for i in range(6):
            id = "by-hand-%d" % i
            self.call("enqueue", [id], "enqueue", json.dumps(self.job(id, run_at=FAR)))
            self.call("edit", [id], "edit", id, '{"mark":%d}' % i, value=i)
            self.call("hold", [id], "hold", id)
            self.call("release", [id], "release", id)
            self.call("cancel", [id], "cancel", id)
            self.call("edit-setting", [], "config", "set", "max-retries", str(i), value=i)
            if i % 2:
                self.call("delete", [id], "delete", "--yes", id)
            else:
                self.call("retry", [id], "retry", id)
            self.call("pause", [], "pause")
            self.call("resume", [], "resume")

    def again(self):
        """--unique in the place of one that has ended, in another form each time."""
        for i in range(12):
            job = self.job("again-%d" % i, mark=0)
            self.call("enqueue", [job["id"]], "enqueue", "--unique", json.dumps(job))
            wait_until(lambda: os.path.exists("%s/done/%s.json" % (self.spool, job["id"])), 30)
            job = self.job(job["id"], mark=1, run_at=FAR)
            self.call("edit", [job["id"]], "enqueue", "--unique", json.dumps(job), value=1)

    def latecomer(self):
        """A job that somebody moved there by hand, unsynced; --unique says it is there."""
        for i in range(12):
            id = "late-%d" % i
            name = "%s.p0.a0.%s.json" % (FAR.replace("-", "").replace(":", "")[:15] +
                                         ".000000Z", id)
            tmp = os.path.join(self.spool, "tmp", id + ".json")
            with open(tmp, "x") as f:
                json.dump(self.job(id, run_at=FAR), f)
                f.flush()
                os.fsync(f.fileno())
            open(os.path.join(self.spool, "ids", id), "x").close()
            os.rename(tmp, os.path.join(self.spool, "pending", name))
            self.call("enqueue", [id], "enqueue", "--unique", json.dumps(self.job(id)))

    def canceller(self):
        for i in range(6):
            id = "cancelled-%d" % i
            self.call("enqueue", [id], "enqueue", json.dumps(self.job(
                id, "[ -e %s ] || sleep infinity" % self.rebooted)))
            wait_until(lambda: any(name.endswith(id + ".json") for name in
                                   spoolcheck.names(self.spool, "processing")), 30)
            self.say(did="claim", ids=[id], code=0)  # it may end before its first act
            self.call("cancel", [id], "cancel", id)

    def restorer(self):
        """A file that is no job, mended in quarantine/, and its report retried."""
        for i in range(6):
            name = "bad-mended%d.json" % i
            self.drop(name, "[]")
            wait_until(lambda: os.path.exists("%s/quarantine/%s" % (self.spool, name)), 30)
            report = [n for n in spoolcheck.names(self.spool, "dead") if "rejected-" + name in n]
            with open("%s/quarantine/%s" % (self.spool, name), "w") as f:
                json.dump(self.job(name[:-5], run_at=FAR), f)
                f.flush()
                os.fsync(f.fileno())
            self.say(do="enqueue", ids=[name[:-5]])
            done = self.queuectl("retry", report[0][:-5])
            self.say(did="enqueue", ids=[name[:-5]], code=done.returncode)

    ACTORS = ("producer", "unique", "batch", "dropper", "anonymous", "operator", "again",
              "latecomer", "canceller", "restorer")

    # -- all together ------------------------------------------------------------

    def begin(self):
        """A spool, as one is made; then its settings, by hand."""
        self.call("init", [], "init")
        ini = os.path.join(self.spool, "queuectl.ini")
        with open(ini + "~", "w") as f:
            f.write("backoff-max = 1s\n" + self.settings)
            f.flush()
            os.fsync(f.fileno())
        os.rename(ini + "~", ini)

    def play(self, actors, workers=2):
        self.begin()
        log = open(os.path.join(os.path.dirname(self.disk.point), "pool.log"), "a")
        pool = subprocess.Popen([self.program, "--spool", self.spool, "worker", "run", "--count",
                                 str(workers)], stderr=log, stdout=log)
        threads = [threading.Thread(target=getattr(self, actor)) for actor in actors]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if not wait_until(lambda: not self.due(), 60):
            self.failed.append("jobs are left after 60 s")
        pool.terminate()
        pool.wait()
