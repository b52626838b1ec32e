#!/usr/bin/env bats
# Every command by every kind of user, and a spool whose folders and files are closed to
# its own owner: refused with the reason, or done; nothing is lost, and work goes on when
# the way is open again.  The users are made for the test only (people.bash).

bats_require_minimum_version 1.5.0
load ../cli/helper
load people

setup_file() { start_people; }
teardown_file() { end_people; }
setup() { setup_home; }
teardown() {
    [ ! -d "$S" ] || chmod -R u+rwX "$S"
    teardown_home
}

COMMANDS=(
    "enqueue --id new --command true" "enqueue --batch public/jobs" "enqueue --unique --id a --command true"
    "list" "list --json" "status" "show a" "logs done" "wait done" "retry a" "cancel a" "hold a"
    "release a" "edit a --priority 1" "delete --yes a" "clear --yes" "dlq list" "dlq retry --all"
    "dlq purge --yes" "pause" "resume" "config list" "config set timeout 5" "config unset timeout"
    "fsck" "worker list" "worker start" "worker run --drain" "worker stop"
)

# A waiting job, and one that has ended.
with_jobs() {
    alice init "$@" "$WORK/$S" >/dev/null
    alice enqueue --id done --command 'echo out' >/dev/null
    alice worker run --drain 2>/dev/null
    alice enqueue --id a --command true >/dev/null
    echo '{"command":"true"}' >public/jobs
}

# All that must not change, its journal and log left out.
inventory() { (cd $S && find . -path ./journal -prune -o ! -name 'worker.log*' -type f -printf '%P %s %u %m\n' | sort); }

# by USER: all commands are refused, and nothing changes.
refused_to() {
    local before cmd
    before=$(inventory)
    for cmd in "${COMMANDS[@]}"; do
        # shellcheck disable=SC2086
        expect 1 as "$1" ./queuectl $cmd
        is "$out" ""
        has "$err" "belongs to user alice"
        has "$err" "sudo -u alice queuectl"
    done
    is "$(inventory)" "$before"
}

@test "a stranger: every command is refused, and nothing changes" {
    with_jobs
    refused_to mallory
}

@test "a stranger, and the spool is a group's" {
    with_jobs --group crew
    refused_to mallory
}

@test "root looks at everything and changes nothing" {
    local before cmd
    with_jobs --group crew
    before=$(inventory)
    for cmd in "${COMMANDS[@]}"; do
        # shellcheck disable=SC2086
        run as root ./queuectl $cmd
        case $cmd in
        list* | status | show* | logs* | wait* | "dlq list" | "config list" | "worker list" | "worker stop")
            [ "$status" = 0 ] || { echo "$cmd: $status: $output" >&2; false; }
            ;;
        *)
            [ "$status" = 1 ] || { echo "$cmd: $status: $output" >&2; false; }
            has "$output" "sudo -u alice queuectl"
            ;;
        esac
    done
    is "$(inventory)" "$before"
}

# Closed to its own owner.
@test "each folder closed, each command: refused with its name, or done; nothing is lost" {
    local d cmd
    with_jobs
    for d in pending processing failed done dead tmp ids logs workers control quarantine journal; do
        for mode in 000 500; do
            for cmd in "enqueue --command true" list "status --json" "show a" "retry a" \
                "cancel nobody" "hold a" "release a" fsck pause resume; do
                chmod "$mode" "$S/$d"
                # shellcheck disable=SC2086
                run alice $cmd
                chmod 700 "$S/$d"
                [ "$status" -le 1 ] || { echo "$d $mode, $cmd: $status: $output" >&2; false; }
                [ "$status" = 0 ] || [[ $cmd == cancel* ]] || has "$output" "$d"
            done
        done
    done
    [ "$(alice list --format '{id}' | grep -c -x -e a -e done)" = 2 ]
    is "$(ls -A $S/tmp)" ""
    alice fsck
    alice worker run --drain 2>/dev/null
    is "$(state a)" "done"
}
