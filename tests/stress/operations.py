"""operations.py: one operator at work: queuectl and mv, rm, cp by hand, on jobs in every
state, each with what came of it.

    operator = Operator(arena, "h1", seed, shared, operations, WEIGHTS)     a thread
    operator.log      [Operation], in the order they were made

An operator has jobs of its own, which nobody else touches, and works on `shared` ones
with the others.  What each operation promises is in hands.py.
"""
import collections
import json
import os
import random
import re
import subprocess
import time

from arena import Work
from spoolcheck import GRAMMAR

# begin, end: the clock of the ledger; run: the name in processing/ that was moved or removed;
# state: where the job was found, by hand; ok: it was done (a refused or killed one may have been)
Operation = collections.namedtuple("Operation", "id name begin end ok state run version words")

KINDS = {
    "quick": {}, "slow": {}, "flaky": {"max_retries": 2}, "fail": {"max_retries": 1},
    "late": {"max_retries": 2}, "children": {}, "closed": {}, "naked": {}, "bare": {},
    "hang": {"timeout": 0.4, "max_retries": 0},
}
OWN_MAX = 12      # jobs an operator has at a time
KILLED = 0.04     # of the calls
PAUSE = 0.04      # seconds between two operations, at most: jobs have to run, too
WAITING = ("pending", "failed")
ENDED = ("done", "dead")


def now_us():
    return time.monotonic_ns() // 1000


class Spool:
    """What hands do in it: look for a job's file, and rename, unlink or link it."""

    def __init__(self, arena):
        self.arena = arena

    def find(self, id, *states):
        for state in states:
            for name in os.listdir(self.arena.path(state)):
                match = GRAMMAR[state].fullmatch(name)
                if match and match["id"] == id:
                    return state, name
        return None, None

    def move(self, state, name, *to):
        os.rename(self.arena.path(state, name), self.arena.path(*to))

    def remove(self, *path):
        os.unlink(self.arena.path(*path))


class Operator(Work):
    def __init__(self, arena, name, seed, shared, operations, weights):
        self.called, self.shared, self.operations = name, shared, operations
        self.weights = weights
        self.random, self.spool = random.Random(seed), Spool(arena)
        self.log, self.own, self.away = [], [], {}
        self.made = 0
        self.numbers, self.kinds = {}, {}
        super().__init__(arena)

    # -- the course ------------------------------------------------------------

    def work(self):
        names, weights = zip(*self.weights.items())
        while len(self.log) < self.operations and not self.over.wait(self.random.uniform(0, PAUSE)):
            if len(self.own) < 3:
                self.new_job()
                continue
            name = self.random.choices(names, weights)[0]
            if name == "new":
                self.new_job()
            elif name not in BY_HAND_ALONE and self.random.random() < 0.2:
                self.do(name, self.random.choice(self.shared))
            else:
                self.do(name, self.random.choice(self.own))

    def new_job(self):
        self.made += 1
        id = "%s.%d" % (self.called, self.made)
        self.own.append(id)
        if len(self.own) > OWN_MAX:  # the oldest ones are left to their fate
            self.own.pop(0)
        self.do("enqueue", id)

    def do(self, name, id):
        begin, words = now_us(), ""
        self.state = self.run_name = self.version = None
        try:
            ok = getattr(self, name.replace("-", "_"))(id)
        except FileNotFoundError:
            ok = False
        if ok is not None:
            self.log.append(Operation(id, name, begin, now_us(), ok is True, self.state,
                                      self.run_name, self.version, ok if ok is not True else words))

    # -- by queuectl ---------------------------------------------------------------

    def q(self, *args, text=None):
        """True, or why not."""
        with subprocess.Popen([self.arena.program, *args], cwd=self.arena.folder,
                              env=self.arena.environment, stdin=subprocess.PIPE, text=True,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as call:
            if self.random.random() < KILLED:
                time.sleep(self.random.uniform(0, 0.01))
                call.kill()
            _, error = call.communicate(text)
        return True if call.returncode == 0 else "%d %s" % (call.returncode, error)

    def argv(self, id, version):
        number, kind = describe(id)
        return ["./soakjob", "ledger", str(number), kind, version]

    def new_version(self):
        self.version = "v%d" % now_us()
        return self.version

    def enqueue(self, id):
        document = {"id": id, "argv": self.argv(id, self.new_version()), **KINDS[describe(id)[1]]}
        if self.random.random() < 0.2:
            document["delay"] = "300ms"
        return self.q("enqueue", "-", text=json.dumps(document))

    def edit(self, id):
        return self.q("edit", id, json.dumps({"argv": self.argv(id, self.new_version())}))

    def retry(self, id):
        return self.q(*self.random.choice((("retry",), ("dlq", "retry"))), id)

    def delete(self, id):
        return self.q("delete", "--yes", id)

    def cancel(self, id):
        return self.q("cancel", id)

    def hold(self, id):
        return self.q("hold", id)

    def release(self, id):
        return self.q("release", id)

    # -- by hand ---------------------------------------------------------------------

    def look(self, id, *states):
        self.state, name = self.spool.find(id, *self.random.sample(states, len(states)))
        if self.state == "processing":
            self.run_name = name
        return name

    def rm(self, id):
        name = self.look(id, "pending", "failed", "processing", "done", "dead")
        if not name:
            return None
        self.spool.remove(self.state, name)
        return True

    def mv_pending(self, id):
        name = self.look(id, "failed", "processing", "done", "dead")
        if not name:
            return None
        names = [id + ".json", "any-" + id + ".json"]
        if self.state in ("failed", "processing"):
            names.append(re.sub(r"\.w[0-9a-f-]+\.", ".", name))  # its own name, or nearly
        self.spool.move(self.state, name, "pending", self.random.choice(names))
        return True

    def mv_dead(self, id):
        name = self.look(id, "pending", "failed", "processing")
        if not name:
            return None
        self.spool.move(self.state, name, "dead", id + ".json")
        return True

    def mv_held(self, id):
        name = self.look(id, "pending", "failed")
        if not name or name.startswith("held."):
            return None
        self.spool.move(self.state, name, self.state, "held." + name.split(".", 2)[2])
        return True

    def mv_priority(self, id):
        """Another name of the same form."""
        name = self.look(id, "pending", "failed")
        if not name:
            return None
        self.spool.move(self.state, name, self.state, name.replace(".p0.", ".p7."))
        return True

    def mv_away(self, id):
        name = self.look(id, "pending", "failed", "processing", "done", "dead")
        if not name or id in self.away:
            return None
        os.rename(self.arena.path(self.state, name), self.taken(id))
        self.away[id] = self.state
        return True

    def mv_back(self, id):
        if id not in self.away:
            return None
        del self.away[id]
        os.rename(self.taken(id), self.arena.path("pending", id + ".json"))
        return True

    def taken(self, id):
        return os.path.join(self.arena.folder, "away", id + ".json")

    def ln(self, id):
        """A second name, outside: a backup by cp -al."""
        name = self.look(id, "pending", "failed", "processing", "done", "dead")
        if not name:
            return None
        os.link(self.arena.path(self.state, name), "%s/links/%d" % (self.arena.folder, now_us()))
        return True

    def cp(self, id):
        """A job with the id of another: it goes to quarantine, and is never run."""
        name = self.look(id, "pending", "failed", "done", "dead")
        if not name:
            return None
        copy = os.path.join(self.arena.folder, "copy-" + id)
        with open(self.arena.path(self.state, name)) as f, open(copy, "w") as out:
            out.write(f.read())
        os.rename(copy, self.arena.path("pending", "copy-%d.json" % now_us()))
        return True

    def rm_id(self, id):
        """Not for hands, and done by them."""
        self.spool.remove("ids", id)
        return True

    def pause(self, _):
        with open(self.arena.path("control", "pause"), "w"):
            time.sleep(self.random.uniform(0, 0.1))
        self.spool.remove("control", "pause")


def describe(id):
    """A number for its lock, and its kind: both for ever, whatever is made of the job."""
    owner, made = id.split(".")
    number = int(owner[1:]) * 100000 + int(made)
    return number, sorted(KINDS)[number * 7 % len(KINDS)]


WEIGHTS = {"new": 8, "enqueue": 6, "edit": 5, "retry": 10, "delete": 4, "cancel": 6, "hold": 4,
           "release": 6, "rm": 4, "mv-pending": 10, "mv-dead": 4, "mv-held": 3, "mv-priority": 3,
           "mv-away": 4, "mv-back": 6, "ln": 2, "cp": 2, "rm-id": 2, "pause": 1}
# Two at once would be one file over another, by the operators' own doing.
BY_HAND_ALONE = ("mv-dead", "mv-away", "mv-back", "cp", "enqueue")
