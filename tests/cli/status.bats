#!/usr/bin/env bats
# status: counts, workers, paused; for people and for scripts.

load helper

setup() { setup_spool; }
teardown() { teardown_spool; }

@test "an empty spool: all five counts, zeros included" {
    expect 0 q status
    is "$out" "spool      $WORK/spool
pending    0
processing 0
failed     0
done       0
dead       0
workers    0"
    is "$err" ""
}

@test "pending says how many are scheduled and held, and just dropped" {
    for i in 1 2 3; do q enqueue --delay 1h --command true >/dev/null; done
    for i in $(seq 8); do q enqueue --command true >/dev/null; done
    q enqueue --id h --command true >/dev/null
    q hold h >/dev/null
    has "$(q status)" "pending    12 (3 scheduled, 1 held)"
    echo '{"command":"true"}' >spool/pending/new.json
    has "$(q status)" "pending    13 (3 scheduled, 1 held, 1 just dropped)"
    is "$(q status --json | jq -c '[.counts.pending,.scheduled,.held]')" '[13,3,1]'
}

@test "--json: one object of the promised shape" {
    expect 0 q status --json
    is "$(jq -c 'keys' <<<"$out")" '["counts","held","paused","scheduled","spool","workers"]'
    is "$(jq -c . <<<"$out")" "{\"spool\":\"$WORK/spool\",\"counts\":{\"pending\":0,\"processing\":0,\"failed\":0,\"done\":0,\"dead\":0},\"scheduled\":0,\"held\":0,\"paused\":null,\"workers\":[]}"
    is "$err" ""
}

@test "--json with workers: pid, pool, job, since" {
    start_workers 2
    q enqueue --id a --command 'sleep infinity' >/dev/null
    wait_until is_state a processing
    knows_job() { [ "$(q status --json | jq -c '[.workers[].job] | sort')" = '[null,"a"]' ]; }
    wait_until knows_job
    expect 0 q status --json
    is "$(jq -c '.workers | map(keys | sort) | unique' <<<"$out")" '[["job","pid","pool","since"]]'
    is "$(jq '.workers | map(.pool) | unique | length' <<<"$out")" 1
    for pid in $(jq '.workers[] | .pid, .pool' <<<"$out"); do kill -0 "$pid"; done
    is "$(jq -r '.workers | map(.since | type) | unique[]' <<<"$out")" string
    is "$(jq -c .counts.processing <<<"$out")" 1
}

@test "workers with their PIDs and what each runs" {
    start_workers 1
    q enqueue --id a --command 'sleep infinity' >/dev/null
    shows_job() { q status | grep -q "$(q status --json | jq '.workers[0].pid').* a"; }
    wait_until shows_job
    has "$(q status)" "workers    1"
}

@test "paused since when" {
    q pause >/dev/null
    [[ $(q status | tail -1) =~ ^paused\ +since\ [0-9]{2}:[0-9]{2}$ ]]
    [[ $(q status --json | jq -r .paused) == 20*Z ]]
    touch -d '2020-01-02 03:04' spool/control/pause
    is "$(q status | tail -1)" "paused     since 2020-01-02 03:04"
    q resume >/dev/null
    is "$(q status --json | jq .paused)" null
}

@test "on a terminal it says when nothing will run" {
    on_terminal 100 '$Q status'
    has "$out" "queuectl: no workers on ./spool; start some: queuectl worker start"
    q pause >/dev/null
    on_terminal 100 '$Q status'
    has "$out" "queuectl: paused since "
    q resume >/dev/null
    start_workers 1
    on_terminal 100 '$Q status'
    hasnt "$out" "queuectl:"
}

@test "the hint of a --spool is a command that works" {
    q init "it's mine" >/dev/null
    on_terminal 100 "\$Q --spool \"it's mine\" status"
    hint=$(grep -o 'queuectl --spool .*' <<<"$out" | uncoloured)
    is "$(bash -c "printf '%s|' $hint")" "queuectl|--spool|it's mine|worker|start|"
}

@test "a dead worker is not shown" {
    start_workers 1
    pid=$(q status --json | jq '.workers[0].pid')
    pool=$(q status --json | jq '.workers[0].pool')
    kill -9 "$pool" "$pid"
    none() { [ "$(q status --json | jq '.workers | length')" = 0 ]; }
    wait_until none
    has "$(q status)" "workers    0"
}
