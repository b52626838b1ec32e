#!/usr/bin/env bats
# contrib/demo.sh comes out as it says, and leaves nothing, also when it is ended
# in the middle.

load helper

setup() {
    DEMO=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)/contrib/demo.sh
    WORK=$(mktemp -d "${BATS_TEST_TMPDIR:-/tmp}/demo.XXXXXX")
    export TMPDIR=$WORK
    unset QUEUECTL_SPOOL
}

# Processes that have the demo's folder in their environment or directory.
left() {
    local dir
    for dir in /proc/[0-9]*; do
        if [[ $(readlink "$dir/cwd" 2>/dev/null) == "$WORK"/* ]] ||
            grep -qsz "^QUEUECTL_SPOOL=$WORK/" "$dir/environ" 2>/dev/null; then
            echo "${dir#/proc/} $(tr '\0' ' ' <"$dir/cmdline" 2>/dev/null)"
        fi
    done
}
none_left() { [ -z "$(left)" ] && [ -z "$(ls -A "$WORK")" ]; }

teardown() {
    local pid
    for pid in $(left | cut -d' ' -f1); do kill -9 "$pid" 2>/dev/null || true; done
    rm -rf "$WORK"
}

@test "the demo comes out as it says, in less than a minute, and leaves nothing" {
    SECONDS=0
    run "$DEMO"
    echo "$output"
    [ "$status" = 0 ]
    [ "$SECONDS" -lt 60 ]
    [[ $output != *"NOT AS SAID"* ]]
    left
    wait_until none_left
}

@test "the demo, ended in the middle, leaves nothing" {
    "$DEMO" >"$BATS_TEST_TMPDIR/said" 2>&1 3>&- &
    local demo=$! code=0
    wait_until grep -q '^4\.' "$BATS_TEST_TMPDIR/said"
    kill -TERM "$demo"
    wait "$demo" || code=$?
    [ "$code" = 143 ]
    wait_until none_left
}

@test "the demo fails where something comes out otherwise" {
    # A queuectl that loses what it is told of priorities.
    cat >"$BATS_TEST_TMPDIR/queuectl" <<END
#!/bin/bash
[ "\$1" != enqueue ] || set -- "\${@/high/low}"
exec "$QUEUECTL_BIN" "\$@"
END
    chmod +x "$BATS_TEST_TMPDIR/queuectl"
    QUEUECTL_BIN=$BATS_TEST_TMPDIR/queuectl run "$DEMO"
    [ "$status" = 1 ]
    [[ $output == *"NOT AS SAID"* ]]
    wait_until none_left
}
