#!/usr/bin/env bats
# Failures: when a job is tried again, when no more, and what dlq does then.
# Long waits are read from the names, and cut short by `retry`.

load helper
load processes

setup() { setup_spool; }
teardown() {
    teardown_spool
    end_strays
}

# The TIME of the file name in failed/, as milliseconds.
due_ms() {
    local file t
    file=$(basename spool/failed/*."$1".json)
    t=${file%%Z.*}
    date -u -d "${t:0:4}-${t:4:2}-${t:6:2} ${t:9:2}:${t:11:2}:${t:13:2}.${t:16:3}" +%s%3N
}
stamp_ms() { date -u -d "$1" +%s%3N; }

# How long after the end of its last run a failed job is due, in milliseconds.
wait_ms() { echo $(($(due_ms "$1") - $(stamp_ms "$(field "$1" finished_at)"))); }
failed_with() { [ -e "$(echo spool/failed/*".a$2.$1.json")" ]; }

@test "retry n is due after backoff_base ^ n seconds; the file name says when" {
    start_workers 1
    # So long that none comes by itself before it is looked at.
    job two 'exit 1' --backoff-base 15 --max-retries 9
    job part 'exit 1' --backoff-base 14.5 --max-retries 9
    for n in 1 2 3; do
        for id in two part; do
            wait_until failed_with $id $n
        done
        [ "$(wait_ms two)" = $((15 ** n * 1000)) ]
        wait_ms part >>part
        [ "$(stamp_ms "$(field two next_run_at)")" = "$(due_ms two)" ]
        q retry two part
    done
    [ "$(cat part)" = $'14500\n210250\n3048625' ]
}

@test "the setting backoff-base is for jobs that say none, and is read when they run" {
    start_workers 1
    job own 'exit 1' --backoff-base 50
    wait_until failed_with own 1
    [ "$(wait_ms own)" = 50000 ]
    # It pauses the queue, so that its retry after 2 s is still there to be looked at.
    job none "'$QUEUECTL_BIN' pause; exit 1"
    wait_until failed_with none 1
    [ "$(wait_ms none)" = 2000 ]
    q config set backoff-base 30
    q resume
    wait_until failed_with none 2
    [ "$(wait_ms none)" = 900000 ]
}

@test "no retry waits longer than backoff-max" {
    start_workers 1
    job far 'exit 1' --backoff-base 1000 --max-retries 9
    wait_until failed_with far 1
    [ "$(wait_ms far)" = 1000000 ]
    q retry far
    wait_until failed_with far 2
    [ "$(wait_ms far)" = 3600000 ]
    q config set backoff-max 90s 2>/dev/null
    q retry far
    wait_until failed_with far 3
    [ "$(wait_ms far)" = 90000 ]
}

@test "jitter spreads the waits within its part, and never beyond backoff-max" {
    q config set backoff-jitter 0.5
    q config set backoff-max 140s 2>/dev/null
    start_workers 2
    seq 40 | jq -c '{id: "j\(.)", command: "exit 1", backoff_base: 100}' |
        q enqueue --batch - >/dev/null
    wait_until is_count failed 40
    for n in $(seq 40); do
        wait_ms "j$n"
    done | sort -n >waits
    tr '\n' ' ' <waits
    [ "$(head -n 1 waits)" -ge 50000 ]
    [ "$(tail -n 1 waits)" -le 140000 ]
    # 40 numbers from 90,000 of them.
    [ "$(sort -u waits | wc -l)" -ge 30 ]
    [ "$(head -n 1 waits)" -lt 80000 ]
    [ "$(tail -n 1 waits)" -gt 110000 ]
}

@test "a retry comes when it is due, not before, without anybody's help" {
    start_workers 1
    job again 'date +%s%3N >>times; exit 1' --backoff-base 1.5 --max-retries 2
    wait_until is_state again dead
    mapfile -t times <times
    [ ${#times[@]} = 3 ]
    first=$((times[1] - times[0])) second=$((times[2] - times[1]))
    echo "$first $second"
    [ $first -ge 1500 ]
    [ $first -lt 11500 ] # far before the look that needs no event
    [ $second -ge 2250 ]
    [ $second -lt 12250 ]
}

@test "max_retries 0 dies at once; the default is written down at acceptance" {
    start_workers 1
    job never 'exit 1' --max-retries 0
    wait_until is_state never dead
    [ "$(field never attempts)" = 1 ]
    q config set max-retries 1
    job one 'exit 1' --backoff-base 1
    q config set max-retries 5
    [ "$(field one max_retries)" = 1 ]
    wait_until is_state one dead
    [ "$(field one attempts)" = 2 ]
}

@test "a timeout and a signal are failures like any other" {
    start_workers 1
    job slow 'sleep infinity' --timeout 0.2 --max-retries 1 --backoff-base 1
    job shot 'kill -TERM $$' --max-retries 1 --backoff-base 1
    wait_until is_state slow dead
    wait_until is_state shot dead
    [ "$(field slow attempts)" = 2 ]
    [ "$(field shot attempts)" = 2 ]
}

@test "success after failures: done, attempts and history say how often" {
    start_workers 1
    job third '[ "$QUEUECTL_ATTEMPT" = 3 ] || { echo "not yet $QUEUECTL_ATTEMPT" >&2; exit 1; }' \
        --backoff-base 1
    wait_until is_state third done
    [ "$(field third attempts)" = 3 ]
    [ "$(q show --json third | jq -c '[.history[].outcome]')" = '["failed","failed","done"]' ]
    [ "$(field third 'history[1].error')" = "exit 1: not yet 2" ]
    [ "$(field third last_error)" = null ]
}

@test "retry of a failed job: due now, attempts kept" {
    start_workers 1
    job fails 'exit 1' --backoff-base 1000 --max-retries 1
    wait_until failed_with fails 1
    q retry fails
    wait_until is_state fails dead
    [ "$(field fails attempts)" = 2 ]
}

@test "hold, release and cancel of a failed job" {
    start_workers 1
    job fails 'exit 1' --backoff-base 1000 --max-retries 1
    wait_until failed_with fails 1
    q hold fails
    wait_until is_there spool/failed/held.p0.a1.fails.json
    q release fails
    wait_until is_state fails dead
    job other 'exit 1' --backoff-base 1000
    wait_until failed_with other 1
    q cancel other
    is_state other dead
    [ "$(field other last_error)" = cancelled ]
    [ "$(field other attempts)" = 1 ]
}

@test "dlq list shows the reason; retry starts attempts at 0 and keeps the history" {
    start_workers 1
    job dies '[ -e mended ] || { echo broken >&2; exit 9; }' --max-retries 1 --backoff-base 1
    wait_until is_state dies dead
    q dlq list | grep '^dies ' | grep -q 'exit 9: broken'
    q dlq list --json | jq -e 'length == 1 and .[0].id == "dies" and .[0].state == "dead" and
        .[0].last_error == "exit 9: broken" and .[0].attempts == 2'
    touch mended
    q dlq retry dies
    wait_until is_state dies done
    [ "$(field dies attempts)" = 1 ]
    [ "$(field dies runs)" = 3 ]
    [ "$(q show --json dies | jq '.history | length')" = 3 ]
    [ "$(q dlq list --json)" = '[]' ]
    # Logs of all three runs are there, none over another.
    [ "$(q logs dies --run 1 2>&1 >/dev/null)" = broken ]
}

@test "dlq retry --all and dlq purge" {
    start_workers 1
    for n in 1 2 3; do
        job "dies$n" '[ -e mended ]' --max-retries 0
    done
    wait_until is_count dead 3
    touch mended
    q dlq retry --all
    wait_until is_count done 3
    for n in 4 5; do
        job "dies$n" false --max-retries 0
    done
    wait_until is_count dead 2
    q dlq purge --yes dies4
    [ "$(q dlq list --json | jq -c 'map(.id)')" = '["dies5"]' ]
    q dlq purge --yes --all
    is_count dead 0
    is_count done 3
    # The ids are free.
    job dies4 true
    wait_until is_state dies4 done
}
