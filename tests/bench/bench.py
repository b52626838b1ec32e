#!/usr/bin/env python3
"""bench.py: how fast it is, against what a user would take instead and what the machine
allows.

    bench.py [--row NAME]... [--place tmpfs|ext4]... [--rounds N] [--scale F] [--json FILE]

Contenders run by turns in the same run, the best of the rounds (5) counts.  --scale makes
the numbers of jobs smaller, for a look; what is demanded is meant for 1.  Places, the
last two of which take root and a loop device:
    tmpfs  /dev/shm, or what --dir says
    ext4   with a journal, its image there, too: a flush costs nothing but its code
    disk   with a journal, its image in --disk (/var/tmp), past the page cache: a flush is
           one of the disk below; the rows that wait for it
Peers that are not installed are left out (contrib/install-deps.sh bench).  Exit code 1:
something that is demanded was not reached.
"""
import argparse
import contextlib
import json
import os
import platform
import signal
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
# pylint: disable=wrong-import-position
import enqueueing  # noqa: E402
import quiet  # noqa: E402
import rates  # noqa: E402
import starts  # noqa: E402
import waiting  # noqa: E402
from line import Bench  # noqa: E402
from places import NoDisk, journaled_ext4  # noqa: E402
from reaper import adopt_orphans  # noqa: E402

ALL, BOTH, TMPFS, EXT4 = ("tmpfs", "ext4", "disk"), ("tmpfs", "ext4"), ("tmpfs",), ("ext4",)
ROWS = {
    "noop": (rates.noop, ALL),
    "other": (rates.other_jobs, BOTH),
    "peers": (rates.peers, TMPFS),
    "scaling": (rates.scaling, ALL),
    "program": (rates.program, TMPFS),
    "synced": (rates.synced, ("ext4", "disk")),
    "enqueue": (enqueueing.enqueue, ALL),
    "interface": (enqueueing.interface, ALL),
    "batch": (enqueueing.batch, BOTH),
    "waiting": (waiting.waiting, BOTH),
    "once-full": (waiting.once_full, EXT4),
    "dispatch": (starts.dispatch, BOTH),
    "run-at": (starts.run_at, TMPFS),
    "overtaking": (starts.overtaking, TMPFS),
    "idle": (quiet.idle, TMPFS),
    "many": (quiet.many, TMPFS),
    "output": (quiet.output, BOTH),
}
EXT4_MIB = 8192


def arguments():
    parser = argparse.ArgumentParser(description="measure queuectl against its peers")
    parser.add_argument("--row", action="append", choices=sorted(ROWS))
    parser.add_argument("--place", action="append", choices=ALL)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1)
    parser.add_argument("--json")
    parser.add_argument("--dir", default="/dev/shm")
    parser.add_argument("--disk", default="/var/tmp")
    return parser.parse_args()


def machine():
    with open("/proc/cpuinfo") as f:
        model = next((line.split(":", 1)[1].strip() for line in f if "model name" in line), "?")
    return {"cores": os.cpu_count(), "processor": model, "kernel": platform.release()}


def text(line):
    mark = {True: "ok", False: "NO", None: ""}[line.holds()]
    value = "-" if line.value is None else "%.*f%s" % (
        2 if abs(line.value) < 100 else 0, line.value, " " + line.unit if line.unit else "")
    return "%-75s %11s  %-8s %-2s  %s" % (line.what, value, line.bound, mark, line.note)


def place(args, kind):
    if kind == "tmpfs":
        return contextlib.nullcontext(args.dir)
    if kind == "disk":
        return journaled_ext4(args.disk, EXT4_MIB, direct=True)
    return journaled_ext4(args.dir, EXT4_MIB)


def measure(args, kind, folder):
    bench = Bench(kind, folder, args.rounds, args.scale)
    for name in args.row or ROWS:
        function, places = ROWS[name]
        if kind in places:
            for line in function(bench):
                print(text(line), flush=True)
                yield name, line


def main():
    args, results = arguments(), []
    adopt_orphans()
    # Ended from outside it cleans up, too: mounts, loop devices, what runs.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    about = machine()
    print("%(cores)d cores, %(processor)s, Linux %(kernel)s" % about)
    for kind in args.place or ALL:
        try:
            with place(args, kind) as folder:
                print("\non %s:" % kind, flush=True)
                results += [dict(line._asdict(), row=name, place=kind, holds=line.holds())
                            for name, line in measure(args, kind, folder)]
        except NoDisk as why:
            print("\non %s: left out: %s" % (kind, why))
    if args.json:
        with open(args.json, "w") as f:
            json.dump({"machine": about, "rounds": args.rounds, "scale": args.scale,
                       "results": results}, f, indent=1)
    missed = [r for r in results if r["holds"] is False]
    print("\n%d demands, %d not reached" % (sum(r["holds"] is not None for r in results), len(missed)))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
