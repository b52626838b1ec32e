#!/usr/bin/env bats
# enqueue --unique: only if no job with this id waits or runs.

load helper

setup() { setup_spool; }
teardown() { teardown_spool; }

unique() { q enqueue --unique --id x "$@"; }

# The places a job x lies in: one of them, whatever happens.
places() { find spool/{pending,failed,processing,done,dead} -name '*x.json'; }
is_in_one_place() { is "$(places | wc -l)" 1; }

# ended STATE: a job x in done or dead, with a log of each of its runs; no worker
# lives afterwards.
ended() {
    q enqueue --id x --max-retries 0 --command 'echo old; [ '"$1"' = done ]' >/dev/null
    q worker run --drain >/dev/null 2>&1 || [ "$1" = dead ]
    is_state x "$1"
}

journal() { cat spool/journal/*.jsonl 2>/dev/null | grep -c "\"event\":\"$1\"" || true; }

# --- there already: its id, nothing added -----------------------------------------------

# is_there STATE: x stays as it is
is_there() {
    before=$(places)
    expect 0 unique --command new
    is "$out" x
    is "$err" ""
    expect 0 unique --command new --json
    is "$(jq -r '.id + " " + .state + " " + .command' <<<"$out")" "x $1 $2"
    expect 0 unique --command new --dry-run
    is "$(jq -r .command <<<"$out")" "$2"
    is "$(places)" "$before"
}

@test "absent: it is enqueued as any job" {
    expect 0 unique --command new
    is "$out" x
    is "$(field x command)" new
    is_state x pending
    expect 0 q enqueue --unique '{"id":"in.json","command":"a"}'
    is "$out" in.json
    expect 0 q enqueue --unique --id y --json -- prog arg
    is "$(jq -c .argv <<<"$out")" '["prog","arg"]'
    is "$(count_of pending)" 3
}

@test "pending: the id, and nothing is added" {
    q enqueue --id x --command old
    is_there pending old
    expect 0 q enqueue --unique '{"id":"x","command":"new"}'
    is "$out" x
    is "$(field x command)" old
}

@test "scheduled and held are waiting too" {
    q enqueue --id x --command old --delay 1h
    is_there pending old
    q hold x
    is_there pending old
}

@test "failed: it waits for its retry" {
    q enqueue '{"id":"x","command":"false","backoff_base":1000}'
    start_workers 1
    wait_until is_state x failed
    is_there failed false
}

@test "running: that one it is; with --wait its code" {
    q enqueue --id x --max-retries 0 --command 'until [ -e go ]; do sleep 0.01; done; exit 7'
    start_workers 1
    wait_until is_state x processing
    is_there processing 'until [ -e go ]; do sleep 0.01; done; exit 7'
    unique --command new --wait >said 2>&1 &
    waits=$!
    wait_until grep -qx x said
    touch go
    code=0
    wait "$waits" || code=$?
    is "$code" 7
}

@test "a dropped file, once it is taken in" {
    q pause
    start_workers 1
    echo '{"id":"x","command":"old"}' >spool/pending/dropped.json
    wait_until is_state x pending
    is_there pending old
}

# --- ended: replaced --------------------------------------------------------------------

replaces() { # STATE
    ended "$1"
    [ -s spool/logs/x.r1.out ]
    was=$(field x created_at)
    expect 0 unique --command 'echo new'
    is "$out" x
    is_in_one_place
    is_state x pending
    is "$(jq -c '[.command,.runs,.history,.attempts,.last_error,.exit_code]' spool/pending/*x.json)" \
        '["echo new",null,null,null,null,null]'
    [[ $(field x created_at) > $was ]]
    is "$(ls spool/logs)" ""
    is "$(ls spool/tmp)" ""
    is "$(journal replaced)" 1
    expect 0 q worker run --drain
    is_state x "done"
    is "$(field x runs)" 1
    is "$(q logs x)" new
    q fsck
}

@test "done: replaced by a new job without a past" { replaces "done"; }
@test "dead: replaced by a new job without a past" { replaces dead; }

@test "the logs of 25 runs go with it" {
    q enqueue --id x --max-retries 0 --command 'echo old' >/dev/null
    for _ in $(seq 25); do
        q worker run --drain >/dev/null 2>&1
        q retry x >/dev/null
    done
    q worker run --drain >/dev/null 2>&1
    is "$(field x runs)" 26
    is "$(ls spool/logs | wc -l)" 20
    unique --command new
    is "$(ls spool/logs)" ""
}

@test "a result that cannot be read makes room too; a folder of its name does not" {
    ended "done"
    : >spool/done/x.json
    expect 0 unique --command new
    is_in_one_place
    is "$(field x command)" new
    q delete --yes x
    mkdir spool/done/x.json
    refuses 1 "done/x.json: it is a folder, and a job is a regular file; remove it" \
        enqueue --unique --id x --command new
    rmdir spool/done/x.json
    expect 0 unique --command new
}

@test "an id without its file in ids/, and one without its job" {
    ended "done"
    rm spool/ids/x
    expect 0 unique --command new
    is "$(field x command)" new
    rm spool/pending/*x.json
    expect 0 unique --command newer
    is "$(field x command)" newer
    is_in_one_place
    q fsck
}

@test "flags of time and priority hold for the new one" {
    ended "done"
    expect 0 unique --command new --priority 9 --delay 1h
    is "$(ls spool/pending | sed 's/^[^.]*\.[0-9]*Z//')" .p9.a0.x.json
    [[ $(field x next_run_at) > $(date -u +%FT%T -d '+50 minutes') ]]
}

@test "--dry-run over one that ended prints the new one and changes nothing" {
    ended "done"
    expect 0 unique --command new --dry-run
    is "$(jq -r .command <<<"$out")" new
    is_state x "done"
    [ -s spool/logs/x.r1.out ]
    q delete --yes x
    expect 0 unique --command new --dry-run
    is "$(jq -r .id <<<"$out")" x
    is "$(places)" ""
    is "$(ls spool/ids)" ""
    expect 0 q --spool nowhere enqueue --unique --id x --command new --dry-run
    is "$(jq -r .id <<<"$out")" x
}

@test "a report about a quarantined file is no job" {
    echo nonsense >spool/pending/bad.json
    start_workers 1
    wait_until eval '[ -n "$(ls spool/dead)" ]'
    q worker stop >/dev/null
    id=$(basename spool/dead/*.json .json)
    for dry in '' --dry-run; do
        # shellcheck disable=SC2086
        expect 1 q enqueue --unique --id "$id" --command new $dry
        is "$out" ""
        is "$err" "queuectl: \"$id\" is a report about a file in quarantine/, and no job; see: queuectl show $id"
    done
    is_state "$id" dead
    is "$(ls spool/tmp)" ""
}

# --- words ------------------------------------------------------------------------------

@test "words that are off: exit 2" {
    local needs='--unique needs an id: --id ID, or "id" in the document'
    refuses 2 "$needs" enqueue --unique --command x
    refuses 2 "$needs" enqueue --unique '{"command":"x"}'
    refuses 2 "$needs" enqueue --unique --dry-run -- prog
    local single="--unique is for one job; of a batch, --skip-bad leaves out those whose id is in use"
    refuses 2 "$single" enqueue --unique --batch jobs
    refuses 2 "$single" enqueue --unique --lines -- prog
    is "$(places)" ""
}

@test "on a terminal it is said that it is there; in a script it is not" {
    q enqueue --id x --command old
    on_terminal 100 '$Q enqueue --unique --id x --command new'
    has "$out" "queuectl: x is there already (pending); nothing was added"
}

# --- many at once -----------------------------------------------------------------------

# at_once N: so many calls at the same time; each prints the id and exits with 0.
at_once() {
    local i
    rm -f out.* err.* code.*
    for ((i = 1; i <= $1; i++)); do
        { q enqueue --unique --id x --command "echo $i" >"out.$i" 2>"err.$i" && echo 0 || echo $?; } \
            >"code.$i" &
    done
    wait
    is "$(cat err.*)" ""
    is "$(sort code.* | uniq -c | tr -s ' ')" " $1 0"
    is "$(sort out.* | uniq -c | tr -s ' ')" " $1 x"
    is_in_one_place
    is "$(ls spool/tmp)" ""
}

@test "50 at once, absent: one adds, all print the id" {
    for round in $(seq 4); do
        at_once 50
        is_state x pending
        is "$(journal replaced)" 0
        q delete --yes x
    done
}

@test "50 at once over a done one: one replaces it, all print the id" {
    for round in $(seq 4); do
        ended "done"
        at_once 50
        is_state x pending
        is "$(journal replaced)" "$round"
        q delete --yes x
    done
}

@test "with a worker that claims and finishes: what was added runs, once" {
    start_workers 2
    one() {
        local i=$1 doc
        doc=$(q enqueue --unique --id x --max-retries 0 --json --command "echo $i >>ran") || echo "exit $?"
        [ "$(jq -r .command <<<"$doc")" != "echo $i >>ran" ] || echo "$i"
    }
    for i in $(seq 4); do
        for n in $(seq 25); do one "$i.$n"; done >"added.$i" 2>"err.$i" &
        pids[i]=$!
    done
    wait "${pids[@]}"
    is "$(cat err.*)" ""
    wait_until is_state x "done"
    wait_until is_count processing 0
    sort added.* >added
    [ "$(wc -l <added)" -gt 1 ]
    diff -u added <(sort ran)
    q worker stop >/dev/null
    q fsck
}

@test "with retry, cancel, delete and a worker: no error but a clear one, one place" {
    start_workers 2
    for verb in retry cancel "delete --yes"; do
        # shellcheck disable=SC2086 # words
        for n in $(seq 25); do q $verb x || true; done >/dev/null 2>>said &
        others[${#others[@]}]=$!
    done
    for i in 1 2; do
        for n in $(seq 40); do
            unique --command true >>"ids.$i" 2>>"err.$i" || echo "exit $?" >>"err.$i"
        done &
        ours[i]=$!
    done
    wait "${ours[@]}" "${others[@]}"
    cat err.* 2>/dev/null || true
    is "$(cat err.* 2>/dev/null | grep -v 'moved just now; try again$' | grep -v '^exit 1$')" ""
    is "$(sort -u ids.*)" x
    # It is there still, or was deleted; and it can be had.
    expect 0 unique --command true --wait
    is_in_one_place
    q worker stop >/dev/null
    is "$(ls spool/tmp)" ""
    q fsck
}

@test "an id that somebody keeps locked: a clear line after some patience" {
    ended "done"
    exec 4<spool/ids/x
    flock 4
    refuses 1 "x is being run or moved just now; try again" enqueue --unique --id x --command new 4>&-
    exec 4>&-
    is_state x "done"
    expect 0 unique --command new
}

# --- crashes and failing calls ----------------------------------------------------------

can_trace() {
    command -v strace >/dev/null || skip "no strace"
    strace -o /dev/null true 2>/dev/null || skip "strace may not trace here"
    # LeakSanitizer does not work under strace.
    export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0
}

# traced INJECTION ARGS...: unique ARGS, with strace(1) making a call go wrong
traced() {
    local inject=$1
    shift
    strace -o trace -e "trace=${inject%%:*}" -e "inject=$inject" \
        "$QUEUECTL_BIN" enqueue --unique --id x "$@"
}

@test "one that is slow with the lock in its hand: the other waits and finds it there" {
    can_trace
    for before in absent "done"; do
        [ "$before" = absent ] || ended "done"
        # The first of these comes with the lock held, before the rename.
        traced fsync,sync_file_range:delay_enter=700000:when=1 --command slow >said 2>&1 &
        slow=$!
        wait_until eval 'grep -q sync trace'
        is "$(ls spool/pending)" ""
        expect 0 unique --command quick --json
        is "$(jq -r .command <<<"$out")" slow
        wait "$slow"
        is "$(cat said)" x
        is_in_one_place
        q delete --yes x
        rm trace
    done
}

# killed_at CALL N: what is left of a done job x goes to $left.  9: it was killed,
# 0: there is no such call.
killed_at() {
    local code=0 where command
    rm -rf spool
    cp -a pristine spool
    q init --adopt spool >/dev/null
    traced "$1:signal=KILL:when=$2" --command new >/dev/null 2>&1 || code=$?
    is_in_one_place
    where=$(basename "$(dirname "$(places)")")
    command=$(field x command)
    left="$left$where ${command%% *},"
    q fsck >/dev/null 2>&1
    [ "$code" -ne 0 ] || return 0
    is "$code" 137
    # And the same call again makes it good.
    expect 0 unique --command newer
    is_state x pending
    is_in_one_place
    return 9
}

@test "killed at any step: the old job or the new one, never none, never both" {
    can_trace
    ended "done"
    cp -a spool pristine
    left=""
    for call in renameat2 unlinkat fsync flock write; do
        n=0 code=9
        while [ "$code" = 9 ]; do
            code=0
            n=$((n + 1))
            killed_at "$call" "$n" || code=$?
        done
        [ "$code" = 0 ]
        echo "$call: $n calls"
    done
    for state in "done echo" "done new" "pending new"; do
        has "$left" "$state"
    done
    is "$(tr , '\n' <<<"$left" | sed '/^$/d' | sort -u | paste -sd,)" "done echo,done new,pending new"
}

@test "it is taken away by hand at the very moment: looked for again" {
    can_trace
    for n in 1 2; do
        ended "done"
        expect 0 traced "renameat2:error=ENOENT:when=$n" --command new
        is "$out" x
        is_state x pending
        is "$(field x command)" new
        is_in_one_place
        is "$(ls spool/tmp)" ""
        q delete --yes x
    done
}

@test "what cannot be synced is not acknowledged" {
    can_trace
    for n in 1 2; do # the document, pending/
        ended "done"
        expect 1 traced "fsync,fdatasync:error=EIO:when=$n" --command new
        is "$out" ""
        has "$err" "Input/output error"
        is_in_one_place
        is "$(ls spool/tmp)" ""
        q delete --yes x
    done
    expect 0 unique --command old
    expect 1 traced "fsync,fdatasync:error=EIO:when=1" --command new # one that is there
    is "$out" ""
    has "$err" "sync pending: Input/output error"
}
