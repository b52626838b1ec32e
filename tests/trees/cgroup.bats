#!/usr/bin/env bats
# A delegated cgroup: used where it is ours, and nowhere else.

load ../cli/helper
load ../cli/processes

setup() {
    setup_spool
    delegated=$BATS_TEST_DIRNAME/delegated.py
    q config set grace 300ms 2>/dev/null
}

teardown() {
    teardown_spool
    end_strays
    [ -z "${cgroup:-}" ] || python3 "$delegated" remove "$cgroup"
}

# make_cgroup [--unmarked]: $cgroup
make_cgroup() {
    cgroup=$(python3 "$delegated" make "$@") || skip "no cgroup of version 2 can be made here"
}

start_in_cgroup() { (echo 0 >"$cgroup/cgroup.procs" && start_workers "$1"); }
folders() { find "$cgroup" -mindepth 1 -type d | wc -l; }
no_folders() { [ "$(folders)" = 0 ]; }
own_cgroup() { sed -n 's|^0::||p' /proc/self/cgroup; }

# Where a job runs, below the cgroup of its pool.
where_it_ran() {
    q enqueue --id where --wait --command 'sed -n "s|^0::||p" /proc/self/cgroup' >/dev/null
    q logs where | sed "s|.*/${cgroup##*/}|.|"
}

@test "in a delegated cgroup jobs have one of their worker's, and it goes with the worker" {
    make_cgroup
    start_in_cgroup 2
    is "$(folders)" 2
    has "$(where_it_ran)" "./queuectl."
    q worker stop
    no_folders
}

@test "in a cgroup that nobody has delegated nothing is made" {
    make_cgroup --unmarked
    start_in_cgroup 1
    is "$(folders)" 0
    is "$(where_it_ran)" .
}

@test "cgroup = yes says that it is ours, cgroup = no that it is not to be used" {
    make_cgroup --unmarked
    q config set cgroup yes 2>/dev/null
    start_in_cgroup 1
    has "$(where_it_ran)" "./queuectl."
    q worker stop
    q delete --yes where
    python3 "$delegated" mark "$cgroup"
    q config set cgroup no 2>/dev/null
    start_in_cgroup 1
    is "$(folders)" 0
    is "$(where_it_ran)" .
}

@test "what cannot start says the same as without a cgroup" {
    make_cgroup
    start_in_cgroup 1
    q enqueue --id folder --max-retries 0 --cwd "$WORK/nowhere" --command : >/dev/null
    q enqueue --id program --max-retries 0 -- ./nothing >/dev/null
    wait_until is_count dead 2
    is "$(field folder last_error)" "cannot start: cwd $WORK/nowhere: No such file or directory"
    is "$(field program last_error)" "cannot start: ./nothing: No such file or directory"
}

@test "what a detached job leaves keeps its cgroup until it ends" {
    make_cgroup
    start_in_cgroup 1
    q enqueue --id away --detach --command 'sleep infinity & echo $! >child' >/dev/null
    wait_until is_state away "done"
    q worker stop
    is "$(folders)" 1
    lives "$(<child)"
    kill "$(<child)"
    wait_until gone "$(<child)"
    start_in_cgroup 1
    q worker stop
    no_folders
}

@test "cgroups that a job makes in its own are removed with it" {
    make_cgroup
    start_in_cgroup 1
    q enqueue --id nest --wait --command \
        'mkdir -p "'"${cgroup%/*}"'/$(sed -n "s|^0::/||p" /proc/self/cgroup)/a/b"' >/dev/null
    is "$(folders)" 3
    q worker stop
    no_folders
}

@test "the worker is killed: another pool, in no cgroup, ends what only the cgroup knows" {
    make_cgroup
    start_in_cgroup 1
    q enqueue --id lost --command '[ "$QUEUECTL_RUN" = 2 ] ||
        setsid env -i sh -c "exec >/dev/null 2>&1 \$(for n in /proc/self/fd/*; do
            n=\${n##*/}; [ \"\$n\" -lt 3 ] || echo \"\$n>&-\"; done); exec sleep infinity" &
        echo $! >child; [ "$QUEUECTL_RUN" = 2 ] || sleep infinity' >/dev/null
    wait_until is_there child
    wait_until runs_job lost
    local first
    first=$(<child)
    kill -9 $(pools) $(workers)
    start_workers 1
    wait_until is_state lost "done"
    gone "$first"
    is "$(field lost runs)" 2
}
