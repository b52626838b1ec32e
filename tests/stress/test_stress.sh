#!/bin/bash
# test_stress.sh: 10,000 jobs, enqueued by 8 processes while 4 pools work them
# off: each is run once, and nothing is left behind.  Prints TAP.
#
# JOBS_EACH, by each of the 8 (1250): four fifths in batches, the rest one by one.
# shellcheck disable=SC2317 # functions that a trap or check() calls
set -u
: "${QUEUECTL_BIN:=$(cd "$(dirname "$0")/../.." && pwd)/build/queuectl}"
JOBS_EACH=${JOBS_EACH:-1250} PRODUCERS=8 POOLS=4 SECONDS_MAX=${SECONDS_MAX:-240}
TOTAL=$((JOBS_EACH * PRODUCERS))

name=stress
# shellcheck source=tests/stress/common.bash
. "$(dirname "${BASH_SOURCE[0]}")/common.bash"

trap finish EXIT
trap 'exit 130' INT TERM

jobs_named() { # from, to, prefix
    seq -f "$3%g" "$1" "$2" | sed "s|.*|{\"id\":\"&\",\"command\":\"echo & >>$work/ran\"}|"
}

produce() { # its number
    local i batch=$((JOBS_EACH / 25)) many=$((JOBS_EACH * 4 / 5))
    for ((i = 1; i <= many; i += batch)); do
        jobs_named $i $((i + batch - 1 < many ? i + batch - 1 : many)) "p$1." | q enqueue --batch -
    done >"acked.$1"
    for ((i = many + 1; i <= JOBS_EACH; i++)); do
        q enqueue "$(jobs_named $i $i "p$1.")"
    done >>"acked.$1"
}

all_acked() { [ "$(sort -u acked.* | wc -l)" = "$TOTAL" ]; }
all_ended() { q wait --all --timeout $((SECONDS_MAX - SECONDS)); }
each_once() { sort ran | cmp - <(sort acked.*); }
all_done() { [ "$(q status --json | jq -c .counts)" = "{\"pending\":0,\"processing\":0,\"failed\":0,\"done\":$TOTAL,\"dead\":0}" ]; }
shared() { # every pool had its part
    jq -r .worker spool/done/*.json | sort | uniq -c
    [ "$(jq -r .worker spool/done/*.json | sort -u | wc -l)" = $((POOLS * 2)) ]
}
attempts() { # one each
    [ "$(find spool/done -name '*.json' -print0 | xargs -0 jq -c '[.attempts, .runs, .exit_code]' |
        sort -u)" = '[1,1,0]' ]
}
nothing_left() {
    find spool/pending spool/processing spool/failed spool/dead spool/tmp spool/control \
        spool/quarantine spool/workers spool/logs -mindepth 1
    [ -z "$(cat check.out)" ] && [ "$(find spool/ids -type f | wc -l)" = "$TOTAL" ]
}
no_process() {
    show_ours
    [ -z "$(cat check.out)" ]
}

echo 1..10
q init "$QUEUECTL_SPOOL" >/dev/null || exit 1
for ((i = 0; i < POOLS; i++)); do
    q worker start --count 2 >/dev/null 2>&1 || exit 1
done
producers=()
for ((i = 1; i <= PRODUCERS; i++)); do
    produce $i &
    producers+=($!)
done
wait "${producers[@]}"
check "$TOTAL jobs are acknowledged" all_acked
check "all end" all_ended
check "each was run once" each_once
check "all are done" all_done
check "each with one attempt" attempts
check "all workers had a part" shared
check "fsck finds nothing while the pools live" q fsck
check "the pools stop" timeout 30 "$QUEUECTL_BIN" worker stop
check "nothing is left in the spool" nothing_left
check "no process is left" no_process
echo "# $SECONDS s"
exit $failed
