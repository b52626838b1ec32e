#!/usr/bin/env bats
# `worker run` on a terminal (a pty).

load helper
load processes

setup() {
    setup_spool
    q config set grace 300ms 2>/dev/null
    mkfifo keys
}
teardown() {
    teardown_spool
    end_strays
}

# `worker run` on a terminal; what it shows is in `screen`, keys are written to
# descriptor 7.
on_terminal() {
    python3 "$BATS_TEST_DIRNAME/terminal.py" "$QUEUECTL_BIN" worker run "$@" \
        <keys >screen 2>&1 3>&- &
    terminal=$!
    exec 7>keys
    wait_until grep -q 'started with' screen
    wait_until pool_lives
}
key() { echo "$1" >&7; }
ended() {
    exec 7>&-
    wait $terminal
    cat screen
    [ "$(tail -n 1 screen)" = "$1" ]
}

pool_lives() { [ -n "$(pools)" ]; }

# A job that says when a terminal's signals reach it.
LISTENS='trap "echo INT >>told" INT; trap "echo HUP >>told" HUP
touch up; until [ -e go ]; do sleep 0.02; done'

@test "Ctrl+C reaches only the pool: the job finishes, then it leaves" {
    on_terminal
    job listens "$LISTENS"
    wait_until is_there up
    key int
    wait_until grep -q 'stopping: ' screen
    is_state listens processing
    job waits true
    touch go
    ended "exit 0"
    is_state listens done
    is_state waits pending
    [ ! -e told ]
    no_strays
}

@test "a second Ctrl+C ends the job and puts it back" {
    on_terminal --count 2
    job listens "$LISTENS"
    wait_until is_there up
    key int
    wait_until grep -q 'stopping: ' screen
    is_state listens processing
    key int
    ended "exit 0"
    is_state listens pending
    [ "$(field listens attempts)" = 0 ]
    [ ! -e told ]
    no_strays
}

@test "closing the terminal is a graceful stop" {
    on_terminal
    pool=$(pools)
    job listens "$LISTENS"
    wait_until is_there up
    key close
    wait_until grep -q '^closed' screen
    # What it says now reaches nobody; that must not keep it from finishing.
    job waits true
    lives "$pool"
    is_state listens processing
    touch go
    wait_until gone "$pool"
    ended "exit 0"
    is_state listens done
    is_state waits pending
    [ ! -e told ]
    no_strays
}

@test "closing the terminal leaves workers alone that were started in the background from it" {
    python3 "$BATS_TEST_DIRNAME/terminal.py" /bin/sh -c \
        '"$QUEUECTL_BIN" worker start; read -r line' <keys >screen 2>&1 3>&- &
    terminal=$!
    exec 7>keys
    wait_until pool_lives
    key close
    exec 7>&-
    wait $terminal
    job after true
    wait_until is_state after done
}
