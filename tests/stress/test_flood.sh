#!/bin/bash
# test_flood.sh: 10,000 files dropped at once, by processes that move, copy and
# link, a tenth of them rubbish, while other jobs wait: each good one is run once,
# each bad one is in quarantine/, and nothing is left behind.  Prints TAP.
#
# FILES (10000), a quarter from each producer.
# shellcheck disable=SC2317 # functions that a trap or check() calls
set -u
: "${QUEUECTL_BIN:=$(cd "$(dirname "$0")/../.." && pwd)/build/queuectl}"
FILES=${FILES:-10000} WAITING=1000 SECONDS_MAX=${SECONDS_MAX:-240}

name=flood
# shellcheck source=tests/stress/common.bash
. "$(dirname "${BASH_SOURCE[0]}")/common.bash"

trap finish EXIT
trap 'exit 130' INT TERM

# ready/PRODUCER/*.json; the ids of the good in `good`, the names of the bad in `bad`.
prepare() {
    python3 - "$FILES" "$WAITING" <<'PY'
import json, os, sys
files, waiting = map(int, sys.argv[1:])
RAN = ["sh", "-c", "echo $QUEUECTL_JOB_ID >>%s/ran" % os.getcwd()]
good, bad = open("good", "w"), open("bad", "w")
for i in range(waiting):
    good.write("w%d\n" % i)
    print(json.dumps({"id": "w%d" % i, "argv": RAN}))
rubbish = ["no job at all", '{"id":"x"}', '{"argv":["true"],"priority":"soon"}', '{"argv":["tr', ""]
producers = ["mv", "mv2", "cp", "ln"]
for p in producers:
    os.makedirs("ready/" + p)
for i in range(files):
    p = producers[i % len(producers)]
    name = "%s-%05d.json" % (p, i)
    path = "ready/%s/%s" % (p, name)
    if i // len(producers) % 10:
        good.write("j%d\n" % i)
        text = json.dumps({"id": "j%d" % i, "argv": RAN})
    else:
        bad.write(name + "\n")
        kind = i // len(producers) // 10 % (len(rubbish) + 2)
        if kind < len(rubbish):
            text = rubbish[kind]
        elif kind == len(rubbish) or p in ("cp", "ln"):
            text = json.dumps({"id": "w%d" % (i % waiting), "argv": RAN}) # in use
        else:
            os.symlink("/dev/null", path)
            continue
    with open(path, "w") as f:
        f.write(text)
PY
}

produce() { # how
    local from=ready/$1
    case $1 in
    mv*) mv -t spool/pending "$from"/*.json ;;
    cp) cp -t spool/pending "$from"/*.json ;;
    ln) ln -t spool/pending "$from"/*.json ;;
    esac
    rm -rf "$from" # of the links, the first names
}

ended() { [ "$(find spool/quarantine -name '*.json' | wc -l)" -ge "$(wc -l <bad)" ] && q wait --all --timeout 1s; }
all_ended() {
    until ended; do
        if ((SECONDS >= SECONDS_MAX)); then
            q status
            return 1
        fi
        sleep 0.1
    done
}
each_once() { sort ran | diff - <(sort good); }
one_run() { # of each
    [ "$(find spool/done -name '*.json' -print0 | xargs -0 jq -c '[.runs, .exit_code]' | sort -u)" = '[1,0]' ]
}
quarantined() { find spool/quarantine -type f -printf '%f\n' -o -type l -printf '%f\n' | sort | diff - <(sort bad); }
reported() { find spool/dead -name '*.json' -print0 | xargs -0 jq -r .quarantined | sort | diff - <(sort bad); }
nothing_left() {
    find spool/pending spool/processing spool/failed spool/tmp spool/control spool/workers spool/logs -mindepth 1
    [ -z "$(cat check.out)" ] && [ "$(find spool/ids -type f | wc -l)" = $(($(wc -l <good) + $(wc -l <bad))) ]
}
no_process() {
    show_ours
    [ -z "$(cat check.out)" ]
}

echo 1..9
q init "$QUEUECTL_SPOOL" >/dev/null || exit 1
prepare | q enqueue --batch - >/dev/null || exit 1
q worker start --count 2 >/dev/null 2>&1 || exit 1
q worker start --count 2 >/dev/null 2>&1 || exit 1
producers=()
for how in mv mv2 cp ln; do
    produce $how &
    producers+=($!)
done
wait "${producers[@]}"
check "all are taken in, and end" all_ended
check "each good one ran once" each_once
check "with one run each in its record" one_run
check "each bad one is in quarantine" quarantined
check "and has one report" reported
check "fsck finds nothing while the pools live" q fsck
check "the pools stop" timeout 30 "$QUEUECTL_BIN" worker stop
check "nothing is left in the spool" nothing_left
check "no process is left" no_process
echo "# $SECONDS s"
exit $failed
