#!/usr/bin/env python3
"""argv.py [--calls N] [--seed S] [--first]: every command, called with words at random: options it
has and has not, values good and bad, jobs that are there and not.  Prints TAP.

Asserted of each call:
  - it ends by itself with an exit code of the manual, never by a signal or with a
    sanitizer's report; what may wait ends when it is asked to
  - it says nothing on stderr that a terminal obeys; exit 2 and 1 say why
At the end the spool is one: fsck finds nothing wrong, and no job acknowledged is lost
that nobody deleted.  The words come from `help --table`, so a new command is in.

As root in a PID namespace of its own, so that no pool is left; else pools are not
started.
"""
import argparse
import collections
import os
import random
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
from tap import Tap  # noqa: E402

BIN = os.path.abspath(os.environ["QUEUECTL_BIN"])
SECONDS = 120  # a call that waits for nothing
PATIENCE = 1   # for one that may wait
CODES = (0, 1, 2, 124, 130)
WAITING = ("wait", "logs", "log", "worker run", "enqueue")
# No number between 3 and 10000: it might be the count of workers.
VALUES = ["", "0", "1", "2", "-1", "007", "1e9", "0x1", "99999999999999999999", "-", "--", "---",
          "-x", "--no-such", "=", "a=b", "=b", "true", "exit 3", "held", "done", "dead", "ready",
          "pending", "a", "b", "c", "nobody", "a.json", "../a", "x" * 129, "x" * 5000, "5m",
          "1.5h", "5x", "2026-11-22", "2026-11-22T03:15:00+25:00", "low", "{}", "{", "[]",
          '{"command":"true"}', '{"id":"c","command":"true"}', "{id}\t{state}\t{order.x}", "{",
          "{nosuch}", "\x1b[2J", "\n", "a\nb", "\t", "%s%n%d", "\xff", "\xc3", "\u202e", "dlq",
          "max-retries", "timeout", "allow-users", "durability", "max_retries", "spool2", "."]
GOOD = ["a", "b", "c", "d", "a", "b", "c", "1", "2", "0", "90", "5m", "low", "X=1", "true", "exit 3",
        "done", "dead", "retry", "2026-11-22T03:15", "/tmp", "max-retries", "timeout", "{id}",
        '{"command":"true"}', '{"id":"c","command":"exit 1","max_retries":0}']


def command_table():
    """{command: [(option, takes a value)]}, the common ones under ""."""
    table = {}
    text = subprocess.run([BIN, "help", "--table"], stdout=subprocess.PIPE, check=True).stdout
    for line in text.decode().splitlines():
        command, option = line.split("\t")[:2]
        options = table.setdefault(command, [])
        if option:
            word, *value = option.split(" ")
            options.append((word, bool(value)))
    return table


def some_value(rng, tidy=False):
    if tidy:
        return rng.choice(GOOD).encode()
    return rng.choice(VALUES).encode("utf-8", "surrogateescape") if rng.randrange(20) \
        else bytes(rng.randrange(1, 256) for _ in range(rng.randrange(40)))


def some_option(rng, options, tidy):
    option, takes = rng.choice(options)
    takes ^= not tidy and rng.randrange(10) == 0
    if not takes:
        return [option.encode()]
    value = some_value(rng, tidy)
    if option.startswith("--") and rng.randrange(2):
        return [option.encode() + b"=" + value]
    return [option.encode(), value]


def some_call(rng, table):
    """The words of a call, as bytes; half of them nearly as the manual has it."""
    tidy = rng.randrange(2) == 0
    command = rng.choice(sorted(table))
    words = [word.encode() for word in command.split()]
    for _ in range(rng.choice([0, 0, 1, 1, 2, 3])):
        others = table[command] if tidy or rng.randrange(4) else table[rng.choice(sorted(table))]
        if others:
            words += some_option(rng, others, tidy)
    for _ in range(rng.choice([0, 0, 1, 1, 1, 2, 4])):
        words.append(some_value(rng, tidy))
    if not tidy and rng.randrange(5) == 0:
        rng.shuffle(words)
    return [word.replace(b"\0", b"") for word in words]


class World:
    def __init__(self, root, alone):
        self.root, self.alone = root, alone
        self.codes = collections.Counter()
        self.env = dict(os.environ, QUEUECTL_SPOOL=os.path.join(root, "spool"), EDITOR="true",
                        VISUAL="true", HOME=root)
        subprocess.run([BIN, "init", "spool"], cwd=root, env=self.env, check=True,
                       stdout=subprocess.DEVNULL)

    def call(self, words, text):
        """(exit code, stderr, was it asked to end?)"""
        with open(os.path.join(self.root, "err"), "wb+") as err:
            p = subprocess.Popen([BIN.encode(), *words], cwd=self.root, env=self.env, stderr=err,
                                 stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
            line = b" ".join(words[:2]).decode(errors="replace")
            waits = any(word.decode(errors="replace") in WAITING for word in words) or \
                any(line.startswith(word) for word in WAITING) or b"run" in words
            asked = False
            try:
                p.communicate(text, timeout=PATIENCE if waits else SECONDS)
            except subprocess.TimeoutExpired:
                asked = waits
                p.terminate()
                try:
                    p.wait(SECONDS)
                except subprocess.TimeoutExpired:
                    asked = False
                    p.kill()
                    p.wait()
            err.seek(0)
            return p.returncode, err.read(), asked

    def wrong_with(self, rng, words):
        """What is wrong with this call; "" if nothing."""
        text = some_value(rng) + b"\n" + some_value(rng)
        code, said, asked = self.call(words, text)
        self.codes[code] += 1
        if b"start" in words:
            self.call([b"worker", b"stop", b"--now"], b"")
        call = " ".join(repr(word)[1:] for word in words)
        if b"Sanitizer" in said or b"runtime error" in said:
            return "%s: %r" % (call, said[-2000:])
        # enqueue --wait ends with its job's code.
        if code not in CODES and not asked and not (b"--wait" in words and 0 < code < 256):
            return "%s: exit %s: %r" % (call, code, said[-300:])
        if any(byte < 32 and byte not in (9, 10) or byte == 127 for byte in said):
            return "%s: says %r" % (call, said[-300:])
        if code == 2 and not said:
            return "%s: exit 2 without a word" % call
        return ""


def run(args):
    tap = Tap()
    root = tempfile.mkdtemp(prefix="fuzz-argv.", dir="/dev/shm" if os.access("/dev/shm", os.W_OK)
                            else None)
    rng, table = random.Random(args.seed), command_table()
    world = World(root, os.getpid() == 1)
    wrong = []
    for number in range(args.calls):
        words = some_call(rng, table)
        if b"start" in words and not world.alone:
            continue
        what = world.wrong_with(rng, words)
        if what:
            wrong.append("call %d: %s" % (number, what))
            if args.first:
                break
    tap.check("%d calls, seed %d" % (args.calls, args.seed), wrong)
    tap.note("exit codes: " + ", ".join("%s %d times" % c for c in sorted(world.codes.items())))
    world.call([b"resume"], b"")
    code, said, _ = world.call([b"fsck"], b"")
    tap.check("the spool is one still", "" if code == 0 else "fsck: exit %s: %r" % (code, said))
    shutil.rmtree(root, ignore_errors=True)
    return tap.end()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", action="store_true", help="end at the first that is wrong")
    args = parser.parse_args()
    return run(args)


if __name__ == "__main__":
    if os.getpid() != 1 and os.geteuid() == 0 and shutil.which("unshare"):
        alone = ["unshare", "-pf", "--mount-proc", "--kill-child"]
        if subprocess.run([*alone, "true"], stderr=subprocess.DEVNULL).returncode == 0:
            os.execvp(alone[0], [*alone, sys.executable, *sys.argv])
    sys.exit(main())
