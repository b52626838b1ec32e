#!/usr/bin/env bats
# show: the whole document, its runs, where its file lies.

load helper

setup() { setup_spool; }
teardown() { teardown_spool; }

@test "members, the place of the file, the runs" {
    start_workers 1
    q config set backoff-base 1 2>/dev/null
    q enqueue '{"id":"a","command":"echo no >&2; exit 3","max_retries":0,"order":42}' --wait >/dev/null 2>&1 || true
    expect 0 q show a
    has "$out" $'id              a\nstate           dead\n'
    has "$out" "command         echo no >&2; exit 3"
    has "$out" "order           42"
    has "$out" "last_error      exit 3: no"
    has "$out" "file            $WORK/spool/dead/a.json"
    is "$(tail -2 <<<"$out" | head -1 | tr -s ' ')" "RUN OUTCOME STARTED TOOK EXIT CPU MEM ERROR"
    [[ $(tail -1 <<<"$out" | tr -s ' ') =~ ^\ 1\ failed\ .*\ 3\ .*exit\ 3:\ no$ ]]
}

@test "in every state the file named is there" {
    start_workers 1
    q config set backoff-base 100 2>/dev/null
    q enqueue --wait --id d --command true >/dev/null
    q enqueue --id f --command false >/dev/null
    wait_until is_state f failed
    q enqueue --id r --command 'sleep infinity' >/dev/null
    wait_until is_state r processing
    q enqueue --id p --command true >/dev/null
    for id in d f r p; do
        file=$(q show $id | sed -n 's/^file  *//p')
        [ -f "$file" ]
        is "$(jq -r .id "$file")" $id
        is "$(basename "$(dirname "$file")")" "$(field $id state)"
    done
}

@test "--json: the stored document plus what the queue knows" {
    q enqueue '{"id":"a","command":"x","mine":[1, 2.50]}' >/dev/null
    expect 0 q show a --json
    is "$(jq -c '[.id,.state,.priority,.attempts,.max_retries,.mine]' <<<"$out")" \
        '["a","pending",0,0,3,[1,2.5]]'
    has "$out" '[1, 2.50]'
    is "$(jq -c 'has("created_at") and has("updated_at") and has("next_run_at")' <<<"$out")" true
}

@test "the history: one object for each run, the last 20" {
    start_workers 1
    # It runs when it is told to, and at no other time.
    q enqueue --id a --command 'exit $QUEUECTL_RUN' --max-retries 30 --backoff-base 1000 >/dev/null
    has_run() { [ "$(field a runs)" = "$1" ] && is_state a failed; }
    wait_until has_run 1
    for run in $(seq 2 22); do
        q retry a >/dev/null
        wait_until has_run "$run"
    done
    is "$(field a 'history | map(.run) | tojson')" "$(jq -nc '[range(3;23)]')"
    is "$(field a 'history[-1] | [.exit_code,.outcome] | tojson')" '[22,"failed"]'
    expect 1 q logs a --run 2
    is "$err" "queuectl: a: the logs of run 2 are gone; the last 20 are kept"
}

@test "an unknown id, an id that is none" {
    refuses 1 "no job \"nope\" in $WORK/spool" show nope
    refuses 1 "no job \"../done\" in $WORK/spool" show ../done
    refuses 1 "no job \"\" in $WORK/spool" show ''
    expect 1 q show $'a\033[31m'
    hasnt "$err" $'\033'
    refuses 2 "show: an argument is missing; usage: queuectl show ID" show
    refuses 2 "show: too many arguments; usage: queuectl show ID" show a b
}

@test "an id of another letter case is another id" {
    q enqueue --id a --command x >/dev/null
    expect 1 q show A
    q enqueue --id A --command y >/dev/null
    is "$(field a command) $(field A command)" "x y"
}

@test "an unreadable document: its reason, and its place" {
    echo rubbish >spool/done/a.json
    expect 0 q show a
    has "$out" "last_error      invalid JSON at byte 1"
    has "$out" "file            $WORK/spool/done/a.json"
}

@test "a document with very many members is shown, listed and counted at once" {
    seq -f '"%05.0f":1' 1 60000 | paste -sd, | sed 's/.*/{"id":"a","command":"true",&}/' >a.json
    q enqueue @a.json >/dev/null
    expect 0 timeout 5 "$QUEUECTL_BIN" show a
    is "$(grep -c '^[0-9]' <<<"$out")" 60000
    expect 0 timeout 5 "$QUEUECTL_BIN" show --json a
    expect 0 timeout 5 "$QUEUECTL_BIN" list
    expect 0 timeout 5 "$QUEUECTL_BIN" status
    q cancel a >/dev/null
    expect 0 timeout 5 "$QUEUECTL_BIN" dlq list
    has "$out" cancelled
}
