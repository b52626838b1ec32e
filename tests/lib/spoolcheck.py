#!/usr/bin/env python3
"""spoolcheck.py: does a spool keep the promises?  What every harness asks at its end.

    findings = check(SPOOL, acked=IDS, runs=FOLDER, ends={ID: {"done", "dead"}})
    spoolcheck.py SPOOL [--acked FILE] [--runs FOLDER] [--busy] [--allow KIND]...

Only reads, knows the spool by its documented form (queuectl-spool(7)) and shares no
code with the program.  A finding is (kind, where, text); the kinds:

    lost        an acknowledged job is in none of the five folders
    doubled     a job is in two places
    torn        a job's file is no JSON object, or speaks of another id than its name
    state       a job is where it must not be: not among `ends`; in processing/ at rest
    false-end   in done/ without exit code 0, or in done/ or dead/ without its end
    parallel    a run began while another run of the job lived         (needs runs)
    repeated    a run's number was given twice                         (needs runs)
    unrecorded  more runs began than the document counts               (needs runs)
    not-run     in done/, but no run of that number came to its end    (needs runs)
    litter      what should not be left at rest: anything in tmp/ and workers/, requests
                in control/, dot names in pending/, ids/ and logs/, logs of no job
    stale-id    a file in ids/ without a job: harmless (the next use of the id takes it)
    no-id       a job without its file in ids/
    name        a name in one of the folders that no part of the queue makes

acked: ids that were acknowledged.  runs: where tests/lib/logged-job wrote.  ends: the
states in which a job may be, for some or all ids.  at_rest=False: no process has
ended yet; litter and processing/ are not looked at.  allow: kinds that are no finding
(stale-id unless said otherwise).  A report about a quarantined file counts as a job.
"""
import argparse
import collections
import json
import os
import re
import stat
import sys

STATES = ("pending", "failed", "processing", "done", "dead")
Finding = collections.namedtuple("Finding", "kind where text")
Job = collections.namedtuple("Job", "id state file attempts token document")

WHEN = r"(?:[0-9]{8}T[0-9]{6}\.[0-9]{6}Z|held)"
ID = r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}"
WAITING = re.compile(r"%s\.p-?[0-9]+\.a(?P<attempts>[0-9]+)\.(?P<id>%s)\.json" % (WHEN, ID))
RUNNING = re.compile(r"%s\.p-?[0-9]+\.a(?P<attempts>[0-9]+)\.w(?P<token>[0-9a-f-]+)\."
                     r"(?P<id>%s)\.json" % (WHEN, ID))
ENDED = re.compile(r"(?P<id>%s)\.json" % ID)
GRAMMAR = {"pending": WAITING, "failed": WAITING, "processing": RUNNING,
           "done": ENDED, "dead": ENDED}
LOG = re.compile(r"(?P<id>%s)\.r(?P<run>[0-9]+)\.(?:out|err)" % ID)


def names(spool, folder):
    """The names in a folder, sorted; none where it is missing."""
    try:
        return sorted(os.listdir(os.path.join(spool, folder)))
    except FileNotFoundError:
        return []


def is_foreign(name):
    """A dropped file that nobody has looked at yet."""
    return name.endswith(".json") and not name.startswith(".")


def read_document(path):
    """The document, or a text that says what is wrong with it."""
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return "no regular file"
        with open(path, "rb") as f:
            document = json.loads(f.read())
    except FileNotFoundError:
        return "gone while it was looked at"
    except (OSError, ValueError) as why:
        return str(why)
    return document if isinstance(document, dict) else "no JSON object"


def jobs(spool):
    """Every file of a job, and the findings about names that are none."""
    found, wrong = [], []
    for state in STATES:
        for name in names(spool, state):
            match = GRAMMAR[state].fullmatch(name)
            if not match:
                if state != "pending" or (not name.startswith(".") and not is_foreign(name)):
                    wrong.append(Finding("name", "%s/%s" % (state, name), "no job's name"))
                continue
            part = match.groupdict()
            found.append(Job(part["id"], state, name, int(part.get("attempts") or 0),
                             part.get("token"), read_document(os.path.join(spool, state, name))))
    return found, wrong


def place(job):
    return "%s/%s" % (job.state, job.file)


def check_places(found, acked, ends, at_rest):
    where = collections.defaultdict(list)
    for job in found:
        where[job.id].append(job)
    for id in sorted(set(acked) - set(where)):
        yield Finding("lost", id, "acknowledged, and in none of the five folders")
    for id, places in sorted(where.items()):
        if len(places) > 1:
            yield Finding("doubled", id, " and ".join(map(place, places)))
        for job in places:
            if job.state not in ends.get(id, STATES):
                yield Finding("state", place(job), "expected in " + " or ".join(sorted(ends[id])))
            elif at_rest and job.state == "processing":
                yield Finding("state", place(job), "still in processing/")


def false_end(job):
    """Why a document in done/ or dead/ is not the end of a job; "" if it is."""
    document = job.document
    if document.get("quarantined"):
        return ""  # a report
    if not document.get("last_error") if job.state == "dead" else document.get("exit_code") != 0:
        return "exit_code %r, last_error %r" % (document.get("exit_code"),
                                                document.get("last_error"))
    return "" if job.state == "dead" or document.get("finished_at") else "no finished_at"


def check_documents(found):
    for job in found:
        if isinstance(job.document, str):
            yield Finding("torn", place(job), job.document)
        elif job.document.get("id", job.id) != job.id:
            yield Finding("torn", place(job), "its document is that of %r" % job.document["id"])
        elif job.state in ("done", "dead") and false_end(job):
            yield Finding("false-end", place(job), false_end(job))


class Runs:
    """What the runs of one job wrote down about themselves (logged-job)."""

    def __init__(self, path):
        self.starts, self.ends, self.overlaps = [], {}, []
        with open(path) as f:
            for line in f:
                word = line.split()
                if len(word) < 2 or not line.endswith("\n"):
                    continue  # killed while it wrote
                if word[0] == "start":
                    self.starts.append(int(word[1]))
                elif word[0] == "end":
                    self.ends[int(word[1])] = int(word[2])
                elif word[0] == "overlap":
                    self.overlaps.append(int(word[1]))


def check_runs(found, folder):
    by_id = {job.id: job for job in found if isinstance(job.document, dict)}
    logs = {name: Runs(os.path.join(folder, name)) for name in sorted(os.listdir(folder))
            if not name.endswith(".lock")}
    for id, log in logs.items():
        for run in log.overlaps:
            yield Finding("parallel", id, "run %d began while another lived" % run)
        for run in sorted(set(r for r in log.starts if log.starts.count(r) > 1)):
            yield Finding("repeated", id, "run %d began %d times" % (run, log.starts.count(run)))
        job = by_id.get(id)
        if job and job.state != "processing" and len(log.starts) > job.document.get("runs", 0):
            yield Finding("unrecorded", place(job), "%d runs began, %d are counted"
                          % (len(log.starts), job.document.get("runs", 0)))
    for job in by_id.values():
        if job.state == "done" and "logged-job" in json.dumps(job.document):
            log = logs.get(job.id)
            if not log or log.ends.get(job.document.get("runs")) != 0:
                yield Finding("not-run", place(job), "run %s never ended with 0"
                              % job.document.get("runs"))


def check_ids(spool, found):
    there = {name for name in names(spool, "ids") if not name.startswith(".")}
    ids = {job.id for job in found}
    for id in sorted(there - ids):
        yield Finding("stale-id", "ids/" + id, "no job has this id")
    for id in sorted(ids - there):
        yield Finding("no-id", "ids/" + id, "a job has this id, and there is no such file")


def check_litter(spool, found):
    runs = {job.id: job.document.get("runs", 0) if isinstance(job.document, dict) else None
            for job in found}
    for folder in ("tmp", "workers"):
        for name in names(spool, folder):
            yield Finding("litter", "%s/%s" % (folder, name), "left at rest")
    for name in names(spool, "control"):
        if name != "pause":
            yield Finding("litter", "control/" + name, "a request that nobody will serve")
    for folder in ("pending", "ids", "logs"):
        for name in names(spool, folder):
            if name.startswith("."):
                yield Finding("litter", "%s/%s" % (folder, name), "left at rest")
    for name in names(spool, "logs"):
        match = LOG.fullmatch(name)
        if match and match["id"] not in runs:
            yield Finding("litter", "logs/" + name, "the log of no job")
        elif match and runs[match["id"]] is not None and int(match["run"]) > runs[match["id"]]:
            yield Finding("litter", "logs/" + name, "the log of a run that is not counted")


def check(spool, acked=(), runs=None, ends=None, at_rest=True, allow=("stale-id",)):
    """All findings, worst first; [] when the spool keeps the promises."""
    found, findings = jobs(spool)
    findings += check_places(found, acked, ends or {}, at_rest)
    findings += check_documents(found)
    if runs:
        findings += check_runs(found, runs)
    if at_rest:
        findings += check_ids(spool, found)
        findings += check_litter(spool, found)
    order = ("lost", "doubled", "parallel", "repeated", "torn")
    return sorted((f for f in findings if f.kind not in allow),
                  key=lambda f: (order.index(f.kind) if f.kind in order else len(order), f))


def main():
    parser = argparse.ArgumentParser(description="does a spool keep the promises?")
    parser.add_argument("spool")
    parser.add_argument("--acked", help="a file: one acknowledged id a line")
    parser.add_argument("--runs", help="the folder in which logged-job wrote")
    parser.add_argument("--busy", action="store_true", help="processes still work on it")
    parser.add_argument("--allow", action="append", default=["stale-id"], metavar="KIND")
    args = parser.parse_args()
    acked = open(args.acked).read().split() if args.acked else ()
    findings = check(args.spool, acked, args.runs, at_rest=not args.busy, allow=args.allow)
    for finding in findings:
        print("%s: %s: %s" % finding)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
