#!/usr/bin/env bats
# mv, rm and cp of job files in every state, with workers at work.  (The rows of
# the README's table, without workers, are run by readme.bats.)

load helper
load processes

setup() {
    setup_spool
    q config set grace 300ms 2>/dev/null
    start_workers 2
}
teardown() {
    teardown_spool
    end_strays
}

# The file of a job that waits or runs.
file_of() { basename "spool/$1"/*."$2.json"; }
now_name() { date -u +%Y%m%dT%H%M%S.%6NZ; }
journal_says() { cat spool/journal/* | grep "\"id\":\"$2\"" | grep -q "\"event\":\"$1\""; }

# A copy was put aside and reported, and nothing else has happened to it.
put_aside() { # name in quarantine, the text of the reason
    wait_until is_there "spool/quarantine/$1"
    q dlq list --json | jq -e --arg text "$2" 'any(.[]; .last_error | contains($text))'
}

# A job that runs until `go` is there, and proves any overlap.
LOCKED='exec 9>"mine.$QUEUECTL_JOB_ID"
flock -n 9 || echo overlap >>bad
echo run >>"ran.$QUEUECTL_JOB_ID"; echo said
until [ -e go ]; do sleep 0.02; done'

running() {
    job "$1" "$LOCKED"
    wait_until lines_are "ran.$1" 1
}

failed() {
    job "$1" 'echo run >>"ran.$QUEUECTL_JOB_ID"; [ -e mended ]' --backoff-base 1000
    wait_until is_state "$1" failed
}

dead() {
    job "$1" 'echo run >>"ran.$QUEUECTL_JOB_ID"; [ -e mended ]' --max-retries 0
    wait_until is_state "$1" dead
}

waiting() { job "$1" 'echo run >>"ran.$QUEUECTL_JOB_ID"' --delay 1h; }

done_job() {
    job "$1" 'echo run >>"ran.$QUEUECTL_JOB_ID"; echo out'
    wait_until is_state "$1" done
}

# -- mv ----------------------------------------------------------------------------

@test "mv of a waiting job: to dead/ or done/ it is that, with an earlier time it runs" {
    waiting a
    waiting b
    waiting c
    mv "spool/pending/$(file_of pending a)" spool/dead/a.json
    mv "spool/pending/$(file_of pending b)" spool/done/b.json
    file=$(file_of pending c)
    mv "spool/pending/$file" "spool/pending/$(now_name).${file#*Z.}"
    wait_until is_state c done
    is_state a dead
    is_state b done
    [ ! -e ran.a ]
    [ ! -e ran.b ]
    lines_are ran.c 1
    q fsck
}

@test "mv of a failed job to pending/: due now, its attempts kept" {
    failed a
    file=$(file_of failed a)
    touch mended
    mv "spool/failed/$file" "spool/pending/$(now_name).${file#*Z.}"
    wait_until is_state a done
    [ "$(field a attempts)" = 2 ]
    lines_are ran.a 2
    q fsck
}

@test "mv of a failed job to pending/ as it is: it keeps its time" {
    failed a
    mv "spool/failed/$(file_of failed a)" spool/pending/
    [ "$(q status --json | jq .scheduled)" = 1 ]
    q retry a
    wait_until lines_are ran.a 2
    q fsck
}

@test "mv of a done job to pending/: it runs again, and no log is lost" {
    done_job a
    mv spool/done/a.json spool/pending/
    wait_until lines_are ran.a 2
    wait_until is_state a done
    [ "$(field a attempts)" = 1 ]
    [ "$(field a runs)" = 2 ]
    [ "$(cat spool/logs/a.r1.out spool/logs/a.r2.out)" = $'out\nout' ]
    q fsck
}

@test "mv of a dead job to pending/: attempts from 0" {
    dead a
    touch mended
    mv spool/dead/a.json spool/pending/
    wait_until is_state a done
    [ "$(field a attempts)" = 1 ]
    [ "$(field a runs)" = 2 ]
    q fsck
}

@test "mv of a running job to pending/: it runs again, once its present run has ended" {
    running a
    first=$(processes_of a | sort -n | head -n 1) # the shell; its sleeps come and go
    mv "spool/processing/$(file_of processing a)" spool/pending/
    # It is looked at every half second; a job that comes later is done by then.
    enough=$(($(now_ms) + 1200))
    past() { [ "$(now_ms)" -ge $enough ]; }
    wait_until past
    lives "$first"
    lines_are ran.a 1
    touch go
    wait_until lines_are ran.a 2
    wait_until is_state a done
    [ ! -e bad ]
    journal_says result-without-job a
    [ "$(field a attempts)" = 1 ]
    q fsck
}

@test "the same under a waiting job's name" {
    running a
    mv "spool/processing/$(file_of processing a)" "spool/pending/$(now_name).p0.a0.a.json"
    done_job probe
    lines_are ran.a 1
    touch go
    wait_until lines_are ran.a 2
    wait_until is_state a done
    [ ! -e bad ]
    q fsck
}

@test "mv of a running job to done/ or dead/: there it stays, the run goes on to its end" {
    running a
    running b
    mv "spool/processing/$(file_of processing a)" spool/done/a.json
    mv "spool/processing/$(file_of processing b)" spool/dead/b.json
    is_state a done
    is_state b dead
    touch go
    wait_until no_processes_of a
    wait_until no_processes_of b
    wait_until journal_says result-without-job a
    wait_until journal_says result-without-job b
    is_state a done
    is_state b dead
    lines_are ran.a 1
    q fsck
}

# -- rm ----------------------------------------------------------------------------

@test "rm of a waiting, a failed and a dead job: gone, and the id is free" {
    waiting a
    failed b
    dead c
    rm "spool/pending/$(file_of pending a)" "spool/failed/$(file_of failed b)" spool/dead/c.json
    for id in a b c; do
        run q show $id
        [ "$status" = 1 ]
        job $id true
        wait_until is_state $id done
        [ "$(field $id runs)" = 1 ]
    done
    q fsck
}

@test "rm of a done job: its id is free at once" {
    done_job a
    rm spool/done/a.json
    job a 'echo another'
    wait_until is_state a done
    [ "$(field a runs)" = 1 ]
    [ "$(q logs a)" = another ]
    q fsck
}

@test "rm of a running job: the run goes on, its result is only in the journal" {
    running a
    rm "spool/processing/$(file_of processing a)"
    # The id is in use for as long as it runs.
    run q enqueue --id a --command true
    [ "$status" = 1 ]
    touch go
    wait_until journal_says result-without-job a
    run q show a
    [ "$status" = 1 ]
    [ -z "$(find spool/pending spool/processing spool/failed spool/done spool/dead -name '*a.json')" ]
    worker_count 2
    enqueued() { job a true 2>/dev/null; }
    wait_until enqueued
    wait_until is_state a done
    lines_are ran.a 1
    q fsck
}

# -- cp ----------------------------------------------------------------------------

@test "cp of a waiting job: the copy is put aside, the job runs once" {
    waiting a
    cp "spool/pending/$(file_of pending a)" spool/pending/copy.json
    put_aside copy.json 'id "a" is in use'
    q retry a
    wait_until is_state a done
    lines_are ran.a 1
    q fsck
}

@test "cp of a waiting job under a waiting job's name: it runs once" {
    waiting a
    file=$(file_of pending a)
    cp "spool/pending/$file" "spool/pending/$(now_name).${file#*Z.}"
    wait_until lines_are ran.a 1
    # The other comes up when it is due.
    mv "spool/pending/$file" "spool/pending/$(now_name).${file#*Z.}"
    aside() { [ -n "$(find spool/quarantine -name '*.a.json')" ]; }
    wait_until aside
    is_state a done
    lines_are ran.a 1
    q fsck
}

@test "cp of a running job: put aside when its run has ended, not run beside it" {
    running a
    cp "spool/processing/$(file_of processing a)" spool/pending/copy.json
    done_job probe
    lines_are ran.a 1
    touch go
    wait_until is_state a done
    put_aside copy.json 'id "a" is in use'
    lines_are ran.a 1
    [ ! -e bad ]
    q fsck
}

@test "cp of a failed, a done and a dead job: put aside, the job untouched" {
    failed a
    done_job b
    dead c
    cp "spool/failed/$(file_of failed a)" spool/pending/a2.json
    cp spool/done/b.json spool/pending/b2.json
    cp spool/dead/c.json spool/pending/
    put_aside a2.json 'id "a" is in use'
    put_aside b2.json 'id "b" is in use'
    put_aside c.json 'id "c" is in use'
    is_state a failed
    is_state b done
    is_state c dead
    for id in a b c; do
        lines_are ran.$id 1
    done
    q fsck
}

@test "cp of a done job under a waiting job's name: put aside at the claim" {
    done_job a
    cp spool/done/a.json "spool/pending/$(now_name).p0.a0.a.json"
    aside() { [ -n "$(find spool/quarantine -type f)" ]; }
    wait_until aside
    is_state a done
    lines_are ran.a 1
    q fsck
}

@test "a copy with an id of its own runs, and begins anew" {
    dead a
    touch mended
    jq -c '.id = "b"' spool/dead/a.json >copy
    cp copy spool/pending/whatever.json
    wait_until is_state b done
    [ "$(field b attempts)" = 1 ]
    [ "$(field b runs)" = 1 ]
    is_state a dead
    q fsck
}

@test "a document under another job's name: put aside, the other job is not touched" {
    done_job a
    waiting b
    jq -c 'del(.id) | .id = "other"' spool/done/a.json >document
    cp document "spool/pending/$(now_name).p0.a0.stranger.json"
    aside() { [ -n "$(find spool/quarantine -name '*stranger*')" ]; }
    wait_until aside
    is_state a done
    is_state b pending
    q fsck
}

@test "results do not overwrite what an operator put in their place" {
    running a
    echo '{"id":"a","command":"mine"}' >spool/done/a.json
    touch go
    wait_until test -e spool/quarantine/a.json
    wait_until is_state a done
    [ "$(field a runs)" = 1 ]
    [ "$(cat spool/quarantine/a.json)" = '{"id":"a","command":"mine"}' ]
    journal_says namesake a
}

# -- requests ----------------------------------------------------------------------

@test "cancel by hand: a file in control/ that names the run; void for any other" {
    running a
    touch "spool/control/cancel.$(file_of processing a | sed 's/\.p0\./.p1./')"
    done_job probe
    is_state a processing
    touch "spool/control/cancel.$(file_of processing a)"
    wait_until is_state a dead
    [ "$(field a last_error)" = cancelled ]
    gone_request() { [ -z "$(find spool/control -name "cancel.*.p0.*")" ]; }
    wait_until gone_request
}
