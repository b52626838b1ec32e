"""campaign.py: what kill.py and faults.py share: a scene's points, a slice of them, each
tried in a room of its own, several at a time, and the count.

A point is (role, call, n, path): the nth such call of the processes in that role.  The
points of a scene are read from one run in which nothing goes wrong, so what is tried
follows the program.  Points that another run does not come to (its timing was another)
are counted apart.
"""
import argparse
import collections
import concurrent.futures
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

from room import HERE, Room, Unprepared, acknowledged, spoolcheck
from scenes import NOWHERE, SCENES

Point = collections.namedtuple("Point", "role call n path")
Trial = collections.namedtuple("Trial", "scene point action")
STRANGERS = 12
PREPARATIONS = 5  # a run that is to be left behind may end first on a busy machine
START_CALLS = 150  # so many calls at most lie between main and an open spool


class Tools:
    """The programs in C, in the folder of the build; made anew when a source is newer."""

    def __init__(self, folder):
        self.folder = folder
        self.inject = self.build("crash-inject", [], "inject.c", "calls.c", "calls.h")
        self.later = self.build("crash-later.so", ["-shared", "-fPIC"], "later.c")

    def build(self, name, flags, *sources):
        out = os.path.join(self.folder, name)
        paths = [os.path.join(HERE, source) for source in sources]
        if not os.path.exists(out) or os.path.getmtime(out) < max(map(os.path.getmtime, paths)):
            fresh = "%s.%d" % (out, os.getpid())
            subprocess.run([os.environ.get("CC", "cc"), "-std=c11", "-D_GNU_SOURCE", "-O1", "-Wall",
                            "-Wextra", "-Werror", *flags, "-o", fresh,
                            *(path for path in paths if path.endswith(".c"))], check=True)
            os.replace(fresh, out)
        return out


def arguments(description):
    top = os.path.dirname(os.path.dirname(HERE))
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--program", default=os.environ.get("QUEUECTL_BIN",
                                                            top + "/build/queuectl"))
    parser.add_argument("--sound", help="what prepares and recovers (self: PROGRAM)",
                        default="self")
    parser.add_argument("--scene", action="append", help="only this one; may be repeated")
    parser.add_argument("--role", help="only points of this role")
    parser.add_argument("--call", help="only points of this system call")
    parser.add_argument("--at", metavar="ROLE:CALL:N:ACTION", help="only this one")
    parser.add_argument("--stride", type=int, default=1, help="each so manieth point")
    parser.add_argument("--first", type=int, default=0, help="beginning with this one")
    parser.add_argument("--jobs", type=int, default=2 * (os.cpu_count() or 1))
    parser.add_argument("--keep", action="store_true", help="keep the rooms with findings")
    parser.add_argument("--list", action="store_true", help="the scenes and their points")
    parser.add_argument("--stop", type=int, default=0, help="after so many findings")
    return parser


def after_start(points):
    """Without what each role does until its spool is open."""
    opened, seen = collections.Counter(), collections.Counter()
    for point in points:
        seen[point.role] += 1
        if point.call == "newfstatat" and point.path.rstrip("/").endswith("/journal") and \
                seen[point.role] <= START_CALLS:
            opened[point.role] = seen[point.role]
    seen.clear()
    for point in points:
        seen[point.role] += 1
        if seen[point.role] > opened[point.role]:
            yield point


def few_strangers(points):
    """Looking for processes of a run reads all of /proc: a few of these will do."""
    seen = collections.Counter()
    for point in points:
        if re.match(r"/proc/\d+(/|$)", point.path):
            seen[point.role] += 1
            if seen[point.role] > STRANGERS:
                continue
        yield point


class Campaign:
    """try_one(room, scene, trial) says (reached, findings)."""

    def __init__(self, args, actions, try_one):
        self.args, self.actions, self.try_one = args, actions, try_one
        base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.work = tempfile.mkdtemp(prefix="queuectl-crash.", dir=base)
        build = os.environ.get("QUEUECTL_BUILD") or os.path.dirname(args.program)
        self.tools = Tools(os.path.abspath(build))
        self.lock = threading.Lock()
        self.over = False  # asked to stop: what is under way is finished
        self.rooms = self.tried = self.reached = self.bad = 0

    def room(self, scene):
        for tries in range(PREPARATIONS):
            try:
                return self.prepare(scene)
            except Unprepared:
                if tries == PREPARATIONS - 1:
                    raise

    def prepare(self, scene):
        with self.lock:
            self.rooms += 1
            number = self.rooms
        room = Room("%s/%d" % (self.work, number), self.args.program, self.tools,
                    None if self.args.sound == "self" else self.args.sound)
        room.init()
        scene.before(room)
        return room

    def points(self, scene):
        room = self.room(scene)
        room.inject(["--list", room.folder + "/list"], scene.call(room), scene.text(room))
        found = []
        with open(room.folder + "/list") as f:
            for line in f:
                role, call, n, *path = line.rstrip("\n").split(" ")
                if role in scene.roles and self.args.role in (None, role):
                    path = " ".join(path).replace(room.spool, "SPOOL")
                    found.append(Point(role, call, int(n), path))
        room.end_all()
        room.remove()
        return list(few_strangers(found if scene.whole else after_start(found)))

    def trials(self, scene):
        if self.args.at:
            role, call, n, action = self.args.at.split(":")
            return [Trial(scene, Point(role, call, n, ""), action)]
        every = [Trial(scene, point, action) for point in self.points(scene)
                 if self.args.call in (None, point.call) for action in self.actions(point)]
        # Each scene begins elsewhere, or a stride would meet the same calls everywhere.
        shift = int(hashlib.md5(scene.name.encode()).hexdigest(), 16) % self.args.stride
        return every[(self.args.first + shift) % self.args.stride::self.args.stride]

    def end(self, *_):
        self.over = True

    def one(self, trial):
        if self.over or (self.args.stop and self.bad >= self.args.stop):
            return
        room = self.room(trial.scene)
        reached, findings = self.try_one(room, trial)
        with self.lock:
            self.tried += 1
            self.reached += reached
            self.bad += bool(findings)
            if findings:
                at = "%s:%s:%s:%s" % (*trial.point[:3], trial.action)
                print("FOUND --scene %s --at %s  (%s)" % (trial.scene.name, at, trial.point.path))
                for finding in findings:
                    print("    " + finding.replace(room.folder + "/", "").strip()
                          .replace("\n", "\n    "))
                sys.stdout.flush()
        room.end_all()
        if findings and self.args.keep:
            print("    kept: " + room.folder, flush=True)
        else:
            room.remove()

    def run(self):
        scenes = [s for s in SCENES if not self.args.scene or s.name in self.args.scene]
        if len(scenes) < len(self.args.scene or ()):
            sys.exit("no such scene; see --list")
        if self.args.list:
            for scene in scenes:
                print("%-20s %d" % (scene.name, len(self.trials(scene))))
            return 0
        signal.signal(signal.SIGTERM, self.end)
        try:
            with concurrent.futures.ThreadPoolExecutor(self.args.jobs) as crew:
                work = [crew.submit(self.one, trial)
                        for trials in crew.map(self.trials, scenes) for trial in trials]
                for done in work:
                    done.result()
        finally:
            if not (self.args.keep and self.bad):
                shutil.rmtree(self.work, ignore_errors=True)
        print("%d scenes, %d points tried, %d reached, %d with findings"
              % (len(scenes), self.tried, self.reached, self.bad))
        return 1 if self.bad else 0


def expected(scene, room, succeeded, said):
    """Where each job must be, for spoolcheck; room.acked: who must be there at all."""
    told = acknowledged(said) if scene.call(room)[0] == "enqueue" else set()
    ends = {id: {"done"} for id in room.acked | told}
    ends.update(scene.goal if succeeded else scene.ends)
    room.acked = {id for id, states in ends.items() if NOWHERE not in states} | told
    return {id: states - {NOWHERE} for id, states in ends.items()}


AT_ONCE = ("lost", "doubled", "torn", "no-id")


def at_once(room, scene):
    """What needs no recovery where a call ended by itself, in a spool that was in order."""
    if scene.aside or scene.roles != ("cli",):
        return []
    found = spoolcheck.check(room.spool, room.acked, ends=None, allow=scene.allow)
    gone = {id for id, states in scene.goal.items() if NOWHERE in states}
    return ["%s: %s: %s (before recovery)" % f for f in found
            if f.kind in AT_ONCE and f.where not in gone]


def judge(room, scene, succeeded, said):
    """One recovery, then the promises."""
    if scene.lingers:
        room.await_end()
    findings = room.recover()
    findings += room.findings(expected(scene, room, succeeded, said), scene.allow)
    finished, aside = (spoolcheck.names(room.spool, d) for d in ("done", "quarantine"))
    finished = len(finished)
    if scene.finished is not None and finished != scene.finished:
        findings.append("lost: %d jobs in done/, not %d" % (finished, scene.finished))
    if aside and not scene.aside:
        findings.append("aside: quarantine/ has %s" % aside)
    return findings
