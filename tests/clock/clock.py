#!/usr/bin/env python3
"""clock.py [--all] [--jobs N] [--match TEXT]: set the clock under a queue at work.

Nothing may run before its time by the wall clock, nothing that is due may wait longer
than doc/DESIGN.md says, no process may spin.  The machine's own clock is left alone:
setclock.c gives each spool a clock of its own.  Prints TAP.

    --all          all cases of cases.py; else the slice that `make test` runs
    --match TEXT   only cases with TEXT in their name, and no mutants

Then come the mutants: programs broken on purpose, each with the case that must fail.
QUEUECTL_BIN is the program (build/queuectl).  Cases run side by side (--jobs, 10): they
wait more than they work.
"""
import argparse
import concurrent.futures
import os
import subprocess
import sys
import tempfile

import cases
import world
from tap import Tap

TOP = os.path.join(world.HERE, "..", "..")
MUTANT_PATIENCE = 8  # it fails anyway

# mutant: a part of the name of the case that must fail
MUTANTS = {
    "clock-unheard": "idle: it is set forward an hour",
    "clock-retry-unclamped": "backoff-max",
    "clock-retry-by-now": "waits its backoff anew",
    "clock-step-twice": "a step back of an hour and its failure are seen together",
    "clock-retry-unshifted": "retry: after a step back of an hour",
    "clock-no-rescan": "behind a busy worker",
    "clock-steps-forgotten": "many small steps",
    "clock-poll-rounded-down": "between two milliseconds",
    "clock-sweep-by-mtime": "litter from the future",
    "clock-wall-timeouts": "timeout: not sooner, when set forward ten years",
    "clock-put-back-later": "put back by stop --now after a step back: due",
}


def run(case, program, shim, patience=world.PATIENCE):
    """What is wrong; [] if nothing is."""
    name, body, _ = case
    try:
        word = "".join(c for c in name[:12] if c.isalnum())
        with world.World(word, program, shim, patience) as w:
            body(w)
        return []
    except world.Failed as why:
        return "\n".join(why.args).splitlines() or ["failed"]
    except Exception as why:  # a harness that broke has shown nothing
        return ["%s: %s" % (type(why).__name__, why)]


def run_cases(chosen, program, shim):
    """A generator of what to do, each coming back with (what it shows, what is wrong)."""
    for case in chosen:
        yield lambda case=case: (case[0], run(case, program, shim))


def run_mutants(mutants, shim):
    built = subprocess.run([os.path.join(TOP, "tests/mutants/build"), *mutants],
                           stdout=subprocess.PIPE, text=True, check=True).stdout.split()

    def caught(mutant, program):
        case = next(c for c in cases.CASES if MUTANTS[mutant] in c[0])
        for _ in range(3):  # a slow machine may hide a fault that is a matter of time
            wrong = run(case, program, shim, MUTANT_PATIENCE)
            if wrong:
                break
        return ("%s is caught by \"%s\": %s" % (mutant, case[0], (wrong or [""])[0]),
                [] if wrong else ["the case passed with a broken program"])

    for mutant, program in zip(mutants, built):
        yield lambda mutant=mutant, program=program: caught(mutant, program)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--match", default="")
    parser.add_argument("--jobs", type=int, default=10)
    args = parser.parse_args()
    program = os.path.abspath(os.environ.get("QUEUECTL_BIN", os.path.join(TOP, "build/queuectl")))
    tap = Tap()
    with tempfile.TemporaryDirectory(prefix="queuectl-clock.") as folder:
        shim = world.build_shim(folder)
        chosen = [c for c in cases.CASES if (args.all or c[2]) and args.match in c[0]]
        work = list(run_cases(chosen, program, shim))
        if not args.match:
            work += run_mutants(MUTANTS, shim)
        with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
            for what, wrong in pool.map(lambda do: do(), work):
                tap.check(what, wrong)
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
