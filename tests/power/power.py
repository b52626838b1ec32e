#!/usr/bin/env python3
"""power.py: what is left of a spool when the power goes?  (Started by power.sh.)

A round: a fresh file system on a disk that logs its writes (disk.py), load on it
(load.py), then power cuts.  A cut keeps all that was written before the last flush
and all, none or a random part of what was written after it; the file system is
mounted as after a reboot, looked at, recovered by the real program, and looked at
again (promises.py).  Rounds go on until there were enough states.
"""
import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import uuid

import disk as disks
import load as loads
import promises

HOWS = ("none", "all", "random", "random", "random")
SETTINGS = (("auto", False), ("always", False), ("never", False), ("auto", True))
class Campaign:
    def __init__(self, args):
        self.args = args
        self.rng = random.Random(args.seed)
        self.states = self.rounds = self.acked = self.refused = 0
        self.findings = []
        self.boot = Boot(args.work)

    # -- a round -----------------------------------------------------------------

    def record(self, disk, spool, durability, durable_claim):
        """The log of a load, cut off where the load ended."""
        settings = "durability = %s\ndurable-claim = %s\n" % (
            durability, "yes" if durable_claim else "no")
        disk.format()
        disk.mount()
        os.sync()
        disk.tell("base")
        load = loads.Load(self.args.load_program or self.args.program, spool, disk,
                          random.Random(self.rng.random()), settings)
        load.play(self.args.actors.split(","))
        count = len(disk.records())
        disk.unmount()
        records = disk.records()[:count]
        disk.tell("rewind")
        self.boot.again()
        open(load.rebooted, "w").close()
        for line in load.failed:
            self.findings.append(promises.Finding("load", "", line))
        return records

    def cuts(self, records, count):
        """[(first record after the flush, record of the cut, how)], sorted.

        Where nothing is kept of what was written since the flush, the cut is just
        before the next one: most was acknowledged by then."""
        flushes = [i for i, line in enumerate(records) if line[0] == "F"]
        spans = list(zip([0] + [i + 1 for i in flushes], flushes + [len(records)]))
        told = [(a, b) for a, b in spans if any(line[0] == "M" for line in records[a:b])]
        chosen = set()
        for a, b in told:
            chosen.add((a, b, "none"))
        chosen = self.rng.sample(sorted(chosen), min(len(chosen), count // 2))
        while len(chosen) < count:
            a, b = self.rng.choice(spans)
            how = self.rng.choice(HOWS)
            chosen.append((a, b if how == "none" else self.rng.randint(a, b), how))
        return sorted(chosen)

    def round(self, count):
        durability, durable_claim = self.args.settings or self.rng.choice(SETTINGS)
        work = os.path.join(self.args.work, "round")
        shutil.rmtree(work, ignore_errors=True)
        os.makedirs(work)
        disk = disks.Disk(self.args.blocklog, work, self.args.kind)
        spool = os.path.join(disk.point, "q")
        records = self.record(disk, spool, durability, durable_claim)
        assert any(line[0] == "F" for line in records), "no flush arrives at the disk"
        marks = [(i, line[2:]) for i, line in enumerate(records) if line[0] == "M"]
        for a, b, how in self.cuts(records, count):
            seen = [text for i, text in marks if i < b]
            expect = promises.Expect(seen, durability, durable_claim)
            self.state(disk, spool, expect, (a, b, how, self.rng.getrandbits(32)))
            if self.args.stop and self.findings:
                break
        self.rounds += 1
        disk.close()

    # -- a state -----------------------------------------------------------------

    def state(self, disk, spool, expect, cut):
        a, b, how, seed = cut
        disk.tell("advance %d" % a)
        disk.tell("try %d %s %d %d" % (b, how, seed, disk.piece))
        self.states += 1
        self.acked += len(expect.must_be())
        try:
            disk.mount()
        except OSError as why:
            self.refused += 1
            print("# round %d, cut %s: %s" % (self.rounds, cut, why))
            return
        try:
            found = expect.before(spool)
            if os.path.exists(spool + "/.queue"):
                found += [f for f in self.recover(spool) if not expect.is_excused(f)]
                found += expect.after(spool)
        finally:
            disk.unmount()
        for finding in found:
            print("%s: %s: %s   (round %d, cut %s)" % (*finding, self.rounds, cut), flush=True)
        self.findings += found

    def recover(self, spool):
        """After a reboot: a pool until nothing is due."""
        def queuectl(*words):
            return subprocess.run([self.args.program, "--spool", spool, *words], text=True,
                                  capture_output=True, timeout=120, check=False)
        if os.path.exists(spool + "/control/pause"):
            queuectl("resume")
        done = queuectl("worker", "run", "--drain", "--count", "2")
        checked = queuectl("fsck")
        found = [promises.Finding("fsck", *line.split(": ", 1))
                 for line in checked.stdout.splitlines() if checked.returncode != 0]
        if done.returncode not in (0, 1):
            found.append(promises.Finding("recovery", "", done.stderr))
        return found

    # -- all -----------------------------------------------------------------------

    def run(self):
        began = time.monotonic()
        while self.states < self.args.states and not (self.args.stop and self.findings):
            self.round(min(self.args.per_round, self.args.states - self.states))
            print("# %s: %d states, %d findings, %d refused, %.0f s" % (
                self.args.kind, self.states, len(self.findings), self.refused,
                time.monotonic() - began), flush=True)
        kinds = sorted({finding.kind for finding in self.findings})
        print("%s: %d states in %d rounds, %d acknowledged jobs looked for, %d refused by the "
              "file system, %d findings%s, seed %d, %.0f s"
              % (self.args.kind, self.states, self.rounds, self.acked, self.refused,
                 len(self.findings), " (%s)" % ", ".join(kinds) if kinds else "", self.args.seed,
                 time.monotonic() - began))
        if self.refused * 100 > self.states:
            print("too many states were refused to tell anything")
            return 2
        return 1 if self.findings else 0


class Boot:
    """The boot id of this namespace: another one after each reboot."""

    def __init__(self, work):
        self.path = os.path.join(work, "boot_id")
        self.again()
        disks.call("mount", self.path.encode(), b"/proc/sys/kernel/random/boot_id", None, 4096, None)

    def again(self):
        with open(self.path, "w") as f:
            f.write(str(uuid.uuid4()) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("kind", choices=disks.KINDS)
    parser.add_argument("--states", type=int, default=5000)
    parser.add_argument("--per-round", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--program", required=True)
    parser.add_argument("--load-program", help="another one makes the load (a mutant)")
    parser.add_argument("--blocklog", required=True)
    parser.add_argument("--work", required=True)
    parser.add_argument("--actors", default=",".join(loads.Load.ACTORS))
    parser.add_argument("--settings", help="DURABILITY[,durable-claim]: no others")
    parser.add_argument("--stop", action="store_true", help="at the first finding")
    args = parser.parse_args()
    # The first process of a PID namespace hears no signal that it has no handler for,
    # and unshare(1) waits for it; with it ends all that lives there.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(128 + signal.SIGTERM))
    if args.settings:
        words = args.settings.split(",")
        args.settings = words[0], "durable-claim" in words
    return Campaign(args).run()


if __name__ == "__main__":
    sys.exit(main())
