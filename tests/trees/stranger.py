#!/usr/bin/env python3
"""stranger.py: the group number of a dead worker's run now belongs to others.

In a PID namespace with few numbers: pool, worker and job are killed, numbers are used
up until the job's comes round again, and a process that has nothing to do with it gets
it, founds a group and leaves it to a child.  The run must not be made again while the
group lives (in doubt it is the job's), and nobody in it may get a signal.

TAP on stdout.  The number of numbers of a namespace can be set since Linux 6.14;
exit 77 where it cannot.  QUEUECTL_BIN is the program; BROKEN=1 turns the exit round.
"""
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lib"))
from tap import Tap, wait_until  # noqa: E402
from trees import Beat, build  # noqa: E402

NUMBERS = 600
LOW = 300  # numbers below are not given out a second time
LONG = 60
INSIDE = "QUEUECTL_TEST_INSIDE"


def few_numbers():
    try:
        pathlib.Path("/proc/sys/kernel/pid_max").write_text(str(NUMBERS))
    except OSError:
        return False
    return True


def record(spool, key):
    for file in spool.glob("workers/*.worker"):
        for line in file.read_text().splitlines():
            if line.startswith(key + " "):
                return int(line.split()[1])
    return 0


def use_up(until):
    """The next process gets this number."""
    for _ in range(3 * NUMBERS):
        newest = int(pathlib.Path("/proc/loadavg").read_text().split()[-1])
        if newest == until - 1:
            return True
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
    return False


def is_gone(group):
    """No process of it is left; ours are reaped, since we are process 1 in here."""
    all_reaped()
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


def start_stranger(tree, beat, number):
    """It gets the number, or there is another try."""
    for _ in range(20):
        if not use_up(number):
            return False
        child = os.fork()
        if child == 0:
            os.execv(tree, [str(tree), "stranger", str(beat.path)])
        os.waitpid(child, 0)
        if child == number:
            return wait_until(lambda: beat["up"], LONG)
        beat["over"] = 1
        if not wait_until(lambda: is_gone(child), LONG):
            return False
        beat["over"] = 0
    return False


def all_reaped():
    """We are process 1 in here; a zombie keeps its number."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return True
    return False


def play(tap, scratch):
    program = os.environ["QUEUECTL_BIN"]
    os.environ["QUEUECTL_SPOOL"] = str(scratch / "spool")

    def q(*args):
        return subprocess.run([program, *args], capture_output=True, text=True, check=True,
                              cwd=scratch).stdout

    tree = build(scratch, "tree")
    use_up(LOW + 20)
    spool = scratch / "spool"
    beat = Beat(scratch / "beat")
    q("init", str(spool))
    q("config", "set", "grace", "100ms")
    q("enqueue", "--id", "job", "--command", '[ "$QUEUECTL_RUN" = 2 ] || exec sleep infinity')
    q("worker", "start")
    wait_until(lambda: record(spool, "run-pid"), LONG)
    number = record(spool, "run-pid")
    workers = [record(spool, "pid")]
    pools = [int(p.read_text().split("\npid ")[1].split()[0]) for p in spool.glob("workers/*.pool")]
    for pid in pools + workers + [number]:
        os.kill(pid, signal.SIGKILL)
    wait_until(all_reaped, LONG)
    tap.check("a stranger gets the number",
              "" if start_stranger(tree, beat, number) else "number %d" % number)
    q("worker", "start")
    log = spool / "worker.log"
    wait_until(lambda: "outlived" in log.read_text() or list(spool.glob("done/*")), LONG)
    # TERM would come now, KILL after the grace: a window in which nothing may happen.
    wait_until(lambda: beat["signals"], 2)
    tap.check("the stranger gets no signal", "%d" % beat["signals"] if beat["signals"] else "")
    tap.check("the job is not made again beside it",
              "" if list(spool.glob("processing/*.job.json")) else "it was")
    beat["over"] = 1
    tap.check("then it is", "" if wait_until(lambda: list(spool.glob("done/job.json")), LONG)
              else log.read_text()[-2000:])
    q("worker", "stop", "--now")


def main():
    if INSIDE not in os.environ:
        unshare = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
        if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode != 0:
            print("no PID namespace can be made here")
            return 77
        os.environ[INSIDE] = "1"
        os.execvp("unshare", [*unshare, sys.executable, __file__])
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if not few_numbers():
        print("the numbers of a namespace cannot be bounded here (Linux 6.14)")
        return 77
    tap = Tap()
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="queuectl-stranger.", dir=base))
    try:
        play(tap, scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    status = tap.end()
    return 1 - status if os.environ.get("BROKEN") else status


if __name__ == "__main__":
    sys.exit(main())
