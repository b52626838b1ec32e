#!/usr/bin/env bats
# list: order, filters, and its three forms.

load helper

setup() { setup_spool; }
teardown() { teardown_spool; }

ids() { q list --format '{id}' "$@" | paste -sd' '; }

# One job or more of each state: names say which.
fill() {
    q config set backoff-base 100 2>/dev/null
    start_workers 1
    q enqueue --wait --id d1 --command true >/dev/null
    q enqueue --wait --id d2 --command true >/dev/null
    q enqueue --wait --id x1 --max-retries 0 --command false >/dev/null 2>&1 || true
    q enqueue --wait --id x2 --max-retries 0 --command false >/dev/null 2>&1 || true
    q enqueue --id f1 --command false --backoff-base 200 >/dev/null
    q enqueue --id f2 --command false >/dev/null
    wait_until is_count failed 2
    q enqueue --id run --command 'sleep infinity' >/dev/null
    wait_until is_state run processing
    q enqueue --id low --priority low --command true >/dev/null
    q enqueue --id p1 --command true >/dev/null
    q enqueue --id p2 --command true >/dev/null
    q enqueue --id high --priority high --command true >/dev/null
    q enqueue --id later --priority 100 --run-at 2031-01-01T00:00:00Z --command true >/dev/null
    q enqueue --id sooner --run-at 2030-01-01T00:00:00Z --command true >/dev/null
    q enqueue --id held --priority 100 --command true >/dev/null
    q hold held >/dev/null
}

@test "the order: running, pending as it would run, failed by due time, done and dead newest first" {
    fill
    is "$(ids)" "run high p1 p2 low sooner later held f2 f1 d2 d1 x2 x1"
}

@test "the order shown is the order in which they run" {
    for p in 0 5 -5 0 10 5 -100 100 0; do
        q enqueue --priority=$p --command 'echo $QUEUECTL_JOB_ID >>order' >/dev/null
    done
    shown=$(q list --format '{id}')
    start_workers 1
    wait_until is_count "done" 9
    is "$(cat order)" "$shown"
}

@test "--state: every word" {
    fill
    is "$(ids --state pending)" "high p1 p2 low sooner later held"
    is "$(ids --state processing)" run
    is "$(ids --state failed)" "f2 f1"
    is "$(ids --state done)" "d2 d1"
    is "$(ids --state completed)" "d2 d1"
    is "$(ids --state dead)" "x2 x1"
    is "$(ids --state scheduled)" "sooner later"
    is "$(ids --state ready)" "high p1 p2 low"
    is "$(ids --state held)" held
    q hold f1 >/dev/null
    is "$(ids --state held)" "held f1"
}

@test "--state with another word: exit 2, and the words that there are" {
    refuses 2 "--state running: use pending, processing, failed, done (or completed), dead, scheduled, ready, held" \
        list --state running
    refuses 2 "--state : use pending, processing, failed, done (or completed), dead, scheduled, ready, held" \
        list --state ''
}

@test "--limit" {
    fill
    is "$(ids --limit 3)" "run high p1"
    is "$(ids -n 1 --state done)" d2
    is "$(ids --limit 1000)" "$(ids)"
    is "$(q list --limit 2 --json | jq length)" 2
    is "$(q list --limit 2 | wc -l)" 3
    refuses 2 "--limit 0: use a number from 1 to 2147483647" list --limit 0
    refuses 2 "--limit 5x: use a number from 1 to 2147483647" list --limit 5x
    refuses 2 "--limit -1: use a number from 1 to 2147483647" list --limit -1
}

@test "--json: the stored document and what the queue knows" {
    q enqueue '{"id":"a","command":"x","priority":"high","mine":{"k":[1]}}' >/dev/null
    expect 0 q list --json
    is "$err" ""
    is "$(jq -c 'map(keys_unsorted | sort) | .[0]' <<<"$out")" \
        '["attempts","command","created_at","cwd","id","max_retries","mine","next_run_at","priority","state","updated_at"]'
    is "$(jq -c '.[0] | [.state,.priority,.attempts,.max_retries,.mine]' <<<"$out")" \
        '["pending",10,0,3,{"k":[1]}]'
    for at in created_at updated_at next_run_at; do
        [[ $(jq -r ".[0].$at" <<<"$out") =~ ^20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{6}Z$ ]]
    done
}

@test "--json: what runs has no next_run_at, what failed has the one it waits for" {
    fill
    is "$(q list --json | jq -c 'map(select(.next_run_at == null) | .id)')" \
        '["run","held","d2","d1","x2","x1"]'
    is "$(q list --json | jq -r '.[] | select(.id == "f1") | .next_run_at' | cut -c1-19)" \
        "$(ls spool/failed | grep f1 | sed -E 's/(....)(..)(..)T(..)(..)(..).*/\1-\2-\3T\4:\5:\6/')"
    is "$(q list --state failed --json | jq -c 'map(.attempts)')" '[1,1]'
    is "$(q list --state processing --json | jq -c '.[0] | [.state,.attempts,(.started_at|type)]')" \
        '["processing",1,"string"]'
}

@test "an empty result: [], and no line" {
    expect 0 q list --json
    is "$out" "[]"
    expect 0 q list
    is "$out/$err" "/"
    expect 0 q list --state dead --json
    is "$out" "[]"
    expect 0 q list --format '{id}'
    is "$out" ""
}

@test "--format: members, escapes, braces, members that are not there" {
    q enqueue '{"id":"a","command":"x y","n":1.50,"s":"t\u00e9\u001bx","o":{"k": 1},"none":null}' >/dev/null
    is "$(q list --format '{id}\t{state}\t{n}|{s}|{o}|{none}|{nothing}|\\ {{}}')" \
        $'a\tpending\t1.50|té\\ex|{"k": 1}|null||\\ {}'
    is "$(q list --format 'plain' )" plain
    refuses 2 "--format: a { without its }; use {{ for a brace" list --format '{id'
    refuses 2 "--json and --format exclude each other" list --json --format '{id}'
}

@test "the table: columns, attempts of max_retries + 1, aligned" {
    start_workers 1
    q config set backoff-base 100 2>/dev/null
    q enqueue --id job-a --command 'exit 3' --max-retries 5 --priority -7 >/dev/null
    wait_until is_state job-a failed
    q enqueue --id b --delay 1h -- printf 'a b' "it's" >/dev/null
    expect 0 q list
    is "$(head -1 <<<"$out" | tr -s ' ')" "ID COMMAND STATE PRIORITY ATTEMPTS UPDATED"
    is "$(sed -n 2p <<<"$out" | tr -s ' ' | cut -d' ' -f1-7)" "b printf 'a b' 'it'\\''s' pending 0"
    is "$(sed -n 3p <<<"$out" | tr -s ' ' | cut -d' ' -f1-6)" "job-a exit 3 failed -7 1/6"
    # STATE begins in one column in all three lines.
    is "$(awk '{ print index($0, NR == 1 ? "STATE" : NR == 2 ? "pending" : "failed") }' <<<"$out" | sort -u | wc -l)" 1
    [[ $(sed -n 3p <<<"$out") =~ \ 20[0-9]{2}-[0-9]{2}-[0-9]{2}\ [0-9]{2}:[0-9]{2}:[0-9]{2}$ ]]
}

@test "piped: whole, uncoloured, never cut" {
    long=$(printf 'x%.0s' $(seq 300))
    q enqueue --id a --command "echo $long" >/dev/null
    q cancel a >/dev/null
    expect 0 q list
    has "$out" "echo $long "
    hasnt "$out" $'\033'
    COLUMNS=40 TERM=xterm expect 0 q list
    has "$out" "echo $long "
}

@test "on a terminal: cut to its width, never beyond it" {
    q enqueue --id a-rather-long-id-for-a-job --command "echo $(printf 'x%.0s' $(seq 300))" >/dev/null
    q enqueue --id wide --command "echo $(printf '日本%.0s' $(seq 60))" >/dev/null
    for columns in 80 100 133; do
        on_terminal $columns '$Q list'
        has "$out" "…"
        is "$(uncoloured <<<"$out" | python3 -c '
import sys, unicodedata
wide = lambda c: 2 if unicodedata.east_asian_width(c) in "WF" else 1
print(max(sum(map(wide, line.rstrip("\n"))) for line in sys.stdin) <= int(sys.argv[1]))' $columns)" True
    done
}

@test "colours on a terminal; none with NO_COLOR, --no-color, TERM=dumb" {
    q enqueue --id a --command x >/dev/null
    q cancel a >/dev/null
    on_terminal 100 '$Q list'
    has "$out" $'\033[31mdead\033[0m'
    on_terminal 100 'NO_COLOR=1 $Q list'
    hasnt "$out" $'\033'
    on_terminal 100 '$Q --no-color list'
    hasnt "$out" $'\033'
    on_terminal 100 '$Q list --no-color'
    hasnt "$out" $'\033'
    TERM_KIND=dumb on_terminal 100 '$Q list'
    hasnt "$out" $'\033'
    on_terminal 100 'NO_COLOR= $Q list'
    has "$out" $'\033['
}

@test "control characters of a job do not reach the terminal" {
    q enqueue '{"id":"a","command":"echo \u001b[31mred\u0007\r\nnext\u009b31m\u202ereversed"}' >/dev/null
    for form in list 'list --format {command}' 'show a'; do
        # shellcheck disable=SC2086
        expect 0 q $form
        has "$out" 'echo \e[31mred\x07\r\nnext\u{9B}31m\u{202E}reversed'
        hasnt "$out" $'\033'
        hasnt "$out" $'\a'
    done
    on_terminal 200 '$Q list'
    hasnt "$(uncoloured <<<"$out")" $'\033'
}

@test "a job moved by hand is listed where it lies" {
    q enqueue --id a --command x >/dev/null
    mv spool/pending/*a.json spool/dead/a.json
    is "$(ids --state dead)" a
    is "$(field a state)" dead
}

@test "an unreadable document does not hide the others" {
    q enqueue --id a --command x >/dev/null
    q enqueue --id b --command x >/dev/null
    echo rubbish >spool/done/c.json
    expect 0 q list
    is "$(wc -l <<<"$out")" 4
    has "$out" "(unreadable: invalid JSON at byte 1"
    is "$(q list --json | jq -c 'map([.id,.state])')" '[["a","pending"],["b","pending"],["c","done"]]'
}

@test "a reader that stops early ends it quietly" {
    seq 500 | sed 's/.*/{"command":"true"}/' | q enqueue --batch - >/dev/null
    expect 0 bash -c '"$QUEUECTL_BIN" list | head -1 >first; code=${PIPESTATUS[0]}; ((code == 0 || code == 141))'
    is "$err" ""
    is "$(wc -l <first)" 1
}

@test "while jobs move, each is listed once and all are listed" {
    start_workers 2
    seq 300 | sed 's/.*/{"id":"j&","argv":["true"]}/' | q enqueue --batch - >/dev/null
    until is_count "done" 300; do
        seen=$(q list --format '{id}')
        is "$(sort <<<"$seen" | uniq -d)" ""
        is "$(wc -l <<<"$seen")" 300
    done
}
