#!/usr/bin/env bats
# Events are hints: what happens when they are lost, or cannot be had.  All of it
# must be over long before the safety look every 30 s.

load helper
load processes

WAIT_SEC=20
setup() {
    setup_spool
    q config set grace 300ms 2>/dev/null
}
teardown() {
    teardown_spool
    end_strays
}

drop() { # id
    echo "{\"id\":\"$1\",\"command\":\"true\"}" >"drop.$1"
    mv "drop.$1" "spool/pending/$1.json"
}

# -- overflow ----------------------------------------------------------------------

# More events than the kernel keeps; each file gives two.
flood() {
    local max
    max=$(cat /proc/sys/fs/inotify/max_queued_events 2>/dev/null || echo 16384)
    [ "$max" -le 100000 ] || skip "fs.inotify.max_queued_events is $max"
    seq -f "spool/$1/.flood.%.0f" $((max / 2 + 100)) | xargs touch
}

@test "jobs behind an overflow of events are seen at once" {
    start_workers 1
    pool=$(pools)
    kill -STOP "$pool"
    flood pending
    drop behind
    q enqueue --id queued --command true
    kill -CONT "$pool"
    wait_until is_state behind done
    wait_until is_state queued done
    find spool/pending -name '.flood.*' -delete
    # And events come again after it.
    since=$(now_ms)
    drop after
    wait_until is_state after done
    [ $(($(now_ms) - since)) -lt 10000 ] # far before the look that needs no event
}

@test "a switch, a setting and a death behind an overflow are seen at once" {
    start_workers 1
    pool=$(pools)
    start_workers 1
    other=$(pools | grep -vx "$pool")
    job runs '[ "$QUEUECTL_RUN" -gt 1 ] || sleep infinity'
    wait_until runs_job runs
    kill -STOP "$pool" "$other"
    flood pending
    # Both pools of the run's worker, so that it is for the other to recover it.
    worker=$(worker_of runs)
    owner=$(q worker list --json | jq --argjson w "$worker" '.[] | select(.pid == $w) | .pool')
    touch spool/control/pause
    printf 'timeout = 250ms\ngrace = 300ms\n' >spool/queuectl.ini
    kill -9 "$owner" "$worker"
    [ "$owner" = "$pool" ] && rest=$other || rest=$pool
    kill -CONT "$rest"
    recovered() { [ "$(field runs lost)" = 1 ]; }
    wait_until recovered
    is_state runs pending
    in_log "pool $rest: paused"
    wait_until in_log "pool $rest: new settings"
    rm spool/control/pause
    wait_until is_state runs done
    job slow 'sleep infinity' --max-retries 0
    wait_until is_state slow dead
}

# -- folders -----------------------------------------------------------------------

@test "pending/ replaced: the new one is watched, the old one's jobs are no longer taken" {
    start_workers 1
    job old true --delay 2s
    mv spool/pending pending.old
    mkdir -m 700 spool/pending
    drop new
    wait_until is_state new done
    drop another
    wait_until is_state another done
    q enqueue --id queued --command true
    wait_until is_state queued done
    [ -e "$(echo pending.old/*.old.json)" ]
    mv pending.old/*.old.json spool/pending/
    wait_until is_state old done
    q fsck
}

@test "pending/ away for a while: jobs run when it is back" {
    start_workers 1
    mv spool/pending away
    echo '{"id":"inside","command":"true"}' >away/inside.json
    wait_until in_log 'pending is missing'
    mv away spool/pending
    wait_until is_state inside done
    drop after
    wait_until is_state after done
}

@test "every folder replaced under running workers, even while a job runs" {
    start_workers 2
    job before true
    wait_until is_state before done
    job runs "$GATED"
    wait_until runs_job runs
    for d in pending failed done dead tmp logs control journal quarantine; do
        mv "spool/$d" "old.$d"
        mkdir -m 700 "spool/$d"
    done
    drop new
    wait_until is_state new done
    job fails 'exit 3' --max-retries 0
    wait_until is_state fails dead
    touch go
    wait_until is_state runs done
    touch spool/control/pause
    wait_until in_log 'paused'
    rm spool/control/pause
    wait_until in_log 'resumed'
    q fsck
}

# The pool has looked once more, and once more found it missing.
missed_again() { # folder
    local before
    before=$(grep -c "$1 is missing" spool/worker.log)
    missed_more() { [ "$(grep -c "$1 is missing" spool/worker.log)" -gt "$2" ]; }
    wait_until missed_more "$1" "$before"
}

@test "a folder replaced while another is away is taken up when that one is back" {
    start_workers 1
    job before true
    wait_until is_state before done
    mv spool/failed away
    wait_until in_log 'failed is missing'
    mv spool/pending pending.old
    mkdir -m 700 spool/pending
    missed_again failed
    mv away spool/failed
    drop new
    wait_until is_state new done
}

@test "no job begins while the folder of a state is away; what runs is waited for" {
    start_workers 2
    job runs "$GATED"
    wait_until runs_job runs
    mv spool/done away
    wait_until in_log 'done is missing'
    drop one
    drop two
    missed_again done
    touch go
    missed_again done
    mkdir -m 700 spool/done
    for id in one two; do
        wait_until is_state "$id" done
    done
    [ "$(ls away)" = runs.json ] # it was under way
}

@test "workers of a spool that is moved go on under its new path" {
    start_workers 1
    job runs "$GATED"
    wait_until runs_job runs
    mv spool elsewhere
    touch go
    export QUEUECTL_SPOOL=$WORK/elsewhere
    wait_until is_state runs done
}

@test "a spool that is removed: its workers end, and say why" {
    "$QUEUECTL_BIN" worker run >run.log 2>&1 3>&- &
    run=$!
    wait_until grep -q 'started with' run.log
    rm -rf spool
    status=0
    wait "$run" || status=$?
    cat run.log
    [ $status = 1 ]
    grep -q 'spool is gone' run.log
}

# -- limits ------------------------------------------------------------------------

# A user namespace has limits of its own.
limited() { # limit, the command
    unshare -Ur true 2>/dev/null || skip "no user namespaces here"
    # shellcheck disable=SC2016
    unshare -Ur sh -c 'echo 0 >"/proc/sys/user/$0" && exec "$@"' "$@" >run.log 2>&1 3>&- &
    run=$!
    wait_until grep -q 'started with' run.log
}

has_no_inotify() {
    local pid
    for pid; do
        # One that is closed meanwhile is not there to be read.
        readlink /proc/"$pid"/fd/* >open || true
        [ -s open ] || return 1
        refute grep inotify open || return 1
    done
}

works_by_polling() {
    # shellcheck disable=SC2046 # pids
    has_no_inotify $(pools) $(workers)
    drop dropped
    wait_until is_state dropped done
    q enqueue --id queued --command 'exit 1' --backoff-base 1 --max-retries 1
    wait_until is_state queued dead
    [ "$(field queued attempts)" = 2 ]
    # Linked, and written slowly.
    echo '{"id":"linked","command":"true"}' >link
    ln link spool/pending/link.json
    exec 7>spool/pending/slow.json
    printf '{"id":"slow",' >&7
    drop probe
    wait_until is_state probe done
    is_there spool/pending/link.json
    is_there spool/pending/slow.json
    printf '"command":"true"}' >&7
    exec 7>&-
    rm link
    wait_until is_state linked done
    wait_until is_state slow done
    # Switches and settings.
    touch spool/control/pause
    wait_until grep -q 'paused' run.log
    rm spool/control/pause
    wait_until grep -q 'resumed' run.log
    q config set timeout 250ms 2>/dev/null
    wait_until grep -q 'new settings' run.log
    job long 'sleep infinity' --max-retries 0
    wait_until is_state long dead
    q config unset timeout
    # The worker of a dead pool.
    job runs 'touch up; sleep infinity'
    wait_until is_there up
    kill -9 "$run"
    q cancel runs
    wait_until is_state runs dead
    wait_until no_strays
}

@test "no inotify instance is left: it works by polling" {
    limited max_inotify_instances "$QUEUECTL_BIN" worker run
    works_by_polling
}

@test "no inotify watch is left: it works by polling" {
    limited max_inotify_watches "$QUEUECTL_BIN" worker run
    works_by_polling
}

@test "the user's instances are used up: it works by polling" {
    [ "$(id -u)" = 0 ] || skip "needs root, to use up another user's"
    [ "$(cat /proc/sys/fs/inotify/max_user_instances 2>/dev/null || echo 0)" -gt 0 ] ||
        skip "no inotify here"
    cp "$QUEUECTL_BIN" queuectl
    chmod 755 . queuectl
    chown -R 65433:65433 spool
    cat >use_up.py <<'PY'
import ctypes, os, subprocess, sys
os.setgroups([])
os.setgid(65433)
os.setuid(65433)
libc = ctypes.CDLL(None)
n = 0
while libc.inotify_init1(os.O_CLOEXEC) >= 0:
    n += 1
print("used up", n, flush=True)
sys.exit(subprocess.call(sys.argv[1:]))
PY
    python3 use_up.py ./queuectl worker run >run.log 2>&1 3>&- &
    wait_until grep -q 'started with' run.log
    grep 'used up' run.log
    pool=$(pools)
    has_no_inotify "$pool"
    echo '{"id":"dropped","command":"true"}' >drop
    chown 65433:65433 drop
    mv drop spool/pending/drop.json
    wait_until is_state dropped done
    kill -TERM "$pool"
    wait $!
}
