#!/usr/bin/env python3
"""newc.py FOLDER: the folder as an initramfs (cpio, "newc") on standard output."""
import os
import stat
import sys


def entry(number, name, mode, data, device=(0, 0)):
    fields = [number, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name) + 1, 0]
    head = "070701" + "".join("%08X" % f for f in fields) + name + "\0"
    return (pad(head.encode()) + pad(data))


def pad(data):
    return data + b"\0" * (-len(data) % 4)


def main(top):
    out = sys.stdout.buffer
    number = 1
    for folder, folders, files in os.walk(top):
        for name in sorted(folders) + sorted(files):
            path = os.path.join(folder, name)
            number += 1
            data = b""
            if os.path.isfile(path):
                with open(path, "rb") as f:
                    data = f.read()
            out.write(entry(number, os.path.relpath(path, top), os.stat(path).st_mode, data))
    out.write(entry(number + 1, "dev/console", stat.S_IFCHR | 0o600, b"", (5, 1)))
    out.write(entry(0, "TRAILER!!!", 0, b""))


if __name__ == "__main__":
    main(sys.argv[1])
