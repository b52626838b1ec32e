# helper.bash: each test has a spool of its own and leaves no process behind.
#
#   q ARGS...                  the program under test
#   wait_until CMD...          until CMD succeeds; fails after WAIT_SEC (60; an
#                              event must be heard in 20, before the look each 30 s)
#   state ID                   the folder a job lies in, or nothing
#   start_workers N            a pool in the background
#
# Tests wait for conditions; none sleeps a fixed time and hopes.
# shellcheck shell=bash

: "${QUEUECTL_BIN:?the program under test}"
WAIT_SEC=${WAIT_SEC:-60}

q() { "$QUEUECTL_BIN" "$@"; }

setup_spool() {
    # A short path on a fast file system where there is one: what is tested is
    # the queue, not the disk.
    local base=/dev/shm
    [ -w "$base" ] || base=$BATS_TEST_TMPDIR
    WORK=$(mktemp -d "$base/queuectl-test.XXXXXX")
    cd "$WORK" || return 1
    unset QUEUECTL_SPOOL NO_COLOR COLUMNS
    export QUEUECTL_SPOOL=$WORK/spool
    "$QUEUECTL_BIN" init "$QUEUECTL_SPOOL" >/dev/null
}

# Every process that lives on this test's spool, by its record in workers/.
spool_pids() {
    "$QUEUECTL_BIN" status --json 2>/dev/null |
        jq -r '.workers[] | .pid, .pool // empty' | sort -u
}

teardown_spool() {
    [ -n "${WORK:-}" ] || return 0
    local spool
    for spool in "$WORK"/*/; do
        [ -e "$spool.queue" ] || continue
        timeout 30 "$QUEUECTL_BIN" --spool "$spool" worker stop --now >/dev/null 2>&1 || {
            QUEUECTL_SPOOL=$spool spool_pids | xargs -r kill -9
        }
    done
    cd / && rm -rf "$WORK"
}

wait_until() {
    local end=$((SECONDS + WAIT_SEC))
    until "$@"; do
        if ((SECONDS >= end)); then
            echo "waited ${WAIT_SEC}s in vain for: $*" >&2
            "$QUEUECTL_BIN" list >&2 || true
            tail -n 20 "$QUEUECTL_SPOOL/worker.log" >&2 || true
            return 1
        fi
        read -r -t 0.02 <> <(:) || true
    done
}

state() { q show --json "$1" 2>/dev/null | jq -r .state; }
is_state() { [ "$(state "$1")" = "$2" ]; }
field() { q show --json "$1" | jq -r ".$2"; }
count_of() { q status --json | jq -r ".counts.$1"; }
is_count() { [ "$(count_of "$1")" = "$2" ]; }

start_workers() { q worker start --count "${1:-1}" >/dev/null; }

# What a command said and how it ended:
#
#   expect CODE CMD...         CMD must exit with CODE; its words are in $out, $err
#   refuses CODE TEXT ARGS...  q ARGS exits with CODE, prints nothing, and says
#                              exactly "queuectl: TEXT" on stderr
#   is GOT WANTED              they are equal
#   has TEXT PART              PART is in TEXT
#   hasnt TEXT PART            ... is not
expect() {
    local want=$1 got=0
    shift
    out=$("$@" 2>"$BATS_TEST_TMPDIR/err") || got=$?
    err=$(<"$BATS_TEST_TMPDIR/err")
    [ "$got" = "$want" ] && return
    printf '%s: exit %s, wanted %s\nstdout: %s\nstderr: %s\n' "$*" "$got" "$want" "$out" "$err" >&2
    return 1
}

refuses() {
    local want=$1 text=$2
    shift 2
    expect "$want" q "$@" || return
    is "$out" "" && is "$err" "queuectl: $text"
}

is() {
    [ "$1" = "$2" ] && return
    printf 'got:    %s\nwanted: %s\n' "$1" "$2" >&2
    return 1
}

has() {
    [[ $1 == *"$2"* ]] && return
    printf 'in:     %s\nwanted: %s\n' "$1" "$2" >&2
    return 1
}

hasnt() {
    [[ $1 != *"$2"* ]] && return
    printf 'in:       %s\nunwanted: %s\n' "$1" "$2" >&2
    return 1
}

# on_terminal COLUMNS COMMAND: COMMAND (for the shell; $Q is the program) on a
# terminal so wide; what it printed is in $out, without carriage returns.
on_terminal() {
    out=$(Q=$QUEUECTL_BIN TERM=${TERM_KIND:-xterm} \
        script -qec "stty cols $1 rows 24; $2" /dev/null </dev/null | tr -d '\r')
}

uncoloured() { sed 's/\x1b\[[0-9;]*m//g'; }
