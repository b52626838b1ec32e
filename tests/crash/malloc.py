#!/usr/bin/env python3
"""malloc.py: each command with its Nth allocation failing, for every N; once that one
alone and once all from it on.  Prints TAP, one test a command.

    malloc.py [--every K] [--only REGEX] [--trace] FOLDER

--every K: every Kth allocation only, beginning at another one for each command (the
slice of `make test`).  --trace: where each finding's allocation failed.  What must hold
after each call:

  - it ended by itself, not by a signal
  - it succeeded: its output and what it left are those of a call with enough memory
  - it failed: exit code 1, "out of memory" (or the system's own words) as the reason,
    and the spool as it was; of several jobs each is as before or as it is to be
  - nothing is left in tmp/, no id without a job, and the journal holds whole lines

The table of commands is malloc_cases.py.
"""
import argparse
import json
import os
import re
import shutil
import subprocess
import sys

import malloc_cases as cases
import nomem

sys.path.insert(0, os.path.join(nomem.HERE, "../lib"))
import spoolcheck  # noqa: E402
import tap  # noqa: E402

PROGRAM = os.environ["QUEUECTL_BIN"]
NO_MEMORY = re.compile(r"out of memory|Cannot allocate memory")
STORED = re.compile(r"enqueued all the same$", re.M)  # but the answer did not get out
CHANGING = [  # times, made ids, tokens, inodes
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d([.]\d+)?)?(Z|[+-]\d\d:\d\d)?"), "<time>"),
    (re.compile(r"\d{8}[tT]\d{6}[.]?\d{6}(-[a-z0-9]{8}|Z)"), "<made>"),
    (re.compile(r"^(folder|born) \d+\n", re.M), ""),  # of .queue: nomem.identify
    (re.compile(r"\b(took|in|since|inode) [\d.]+m?s?"), r"\1 <n>"),
]
FOLDERS = ("pending", "processing", "failed", "done", "dead")
REST = ("tmp", "ids", "logs", "workers", "control", "quarantine")


def plain(text):
    for pattern, word in CHANGING:
        text = pattern.sub(word, text)
    return text


def read(*path):
    with open(os.path.join(*path), "rb") as f:
        return f.read().decode()


def job_id(file):
    if file.startswith("<made>.") or file.startswith("held."):
        return re.sub(r"^(<made>|held)[.]p-?\d+[.]a\d+[.]", "", file)
    return file


class State:
    """What a spool holds, without what differs from call to call."""

    def __init__(self, spool):
        self.jobs, self.rest = {}, {}
        if not os.path.isdir(spool):
            return
        for folder in FOLDERS:
            if not os.path.isdir(os.path.join(spool, folder)):
                continue
            for file in sorted(os.listdir(os.path.join(spool, folder))):
                name = plain(file)
                there = self.jobs.setdefault(job_id(name), [])
                there.append((folder, name, plain(read(spool, folder, file))))
                there.sort()
        for folder in REST:
            if not os.path.isdir(os.path.join(spool, folder)):
                continue
            self.rest[folder] = sorted(map(plain, os.listdir(os.path.join(spool, folder))))
        for file in sorted(os.listdir(spool)):
            if os.path.isfile(os.path.join(spool, file)):
                self.rest[file] = "" if file == ".reserve" else plain(read(spool, file))

    def __eq__(self, other):
        return self.jobs == other.jobs and self.rest == other.rest

    def differences(self, other):
        found = ["%s is %s, was %s" % (job, self.jobs.get(job), other.jobs.get(job))
                 for job in sorted(set(self.jobs) | set(other.jobs))
                 if self.jobs.get(job) != other.jobs.get(job)]
        return found + ["%s is %r, was %r" % (what, self.rest.get(what), other.rest.get(what))
                        for what in sorted(set(self.rest) | set(other.rest))
                        if self.rest.get(what) != other.rest.get(what)]


def check_spool(spool):
    """What every spool must keep, whole lines in the journal, and no id for nothing."""
    folder = os.path.join(spool, "journal")
    found = ["%s: %s %s" % f for f in spoolcheck.check(spool, allow=())]
    for file in os.listdir(folder) if os.path.isdir(folder) else []:
        for line in read(folder, file).split("\n"):
            try:
                json.loads(line or "{}")
            except ValueError:
                found.append("journal/%s has a torn line: %r" % (file, line))
    return found


class Case:
    def __init__(self, row, folder, template, shim):
        self.name, self.kind, self.code, words, self.text = row
        self.folder, self.template, self.shim = folder, template, shim
        self.env = nomem.environment(folder)
        self.words = words.split()
        self.spool = self.env["QUEUECTL_SPOOL"]
        self.bare = self.words[:1] in (["-own"], ["-none"])
        if self.bare:
            self.words = self.words[1:]
            del self.env["QUEUECTL_SPOOL"]
            self.env["XDG_STATE_HOME"] = os.path.join(folder, "home")
            self.spool = os.path.join(folder, "home/queuectl/spool")
        elif "@/new" in self.words:
            self.spool = os.path.join(folder, "new")
        self.words = [w.replace("@", folder) if not w.startswith("@@") else
                      "@" + w[1:].replace("@", folder) for w in self.words]
        self.words = [w.replace("%bad", template.report) for w in self.words]
        self.made = False

    def prepare(self):
        if self.made:
            return
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(os.path.join(self.folder, "home"))
        cases.files(self.folder)
        self.template.copy(os.path.join(self.folder, "spool"))
        if self.name == "resume":
            open(os.path.join(self.spool, "control", "pause"), "w").close()
        self.made = True

    def call(self, first, last, trace=None):
        self.prepare()
        self.shim.arm(first, last)
        env = dict(self.env, **self.shim.env("queuectl", trace))
        # root's own spool would be the system's
        as_user = {"user": 65534} if self.bare and os.geteuid() == 0 else {}
        if as_user:
            os.chown(os.path.join(self.folder, "home"), 65534, -1)
        try:
            return subprocess.run([PROGRAM, *self.words], env=env, input=self.text or b"",
                                  cwd=self.folder, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, timeout=nomem.PATIENCE_SEC, **as_user)
        except subprocess.TimeoutExpired:
            return None

    def learn(self):
        """How it is with enough memory; complaints about that itself."""
        self.prepare()
        self.before = State(self.spool)
        done = self.call(0, 0)
        self.allocations = self.shim.count()
        self.after = State(self.spool)
        self.out, self.err = plain(done.stdout.decode()), plain(done.stderr.decode())
        self.made = self.before == self.after
        wrong = []
        if done.returncode != self.code:
            wrong.append("exit %d, wanted %d: %s" % (done.returncode, self.code, self.err))
        if (self.kind == "look") != (self.before == self.after):
            wrong.append("what it leaves is not what its row says")
        if self.allocations == 0:
            wrong.append("no allocation was seen")
        return wrong

    def judge(self, done):
        if done is None:
            return ["it did not end in %d s" % nomem.PATIENCE_SEC]
        if done.returncode < 0:
            return ["killed by signal %d" % -done.returncode]
        now = State(self.spool)
        self.made = now == self.before
        err = done.stderr.decode()
        if done.returncode == self.code and not (self.code == 1 and NO_MEMORY.search(err)):
            return self.judge_success(done, now) + self.check(now)
        wrong = []
        if done.returncode != 1:
            wrong.append("exit %d: %s" % (done.returncode, err.strip()))
        if not NO_MEMORY.search(err):
            wrong.append("exit %d without a word on memory: %r" % (done.returncode, err))
        return wrong + self.judge_failure(now, err) + self.check(now)

    def check(self, now):
        whole = self.kind != "again" and now != self.before
        return check_spool(self.spool) if whole else []

    def judge_success(self, done, now):
        wrong = []
        if plain(done.stdout.decode()) != self.out:
            wrong.append("exit %d, but it printed: %r" % (self.code, done.stdout.decode()))
        return wrong + ["exit %d, but %s" % (self.code, d) for d in now.differences(self.after)]

    def judge_failure(self, now, err):
        if self.kind == "each":
            return ["half done: %s: %s" % (job, now.jobs.get(job))
                    for job in set(now.jobs) | set(self.before.jobs) | set(self.after.jobs)
                    if now.jobs.get(job) not in (self.before.jobs.get(job),
                                                 self.after.jobs.get(job))] + \
                ["left: %s/%s" % (folder, file) for folder in REST if folder != "logs"
                 for file in now.rest[folder]
                 if file not in self.before.rest[folder] + self.after.rest[folder]]
        if self.kind == "again":
            return self.finish_it()
        if STORED.search(err):
            return ["it is stored, but %s" % d for d in now.differences(self.after)]
        return ["it failed, but %s" % d for d in now.differences(self.before)]

    def finish_it(self):
        """What the failed call left, the next one makes whole."""
        done = self.call(0, 0)
        self.made = False
        if done.returncode != 0:
            return ["said again with enough memory: exit %d: %s" % (done.returncode,
                                                                   done.stderr.decode())]
        return ["said again: %s" % d for d in State(self.spool).differences(self.after)]


def explain(case, n, last, folder):
    """Where the allocation failed, by addr2line."""
    trace = os.path.join(folder, "trace")
    if os.path.exists(trace):
        os.unlink(trace)
    case.made = False
    case.call(n, last, trace)
    case.made = False
    found = re.findall(r"^%s\(\+(0x[0-9a-f]+)\)" % re.escape(PROGRAM),
                       read(trace).split("\n\n")[0], re.M)
    out = subprocess.run(["addr2line", "-pfs", "-e", PROGRAM, *found[:9]], stdout=subprocess.PIPE)
    return " < ".join(out.stdout.decode().split("\n"))


def try_case(case, start, every, trace):
    wrong = case.learn()
    calls = 0
    case.made = False
    for n in range(1 + start % every, case.allocations + 1, every):
        for last in (n, nomem.FOR_EVER):
            done = case.call(n, last)
            calls += 1
            if case.shim.failed() == 0:
                continue
            found = case.judge(done)
            if found and trace:
                found.append("at " + explain(case, n, last, os.path.dirname(case.folder)))
            wrong += ["N=%d %s: %s" % (n, "alone" if n == last else "and on", f) for f in found]
    return calls, wrong


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--only", default="")
    parser.add_argument("--trace", action="store_true")
    parser.add_argument("folder")
    args = parser.parse_args()
    shim = nomem.Shim(args.folder)
    os.chmod(args.folder, 0o755)
    os.chmod(shim.file, 0o666)
    template = nomem.Template(PROGRAM, os.path.join(args.folder, "template"))
    rows = [row for row in cases.CASES if re.search(args.only, row[0])]
    report = tap.Tap()
    calls = 0
    for number, row in enumerate(rows, 1):
        case = Case(row, os.path.join(args.folder, "case"), template, shim)
        n, wrong = try_case(case, number, args.every, args.trace)
        calls += n
        report.check("%s: %d of %d allocations" % (row[0], n // 2, case.allocations), wrong)
    report.note("%d calls out of memory, every %d. allocation" % (calls, args.every))
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
