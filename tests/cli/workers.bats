#!/usr/bin/env bats
# Pools and workers: start, run, stop, list; signals, the log, settings.

load helper
load processes

setup() {
    setup_spool
    q config set grace 300ms 2>/dev/null
}
teardown() {
    teardown_spool
    end_strays
}

# A pool in the foreground, as far as it is concerned; its pid in $run.
run_pool() {
    "$QUEUECTL_BIN" worker run "$@" >run.out 2>run.log 3>&- &
    run=$!
    wait_until pool_is_ready "$run"
}
pool_is_ready() { q worker list --json | jq -e --argjson p "$1" 'any(.[]; .pool == $p)' >/dev/null; }

is_file() { [ "$(cat "$1" 2>/dev/null)" = "$2" ]; }

# -- start, list -------------------------------------------------------------------

@test "start returns when the workers are ready, and prints their process ids" {
    run q worker start --count 3
    echo "$output"
    [ "$status" = 0 ]
    [[ $output =~ ^pool\ ([0-9]+),\ workers\ ([0-9]+)\ ([0-9]+)\ ([0-9]+)$ ]]
    pool=${BASH_REMATCH[1]}
    printed=$(printf '%s\n' "${BASH_REMATCH[@]:2}" | sort -n)
    [ "$(workers)" = "$printed" ]
    [ "$(pools)" = "$pool" ]
    for pid in $pool $printed; do
        lives "$pid"
    done
}

@test "without --count the setting count says how many" {
    q config set count 2
    q worker start
    worker_count 2
}

@test "the workers keep the current directory" {
    mkdir elsewhere
    (cd elsewhere && q worker start)
    [ "$(readlink "/proc/$(pools)/cwd")" = "$(realpath elsewhere)" ]
    [ "$(readlink "/proc/$(workers)/cwd")" = "$(realpath elsewhere)" ]
}

@test "nothing that the caller has open is inherited, neither by workers nor by jobs" {
    exec 8>held 9<>held
    flock 9
    start_workers 1
    job look 'ls -l /proc/self/fd; until [ -e go ]; do sleep 0.02; done'
    wait_until runs_job look
    exec 8>&- 9>&-
    flock -n held true
    touch go
    wait_until is_state look done
    q logs look
    # 0, 1, 2, the folder that ls reads, and the lock on the id.
    [ "$(q logs look --stdout | sed -n 's/.* \([0-9]*\) -> .*/\1/p' | sort -n | tr '\n' ' ')" = '0 1 2 3 60 ' ]
}

@test "--if-none starts a pool where none lives, and is silent where one does" {
    run q worker start --if-none --count 1
    [ "$status" = 0 ]
    [[ $output == pool* ]]
    first=$(pools)
    run q worker start --if-none --count 1
    [ "$status" = 0 ]
    [ -z "$output" ]
    [ "$(pools)" = "$first" ]
}

@test "a second start adds a pool, and says how many workers there are" {
    start_workers 1
    q worker start --count 2 >out 2>err
    grep -q '2 pools with 3 workers' err
    worker_count 3
    [ "$(pools | wc -l)" = 2 ]
}

@test "list shows what each worker runs" {
    start_workers 2
    job busy "$GATED"
    wait_until runs_job busy
    q worker list >list
    cat list
    [ "$(grep -c ' busy ' list)" = 1 ]
    [ "$(grep -c ' idle ' list)" = 1 ]
    q worker list --json | jq -e 'map(.job) | sort == [null, "busy"]'
    q status --json | jq -e '.workers | length == 2'
    touch go
}

@test "a start that fails prints the last line of the log, and exits 1" {
    rmdir spool/processing
    run q worker start
    echo "$output"
    [ "$status" = 1 ]
    [[ $output == *processing* ]]
    mkdir -m 700 spool/processing
    no_strays
}

# As another user where we are root, who may write anywhere.
@test "a pool that may not write to workers/ says so through start, and exits 1" {
    cp "$QUEUECTL_BIN" queuectl
    chmod 755 . queuectl
    as=()
    if [ "$(id -u)" = 0 ]; then
        chown -R 65534:65534 spool
        as=(setpriv --reuid 65534 --regid 65534 --clear-groups)
    fi
    chmod 500 spool/workers
    run timeout 20 "${as[@]}" ./queuectl worker start --count 1
    chmod 700 spool/workers
    echo "$output"
    [ "$status" = 1 ]
    [[ $output == *"did not start"*"ermission denied"* ]]
    # That is what the log says last.
    [[ $output == *"$(tail -n 1 spool/worker.log)"* ]]
    [ "$(wc -l <<<"$output")" = 1 ]
    no_strays
}

@test "start gives up when no worker can be started, and says why" {
    [ "$(id -u)" = 0 ] || skip "needs root, to be a user without other processes"
    cp "$QUEUECTL_BIN" queuectl
    chmod 755 . queuectl
    chown -R 65432:65432 spool
    # start and the pool are two processes; a worker would be the third, and so
    # would be LeakSanitizer's.
    export ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0
    run timeout 20 setpriv --reuid 65432 --regid 65432 --clear-groups \
        prlimit --nproc=2 ./queuectl worker start --count 1
    echo "$output"
    [ "$status" = 1 ]
    [[ $output == *"Resource temporarily unavailable"* ]]
    no_strays
}

# -- stop --------------------------------------------------------------------------

@test "stop without workers says so, exit 0" {
    run q worker stop
    [ "$status" = 0 ]
    [ "$output" = "queuectl: no workers are running" ]
}

@test "stop names the jobs it waits for, and returns when all are gone" {
    start_workers 3
    job slow1 "$GATED"
    job slow2 "$GATED"
    wait_until is_count processing 2
    all=$(pools; workers)
    q worker stop >out 2>err 3>&- &
    stop=$!
    wait_until test -s err
    grep -q 'waiting for slow[12], slow[12] to end' err
    lives $stop
    touch go
    wait $stop
    # shellcheck disable=SC2086 # pids
    gone $all
    [ "$(cat out)" = "3 workers stopped" ]
}

@test "stop --now ends the job with its tree, and puts it back uncounted" {
    start_workers 1
    job tree 'trap "echo asked >>asked" TERM
setsid sleep infinity & (sleep infinity &) ; nohup sleep infinity & touch up; while :; do sleep 0.05; done'
    wait_until is_there up
    [ "$(processes_of tree | wc -l)" -ge 4 ]
    run q worker stop --now
    [ "$status" = 0 ]
    no_strays
    [ "$(cat asked)" = asked ]
    is_state tree pending
    [ "$(field tree attempts)" = 0 ]
    [ "$(q show --json tree | jq '.history | length')" = 0 ]
    q fsck
}

@test "stop --now while stop waits" {
    start_workers 1
    job slow 'sleep infinity'
    wait_until runs_job slow
    q worker stop >out 2>err 3>&- &
    stop=$!
    wait_until grep -q 'waiting for slow' err
    q worker stop --now
    wait $stop
    is_state slow pending
    no_strays
}

@test "TERM: the job is finished, then the pool leaves; nothing more is claimed" {
    run_pool --count 1
    job first "$GATED"
    wait_until runs_job first
    kill -TERM "$run"
    wait_until grep -q 'stopping: ' run.log
    job second true
    touch go
    wait "$run"
    is_state first done
    is_state second pending
    no_strays
}

@test "a second TERM ends the job and puts it back" {
    run_pool --count 1
    job first 'sleep infinity'
    wait_until runs_job first
    kill -TERM "$run"
    wait_until grep -q 'stopping: ' run.log
    is_state first processing
    kill -TERM "$run"
    wait "$run"
    is_state first pending
    [ "$(field first attempts)" = 0 ]
    no_strays
}

@test "INT counts as TERM" {
    # A shell gives its background children SIGINT ignored; python does not.
    python3 -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])' "$QUEUECTL_BIN" worker run >run.log 2>&1 3>&- &
    run=$!
    wait_until pool_is_ready "$run"
    kill -INT "$run"
    wait "$run"
    no_strays
}

@test "one of several pools leaves by TERM; the others go on" {
    start_workers 1
    first=$(pools)
    start_workers 2
    kill -TERM "$first"
    wait_until gone "$first"
    worker_count 2
    [ "$(pools | wc -l)" = 1 ]
    job after true
    wait_until is_state after done
}

@test "two pools share the work, and each job runs once" {
    start_workers 1
    start_workers 1
    # None ends before both workers have begun one.
    seq 60 | jq -c '{command: "echo $QUEUECTL_JOB_ID >>ran; touch by.$PPID; until [ -e by.all ]; do set -- by.*; [ $# -lt 2 ] || touch by.all; sleep 0.01; done"}' |
        q enqueue --batch - >ids
    wait_until is_count done 60
    [ "$(sort ran)" = "$(sort ids)" ]
    [ "$(jq -r .worker spool/done/*.json | sort -u | wc -l)" = 2 ]
}

# -- the log -----------------------------------------------------------------------

@test "HUP reopens the log of a pool in the background and of its workers" {
    start_workers 1
    mv spool/worker.log old.log
    kill -HUP "$(pools)"
    wait_until is_there spool/worker.log
    job after true
    wait_until is_state after done
    wait_until in_log 'worker .*after: run 1 done'
    in_log 'pool .*log file opened anew'
    refute grep 'after:' old.log
}

@test "HUP in a worker run without a terminal changes nothing" {
    run_pool --count 1
    kill -HUP "$run"
    job after true
    wait_until is_state after done
    lives "$run"
    grep -q 'after: run 1 done' run.log
}

@test "the log has one line an event" {
    start_workers 1
    job good true
    job bad 'echo reason >&2; exit 3' --max-retries 0
    wait_until is_state bad dead
    q worker stop
    cat spool/worker.log
    [ "$(grep -c 'good: run 1 done, took 0\.[0-9]*s$' spool/worker.log)" = 1 ]
    [ "$(grep -c 'bad: run 1 dead, took 0\.[0-9]*s: exit 3: reason$' spool/worker.log)" = 1 ]
    [ "$(wc -l <spool/worker.log)" = 5 ]
    # A time, who says it, and what.
    refute grep -Ev '^20[0-9T:.-]+Z (pool|worker) [0-9]+: ' spool/worker.log
}

@test "a log of more than 10 MiB is put aside at a start" {
    truncate -s 11M spool/worker.log
    start_workers 1
    job after true
    wait_until is_state after done
    wait_until in_log 'after: run 1 done'
    [ "$(stat -c %s spool/worker.log.1)" -ge 11534336 ]
    [ "$(stat -c %s spool/worker.log)" -lt 10000 ]
}

# The look is every 30 s: one test waits for it.
@test "a log of more than 10 MiB is put aside under running pools, all of which follow" {
    WAIT_SEC=80
    start_workers 1
    start_workers 1
    truncate -s 11M spool/worker.log
    wait_until is_there spool/worker.log.1
    all_follow() {
        local pid
        for pid in $(pools) $(workers); do
            [ "$(readlink "/proc/$pid/fd/2")" = "$(realpath spool)/worker.log" ] || return 1
        done
    }
    wait_until all_follow
}

# -- settings and switches -----------------------------------------------------------

@test "running workers take a new timeout up" {
    start_workers 1
    job before true
    wait_until is_state before done
    q config set timeout 300ms 2>/dev/null
    job slow 'sleep infinity' --max-retries 0
    wait_until is_state slow dead
    [ "$(field slow last_error)" = "timed out after 300ms" ]
    q config unset timeout
    job fine 'sleep 0.5'
    wait_until is_state fine done
}

@test "settings written in place by another program are taken up too" {
    start_workers 1
    printf 'timeout = 300ms\n' >spool/queuectl.ini
    wait_until in_log 'new settings taken up'
    job slow 'sleep infinity' --max-retries 0
    wait_until is_state slow dead
    [ "$(field slow last_error)" = "timed out after 300ms" ]
}

@test "a pool without --count follows the setting, up and down; a busy worker finishes first" {
    q worker start
    worker_count 1
    q config set count 3
    wait_until worker_count 3
    for n in 1 2 3; do
        job "busy$n" "$GATED"
    done
    wait_until is_count processing 3
    q config set count 1
    wait_until in_log 'new settings'
    is_count processing 3
    touch go
    wait_until worker_count 1
    is_count done 3
    [ "$(field busy1 runs)$(field busy2 runs)$(field busy3 runs)" = 111 ]
}

@test "a pool with --count keeps it" {
    start_workers 2
    q config set count 1
    q config set timeout 1h 2>/dev/null
    wait_until in_log 'new settings'
    job after true
    wait_until is_state after done
    worker_count 2
}

@test "pause and resume, by a file alone, at once" {
    start_workers 2
    touch spool/control/pause
    job waits true
    pool_has_seen_all 1
    is_state waits pending
    q status | grep -q 'paused *since'
    rm spool/control/pause
    wait_until is_state waits done
    wait_until is_state probe1 done
}

@test "pause: what runs goes on; resume: the rest follows" {
    start_workers 1
    job runs "$GATED"
    wait_until runs_job runs
    q pause
    job waits true
    touch go
    wait_until is_state runs done
    pool_has_seen_all 1
    is_state waits pending
    since=$(now_ms)
    q resume
    wait_until is_state waits done
    took=$(($(now_ms) - since))
    echo "$took ms"
    [ $took -lt 10000 ] # far before the look that needs no event
}

# -- drain --------------------------------------------------------------------------

@test "drain leaves when nothing is due, running or waiting for a retry: exit 0" {
    job good true
    job retried '[ "$QUEUECTL_ATTEMPT" = 2 ]' --backoff-base 1
    job scheduled true --delay 1h
    job held true
    q hold held
    q worker run --drain --count 2
    is_state good done
    is_state retried done
    is_state scheduled pending
    is_state held pending
    no_strays
}

@test "drain: exit 1 if a job died meanwhile, and only then" {
    job dies false --max-retries 0
    run q worker run --drain
    [ "$status" = 1 ]
    is_state dies dead
    job good true
    q worker run --drain
    is_state good done
}

@test "drain of an empty spool leaves at once" {
    q worker run --drain
}

@test "drain runs what a job enqueues" {
    job parent "'$QUEUECTL_BIN' enqueue --id child --command true"
    q worker run --drain
    is_state child done
}

# -- deaths -------------------------------------------------------------------------

@test "a worker that was killed is replaced" {
    start_workers 2
    victim=$(workers | head -n 1)
    kill -9 "$victim"
    # In one look: between two the victim may go, and be counted in the first.
    replaced() { workers | awk -v victim="$victim" '$1 == victim { old = 1 } END { exit old || NR != 2 }'; }
    wait_until replaced
    in_log "worker $victim was killed by signal 9"
    [ "$(find spool/workers -name '*.worker' | wc -l)" = 2 ]
}

@test "workers killed again and again are replaced promptly, old ones and young ones" {
    start_workers 1
    for n in 1 2 3 4 5 6; do
        job "job$n" true
        wait_until is_state "job$n" done
        victim=$(workers)
        since=$(now_ms)
        kill -9 "$victim"
        another() { workers | grep -v "^$victim$"; }
        wait_until another
        took=$(($(now_ms) - since))
        echo "$took ms"
        [ $took -lt 5000 ] # a pause that grows would be longer by then
    done
    # Young and without a job in between.
    for n in 1 2 3 4 5 6; do
        victim=$(workers)
        since=$(now_ms)
        kill -9 "$victim"
        wait_until another
        took=$(($(now_ms) - since))
        echo "$took ms"
        [ $took -lt 5000 ]
    done
}

@test "the workers of a killed pool finish, record and leave" {
    start_workers 2
    pool=$(pools)
    idle_or_busy=$(workers)
    job runs "$GATED"
    wait_until runs_job runs
    busy=$(worker_of runs)
    kill -9 "$pool"
    wait_until worker_count 1
    [ "$(workers)" = "$busy" ]
    job waits true
    touch go
    # shellcheck disable=SC2086 # pids
    wait_until gone $pool $idle_or_busy
    is_state runs done
    [ "$(field runs attempts)" = 1 ]
    is_state waits pending
    no_strays
    start_workers 1
    wait_until is_state waits done
    [ "$(find spool/workers -name '*.*' | wc -l)" = 2 ]
}

@test "a worker whose pool was killed obeys cancel" {
    start_workers 1
    pool=$(pools)
    worker=$(workers)
    job runs 'sleep infinity'
    wait_until runs_job runs
    kill -9 "$pool"
    wait_until gone "$pool"
    q cancel runs
    wait_until is_state runs dead
    [ "$(field runs last_error)" = cancelled ]
    wait_until gone "$worker"
    no_strays
}

@test "a worker whose pool was killed obeys stop --now, and stop waits for it" {
    start_workers 1
    pool=$(pools)
    job runs 'sleep infinity'
    wait_until runs_job runs
    kill -9 "$pool"
    wait_until gone "$pool"
    q worker stop >out 2>err 3>&- &
    stop=$!
    wait_until grep -q 'waiting for runs' err
    q worker stop --now
    wait $stop
    is_state runs pending
    [ "$(field runs attempts)" = 0 ]
    no_strays
}

@test "a worker that is killed while its pool stops leaves no process behind" {
    start_workers 1
    pool=$(pools)
    job runs 'sleep infinity'
    wait_until runs_job runs
    kill -TERM "$pool"
    wait_until in_log 'stopping: '
    kill -9 "$(worker_of runs)"
    wait_until gone "$pool"
    no_strays
    # Lost, so due again.
    is_state runs pending
}

@test "a worker that dies at its start is started again later and later" {
    cp "$QUEUECTL_BIN" queuectl
    ./queuectl worker start --count 1
    pool=$(pools)
    # The program is exchanged under the running pool.
    printf '#!/bin/sh\ndate +%%s%%3N >>%s/starts\nexit 1\n' "$WORK" >broken
    chmod 755 broken
    mv broken queuectl
    kill -9 "$(workers)"
    wait_until lines_from starts 4
    cat starts
    # 0.2, 0.4 and 0.8 s between the four.
    [ $(($(sed -n 4p starts) - $(sed -n 1p starts))) -ge 1400 ]
    kill -TERM "$pool"
    wait_until no_strays
}
