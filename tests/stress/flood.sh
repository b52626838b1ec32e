#!/bin/bash
# flood.sh [DIR]: how fast dropped files are taken in, and what else goes on
# meanwhile.  In DIR (/dev/shm), in a spool of its own that is removed again.
# Nothing is judged: it prints a table.
#
#   FILES=10000     how many are dropped, by one loop of rename(2)
#   WAITING=2000    jobs that wait before the flood; as many as it lasts are better
#   WORKERS=2
#   QUEUECTL_BIN    the program under test
#
#   paused          the queue is paused: the intake alone
#   alone           the waiting jobs without a flood
#   flooded         the waiting jobs while FILES are taken in; ten jobs of high
#                   priority are enqueued meanwhile, and the worst start is told
# shellcheck disable=SC2317 # functions that a trap calls
set -u
: "${QUEUECTL_BIN:=$(cd "$(dirname "$0")/../.." && pwd)/build/queuectl}"
export QUEUECTL_BIN FILES=${FILES:-10000} WAITING=${WAITING:-2000} WORKERS=${WORKERS:-2}

name=flood
[ $# = 0 ] || FLOOD_BASE=$(cd "$1" && pwd) || exit 1
# shellcheck source=tests/stress/common.bash
. "$(dirname "${BASH_SOURCE[0]}")/common.bash"
if [ -n "${FLOOD_BASE:-}" ]; then
    rmdir "$work"
    work=$(mktemp -d "$FLOOD_BASE/queuectl-flood.XXXXXX") && cd "$work" || exit 1
    export QUEUECTL_SPOOL=$work/spool
fi

finish() {
    timeout 60 "$QUEUECTL_BIN" worker stop --now >/dev/null 2>&1
    end_ours
    cd / && rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

q init "$QUEUECTL_SPOOL" >/dev/null || exit 1
q config set durability never 2>/dev/null
# One thread prepares, drops, watches and reckons, and mostly sleeps.
python3 -u - <<'PY'
import datetime, glob, json, os, subprocess, time

QUEUECTL, FILES = os.environ["QUEUECTL_BIN"], int(os.environ["FILES"])
WAITING, WORKERS = int(os.environ["WAITING"]), os.environ["WORKERS"]
JOB = '{"argv":["true"],"priority":%d}'


def q(*args, text=None):
    return subprocess.run([QUEUECTL, *args], input=text, check=True, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout


def prepare(prefix):
    os.makedirs("ready", exist_ok=True)
    for i in range(FILES):
        with open("ready/%s%06d.json" % (prefix, i), "w") as f:
            f.write(JOB % -10)
    os.sync()


def drop(prefix):
    for i in range(FILES):
        f = "%s%06d.json" % (prefix, i)
        os.rename("ready/" + f, "spool/pending/" + f)


# The last of those that are left is looked at, until it goes: little is read.
def until_taken(prefix, meanwhile=None):
    left = ["spool/pending/%s%06d.json" % (prefix, i) for i in range(FILES)]
    while left:
        while left and not os.path.exists(left[-1]):
            left.pop()
        if meanwhile:
            meanwhile()
        time.sleep(0.005)
    return time.time()


def when(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def jobs(prefix, member):
    for f in glob.glob("spool/done/" + prefix + "*.json"):
        with open(f) as text:
            job = json.load(text)
        yield job["id"], when(job["created_at"]), when(job[member])


def enqueue_waiting(prefix, n):
    q("enqueue", "--batch", "-", text="".join('{"id":"%s%d","argv":["true"]}\n' % (prefix, i)
                                              for i in range(n)))


def paused():
    q("pause")
    prepare("p")
    begin = time.time()
    drop("p")
    dropped = time.time()
    end = until_taken("p")
    print("paused:  %d dropped in %.2f s, taken in after %.2f s: %.0f a second"
          % (FILES, dropped - begin, end - begin, FILES / (end - begin)))


def alone():
    enqueue_waiting("a", WAITING)
    begin = time.time()
    q("resume")
    q("wait", *["a%d" % i for i in range(WAITING)])
    ends = sorted(t for _, _, t in jobs("a", "finished_at"))
    rate = len(ends) / (ends[-1] - begin)
    print("alone:   %d waiting jobs done, %.0f a second" % (len(ends), rate))
    return rate


def flooded(rate):
    prepare("f")
    enqueue_waiting("w", WAITING)
    asked = []

    def enqueue_urgent():
        if len(asked) < 10 and time.time() > begin + 0.1 * (len(asked) + 1):
            q("enqueue", "--id", "urgent%d" % len(asked), "--priority", "50", "--", "true")
            asked.append(1)

    q("resume")
    begin = time.time()
    drop("f")
    end = until_taken("f", enqueue_urgent)
    q("wait", *["w%d" % i for i in range(WAITING)])
    q("wait", *["urgent%d" % i for i in range(len(asked))])
    ends = [t for _, _, t in jobs("w", "finished_at")]
    until = min(end, max(ends))
    done = sum(begin <= t <= until for t in ends)
    during = done / (until - begin)
    starts = sorted(s - c for _, c, s in jobs("urgent", "started_at"))
    print("flooded: %d taken in after %.2f s: %.0f a second" % (FILES, end - begin,
                                                                 FILES / (end - begin)))
    print("         %d waiting jobs done in %.2f s of it: %.0f a second, %.2f of the rate alone"
          % (done, until - begin, during, during / rate))
    if starts:
        print("         %d urgent jobs started after %.0f ms at worst, %.0f ms in the middle"
              % (len(starts), 1000 * starts[-1], 1000 * starts[len(starts) // 2]))


def clear():
    q("worker", "stop")
    subprocess.run("find spool/pending spool/done spool/ids -name '*[a-z0-9]*' -type f -delete",
                   shell=True, check=True)
    q("worker", "start", "--count", WORKERS)


q("worker", "start", "--count", WORKERS)
paused()
clear()
rate = alone()
q("pause")
clear()
flooded(rate)
PY
