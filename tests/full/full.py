#!/usr/bin/env python3
"""full.py [--all] [--match TEXT] [--jobs N]: the disk fills up under a queue at work.

Small file systems are filled to the last block or inode, limited by a quota, or refuse
every change, while jobs run, wait, fail and are enqueued; then there is room again, and
nobody says a word.  Nothing may be lost, half done or left behind; who enqueues is told
why not; nothing spins and no log floods; and the work goes on.  Prints TAP.

    --all          every story on every kind of disk (disks.py); else a slice, and the
                   mutants: programs broken on purpose, each with the story that must fail
    --match TEXT   only "story: disk" with TEXT in it

QUEUECTL_BIN is the program (build/queuectl).  Needs root, a mount namespace (it makes
one) and loop devices; what cannot be had is skipped.
"""
import argparse
import concurrent.futures
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.join(HERE, "..", "..")
sys.path.insert(0, os.path.join(HERE, "..", "lib"))

import disks  # noqa: E402
import stories  # noqa: E402
from onespool import Failed  # noqa: E402
from tap import Tap  # noqa: E402

SLICE = [("at work", "tmpfs"), ("at work", "tmpfs, inodes"), ("at work", "ext4"),
         ("at work", "xfs"), ("at work", "btrfs, quota"), ("at work", "read-only"),
         ("at work", "a quota that nothing shows"), ("nearly full", "ext4, inodes"),
         ("batch too big", "tmpfs, inodes"), ("at work", "immutable folders"), ("dropped", "tmpfs"), ("dropped", "a quota that nothing shows"),
         ("a worker dies", "tmpfs"), ("a worker dies", "btrfs, quota"), ("a job fills it", "ext4"),
         ("words", "ext4, inodes"), ("words", "btrfs, quota"), ("words", "read-only")]

# mutant: the story and the disk on which it must fail
MUTANTS = {
    "full-no-floor": ("nearly full", "tmpfs"),
    "full-reserve-kept": ("at work", "tmpfs, inodes"),
    "full-result-dropped": ("at work", "a quota that nothing shows"),
    "full-error-swallowed": ("at work", "a quota that nothing shows"),
    "full-batch-litter": ("batch too big", "ext4"),
    "full-refusal-unheard": ("at work", "a quota that nothing shows"),
    "full-recovery-floods": ("a worker dies", "read-only"),
}
MUTANT_PATIENCE = 10  # it fails anyway


def tell(story, kind, program, patience):
    """(what is wrong, why it was skipped)"""
    try:
        with disks.KINDS[kind]() as disk, stories.Spool(program, disk, patience) as spool:
            stories.STORIES[story](spool)
        return [], None
    except disks.Missing as why:
        return [], str(why)
    except Failed as why:
        return "\n".join(why.args).splitlines() or ["failed"], None
    except Exception as why:  # a harness that broke has shown nothing
        return ["%s: %s" % (type(why).__name__, why)], None


def fits(story, kind):
    """Some stories are about free blocks, which not all kinds are short of."""
    inodes = kind in ("tmpfs, inodes", "ext4, inodes")
    return {"nearly full": kind in ("tmpfs", "ext4") or inodes,
            "a job fills it": kind in ("tmpfs", "ext4"),
            "batch too big": kind in ("tmpfs", "ext4", "btrfs, quota") or inodes,
            "dropped": kind != "immutable folders"}.get(story, True)


def plain(story, kind, program):
    return ("%s: %s" % (story, kind), *tell(story, kind, program, stories.PATIENCE))


def mutant(name, program):
    story, kind = MUTANTS[name]
    wrong, skipped = tell(story, kind, program, MUTANT_PATIENCE)
    return ("%s is caught by \"%s: %s\": %s" % (name, story, kind, (wrong or [""])[0]),
            [] if wrong else ["the story ended well with a broken program"], skipped)


def build_mutants():
    return subprocess.run([os.path.join(TOP, "tests/mutants/build"), *MUTANTS],
                          stdout=subprocess.PIPE, text=True, check=True).stdout.split()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--match", default="")
    parser.add_argument("--jobs", type=int, default=12)
    args = parser.parse_args()
    if not os.environ.get("FULL_INSIDE"):
        os.environ["FULL_INSIDE"] = "1"
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable,
                              *sys.argv])
    program = os.path.abspath(os.environ.get("QUEUECTL_BIN", os.path.join(TOP, "build/queuectl")))
    every = [(s, k) for s in stories.STORIES for k in disks.KINDS if fits(s, k)]
    chosen = [c for c in (every if args.all else SLICE) if args.match in "%s: %s" % c]
    tap = Tap()
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        work = [pool.submit(plain, story, kind, program) for story, kind in chosen]
        if not args.match and MUTANTS:
            work += [pool.submit(mutant, *pair) for pair in zip(MUTANTS, build_mutants())]
        for what, wrong, skipped in (w.result() for w in work):
            if skipped:
                tap.skip(what, skipped)
            else:
                tap.check(what, wrong)
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
