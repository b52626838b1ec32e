"""attacks.py: what a table of files cannot say: names that change under the queue's
eyes, floods, and odd things in the folders that are not for dropping.

Each attack is a function that returns what went wrong, one line each, and works
in a spool of its own.
"""
import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor

from cases import CANONICAL
from spool import Spool, inode, raw, snapshot, wait_until

STORM_SECONDS = 2.5
FLOOD = 5000
HEAVY, HEAVY_SECONDS = 128, 1
PROMPT_SECONDS = 2  # for one job while a flood is dealt with
ENDS_SECONDS = 20   # a command that takes longer hangs
QUIET_READS = 100   # of a pool that waits, in a second
QUIET_BYTES = 1000  # of worker.log
DEAD = "00000000-1-1-00000000"  # a token that nobody has


class Room:
    """A folder with a spool, workers and a canary."""

    def __init__(self, work, name, workers=2):
        self.work = os.path.join(work, name)
        os.mkdir(self.work)
        self.spool = Spool(self.work + "/spool")
        self.canary = self.work + "/canary"
        with open(self.canary, "w") as f:
            f.write('{"id":"canary","command":"touch %s/canary-ran"}' % self.work)
        os.utime(self.canary, (1000000000, 1500000000))
        st = os.stat(self.canary)
        self.canary_was = st.st_atime_ns, st.st_mtime_ns, st.st_ctime_ns
        if workers:
            self.spool.must("worker", "start", "--count", str(workers))
            self.workers = self.spool.workers()

    def file(self, name, text):
        path = os.path.join(self.work, name)
        with open(path, "w") as f:
            f.write(text)
        return path

    def job(self, name, more=""):
        return '{"command":"echo ran >>%s/ran.%s"%s}' % (self.work, name, more)

    def runs(self, name):
        try:
            with open("%s/ran.%s" % (self.work, name)) as f:
                return len(f.readlines())
        except FileNotFoundError:
            return 0

    def keep_running(self, name):
        """A job that runs, from its first instruction, until end_run()."""
        self.spool.must("enqueue", "--id", name, "--command",
                        "touch %s/begun; until [ -e %s/end ]; do sleep 0.05; done" % (
                            self.work, self.work))
        wait_until(lambda: os.path.exists(self.work + "/begun"), 40)

    def end_run(self):
        open(self.work + "/end", "w").close()

    def is_done(self, name):
        return wait_until(lambda: os.path.exists(self.spool.at("done", name + ".json")), 40)

    def pending(self, name):
        return self.spool.at("pending", name)

    def wrong_canary(self):
        wrong = []
        st = os.stat(self.canary)
        if (st.st_atime_ns, st.st_mtime_ns, st.st_ctime_ns) != self.canary_was:
            wrong.append("the file outside was touched")
        if os.path.exists(self.work + "/canary-ran"):
            wrong.append("the file outside was run")
        if os.path.lexists(self.work + "/nothing"):
            wrong.append("the target of a dangling link was made")
        return wrong

    def wrong_reports(self):
        """Each file in quarantine/ has one report."""
        reports, files = self.spool.reports(), self.spool.names("quarantine")
        return ["%r: %d reports" % (f, len(reports.get(f, []))) for f in files
                if len(reports.get(f, [])) != 1][:5]

    def end(self):
        """Canary, workers, log; and the workers stop."""
        wrong = self.wrong_canary() + raw(self.read("worker.log"))
        if self.spool.workers() != self.workers:
            wrong.append("workers died")
        if self.spool.q("worker", "stop", seconds=10).code != 0:
            wrong.append("the workers do not stop")
        return wrong

    def read(self, name):
        with open(self.spool.at(name), "rb") as f:
            return f.read()


def storm(room, seconds, act):
    """act(i) again and again; good jobs in between must be prompt. What went wrong."""
    wrong, i, end, slowest = [], 0, time.monotonic() + seconds, 0
    next_good = 0
    while time.monotonic() < end:
        try:
            act(i)
        except FileNotFoundError:
            pass
        i += 1
        if time.monotonic() >= next_good:
            took = room.spool.ran("true")
            if took is None:
                wrong.append("a good job did not end")
                break
            slowest = max(slowest, took)
            next_good = time.monotonic() + 0.2
    if slowest > PROMPT_SECONDS:
        wrong.append("a good job took %.1f s" % slowest)
    return wrong


def settled(room):
    return wait_until(lambda: not [
        f for d in ("pending", "processing") for f in room.spool.names(d)
        if not f.startswith(b".")], 40)


# --- names that change -----------------------------------------------------------------


def kinds_under_one_name(work, room_name, name):
    """Regular file, link to a job outside, pipe, folder: under one name, in turn."""
    room = Room(work, room_name)

    def act(i):
        new = room.work + "/new"
        kind = i % 4
        if kind == 0:
            room.file("new", room.job("storm"))
        elif kind == 1:
            os.symlink(room.canary, new)
        elif kind == 2:
            os.mkfifo(new)
        else:
            room.file("new", "rubbish")
        os.rename(new, room.pending(name))

    wrong = storm(room, STORM_SECONDS, act)
    if not settled(room):
        wrong.append("pending/ is not empty: %s" % room.spool.names("pending")[:5])
    if not room.spool.names("quarantine"):
        wrong.append("nothing was rejected")
    if not room.runs("storm"):
        wrong.append("none of the good ones ran")
    wrong += room.wrong_reports()
    if room.spool.q("dlq", "purge", "--yes").code != 0:
        wrong.append("dlq purge failed")
    return wrong + room.end()


def one_file_many_names(work):
    """A file not yet closed is renamed around; then it is closed, and runs once."""
    room = Room(work, "names")
    state = {"at": room.pending("n0.json")}
    with open(state["at"], "w") as f:
        f.write(room.job("wanderer"))
        f.flush()

        def act(i):
            to = room.pending("n%d.json" % (i % 1000))
            os.rename(state["at"], to)
            state["at"] = to

        wrong = storm(room, STORM_SECONDS / 2, act)
        if room.runs("wanderer"):
            wrong.append("it ran while it was open for writing")
    if not wait_until(lambda: room.runs("wanderer"), 40) or not settled(room):
        wrong.append("it did not run")
    room.spool.must("wait", "--all", "--timeout", "10")
    if room.runs("wanderer") != 1:
        wrong.append("it ran %d times" % room.runs("wanderer"))
    if room.spool.names("quarantine"):
        wrong.append("something was rejected: %s" % room.spool.reports())
    return wrong + room.end()


def own_name_and_foreign(work):
    """Names of the queue's own become foreign ones and back: each job runs once."""
    room, n = Room(work, "flip"), 150
    for i in range(n):
        own, foreign = room.pending(CANONICAL % ("f%d" % i)), room.pending("f%d.json" % i)
        room.file("new", room.job("f%d" % i, ',"id":"f%d"' % i))
        os.rename(room.work + "/new", foreign)
        try:
            os.rename(foreign, own)
            os.rename(own, foreign)
            os.rename(foreign, own)
        except FileNotFoundError:
            pass  # the queue was faster
    ended = wait_until(lambda: len(room.spool.names("done")) == n, 60)
    wrong = [] if ended else ["%d of %d are done" % (len(room.spool.names("done")), n)]
    wrong += ["f%d ran %d times" % (i, room.runs("f%d" % i)) for i in range(n)
              if room.runs("f%d" % i) != 1]
    if room.spool.names("quarantine"):
        wrong.append("rejected: %s" % list(room.spool.reports().items())[:2])
    return wrong + room.end()


# --- floods ---------------------------------------------------------------------------------


def flood(work, name, make, prompt):
    """Thousands of no jobs; a good one in between is prompt, all are put aside and purged."""
    room = Room(work, name)
    os.mkdir(room.work + "/many")
    for i in range(FLOOD):
        make("%s/many/%d" % (room.work, i), i)
    for i in range(FLOOD):
        os.rename("%s/many/%d" % (room.work, i), room.pending("x%d.json" % i))
    took = room.spool.ran("true")
    wrong = []
    if took is None or took > prompt:
        wrong.append("a good job in the flood took %s s" % took)
    if not wait_until(lambda: len(room.spool.names("quarantine")) == FLOOD, 90):
        wrong.append("%d of %d are put aside" % (len(room.spool.names("quarantine")), FLOOD))
    if len(room.spool.names("dead")) != FLOOD:
        wrong.append("%d reports" % len(room.spool.names("dead")))
    r = room.spool.q("dlq", "purge", "--yes", seconds=30)
    if r.code != 0 or room.spool.names("quarantine") or room.spool.names("dead"):
        wrong.append("dlq purge: exit %s, %r" % (r.code, r.err[:200]))
    return wrong + room.end()


def heavy_documents(work):
    """A batch of documents that take long to read: a job that is due is started in between."""
    room = Room(work, "heavy")
    text = '{"command":"true",%s,"00000":1}' % ",".join('"%05x":1' % i for i in range(95000))
    os.mkdir(room.work + "/many")
    for i in range(HEAVY):
        room.file("many/%d" % i, text)
    room.file("good", '{"command":"date +%%s%%N >%s/begun"}' % room.work)
    for i in range(HEAVY):
        os.rename("%s/many/%d" % (room.work, i), room.pending("x%d.json" % i))
    # The pool is at the first ones.
    wait_until(lambda: not os.path.exists(room.pending("x0.json")), ENDS_SECONDS)
    dropped = time.time_ns()
    os.rename(room.work + "/good", room.pending(CANONICAL % "good"))
    wrong = []
    if not room.is_done("good"):
        wrong.append("the good job is not done")
    else:
        with open(room.work + "/begun") as f:
            took = (int(f.read()) - dropped) / 1e9
        if took > HEAVY_SECONDS:
            wrong.append("the good job began after %.1f s" % took)
    if not wait_until(lambda: len(room.spool.names("quarantine")) == HEAVY, 60):
        wrong.append("%d of %d are put aside" % (len(room.spool.names("quarantine")), HEAVY))
    return wrong + room.end()


def folder_of_files(work):
    """A folder with a thousand files, dropped as one: put aside whole, purged whole."""
    room = Room(work, "folder")
    folder = room.work + "/folder"
    os.mkdir(folder)
    for i in range(1000):
        room.file("folder/f%d.json" % i, room.job("inside"))
    was = snapshot(folder)
    os.rename(folder, room.pending("x.json"))
    aside = room.spool.at("quarantine", "x.json")
    wrong = [] if wait_until(lambda: os.path.isdir(aside), 40) else ["it is not put aside"]
    if not wrong and snapshot(aside) != was:
        wrong.append("it changed")
    r = room.spool.q("dlq", "purge", "--yes")
    if r.code != 0 or os.path.lexists(aside):
        wrong.append("dlq purge: exit %s, %r" % (r.code, r.err))
    if room.runs("inside"):
        wrong.append("a file inside ran")
    return wrong + room.end()


# --- what others' folders are for ------------------------------------------------------------


def links_to_our_files(work):
    """Second names of files in ids/, workers/ and control/, put into pending/."""
    room = Room(work, "links")
    spool = room.spool
    room.keep_running("busy")
    with open(spool.at("control", "note"), "w"):
        pass
    ours = [spool.at("ids", "busy"), spool.at("control", "note")]
    ours += [spool.at("workers", os.fsdecode(f)) for f in spool.names("workers")]
    for i, path in enumerate(ours):
        os.link(path, room.pending("l%d.json" % i))
        os.link(path, room.pending(CANONICAL % ("l%d" % i)))
    wrong = []
    if not wait_until(lambda: len(spool.names("quarantine")) == 2 * len(ours), 60):
        wrong.append("%d of %d are put aside; pending: %s" % (
            len(spool.names("quarantine")), 2 * len(ours), spool.names("pending")))
    if spool.ran("true") is None:
        wrong.append("a good job did not run")
    wrong += room.wrong_reports()
    if spool.q("dlq", "purge", "--yes").code != 0:
        wrong.append("dlq purge failed")
    if spool.workers() != room.workers:
        wrong.append("the workers are not known any more")
    if spool.names("processing") == []:
        wrong.append("the running job was lost")
    room.end_run()
    if not room.is_done("busy"):
        wrong.append("the running job did not end well")
    return wrong + room.end()


def full_folder(path, room):
    os.mkdir(path)
    with open(path + "/file", "w"):
        pass


def put_socket(path, room):
    short = room.work + "/s"
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(short)
    os.rename(short, path)


def put_sparse(path, room):
    with open(path, "wb") as f:
        f.truncate(1 << 40)


KINDS = {
    "folder": full_folder,
    "pipe": lambda path, room: os.mkfifo(path),
    "link": lambda path, room: os.symlink(room.canary, path),
    "dangling": lambda path, room: os.symlink(room.work + "/nothing", path),
    "socket": put_socket,
    "sparse": put_sparse,
}

# Where nobody drops jobs, and where an odd thing must be in nobody's way.
HARMLESS = [
    "control/cancel.x", "control/stop." + DEAD, "control/" + "n" * 255, "workers/%s.pool" % DEAD,
    "workers/%s.worker" % DEAD, "workers/x", "workers/" + "w" * 255, "tmp/%s.1" % DEAD,
    "tmp/%s.2.batch" % DEAD, "tmp/.x", "ids/y", "ids/-", "ids/" + "i" * 255, "quarantine/y.json",
    "done/y.json", "dead/z.json", "done/x", "processing/x.json", "worker.log.1", "queuectl.ini",
    "20200101T000000.000000Z.p0.a0.v.json", "journal/x",
    "failed/20200101T000000.000000Z.p0.a0.v.json",
    "processing/20200101T000000.000000Z.p0.a1.w%s.u.json" % DEAD,
]


def ends(room, wrong, *args):
    r = room.spool.q(*args, seconds=ENDS_SECONDS)
    if r.code is None:
        wrong.append("%s does not end" % " ".join(args))
    wrong += ["%s prints raw: %s" % (args[0], w) for w in raw(r.err)]
    return r


def at_work(room):
    """Every command ends, a job runs, nothing outside is touched, the workers stop."""
    wrong = []
    if ends(room, wrong, "worker", "start", "--count", "1").code != 0:
        wrong.append("no worker starts")
    for words in ("status", "list", "dlq list", "fsck", "show y", "logs y", "config list",
                  "pause", "resume", "worker list"):
        ends(room, wrong, *words.split())
    for name in ("w", "t"):
        if ends(room, wrong, "enqueue", "--wait", "--id", name, "--command", "echo hi").code != 0:
            wrong.append("a job does not end well")
    if ends(room, wrong, "worker", "stop").code != 0:
        wrong.append("the workers do not stop")
    return wrong + room.wrong_canary()


def harmless(work, kind):
    room = Room(work, "harmless-" + kind, workers=0)
    for place in HARMLESS:
        KINDS[kind](room.spool.at(place), room)
    return at_work(room)


def in_the_way(work, place, kind, name):
    """An odd thing just where the queue wants to write."""
    room = Room(work, "way-%s-%s" % (name, kind), workers=0)
    KINDS[kind](room.spool.at(place), room)
    return at_work(room)


def journal_file(kind):
    return "journal/%s.jsonl" % time.strftime("%Y-%m-%d", time.gmtime())


def pause_switch(work, kind):
    """Whatever is called control/pause pauses; resume takes it away or names it."""
    room = Room(work, "pause-" + kind)
    KINDS[kind](room.spool.at("control", "pause"), room)
    wrong = []
    if not room.spool.status()["paused"]:
        wrong.append("status does not say paused")
    r = ends(room, wrong, "resume")
    if r.code != 0 and b"control/pause" not in r.err:
        wrong.append("it does not say what is in the way: %r" % r.err)
    if r.code == 0 and room.spool.ran("true", seconds=ENDS_SECONDS) is None:
        wrong.append("resumed, and nothing runs")
    return wrong + room.end()


def id_file(work, kind):
    """Something odd in ids/: that id is refused in words, dropped or enqueued; others run."""
    room = Room(work, "id-" + kind)
    spool = room.spool
    KINDS[kind](spool.at("ids", "x"), room)
    wrong = []
    r = ends(room, wrong, "enqueue", "--id", "x", "--command", "true")
    if r.code not in (0, None) and b"ids/x" not in r.err:
        wrong.append("it does not say what is in the way: %r" % r.err)
    room.file("new", room.job("x2", ',"id":"%s"' % "x"))
    os.rename(room.work + "/new", room.pending("x.json"))
    if spool.ran("true") is None:
        wrong.append("others do not run")
    if spool.names("pending") and r.code != 0 and b"ids/x" not in room.read("worker.log"):
        wrong.append("the log does not say what is in the way: %r" % room.read("worker.log")[-200:])
    return wrong + room.end()


def result_in_the_way(work, kind):
    """done/ID.json is something odd when ID ends: put aside; then ID can be deleted."""
    room = Room(work, "result-" + kind)
    spool = room.spool
    room.keep_running("x")
    path = spool.at("done", "x.json")
    KINDS[kind](path, room)
    was = inode(path)
    room.end_run()
    wrong = []
    if not wait_until(lambda: not spool.names("processing"), 5):
        wrong.append("the job does not end")
    if was not in [inode(spool.bytes_at("quarantine", f)) for f in spool.names("quarantine")]:
        wrong.append("what was there is not in quarantine/")
    if ends(room, wrong, "delete", "x", "--yes").code != 0:
        wrong.append("it cannot be deleted")
    return wrong + room.end()


def delete_odd(work, kind):
    """What is no document in done/ can be deleted, like any other that fsck finds."""
    room = Room(work, "delete-" + kind)
    KINDS[kind](room.spool.at("done", "x.json"), room)
    wrong = []
    r = ends(room, wrong, "delete", "x", "--yes")
    if r.code != 0 or os.path.lexists(room.spool.at("done", "x.json")):
        wrong.append("delete: exit %s, %r" % (r.code, r.err))
    return wrong + room.end()


def lost_run_of_an_odd_worker(work, kind):
    """A run whose worker's file in workers/ is something odd is recovered all the same."""
    room = Room(work, "lost-" + kind, workers=0)
    spool = room.spool
    KINDS[kind](spool.at("workers", DEAD + ".worker"), room)
    room.file("new", room.job("lost", ',"id":"lost"'))
    os.rename(room.work + "/new", spool.at(
        "processing", "20200101T000000.000000Z.p0.a1.w%s.lost.json" % DEAD))
    spool.must("worker", "start", "--count", "1")
    room.workers = spool.workers()
    wrong = []
    if not wait_until(lambda: room.runs("lost") == 1, ENDS_SECONDS):
        wrong.append("it does not run; processing/: %s" % spool.names("processing"))
    return wrong + room.end()


def pool_reads(room):
    """read(2) calls of the pool so far: each round of its loop that an event began has some,
    and unlike processor time they do not hang on what else the machine does."""
    pool = room.spool.status()["workers"][0]["pool"]
    with open("/proc/%d/io" % pool) as f:
        return int(dict(line.split(": ") for line in f)["syscr"])


def waits_quietly(room, what):
    """Over a second, a pool with nothing to do but wait does and says next to nothing."""
    seen = [pool_reads(room)]

    def settled():
        seen.append(pool_reads(room))
        return seen[-1] == seen[-2]
    wait_until(settled, ENDS_SECONDS, 0.3)
    did, said = pool_reads(room), len(room.read("worker.log"))
    time.sleep(1)
    did, said = pool_reads(room) - did, len(room.read("worker.log")) - said
    wrong = []
    if did > QUIET_READS:
        wrong.append("%s: the pool reads %d times a second" % (what, did))
    if said > QUIET_BYTES:
        wrong.append("%s: worker.log grows by %d bytes a second" % (what, said))
    return wrong


def quiet_while_it_runs(work, name):
    """The file of a run, taken by an operator: it waits for the run's end."""
    room = Room(work, "quiet-" + str(len(name)))
    spool = room.spool
    room.keep_running("y")
    os.rename(spool.bytes_at("processing", spool.names("processing")[0]),
              os.fsencode(room.pending(name)))
    wrong = waits_quietly(room, "it waits for its first run to end")
    if spool.q("wait", "y", "--timeout", "0.2").code != 124:
        wrong.append("while it runs, `wait` does not wait for it")
    room.end_run()
    if not room.is_done("y"):
        wrong.append("it does not end well")
    return wrong + room.end()


def quiet_at_an_odd_id(work, name):
    """An id that cannot be locked is tried now and then, not all the time."""
    room = Room(work, "odd-id-" + str(len(name)))
    full_folder(room.spool.at("ids", "x"), room)
    room.file("new", room.job("x", ',"id":"x"'))
    os.rename(room.work + "/new", room.pending(name))
    return waits_quietly(room, "ids/x is a folder") + room.end()


def quiet_beside(work, kind):
    """Odd things that stay in pending/ cost nothing."""
    room = Room(work, "beside-" + kind)
    for i in range(50):
        KINDS[kind](room.pending(".h%d.json" % i), room)
        KINDS[kind](room.pending("held.p0.a0.h%d.json" % i), room)
    return waits_quietly(room, "fifty held") + room.end()


def verbs_on_odd(work, kind):
    """Every verb ends, on what is no document in any state, and follows nothing."""
    room, wrong = Room(work, "verbs-" + kind), []
    for folder, name in [("pending", "held.p0.a0.%s.json"), ("failed", "held.p0.a0.%s.json"),
                         ("done", "%s.json"), ("dead", "%s.json")]:
        for verb in ("show", "logs", "hold", "release", "retry", "cancel", "edit", "delete",
                     "dlq show", "dlq retry"):
            identity = "%s-%s" % (folder, verb.replace(" ", "-"))
            KINDS[kind](room.spool.at(folder, name % identity), room)
            more = {"edit": ["--priority", "1"], "delete": ["--yes"]}.get(verb, [])
            ends(room, wrong, *verb.split(), identity, *more)
    if not wait_until(lambda: not [f for f in room.spool.names("pending")
                                   if not f.startswith(b"held")], 5):
        wrong.append("pending/: %s" % room.spool.names("pending"))
    if room.spool.ran("true") is None:
        wrong.append("a good job does not run")
    return wrong + room.end()


def dead_takers_files(work):
    """A taker died between two renames: its files get their names back, whatever they are."""
    room = Room(work, "takers", workers=0)
    for name in ("a", "b"):
        room.file("new", room.job(name))
        os.rename(room.work + "/new", room.pending(".%s.%s.json" % (DEAD, name)))
    room.file("new", room.job("b"))
    os.rename(room.work + "/new", room.pending("b.json"))
    os.mkfifo(room.pending(".%s.pipe.json" % DEAD))
    os.symlink(room.canary, room.pending(".%s.link.json" % DEAD))
    full_folder(room.pending(".%s.folder.json" % DEAD), room)
    room.spool.must("worker", "start", "--count", "1")
    room.workers = room.spool.workers()
    wrong = []
    if not wait_until(lambda: room.runs("a") == 1 and room.runs("b") == 2, 90):
        wrong.append("runs: a %d, b %d" % (room.runs("a"), room.runs("b")))
    if not wait_until(lambda: sorted(room.spool.reports()) == [
            b"folder.json", b"link.json", b"pipe.json"], 40):
        wrong.append("reports: %s" % sorted(room.spool.reports()))
    return wrong + room.end()


def false_reports(work):
    """A report that leads out of quarantine/ removes and moves nothing outside it."""
    room = Room(work, "reports")
    keep = room.spool.at("done", "keep.json")
    with open(keep, "w") as f:
        f.write(room.job("keep", ',"id":"keep"'))
    was = snapshot(keep)
    names = ["..", ".", "../done/keep.json", room.canary, "../../canary", keep, "",
             "a\\u0000b", "../quarantine"]
    for verb in ("retry", "purge"):
        for i, name in enumerate(names):
            with open(room.spool.at("dead", "%s%d.json" % (verb, i)), "w") as f:
                f.write('{"id":"%s%d","quarantined":"%s","last_error":"x"}' % (verb, i, name))
    wrong = []
    for i in range(len(names)):
        ends(room, wrong, "dlq", "retry", "retry%d" % i)
        ends(room, wrong, "delete", "purge%d" % i, "--yes")
    ends(room, wrong, "dlq", "purge", "--yes")
    if not os.path.exists(keep) or snapshot(keep) != was:
        wrong.append("done/keep.json was touched")
    return wrong + room.end()


def alone():
    """Attacks that need the machine for themselves: (what, function)."""
    yield ("link, pipe, file under one foreign name: good jobs run, nothing outside does",
           lambda w: kinds_under_one_name(w, "kinds", "x.json"))
    yield ("... and under one of the queue's own",
           lambda w: kinds_under_one_name(w, "kinds-own", CANONICAL % "x"))
    yield "a file renamed under 1000 names while it is written runs once", one_file_many_names
    yield "150 files that change between own and foreign names run once each", own_name_and_foreign
    yield ("%d pipes do not stop a good job, and are purged" % FLOOD,
           lambda w: flood(w, "pipes", lambda path, i: os.mkfifo(path), PROMPT_SECONDS))
    yield "%d documents of 1 MiB do not keep a job waiting that is due" % HEAVY, heavy_documents


def together():
    """Attacks that mostly wait."""
    yield "a folder of a thousand files is put aside whole, and purged", folder_of_files
    yield "second names of files in ids/, workers/, control/ do no harm", links_to_our_files
    yield "files of a dead taker get their names back", dead_takers_files
    yield "reports that lead out of quarantine/ lead nowhere", false_reports
    for name in ("any.json", CANONICAL % "y"):
        yield ("a run's file as pending/%s waits quietly" % name,
               lambda w, n=name: quiet_while_it_runs(w, n))
    for name in ("x.json", CANONICAL % "x"):
        yield ("an id that is a folder, dropped as %s, is tried quietly" % name,
               lambda w, n=name: quiet_at_an_odd_id(w, n))
    for kind in ("folder", "pipe", "link"):
        yield "a hundred times a %s beside costs nothing" % kind, lambda w, k=kind: quiet_beside(w, k)
    for kind in KINDS:
        yield ("every verb ends where a job's file is a %s" % kind,
               lambda w, k=kind: verbs_on_odd(w, k))
    for kind in KINDS:
        yield ("a %s in every place that is not for dropping: all goes on" % kind,
               lambda w, k=kind: harmless(w, k))
    for kind in KINDS:
        yield ("control/pause is a %s: paused, resumed or said" % kind,
               lambda w, k=kind: pause_switch(w, k))
    for kind in KINDS:
        yield "ids/x is a %s: said, and others run" % kind, lambda w, k=kind: id_file(w, k)
    for kind in ("folder", "pipe", "link", "socket"):
        yield ("the journal's file is a %s: jobs run, commands end" % kind,
               lambda w, k=kind: in_the_way(w, journal_file(k), k, "journal"))
        yield ("a log's name is taken by a %s: the job ends all the same" % kind,
               lambda w, k=kind: in_the_way(w, "logs/w.r1.out", k, "log"))
        yield ("done/ID.json is a %s when ID ends: put aside" % kind,
               lambda w, k=kind: result_in_the_way(w, k))
        yield "a %s as done/ID.json can be deleted" % kind, lambda w, k=kind: delete_odd(w, k)
        yield ("workers/TOKEN is a %s: its run is recovered" % kind,
               lambda w, k=kind: lost_run_of_an_odd_worker(w, k))


def attempt(attack, work):
    begin = time.monotonic()
    try:
        wrong = attack(work)
    except Exception as e:  # one attack must not hide the others
        wrong = ["%s: %s" % (type(e).__name__, e)]
    return wrong, time.monotonic() - begin


def run(tap, work):
    for what, attack in alone():
        wrong, took = attempt(attack, work)
        tap.check("%s (%.1f s)" % (what, took), wrong)
    with ThreadPoolExecutor(4) as threads:
        jobs = [(what, threads.submit(attempt, attack, work)) for what, attack in together()]
        for what, job in jobs:
            tap.check(what, job.result()[0])
