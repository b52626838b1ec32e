"""places.py: where a test or a benchmark puts what it makes."""
import contextlib
import os
import subprocess
import tempfile


class NoDisk(Exception):
    """It takes root and loop devices, which a container may not have."""


@contextlib.contextmanager
def journaled_ext4(folder, megabytes):
    """A fresh ext4 with a journal on a loop device, its image in this folder."""
    with tempfile.TemporaryDirectory(prefix="queuectl-ext4.", dir=folder) as work:
        image, at = work + "/image", work + "/mnt"
        os.mkdir(at)
        with open(image, "wb") as f:
            f.truncate(megabytes << 20)
        try:
            subprocess.run(["mkfs.ext4", "-q", "-F", "-N", str(megabytes << 8), "-O",
                            "has_journal", image], check=True)
            subprocess.run(["mount", "-o", "loop,data=ordered", image, at], check=True)
        except (OSError, subprocess.CalledProcessError) as why:
            raise NoDisk("no ext4 on a loop device: %s" % why) from why
        try:
            yield at
        finally:
            subprocess.run(["umount", at], check=True)
