#!/usr/bin/env bats
# enqueue --lines: one job for each line of stdin.

load helper

setup() {
    setup_spool
    # Its arguments, each with a NUL behind it, into a file named after its job.
    printf '#!/bin/sh\nprintf "%%s\\0" "$@" >"seen.$QUEUECTL_JOB_ID"\n' >show
    chmod +x show
}
teardown() { teardown_spool; }

nothing_is_stored() {
    is "$(ls spool/pending spool/tmp spool/ids | grep -v ':$' | grep .)" ""
}

# The argv of all waiting jobs, in the order in which they will run.
argvs() { q list --state pending --json | jq -c '.[].argv'; }

# lines BYTES ARGS...: BYTES (for printf) into q enqueue --lines ARGS
lines() {
    local bytes=$1
    shift
    # shellcheck disable=SC2059 # that is what it is for
    printf "$bytes" | q enqueue --lines "$@"
}

# peak CODE FILE CMD...: the memory in KiB of CMD, which exits with CODE
peak() {
    python3 - "$@" 2>/dev/null <<'PY'
import resource, subprocess, sys
code, stdin, *words = sys.argv[1:]
done = subprocess.run(words, stdin=open(stdin), stdout=subprocess.DEVNULL)
assert done.returncode == int(code)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
PY
}

# --- what becomes of a line -------------------------------------------------------------

@test "the line takes the place of every {} in every argument" {
    expect 0 lines 'a\nb\n' -- prog {} '{}.jpg' 'x{}y{}z' plain
    is "$err" ""
    is "$(wc -l <<<"$out")" 2
    is "$(q list --state pending --format '{id}')" "$out"
    is "$(argvs)" '["prog","a","a.jpg","xayaz","plain"]
["prog","b","b.jpg","xbybz","plain"]'
}

@test "where there is no {}, it is the last argument; the program itself may be {}" {
    expect 0 lines 'a\n' -- prog -v '{ }' '{'
    expect 0 lines '/bin/true\n' -- {}
    expect 0 lines 'b\n' -- prog
    is "$(argvs)" '["prog","-v","{ }","{","a"]
["/bin/true"]
["prog","b"]'
}

@test "what a line holds is not replaced again" {
    expect 0 lines '{}{}\n' -- prog {} -{}-
    is "$(argvs)" '["prog","{}{}","-{}{}-"]'
}

@test "empty lines are skipped, blanks are not; the last line needs no end" {
    expect 0 lines '\n\na\n\n  \n\nb' -- prog
    is "$(argvs)" '["prog","a"]
["prog","  "]
["prog","b"]'
}

@test "no line at all: nothing is enqueued, exit 0, and it is said" {
    for bytes in '' '\n\n'; do
        expect 0 lines "$bytes" -- prog
        is "$out" ""
        is "$err" "queuectl: stdin: no lines, so nothing was enqueued"
    done
    expect 0 lines '' --json -- prog
    is "$out" "[]"
    expect 0 lines '\0\0' -0 -- prog
    is "$err" "queuectl: stdin: no lines, so nothing was enqueued"
    nothing_is_stored
}

@test "-0 and --null: lines end with a NUL, newlines are part of them" {
    expect 0 lines 'a\nb\0\0c' -0 -- prog
    is "$(argvs)" '["prog","a\nb"]
["prog","c"]'
    expect 0 lines 'd\0' --null -- prog
    expect 0 bash -c 'printf "e\0" | "$QUEUECTL_BIN" enqueue -0 --lines -- prog'
    is "$(argvs | tail -n 2)" '["prog","d"]
["prog","e"]'
}

@test "any name arrives byte for byte" {
    names=('a b' "it's" 'say "hi"' '$(touch bad)' '`touch bad`' '-rf' '*' ' lead' $'tab\tbed' '\n'
        $'new\nline' $'bell\a' $'carriage\r' 'grün 🎉' '{}' '%s' ';x' '\\' $'\x7f')
    printf '%s\0' "${names[@]}" >wanted
    expect 0 q enqueue --lines -0 -- ./show {} '<{}>' <wanted
    start_workers 2
    ids=$out
    # shellcheck disable=SC2086 # words
    expect 0 q wait $ids
    i=0
    for id in $ids; do
        cmp "seen.$id" <(printf '%s\0<%s>\0' "${names[i]}" "${names[i]}")
        i=$((i + 1))
    done
    is "$i" "${#names[@]}"
    [ ! -e bad ]
}

@test "find -print0: each file its job" {
    mkdir -p 'tree/sub dir'
    touch 'tree/a b' 'tree/sub dir/-c' $'tree/new\nline'
    expect 0 q enqueue --lines -0 -- rm -f {} < <(find tree -type f -print0)
    start_workers 1
    # shellcheck disable=SC2086
    expect 0 q wait $out
    is "$(find tree -type f)" ""
}

@test "a shell, as the message says it" {
    start_workers 1
    expect 0 lines 'a b\n' --wait -- sh -c 'echo "$1" >"$1.n"' sh {}
    is "$(cat 'a b.n')" "a b"
}

@test "{} in the text of a shell would be run by it: refused" {
    local text="inside a shell's text would be run by it; use: --lines -- sh -c 'echo \"\$1\"' sh"
    local call
    for call in 'sh -c "echo {}"' '/bin/sh -c {}' 'bash -euc "x{}"' 'dash -e -c "{}"' 'ksh -c -e "{}"' \
        'zsh -c -- "{}"' 'bash -o pipefail -c "{}"' 'bash --norc -c "{}"' 'sh +e -c "{}"' \
        'env A=1 /usr/bin/bash -c "{}"' 'timeout 5 sh -c "{}" sh {}'; do
        eval "refuses 2 \"{} \$text {}\" enqueue --lines -- $call" <<<x || { echo "$call" >&2 && return 1; }
    done
    refuses 2 "% $text %" enqueue --lines -I % -- sh -c 'echo %' <<<x
    nothing_is_stored
}

@test "{} that no shell runs is no matter" {
    local call
    for call in 'sh -c "echo" sh {}' 'sh {}' 'sh script -c {}' 'grep sh -c {}' 'sh -e {}' 'bash -o {}' \
        '-I % -- sh -c "echo {}" sh %'; do
        case $call in -I*) ;; *) call="-- $call" ;; esac
        eval "expect 0 lines 'a\n' $call" || { echo "$call" >&2 && return 1; }
    done
}

@test "-I and --replace: another place, and {} stays" {
    expect 0 lines 'a\n{}%%\n' -I % -- prog {} '%.{}%' -I
    expect 0 lines 'b\n' --replace=FILE -- prog FILEFILE
    expect 0 lines 'c\n' -IX -- prog {}
    is "$(argvs)" '["prog","{}","a.{}a","-I"]
["prog","{}","{}%.{}{}%","-I"]
["prog","bb"]
["prog","{}","c"]'
    refuses 2 "-I is for --lines" enqueue -I % -- prog
    for bad in '' $'\xa9'; do
        refuses 2 "--replace: use a text that is not empty, in UTF-8: --replace %" \
            enqueue --lines -I "$bad" -- prog
    done
}

# --- as a batch -------------------------------------------------------------------------

@test "the flags that are members hold for each" {
    mkdir sub
    expect 0 lines 'a\nb\n' --priority 7 --timeout 5m --env A=1 --env B=2 --cwd sub \
        --max-retries 0 --backoff-base 3 --detach --on-crash dead --delay 1h -- prog
    is "$(jq -c '[.priority,.timeout,.env,.cwd,.max_retries,.backoff_base,.detach,.on_crash]' \
        spool/pending/*.json | uniq -c | tr -s ' ')" \
        " 2 [7,\"5m\",{\"A\":\"1\",\"B\":\"2\"},\"$WORK/sub\",0,3,true,\"dead\"]"
    is "$(jq -r '.run_at != null' spool/pending/*.json | uniq)" true
}

@test "without --cwd the current directory is theirs" {
    expect 0 lines 'a\n' -- prog
    is "$(jq -r .cwd spool/pending/*.json)" "$WORK"
}

@test "first in, first out" {
    seq 200 | q enqueue --lines -- sh -c 'echo "$1" >>order' sh {} >ids
    is "$(sort -u ids | wc -l)" 200
    is "$(q list --state pending --format '{id}')" "$(cat ids)"
    start_workers 1
    wait_until is_count "done" 200
    is "$(cat order)" "$(seq 200)"
}

@test "a bad line is named by its number, and nothing is enqueued" {
    expect 1 lines 'a\n\n\xff\nb\0c\nd\n' -- prog
    is "$out" ""
    is "$err" 'queuectl: stdin:3: not UTF-8 at byte 1, so it cannot stand in a job
queuectl: stdin:4: there is a NUL byte in it; where lines end with one, use -0
queuectl: stdin: 2 bad lines, so nothing was enqueued'
    expect 1 lines 'a\0\0b\xffc\0' -0 -- prog
    is "$err" 'queuectl: stdin:3: not UTF-8 at byte 2, so it cannot stand in a job
queuectl: stdin: 1 bad line, so nothing was enqueued'
    nothing_is_stored
}

@test "--skip-bad: the good ones are enqueued, exit 1" {
    expect 1 lines 'a\n\xff\nb\n' --skip-bad -- prog
    is "$err" 'queuectl: stdin:2: not UTF-8 at byte 1, so it cannot stand in a job'
    is "$(wc -l <<<"$out")" 2
    is "$(argvs)" '["prog","a"]
["prog","b"]'
    expect 0 lines 'c\n' --skip-bad -- prog
}

@test "too long: 1 MiB is the bound of the document, however it is reached" {
    {
        echo ok
        printf '%0*d\n' $((1 << 20)) 1   # with the words it is over
        printf '%0*d\n' $((5 << 20)) 1   # the line alone is
        printf '%0*d\n' 1000 1           # good
        printf '\a%.0s' $(seq 200000)    # six bytes each in JSON
        echo
        printf '%0*d\n' $(((1 << 20) - 30)) 1 # with the rest of the document
    } >names
    expect 1 q enqueue --lines --skip-bad -- prog <names
    is "$err" 'queuectl: stdin:2: over 1 MiB
queuectl: stdin:3: over 1 MiB
queuectl: stdin:5: over 1 MiB
queuectl: stdin:6: over 1 MiB'
    is "$(count_of pending)" 2
}

@test "places by the thousand in a long line need no memory by the gigabyte" {
    [ "$QUEUECTL_PASS" != sanitized ] || skip "the sanitizers use memory of their own"
    many=$(printf '{}%.0s' $(seq 1000))
    args=()
    for _ in $(seq 100); do args+=("{}{}"); done
    printf '%0*d\n' 500000 1 >names
    for words in "$many" "${args[*]}"; do
        # shellcheck disable=SC2086 # words
        peak=$(peak 1 names "$QUEUECTL_BIN" enqueue --lines -- prog $words)
        echo "$peak KiB"
        [ "$peak" -lt 40000 ]
    done
    nothing_is_stored
}

@test "--dry-run prints documents and stores nothing" {
    expect 0 lines 'a\nb\n' --dry-run -- prog
    is "$(jq -c .argv <<<"$out")" '["prog","a"]
["prog","b"]'
    expect 0 lines 'a\nb\n' --dry-run --json -- prog
    is "$(jq -c 'map(.argv[1])' <<<"$out")" '["a","b"]'
    expect 1 lines 'a\n\xff\n' --dry-run -- prog
    has "$err" "stdin:2: not UTF-8"
    nothing_is_stored
}

@test "--json: one array of documents" {
    expect 0 lines 'a\nb\n' --json -- prog
    is "$(jq -c 'map(.argv[1])' <<<"$out")" '["a","b"]'
    is "$(jq -r '.[].id' <<<"$out")" "$(q list --state pending --format '{id}')"
}

@test "--wait: 0 when all are done, 1 when one is dead" {
    start_workers 2
    expect 0 lines '0\n0\n' --wait -- sh -c 'exit "$1"' sh {}
    is "$(count_of "done")" 2
    expect 1 lines '0\n9\n' --wait --max-retries 0 -- sh -c 'exit "$1"' sh {}
    has "$err" "is dead: exit 9"
}

@test "--wait --json, of --batch too: the ended documents, in order, and nothing else" {
    start_workers 2
    expect 1 lines '0.3\n0\n-\n' --wait --json --max-retries 0 -- sleep
    is "$(jq -c 'map([.argv[1], .state, .exit_code])' <<<"$out")" \
        '[["0.3","done",0],["0","done",0],["-","dead",1]]'
    jq -nc '("b", "a") | {id: ., command: "echo"}' >batch
    expect 0 q enqueue --batch batch --wait --json
    is "$(jq -c 'map([.id, .state])' <<<"$out")" '[["b","done"],["a","done"]]'
    expect 0 lines '' --wait --json -- prog
    is "$out" "[]"
}

@test "--wait --json of one that is deleted meanwhile: the others" {
    jq -nc '("a", "b") | {id: ., command: "echo"}' >batch
    timeout 20 "$QUEUECTL_BIN" enqueue --batch batch --wait --json >docs 2>/dev/null &
    waiter=$!
    wait_until is_state b pending
    q delete --yes b >/dev/null
    code=0
    wait $waiter || code=$?
    is "$code" 1
    is "$(jq -c . docs)" '[]'
}

@test "memory: about that of --batch with the same jobs" {
    [ "$QUEUECTL_PASS" != sanitized ] || skip "the sanitizers use memory of their own"
    seq 20000 >names
    sed 's/.*/{"argv":["prog","a word of some length","&"]}/' names >jobs
    batch=$(peak 0 jobs "$QUEUECTL_BIN" enqueue --batch -)
    lines=$(peak 0 names "$QUEUECTL_BIN" enqueue --lines -- prog 'a word of some length')
    is "$(count_of pending)" 40000
    echo "batch $batch KiB, lines $lines KiB"
    [ "$lines" -lt $((batch * 12 / 10)) ]
}

# --- what it does not go with -----------------------------------------------------------

@test "words that are off: exit 2, one line each" {
    local needs="--lines takes a program and no document: queuectl enqueue --lines -- convert {} {}.jpg"
    refuses 2 "$needs" enqueue --lines
    refuses 2 "$needs" enqueue --lines --
    refuses 2 "$needs" enqueue --lines '{"command":"x"}'
    refuses 2 "$needs" enqueue --lines '{"priority":1}' -- prog
    refuses 2 "$needs" enqueue --lines - -- prog
    refuses 2 "--lines runs a program; for a shell: queuectl enqueue --lines -- sh -c 'COMMAND \"\$1\"' sh {}" \
        enqueue --lines --command 'wc {}'
    refuses 2 "--lines runs a program; for a shell: queuectl enqueue --lines -- sh -c 'COMMAND \"\$1\"' sh {}" \
        enqueue --lines --command x -- prog
    refuses 2 "--id: the jobs of --lines each get one of their own" enqueue --lines --id x -- prog
    refuses 2 "--lines and --batch exclude each other" enqueue --lines --batch x -- prog
    refuses 2 "-0 is for --lines" enqueue -0 -- prog
    refuses 2 "-0 is for --lines" enqueue --null --batch x
    refuses 2 "--dry-run and --wait exclude each other" enqueue --lines --dry-run --wait -- prog
    refuses 2 'priority: 200 is no priority; use -100 to 100, "low" (-10), "medium" or "normal" (0), "high" (10)' \
        enqueue --lines --priority 200 -- prog
    nothing_is_stored
}

@test "a digit is still an argument where no option has it" {
    refuses 1 'no job "-0" in '"$WORK/spool" show -0
}
