"""peers.py: what a user would take instead, each with jobs `sh -c true` and two workers.

Each has its jobs waiting before the clock runs, as far as it can have jobs waiting:
tsp, nq and at keep a process or a file each and are asked for fewer.  A peer gives jobs
a second, or nothing where it is not installed.
"""
import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time

from measure import Failed, run
from queues import tool, wait_for

SECONDS = 120


def there(*programs):
    return all(shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin") for program in programs)


def lines(place, n):
    """A file of so many."""
    path = os.path.join(place, "lines")
    with open(path, "w") as f:
        f.write("0\n" * n)
    return path


def xargs(place, n, *command):
    """The Cost of n jobs, not a rate: it is what the rest is held against."""
    return run(["xargs", "-P2", "-n1", *(command or ("sh", "-c", "true"))], cwd=place,
               stdin=lines(place, n))


def parallel(place, n):
    # A shell of its own for each is what it always starts.
    return n / run(["parallel", "-j2", "-N1", "true {} ;"], cwd=place, stdin=lines(place, n),
                   env=dict(os.environ, HOME=place)).wall


def gate(place):
    """(a command that waits, a function that ends the wait): for the first jobs, so that
    the others come to wait behind them."""
    path = os.path.join(place, "gate")
    return (["sh", "-c", "while [ ! -e %s ]; do sleep 0.01; done" % path],
            lambda: open(path, "w").close())


def task_spooler(place, n):
    """Its server hangs up now and then: that round is made again."""
    for tries in range(10):
        try:
            with tempfile.TemporaryDirectory(dir=place, ignore_cleanup_errors=True) as folder:
                return spool_tasks(folder, n)
        except subprocess.CalledProcessError as why:
            if tries == 9:
                raise Failed("tsp") from why
    return None


def spool_tasks(place, n):
    env = dict(os.environ, TS_SOCKET=place + "/tsp", TMPDIR=place)

    def tsp(*args):
        return subprocess.run(["tsp", *args], env=env, cwd=place, stdout=subprocess.PIPE,
                              stdin=subprocess.DEVNULL, check=True, text=True).stdout
    tsp("-S", "2")
    try:
        first, release = gate(place)
        ids = [tsp(*command).strip() for command in [first] * 2 + [["sh", "-c", "true"]] * n]
        begun = time.perf_counter()
        release()
        tsp("-w", ids[-1])
        return n / (time.perf_counter() - begun)
    finally:
        subprocess.run(["tsp", "-K"], env=env, check=False, stderr=subprocess.DEVNULL)


def nq(place, n):
    """It runs one after another: two folders are two workers."""
    folders = [os.path.join(place, "nq%d" % i) for i in range(2)]
    first, release = gate(place)

    def call(folder, *args):
        subprocess.run(["nq", *args], env=dict(os.environ, NQDIR=folder), cwd=place, check=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=SECONDS)
    for folder in folders:
        os.mkdir(folder)
        for command in [first] + [["sh", "-c", "true"]] * (n // 2):
            call(folder, "-q", *command)
    begun = time.perf_counter()
    release()
    for folder in folders:
        call(folder, "-w")
    return n / (time.perf_counter() - begun)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def put_beans(port, n):
    with socket.create_connection(("127.0.0.1", port)) as s, s.makefile("rb") as answers:
        for _ in range(n):
            s.sendall(b"put 0 0 60 4\r\ntrue\r\n")
            if not answers.readline().startswith(b"INSERTED"):
                raise Failed("beanstalkd takes no job")


def listens(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


def beanstalkd(_, n):
    port = free_port()
    with subprocess.Popen(["beanstalkd", "-l", "127.0.0.1", "-p", str(port)]) as server:
        try:
            wait_for(lambda: listens(port), SECONDS, "beanstalkd")
            put_beans(port, n)
            begun = time.perf_counter()
            workers = [subprocess.Popen([tool("beanworker"), str(port)]) for _ in range(2)]
            if any([worker.wait(SECONDS) for worker in workers]):
                raise Failed("a worker of beanstalkd failed")
            return n / (time.perf_counter() - begun)
        finally:
            server.terminate()


def at(place, n):
    """With a daemon of our own, unless one runs here already."""
    lines = os.path.join(place, "at-lines")
    open(lines, "w").close()
    daemon = None
    if subprocess.run(["pgrep", "-x", "atd"], stdout=subprocess.DEVNULL, check=False).returncode:
        daemon = subprocess.Popen(["/usr/sbin/atd", "-f", "-l", "100", "-b", "1"])
    try:
        begun = time.perf_counter()
        for _ in range(n):
            subprocess.run(["at", "-M", "now"], input="echo >>%s\n" % lines, text=True, cwd=place,
                           stderr=subprocess.DEVNULL, check=True)
        wait_for(lambda: os.path.getsize(lines) >= n, SECONDS, "at")
        return n / (time.perf_counter() - begun)
    finally:
        if daemon:
            daemon.terminate()
            daemon.wait()


# name: (the programs it needs, how many jobs of a thousand, the function)
PEERS = {
    "GNU parallel": (["parallel"], 0.2, parallel),
    "beanstalkd, a worker in C": (["beanstalkd"], 1, beanstalkd),
    "task-spooler": (["tsp"], 0.3, task_spooler),
    "nq": (["nq"], 0.2, nq),
    "at": (["at", "atd"], 0.05, at),
}


def measure(name, place, jobs):
    """Jobs a second, or None where it is not installed."""
    programs, share, peer = PEERS[name]
    if not there(*programs):
        return None
    with tempfile.TemporaryDirectory(prefix="peer.", dir=place) as folder:
        return peer(folder, max(20, int(jobs * share) // 2 * 2))
