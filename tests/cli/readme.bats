# readme.bats: what the README says, done.  Its `sh` blocks run one after another
# in one folder, the other languages where they are installed; each row of its
# table of verbs is run by command and by hand.

load helper

README=$BATS_TEST_DIRNAME/../../README.md

setup() {
    setup_spool
    unset QUEUECTL_SPOOL
    rm -rf spool
    mkdir bin home
    ln -s "$QUEUECTL_BIN" bin/queuectl
    export PATH=$WORK/bin:$PATH HOME=$WORK/home
}

teardown() {
    export QUEUECTL_SPOOL=$WORK/spool
    teardown_spool
}

# blocks LANGUAGE: each fenced block of it into LANGUAGE.N
blocks() {
    awk -v lang="$1" '
        $0 == "```" lang { n++; file = lang "." n; inside = 1; next }
        /^```/ { inside = 0 }
        inside { print > file }' "$README"
}

@test "every shell block of the README runs" {
    blocks sh
    [ -s sh.1 ] && [ -s sh.2 ] && [ -s sh.5 ]
    sh -eu sh.1 >out.1
    grep -qx 'hello from a job' out.1
    rm -rf spool
    # As after `make`, with nothing installed: the block says where the program is.
    mkdir build
    mv bin/queuectl build/queuectl
    sh -eu sh.2 >out.2
    mv build/queuectl bin/queuectl
    grep -q '^resize photo-2$' out.2
    grep -q 'exit 3' out.2
    grep -q 'p0.a0.later.json$' out.2
    sh -eu sh.3 >out.3
    grep -qx 4711 out.3
    printf '#!/bin/sh\ncp "$1" "$2"\n' >bin/convert
    chmod +x bin/convert
    echo picture >'a $b.png'
    sh -eu sh.4 >out.4
    [ "$(head -n 1 out.4)" = 1000 ]
    [ "$(cat 'a $b.png.jpg')" = picture ]
    sh -eu sh.5
    QUEUECTL_SPOOL=$WORK/spool q worker run --drain
    grep -qx 'from sh' spool/logs/from-sh.r1.out
}

drop_from() { # LANGUAGE COMMAND
    command -v "$2" >/dev/null || skip "$2 is not installed"
    blocks "$1"
    q init spool >/dev/null
    "$2" "$1.1"
    run "$2" "$1.1" # the same id again: the file is there
    [ "$status" -ne 0 ]
    export QUEUECTL_SPOOL=$WORK/spool
    q worker run --drain
    is_state "from-$3" "done"
    [ "$(ls spool/tmp | wc -l)" -le 1 ] # what the second one left behind
}

@test "the Python block drops a job" { drop_from python python3 python; }

@test "every line of the crontab runs" {
    blocks crontab
    q init "$HOME/spool" >/dev/null
    grep -v '^#' crontab.1 | sed -E 's/^([^ ]+ +){5}//; s/\\%/%/g' >lines
    [ "$(wc -l <lines)" -eq 4 ]
    while read -r line; do
        sh -c "$line" </dev/null
    done <lines
    export QUEUECTL_SPOOL=$HOME/spool
    is_state "nightly-$(date +%F)" "done"
    is_state sync "done"
    q worker stop >/dev/null
}

# make_job STATE: a job x in that state, on a fresh spool
make_job() {
    rm -rf spool
    q init spool >/dev/null
    export QUEUECTL_SPOOL=$WORK/spool
    case $1 in
    pending) q enqueue --id x --command true ;;
    held) q enqueue --id x --command true && q hold x ;;
    failed) q enqueue '{"id":"x","command":"false","backoff_base":100}' ;;
    processing) q enqueue --id x --command 'exec sleep infinity' ;;
    done) q enqueue --id x --command true ;;
    dead) q enqueue --id x --max-retries 0 --command false ;;
    esac >/dev/null
    case $1 in
    failed | processing | done | dead)
        start_workers 1
        wait_until is_state x "$1"
        # A running job needs its worker; the rest is looked at in peace.
        [ "$1" = processing ] || q worker stop >/dev/null
        ;;
    esac
}

became() { # STATE
    case $1 in
    gone) [ -z "$(find spool/pending spool/failed spool/processing spool/done spool/dead -name '*x.json')" ] ;;
    held) ls spool/pending/held.*.x.json >/dev/null 2>&1 ;;
    pending) ls spool/pending/*x.json >/dev/null 2>&1 && ! ls spool/pending/held.* >/dev/null 2>&1 ;;
    *) is_state x "$1" ;;
    esac
}

has_run_twice() { [ "$(field x runs)" = 2 ]; }

try_way() { # STATE COMMAND THEN
    make_job "$1"
    sh -euc "$2" >/dev/null
    wait_until became "$3" || { echo "after: $2" >&2 && return 1; }
    if [ "$3" = pending ]; then # and it runs
        start_workers 1
        case $1 in
        failed) wait_until has_run_twice ;;
        dead) wait_until is_state x dead ;;
        *) wait_until is_state x "done" ;;
        esac
    fi
    q worker stop >/dev/null 2>&1
    [ "$3" != gone ] || q enqueue --id x --command true >/dev/null # the id is free
    q fsck
}

@test "every row of the table of verbs, by command and by hand" {
    local rows=0 what from command hand then
    while IFS='|' read -r _ what from command hand then _; do
        from=${from// /} then=${then// /}
        command=${command#*\`} command=${command%\`*}
        hand=${hand#*\`} hand=${hand%\`*}
        hand=${hand//$'\001'/|}
        rows=$((rows + 1))
        try_way "$from" "${command//ID/x}" "$then"
        try_way "$from" "${hand//ID/x}" "$then"
    done < <(sed -n '/^| what |/,/^$/p' "$README" | tail -n +3 | grep '^|' | sed 's/\\|/\x01/g')
    [ "$rows" -ge 13 ]
}
