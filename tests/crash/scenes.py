"""scenes.py: what is put to the test, a row each.

A scene is prepared in a fresh room, then one call of queuectl is made under injection,
in the processes named by `roles`.  What must hold afterwards, after one recovery by an
unharmed pool:

    ends   the states in which the scene's jobs may be, whatever went wrong (a job that
           is not named: done/).  NOWHERE among them: it may be gone, or never have come.
    goal   the same once the call has succeeded, by itself or said again ("ends" where
           it is not given)
    again  the exit codes of the same call said again after a crash; None: not said again

`ok`: the codes with which the call succeeds.  `lingers`: processes go on after the run, by
right; recovery is asked for when they have ended.  `aside`: something is put into quarantine/.
`finished`: how many jobs are in done/ in the end, where their ids are not known.
`whole`: its start too, from main on; elsewhere only the calls after the spool is open,
since the start is the same everywhere.
"""
import json
import os
import shutil

from room import TALKS, Unprepared

NOWHERE = "nowhere"
DONE, DEAD = {"done"}, {"dead"}
POOL = ("worker", "run", "--drain", "--count", "1")
EVERYONE = ("cli", "cli-child", "pool", "pool-child", "pool-thread", "worker", "worker-child")
WORKER = ("worker", "worker-child")
POOLS = ("pool", "pool-thread")
WAITING = "pending/20200101T000000.000000Z.p0.a0.%s.json"

# What jobs do to their own run, by hand: have it cancelled, have their pool stopped (at
# once: put back, which is no run, so its number is given again).  UNHARMED is set for
# the pool that recovers.
CANCEL_ME = 'touch "$QUEUECTL_SPOOL/control/cancel.${QUEUECTL_JOB##*/}"; exec sleep 5'
ASK = ('worker=${QUEUECTL_JOB##*.w}; worker=${worker%%%%.*}; '
       'pool=$(sed -n "s/^pool //p" "$QUEUECTL_SPOOL/workers/$worker.worker"); '
       'touch "$QUEUECTL_SPOOL/control/%s.$pool"; ')
STOP_POOL = ASK % "stop"
STOP_NOW = '[ -n "$UNHARMED" ] && exit 0; ' + ASK % "stop-now" + "exec sleep 5"
FIRST_HANGS = '[ "$QUEUECTL_RUN" -gt 1 ] || exec sleep infinity'
SECOND_WORKS = '[ "$QUEUECTL_ATTEMPT" -gt 1 ]'


class Scene:
    def __init__(self, name, call, before=None, roles=("cli",), ends=None, goal=None, again=None,
                 text=None, whole=False, allow=(), finished=None, ok=(0,), lingers=False,
                 aside=False):
        self.name, self.roles, self.again, self.whole = name, roles, again, whole
        self.finished, self.ok, self.lingers, self.aside = finished, ok, lingers, aside
        self.call = call if callable(call) else lambda room: call
        self.text = text or (lambda room: None)
        self.before = before or (lambda room: None)
        self.ends = ends or {}
        self.goal = goal if goal is not None else self.ends
        self.allow = ("stale-id",) + tuple(allow)


# -- preparations ----------------------------------------------------------------


def sh(script):
    return ("sh", "-c", script)


def lines(room, *ids):
    return "".join(room.document(id) + "\n" for id in ids)


def jobs(*ids, command=("true",), **how):
    """These jobs wait."""
    def before(room):
        for id in ids:
            room.waits(id, *command, **how)
    return before


def ended(state, **members):
    return lambda room: room.ended("x", state, **members)


def drops(*names, text=None, state="pending"):
    """Files that some program wrote."""
    def before(room):
        for name in names:
            room.drops(name + ".json", text or room.document(name), state)
            if not text:
                room.acked.add(name)
    return before


def orphan(point, *command, **members):
    """A run left behind by a worker and a pool that died at this point."""
    def before(room):
        room.waits("x", *command or ("true",), **members)
        room.inject(["--at", point + ":killall"], POOL)
        if len(os.listdir(room.at("processing"))) != 1:
            raise Unprepared("no run was left behind at " + point)
    return before


def third_lost(room):
    orphan("worker:poll:2", "sleep", "60", runs=2, lost=2,
           history=[{"run": n, "outcome": "lost"} for n in (1, 2)])(room)


def cancelled_orphan(room):
    orphan("worker:poll:2", *sh(FIRST_HANGS))(room)
    room.write("control/cancel." + os.listdir(room.at("processing"))[0])


def dead_intake(room):
    """A dropped file in the hands of a pool that died."""
    drops("x")(room)
    room.inject(["--at", "pool:renameat2:3:killall"], POOL)


def dead_batch(room):
    room.inject(["--at", "cli:renameat2:2:kill"], ("enqueue", "--batch", "-"),
                lines(room, "x", "y", "z"))


def bad_report(room):
    """A file that was no job, and the report about it; then the file is mended."""
    room.drops("bad.json", "{}")
    room.run([room.sound, *POOL])
    name = os.listdir(room.at("quarantine"))[0]
    room.write("quarantine/" + name, room.document("x"))
    room.report = os.listdir(room.at("dead"))[0][:-len(".json")]


def used_id(room):
    room.waits("x")
    room.drops("f.json", room.document("x"))


def id_of_ended(room):
    room.ended("x", "done")
    room.waits("x")


def second_name(room):
    """A waiting file with another link: the run has a copy of its own."""
    room.waits("x")
    os.link(room.at(WAITING % "x"), room.folder + "/backup")


def durable(room):
    room.write("queuectl.ini", "durability = always\ndurable-claim = true\n", "a")
    room.waits("x", *sh(TALKS))


def long_log(room):
    room.waits("x", *sh(STOP_POOL))
    room.write("worker.log")
    os.truncate(room.at("worker.log"), 11 << 20)


NOT_COUNTED = ("repeated", "unrecorded")  # a put-back run; a new job under an old id
COME = {"x": {"done"}}
NEW = {"x": {"done", NOWHERE}}
GONE = {"x": {NOWHERE}}
BATCH = {id: {"done", NOWHERE} for id in "xyz"}


SCENES = [
    # -- a job comes in ----------------------------------------------------------
    Scene("enqueue", lambda r: ("enqueue", r.document("x")), ends=NEW, goal=COME, again=(0, 1),
          whole=True),
    Scene("enqueue-no-id", lambda r: ("enqueue", json.dumps({"argv": r.argv("true")}))),
    Scene("enqueue-stale-id", lambda r: ("enqueue", r.document("x")),
          lambda r: r.write("ids/x"), ends=NEW, goal=COME, again=(0, 1)),
    Scene("enqueue-in-use", lambda r: ("enqueue", r.document("x")), jobs("x"), again=(1,),
          ok=(1,)),
    Scene("batch", ("enqueue", "--batch", "-"), text=lambda r: lines(r, "x", "y", "z"),
          ends=BATCH, again=(0, 1)),
    Scene("batch-stale-ids", ("enqueue", "--batch", "-"),
          lambda r: [r.write("ids/" + id) for id in "xz"],
          text=lambda r: lines(r, "x", "y", "z"), ends=BATCH, again=(0, 1)),
    Scene("batch-in-use", ("enqueue", "--batch", "-"), jobs("z"), ok=(1,),
          text=lambda r: lines(r, "x", "y", "z"), ends={id: {"done", NOWHERE} for id in "xy"}),
    Scene("batch-skip-bad", ("enqueue", "--batch", "-", "--skip-bad"),
          text=lambda r: lines(r, "x") + "{\n" + lines(r, "z"), ends=BATCH, ok=(1,)),
    Scene("lines", lambda r: ("enqueue", "--lines", "--", *r.argv("true"), "{}"),
          text=lambda r: "1\n2\n3\n"),
    Scene("unique-new", lambda r: ("enqueue", "--unique", r.document("x")), ends=NEW, goal=COME,
          again=(0,)),
    Scene("unique-there", lambda r: ("enqueue", "--unique", r.document("x")), jobs("x"),
          again=(0,)),
    Scene("unique-over-done", lambda r: ("enqueue", "--unique", r.document("x")), ended("done"),
          allow=("false-end", "not-run") + NOT_COUNTED, again=(0,)),

    # -- verbs -------------------------------------------------------------------
    Scene("retry-failed", ("retry", "x"), jobs("x", state="failed", due="held", attempts=1),
          ends={"x": {"failed", "done"}}, goal={}, again=(0,)),
    Scene("retry-dead", ("retry", "x"), ended("dead"), ends={"x": {"dead", "done"}}, goal={},
          again=(0,), allow=("false-end",)),
    Scene("retry-done", ("retry", "x"), ended("done"), again=(0,), allow=("false-end",)),
    Scene("retry-report", lambda r: ("dlq", "retry", r.report), bad_report, ends=NEW,
          goal=COME, again=(0, 1), aside=True),
    Scene("cancel-pending", ("cancel", "x"), jobs("x"), ends={"x": {"done", "dead"}},
          goal={"x": DEAD}, again=(0, 1)),
    Scene("cancel-failed", ("cancel", "x"), jobs("x", state="failed", due="held", attempts=1),
          ends={"x": {"failed", "dead"}}, goal={"x": DEAD}, again=(0, 1)),
    Scene("delete-pending", ("delete", "--yes", "x"), jobs("x"), ends=NEW, goal=GONE,
          again=(0, 1)),
    Scene("delete-done", ("delete", "--yes", "x"), ended("done"), ends=NEW, goal=GONE,
          again=(0, 1)),
    Scene("delete-report", lambda r: ("delete", "--yes", r.report), bad_report, again=(0, 1), aside=True),
    Scene("purge", ("dlq", "purge", "--yes"), ended("dead"),
          ends={"x": {"dead", NOWHERE}}, goal=GONE, again=(0,)),
    Scene("clear", ("clear", "--yes"), jobs("x"), ends=NEW, goal=GONE, again=(0,)),
    Scene("hold", ("hold", "x"), jobs("x"), ends={"x": {"pending", "done"}},
          goal={"x": {"pending"}}, again=(0,)),
    Scene("release", ("release", "x"), jobs("x", due="held"), ends={"x": {"pending", "done"}},
          goal={}, again=(0,)),
    Scene("edit-priority", ("edit", "x", "--priority", "high"), jobs("x"), again=(0,)),
    Scene("edit-time", ("edit", "x", "--delay", "0"),
          jobs("x", state="failed", due="held", attempts=1), ends={"x": {"failed", "pending"}},
          goal={"x": {"pending"}}, again=(0,)),
    Scene("pause", ("pause",), again=(0,)),
    Scene("resume", ("resume",), lambda r: r.write("control/pause"), again=(0,)),
    Scene("config", ("config", "set", "count", "2"), jobs("x"), again=(0,)),
    Scene("fsck", ("fsck",), lambda r: [r.waits("x"), r.ended("y", "done")], again=(0,)),
    Scene("init", ("init",), jobs("x"), again=(0,), whole=True),
    Scene("init-new", lambda r: ("init", r.spool), lambda r: shutil.rmtree(r.spool), again=(0,),
          whole=True),
    Scene("adopt", ("init", "--adopt"), orphan("worker:renameat2:4", *sh(TALKS)), again=(0,)),

    # -- a run, by its own pool ----------------------------------------------------
    Scene("run-done", POOL, jobs("x", command=sh(TALKS)), EVERYONE, whole=True),
    Scene("run-two", POOL, jobs("x", "y"), WORKER),
    Scene("run-dead", POOL, jobs("x", command=sh("echo no >&2; exit 3"), max_retries=0), WORKER,
          ends={"x": DEAD}),
    Scene("run-again", POOL, jobs("x", command=sh(SECOND_WORKS)), WORKER),
    Scene("run-signal", POOL, jobs("x", command=sh("kill -9 $$"), max_retries=0), WORKER,
          ends={"x": DEAD}),
    Scene("run-timeout", POOL, jobs("x", command=("sleep", "60"), max_retries=0, timeout=0.05),
          WORKER, ends={"x": DEAD}),
    Scene("run-cancel", POOL, jobs("x", command=sh(CANCEL_ME)), WORKER + ("pool",),
          ends={"x": DEAD}),
    Scene("run-stop-now", POOL, jobs("x", command=sh(STOP_NOW)), WORKER + ("pool",),
          allow=NOT_COUNTED),
    Scene("run-detach", POOL, jobs("x", command=sh("sleep 0.2 >/dev/null 2>&1 9>&- &"),
                                   detach=True), WORKER, lingers=True),
    Scene("run-leftovers", POOL, jobs("x", command=sh("sleep infinity &")), WORKER),
    Scene("run-no-program", POOL, jobs("x", argv=["/no/such"], max_retries=0), WORKER,
          ends={"x": DEAD}),
    Scene("run-cwd-env", POOL, jobs("x", cwd="/", env={"A": "b"}), WORKER),
    Scene("run-durable", POOL, durable, WORKER),
    Scene("run-second-name", POOL, second_name, WORKER),
    Scene("run-misfit", POOL, lambda r: r.write(WAITING % "x", "[]"), WORKER + ("pool",),
          ends={"x": {NOWHERE}}, aside=True),
    Scene("run-id-of-ended", POOL, id_of_ended, WORKER + ("pool",), aside=True),
    Scene("start", ("worker", "start", "--count", "1"), jobs("x", command=sh(STOP_POOL)),
          EVERYONE),
    Scene("rotate", ("worker", "start", "--count", "1"), long_log, EVERYONE),

    # -- dropped files -------------------------------------------------------------
    Scene("take-in", POOL, drops("x"), POOLS),
    Scene("take-in-no-id", POOL, lambda r: r.drops("f.json", json.dumps({"argv": r.argv("true")})),
          POOLS, finished=1),
    Scene("take-in-six", POOL, drops(*"uvwxyz"), POOLS),
    Scene("take-in-bad", POOL, drops("x", text="{}"), POOLS, ends={"x": {NOWHERE}}, aside=True),
    Scene("take-in-used-id", POOL, used_id, POOLS, aside=True),
    Scene("take-in-failed", POOL, drops("x", state="failed"), POOLS),

    # -- recovery ------------------------------------------------------------------
    Scene("recover-claimed", POOL, orphan("worker:pwrite64:2"), POOLS),
    Scene("recover-child", POOL, orphan("worker-child:execve:1"), POOLS),
    Scene("recover-living", POOL, orphan("worker:poll:2", *sh(FIRST_HANGS)), POOLS),
    Scene("recover-lost", POOL, orphan("worker:renameat2:3", *sh(TALKS)), POOLS),
    Scene("recover-result", POOL, orphan("worker:renameat2:4", *sh(TALKS)), POOLS),
    Scene("recover-unnamed-log", POOL, orphan("worker:renameat:1", *sh(TALKS)), POOLS),
    Scene("recover-on-crash", POOL, orphan("worker:poll:2", *sh(FIRST_HANGS), on_crash="dead"),
          POOLS, ends={"x": DEAD}),
    Scene("recover-third", POOL, third_lost, POOLS, ends={"x": DEAD}),
    Scene("recover-cancelled", POOL, cancelled_orphan, POOLS, ends={"x": DEAD}),
    Scene("recover-intake", POOL, dead_intake, POOLS),
    Scene("recover-batch", POOL, dead_batch, POOLS, ends={id: {"done", NOWHERE} for id in "xyz"}),
    Scene("recover-put-back", POOL, orphan("worker:renameat2:3", *sh(STOP_NOW)), POOLS,
          allow=NOT_COUNTED),
]
