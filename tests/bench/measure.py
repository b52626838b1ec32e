"""measure.py: one command is timed, several by turns, and the best of each is told.

    Cost           seconds of the clock, and of the processors, that a command took: its
                   own and that of all it waited for (wait4(2))
    run(argv)      start it, wait for it, and say its Cost
    by_turns(...)  the contenders one after another, then all again, another one first:
                   what else a machine does meanwhile falls on all of them, and what one
                   leaves behind not always on the same; the best round of each counts
"""
import os
import signal
import subprocess
import tempfile
import threading
import time
from typing import NamedTuple


class Cost(NamedTuple):
    wall: float
    cpu: float


class Failed(Exception):
    """A command did not do what it was measured at."""


def wait(process, limit):
    """(status, usage).  Who is interrupted takes along what runs, with its process group."""
    killer = threading.Timer(limit, process.send_signal, [signal.SIGKILL])
    killer.start()
    try:
        return os.wait4(process.pid, 0)[1:]
    except BaseException:
        os.killpg(process.pid, signal.SIGTERM)
        os.wait4(process.pid, 0)
        raise
    finally:
        killer.cancel()


def run(argv, cwd=None, env=None, stdin=None, stdout=subprocess.DEVNULL, limit=300,
        stderr=None):
    """Its Cost; Failed, with what it said, unless it ends with 0.  stdin: a path."""
    with open(stdin or os.devnull, "rb") as source, tempfile.TemporaryFile() as said:
        begun = time.perf_counter()
        # pylint: disable=consider-using-with  # wait() reaps it
        process = subprocess.Popen(argv, cwd=cwd, env=env, stdin=source, stdout=stdout,
                                   stderr=stderr or said, start_new_session=True)
        status, usage = wait(process, limit)
        wall = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        words = said.read(1000).decode(errors="replace")
    if process.returncode != 0:
        raise Failed("%s: exit %d: %s" % (" ".join(argv[:4]), process.returncode, words))
    return Cost(wall, usage.ru_utime + usage.ru_stime)


def output(argv, cwd=None, env=None, text=None, limit=300):
    """What it prints; Failed unless it ends with 0."""
    done = subprocess.run(argv, cwd=cwd, env=env, input=text, capture_output=True, text=True,
                          timeout=limit, check=False,
                          stdin=subprocess.DEVNULL if text is None else None)
    if done.returncode != 0:
        raise Failed("%s: exit %d: %s" % (" ".join(argv[:4]), done.returncode, done.stderr))
    return done.stdout


def best(costs):
    return Cost(min(c.wall for c in costs), min(c.cpu for c in costs))


def by_turns(contenders, rounds):
    """contenders: {name: function that gives a Cost}.  {name: the best Cost}."""
    costs = {name: [] for name in contenders}
    names = list(contenders)
    for i in range(rounds):
        first = i % len(names)
        for name in names[first:] + names[:first]:
            costs[name].append(contenders[name]())
    return {name: best(all_of) for name, all_of in costs.items()}


def quantile(values, q):
    """The nearest rank: with q = 0.99, 1 value in 100 may be larger."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-int(q * 10000) * len(ordered) // 10000) - 1))]
