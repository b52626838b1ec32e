#!/usr/bin/env bats
# Help, slips of the finger, exit codes, and results that do not get out.

load helper

setup() { setup_spool; }
teardown() { teardown_spool; }

# Commands and subcommands, without the aliases.
commands() {
    q help --table | awk -F'\t' '$1 != "" && $2 == "" && $3 !~ /^the same as/ { print $1 }' | sort -u
}

@test "help on every command: usage, summary, options, examples" {
    is "$(($(commands | wc -l) > 20))" 1
    while read -r cmd; do
        # shellcheck disable=SC2086
        expect 0 q $cmd --help </dev/null
        is "$err" ""
        has "$out" "usage: queuectl $cmd"
        has "$out" "Options of every command:"
        help=$out
        # shellcheck disable=SC2086
        expect 0 q help $cmd </dev/null
        is "$out" "$help"
        # shellcheck disable=SC2086
        expect 0 q $cmd -h </dev/null
        is "$out" "$help"
        grep -qE '^(Examples|Commands):$' <<<"$help"
    done < <(commands)
}

@test "the options of the table are those of the help" {
    while IFS=$'\t' read -r cmd option text; do
        [ -n "$cmd" ] && [[ $option == --* ]] || continue
        # shellcheck disable=SC2086
        has "$(q help $cmd)" "$option"
    done < <(q help --table)
}

@test "every example in the help is a call that is understood" {
    cat >job.json <<<'{"command":"true"}'
    cp job.json jobs.jsonl
    while read -r cmd; do
        # shellcheck disable=SC2086
        q help $cmd | sed -n '/^Examples:/,$p' | grep '^  queuectl' || true
    done < <(commands) | sort -u >examples
    (($(wc -l <examples) > 20))
    mkdir bin
    # --help in front of a program: the words are read, nothing is done.
    cat >bin/queuectl <<SH
#!/bin/bash
words=() rest=()
while [ \$# -gt 0 ] && [ "\$1" != -- ]; do words+=("\$1"); shift; done
exec '$QUEUECTL_BIN' "\${words[@]}" --help "\$@"
SH
    chmod +x bin/queuectl
    while read -r example; do
        expect 0 env PATH="$WORK/bin:$PATH" sh -c "$example"
        has "$out" "usage: queuectl"
    done <examples
}

@test "help does what it is asked even when the rest is wrong, or there is no spool" {
    QUEUECTL_SPOOL=$WORK/none expect 0 q list --help
    expect 0 q wait --help a b
    expect 0 q help
    has "$out" "usage: queuectl"
    overview=$out
    expect 0 q --help
    is "$out" "$overview"
}

@test "no command: the overview on stderr, exit 2" {
    expect 2 q
    is "$out" ""
    has "$err" "usage: queuectl [--spool DIR] COMMAND"
    for group in dlq config worker; do
        expect 2 q $group
        is "$out" ""
        has "$err" "usage: queuectl $group COMMAND"
    done
}

@test "the overview names every command, once" {
    overview=$(q help)
    for cmd in $(commands | grep -v ' '); do
        is "$(grep -c "^  $cmd " <<<"$overview")" 1
    done
}

@test "did you mean" {
    refuses 2 "no command enqeue; did you mean enqueue?" enqeue x
    refuses 2 "no command lst; did you mean list?" lst
    refuses 2 "no command staus; did you mean status?" staus
    refuses 2 "no command frobnicate; see queuectl --help" frobnicate
    refuses 2 "no command dlq lst; did you mean dlq list?" dlq lst
    refuses 2 "no command list lst; see queuectl help" help list lst
    refuses 2 "no command lst; see queuectl help" help lst
    refuses 2 "no option --jsn; did you mean --json?" list --jsn
    refuses 2 "no option --spol; did you mean --spool?" --spol x list
    refuses 2 "no option -z; see queuectl list --help" list -z
    expect 2 q help lst
    has "$err" "no command lst"
}

@test "an unknown command does not reach the terminal raw" {
    expect 2 q $'li\033[31mst'
    hasnt "$err" $'\033'
}

@test "exit 2 for words that are off" {
    expect 2 q list extra
    expect 2 q list --limit
    expect 2 q list --json=yes
    is "$err" "queuectl: --json takes no value"
    expect 2 q list --limit many
    expect 2 q worker start --count 0
    expect 2 q worker start --count -1
    expect 2 q worker start --count many
    expect 2 q status extra
    is "$(q status --json | jq '.workers | length')" 0
}

@test "-- ends the options: an id may look like one" {
    expect 1 q show -- -x
    has "$err" 'no job "-x"'
    expect 1 q show -- --help
    has "$err" 'no job "--help"'
}

@test "global options before and behind the command" {
    q init other >/dev/null
    q --spool other enqueue --id a --command x >/dev/null
    is "$(q list --spool other --format '{id}')" a
    is "$(q --spool=other --no-color list --format '{id}')" a
    is "$(q dlq --spool other list --json)" "[]"
}

@test "--version" {
    expect 0 q --version
    [[ $out =~ ^queuectl\ [0-9]+\.[0-9]+ ]]
    is "$err" ""
    expect 0 q list --version
    [[ $out =~ ^queuectl\ [0-9] ]]
}

@test "a full disk: what cannot be printed is an error, exit 1" {
    [ -w /dev/full ] || skip "no /dev/full"
    q enqueue --id a --command true >/dev/null
    q cancel a >/dev/null
    for cmd in list "list --json" status "status --json" "show a" "show a --json" "dlq list" \
        "dlq list --json" "dlq list --by-error" "config list" "config get timeout" \
        "config get --json" help --version --help "help --table" "fsck --json" \
        "list --format {id}" "worker list --json" "enqueue --command x" \
        "enqueue --command x --json" "enqueue --command x --dry-run"; do
        code=0
        # shellcheck disable=SC2086
        q $cmd >/dev/full 2>said || code=$?
        is "$cmd: $code" "$cmd: 1"
        has "$cmd: $(tail -1 said)" "$cmd: queuectl: cannot write the output"
    done
    q list >/dev/full 2>said || true
    is "$(cat said)" "queuectl: cannot write the output: No space left on device"
    # More than fits into a buffer.
    seq 500 | sed 's/.*/{"id":"j&","command":"true"}/' | q enqueue --batch - >/dev/null
    for cmd in list "list --json" "list --format {command}"; do
        code=0
        # shellcheck disable=SC2086
        q $cmd >/dev/full 2>said || code=$?
        is "$cmd: $code" "$cmd: 1"
        grep -q "cannot write the output" said
    done
}

@test "a closed stdout is an error too, and no file of the spool is written into" {
    q enqueue --id a --command true >/dev/null
    before=$(cat spool/pending/*)
    code=0
    q list >&- 2>said || code=$?
    is "$code" 1
    code=0
    q enqueue --id b --command true >&- 2>said || code=$?
    is "$code" 1
    is "$(cat spool/pending/*.a.json)" "$before"
    [ ! -e spool/pending/*.b.json ] || jq -e . spool/pending/*.b.json
}

@test "closed stdin and stderr do no harm" {
    expect 0 bash -c '"$QUEUECTL_BIN" enqueue --id c --command true <&-'
    bash -c '"$QUEUECTL_BIN" enqueue --id d --command true <&- 2>&-'
    bash -c '"$QUEUECTL_BIN" enqueue --id c --command true <&- 2>&- >&-' || true
    for f in spool/pending/*; do jq -e .id "$f"; done
    is "$(count_of pending)" 2
}
