"""places.py: where a test or a benchmark puts what it makes."""
import contextlib
import os
import subprocess
import tempfile


class NoDisk(Exception):
    """It takes root and loop devices, which a container may not have."""


def done(*argv):
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()


@contextlib.contextmanager
def loop_device(image, direct):
    """direct: past the page cache, so that a flush is one of what the image lies on."""
    device = done("losetup", "--find", "--show", "--direct-io=" + ("on" if direct else "off"),
                  image)
    try:
        yield device
    finally:
        done("losetup", "--detach", device)


@contextlib.contextmanager
def mounted(device, at):
    done("mount", "-o", "data=ordered", device, at)
    try:
        yield at
    finally:
        done("umount", at)


@contextlib.contextmanager
def journaled_ext4(folder, megabytes, direct=False):
    """A fresh ext4 with a journal on a loop device, its image in this folder."""
    with tempfile.TemporaryDirectory(prefix="queuectl-ext4.", dir=folder) as work, \
            contextlib.ExitStack() as stack:
        image, at = work + "/image", work + "/mnt"
        os.mkdir(at)
        try:
            with open(image, "wb") as f:
                if direct:
                    os.posix_fallocate(f.fileno(), 0, megabytes << 20)
                f.truncate(megabytes << 20)
            done("mkfs.ext4", "-q", "-F", "-N", str(megabytes << 8), "-O", "has_journal", image)
            stack.enter_context(mounted(stack.enter_context(loop_device(image, direct)), at))
        except (OSError, subprocess.CalledProcessError) as why:
            raise NoDisk("no ext4 on a loop device: %s" % (
                getattr(why, "stderr", None) or why)) from why
        yield at
