"""spoolcheck_cases.py: spoolcheck.py finds nothing in a good spool and each kind of
finding where it is planted.  A checker that sees nothing proves nothing.

    QUEUECTL_BIN=build/queuectl spoolcheck_cases.py FOLDER     (a fresh one; prints TAP)
"""
import json
import os
import shutil
import subprocess
import sys

import spoolcheck
from tap import Tap

BIN = os.environ["QUEUECTL_BIN"]
HERE = os.path.dirname(os.path.abspath(__file__))
ACKED = ("a", "b", "c", "d")


def make(spool, runs):
    """a, b done, c dead, d waiting: by the program itself."""
    env = dict(os.environ, QUEUECTL_SPOOL=spool)

    def q(*args):
        subprocess.run([BIN, *args], env=env, check=True, stdout=subprocess.DEVNULL)

    q("init", spool)
    for id in ACKED:
        command = ["false"] if id == "c" else ["true"]
        later = {"delay": "1h"} if id == "d" else {}
        q("enqueue", json.dumps({"id": id, "argv": [HERE + "/logged-job", runs, *command],
                                 "max_retries": 0, **later}))
    subprocess.run([BIN, "worker", "run", "--drain"], env=env, stderr=subprocess.DEVNULL)


class Room:
    """The good spool, to be spoiled; put right again after each case."""

    def __init__(self, folder):
        self.folder, self.spool, self.runs = folder, folder + "/spool", folder + "/runs"
        os.mkdir(self.runs)
        make(self.spool, self.runs)
        for part in (self.spool, self.runs):
            shutil.copytree(part, part + ".good")

    def again(self):
        for part in (self.spool, self.runs):
            shutil.rmtree(part)
            shutil.copytree(part + ".good", part)

    def path(self, name):
        return os.path.join(self.folder, name)

    def waiting(self):
        return self.path("spool/pending/" + os.listdir(self.spool + "/pending")[0])

    def add(self, name, text=""):
        with open(self.path(name), "a") as f:
            f.write(text)

    def edit(self, name, **members):
        with open(self.path(name)) as f:
            document = json.load(f)
        with open(self.path(name), "w") as f:
            json.dump({**document, **members}, f)

    def findings(self, **more):
        return spoolcheck.check(self.spool, ACKED, self.runs, **more)


TOKEN = "01234567-1-2-3"
RUN = "spool/processing/20261122T031500.250000Z.p0.a1.w%s.d.json" % TOKEN

# kind, what is planted, how
CASES = (
    ("lost", "a file removed", lambda r: os.remove(r.path("spool/done/a.json"))),
    ("doubled", "a copy in dead/", lambda r: shutil.copy(r.path("spool/done/a.json"),
                                                         r.path("spool/dead/a.json"))),
    ("doubled", "a copy beside it", lambda r: shutil.copy(
        r.waiting(), r.path("spool/pending/held.p1.a0.d.json"))),
    ("torn", "an empty document", lambda r: open(r.path("spool/done/a.json"), "w").close()),
    ("torn", "half a document", lambda r: os.truncate(r.path("spool/done/a.json"), 40)),
    ("torn", "another's document", lambda r: shutil.copy(r.path("spool/done/a.json"),
                                                         r.path("spool/done/b.json"))),
    ("state", "a run at rest", lambda r: os.rename(r.waiting(), r.path(RUN))),
    ("state", "not where it belongs", lambda r: os.rename(r.path("spool/dead/c.json"),
                                                          r.path("spool/done/c.json"))),
    ("false-end", "done with exit 1", lambda r: r.edit("spool/done/a.json", exit_code=1)),
    ("false-end", "dead without a reason", lambda r: r.edit("spool/dead/c.json",
                                                            last_error=None)),
    ("parallel", "a run that found the lock taken", lambda r: r.add("runs/a", "overlap 2\n")),
    ("repeated", "the same number again", lambda r: r.add("runs/a", "start 1 77\n")),
    ("unrecorded", "one more run", lambda r: r.add("runs/a", "start 2 77\n")),
    ("not-run", "no end", lambda r: open(r.path("runs/a"), "w").close()),
    ("not-run", "half an end", lambda r: os.truncate(r.path("runs/a"),
                                                     os.path.getsize(r.path("runs/a")) - 1)),
    ("litter", "a file in tmp/", lambda r: r.add("spool/tmp/%s.1" % TOKEN)),
    ("litter", "a worker's file", lambda r: r.add("spool/workers/%s.worker" % TOKEN)),
    ("litter", "a request", lambda r: r.add("spool/control/cancel.x")),
    ("litter", "a file in a pool's hands", lambda r: r.add("spool/pending/.%s.f.json" % TOKEN)),
    ("litter", "half a new lock", lambda r: r.add("spool/ids/.new." + TOKEN)),
    ("litter", "a worker's log", lambda r: r.add("spool/logs/.%s.out" % TOKEN)),
    ("litter", "the log of no job", lambda r: r.add("spool/logs/z.r1.out")),
    ("litter", "the log of no run", lambda r: r.add("spool/logs/a.r2.out")),
    ("stale-id", "an id of no job", lambda r: r.add("spool/ids/z")),
    ("no-id", "an id's file removed", lambda r: os.remove(r.path("spool/ids/a"))),
    ("name", "a stranger in done/", lambda r: r.add("spool/done/x.txt")),
)


def main():
    tap = Tap()
    room = Room(sys.argv[1])
    ends = {"c": {"dead"}}
    tap.check("a good spool: nothing", map(str, room.findings(ends=ends, allow=())))
    for kind, what, spoil in CASES:
        room.again()
        spoil(room)
        found = room.findings(ends=ends, allow=())
        tap.check("%s: %s" % (kind, what),
                  "" if kind in {f.kind for f in found} else "found only %s" % found)
    room.again()
    room.add("spool/tmp/%s.1" % TOKEN)
    room.add("spool/ids/z")
    tap.check("at work, what may be left is no finding", map(str, room.findings(at_rest=False)))
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
