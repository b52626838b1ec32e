"""With more descriptors than select() knows; run with -X dev, nothing may be left open."""
import os
import resource
import runpy
import sys
from types import SimpleNamespace

client, spool, idle = sys.argv[1:]
queuectl = SimpleNamespace(**runpy.run_path(client))
limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
while os.dup(0) < 1024:
    pass
try:
    queuectl.enqueue(idle, "taken", {"command": "true"})
    sys.exit("not refused")
except queuectl.Refused:
    pass
with queuectl.enqueue(spool, "library", {"command": "sleep 0.2"}) as ticket:
    state, _ = queuectl.wait(ticket, timeout=60)
sys.exit(state != "done")
