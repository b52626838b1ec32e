"""nomem.py: running queuectl with allocations that fail (nomem.c), and spools to copy.

    Shim(folder)            builds the library
    shim.arm(first, last)   which allocations fail from now on; counts from 0 again
    shim.count(), .failed() how many there were, how many failed
    shim.env(argv, trace)   what a process needs in its environment

    Template(bin, folder)   a spool with a job in each state; copy(to) makes another
"""
import json
import mmap
import os
import shutil
import struct
import subprocess
import sys

import malloc_cases as cases

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import tap  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
FOR_EVER = (1 << 63) - 1
PATIENCE_SEC = 120  # for what takes milliseconds; a loaded machine is slow


class Shim:
    def __init__(self, folder):
        self.library = os.path.join(folder, "nomem.so")
        self.file = os.path.join(folder, "nomem.numbers")
        subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-O1", "-g", "-Wall", "-D_GNU_SOURCE",
                        "-o", self.library, os.path.join(HERE, "nomem.c")], check=True)
        with open(self.file, "wb") as f:
            f.write(bytes(32))
        with open(self.file, "r+b") as f:
            self.numbers = mmap.mmap(f.fileno(), 32)

    def arm(self, first, last):
        self.numbers[:] = struct.pack("4Q", 0, first, last, 0)

    def give_back(self):
        """There is memory again; the counts stay."""
        self.numbers[8:24] = bytes(16)

    def count(self):
        return struct.unpack_from("Q", self.numbers, 0)[0]

    def failed(self):
        return struct.unpack_from("Q", self.numbers, 24)[0]

    def env(self, argv, trace=None):
        more = {"LD_PRELOAD": self.library, "NOMEM": self.file, "NOMEM_ARGV": argv}
        if trace:
            more["NOMEM_TRACE"] = trace
        return more


def environment(folder):
    """Nothing of the caller's but where programs are."""
    return {"PATH": os.environ["PATH"], "HOME": os.path.join(folder, "home"), "LC_ALL": "C.UTF-8",
            "TZ": "UTC", "QUEUECTL_SPOOL": os.path.join(folder, "spool")}


def identify(spool):
    """A copy that says it is none: .queue names its own inode, and does not say of
    which folder."""
    path = os.path.join(spool, ".queue")
    with open(path, "r+") as f:
        lines = ["inode %d\n" % os.stat(path).st_ino if line.startswith("inode ") else line
                 for line in f if not line.startswith(("folder ", "born "))]
        f.seek(0)
        f.truncate()
        f.writelines(lines)


class Template:
    def __init__(self, program, folder):
        self.program = program
        self.spool = os.path.join(folder, "spool")
        self.env = environment(folder)
        os.makedirs(self.env["HOME"])
        self.must("init", self.spool)
        with open(os.path.join(self.spool, "queuectl.ini"), "wb") as f:
            f.write(cases.SETTINGS)
        # Those that run first, so that no others are waited for.
        runs = [job for job in cases.JOBS if job["id"] in cases.FATES]
        for job in runs:
            self.enqueue(job)
        self.run_pool()
        for job in cases.JOBS:
            if job not in runs:
                self.enqueue(job)
        self.must("hold", "held")

    def must(self, *args, text=b""):
        return subprocess.run([self.program, *args], env=self.env, input=text, check=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE).stdout

    def enqueue(self, job):
        self.must("enqueue", "-", text=json.dumps(job).encode())

    def run_pool(self):
        for name, text in cases.FOREIGN.items():
            with open(os.path.join(self.spool, "pending", name), "wb") as f:
                f.write(text)
        self.must("worker", "start", "--count", "2")
        try:
            if not tap.wait_until(self.all_ran, PATIENCE_SEC):
                raise RuntimeError("the jobs of the template did not end")
        finally:
            self.must("worker", "stop")

    def all_ran(self):
        jobs = json.loads(self.must("list", "--json"))
        states = {job["id"]: job["state"] for job in jobs}
        self.report = next((id for id in states if id not in cases.FATES and
                            id.startswith("rejected-bad")), None)
        return self.report and all(states.get(i) == s for i, s in cases.FATES.items())

    def copy(self, spool):
        shutil.copytree(self.spool, spool, symlinks=True)
        identify(spool)
