#!/usr/bin/env python3
"""spools.py [--rounds N] [--seed S] [--first] [--keep]: spools whose own files were damaged at
random, and the whole program at work on them.  Prints TAP; needs root on Linux.

Each round makes a spool with jobs done, dead, waiting, held, scheduled, in retry, and
one whose worker was killed while it runs; then breaks a few of the files the queue
keeps for itself: in workers/, control/, ids/, journal/, logs/, tmp/, .queue, settings,
.reserve, worker.log; bytes, length, kind, name, time, the file itself or its folder.
Sometimes a job's document too.  Then

  - every command ends in time, without a signal or a sanitizer's report, and says
    nothing that a terminal obeys
  - `worker run --drain` ends well; where it refuses the spool it does so with a reason,
    and does its work after .queue, the settings and the folders are as they were
  - the promises hold (tests/lib/spoolcheck.py): no job lost, none in two places, no two
    runs at a time; each is where it belongs

All of it happens in a PID namespace: a record that names the process to be ended may
name any by then.  --first ends at the first spool that is not well, --keep keeps those.
"""
import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
import spoolcheck  # noqa: E402
from tap import Tap, wait_until  # noqa: E402

BIN = os.path.abspath(os.environ["QUEUECTL_BIN"])
LOGGED = os.path.join(HERE, "..", "lib", "logged-job")
OURS = ("workers", "control", "ids", "journal", "logs", "tmp")
SINGLE = (".queue", "queuectl.ini", ".reserve", "worker.log")
SECONDS = 120
TOKEN = "0a1b2c3d-%d-%d-deadbeef"
SETTINGS = "# mine\nbackoff-base = 3 ; why\ngrace = 1s\n"


class World:
    def __init__(self, root):
        self.root, self.spool = root, os.path.join(root, "spool")
        self.runs = os.path.join(root, "runs")
        os.mkdir(self.runs)
        self.env = dict(os.environ, QUEUECTL_SPOOL=self.spool)
        self.wrong = []

    def call(self, *args, text=""):
        """Exit code, what it said; what no call may do is noted."""
        with open(os.path.join(self.root, "out"), "wb") as out, \
             open(os.path.join(self.root, "err"), "wb+") as err:
            p = subprocess.Popen([BIN, *args], env=self.env, stdin=subprocess.PIPE, stdout=out,
                                 stderr=err)
            try:
                p.communicate(text.encode(), timeout=SECONDS)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()
                self.wrong.append("%s: has not ended after %d s" % (" ".join(args), SECONDS))
            err.seek(0)
            said = err.read()
        if p.returncode not in (0, 1, 2):
            self.wrong.append("%s: exit %s: %r" % (" ".join(args), p.returncode, said[-300:]))
        if any(byte < 32 and byte != 10 for byte in said) or b"Sanitizer" in said:
            self.wrong.append("%s: says %r" % (" ".join(args), said[-300:]))
        return p.returncode, said

    def must(self, *args, text=""):
        code, said = self.call(*args, text=text)
        if code != 0:
            raise RuntimeError("%s: exit %s: %r" % (" ".join(args), code, said))

    def enqueue(self, jobs):
        self.must("enqueue", "--batch", "-", text="".join(
            json.dumps(dict(job, argv=[LOGGED, self.runs, *job["argv"]])) + "\n" for job in jobs))

    def at(self, *parts):
        return os.path.join(self.spool, *parts)


def is_started(world, id):
    return os.path.exists(os.path.join(world.runs, id))


def lose_a_run(world):
    """Job `lost` runs, its pool and worker are dead, and it lives on."""
    flag = os.path.join(world.root, "flag")
    world.enqueue([
        {"id": "retry", "argv": ["false"], "priority": 1, "backoff_base": 1000},
        {"id": "lost", "argv": ["sh", "-c", "test -e %s || { : >%s; exec sleep infinity; }"
                                % (flag, flag)]}])
    pool = subprocess.Popen([BIN, "worker", "run"], env=world.env, start_new_session=True,
                            stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if not wait_until(lambda: os.path.exists(flag), 60):
        raise RuntimeError("the job does not start")
    records = [name.split("-")[1] for name in os.listdir(world.at("workers"))]
    for pid in sorted(set(records), key=int, reverse=True):
        os.kill(int(pid), signal.SIGSTOP)
    for pid in set(records):
        os.kill(int(pid), signal.SIGKILL)
    pool.wait()


def drain(world):
    """Exit 1 says that a job is dead; one that did not begin says why.  "" if it did."""
    for name in os.listdir(world.at("ids")) if os.path.isdir(world.at("ids")) else ():
        if not os.path.isfile(world.at("ids", name)):
            return "ids/%s: to be moved away by hand, as the worker says" % name
    code, said = world.call("worker", "run", "--drain")
    if re.search(rb": stopped(;.*)?\n", said):
        return ""
    return "worker run: exit %s: %s" % (code, said[-300:].decode(errors="replace"))


def make_spool(world):
    """Returns where each job must be at the end."""
    world.must("init", world.spool)
    with open(world.at("queuectl.ini"), "w") as f:
        f.write(SETTINGS)
    world.enqueue([{"id": "done%d" % i, "argv": ["echo", "out"]} for i in range(3)] +
                  [{"id": "dead0", "argv": ["false"], "max_retries": 0}])
    drain(world)
    lose_a_run(world)
    world.enqueue([{"id": "wait%d" % i, "argv": ["echo", "out"]} for i in range(4)] +
                  [{"id": "hold0", "argv": ["true"]},
                   {"id": "late0", "argv": ["true"], "delay": "1h"}])
    world.must("hold", "hold0", "retry")
    ends = {"dead0": {"dead"}, "lost": {"done"}, "hold0": {"pending"}, "late0": {"pending"},
            "retry": {"failed"}}
    ends.update(("done%d" % i, {"done"}) for i in range(3))
    ends.update(("wait%d" % i, {"done"}) for i in range(4))
    return ends


# --- damage -------------------------------------------------------------------------

def some_bytes(rng):
    return rng.choice([
        b"", b"\0" * rng.randrange(1, 5000), bytes(rng.randrange(256) for _ in range(300)),
        b"x" * rng.randrange(1, 100000), b"\n" * 50, b"run \nrun-pid 1\npid 1\n",
        b"format 99\n", b"{}", b"[queuectl]\ngrace = never\n"])


def some_name(rng):
    token = TOKEN % (rng.choice([1, 2, os.getpid(), 2**31 - 1]), rng.randrange(10**6))
    return rng.choice(["x", ".x", token, token + ".worker", token + ".pool", "." + token + ".out",
                       "stop." + token, "stop-now." + token, "cancel." + token, "cancel.lost",
                       "wait1", "wait2", "lost", "nobody", "wait1.r1.out", "lost.r1.out",
                       "2026-11-29.jsonl", "\x1b[2J", "a" * 250, "new\nline"])


def write_over(path, content):
    """In place: the inode stays, and who holds it open sees it."""
    with open(path, "r+b") as f:
        f.truncate(0)
        f.write(content)


def remove(path):
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        os.unlink(path)


def flip(rng, path):
    with open(path, "rb") as f:
        content = bytearray(f.read(1 << 20))
    for _ in range(rng.randrange(1, 4)):
        if content:
            content[rng.randrange(len(content))] = rng.randrange(256)
    write_over(path, bytes(content))


def cut(rng, path):
    os.truncate(path, rng.randrange(os.path.getsize(path) + 1))


def fill(rng, path):
    write_over(path, some_bytes(rng))


def grow(rng, path):
    with open(path, "ab") as f:
        f.write(some_bytes(rng))


def replace(rng, path):
    os.unlink(path)
    with open(path, "wb") as f:
        f.write(some_bytes(rng))


def rename(rng, path):
    target = os.path.join(os.path.dirname(path), some_name(rng))
    if not os.path.isdir(target):
        os.rename(path, target)


def copy(rng, path):
    target = os.path.join(os.path.dirname(path), some_name(rng))
    if not os.path.lexists(target):
        shutil.copyfile(path, target)


def unlink(_rng, path):
    os.unlink(path)


def change_kind(rng, path):
    os.unlink(path)
    kind = rng.randrange(4)
    if kind == 0:
        os.mkdir(path)
    elif kind == 1:
        os.mkfifo(path)
    else:
        os.symlink(path if kind == 2 else "nothing", path)


def change_time(rng, path):
    when = rng.choice([0, 2**31, 4102444800])
    os.utime(path, (when, when))


CHANGES = (flip, cut, fill, grow, replace, rename, copy, unlink, change_kind, change_time)


def our_files(world):
    files = [world.at(name) for name in SINGLE if os.path.isfile(world.at(name))]
    for folder in OURS:
        if os.path.isdir(world.at(folder)):
            files += [world.at(folder, name) for name in os.listdir(world.at(folder))]
    return sorted(path for path in files if os.path.isfile(path) and not os.path.islink(path))


def damage_one(rng, world, path):
    change = rng.choice(CHANGES)
    change(rng, path)
    return "%s %r" % (change.__name__, os.path.relpath(path, world.spool))


def remove_folder(rng, world, _ends):
    folder = rng.choice(OURS)
    if os.path.lexists(world.at(folder)):
        remove(world.at(folder))
    return "remove " + folder


def make_file(rng, world, _ends):
    folder, name = rng.choice(OURS), some_name(rng)
    if not os.path.isdir(world.at(folder)) or os.path.lexists(world.at(folder, name)):
        return ""
    with open(world.at(folder, name), "wb") as f:
        f.write(some_bytes(rng))
    return "make %s/%r" % (folder, name)


def damage_document(rng, world, ends):
    """Of a job that may end anywhere then."""
    files = [(folder, name) for folder in ("pending", "failed", "processing", "done")
             for name in sorted(os.listdir(world.at(folder)))
             if name.split(".")[-2] in ("wait3", "retry", "lost", "done1")]
    folder, name = rng.choice(files)
    change = rng.choice((flip, cut, fill, grow))
    change(rng, world.at(folder, name))
    ends.pop(name.split(".")[-2], None)
    return "%s %s/%s" % (change.__name__, folder, name)


def damage_any(rng, world, _ends):
    files = our_files(world)
    return damage_one(rng, world, rng.choice(files)) if files else ""


def damage_traces(rng, world, _ends):
    """Of the run that lives on without its worker: the record, the lock, both."""
    files = [path for path in our_files(world) if path.endswith((".worker", "/ids/lost"))]
    return ", ".join(damage_one(rng, world, path) for path in files if rng.randrange(4))


DAMAGES = [remove_folder, make_file, make_file, damage_document] + 2 * [damage_traces] + \
    6 * [damage_any]


def damage(rng, world, ends):
    """What was done, in words."""
    did = [rng.choice(DAMAGES)(rng, world, ends) for _ in range(rng.randrange(1, 8))]
    return "; ".join(word for word in did if word)


def repair(world, mark):
    """.queue as it was, at its inode; the settings; the folders."""
    for name in SINGLE[:2]:
        if os.path.lexists(world.at(name)):
            remove(world.at(name))
    with open(world.at(".queue"), "w") as f:
        inode = os.fstat(f.fileno()).st_ino
        f.write("".join("inode %d\n" % inode if line.startswith("inode") else line
                        for line in mark.splitlines(keepends=True)))
    with open(world.at("queuectl.ini"), "w") as f:
        f.write(SETTINGS)
    for folder in OURS:
        if os.path.lexists(world.at(folder)) and not os.path.isdir(world.at(folder)):
            remove(world.at(folder))
    for name in os.listdir(world.at("ids")) if os.path.isdir(world.at("ids")) else ():
        if not os.path.isfile(world.at("ids", name)):
            remove(world.at("ids", name))
    world.must("init", world.spool)


# --- one round ------------------------------------------------------------------------

def look_around(world):
    for command in (["status"], ["list"], ["list", "--json"], ["show", "lost"], ["logs", "done0"],
                    ["worker", "list"], ["config", "get"], ["fsck"], ["dlq", "list"],
                    ["cancel", "nobody"], ["status", "--json"]):
        world.call(*command)


def one_round(root, seed):
    """What went wrong, as lines."""
    rng = random.Random(seed)
    world = World(root)
    ends = make_spool(world)
    acked = list(ends)
    with open(world.at(".queue")) as f:
        mark = f.read()
    did = damage(rng, world, ends)
    look_around(world)
    if drain(world) != "":
        repair(world, mark)
        world.wrong.append(drain(world))
    world.call("fsck")
    findings = spoolcheck.check(world.spool, acked=set(acked) & set(ends), runs=world.runs,
                                ends=ends, allow=("stale-id", "no-id", "litter", "name"))
    damaged = set(acked) - set(ends)
    world.wrong += ["%s: %s: %s" % f for f in findings
                    if not any(id in f.where for id in damaged)]
    return ["did: " + did] + world.wrong if any(world.wrong) else []


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", action="store_true")
    parser.add_argument("--keep", action="store_true")
    args = parser.parse_args()
    tap = Tap()
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    for seed in range(args.seed, args.seed + args.rounds):
        root = tempfile.mkdtemp(prefix="fuzz-spool.", dir=base)
        wrong = one_round(root, seed)
        tap.check("spool %d" % seed, wrong)
        if args.keep and wrong:
            tap.note("kept: " + root)
        else:
            shutil.rmtree(root)
        if args.first and wrong:
            break
    return tap.end()


if __name__ == "__main__":
    if os.getpid() != 1:
        os.execvp("unshare", ["unshare", "-pf", "--mount-proc", "--kill-child", sys.executable,
                              *sys.argv])
    sys.exit(main())
