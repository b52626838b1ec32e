#!/usr/bin/env python3
"""bench.py: how fast it is, against what a user would take instead and what the machine
allows.

    bench.py [--row NAME]... [--place tmpfs|ext4]... [--rounds N] [--scale F] [--json FILE]

Contenders run by turns in the same run, the best of the rounds (5) counts.  --scale makes
the numbers of jobs smaller, for a look; what is demanded is meant for 1.  Places are
/dev/shm and an ext4 with a journal on a loop device, which takes root.  Peers that are
not installed are left out (contrib/install-deps.sh bench).  Exit code 1: something that
is demanded was not reached.
"""
import argparse
import contextlib
import json
import os
import platform
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

BOTH, TMPFS, EXT4 = ("tmpfs", "ext4"), ("tmpfs",), ("ext4",)
ROWS = {
    "noop": (rates.noop, BOTH),
    "other": (rates.other_jobs, BOTH),
    "peers": (rates.peers, TMPFS),
    "scaling": (rates.scaling, TMPFS),
    "program": (rates.program, TMPFS),
    "synced": (rates.synced, EXT4),
    "enqueue": (enqueueing.enqueue, BOTH),
    "interface": (enqueueing.interface, BOTH),
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
    parser.add_argument("--place", action="append", choices=BOTH)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1)
    parser.add_argument("--json")
    parser.add_argument("--dir", default="/dev/shm")
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


def measure(args, kind, place):
    bench = Bench(kind, place, args.rounds, args.scale)
    for name in args.row or ROWS:
        function, places = ROWS[name]
        if kind in places:
            for line in function(bench):
                print(text(line), flush=True)
                yield name, line


def main():
    args, results = arguments(), []
    adopt_orphans()
    about = machine()
    print("%(cores)d cores, %(processor)s, Linux %(kernel)s" % about)
    for kind in args.place or BOTH:
        place = contextlib.nullcontext(args.dir) if kind == "tmpfs" else \
            journaled_ext4(args.dir, EXT4_MIB)
        try:
            with place as folder:
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
