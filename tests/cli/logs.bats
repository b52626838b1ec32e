#!/usr/bin/env bats
# logs: what the runs of a job wrote.

load helper

setup() {
    setup_spool
    start_workers 1
}
teardown() { teardown_spool; }

# Through its retries without their waits, which are so long that none comes by itself.
retried_to_death() {
    if is_state "$1" failed; then q retry "$1" >/dev/null; fi
    is_state "$1" dead
}

two_runs() {
    q enqueue --id a --max-retries 1 --backoff-base 1000 >/dev/null \
        --command 'echo out $QUEUECTL_RUN; echo err $QUEUECTL_RUN >&2; exit 1'
    wait_until retried_to_death a
}

@test "stdout to stdout, stderr to stderr, of the last run" {
    two_runs
    expect 0 q logs a
    is "$out" "out 2"
    is "$err" "err 2"
}

@test "--stdout and --stderr alone, on stdout; not both" {
    two_runs
    expect 0 q logs a --stdout
    is "$out/$err" "out 2/"
    expect 0 q logs a --stderr
    is "$out/$err" "err 2/"
    refuses 2 "logs: --stdout and --stderr exclude each other; without them both are printed" \
        logs a --stdout --stderr
}

@test "log is logs" {
    two_runs
    expect 0 q log a --stdout
    is "$out" "out 2"
}

@test "--run N" {
    two_runs
    expect 0 q logs a --run 1
    is "$out/$err" "out 1/err 1"
    refuses 1 "a has had 2 runs" logs a --run 3
    q enqueue --wait --id one --command true >/dev/null
    refuses 1 "one has had 1 run" logs one --run 2
    refuses 2 "--run 0: use a number from 1 to 2147483647" logs a --run 0
    refuses 2 "--run x: use a number from 1 to 2147483647" logs a --run x
}

@test "--tail N" {
    q enqueue --wait --id a --command 'seq 100000; printf "no end"' >/dev/null
    is "$(q logs a --tail 1)" "no end"
    is "$(q logs a -n 3)" $'99999\n100000\nno end'
    is "$(q logs a --tail 0)" ""
    is "$(q logs a --tail 200000 | head -1)" 1
    is "$(q logs a --tail 50000 | head -1)" 50002
    q enqueue --wait --id b --command 'printf "\n\nlast\n\n"' >/dev/null
    is "$(q logs b --tail 2 | od -An -c | tr -d ' ')" 'last\n\n'
    refuses 2 "--tail -1: use a number from 0 to 2147483647" logs a --tail -1
}

@test "bytes come through as they are" {
    q enqueue --wait --id a --command 'head -c 300000 /dev/urandom | tee copy; sha256sum copy >&2' >/dev/null
    is "$(q logs a --stdout | sha256sum | cut -d' ' -f1)" "$(q logs a --stderr | cut -d' ' -f1)"
}

@test "not run yet: a note on stderr, exit 0" {
    q enqueue --id a --delay 1h --command true >/dev/null
    expect 0 q logs a
    is "$out" ""
    is "$err" "queuectl: a has not run yet"
}

@test "a run that wrote nothing: nothing, and on a terminal a word" {
    q enqueue --wait --id a --command true >/dev/null
    expect 0 q logs a
    is "$out/$err" "/"
    is "$(ls -A spool/logs | grep '^a\.')" ""
    on_terminal 80 '$Q logs a'
    has "$out" "queuectl: run 1 of a has written nothing"
}

@test "an unknown id: exit 1" {
    refuses 1 "no job \"nope\" in $WORK/spool" logs nope
    refuses 1 "no job \"nope\" in $WORK/spool" logs nope --follow
}

@test "a job that runs: what it has written so far" {
    q enqueue --id a --command 'echo begun; until [ -e go ]; do sleep 0.02; done; echo ended' >/dev/null
    begun() { [ "$(q logs a --stdout)" = begun ]; }
    wait_until begun
    touch go
    wait_until is_state a "done"
    is "$(q logs a)" $'begun\nended'
}

@test "--follow: until the job has ended, both streams" {
    q enqueue --id a --command 'echo one; echo e1 >&2; until [ -e go ]; do sleep 0.02; done; echo two; echo e2 >&2' >/dev/null
    q logs a --follow >followed 2>followed.err &
    follower=$!
    wait_until grep -q one followed
    wait_until grep -q e1 followed.err
    kill -0 $follower
    touch go
    wait $follower
    is "$(cat followed)" $'one\ntwo'
    is "$(cat followed.err)" $'e1\ne2'
}

@test "--follow: begun before the job runs, retries included" {
    q pause >/dev/null
    q enqueue --id a --max-retries 1 --backoff-base 1000 --command 'echo run $QUEUECTL_RUN; exit 1' >/dev/null
    q logs -f a >followed &
    follower=$!
    q resume >/dev/null
    wait_until retried_to_death a
    wait $follower
    is "$(cat followed)" $'run 1\nrun 2'
}

@test "--follow of a job that has ended prints its last run and ends" {
    two_runs
    expect 0 timeout 10 "$QUEUECTL_BIN" logs a --follow --stdout
    is "$out" "out 2"
    expect 0 timeout 10 "$QUEUECTL_BIN" logs a -f --tail 0
    is "$out/$err" "/"
    refuses 2 "logs: --run and --follow exclude each other" logs a --run 1 --follow
}

@test "--follow, interrupted: exit 130, the job goes on" {
    q enqueue --id a --command 'echo one; until [ -e go ]; do sleep 0.02; done' >/dev/null
    expect 130 python3 - "$QUEUECTL_BIN" <<'PY'
import signal, subprocess, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
p = subprocess.Popen([sys.argv[1], "logs", "-f", "a"], stdout=subprocess.PIPE)
p.stdout.readline()
p.send_signal(signal.SIGINT)
sys.exit(p.wait(20))
PY
    is_state a processing
    touch go
}

@test "the next job of the same worker does not write into the log of the first" {
    for i in 1 2 3; do
        q enqueue --wait --id "j$i" --command "[ $i = 2 ] || echo $i" >/dev/null
    done
    is "$(q logs j1),$(q logs j2),$(q logs j3)" "1,,3"
}

@test "a job run anew: the new run is the last, the old one is kept" {
    q enqueue --wait --id a --command 'echo $QUEUECTL_RUN' >/dev/null
    q retry a >/dev/null
    two() { [ "$(field a runs)" = 2 ]; }
    wait_until two
    wait_until is_state a "done"
    is "$(q logs a) $(q logs a --run 1)" "2 1"
}

@test "too much output is cut, and the log stays readable" {
    q config set output-max 64K 2>/dev/null
    q enqueue --id a --command 'head -c 3000000 /dev/zero | tr "\0" x; until [ -e go ]; do sleep 0.02; done; echo; echo the end' >/dev/null
    cut_back() { (($(q logs a | wc -c) <= 65536 + 4096)); }
    wait_until is_state a processing
    wait_until cut_back
    touch go
    wait_until is_state a "done"
    (($(q logs a | wc -c) < 200000))
}

@test "--json: one object with both streams, or the one asked for" {
    q enqueue --id a --command 'echo out; echo "err \"q\"" >&2' >/dev/null
    q enqueue --id later --delay 1h --command true >/dev/null
    is "$(q logs --json later | jq -c .)" '{"id":"later","run":0,"stdout":"","stderr":""}'
    q worker run --drain 2>/dev/null
    wait_until is_state a "done"
    is "$(q logs --json a | jq -c .)" '{"id":"a","run":1,"stdout":"out\n","stderr":"err \"q\"\n"}'
    is "$(q logs --json --stderr a | jq -c .)" '{"id":"a","run":1,"stderr":"err \"q\"\n"}'
    expect 1 q logs --json --run 2 a
    is "$out" ""
    expect 2 q logs --json --follow a
}
