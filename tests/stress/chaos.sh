#!/bin/bash
# chaos.sh: random kill -9 on pools and workers under load, for SECONDS_OF_CHAOS
# (60) seconds.  Afterwards:
#
#   every acknowledged job is in exactly one of done/ and dead/, and nothing else
#     is anywhere
#   no two runs of a job were alive at once: each run locks (flock) a file of its
#     job, which all its processes hold; one that cannot get it says so
#   no run was made twice: a run's number is never seen a second time
#   every start is recorded: a job's `runs` is not less than the starts seen
#   fsck finds nothing, no process is left, nothing lies in tmp/
#
# Prints what was done and found; exit 1 if any of this is not so.  RANDOM_SEED
# repeats the choices (not the timing); KEEP=1 keeps the folder.
# shellcheck disable=SC2317 # functions that a trap or check() calls
set -u
: "${QUEUECTL_BIN:=$(cd "$(dirname "$0")/../.." && pwd)/build/queuectl}"
SECONDS_OF_CHAOS=${SECONDS_OF_CHAOS:-60}
RANDOM_SEED=${RANDOM_SEED:-$$}
POOLS=3 WORKERS=3 PRODUCERS=3

name=chaos
# shellcheck source=tests/stress/common.bash
. "$(dirname "${BASH_SOURCE[0]}")/common.bash"

finish() {
    touch over
    timeout 30 "$QUEUECTL_BIN" worker stop --now >/dev/null 2>&1
    end_ours
    cd / || return
    if [ "${KEEP:-}" = 1 ]; then
        echo "kept: $work"
    else
        rm -rf "$work"
    fi
}
trap finish EXIT
trap 'exit 130' INT TERM

# -- the load ------------------------------------------------------------------

mkdir locks
cat >job <<'SH'
#!/bin/sh
exec 9>>"locks/$QUEUECTL_JOB_ID"
if ! flock -n 9; then
    echo "$QUEUECTL_JOB_ID run $QUEUECTL_RUN" >>overlaps
    exit 1
fi
echo "$QUEUECTL_JOB_ID $QUEUECTL_RUN" >>starts
case $1 in
quick) exit 0 ;;
fail) echo "not today" >&2; exit 1 ;;
flaky) [ "$QUEUECTL_ATTEMPT" -gt 1 ] ;;
slow) sleep 0.5 ;;
children) (sleep 0.4 &) ; setsid sleep 0.6 & nohup sleep 0.3 >/dev/null & sleep 0.2 ;;
stubborn) trap "" TERM; (sleep 0.7 & sleep 0.2; wait) & sleep 0.2; wait ;;
alone) env -i setsid /bin/sleep 0.6 & wait ;; # only the id's lock tells whose that is
endless) sleep 100 & sleep 100 ;;
esac
SH
chmod 755 job

document() { # id
    local options='"max_retries":2,"backoff_base":1' kind
    case $((RANDOM % 16)) in
    0) kind=fail ;;
    1) kind=flaky ;;
    2) kind=slow ;;
    3) kind=children ;;
    4) kind=stubborn ;;
    5) kind=alone ;;
    6) kind=endless options+=',"timeout":0.3' ;;
    7) kind=slow options+=',"on_crash":"dead"' ;;
    *) kind=quick ;;
    esac
    document="{\"id\":\"$1\",\"argv\":[\"./job\",\"$kind\"],$options}"
}

# Some calls are killed too: what they said counts, whatever they did.  With much
# waiting already it waits too, so that the end is not long in coming.
produce() { # its number
    local n=0 document
    RANDOM=$((RANDOM_SEED + $1))
    until [ -e over ]; do
        n=$((n + 1))
        document "p$1.$n"
        if ((RANDOM % 8)); then
            q enqueue "$document"
        else
            timeout -s KILL 0.00$((RANDOM % 10)) "$QUEUECTL_BIN" enqueue "$document"
        fi >>"acked.$1" 2>/dev/null
        sleep 0.0$((RANDOM % 6))
        while [ "$(find spool/pending spool/failed -type f | wc -l)" -gt 60 ] && [ ! -e over ]; do
            sleep 0.2
        done
    done
}

# -- the keeper and the killer -----------------------------------------------------

count_pools() { q worker list --json | jq '[.[].pool // empty] | unique | length'; }

keep() {
    until [ -e over ]; do
        if [ "$(count_pools)" -lt $POOLS ]; then
            timeout 20 "$QUEUECTL_BIN" worker start --count $WORKERS >/dev/null 2>>keeper.err
            [ $? != 124 ] || echo "a start took more than 20 s" >>hung
        fi
        sleep 0.1
    done
}

# Pids of the living by their locks, so that no other process is hit.
victims() { q worker list --json | jq -r "map(.$1 // empty) | unique | .[]"; }

slay() {
    local pids what
    RANDOM=$RANDOM_SEED
    until [ -e calm ]; do
        what=pid
        ((RANDOM % 4)) || what=pool
        mapfile -t pids < <(victims $what)
        if [ ${#pids[@]} -gt 0 ]; then
            kill -9 "${pids[RANDOM % ${#pids[@]}]}" 2>/dev/null && echo $what >>killed
        fi
        sleep 0.$((RANDOM % 3))$((RANDOM % 10))
    done
}

# -- the verdict -------------------------------------------------------------------

bad=0
verdict() { # what, file that must be empty
    if [ -s "$2" ]; then
        echo "NOT SO: $1"
        head -n 20 "$2" | sed 's/^/    /'
        bad=1
    else
        echo "so it is: $1"
    fi
}

where_jobs_are() {
    local d
    for d in pending processing failed "done" dead; do
        find "spool/$d" -type f -printf "$d %f\n"
    done | sed -E 's/^([a-z]+) (.*\.w[0-9a-f-]+\.|.*Z\.p-?[0-9]+\.a[0-9]+\.|held\.p-?[0-9]+\.a[0-9]+\.)?(.*)\.json$/\3 \1/' | sort
}

judge() {
    sort -u acked.* >acked
    where_jobs_are >places
    cut -d ' ' -f 1 places >ids
    comm -23 acked <(sort -u ids) >lost
    uniq -d ids >double
    grep -Ev ' (done|dead)$' places >elsewhere
    sort starts | uniq -d >repeated
    find spool/done spool/dead -name '*.json' -print0 | xargs -0 jq -r '"\(.id) \(.runs)"' |
        sort >runs
    cut -d ' ' -f 1 starts | sort | uniq -c | awk '{ print $2, $1 }' |
        join - runs | awk '$2 > $3 { print $1 ": " $2 " starts, " $3 " runs recorded" }' >unrecorded
    touch overlaps hung
    if q fsck >findings 2>&1; then : >findings; fi
    show_ours >processes
    find spool/tmp spool/workers spool/control spool/processing spool/quarantine -mindepth 1 >litter

    verdict "all that was enqueued ended within the time" waited
    verdict "no two runs of a job at once" overlaps
    verdict "no run was made twice" repeated
    verdict "every start is recorded" unrecorded
    verdict "no acknowledged job is lost" lost
    verdict "no job is in two places" double
    verdict "every job is in done/ or dead/" elsewhere
    verdict "fsck finds nothing" findings
    verdict "no process is left" processes
    verdict "nothing is left in the spool" litter
    verdict "every start of a pool came to an end" hung
    if [ ! -s killed ] || [ ! -s acked ]; then
        echo "NOT SO: there was chaos"
        bad=1
    fi
    echo "$(grep -c pool killed) pools and $(grep -c pid killed) workers killed," \
        "$(wc -l <acked) jobs acknowledged, $(wc -l <starts) starts," \
        "$(find spool/done spool/dead -name '*.json' -print0 | xargs -0 jq '.lost // 0' |
            awk '{ n += $1 } END { print n }') lost," \
        "$(grep -c ' done$' places) done, $(grep -c ' dead$' places) dead; seed $RANDOM_SEED"
}

q init "$QUEUECTL_SPOOL" >/dev/null || exit 1
q config set grace 300ms 2>/dev/null
helpers=()
keep &
helpers+=($!)
for ((i = 1; i <= PRODUCERS; i++)); do
    produce $i &
    helpers+=($!)
done
slay &
slayer=$!
sleep "$SECONDS_OF_CHAOS"
touch calm
wait $slayer
touch over
wait "${helpers[@]}" 2>/dev/null
# A start under way when it was over may have been the last pool's.
q worker start --if-none --count $WORKERS >/dev/null 2>&1
: >waited
q wait --all --timeout 60s >wait.out 2>&1
[ $? != 124 ] || q list >waited
# What the dead left in tmp/ is litter once it is over 5 s old.
while [ -n "$(find "$QUEUECTL_SPOOL/tmp" -type f -newermt '6 seconds ago')" ]; do sleep 0.1; done
q worker stop >/dev/null 2>&1
q worker start >/dev/null 2>&1
q worker stop >/dev/null 2>&1
judge
exit $bad
