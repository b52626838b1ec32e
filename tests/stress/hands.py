#!/usr/bin/env python3
"""hands.py: operators at work on a queue under load, by queuectl and by hand.

    hands.py [--operators N] [--operations N] [--seed N] [--kills PERCENT] [--dir FOLDER]
             [--pools N] [--workers N] [--only OPERATION,...] [--found]

Several operators delete, cancel, hold, edit, retry, mv, rm, cp ... jobs in every state,
their own and shared ones, while workers run them and are killed, as are some of the
operators' calls.  What each operation that was done promises:

    delete, rm, mv-away       the job is gone, and no run of it starts, until it is put back
    cancel, mv-dead           it is dead, and no run of it starts, until it is retried
    hold, mv-held             no run of it starts, until it is released
    edit                      whatever starts then runs what the edit said
    retry, enqueue, release,  a run of it starts after that
    mv-pending, mv-back

(rm and mv of a file in processing/ leave that run alone; its result is nobody's.)  And
always: no two runs at once, a job done has the last of its runs behind it, to its end;
no job in two places or lost.  Operations that overlap or follow take a promise back where
they may (the tables below).  --found does not wait for the end of all (a program broken on
purpose may have none).  Prints TAP; the seed repeats the choices, not the timing.
"""
import argparse
import collections
import contextlib
import os
import shutil
import signal
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
# pylint: disable=wrong-import-position
import spoolcheck  # noqa: E402
from arena import Arena, Keeper, Slayer  # noqa: E402
from ledger import Ledger, run_key  # noqa: E402
from operations import Operator, WEIGHTS, describe  # noqa: E402
from reaper import adopt_orphans  # noqa: E402
from tap import Tap, wait_until  # noqa: E402

SHARED = 6
DRAIN_SEC = 300
GONE = ("delete", "rm", "mv-away")
DEAD = ("cancel", "mv-dead")
HELD = ("hold", "mv-held")
RUNS = ("retry", "enqueue", "release", "mv-pending", "mv-back", "edit")
LIFTS = ("retry", "enqueue", "release", "mv-pending", "mv-back")
HARMLESS = ("ln", "cp", "rm-id", "mv-priority")  # these take no promise back


def say(operation):
    return "%s%s" % (operation.name, " of " + operation.state if operation.state else "")


class History:
    """All that was done to one job, and its runs."""

    def __init__(self, id, operations, ledger):
        self.id = id
        self.operations = sorted(operations, key=lambda o: o.begin)
        self.starts = [(key, ledger.starts[key]) for key in ledger.by_id[id]]

    def after(self, operation, names=None):
        """Others that may have been done after this one: overlapping ones, too."""
        return [o for o in self.operations if o is not operation and o.end > operation.begin and
                (o.name in names if names else o.name not in HARMLESS)]

    def starts_after(self, us, but=None):
        return [start for _, start in self.starts if start.us > us and start.file != but]

    def was_copied(self):
        """There were two files of it: a copy takes the place of a job that is gone when the
        pool looks at it.  So does one that was dropped, and enqueued anew before that; and
        an id that was removed is free while its job waits."""
        dropped = float("inf")
        for o in self.operations:
            if o.name == "cp" or (o.name == "enqueue" and o.ok and dropped < o.end and
                                  not any(dropped < s.us < o.begin for _, s in self.starts)):
                return True
            if o.name in ("mv-pending", "mv-back", "rm-id"):
                dropped = o.begin
        return False

    def forbidden_starts(self):
        """Runs that began after an operation which said that none would."""
        for o in self.operations:
            if not o.ok or o.name not in GONE + DEAD + HELD or self.was_copied():
                continue
            lifted = min((l.begin for l in self.after(o, LIFTS)), default=float("inf"))
            for start in self.starts_after(o.end, o.run):
                if start.us < lifted:
                    yield "%s began %d us after %s" % (start.file, start.us - o.end, say(o))

    def stale_versions(self):
        for o in self.operations:
            if not o.ok or o.name not in ("edit", "enqueue") or self.was_copied():
                continue
            until = min((l.begin for l in self.after(o, ("edit", "enqueue", "mv-back"))),
                        default=float("inf"))
            for start in self.starts_after(o.end):
                if start.us < until and start.version != o.version:
                    yield "%s ran %s after %s" % (start.file, start.version, say(o))

    def last(self):
        """The operation that decides the job's fate, if that is certain."""
        done = [o for o in self.operations if o.ok and o.name not in HARMLESS]
        last = max(done, key=lambda o: o.end, default=None)
        return last if last and not self.after(last) else None

    def may_be_gone(self):
        return not any(o.ok for o in self.operations if o.name == "enqueue") or any(
            o.name in GONE and not any(l.ok and l.begin > o.end for l in self.after(o, LIFTS))
            for o in self.operations)

    def lost_its_only_word(self):
        """A process that left its group and cleared its environment is known by the lock
        alone: whoever removes the file of the lock removes that.  Not promised."""
        return describe(self.id)[1] == "naked" and any(o.name == "rm-id" for o in self.operations)

    def may_be_put_aside(self):
        """A file with a second name is no job when it is dropped; nor is a copy."""
        return self.was_copied() or any(o.name == "ln" for o in self.operations)

    def story(self):
        """What was done and what ran, in ms."""
        began = self.operations[0].begin if self.operations else 0
        told = [(o.begin, "%s%s %d-%d" % ("" if o.ok else "?", say(o), (o.begin - began) // 1000,
                                          (o.end - began) // 1000)) for o in self.operations]
        told += [(start.us, "RUN %d" % ((start.us - began) // 1000)) for _, start in self.starts]
        return "; ".join(text for _, text in sorted(told))

    def wrong_fate(self, jobs, aside):
        """jobs: where it was found in the end; aside: it lies in quarantine/."""
        places = ["%s/%s" % (job.state, job.file) for job in jobs]
        last = self.last()
        if len(jobs) > 1 and not self.was_copied():
            return "two places: %s" % " and ".join(places)
        if not jobs and not self.may_be_gone() and not (aside and self.may_be_put_aside()):
            return "lost"
        if not last or aside or self.was_copied():
            return ""
        if last.name in GONE and jobs:
            return "back as %s after %s" % (places[0], say(last))
        if last.name in DEAD and (not jobs or jobs[0].state != "dead"):
            return "%s after %s" % (places or "gone", say(last))
        if last.name == "cancel" and jobs[0].document.get("last_error") != "cancelled":
            return "%s says %r after %s" % (places[0], jobs[0].document.get("last_error"), say(last))
        if last.name in RUNS and not self.starts_after(last.begin, last.run):
            return "%s, and never ran after %s" % (places or "gone", say(last))
        return ""


# -- the verdict -------------------------------------------------------------------

def stale_results(jobs, ledger):
    """A job is done by the last of its runs."""
    for job in jobs:
        runs = ledger.by_id[job.id]
        if job.state == "done" and runs:
            recorded = (job.id, job.document.get("started_at"), job.document.get("worker"))
            if recorded != runs[-1]:
                yield "done/%s: by the run of %s; the last one is %s" % (
                    job.file, recorded[1], ledger.starts[runs[-1]].file)


def overlaps(ledger):
    for text in ledger.overlaps:
        yield run_key(text.partition(": ")[0])[0], text


def unexplained(findings, histories):
    """What operators did explains the rest."""
    def made(id, *names):
        return id in histories and any(o.name in names for o in histories[id].operations)
    for kind, where, text in findings:
        name = where.partition("/")[2]
        id = name.partition(".json")[0] if kind == "false-end" else name
        if kind == "litter" and where.startswith("logs/"):
            if made(name.rpartition(".r")[0], "rm", "mv-away", "mv-dead", "mv-pending"):
                continue
        if (kind == "false-end" and made(id, "mv-dead")) or (kind == "no-id" and made(id, "rm-id")):
            continue
        if kind not in ("lost", "doubled"):
            yield "%s: %s: %s" % (kind, where, text)


def put_aside(arena):
    """The ids of what lies in quarantine/."""
    for name in os.listdir(arena.path("quarantine")):
        document = spoolcheck.read_document(arena.path("quarantine", name))
        if isinstance(document, dict):
            yield document.get("id")


def judge(tap, arena, operators, slayer):
    jobs, _ = spoolcheck.jobs(arena.spool)
    ledger = Ledger(os.path.join(arena.folder, "ledger"))
    by_id = collections.defaultdict(list)
    for operation in (o for operator in operators for o in operator.log):
        by_id[operation.id].append(operation)
    histories = {id: History(id, made, ledger) for id, made in by_id.items()}
    found = collections.defaultdict(list)
    for job in jobs:
        found[job.id].append(job)
    reports = [job for job in jobs if job.document.get("quarantined")]
    known = [job for job in jobs if job.id in histories]

    tap.check("no two runs of a job at once", (
        "%s: %s" % (text, histories[id].story()) for id, text in overlaps(ledger)
        if not histories[id].lost_its_only_word()))
    tap.check("no run is made twice", ledger.repeated + ledger.odd)
    tap.check("nothing that was deleted, cancelled or held is run", (
        "%s: %s" % (text, h.story()) for h in histories.values() for text in h.forbidden_starts()))
    tap.check("nothing is run as it was before an edit", (
        "%s: %s" % (text, h.story()) for h in histories.values() for text in h.stale_versions()))
    aside = set(put_aside(arena))
    fates = {id: h.wrong_fate(found[id], id in aside) for id, h in histories.items()}
    tap.check("every job ended as it was told to", (
        "%s: %s: %s" % (id, fate, histories[id].story()) for id, fate in fates.items() if fate))
    tap.check("no stale result is believed", stale_results(known, ledger))
    tap.check("every result has a full run behind it",
              (text for job in known for text in ledger.unfounded(job)))
    tap.check("what lies in the spool is explained by what was done to it",
              unexplained(spoolcheck.check(arena.spool, at_rest=True), histories))
    strangers = [job.id for job in jobs if job.id not in histories and job not in reports]
    tap.check("no job that nobody made", strangers)
    done = collections.Counter(o.name for h in histories.values() for o in h.operations if o.ok)
    tap.note("%d operations by %d operators on %d jobs, %d done: %s" % (
        sum(len(h.operations) for h in histories.values()), len(operators), len(histories),
        sum(done.values()), " ".join("%s %d" % item for item in sorted(done.items()))))
    tap.note("%d runs; %s" % (len(ledger.starts), ", ".join(
        "%d %s" % (n, what) for what, n in sorted(slayer.count.items()))))


# -- the course of it ----------------------------------------------------------------

def calm(arena, steward):
    """Everything that waits for an operator goes on."""
    for state in ("pending", "failed"):
        for name in os.listdir(arena.path(state)):
            match = spoolcheck.WAITING.fullmatch(name)
            if match and name.startswith("held."):
                steward.do("release", match["id"])
    if os.path.exists(arena.path("control", "pause")):
        os.unlink(arena.path("control", "pause"))


def end_strays(arena, operators):
    """A run whose file was taken away goes on, and without a worker nobody ends it.
    Whoever is left beside these."""
    taken = {o.run for operator in operators for o in operator.log if o.ok and o.run}
    left = []
    for pid in arena.processes():
        with contextlib.suppress(OSError), open("/proc/%d/environ" % pid) as f:
            words = dict(entry.partition("=")[::2] for entry in f.read().split("\0"))
            run = os.path.basename(words.get("QUEUECTL_JOB", ""))
            if run in taken or arena.describe(pid).endswith("sleep 60 "):  # one without words
                arena.signal(pid, signal.SIGKILL)
            elif run:
                left.append(arena.describe(pid))
    return left


def hands(tap, arena, args):
    shutil.copy(os.path.join(os.environ.get("QUEUECTL_BUILD", os.path.dirname(arena.program)),
                             "tests", "soakjob"), arena.folder)
    os.mkdir(arena.folder + "/away")
    os.mkdir(arena.folder + "/links")
    for key, value in (("grace", "200ms"), ("backoff-max", "1s"), ("backoff-base", "1")):
        arena.must("config", "set", key, value)
    keeper = Keeper(arena)
    shared = ["s0.%d" % i for i in range(1, SHARED + 1)]
    steward = Operator(arena, "s0", args.seed, (), 0, WEIGHTS)
    for id in shared:
        steward.do("enqueue", id)
    weights = {name: WEIGHTS[name] for name in args.only}
    operators = [Operator(arena, "h%d" % (i + 1), args.seed * 100 + i, shared, args.operations,
                          weights) for i in range(args.operators)]
    slayer = Slayer(arena, args.kills)
    for operator in operators:
        operator.join()
    for thread in [slayer, keeper] + operators:
        thread.stop()
    if not arena.living("pool"):
        keeper.start_pool()
    calm(arena, steward)
    end_strays(arena, operators)  # what was dropped again waits for them
    patience = 5 if args.found else DRAIN_SEC
    end = arena.q("wait", "--all", "--timeout", "%ds" % patience)
    tap.check("all that was left alone ended",
              arena.q("list").stdout if end.returncode == 124 else "")
    tap.check("no process is left but of runs that were taken away", end_strays(arena, operators))
    if args.found:
        arena.q("worker", "stop", "--now")
    else:
        arena.settle(keeper)
    judge(tap, arena, operators + [steward], slayer)


def arguments():
    parser = argparse.ArgumentParser(description="operators at work on a queue under load")
    parser.add_argument("--operators", type=int, default=8)
    parser.add_argument("--operations", type=int, default=600)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--kills", type=float, default=20)
    parser.add_argument("--pools", type=int, default=2)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--only", metavar="OPERATION,...", type=lambda text: text.split(","), default=list(WEIGHTS))
    parser.add_argument("--found", action="store_true")
    parser.add_argument("--dir", default="/dev/shm")
    return parser.parse_args()


def main():
    args, tap, began = arguments(), Tap(), time.monotonic()
    adopt_orphans()
    with Arena(args.dir, args.pools, args.workers, args.seed) as arena:
        hands(tap, arena, args)
    tap.note("%.0f s; seed %d" % (time.monotonic() - began, args.seed))
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
