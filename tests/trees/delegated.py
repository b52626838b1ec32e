"""delegated.py: a cgroup that is delegated to whoever is put into it, as systemd does
with Delegate=yes: a folder of cgroup version 2 with the attribute user.delegate.

    delegated.py make [--unmarked]    make one and print its path; exit 1: not here
    delegated.py mark PATH            set the attribute
    delegated.py remove PATH          end what is in it, and remove it
"""
import os
import pathlib
import sys
import time


def mount_point():
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            fields = line.split()
            if fields[fields.index("-") + 1] == "cgroup2" and fields[3] == "/":
                return pathlib.Path(fields[4])
    return None


class Cgroup:
    def __init__(self, path):
        self.path = path

    def enter(self):
        """The words before a command that is to run in it."""
        return ["sh", "-c", 'echo 0 >"$0" && exec "$@"', str(self.path / "cgroup.procs")]

    def folders(self):
        return [p.name for p in self.path.iterdir() if p.is_dir()]

    def litter(self):
        """What pools that have ended left."""
        return self.folders()

    def remove(self):
        kill = self.path / "cgroup.kill"
        if kill.exists():
            kill.write_text("1")
        end = time.monotonic() + 30
        while self.path.exists() and time.monotonic() < end:
            try:
                for folder, _, _ in os.walk(self.path, topdown=False):
                    os.rmdir(folder)
            except OSError:
                time.sleep(0.05)


def mark(path):
    os.setxattr(path, "user.delegate", b"1")


def make(delegate=True):
    """A Cgroup, or None where there can be none."""
    top = mount_point()
    if top is None:
        return None
    path = top / ("queuectl-test.%d.%d" % (os.getpid(), time.monotonic_ns()))
    try:
        path.mkdir()
        if delegate:
            mark(path)
    except OSError:
        return None
    return Cgroup(path)


def main(args):
    if args[:1] == ["make"]:
        cgroup = make(args[1:] != ["--unmarked"])
        if cgroup:
            print(cgroup.path)
        return 0 if cgroup else 1
    if args[:1] == ["mark"]:
        mark(args[1])
    elif args[:1] == ["remove"]:
        Cgroup(pathlib.Path(args[1])).remove()
    else:
        sys.exit(__doc__)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
