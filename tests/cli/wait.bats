#!/usr/bin/env bats
# wait: until jobs have ended, and with which code.

load helper
load processes

# wait ARGS...: begins to wait, and says so by handling INT; its pid is in $waiter.
begin_to_wait() {
    rm -f go
    "$QUEUECTL_BIN" wait "$@" 2>said 3>&- &
    waiter=$!
    wait_until waits "$waiter"
}
waits() {
    local caught
    caught=$(sed -n 's/^SigCgt:[[:space:]]*//p' "/proc/$1/status")
    ((0x$caught & 2))
}
# ends_with CODE: the job is let go, and then it ends
ends_with() {
    local code=0
    touch go
    wait "$waiter" || code=$?
    is "$code" "$1"
}

setup() { setup_spool; }
teardown() { teardown_spool; }

@test "0: all are done" {
    start_workers 2
    q enqueue --id a --command true >/dev/null
    q enqueue --id b --command true >/dev/null
    expect 0 q wait a b
    is "$out/$err" "/"
    is "$(field a state) $(field b state)" "done done"
    expect 0 q wait a a
}

@test "1: one is dead, and it is named with its reason; the others are waited for" {
    start_workers 1
    q enqueue --id a --max-retries 0 --command 'exit 3' >/dev/null
    q enqueue --id b --command "$GATED" >/dev/null
    wait_until is_state a dead
    wait_until is_state b processing
    begin_to_wait a b
    ends_with 1
    is "$(cat said)" "queuectl: a is dead: exit 3"
    is_state b "done"
}

@test "1: cancelled while waited for" {
    q enqueue --id a --command true >/dev/null
    q wait a 2>said &
    waiter=$!
    q cancel a >/dev/null
    code=0
    wait $waiter || code=$?
    is "$code" 1
    is "$(tail -n 1 said)" "queuectl: a is dead: cancelled"
}

@test "124: the time is over, the jobs go on" {
    q enqueue --id a --command true >/dev/null
    begin=$(date +%s%N)
    expect 124 q wait a --timeout 300ms
    took=$((($(date +%s%N) - begin) / 1000000))
    ((took >= 300 && took < 15000))
    is "$err" "queuectl: no workers on ./spool; start some: queuectl worker start
queuectl: timed out; the jobs go on"
    is_state a pending
    expect 124 q wait a --timeout 0
    start_workers 1
    expect 0 q wait a --timeout 20
}

@test "130: interrupted" {
    q enqueue --id a --command true >/dev/null
    expect 130 python3 - "$QUEUECTL_BIN" <<'PY'
import os, signal, subprocess, sys, time
signal.signal(signal.SIGINT, signal.SIG_DFL)
p = subprocess.Popen([sys.argv[1], "wait", "a"])
# Until it handles the signal itself.
def handles():
    for line in open("/proc/%d/status" % p.pid):
        if line.startswith("SigCgt"):
            return int(line.split()[1], 16) >> (signal.SIGINT - 1) & 1
while not handles():
    time.sleep(0.005)
p.send_signal(signal.SIGINT)
sys.exit(p.wait(20))
PY
    is_state a pending
}

@test "an unknown id: 1, at once" {
    refuses 1 "no job \"nope\" in $WORK/spool (never there, or deleted)" wait nope
    q enqueue --id a --command true >/dev/null
    refuses 1 "no job \"nope\" in $WORK/spool (never there, or deleted)" wait a nope
}

@test "several unknown ids: each is named, and so are the dead" {
    q enqueue --id a --max-retries 0 --command 'exit 3' >/dev/null
    q worker run --drain 2>/dev/null || true
    q enqueue --id b --command true >/dev/null
    expect 1 timeout 5 "$QUEUECTL_BIN" wait a b nope 'no id'
    is "$err" "queuectl: a is dead: exit 3
queuectl: no job \"nope\" in $WORK/spool (never there, or deleted)
queuectl: \"no id\" is no job's id"
}

@test "an id whose dropped file was rejected: the newest report is named" {
    start_workers 1
    mkdir new
    for name in ml.json ml.json m.json-x.json; do
        echo '[1]' >new/file
        stat -c %i new/file | xargs printf "rejected-$name-%x\n" >>reports
        mv new/file "spool/pending/$name"
        wait_until [ -e "spool/dead/$(tail -n 1 reports).json" ]
    done
    for report in $(grep 'ml.json-[^x]*$' reports); do
        touch -d '1 hour ago' spool/dead/*
        touch "spool/dead/$report.json"
        text="no job \"ml\"; a file of that name was rejected: queuectl show $report"
        refuses 1 "$text" wait ml
        refuses 1 "$text" logs ml
        refuses 1 "$text" show ml
    done
    is "$(grep -c 'ml.json-[^x]*$' reports)" 2
    # A report whose name only begins like one of its own.
    refuses 1 "no job \"m\" in $WORK/spool (never there, or deleted)" wait m
}

@test "a job that is deleted while it is waited for: 1, soon" {
    q enqueue --id a --command true >/dev/null
    timeout 5 "$QUEUECTL_BIN" wait a 2>said &
    waiter=$!
    q delete a --yes >/dev/null
    code=0
    wait $waiter || code=$?
    is "$code" 1
    is "$(tail -n 1 said)" "queuectl: no job \"a\" in $WORK/spool (never there, or deleted)"
}

@test "through failures and retries until the end" {
    start_workers 1
    q enqueue --id a --backoff-base 1 --command '[ "$QUEUECTL_RUN" = 2 ]' >/dev/null
    expect 0 q wait a --timeout 20
    is "$(field a runs)" 2
}

@test "--all, and no id: until nothing is left but held jobs" {
    start_workers 2
    for i in $(seq 20); do q enqueue --command true >/dev/null; done
    q enqueue --id h --command true --delay 1h >/dev/null
    q hold h >/dev/null
    expect 0 q wait --all
    is "$(count_of "done")" 20
    for i in $(seq 20); do q enqueue --command true >/dev/null; done
    expect 0 q wait
    is "$(count_of "done")" 40
    refuses 2 "wait: IDs and --all exclude each other" wait a --all
}

@test "--all: 1 when a job died meanwhile, 0 when it had been dead before" {
    start_workers 1
    q enqueue --wait --id old --max-retries 0 --command false >/dev/null 2>&1 || true
    q enqueue --id a --command "$GATED" >/dev/null
    begin_to_wait --all
    ends_with 0
    rm go
    q enqueue --id b --max-retries 0 --command "$GATED; exit 1" >/dev/null
    begin_to_wait --all
    ends_with 1
    is "$(cat said)" "queuectl: not all were done; see queuectl dlq list"
}

@test "--all on an empty spool, and with the time over" {
    expect 0 q wait --all
    q enqueue --id a --command true >/dev/null
    expect 124 q wait --all --timeout 200ms
}

@test "a dropped file can be waited for by its name" {
    start_workers 1
    echo "{\"id\":\"a\",\"command\":\"$GATED\"}" >spool/pending/a.json
    begin_to_wait a --timeout 20
    ends_with 0
    is_state a "done"
}

@test "many waiters end together" {
    start_workers 1
    q enqueue --id a --command 'until [ -e go ]; do sleep 0.02; done' >/dev/null
    pids=()
    for i in $(seq 20); do
        q wait a &
        pids+=($!)
    done
    touch go
    for pid in "${pids[@]}"; do wait "$pid"; done
}

@test "bad words" {
    refuses 2 "--timeout soon: no duration; use 90, 90s, 5m, 2h, 7d" wait a --timeout soon
    refuses 2 "--timeout needs a value: --timeout DURATION" wait a --timeout
}

@test "it says once that nothing will run, on a terminal or not, if it has to wait" {
    idle="queuectl: no workers on ./spool; start some: queuectl worker start"
    q enqueue --id a --command true >/dev/null
    on_terminal 100 '$Q wait a --timeout 10ms; echo code $?'
    has "$out" "$idle"
    has "$out" "code 124"
    for ids in a --all; do
        expect 124 q wait "$ids" --timeout 700ms
        is "$err" "$idle
queuectl: timed out; the jobs go on"
    done
    expect 124 q --spool spool wait a --timeout 10ms
    has "$err" "start some: queuectl --spool 'spool' worker start"
    q pause
    expect 124 q wait a --timeout 10ms
    has "$err" "queuectl: paused since "
    q resume
    q worker run --drain 2>/dev/null
    expect 0 q wait a
    is "$err" ""
    expect 0 q wait --all
    is "$err" ""
}

@test "it says so however slow its first look was; a look alone says nothing" {
    [ "${QUEUECTL_PASS:-normal}" != sanitized ] || skip "LeakSanitizer does not work under strace"
    q enqueue --id a --command true >/dev/null
    q pause
    expect 124 strace -o /dev/null -e trace=newfstatat -e inject=newfstatat:delay_enter=20000 \
        "$QUEUECTL_BIN" wait a --timeout 10ms
    has "$err" "queuectl: paused since "
    expect 124 q wait a --timeout 0
    is "$err" "queuectl: timed out; the jobs go on"
}

@test "enqueue --wait says it too, and ends as it would" {
    for how in "--command true" "--lines -- true" "--batch batch"; do
        echo '{"command":"true"}' >batch
        : >said # the last one's words are not these
        # shellcheck disable=SC2086 # words
        echo x | timeout 20 "$QUEUECTL_BIN" enqueue --wait $how >id 2>said &
        waiter=$!
        wait_until grep -q . said
        is "$(cat said)" "queuectl: no workers on ./spool; start some: queuectl worker start"
        q worker run --drain 2>/dev/null
        wait $waiter
        is "$(wc -l <said)" 1
    done
    start_workers 1
    expect 0 q enqueue --wait --command true
    is "$err" ""
}

@test "--json: the exit code and the documents of those that were named" {
    q enqueue --id a --command true >/dev/null
    q enqueue --id b --max-retries 0 --command 'exit 3' >/dev/null
    expect 124 q wait --json --timeout 50ms a
    is "$(jq -c '[.exit, .jobs[0].state]' <<<"$out")" '[124,"pending"]'
    q worker run --drain 2>/dev/null || true
    expect 1 q wait --json a b
    is "$(jq -c '[.exit, [.jobs[].state]]' <<<"$out")" '[1,["done","dead"]]'
    expect 0 q wait --json --all
    is "$(jq -c . <<<"$out")" '{"exit":0,"jobs":[]}'
}
