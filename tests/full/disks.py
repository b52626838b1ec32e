"""disks.py: small file systems to be filled, each in a mount namespace of ours.

    with Disk.make(kind) as d:
        d.path               an empty folder on it
        d.fill()             until nothing more goes in
        d.free()             as it was

KINDS names them.  What this machine cannot make raises Missing with the reason.  The
caller runs under `unshare --mount`, so that what is mounted goes with the last process.
"""
import errno
import os
import shutil
import struct
import subprocess
import tempfile

MIB = 1024 * 1024


class Missing(Exception):
    """Not possible here: why."""


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Missing("%s: %s" % (command[0], done.stderr.strip().splitlines()[-1:]))
    return done.stdout


def need(*programs):
    for program in programs:
        if not shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin"):
            raise Missing("no " + program)


class Disk:
    """A file system filled up to its last block."""
    words = ("full", "No space left on device")  # one of which says why
    reserve_helps = True  # results can be recorded while it is full
    deletes = True        # so can jobs be deleted

    def __init__(self):
        base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.folder = tempfile.mkdtemp(prefix="queuectl-full.", dir=base)
        self.mount = os.path.join(self.folder, "mount")
        self.path = self.mount
        self.env = {}
        self.taken = 0
        os.mkdir(self.mount)

    def __enter__(self):
        try:
            self.make()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", "--lazy", self.mount], capture_output=True, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def make(self):
        run("mount", "-t", "tmpfs", "-o", "size=16m", "none", self.mount)

    def image(self, mib, *mkfs):
        need("mount", mkfs[0])
        path = os.path.join(self.folder, "image")
        with open(path, "wb") as f:
            f.truncate(mib * MIB)
        run(*mkfs, path)
        run("mount", "-o", "loop", path, self.mount)

    def filler(self):
        """Beside the spool, so that its check sees its own files only."""
        return os.path.join(self.path, "filler")

    def fill(self, leave=0):
        """Up to the last block, but for so many bytes; again, if something was freed."""
        os.makedirs(self.filler(), exist_ok=True)
        size = 8 * MIB
        if leave:
            self.take("left", leave)
        while size >= 4096:
            self.taken += 1
            if not self.take(str(self.taken), size):
                size //= 2
        if leave:
            os.unlink(os.path.join(self.filler(), "left"))
        os.sync()

    def take(self, name, size):
        try:
            with open(os.path.join(self.filler(), name), "wb") as f:
                os.posix_fallocate(f.fileno(), 0, size)
        except OSError as why:
            if why.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            return False
        return True

    def free(self):
        shutil.rmtree(os.path.join(self.path, "filler"), ignore_errors=True)
        os.sync()


class TmpfsInodes(Disk):
    def make(self):
        run("mount", "-t", "tmpfs", "-o", "size=16m,nr_inodes=250", "none", self.mount)

    def fill(self, leave=0):
        os.makedirs(self.filler(), exist_ok=True)
        try:
            for n in range(100000):
                os.close(os.open(os.path.join(self.filler(), str(n)), os.O_CREAT | os.O_WRONLY, 0o600))
        except OSError as why:
            if why.errno != errno.ENOSPC:
                raise
        for n in range(8 if leave else 0):
            os.unlink(os.path.join(self.filler(), str(n)))


class Ext4(Disk):
    def make(self):
        self.image(24, "mkfs.ext4", "-q", "-N", "2000", "-m", "0")


class Ext4Inodes(TmpfsInodes):
    def make(self):
        self.image(24, "mkfs.ext4", "-q", "-N", "256", "-m", "0")


class Xfs(Disk):
    def make(self):
        self.image(300, "mkfs.xfs", "-q")


class Btrfs(Disk):
    reserve_helps = False  # a rename, too, may need room for more than it frees

    def make(self):
        self.image(120, "mkfs.btrfs", "-q", "--mixed")


class BtrfsQuota(Disk):
    """There is room on the disk, and statvfs(3) says so, but not for this folder."""
    words = ("Disk quota exceeded",)
    reserve_helps = False  # what is given back counts only after a commit

    def make(self):
        self.image(200, "mkfs.btrfs", "-q")
        need("btrfs")
        self.path = os.path.join(self.mount, "limited")
        run("btrfs", "subvolume", "create", self.path)
        run("btrfs", "quota", "enable", self.mount)
        run("btrfs", "quota", "rescan", "-w", self.mount)
        run("btrfs", "qgroup", "limit", "12m", self.path)


class Immutable(Ext4):
    """Nothing can be made in the spool's folders, or taken away (chattr +i)."""
    words = ("Operation not permitted",)
    reserve_helps = deletes = immutable = False
    folders = ("pending", "processing", "failed", "done", "dead", "tmp", "ids")

    def make(self):
        need("chattr")
        super().make()

    def chattr(self, how):
        run("chattr", how, *(os.path.join(self.path, "spool", f) for f in self.folders))

    def fill(self, leave=0):
        if not self.immutable:
            self.chattr("+i")
        self.immutable = True

    def free(self):
        if self.immutable:
            self.chattr("-i")
        self.immutable = False


class Refusing(Disk):
    """Every call that would change something fails (refuse.c): what a real disk says
    that went bad under the programs, and quotas that this kernel may not have."""

    reserve_helps = deletes = False

    def __init__(self, code, shows):
        super().__init__()
        self.code, self.shows = code, shows
        self.words = (os.strerror(code),) + (("read-only",) if shows else ())

    def make(self):
        super().make()
        self.switch = os.path.join(self.folder, "refuse")
        with open(self.switch, "wb") as f:
            f.truncate(8)
        shim = os.path.join(self.folder, "refuse.so")
        here = os.path.dirname(os.path.abspath(__file__))
        run(os.environ.get("CC", "cc"), "-shared", "-fPIC", "-O2", "-Wall", "-Wextra",
            "-D_GNU_SOURCE", "-o", shim, os.path.join(here, "refuse.c"), "-ldl")
        self.env = {"LD_PRELOAD": shim, "REFUSE": self.switch, "REFUSE_UNDER": self.mount}

    def set(self, code, shows):
        with open(self.switch, "r+b") as f:
            f.write(struct.pack("=ii", code, shows))

    def fill(self, leave=0):
        self.set(self.code, self.shows)

    def free(self):
        self.set(0, 0)


KINDS = {
    "tmpfs": Disk,
    "tmpfs, inodes": TmpfsInodes,
    "ext4": Ext4,
    "ext4, inodes": Ext4Inodes,
    "xfs": Xfs,
    "btrfs": Btrfs,
    "btrfs, quota": BtrfsQuota,
    "immutable folders": Immutable,
    "read-only": lambda: Refusing(errno.EROFS, True),
    "a quota that nothing shows": lambda: Refusing(errno.EDQUOT, False),
    "a failing disk": lambda: Refusing(errno.EIO, False),
}
