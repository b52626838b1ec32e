#!/usr/bin/env bats
# What the commands do for a member: a user of the group that a spool is shared
# with.  Real users, real permissions; see people.bash.

load ../cli/helper
load people

setup_file() { start_people; }
teardown_file() { end_people; }
setup() { setup_home; }
teardown() { teardown_home; }

web() { as web ./queuectl "$@"; }
quiet() { alice init --group crew "$WORK/$S" >/dev/null; }
work() { alice worker start "$@" >/dev/null; }
left() { (cd $S && ls -A pending tmp | grep -v -e : -e '^$') || true; }
nothing_left() { [ -z "$(left)" ]; }
document() { as web jq -cS "${2:-del(.cwd)}" "$S/pending/$1.json"; }
is_seen() { as web test -e "$S/$1"; }
# A job of alice's that runs until there is ./go.
long() {
    alice enqueue --id "$1" --command "until [ -e $WORK/go ]; do sleep 0.05; done" >/dev/null
    wait_until is_state "$1" processing
}

@test "each form of enqueue drops a file that says what its producer said, and the id" {
    quiet
    echo '{"id":"c","command":"echo c","mine":1e2}' >public/c.json
    expect 0 web enqueue '{"id":"a","command":"echo a"}'
    is "$out" a
    is "$err" ""
    echo '{"id":"b","command":"echo b"}' | as web ./queuectl enqueue - >/dev/null
    web enqueue @public/c.json >/dev/null
    web enqueue --id d --command 'echo d' --priority 7 --timeout 5m >/dev/null
    web enqueue --id e -- printf '%s\n' 'e e' >/dev/null
    printf '%s\n' '{"id":"f","command":"echo f"}' '{"id":"g","command":"echo g"}' >public/batch
    is "$(web enqueue --batch public/batch)" $'f\ng'
    id=$(echo line | as web ./queuectl enqueue --lines -- echo {})
    is "$(document a)" '{"command":"echo a","id":"a"}'
    has "$(cat $S/pending/c.json)" '"mine": 1e2'
    is "$(document d)" '{"command":"echo d","id":"d","priority":7,"timeout":"5m"}'
    is "$(document e)" '{"argv":["printf","%s\\n","e e"],"id":"e"}'
    is "$(document "$id")" "{\"argv\":[\"echo\",\"line\"],\"id\":\"$id\"}"
    is "$(document a .cwd)" "\"$WORK\""
    is "$(stat -c '%a %u %g' $S/pending/* | sort -u)" "640 61002 61010"
    is "$(ls -A $S/tmp)" ""
    work
    for id in a b c d e f g "$id"; do wait_until is_seen "done/$id.json"; done
    is "$(web logs e)" "e e"
    is "$(left)" ""
}

@test "a made-up id, and what a copy of an old document says of its past" {
    quiet
    id=$(web enqueue --json '{"command":"echo hi","runs":7,"attempts":3,"created_at":"2001-01-01T00:00:00Z","history":[]}' | jq -r .id)
    is "$(document "$id" 'keys')" '["command","cwd","id"]'
    work
    wait_until is_seen "done/$id.json"
    is "$(jq -c '[.runs,.attempts]' "$S/done/$id.json")" "[1,1]"
    hasnt "$(cat "$S/done/$id.json")" 2001
}

@test "with a umask of 077 the owner can read it all the same" {
    shared
    expect 0 as web sh -c 'umask 077; exec ./queuectl enqueue --wait --id a --command "echo hi"'
    is "$(web logs a)" hi
    is_seen done/a.json
}

@test "a delay counts from the call, not from when a worker comes" {
    quiet
    before=$(date +%s)
    web enqueue --id a --command true --delay 1h >/dev/null
    after=$(date +%s)
    is "$(document a 'has("delay")')" false
    at=$(date -d "$(jq -r .run_at $S/pending/a.json)" +%s)
    ((at >= before + 3600 && at <= after + 3600))
    expect 0 web enqueue --id b --command true --delay 10ms
    work
    wait_until is_seen done/b.json
    is "$(web status --json 2>/dev/null | jq -c '[.counts.pending,.scheduled]')" "[1,1]"
}

@test "an id that can be seen to be in use is refused, and nothing is left" {
    quiet
    for id in "done" dead; do
        alice enqueue --id "$id" --max-retries 0 --command "[ $id = done ]" >/dev/null
    done
    alice worker run --drain 2>/dev/null || true
    alice enqueue --id later --delay 1h --command true >/dev/null
    web enqueue --id dropped --command true >/dev/null
    before=$(left)
    for id in "done" dead later dropped; do
        expect 1 web enqueue --id $id --command true
        is "$err" "queuectl: id \"$id\" is in use; see: queuectl show $id"
        is "$out" ""
        expect 1 web enqueue --dry-run --id $id --command true
        has "$err" "is in use"
    done
    expect 2 web enqueue --id 20200101T000000.000000Z.p0.a0.x --command true
    has "$err" "and not like held.p0.a0.x"
    is "$(left)" "$before"
}

@test "a batch: all or none; bad ones left out where that was said" {
    quiet
    web enqueue --id b --command true >/dev/null
    for id in a b c; do echo "{\"id\":\"$id\",\"command\":\"true\"}"; done >public/batch
    expect 1 web enqueue --batch public/batch
    has "$err" 'public/batch:2: id "b" is in use'
    is "$(left)" b.json
    for id in a a; do echo "{\"id\":\"$id\",\"command\":\"true\"}"; done >public/twins
    expect 1 web enqueue --batch public/twins
    has "$err" 'is there twice in this batch'
    is "$(left)" b.json
    expect 1 web enqueue --skip-bad --batch public/batch
    is "$out" $'a\nc'
    is "$(left | sort | tr '\n' ' ')" "a.json b.json c.json "
}

@test "--dry-run prints what would be dropped, and drops nothing" {
    quiet
    expect 0 web enqueue --dry-run --id a --command true --delay 1h
    is "$(jq -c 'keys' <<<"$out")" '["command","cwd","id","run_at"]'
    expect 0 web enqueue --dry-run --lines -- echo {} <<<x
    is "$(jq -c 'keys' <<<"$out")" '["argv","cwd","id"]'
    is "$(left)" ""
    expect 1 web enqueue --dry-run --unique --id a --command true
    has "$err" "sudo -u alice queuectl ..."
}

@test "--wait: the code of the job" {
    shared
    expect 0 web enqueue --wait --id a --command 'echo hi'
    is "$out" a
    expect 7 web enqueue --wait --max-retries 0 --id b --command 'exit 7'
    has "$err" "b is dead: exit 7"
    expect 0 web enqueue --wait --json --id c --command true
    is "$(jq -r '.id + .state' <<<"$out")" cdone
}

@test "--wait ends when the drop is refused, with the reason" {
    shared --count 2
    long busy
    # What runs cannot be seen: the drop is made, and then refused.
    expect 1 web enqueue --wait --id busy --command 'echo mine'
    is "$out" busy
    has "$err" 'busy was refused: id "busy" is in use'
    # Of a batch: the others go on to their ends.
    for id in a busy b; do echo "{\"id\":\"$id\",\"command\":\"true\"}"; done >public/batch
    expect 1 web enqueue --wait --batch public/batch
    has "$err" 'busy was refused: id "busy" is in use'
    is "$(web list --state "done" --format '{id}' | sort | tr '\n' ' ')" "a b "
    expect 1 web show busy
    has "$err" "a file of that name was rejected: queuectl show rejected-busy.json-"
    touch go
    wait_until is_seen done/busy.json
    hasnt "$(web logs busy)" mine
}

# How often a process has gone to sleep.
slept() { awk '/^voluntary/ { print $2 }' "/proc/$1/status"; }
slept_more() { (($(slept "$1") >= $2)); }

@test "--wait does not take another job's answer for its own" {
    quiet
    # Nobody takes it in yet; the answer of a namesake comes by hand.
    as web ./queuectl enqueue --wait --id a --command 'exit 5' >said 2>&1 3>&- &
    waiter=$!
    wait_until is_seen pending/a.json
    pid=$(pgrep -P $waiter)
    as alice sh -c "echo '{\"id\":\"a\",\"command\":\"true\"}' >$S/done/a.json"
    wait_until slept_more "$pid" $(($(slept "$pid") + 2)) # it has looked
    kill -0 "$pid"
    work
    code=0
    wait $waiter || code=$?
    is "$code" 1
    has "$(cat said)" 'a was refused: id "a" is in use'
}

@test "--wait does not take an old report for its own, whose file had the same number" {
    shared
    # The next numbers, as far as that can be told here: each has a report.
    as alice sh -c "echo '{\"quarantined\":\"x\",\"last_error\":\"old\"}' >$S/dead/rejected-x"
    taskset -c 0 touch public/probe
    number=$(stat -c %i public/probe)
    for i in {1..5}; do
        ln "$S/dead/rejected-x" "$S/dead/$(printf 'rejected-a.json-%x.json' $((number + i)))"
    done
    expect 0 as web taskset -c 0 ./queuectl enqueue --wait --id a --command true
    is "$(left)" ""
}

@test "one user of a group that cannot touch each other's files" {
    quiet
    as alice chmod +t $S/pending $S/tmp
    alice config unset allow-group 2>/dev/null
    alice config set allow-users web 2>/dev/null
    work
    expect 0 web enqueue --wait --id a --command true
    expect 1 as bob ./queuectl enqueue --wait --id b --command true
    has "$err" "b was refused: it belongs to user bob, whose jobs this spool does not run"
    is "$(left)" ""
}

@test "the C interface: enqueue drops, all else is refused" {
    [ "${QUEUECTL_PASS:-normal}" = normal ] || skip "the normal pass builds a program"
    shared --count 2
    # shellcheck disable=SC2046 # words
    ${CC:-cc} -I"$BATS_TEST_DIRNAME/../../include" -o member "$BATS_TEST_DIRNAME/member.c" \
        "$QUEUECTL_BUILD/libqueuectl.a" $(pkg-config --libs libcjson inih)
    long busy
    expect 0 as web env QUEUECTL_SPOOL="$WORK/$S" ./member
    is "$out" "as promised"
    touch go
    wait_until is_seen done/busy.json
}

@test "fifty drops of one id at once: one is run, each other one is told" {
    shared --count 2
    local pids=() told=0
    for i in {1..50}; do
        as web ./queuectl enqueue --wait --id same --command "echo $i" >/dev/null 2>"said.$i" 3>&- &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do wait "$pid" || told=$((told + 1)); done
    is "$told" 49
    is "$(cat said.* | grep -c 'id "same" is in use')" 49
    is "$(ls $S/logs | grep -c '^same\.r')" 1
    is "$(jq -r .runs $S/done/same.json)" 1
    is "$(left)" ""
}

# traced INJECTION ARGS...: web's enqueue ARGS with a call going wrong
traced() {
    local inject=$1
    shift
    as web env ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0" \
        strace -f -o public/trace -e "trace=${inject%%:*}" -e "inject=$inject" \
        ./queuectl enqueue "$@"
}

can_trace() {
    command -v strace >/dev/null || skip "no strace"
    as web strace -o /dev/null true 2>/dev/null || skip "strace may not trace here"
    quiet
}

@test "killed at any step: nothing in pending/, or all of it" {
    can_trace
    # The first sync is the document's, the second that of pending/.
    for step in fsync:1 renameat2:1 fsync:2; do
        run traced "${step%:*}:signal=KILL:when=${step#*:}" --id "${step/:/-}" --command 'echo whole'
        [ "$status" != 0 ] || { echo "not killed at $step" >&2; false; }
    done
    is "$(jq -r .command $S/pending/*.json | sort -u)" "echo whole"
    is_seen pending/fsync-2.json
    [ ! -e $S/pending/fsync-1.json ]
    [ -n "$(ls -A $S/tmp)" ]
    as root find "$S/tmp" -type f -exec touch -d '1 hour ago' {} +
    work
    wait_until is_seen done/fsync-2.json
    wait_until nothing_left
}

@test "a call that fails: nothing is left of a job, nor of a batch" {
    can_trace
    for call in fsync:1 renameat2:1 fsync:2; do
        run traced "${call%:*}:error=EIO:when=${call#*:}" --id x --command true
        is "$status" 1
        has "$output" "Input/output error"
        is "$(left)" ""
    done
    for i in 1 2 3; do echo "{\"id\":\"b$i\",\"command\":\"true\"}"; done >public/batch
    for call in syncfs:1 renameat2:3 fsync:1; do
        run traced "${call%:*}:error=EIO:when=${call#*:}" --batch public/batch
        is "$status" 1
        is "$(left)" ""
    done
}

@test "a batch of many under --wait, with few descriptors" {
    shared --count 2
    for i in {1..200}; do echo "{\"command\":\"true\"}"; done >public/batch
    expect 0 as web sh -c 'ulimit -n 100; exec ./queuectl enqueue --wait --batch public/batch'
    is "$(wc -l <<<"$out")" 200
    is "$(left)" ""
}

CLOSED='queuectl: closed to you: what runs or waits for a retry is not shown; the spool belongs to alice'

@test "list and status show what can be seen, and say what cannot" {
    shared
    web enqueue --wait --id a --command 'echo hi' >/dev/null
    web enqueue --wait --id b --max-retries 0 --command 'exit 3' >/dev/null 2>&1 || true
    long c
    expect 0 web list --format '{id} {state}'
    is "$err" "$CLOSED"
    is "$out" $'a done\nb dead'
    expect 0 web list --json
    is "$err" "$CLOSED"
    is "$(jq -r '.[].id' <<<"$out")" $'a\nb'
    expect 0 web list --state "done" --format '{id}'
    is "$err$out" a
    expect 0 web list --state processing --format '{id}'
    is "$err$out" "$CLOSED"
    expect 0 web status
    is "$err" "$CLOSED"
    is "$(sed 1d <<<"$out")" "pending    0
processing closed to you
failed     closed to you
done       1
dead       1
workers    closed to you"
    expect 0 web status --json
    is "$err" "$CLOSED"
    is "$(jq -c '[.counts,.closed,.workers]' <<<"$out")" \
        '[{"pending":0,"processing":null,"failed":null,"done":1,"dead":1},["processing","failed","held","paused","workers"],[]]'
    is "$(alice status --json | jq -c '[.counts.processing,has("closed")]')" '[1,false]'
    expect 0 web dlq list
    is "$err" ""
    has "$out" "exit 3"
    touch go
}

@test "show and logs: of what ended all, of the rest what may be" {
    shared
    web enqueue --wait --id a --command 'echo out; echo err >&2' >/dev/null
    expect 0 web logs a
    is "$out/$err" out/err
    expect 0 web show a
    has "$out" "echo out"
    long c
    for cmd in show logs "logs -f"; do
        # shellcheck disable=SC2086
        expect 1 web $cmd c
        is "$err" "queuectl: no job \"c\" in $WORK/$S that you can see; it may be running or waiting for a retry"
    done
    touch go
    wait_until is_seen done/c.json
    alice worker stop >/dev/null
    web enqueue --id d --command true >/dev/null
    expect 1 web show d
    is "$err" "queuectl: d lies in $WORK/$S/pending/ and is not taken in yet"
    as alice chmod g-rx $S/logs
    expect 1 web logs a
    has "$err" "Permission denied"
}

@test "config: the settings are the owner's, unless he opens them" {
    shared
    for cmd in "config get timeout" "config list" "config get"; do
        # shellcheck disable=SC2086
        expect 1 web $cmd
        is "$out" ""
        has "$err" "queuectl.ini belongs to user alice and is closed to you"
    done
    as alice sh -c "chgrp crew $S/queuectl.ini && chmod g+r $S/queuectl.ini"
    is "$(web config get allow-group)" crew
}

@test "wait: for what is not seen too, but not for all" {
    shared
    long c
    expect 124 web wait --timeout 0.1s c
    expect 124 web wait --timeout 0.1s nosuch
    expect 1 web wait 'no id'
    expect 1 web wait
    has "$err" "only named jobs can be waited for: queuectl wait ID"
    as web script -qec './queuectl wait --timeout 0.1s c; true' /dev/null </dev/null >said
    has "$(cat said)" "it may be running or waiting for a retry"
    as web ./queuectl wait c 3>&- &
    touch go
    wait $!
    expect 0 web wait c
}

@test "on a terminal a member is not told to start workers" {
    quiet
    as web script -qec './queuectl status; ./queuectl enqueue --id a --command true' /dev/null </dev/null >said
    has "$(cat said)" "workers    closed to you"
    hasnt "$(cat said)" "no workers"
    as alice script -qec './queuectl status' /dev/null </dev/null >said
    has "$(cat said)" "no workers"
}

@test "fsck and worker list want to see all; strangers see nothing" {
    shared
    for cmd in fsck "worker list" "worker stop" "init $WORK/$S"; do
        # shellcheck disable=SC2086
        expect 1 web $cmd
        has "$err" "$WORK/$S belongs to user alice and is closed to you; run this as that user: sudo -u alice queuectl ..."
        is "$out" ""
    done
    for cmd in list status "show a" "logs a" "wait a" "config get" "dlq list" "enqueue --command x" \
        "enqueue --dry-run --command x"; do
        # shellcheck disable=SC2086
        expect 1 as mallory ./queuectl $cmd
        has "$err" "$S belongs to user alice and is closed to you"
        is "$out" ""
    done
    # Root looks, as ever.
    expect 0 as root ./queuectl status --json
    is "$(jq -c '[has("closed"),(.workers|length)]' <<<"$out")" "[false,1]"
    is "$err" ""
    # Somebody who may look, but not drop.
    as alice chmod g-w $S/pending
    expect 1 web enqueue --command x
    has "$err" "sudo -u alice queuectl ..."
    expect 0 web list
}
