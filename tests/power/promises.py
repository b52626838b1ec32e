"""promises.py: what must hold after a power cut, from what was acknowledged before it.

    expect = Expect(marks)             marks: what load.py said before the cut
    before = expect.before(spool)      as the disk came back
    after = expect.after(spool)        when the program has recovered it

Both give findings of spoolcheck.py's form: (kind, where, text).  Kinds beside its own:
    undone     what an operator was told is done is not so any more
    not-kept   a dropped file that is no job has changed or is gone
    forgotten  a result that was synced is gone; a claim that was synced is gone
"""
import collections
import json
import os
import sys
import time

sys.path.insert(1, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import spoolcheck
from spoolcheck import Finding

WAITING = ("pending", "failed")
# What fsck says of a document whose content did not reach the disk.
UNWRITTEN = ("invalid JSON: the text is empty", "invalid JSON at byte 1: a NUL byte")
YOUNG = 8  # seconds: what may still be in tmp/


class Verb:
    """The last word an operator or producer gave about one id."""

    def __init__(self, name, value=None):
        self.name, self.value, self.kept = name, value, False


class Expect:
    def __init__(self, marks, durability="auto", durable_claim=False):
        self.always, self.durable_claim = durability == "always", durable_claim
        self.synced_kinds = {"auto": ("long",), "always": ("short", "long"), "never": ()}[durability]
        self.last = {}          # id: its last Verb
        self.acked = set()      # ids whose enqueue was acknowledged
        self.deleted = set()    # ids that somebody began to delete
        self.edited = {}        # id: the value of `mark`
        self.setting, self.paused, self.spool_made = None, None, False
        self.bad = {}           # name of a dropped file that is no job: its text
        self.nameless = {}      # stem of a file dropped without an id: acknowledged?
        self.ended = set()      # ids whose result was synced
        self.anew = set()       # ids that were enqueued again (--unique)
        self.claims = {}        # id: attempts of its last run that began
        self.running = {}       # token: id
        self.tears = durability == "never" # what ended may have an empty document
        self.ran = set()        # ids of which a run began, or was about to
        for mark in marks:
            if mark.startswith("run "):
                self.note_run(mark[4:])
            else:
                self.note(json.loads(mark))

    # -- reading the marks -----------------------------------------------------

    def note_run(self, path):
        run = spoolcheck.RUNNING.fullmatch(os.path.basename(path))
        before = self.running.get(run["token"])
        if before and before.startswith(self.synced_kinds or "\0"):
            self.ended.add(before)  # its worker has gone on
        self.running[run["token"]] = run["id"]
        self.claims[run["id"]] = int(run["attempts"])
        self.ran.add(run["id"])

    def note(self, mark):
        verb, ids = mark.get("do") or mark["did"], mark.get("ids", ())
        if verb == "drop":
            self.nameless.update({name: "did" in mark for name in mark["names"]})
        elif "do" in mark:
            for id in ids:
                self.begin(id, verb)
            if verb in ("edit-setting", "pause", "resume"):
                self.open_switch(verb)
        elif verb == "drop-bad":
            self.bad[mark["name"]] = mark["text"]
        elif verb == "claim":
            self.ran.update(ids)
        elif mark["code"] == 0:
            for id in ids:
                self.keep(id, verb, mark.get("value"))
            self.keep_switch(verb, mark.get("value"))

    def begin(self, id, verb):
        if verb == "enqueue" and id in self.last:
            self.anew.add(id)
        self.last[id] = Verb(verb)
        self.claims.pop(id, None)  # what it did before is another matter
        self.ended.discard(id)
        if verb == "delete":
            self.deleted.add(id)
        elif verb == "edit":
            self.edited.pop(id, None)

    def keep(self, id, verb, value):
        self.last[id].kept = True
        if verb == "enqueue":
            self.acked.add(id)
        elif verb == "edit":
            self.edited[id] = value

    def open_switch(self, verb):
        if verb == "edit-setting":
            self.setting = None
        else:
            self.paused = None

    def keep_switch(self, verb, value):
        if verb == "init":
            self.spool_made = True
        elif verb == "edit-setting":
            self.setting = value
        elif verb in ("pause", "resume"):
            self.paused = verb == "pause"

    # -- what each word promises -------------------------------------------------

    def broken_word(self, verb, id, places):
        """Why the last acknowledged word about a job is not so; "" if it is."""
        jobs = [(job.state, job.file, job.document) for job in places]
        if verb == "hold" and not all(s in WAITING and f.startswith("held") for s, f, _ in jobs):
            return "it was held"
        if verb == "release" and any(f.startswith("held") for _, f, _ in jobs):
            return "it was released"
        if verb == "cancel" and not all(s == "dead" for s, _, _ in jobs):
            return "it was cancelled"
        if verb == "retry" and any(s == "dead" for s, _, _ in jobs):
            return "it was retried"
        if verb == "delete" and jobs:
            return "it was deleted"
        return ""

    def words(self, where):
        for id, verb in self.last.items():
            places = where.get(id, [])
            why = self.broken_word(verb.name, id, places) if verb.kept else ""
            if why:
                yield Finding("undone", id, "%s: %s" % (why, show(places)))
        for id, value in self.edited.items():
            for job in where.get(id, []):
                if isinstance(job.document, dict) and job.document.get("mark") != value:
                    yield Finding("undone", id, "mark was edited to %r" % value)

    def switches(self, spool):
        if self.paused is not None and self.paused != os.path.exists(spool + "/control/pause"):
            yield Finding("undone", "control/pause", "paused was %r" % self.paused)
        if self.setting is not None:
            with open(spool + "/queuectl.ini") as f:
                if "max-retries = %d\n" % self.setting not in f.read():
                    yield Finding("undone", "queuectl.ini", "max-retries was set to %d"
                                  % self.setting)

    def kept_files(self, spool):
        """The bytes of what is no job, wherever they lie now."""
        texts = set()
        for folder in ("pending", "quarantine"):
            for name in spoolcheck.names(spool, folder):
                with open(os.path.join(spool, folder, name)) as f:
                    texts.add(f.read())
        for name, text in self.bad.items():
            if text not in texts:
                yield Finding("not-kept", name, "its bytes are in none of the files")

    def one_each(self, found):
        """Whose id the queue made, of the file's stem: one job, if it was acknowledged."""
        for stem, acked in self.nameless.items():
            jobs = [job for job in found if job.id.startswith(stem + "-")]
            if len(jobs) > 1:
                yield Finding("doubled", stem, show(jobs))
            if acked and not jobs and not self.tears:
                yield Finding("lost", stem, "acknowledged, and nowhere")

    def runs(self, where):
        for id in self.ended:
            for job in where.get(id, []):
                if job.state not in ("done", "dead"):
                    yield Finding("forgotten", id, "its result was synced: " + show([job]))
        for id, attempts in self.claims.items() if self.durable_claim else ():
            if id in self.anew:
                continue  # the run may have been of the job that was replaced
            for job in where.get(id, []):
                if job.state in WAITING and job.attempts < attempts:
                    yield Finding("forgotten", id, "claim %d was synced: %s"
                                  % (attempts, show([job])))

    def is_half_done(self, finding):
        """A retry or --unique that was not acknowledged leaves its document under the
        name of the old one, until it is said again (DESIGN.md)."""
        verb = self.last.get(os.path.basename(finding.where)[:-len(".json")])
        return (finding.kind == "false-end" and verb is not None and not verb.kept and
                verb.name in ("retry", "enqueue", "edit"))

    def is_excused(self, finding):
        """Under "never" the result of a run that ended may be nothing but a name."""
        id = os.path.basename(finding.where)
        id = id[:-len(".json")] if id.endswith(".json") else id
        run = spoolcheck.RUNNING.fullmatch(os.path.basename(finding.where))
        is_tear = (finding.kind in ("torn", "false-end") or
                   finding.kind == "fsck" and finding.text in UNWRITTEN)
        return self.tears and is_tear and (run["id"] if run else id) in self.ran

    def is_report_of_torn(self, job):
        return (self.tears and isinstance(job.document, dict) and
                str(job.document.get("dropped_as", "")).startswith("processing/"))

    # -- together ----------------------------------------------------------------

    def must_be(self):
        return self.acked - self.deleted - (self.ran if self.tears else set())

    def before(self, spool):
        """Nothing has looked at the spool yet: dropped files lie where they were."""
        if not os.path.exists(spool + "/.queue"):
            return [Finding("lost", spool, "the spool")] if self.spool_made else []
        found, wrong = spoolcheck.jobs(spool)
        where = by_id(found)
        for name in spoolcheck.names(spool, "pending"):
            where.setdefault(name[:-5] if name[0] != "." else name.split(".", 2)[2][:-5], [])
        lost = [Finding("lost", id, "acknowledged, and nowhere")
                for id in sorted(self.must_be() - set(where))]
        torn = [f for f in spoolcheck.check_documents(found)
                if f.kind == "torn" and not self.is_excused(f)]
        return (lost + torn + list(self.words(where)) + list(self.switches(spool)) +
                list(self.kept_files(spool)) + list(self.runs(where)))

    def after(self, spool):
        found, _ = spoolcheck.jobs(spool)
        findings = [f for f in spoolcheck.check(spool, self.must_be())
                    if not stays_in_tmp(spool, f) and not self.is_half_done(f) and
                    not self.is_excused(f)]
        findings += self.kept_files(spool)
        findings += self.one_each(found)
        where = by_id(found)
        findings += [f for f in self.words(where) if f.kind == "undone"]
        for job in found:
            known = ("pending/bad", "a newer job of this id took its place")
            if job.id.startswith("rejected-") and not self.is_report_of_torn(job) and \
                    not any(k in str(job.document) for k in known):
                findings.append(Finding("rejected", job.id, str(job.document)))
        return findings


def stays_in_tmp(spool, finding):
    """A producer's own file stays there for 36 hours, one of the queue's for 5 s."""
    if finding.kind != "litter" or not finding.where.startswith(("tmp/", "workers/.")):
        return False
    changed = os.lstat(os.path.join(spool, finding.where)).st_ctime
    return finding.where.endswith(".json") or time.time() - changed < YOUNG


def by_id(found):
    where = collections.defaultdict(list)
    for job in found:
        where[job.id].append(job)
    return where


def show(places):
    return " and ".join(map(spoolcheck.place, places)) or "nowhere"
