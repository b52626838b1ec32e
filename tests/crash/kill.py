#!/usr/bin/env python3
"""kill.py: SIGKILL before every system call of everything that changes a spool.

    kill.py [--scene NAME]... [--stride N --first K]     see campaign.py and scenes.py

After the kill (of one process; every other point: of all that take part) the call is
said again where a user would, for each second point; then one recovery.  Every
acknowledged job must be in exactly one folder and come to its end, no job may have run
twice at once, and nothing may be left behind (tests/lib/spoolcheck.py).
"""
import sys

from campaign import Campaign, arguments, judge


def actions(point):
    """All of them where the others would only notice: the work itself, not the call."""
    return ("kill", "killall") if point.role in ("pool", "worker", "worker-child") else ("kill",)


def says_again(point):
    return int(point.n) % 2 == 1


def try_one(room, trial):
    scene, point = trial.scene, trial.point
    hits = room.folder + "/hits"
    done = room.inject(["--log", hits, "--at", "%s:%s:%s:%s" % (*point[:3], trial.action)],
                       scene.call(room), scene.text(room))
    with open(hits) as f:
        reached = bool(f.read())
    findings, said, succeeded = [], done.out, done.code in scene.ok
    if done.code is None:
        findings.append("hang: what the kill left did not end: " + done.err)
    if done.code == 137 and scene.again is not None and says_again(point):
        again = room.run([room.sound, *scene.call(room)], scene.text(room))
        said, succeeded = said + again.out, True
        if again.code not in scene.again:
            findings.append("again: exit %s: %s" % (again.code, again.err))
    return reached, findings + judge(room, scene, succeeded, said)


def main():
    args = arguments(__doc__.splitlines()[0]).parse_args()
    return Campaign(args, actions, try_one).run()


if __name__ == "__main__":
    sys.exit(main())
