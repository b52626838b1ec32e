# trouble.bats: what reviewers and strangers broke once: limits, missing folders,
# odd links, descriptors, and words that were not true.

load helper
load processes

setup() { setup_spool; }
teardown() { teardown_spool; }

@test "a job whose target folder is missing is done when it is there again" {
    start_workers 1
    q enqueue --id x --command "rm -r '$WORK/spool/done'" >/dev/null
    wait_until in_log 'trying again each second'
    mkdir -m 700 spool/done
    wait_until is_state x "done"
    refute in_log 'taken away'
}

@test "a replaced workers/ does not hide a pool" {
    start_workers 1
    pool=$(pools)
    mv spool/workers old && mkdir -m 700 spool/workers
    wait_until worker_count 1
    q worker stop >/dev/null
    wait_until gone "$pool"
}

@test "an id with a result is in use, even without its file in ids/" {
    q enqueue --id x --command true >/dev/null
    q worker run --drain 2>/dev/null
    rm spool/ids/x
    run q enqueue --id x --command true
    [ "$status" -eq 1 ]
    is_state x "done"
}

@test "logs say what output-max took" {
    q config set output-max 1000 2>/dev/null
    q enqueue --id x -- seq 10000 >/dev/null
    q worker run --drain 2>/dev/null
    q logs x 2>err >out
    [ "$(wc -c <out)" = 1000 ]
    grep -q 'bytes of run 1 were cut off' err
}

@test "fsck finds what makes commands refuse a spool" {
    chmod 777 spool/pending
    echo nonsense >spool/queuectl.ini
    run q fsck --json
    [ "$status" -eq 1 ]
    [ "$(q fsck --json 2>/dev/null | jq -r 'map(.code) | join(" ")')" = "untrusted bad-settings" ]
}

@test "few descriptors are our trouble, not the job's failure" {
    q enqueue --id x --command true >/dev/null
    (ulimit -n 64 && "$QUEUECTL_BIN" worker run --drain 2>/dev/null)
    is_state x "done"
}

@test "without logs/ a job is put back uncounted, and runs when it is there again" {
    touch spool/control/pause
    start_workers 1
    q enqueue --id x --command true >/dev/null
    rm -r spool/logs
    rm spool/control/pause
    wait_until in_log 'x: cannot start a process'
    mkdir -m 700 spool/logs
    wait_until is_state x "done"
    [ "$(field x attempts)" = 1 ]
    [ "$(field x runs)" = 1 ]
}

@test "a hard-linked backup of the spool does not stop it" {
    seq 50 | sed 's/.*/{"id":"j&","command":"true"}/' | q enqueue --batch - >/dev/null
    cp -al spool/pending backup
    q worker run --drain 2>/dev/null
    is_count "done" 50
    [ "$(ls backup | wc -l)" = 50 ]
}

@test "a detached job that times out is ended before its retry" {
    q config set grace 200ms 2>/dev/null
    q enqueue '{"id":"x","detach":true,"timeout":"300ms","max_retries":1,"backoff_base":1,
        "command":"trap \"\" TERM; (trap \"\" TERM; flock -n 9 || echo twice >>'"$WORK"'/twice; exec sleep infinity) 9>'"$WORK"'/lock & wait"}' >/dev/null
    q worker run --drain 2>/dev/null || true
    is_state x dead
    [ "$(field x runs)" = 2 ]
    is_away twice
    no_strays
}

@test "two edits at once are both there" {
    q enqueue --id x --command true >/dev/null
    for i in 1 2 3 4 5 6 7 8; do
        q edit x "{\"m$i\":$i}" >/dev/null &
    done
    wait
    [ "$(q show --json x | jq '[.m1,.m2,.m3,.m4,.m5,.m6,.m7,.m8] | add')" = 36 ]
}

@test "a file that is reopened all the time does not end the pool" {
    start_workers 1
    pool=$(pools)
    # Unchanged for 5 s it would be no job: all by one process, and not for long.
    python3 - <<'EOF'
import time
open("spool/pending/a.json", "w").write('{"command":')
end = time.time() + 2
while time.time() < end:
    open("spool/pending/a.json", "a").close()
open("spool/pending/a.json", "a").write('"true"}')
EOF
    lives "$pool"
    wait_until is_count "done" 1
}

@test "cancel during the grace of a timeout is not forgotten" {
    q config set grace 1s 2>/dev/null
    start_workers 1
    q enqueue --id x --timeout 200ms --command 'trap "touch termed" TERM; while :; do sleep 0.05; done' --cwd "$WORK" >/dev/null
    wait_until is_there termed
    q cancel x >/dev/null
    is_state x dead
    [ "$(field x last_error)" = cancelled ]
}

@test "a wished time of a failed job is not cut to backoff-max" {
    q config set backoff-max 1s 2>/dev/null
    q config set backoff-base 1 2>/dev/null
    q enqueue --id x --command false --max-retries 100 >/dev/null
    start_workers 1
    wait_until is_state x failed
    q worker stop >/dev/null
    q edit x --delay 1h >/dev/null
    is_state x pending
    [ "$(q status --json | jq .scheduled)" = 1 ]
}

@test "a file-size limit ends no worker" {
    (
        ulimit -f 1
        for i in 1 2 3 4 5 6 7 8 9 10 11 12; do "$QUEUECTL_BIN" enqueue --id "g$i" --command true; done
        "$QUEUECTL_BIN" worker run --drain
    ) >/dev/null 2>err
    is_count "done" 12
    refute grep -q 'killed by signal' err
}
