"""spool.py: what hostile.py and attacks.py share: a spool of one's own, what a file is
down to its bytes, and what may reach a terminal.
"""
import hashlib
import json
import os
import re
import stat
import subprocess
import sys
import time
import unicodedata

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import Tap, wait_until  # noqa: E402,F401 # for hostile.py and attacks.py

BIN = os.environ["QUEUECTL_BIN"]
HASHED_MAX = 16 << 20  # a sparse giant is known by its size and blocks


class Result:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err


class Spool:
    def __init__(self, path):
        self.path = path
        self.env = dict(os.environ, QUEUECTL_SPOOL=path, NO_COLOR="")
        for name in ("NO_COLOR", "COLUMNS"):
            self.env.pop(name, None)
        self.must("init", path)

    def q(self, *args, seconds=20, text=None):
        """A command; code None: it did not end in time."""
        try:
            p = subprocess.run([BIN, *args], env=self.env, input=text or b"", timeout=seconds,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        except subprocess.TimeoutExpired as e:
            return Result(None, e.stdout or b"", e.stderr or b"it did not end in time")
        return Result(p.returncode, p.stdout, p.stderr)

    def must(self, *args, **more):
        r = self.q(*args, **more)
        if r.code != 0:
            raise RuntimeError("queuectl %s: exit %s: %r" % (args[0], r.code, r.err))
        return r.out

    def at(self, *parts):
        return os.path.join(self.path, *parts)

    def bytes_at(self, *parts):
        return os.path.join(os.fsencode(self.path), *[os.fsencode(p) for p in parts])

    def names(self, folder):
        return os.listdir(self.bytes_at(folder))

    def status(self):
        return json.loads(self.must("status", "--json"))

    def workers(self):
        return sorted(w["pid"] for w in self.status()["workers"])

    def reports(self):
        """What lies in quarantine/ by what the reports say: name -> [(report, reason)]."""
        found = {}
        for file in self.names("dead"):
            try:
                with open(self.bytes_at("dead", file), "rb") as f:
                    doc = json.loads(f.read())
            except FileNotFoundError:
                continue
            if "quarantined" in doc:
                name = doc["quarantined"].encode("utf-8", "surrogateescape")
                found.setdefault(name, []).append((doc["id"], doc["last_error"]))
        return found

    def ran(self, command, seconds=20):
        """A job enqueued now ends well; the seconds it took, or None."""
        begin = time.monotonic()
        r = self.q("enqueue", "--wait", "--command", command, seconds=seconds)
        return time.monotonic() - begin if r.code == 0 else None


def inode(path):
    st = os.lstat(path)
    return st.st_dev, st.st_ino


def _content(path, st):
    if stat.S_ISLNK(st.st_mode):
        return os.readlink(path)
    if stat.S_ISDIR(st.st_mode):
        try:
            return sorted((n, snapshot(os.path.join(path, n))) for n in os.listdir(path))
        except PermissionError:
            return "closed"
    if not stat.S_ISREG(st.st_mode):
        return st.st_rdev
    if st.st_size > HASHED_MAX:
        return st.st_size, st.st_blocks
    try:
        with open(path, "rb") as f:
            return hashlib.sha256(f.read()).hexdigest()
    except PermissionError:
        return "closed"


def snapshot(path):
    """All that must not change: type, mode, owner, size, time, content, target, device."""
    st = os.lstat(path)
    return (st.st_mode, st.st_uid, st.st_gid, st.st_size if not stat.S_ISDIR(st.st_mode) else 0,
            st.st_mtime_ns, _content(path, st))


HIDDEN = {0x2028, 0x2029, 0xFEFF, 0x061C} | set(range(0x200E, 0x2010)) | set(
    range(0x202A, 0x202F)) | set(range(0x2066, 0x206A))
OUR_COLOUR = re.compile(rb"\x1b\[[0-9;]*m")


def raw(data, terminal=False):
    """What in these bytes a terminal would obey or hide; a list of findings."""
    if terminal:
        data = OUR_COLOUR.sub(b"", data.replace(b"\r\n", b"\n"))
    wrong = []
    for number, line in enumerate(data.split(b"\n"), 1):
        try:
            text = line.decode()
        except UnicodeDecodeError as e:
            wrong.append("line %d: not UTF-8: %r" % (number, line[max(0, e.start - 30):e.end + 30]))
            continue
        for c in set(text):
            if ord(c) in HIDDEN or unicodedata.category(c) == "Cc":
                at = text.index(c)
                wrong.append("line %d: U+%04X: %r" % (number, ord(c), text[max(0, at - 40):at + 20]))
    return wrong


def on_terminal(spool, script, columns=200):
    """What a shell script prints on a terminal so wide; $Q is the program."""
    env = dict(spool.env, Q=BIN, TERM="xterm", SHELL="/bin/bash")
    p = subprocess.run(["script", "-qec", "stty cols %d rows 24; %s" % (columns, script),
                        "/dev/null"], env=env, stdin=subprocess.DEVNULL,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    return p.stdout
