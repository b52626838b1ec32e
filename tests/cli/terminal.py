"""terminal.py PROGRAM [ARG...]: run a program on a terminal of its own.

It follows commands, one a line, on stdin:
    int      Ctrl+C is typed
    close    the terminal is closed (the program's session gets SIGHUP)
What the terminal shows goes to stdout, `closed` when it is closed; at the
program's end the last line is `exit N` or `signal N`.
"""
import os
import pty
import select
import sys

pid, master = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])

watched = [0, master]
while master in watched:
    for fd in select.select(watched, [], [])[0]:
        try:
            data = os.read(fd, 4096)
        except OSError:  # the last of the other side has gone
            data = b""
        if fd == master:
            os.write(1, data)
            if not data:
                watched = []
        elif not data:
            watched.remove(0)
        for word in data.split() if fd == 0 else []:
            if word == b"int":
                os.write(master, b"\x03")
            elif word == b"close":
                watched = []

os.close(master)
print("\nclosed", flush=True)
status = os.waitpid(pid, 0)[1]
if os.WIFSIGNALED(status):
    print("\nsignal", os.WTERMSIG(status))
else:
    print("\nexit", os.WEXITSTATUS(status))
