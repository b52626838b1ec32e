#!/usr/bin/env python3
"""queuectl.py: enqueue a job in a queuectl spool and wait for its end.  MIT; copy it.

Needs Python 3.8 and the spool, not the program queuectl:
 1. check the id; done/ID.json or dead/ID.json is there: in use
 2. make tmp/UNIQUE with O_EXCL and mode 0640, write the document, fsync, close
 3. link(2) it to pending/ID.json, which overwrites nothing; unlink tmp/UNIQUE
 4. fsync pending/: now the job is acknowledged
 5. watch done/ and dead/, look, wait, look: ID.json there, or dead/rejected-...
As a module:
    with queuectl.enqueue(spool, "report-42", {"command": "make report"}) as ticket:
        state, document = queuectl.wait(ticket, timeout=60)   # "done" or "dead", bytes
Errors: ValueError (id, members), Refused, TimeoutError, any other OSError.
A ticket keeps the file open, for reading: so its inode number, which names the
report, is not used again, and its link count tells when the queue has taken it in.
Without `with`: ticket.close() when there will be no more waiting.
"""
import ctypes
import json
import os
import re
import secrets
import select
import sys
import time
from typing import BinaryIO, NamedTuple


class Refused(Exception):
    """The id is in use, or the file was no job."""


class Ticket(NamedTuple):
    spool: str
    id: str
    file: BinaryIO

    def close(self):
        self.file.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Watch:
    """Wakes when a name appears in a folder: inotify on Linux; elsewhere a nap, each longer."""

    def __init__(self, *folders):
        self.inotify, self.nap = None, 0.01
        if sys.platform.startswith("linux"):
            libc = ctypes.CDLL(None)
            fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
            self.inotify = open(fd, "rb", buffering=0) if fd >= 0 else None
            for folder in folders if self.inotify else ():  # 0x180: IN_CREATE | IN_MOVED_TO
                if libc.inotify_add_watch(fd, os.fsencode(folder), 0x180) < 0:
                    self.close()
                    break

    def close(self):
        if self.inotify:
            self.inotify.close()
        self.inotify = None

    def wait(self, seconds):
        if self.inotify:  # events are hints: look each 2 s without one
            poll = select.poll()  # select() has no descriptors above 1023
            poll.register(self.inotify, select.POLLIN)
            if poll.poll(1000 * min(seconds, 2)):
                self.inotify.read(65536)
        else:
            time.sleep(min(seconds, self.nap))
            self.nap = min(2 * self.nap, 0.25)


def enqueue(spool, id, members):
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", id):
        raise ValueError(f"{id!r} is no id: 1 to 128 of A-Za-z0-9._-, a letter or digit first")
    document = json.dumps({**members, "id": id}, ensure_ascii=False, allow_nan=False).encode()
    if any(os.path.lexists(f"{spool}/{state}/{id}.json") for state in ("done", "dead")):
        raise Refused(f'id "{id}" is in use')
    tmp = f"{spool}/tmp/py-{os.getpid()}-{secrets.token_hex(8)}"
    try:
        fd = os.open(tmp, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
    except FileNotFoundError:
        raise FileNotFoundError(f"no spool at {spool}") from None
    ticket = None
    try:
        try:
            write(fd, document)
            ticket = Ticket(spool, id, open(tmp, "rb", buffering=0))
            os.link(tmp, f"{spool}/pending/{id}.json")
        finally:
            os.unlink(tmp)
        sync_folder(f"{spool}/pending")
    except BaseException as e:
        if ticket:
            ticket.close()
        if isinstance(e, FileExistsError):
            raise Refused(f'id "{id}" is in use') from None
        raise
    return ticket


def write(fd, document):
    with open(fd, "wb") as out:
        os.fchmod(fd, 0o640)  # whatever the umask: the worker may be of our group
        out.write(document)
        out.flush()
        os.fsync(fd)


def sync_folder(path):
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def look(ticket):
    own = os.fstat(ticket.file.fileno())
    report = f"rejected-{ticket.id + '.json':.80}-{own.st_ino:x}"
    for state, name in ("dead", report), ("done", ticket.id), ("dead", ticket.id):
        try:
            with open(f"{ticket.spool}/{state}/{name}.json", "rb") as file:
                document, inode = file.read(), os.fstat(file.fileno()).st_ino
        except FileNotFoundError:
            continue
        if name == report:
            raise Refused(json.loads(document)["last_error"])
        # Not taken in yet: then what lies there is another's, or ours moved by hand.
        if own.st_nlink == 0 or own.st_ino == inode:
            return state, document
    return None


def wait(ticket, timeout=None):
    deadline = float("inf") if timeout is None else time.monotonic() + timeout
    watch = Watch(f"{ticket.spool}/done", f"{ticket.spool}/dead")
    try:
        while not (ended := look(ticket)):
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f'job "{ticket.id}" has not ended after {timeout} s')
            watch.wait(left)
        return ended
    finally:
        watch.close()


def main(words):
    if len(words) not in (3, 4) or not re.fullmatch("[0-9]{1,9}", words[3] if words[3:] else "0"):
        raise ValueError("usage: queuectl.py SPOOL ID MEMBERS_JSON [TIMEOUT_SECONDS]")
    members = json.loads(words[2])
    if not isinstance(members, dict):
        raise ValueError("MEMBERS_JSON must be an object")
    with enqueue(*words[:2], members) as ticket:
        state, document = wait(ticket, *map(int, words[3:]))
    sys.stdout.buffer.write(document)
    sys.stdout.buffer.flush()
    return 0 if state == "done" else 1


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (ValueError, Refused, OSError) as e:
        print(f"queuectl.py: {e}", file=sys.stderr)
        codes = (ValueError, 2), (Refused, 3), (TimeoutError, 124), (OSError, 1)
        sys.exit(next(code for kind, code in codes if isinstance(e, kind)))
