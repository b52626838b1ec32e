#!/usr/bin/env python3
"""disk.py: a file system on a disk that remembers its writes (blocklog.c).

The caller lives in a mount and a PID namespace of its own (power.sh), so what is
mounted and started here is gone when it ends, however it ends; the loop device
detaches itself with its last user (LO_FLAGS_AUTOCLEAR).

disk.py KIND: says why there can be no such disk here (exit 1), or nothing.
"""
import ctypes
import fcntl
import os
import re
import shutil
import struct
import subprocess
import sys

LOOP_CTL_GET_FREE, LOOP_CONFIGURE, BLKFLSBUF = 0x4C82, 0x4C0A, 0x1261
LO_FLAGS_AUTOCLEAR = 4
LOOP_TRIES = 50

# name: file system, MiB, words of mkfs, mount options, bytes the disk writes whole.
# btrfs counts on its superblock of 4096 bytes being written whole.
KINDS = {
    "ext4": ("ext4", 64, "mkfs.ext4 -q -E nodiscard", "", 512),
    "writeback": ("ext4", 64, "mkfs.ext4 -q -E nodiscard", "data=writeback", 512),
    "noauto": ("ext4", 64, "mkfs.ext4 -q -E nodiscard", "noauto_da_alloc", 512),
    "xfs": ("xfs", 300, "mkfs.xfs -q -f -K", "", 512),
    "btrfs": ("btrfs", 128, "mkfs.btrfs -q -f -K", "", 4096),
}

sys.path.insert(1, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import wait_until

libc = ctypes.CDLL(None, use_errno=True)


def call(name, *args):
    if getattr(libc, name)(*args) != 0:
        number = ctypes.get_errno()
        raise OSError(number, "%s: %s" % (name, os.strerror(number)))


class Disk:
    """self.point: where it is mounted; self.marks: the path to write marks to."""

    def __init__(self, blocklog, work, kind):
        self.type, size, self.mkfs, self.options, self.piece = KINDS[kind]
        self.folder, self.point = os.path.join(work, "fuse"), os.path.join(work, "disk")
        os.makedirs(self.folder)
        os.makedirs(self.point)
        self.daemon = subprocess.Popen([blocklog, self.folder, str(size)],
                                       stdout=subprocess.PIPE, text=True)
        if self.daemon.stdout.readline() != "ready\n":
            raise OSError("blocklog did not start")
        self.marks = os.path.join(self.folder, "marks")
        self.loop, self.device = self.attach(os.path.join(self.folder, "disk"))

    def attach(self, path):
        """A free loop device, which others may take between our look and our call."""
        back = os.open(path, os.O_RDWR)
        with open("/dev/loop-control") as control:
            for _ in range(LOOP_TRIES):
                device = "/dev/loop%d" % fcntl.ioctl(control, LOOP_CTL_GET_FREE)
                loop = os.open(device, os.O_RDWR)
                info = bytearray(232)
                struct.pack_into("<I", info, 52, LO_FLAGS_AUTOCLEAR)
                try:
                    fcntl.ioctl(loop, LOOP_CONFIGURE,
                                struct.pack("<II", back, 512) + bytes(info) + bytes(64))
                    os.close(back)
                    return loop, device
                except OSError:
                    os.close(loop)
        raise OSError("no loop device to be had")

    def tell(self, text, to="control"):
        fd = os.open(os.path.join(self.folder, to), os.O_WRONLY)
        try:
            os.write(fd, text.encode())
        finally:
            os.close(fd)

    def mark(self, text):
        self.tell(text, "marks")

    def records(self):
        """The log: "W OFFSET LENGTH", "F" or "M TEXT" each."""
        with open(os.path.join(self.folder, "log")) as f:
            return f.read().splitlines()

    def format(self):
        subprocess.run(self.mkfs.split() + [self.device], check=True,
                       stdout=subprocess.DEVNULL)

    def mount(self):
        fcntl.ioctl(self.loop, BLKFLSBUF)  # the disk changed behind the cache
        call("mount", self.device.encode(), self.point.encode(), self.type.encode(), 0,
             self.options.encode())

    def unmount(self):
        """Once the last process that was killed has let go of it."""
        def is_unmounted():
            return libc.umount2(self.point.encode(), 0) == 0
        if not wait_until(is_unmounted, 60):
            raise OSError("%s stays in use" % self.point)
        fcntl.ioctl(self.loop, BLKFLSBUF)

    def is_flushing(self):
        """Do flushes of the file system arrive here?"""
        return any(line[0] == "F" for line in self.records())

    def close(self):
        os.close(self.loop)
        call("umount2", self.folder.encode(), 2)  # MNT_DETACH
        self.daemon.wait()


def missing(kind):
    """Why a disk of this kind cannot be had here; "" if it can."""
    type, _, mkfs, _, _ = KINDS[kind]
    if os.geteuid() != 0:
        return "only root may mount"
    for device in ("/dev/fuse", "/dev/loop-control"):
        if not os.path.exists(device):
            return "there is no " + device
    if not shutil.which(mkfs.split()[0]):
        return "there is no " + mkfs.split()[0]
    if shutil.which("modprobe"):
        subprocess.run(["modprobe", "-q", type], check=False)
    with open("/proc/filesystems") as f:
        return "" if re.search(r"\b%s$" % type, f.read(), re.M) else "the kernel has no " + type


if __name__ == "__main__":
    print(missing(sys.argv[1]))
    sys.exit(1 if missing(sys.argv[1]) else 0)
