#!/usr/bin/env python3
"""faults.py: each system call of everything that changes a spool fails, or is short.

    faults.py [--scene NAME]... [--stride N --first K]   see campaign.py and scenes.py

One call fails with each of ERRNOS in turn; a read or write transfers only a part.  The
call that meets it must end, not by a signal; it succeeds, and then its goal is reached,
or fails with a line that names the error and the file.  After one recovery the promises
hold: no job lost, none in done/ or dead/ that does not belong there, nothing left.
"""
import errno
import os
import sys

from campaign import Campaign, arguments, at_once, judge
from room import HANG_SECONDS
from scenes import SCENES

ERRNOS = ("EIO", "ENOSPC", "EMFILE", "ENOMEM", "EINTR", "EROFS", "EACCES", "EDQUOT")
SYNCS = {"fsync", "fdatasync", "syncfs"}
NO_SYNC = {"EINTR", "EROFS"}  # made again; nothing there to sync
SHORT = {"read", "write", "pread64", "pwrite64", "recvfrom"}  # a small send is whole or not

DURABLE = {s.name for s in SCENES if s.name.startswith(("enqueue", "batch", "lines", "unique"))}

OUR_WORDS = {"EACCES": ("it cannot be read: it belongs to user", "is closed to you")}

# Calls that are not made to fail, and why.
EXEMPT = {
    "close": "nothing can be done about it: the descriptor is gone (file.c asks after writing)",
    "mmap": "memory: tests of its own",
    "getrandom": "fails only where it does not exist",
    "prlimit64": "fails only for another process or a limit raised",
    "prctl": "fails only where it does not exist",
    "getpgid": "fails only where there is no such process",
    "setsid": "fails only for the leader of a group",
    "kill": "fails only where there is no such process",
    "ioctl": "asks whether it is a terminal",
}
CLOSE_TOO = ("EIO", "ENOSPC", "EDQUOT", "EINTR")  # of what was written


def actions(point):
    if point.call == "close":
        return CLOSE_TOO if "/tmp/" in point.path else ()
    if point.call in EXEMPT:
        return ()
    if point.role != "cli" and point.path.startswith(("pipe:", "socket:")):
        return ("EINTR",)  # between threads and processes of one pool: nothing else can be
    short = ("short=1", "short=20") if point.call in SHORT else ()
    return ERRNOS + short


def named(paths):
    """What a message may call the file: it, its folder, its place in the spool."""
    for path in paths.split(" "):
        if path:
            yield from filter(lambda part: len(part) > 1, path.rstrip("/.").split("/")[-2:])


def says_why(err, action):
    """The system's word for it, or ours where it says more."""
    text = os.strerror(getattr(errno, action, 0))
    return action.startswith("short=") or text in err or any(
        word in err for word in OUR_WORDS.get(action, ()))


def complaints(room, done, trial, paths):
    """What is wrong with how the call ended."""
    if done.code is None:
        return ["hang: %d s: %s" % (HANG_SECONDS, done.err)]
    if done.code >= 126:
        return ["crash: exit %d: %s" % (done.code, done.err)]
    synced = trial.point.call not in SYNCS or trial.action in NO_SYNC
    if done.code == 0 and trial.scene.name in DURABLE and not synced:
        return ["sync: acknowledged, though it could not be synced"]
    if done.code in trial.scene.ok or trial.point.role not in ("cli", "pool") or ": stopped" in done.err:
        return []  # a pool that drains and stops says by its code whether a job died
    if not says_why(done.err, trial.action):
        return ["message: exit %d, and it does not say why: %s" % (done.code, done.err)]
    if room.spool in paths and not any(name in done.err for name in named(paths)):
        return ["message: exit %d and no file (%s): %s" % (done.code, paths, done.err)]
    return []


def try_one(room, trial):
    scene, point = trial.scene, trial.point
    hits = room.folder + "/hits"
    done = room.inject(["--log", hits, "--at", "%s:%s:%s:%s" % (*point[:3], trial.action)],
                       scene.call(room), scene.text(room))
    with open(hits) as f:
        hit = f.readline().rstrip("\n").split(" ", 3)
    findings = complaints(room, done, trial, hit[3] if len(hit) > 3 else "")
    succeeded = done.code in scene.ok
    findings += at_once(room, scene)
    return len(hit) > 1, findings + judge(room, scene, succeeded, done.out)


def main():
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--exempt", action="store_true", help="what is not made to fail, and why")
    args = parser.parse_args()
    if args.exempt:
        print("\n".join("%-12s %s" % row for row in sorted(EXEMPT.items())))
        return 0
    return Campaign(args, actions, try_one).run()


if __name__ == "__main__":
    sys.exit(main())
