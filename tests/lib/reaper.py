"""reaper.py: a test's own process 1.

Jobs whose worker and pool were killed fall to the next subreaper, else to process 1,
which on some machines reaps slowly: tens of thousands of zombies then fill the table
of processes, for everybody.  adopt_orphans() puts a process between: it starts the
caller's rest as a child, reaps whatever falls to it, and ends as that child ends.
See prctl(2), PR_SET_CHILD_SUBREAPER."""
import ctypes
import os
import signal

PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans():
    """Returns in the child; call it before threads are started."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    child = os.fork()
    if child == 0:
        return
    for sig in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(sig, lambda number, _: os.kill(child, number))
    while True:
        pid, status = os.wait()
        if pid == child:
            os._exit(128 - os.waitstatus_to_exitcode(status)
                     if os.WIFSIGNALED(status) else os.WEXITSTATUS(status))
