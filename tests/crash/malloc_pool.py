#!/usr/bin/env python3
"""malloc_pool.py: a pool, then a worker, with its Nth allocation failing; once that one
alone, once with the three after it.  Prints TAP.

    malloc_pool.py [--every K] [--only pool|worker] FOLDER

The pool drains a spool of jobs that end well and badly, a run to recover, a good and a
bad dropped file.  What must hold when it has ended:

  - no process of it died of a signal, and it ended by itself
  - every job has come to the end that is its own: a lack of memory is no failure of a
    job, and what was dropped is judged by what it says.  Where the pool gave up, it said
    why, and the next one finishes
  - the spool is as spoolcheck.py wants it: no run beside another, none done without a
    full run, nothing left over

N counts the allocations of all processes of the kind together.
"""
import argparse
import json
import os
import re
import shutil
import subprocess
import sys

import nomem

sys.path.insert(0, os.path.join(nomem.HERE, "../lib"))
import spoolcheck  # noqa: E402
import tap  # noqa: E402

PROGRAM = os.environ["QUEUECTL_BIN"]
LOGGED = os.path.join(nomem.HERE, "../lib/logged-job")
KINDS = {"pool": "worker run", "worker": "worker serve"}
ROW = 3  # a worker that cannot record a result tries again each second
DIED = re.compile(r"killed by signal|ended with status 1[2-9][0-9]")
NO_MEMORY = re.compile(r"out of memory|Cannot allocate memory")

# id: (what it does when it is logged, more members, where it ends)
JOBS = {
    "fine": (["sh", "-c", "echo out; echo err >&2"], {"env": {"A": "1"}, "mine": [1, 2.50]}, "done"),
    "urgent": (["true"], {"priority": "high", "timeout": "60s", "cwd": "/"}, "done"),
    "fails": (["sh", "-c", "echo why >&2; exit 3"], {"max_retries": 0}, "dead"),
    "lost": (["true"], {}, "done"),
}
DROPPED = {
    "good.json": {"id": "good", "argv": [LOGGED, "RUNS", "true"]},
    "bad.json": {"id": "bad", "comand": "true"},
}
ENDS = dict({job: {row[2]} for job, row in JOBS.items()}, good={"done"})


def fill(spool, runs, env):
    """A spool with all of it in it."""
    def must(*args, text=b""):
        subprocess.run([PROGRAM, *args], env=env, input=text, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    must("init", spool)
    for job, (words, more, _) in JOBS.items():
        must("enqueue", "-", text=json.dumps(dict(more, id=job, argv=[LOGGED, runs, *words]))
             .encode())
    # A run whose worker is of another boot.
    waiting = next(f for f in spoolcheck.names(spool, "pending") if f.endswith(".lost.json"))
    running = waiting.replace(".a0.", ".a1.").replace(
        "lost.json", "w00000000-1-1-00000000.lost.json")
    os.rename(os.path.join(spool, "pending", waiting), os.path.join(spool, "processing", running))
    for name, document in DROPPED.items():
        with open(os.path.join(spool, "pending", name), "w") as f:
            f.write(json.dumps(document).replace("RUNS", runs))


class Scene:
    def __init__(self, folder, shim):
        self.folder, self.shim = folder, shim
        self.env = nomem.environment(os.path.join(folder, "case"))
        self.spool = self.env["QUEUECTL_SPOOL"]
        self.runs = os.path.join(folder, "case/runs")

    def prepare(self):
        shutil.rmtree(os.path.join(self.folder, "case"), ignore_errors=True)
        os.makedirs(self.runs)
        os.makedirs(self.env["HOME"])
        fill(self.spool, self.runs, self.env)

    def drain(self, more=None):
        """What a pool said; None: it did not end."""
        try:
            p = subprocess.run([PROGRAM, "worker", "run", "--drain", "--count", "1"],
                               env=dict(self.env, **(more or {})), stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               timeout=nomem.PATIENCE_SEC)
        except subprocess.TimeoutExpired as e:
            return None, (e.stdout or b"").decode("utf-8", "replace")
        return p.returncode, p.stdout.decode("utf-8", "replace")

    def all_ended(self):
        found, _ = spoolcheck.jobs(self.spool)
        states = {job.id: job.state for job in found}
        return all(states.get(job) in ends for job, ends in ENDS.items())

    def attempt(self, argv, first, last, trace=None):
        """Findings."""
        self.prepare()
        self.shim.arm(first, last)
        code, said = self.drain(self.shim.env(argv, trace))
        if code is None:
            return ["it did not end in %d s: %s" % (nomem.PATIENCE_SEC, said[-600:])]
        wrong = ["killed by signal %d: %s" % (-code, said)] if code < 0 else []
        wrong += ["a process died: " + line for line in said.split("\n") if DIED.search(line)]
        if not self.all_ended():
            if not NO_MEMORY.search(said):
                wrong.append("it gave up without a word on memory: %r" % said[-300:])
            code, said = self.drain()
            if code is None or code < 0:
                wrong.append("the next pool: %s: %s" % (code, said))
        found = spoolcheck.check(self.spool, acked=[*JOBS, "good"], runs=self.runs, ends=ENDS)
        wrong += ["%s: %s %s" % f for f in found]
        reports = [f for f in os.listdir(os.path.join(self.spool, "dead"))
                   if f.startswith("rejected-bad.json")]
        if len(reports) != 1 or os.listdir(os.path.join(self.spool, "quarantine")) != ["bad.json"]:
            wrong.append("bad.json: reports %s, quarantine/ %s"
                         % (reports, os.listdir(os.path.join(self.spool, "quarantine"))))
        return wrong


def try_kind(scene, kind, every, report):
    argv = KINDS[kind]
    report.check("the %s with memory enough" % kind, scene.attempt(argv, 0, 0))
    total = scene.shim.count()
    report.check("the %s allocates" % kind, "" if total else "nothing was counted")
    calls, wrong = 0, []
    for n in range(every // 2 + 1, total + 1, every):
        for last in (n, n + ROW):
            found = scene.attempt(argv, n, last)
            calls += 1
            wrong += ["N=%d%s: %s" % (n, "" if n == last else " and on", f) for f in found]
    report.check("the %s: %d of its %d allocations fail" % (kind, calls // 2, total), wrong)
    return calls


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--only", choices=sorted(KINDS))
    parser.add_argument("folder")
    args = parser.parse_args()
    report = tap.Tap()
    scene = Scene(args.folder, nomem.Shim(args.folder))
    calls = sum(try_kind(scene, kind, args.every, report) for kind in sorted(KINDS)
                if args.only in (None, kind))
    report.note("%d pools out of memory, every %d. allocation" % (calls, args.every))
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
