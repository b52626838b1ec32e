#!/usr/bin/env python3
"""syscalls.py ID: does a client publish its job in the safe order?

Reads on stdin what `strace -f -y` wrote of a client (its open, write, sync, link
and watch calls) and says which step is missing or out of order; exit 1 then:
  1. a file in tmp/ is made with O_EXCL        4. it is linked to pending/ID.json
  2. it is written                              5. pending/ is synced
  3. it is synced, after the last write         6. done/ID.json is looked for, once
                                                   all watches are armed
"""
import re
import sys

id = sys.argv[1]
calls = []
halves = {}
for line in sys.stdin:
    pid, rest = line.split(maxsplit=1)
    # A call that another thread interrupted comes in two parts.
    cut = re.match(r"(.*) <unfinished \.\.\.>$", rest)
    resumed = re.match(r"<\.\.\. \w+ resumed>(.*)$", rest)
    if cut:
        halves[pid] = cut.group(1)
        continue
    if resumed:
        rest = halves.pop(pid) + resumed.group(1)
    call = re.match(r"(\w+)\((.*)\)\s+= (-?\d+)", rest)
    if call and not call.group(3).startswith("-"):
        calls.append((call.group(1), call.group(2)))
    elif call and call.group(1).startswith("open"):
        calls.append(("looked", call.group(2)))  # what was not there counts as a look


def last(names, text, before=None):
    """The index of the last such call, -1 if there is none."""
    found = [i for i, (name, args) in enumerate(calls[:before])
             if name in names.split() and re.search(text, args)]
    return found[-1] if found else -1


def first(names, text, after):
    found = [i for i, (name, args) in enumerate(calls)
             if i > after and name in names.split() and re.search(text, args)]
    return found[0] if found else -1


def fail(why):
    print(f"the order of system calls: {why}")
    sys.exit(1)


link = last("link linkat", rf'pending/{re.escape(id)}\.json"')
if link < 0:
    fail(f"nothing was linked to pending/{id}.json")
tmp = re.search(r'tmp/([^"/>]+)"', calls[link][1])
name = re.escape(tmp.group(1)) if tmp else fail("what was linked was not in tmp/")
made = last("open openat", rf'tmp/{name}".*O_EXCL', link)
written = last("write pwrite64 writev", rf"^\d+<[^>]*tmp/{name}>", link)
synced = last("fsync fdatasync", rf"^\d+<[^>]*tmp/{name}>", link)
pending = first("fsync", r"^\d+<[^>]*/pending>", link)
watch = last("inotify_add_watch", r'/(done|dead)"')
looked = last("open openat looked stat", rf'done/{re.escape(id)}\.json"')
if made < 0:
    fail("the file in tmp/ was not made with O_EXCL")
if written < made:
    fail("it was not written before it was linked")
if synced < written:
    fail("it was not synced between the last write and the link")
if pending < 0:
    fail("pending/ was not synced after the link")
if looked < pending:
    fail("the end was looked for before the job was acknowledged")
if looked < watch:
    fail("the end was not looked for after the watch was armed")
