#!/usr/bin/env bats
# The table of verbs, cell by cell: by command, and by hand with mv, rm and touch.

load helper

setup() {
    setup_spool
    q config set backoff-base 100 2>/dev/null
    q config set grace 1 2>/dev/null
}
teardown() { teardown_spool; }

# make STATE [ID]: a job that got there by itself; its command counts its runs.
make() {
    local id=${2:-j} code=0
    [ "$1" = "done" ] || code=3
    local command="echo run >>ran.$id; [ ! -e block ] || sleep infinity; exit $code" retries=3
    [ "$1" != dead ] || retries=0
    [ "$1" != processing ] || touch block
    q enqueue --id "$id" --command "$command" --max-retries $retries >/dev/null
    [ "$1" != pending ] || return 0
    start_workers 1
    wait_until is_state "$id" "$1"
    [ "$1" = processing ] || q worker stop >/dev/null
}

file_of() {
    find spool/{pending,failed,processing,done,dead} -name "${1:-j}.json" -o -name "*.${1:-j}.json"
}
now_name() { date -u +%Y%m%dT%H%M%S.%6NZ; }
runs_of() { grep -c run "ran.${1:-j}"; }
ran() { [ "$(runs_of j 2>/dev/null)" = "$1" ]; }
is_gone() { is "$(file_of)$(ls spool/logs spool/ids | grep '^j')" ""; }

# A verb that is refused changes nothing.
refused() { # message verb...
    local before
    before=$(file_of; cat "$(file_of)")
    refuses 1 "$@"
    is "$(file_of; cat "$(file_of)")" "$before"
}

# --- cancel -------------------------------------------------------------------------------

@test "cancel: pending" {
    make pending
    expect 0 q cancel j
    is "$out/$err" "cancelled j/"
    is "$(jq -c '[.last_error,.attempts]' spool/dead/j.json)" '["cancelled",0]'
}

@test "cancel: failed, its attempts and its last run are kept" {
    make failed
    expect 0 q cancel j
    is "$(jq -c '[.last_error,.attempts,.exit_code,(.history|length)]' spool/dead/j.json)" '["cancelled",1,3,1]'
}

@test "cancel: processing, it returns when the job has ended" {
    make processing
    expect 0 q cancel j
    is "$out" "cancelled j (it was running)"
    is "$(jq -r .last_error spool/dead/j.json)" cancelled
    is "$(ls -A spool/control)" ""
    is "$(q status --json | jq -c '.workers[0].job')" null
}

@test "cancel: done and dead" {
    make "done"
    refused "cannot cancel j: it is done" cancel j
    rm spool/done/j.json
    make dead
    refused "cannot cancel j: it is dead" cancel j
}

@test "cancel of several: those that can be are cancelled, exit 1 for the others" {
    make pending a
    make pending b
    expect 1 q cancel a nope b
    is "$out" $'cancelled a\ncancelled b'
    is "$err" "queuectl: no job \"nope\" in $WORK/spool"
}

@test "cancel of a running job that has children: all are ended" {
    start_workers 1
    q enqueue --id j --command '(trap "" TERM; echo $BASHPID $$ >pids; sleep infinity) & sleep infinity' >/dev/null
    wait_until test -s pids
    expect 0 q cancel j
    for pid in $(cat pids); do
        if kill -0 "$pid" 2>/dev/null; then false; fi
    done
}

@test "by hand: mv to dead/ cancels what waits" {
    make pending
    mv "$(file_of)" spool/dead/j.json
    start_workers 1
    q enqueue --wait --id other --command true
    is "$(state j)" dead
    [ ! -e ran.j ]
    make failed f
    mv "$(file_of f)" spool/dead/f.json
    is "$(field f state) $(field f attempts)" "dead 1"
    expect 0 q fsck
}

@test "by hand: touch control/cancel.NAME cancels what runs" {
    make processing
    touch "spool/control/cancel.$(basename "$(file_of)")"
    wait_until is_state j dead
    is "$(field j last_error)" cancelled
    nothing_left() { [ -z "$(ls -A spool/control)" ]; }
    wait_until nothing_left
}

# --- retry --------------------------------------------------------------------------------

@test "retry: pending, due now" {
    q enqueue --id j --command true --delay 1h >/dev/null
    expect 0 q retry j
    is "$out/$err" "retried j/"
    is "$(q list --state ready --format '{id}')" j
    start_workers 1
    wait_until is_state j "done"
}

@test "retry: failed, due now, attempts kept" {
    make failed
    expect 0 q retry j
    is "$(field j state) $(field j attempts)" "pending 1"
    start_workers 1
    wait_until ran 2
    wait_until is_state j failed
    is "$(field j attempts)" 2
}

@test "retry: processing is refused" {
    make processing
    refused "cannot retry j: it is running" retry j
}

@test "retry: done and dead, anew with attempts 0, the history kept" {
    for s in "done" dead; do
        make "$s"
        expect 0 q retry j
        is "$(field j state) $(field j attempts) $(field j runs)" "pending 0 1"
        start_workers 1
        wait_until ran 2
        wait_until is_state j "$s"
        is "$(field j attempts) $(field j runs) $(field j 'history | length')" "1 2 2"
        q worker stop >/dev/null
        q delete j --yes >/dev/null
        rm ran.j
    done
}

@test "retry: a held job" {
    make pending
    q hold j >/dev/null
    expect 0 q retry j
    is "$(q list --state ready --format '{id}')" j
}

@test "by hand: mv of a done or dead job to pending/ runs it anew" {
    for s in "done" dead; do
        make "$s"
        mv "$(file_of)" spool/pending/
        start_workers 1
        wait_until ran 2
        wait_until is_state j "$s"
        is "$(field j attempts) $(field j runs) $(field j 'history | length')" "1 2 2"
        q worker stop >/dev/null
        q delete j --yes >/dev/null
        rm ran.j
    done
}

@test "by hand: a failed job's file in pending/ with the time of now" {
    make failed
    file=$(basename "$(file_of)")
    mv "spool/failed/$file" "spool/pending/$(now_name).${file#*Z.}"
    start_workers 1
    wait_until ran 2
    wait_until is_state j failed
    is "$(field j attempts)" 2
}

@test "by hand: mv of a failed job to pending/ under its own name keeps its time" {
    make failed
    mv "$(file_of)" spool/pending/
    is "$(q list --state scheduled --format '{id} {attempts}')" "j 1"
}

# --- delete -------------------------------------------------------------------------------

@test "delete: pending, failed, done, dead: gone with logs and id" {
    for s in pending failed "done" dead; do
        make "$s"
        echo log >spool/logs/j.r1.out
        expect 0 q delete j --yes
        is "$out/$err" "deleted j/"
        is_gone
        expect 1 q show j
        expect 0 q enqueue --id j --command new
        q delete j -y >/dev/null
    done
}

@test "delete: processing is refused, with what to do first" {
    make processing
    refused "cannot delete j: it is running; cancel it first" delete j --yes
}

@test "delete asks on a terminal, and does nothing without an answer" {
    make pending
    expect 1 q delete j </dev/null
    has "$err" "--yes"
    is_state j pending
    ask() { printf '%s\n' "$1" | script -qec "$QUEUECTL_BIN delete j" /dev/null >said || true; }
    ask n
    grep -F "Delete this job and its logs? [y/N]" said
    grep -F "j (pending): " said
    is_state j pending
    ask ''
    is_state j pending
    ask y
    is_gone
}

@test "delete of several, one unknown, one running" {
    make processing r
    q enqueue --id a --command x >/dev/null
    q enqueue --id b --command x >/dev/null
    expect 1 q delete a nope r b --yes
    is "$out" $'deleted a\ndeleted b'
    is "$err" "queuectl: no job \"nope\" in $WORK/spool
queuectl: cannot delete r: it is running; cancel it first"
}

@test "by hand: rm removes a job; the id is free at once" {
    for s in pending failed "done" dead; do
        make "$s"
        rm "$(file_of)"
        expect 1 q show j
        is "$out" ""
        expect 0 q enqueue --id j --command 'echo new' --delay 1h
        q delete j --yes >/dev/null
        rm -f ran.j
    done
}

@test "by hand: rm of a running job's file lets the run go on, and its result is in the journal" {
    make processing
    file=$(file_of)
    rm -f block
    rm "$file"
    expect 1 q show j
    is "$(q status --json | jq -r '.workers[0].job')" j
    pkill -P "$(q status --json | jq -r '.workers[0].pid')" || true
    idle() { [ "$(q status --json | jq -r '.workers[0].job')" = null ]; }
    wait_until idle
    expect 1 q show j
    grep -h '"j"' spool/journal/*
    expect 0 q enqueue --id j --command true
}

# --- hold, release ------------------------------------------------------------------------

@test "hold and release: pending" {
    make pending
    expect 0 q hold j
    is "$out/$err" "held j/"
    is "$(basename "$(file_of)")" held.p0.a0.j.json
    is "$(field j next_run_at)" null
    start_workers 1
    q enqueue --wait --command true >/dev/null
    [ ! -e ran.j ]
    expect 0 q release j
    is "$out/$err" "released j/"
    wait_until ran 1
}

@test "hold and release: failed; release is due now" {
    make failed
    expect 0 q hold j
    is "$(basename "$(file_of)")" held.p0.a1.j.json
    is_state j failed
    start_workers 1
    expect 0 q release j
    wait_until ran 2
    wait_until is_state j failed
    is "$(field j attempts)" 2
}

@test "release: at run_at if that is ahead" {
    q enqueue --id j --command true --run-at 2031-01-01T00:00:00Z >/dev/null
    q hold j >/dev/null
    expect 0 q release j
    is "$(basename "$(file_of)")" 20310101T000000.000000Z.p0.a0.j.json
}

@test "hold and release: processing, done, dead are refused" {
    make processing
    refused "cannot hold j: it is running" hold j
    refused "cannot release j: it is running" release j
    q cancel j >/dev/null
    refused "cannot hold j: it is dead" hold j
    refused "cannot release j: it is dead" release j
    rm block ran.j spool/dead/j.json
    make "done"
    refused "cannot hold j: it is done" hold j
    refused "cannot release j: it is done" release j
}

@test "hold twice, release of one that is not held: nothing changes" {
    make pending
    before=$(file_of)
    expect 0 q release j
    is "$(file_of)" "$before"
    q hold j >/dev/null
    expect 0 q hold j
    is "$(basename "$(file_of)")" held.p0.a0.j.json
}

@test "by hand: the word held in the name, and the time again" {
    make pending
    start=$(basename "$(file_of)")
    mv "$(file_of)" "spool/pending/held.${start#*Z.}"
    start_workers 1
    q enqueue --wait --command true >/dev/null
    is "$(q list --state held --format '{id}')" j
    [ ! -e ran.j ]
    mv "$(file_of)" "spool/pending/$(now_name).p0.a0.j.json"
    wait_until ran 1
}

# --- edit ---------------------------------------------------------------------------------

@test "edit: pending: what runs, when, and how urgently" {
    make pending
    expect 0 q edit j --command 'echo edited' --priority high --max-retries 7 --timeout 5m
    is "$out/$err" "edited j/"
    is "$(jq -c '[.command,.priority,.max_retries,.timeout]' "$(file_of)")" '["echo edited",10,7,"5m"]' ||
        is "$(jq -c '[.command,.priority,.max_retries,.timeout]' "$(file_of)")" '["echo edited","high",7,"5m"]'
    [[ $(file_of) == *.p10.a0.j.json ]]
    expect 0 q edit j --run-at 2031-01-01T00:00:00Z
    is "$(basename "$(file_of)")" 20310101T000000.000000Z.p10.a0.j.json
    expect 0 q edit j '{"run_at":null}'
    is "$(q list --state ready --format '{id}')" j
    expect 0 q edit j -- printf '%s' 'a b'
    is "$(jq -c '[.command,.argv]' "$(file_of)")" '[null,["printf","%s","a b"]]'
    start_workers 1
    wait_until is_state j "done"
    is "$(q logs j)" "a b"
}

@test "edit: --delay counts from now; the next run is shown" {
    make pending
    expect 0 q edit j --delay 1h
    is "$(q list --state scheduled --format '{id}')" j
    left=$(($(date -d "$(field j next_run_at)" +%s) - $(date +%s)))
    ((left > 3590 && left <= 3600))
    is "$(jq -c .delay "$(file_of)")" null
}

@test "edit: by JSON: members of ours and of the user's, null takes out" {
    q enqueue '{"id":"j","command":"x","timeout":5,"mine":1,"other":9007199254740993}' >/dev/null
    expect 0 q edit j '{"timeout":null,"mine":{"a":[1]},"new":true}'
    is "$(jq -c '[.timeout,.mine,.new]' "$(file_of)")" '[null,{"a":[1]},true]'
    grep -F 9007199254740993 "$(file_of)"
}

@test "edit: --env adds to what the job has" {
    q enqueue --id j --command x --env A=1 --env B=2 >/dev/null
    expect 0 q edit j --env B=3 --env C=4
    is "$(jq -cS .env "$(file_of)")" '{"A":"1","B":"3","C":"4"}'
}

@test "edit: failed: attempts and due time stay" {
    make failed
    before=$(basename "$(file_of)")
    expect 0 q edit j --command 'exit 0'
    is "$(basename "$(file_of)")" "$before"
    is "$(field j attempts) $(field j last_error)" "1 exit 3"
    q retry j >/dev/null
    start_workers 1
    wait_until is_state j "done"
}

@test "edit: a held job stays held" {
    make pending
    q hold j >/dev/null
    expect 0 q edit j --priority 7 --run-at 2031-01-01T00:00:00Z
    is "$(basename "$(file_of)")" held.p7.a0.j.json
    q release j >/dev/null
    is "$(basename "$(file_of)")" 20310101T000000.000000Z.p7.a0.j.json
}

@test "edit: processing, done and dead are refused" {
    make processing
    refused "cannot edit j: it is running" edit j --priority 5
    q cancel j >/dev/null
    refused "cannot edit j: it is dead" edit j --priority 5
    rm block ran.j spool/dead/j.json
    make "done"
    refused "cannot edit j: it is done" edit j --priority 5
}

@test "edit: bad values are refused, and the job is as it was" {
    make pending
    refused 'priority: 200 is no priority; use -100 to 100, "low" (-10), "medium" or "normal" (0), "high" (10)' edit j '{"priority":200}'
    refused 'needs "command" or "argv"' edit j '{"command":null}'
    refused 'attempts: the queue writes this itself; it cannot be edited' edit j '{"attempts":0}'
    refused 'id: the queue writes this itself; it cannot be edited' edit j '{"id":"k"}'
    expect 1 q edit j 'nonsense'
    refuses 2 "edit: what? give '{JSON}' or flags; an editor needs a terminal" edit j
    expect 2 q edit j --priority 200
    refuses 1 "no job \"nope\" in $WORK/spool" edit nope --priority 5
    is_state j pending
}

@test "edit in an editor, on a terminal" {
    q enqueue '{"id":"j","command":"echo old","mine":9007199254740993}' >/dev/null
    printf '#!/bin/sh\ncp "$1" %s/shown; sed -i s/old/new/ "$1"\n' "$WORK" >editor
    chmod +x editor
    EDITOR=$WORK/editor VISUAL='' on_terminal 80 '$Q edit j'
    has "$out" "edited j"
    is "$(field j command)" "echo new"
    is "$(jq -c 'keys' shown)" '["command","cwd","max_retries","mine","priority"]'
    grep -F 9007199254740993 "$(file_of)"
    EDITOR=true VISUAL='' on_terminal 80 '$Q edit j'
    has "$out" "nothing was changed"
    EDITOR=false VISUAL='' on_terminal 80 '$Q edit j || echo code $?'
    has "$out" "the editor failed; nothing was changed"
    has "$out" "code 1"
}

@test "by hand: the file is changed in place, its name for the priority" {
    make pending
    sed -i 's/exit 3/exit 0/' "$(file_of)"
    mv "$(file_of)" "$(file_of | sed 's/\.p0\./.p50./')"
    is "$(q list --format '{id} {priority}')" "j 50"
    start_workers 1
    wait_until is_state j "done"
}

# --- clear --------------------------------------------------------------------------------

@test "clear removes all that does not run; what runs is named: exit 1" {
    make "done" d
    make dead x
    make pending p
    q delete p --yes >/dev/null
    make processing r
    q enqueue --id p --command x >/dev/null
    expect 1 q clear --yes
    is "$out" "removed 3 jobs"
    is "$err" "queuectl: cannot delete r: it is running; cancel it first"
    is "$(q list --format '{id}')" r
    is "$(ls spool/ids)" r
}

@test "clear of nothing, of one state, of an unknown state" {
    expect 0 q clear --yes
    is "$out" "removed 0 jobs"
    q enqueue --id a --command x >/dev/null
    q enqueue --id b --command x >/dev/null
    q cancel b >/dev/null
    expect 0 q clear --state dead --yes
    is "$out" "removed 1 job"
    is "$(q list --format '{id}')" a
    expect 2 q clear --state nope --yes
    is_state a pending
}

@test "clear asks on a terminal, and refuses without one" {
    q enqueue --id a --command x >/dev/null
    expect 1 q clear </dev/null
    has "$err" "--yes"
    is_state a pending
    printf 'n\n' | script -qec "$QUEUECTL_BIN clear" /dev/null >said || true
    grep -E "Remove .* from ./spool\? \[y/N\]" said
    is_state a pending
    printf 'y\n' | script -qec "$QUEUECTL_BIN clear" /dev/null >said
    expect 1 q show a
}

# --- dlq ----------------------------------------------------------------------------------

# Four dead jobs with three reasons.
dead_ones() {
    start_workers 2
    q enqueue --id a1 --max-retries 0 --command 'echo disk full >&2; exit 1' >/dev/null
    q enqueue --id a2 --max-retries 0 --command 'echo disk full >&2; exit 1' >/dev/null
    q enqueue --id b --max-retries 0 --command 'echo no route >&2; exit 2' >/dev/null
    q enqueue --id c --max-retries 0 --timeout 100ms --command 'sleep infinity' >/dev/null
    wait_until is_count dead 4
    q worker stop >/dev/null
}
dead_ids() { q dlq list --json "$@" | jq -r 'map(.id) | sort | join(" ")'; }

@test "dlq list: the reason of each; filters; --by-error" {
    dead_ones
    expect 0 q dlq list
    is "$(head -1 <<<"$out" | tr -s ' ')" "ID COMMAND ATTEMPTS UPDATED REASON"
    is "$(grep -c 'exit 1: disk full$' <<<"$out")" 2
    has "$out" "timed out after 100ms"
    is "$(dead_ids)" "a1 a2 b c"
    is "$(dead_ids --error disk)" "a1 a2"
    is "$(dead_ids --error 'timed out')" c
    is "$(dead_ids --error nothing)" ""
    is "$(dead_ids --older-than 1h)" ""
    is "$(dead_ids --older-than 0)" "a1 a2 b c"
    expect 0 q dlq list --by-error
    is "$(tr -s ' ' <<<"$out" | sed 's/^ //')" 'COUNT REASON
2 exit 1: disk full
1 exit 2: no route
1 timed out after 100ms'
    is "$(q dlq list --by-error --json | jq -c '.[0]')" '{"count":2,"reason":"exit 1: disk full"}'
    is "$(q dlq list --json | jq -c '.[0] | [.state,.max_retries]')" '["dead",0]'
}

@test "dlq list, empty" {
    expect 0 q dlq list --json
    is "$out" "[]"
    expect 0 q dlq list --by-error --json
    is "$out" "[]"
}

@test "dlq show: a dead job, and no other" {
    dead_ones
    expect 0 q dlq show b
    has "$out" "last_error      exit 2: no route"
    expect 0 q dlq show b --json
    is "$(jq -r .state <<<"$out")" dead
    q enqueue --id p --command x >/dev/null
    refuses 1 "p is not dead: it is pending" dlq show p
    expect 1 q dlq show nope
    has "$err" nope
}

@test "dlq retry: by id, only the dead; attempts 0, history kept" {
    dead_ones
    expect 0 q dlq retry a1 b
    is "$out" $'retried a1\nretried b'
    is "$(jq -c '[.attempts,.last_error,(.history|length)]' spool/pending/*.a1.json)" '[0,null,1]'
    refuses 1 "b is not dead: it is pending" dlq retry b
    is "$(dead_ids)" "a2 c"
    expect 1 q dlq retry nope
    has "$err" nope
}

@test "dlq retry --all, --error, --older-than" {
    dead_ones
    expect 0 q dlq retry --error disk
    is "$out" "retried 2 jobs"
    is "$(dead_ids)" "b c"
    expect 0 q dlq retry --older-than 1h
    is "$out" "retried 0 jobs"
    expect 0 q dlq retry --error "exit 2" --older-than 0
    is "$out" "retried 1 job"
    expect 0 q dlq retry --all
    is "$out" "retried 1 job"
    is "$(dead_ids)" ""
    refuses 2 "dlq retry: which? give IDs, --error, --older-than or --all" dlq retry
    refuses 2 "dlq retry: give IDs, or say which by options, not both" dlq retry a1 --all
    refuses 2 "--older-than soon: no duration; use 90, 90s, 5m, 2h, 7d" dlq retry --older-than soon
}

@test "dlq purge: by id, by filter, all; asks first" {
    dead_ones
    q enqueue --id p --command x >/dev/null
    expect 1 q dlq purge </dev/null
    has "$err" "--yes"
    is "$(dead_ids)" "a1 a2 b c"
    refuses 1 "p is not dead: it is pending" dlq purge p --yes
    expect 0 q dlq purge b --yes
    is "$out" "purged b"
    expect 0 q dlq purge --error disk --yes
    is "$out" "purged 2 jobs"
    expect 0 q dlq purge --yes
    is "$out" "purged 1 job"
    is "$(ls spool/dead spool/logs spool/ids | grep -c '^[abc]')" 0
    is_state p pending
    refuses 2 "dlq purge: give IDs, or say which by options, not both" dlq purge p --error x --yes
}

@test "by hand: grep -l finds the reason" {
    dead_ones
    is "$(grep -l 'disk full' spool/dead/* | sort | paste -sd' ')" "spool/dead/a1.json spool/dead/a2.json"
}

# --- pause, resume --------------------------------------------------------------------------

@test "pause: nothing more is claimed, what runs goes on; resume" {
    start_workers 1
    q enqueue --id r --command 'until [ -e go ]; do sleep 0.02; done' >/dev/null
    wait_until is_state r processing
    expect 0 q pause
    is "$out/$err" "paused/"
    q enqueue --id p --command true >/dev/null
    touch go
    wait_until is_state r "done"
    expect 0 q pause
    is "$out" ""
    [[ $err =~ ^queuectl:\ paused\ already,\ since\ [0-9:]+$ ]]
    is_state p pending
    expect 0 q resume
    is "$out/$err" "resumed/"
    wait_until is_state p "done"
    expect 0 q resume
    is "$out/$err" "/queuectl: it was not paused"
}

@test "by hand: touch control/pause and rm" {
    start_workers 1
    q enqueue --wait --command true >/dev/null
    touch spool/control/pause
    [ "$(q status --json | jq -r .paused)" != null ]
    q enqueue --id p --command true >/dev/null
    # A second pool would claim it at its start, were it not paused.
    start_workers 1
    is_state p pending
    rm spool/control/pause
    wait_until is_state p "done"
}

# --- words ----------------------------------------------------------------------------------

@test "verbs without an id: exit 2 and the usage" {
    for verb in cancel retry hold release delete; do
        refuses 2 "$verb: an argument is missing; usage: queuectl $verb ID..." $verb
    done
}

@test "verbs with an unknown id: exit 1, and the spool that was searched" {
    for verb in cancel retry hold release "delete --yes" "edit --priority 5"; do
        # shellcheck disable=SC2086
        refuses 1 "no job \"nope\" in $WORK/spool" $verb nope
        # shellcheck disable=SC2086
        refuses 1 "no job \"../../etc/passwd\" in $WORK/spool" $verb ../../etc/passwd
    done
}

@test "a verb on an unreadable document names the file" {
    q enqueue --id j --command x >/dev/null
    echo rubbish >"$(file_of)"
    expect 1 q cancel j
    has "$err" "$(file_of | sed 's|spool/||')"
    has "$err" "invalid JSON at byte 1"
    expect 0 q delete j --yes
    is_gone
}
