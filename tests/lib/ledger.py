"""ledger.py: what the runs themselves say (tests/stress/soakjob.c), held against the
documents of their jobs.

    ledger = Ledger(PATH)
    ledger.overlaps                      runs that began while another of the job lived
    ledger.starts[RUN], ledger.ends[RUN] RUN: (id, started_at, worker), as in a document
    for text in ledger.unfounded(job):   results in job.document without a run behind them

A run is known by its start and its worker, which the queue writes into the name of the
file in processing/ and into the document: a result of another run is another name.
"""
import collections
import re

from spoolcheck import ID

RUN = re.compile(r"(?P<time>[0-9T.]+Z)\.p-?[0-9]+\.a(?P<attempt>[0-9]+)\.w(?P<token>[0-9a-f-]+)\."
                 r"(?P<id>%s)\.json" % ID)
Start = collections.namedtuple("Start", "file number us there version")
End = collections.namedtuple("End", "code us")
OVERLAP = 99 # exits with this, see soakjob.c; in `overlaps`


def in_document(time):
    """20261122T031500.250000Z as 2026-11-22T03:15:00.250000Z"""
    return "%s-%s-%sT%s:%s:%s" % (time[:4], time[4:6], time[6:8], time[9:11], time[11:13], time[13:])


def run_key(file):
    match = RUN.fullmatch(file)
    return (match["id"], in_document(match["time"]), match["token"]) if match else None


class Ledger:
    def __init__(self, path):
        self.starts, self.ends = {}, {}
        self.by_id = collections.defaultdict(list)  # id: its runs in the order they began
        self.overlaps, self.repeated, self.odd = [], [], []
        with open(path) as f:
            for line in f:
                self.read(line.split())

    def read(self, word):
        key = run_key(word[1]) if len(word) > 2 else None
        if not key:
            self.odd.append(" ".join(word))
        elif word[0] == "O":
            self.overlaps.append("%s: run %s began while another lived" % (word[1], word[2]))
        elif word[0] == "E":
            self.ends[key] = End(int(word[2]), int(word[3]))
        elif key in self.starts:
            self.repeated.append("%s began twice" % word[1])
        else:
            self.starts[key] = Start(word[1], int(word[2]), int(word[3]), word[5] == "1", word[6])
            self.by_id[key[0]].append(key)

    def ended(self, id, started_at, worker=None):
        """The end of the run that began then, or None."""
        for key in self.by_id.get(id, ()):
            if key[1] == started_at and worker in (None, key[2]):
                return self.ends.get(key)
        return None

    def unfounded(self, job):
        """What the document says of runs, and they do not.  A lost run may have ended."""
        document = job.document
        if job.state == "done":
            end = self.ended(job.id, document.get("started_at"), document.get("worker"))
            if not end or end.code != 0:
                yield "%s/%s: done, and its run %s" % (
                    job.state, job.file, "ended with %d" % end.code if end else "has no end")
        for run in document.get("history", ()):
            if run["outcome"] not in ("done", "failed") or "exit_code" not in run:
                continue
            end = self.ended(job.id, run["started_at"])
            code = run["exit_code"]
            if code == OVERLAP or run.get("timed_out"):
                continue
            if not end or end.code != code:
                yield "%s/%s: run %d is recorded as %s with %s, and %s" % (
                    job.state, job.file, run["run"], run["outcome"], code,
                    "ended with %d" % end.code if end else "has no end")
