#!/usr/bin/env bats
# Idle means no CPU.

load helper
load processes

setup() { setup_spool; }
teardown() {
    teardown_spool
    end_strays
}

# What strace saw, without its own words and the calls under way when it came: the
# first of each process.
calls() {
    awk 'begun[$1]++' trace | grep -E '^[0-9]+ +[0-9:.]+ [a-z_0-9]+\(' || true
}
has_called() { [ -n "$(calls)" ]; }

@test "an idle pool of 8 workers makes no system call in 10 s" {
    [ "$QUEUECTL_PASS" != sanitized ] || skip "LeakSanitizer does not work under strace"
    [ "$QUEUECTL_PASS" != poll ] || skip "polling is no idleness"
    command -v strace >/dev/null || skip "no strace"
    start_workers 8
    # It has worked, and has nothing left to do.
    seq 50 | jq -c '{command: "true"}' | q enqueue --batch - >/dev/null
    wait_until is_count done 50
    pids=()
    for pid in $(pools) $(workers); do
        pids+=(-p "$pid")
    done
    [ ${#pids[@]} = 18 ]
    strace -f -tt -o trace "${pids[@]}" 2>attached 3>&- &
    tracer=$!
    attached() { [ "$(grep -c attached attached)" = 9 ]; }
    refused() { grep -q 'not permitted' attached; }
    either() { attached || refused; }
    wait_until either
    if refused; then
        skip "strace may not attach here"
    fi
    # The one wait for time in these tests: nothing is to happen.
    sleep 10
    head -n 40 trace
    calls >seen
    cat seen
    [ ! -s seen ]
    # The same eyes see it work.
    job after true
    wait_until has_called
    wait_until is_state after done
    kill "$tracer"
    wait "$tracer" || true
}
