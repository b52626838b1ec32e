#!/usr/bin/env bats
# One run: its whole tree, its output, what is recorded, what happens to it when
# its worker dies.

load helper
load processes

setup() {
    setup_spool
    q config set grace 300ms 2>/dev/null
}
teardown() {
    teardown_spool
    end_strays
}

history_of() { q show --json "$1" | jq -c "[.history[].$2]"; }

# -- the tree ----------------------------------------------------------------------

has_processes() { [ "$(processes_of "$1" | wc -l)" -ge "$2" ]; } # one in exec is not seen

over_or_seen() { is_state "$1" dead || { [ -e up ] && has_processes "$1" "$2"; }; }

# Each of these must be gone when the run is over.  The job says `up` when all of
# it has started.  Where it is over before that was seen, another follows with more time;
# $limit: its seconds.
ends_with_its_tree() { # id, how many processes at least, command
    local seen
    for limit in 2 8 32; do
        job "$1" "$3" --timeout "${limit}s" --max-retries 0
        wait_until over_or_seen "$1" "$2"
        seen=yes
        if is_state "$1" dead; then seen=; fi
        wait_until is_state "$1" dead
        no_processes_of "$1"
        [ "$(field "$1" last_error)" = "timed out after ${limit}s" ]
        rm -f up
        if [ -n "$seen" ]; then return 0; fi
        q delete --yes "$1"
        rm -f traps told
    done
    return 1
}

@test "timeout: children, nohup, setsid and double forks are ended" {
    start_workers 1
    ends_with_its_tree children 3 'sleep infinity & sleep infinity & touch up; wait'
    ends_with_its_tree nohup 2 'nohup sleep infinity & touch up; wait'
    ends_with_its_tree setsid 2 'setsid sleep infinity & touch up; wait'
    ends_with_its_tree double 2 '(setsid sh -c "sleep infinity & sleep infinity &" &) ; touch up; sleep infinity'
}

@test "timeout: what ignores TERM is killed after the grace, not before" {
    start_workers 1
    ends_with_its_tree stubborn 2 'trap "" TERM; sleep infinity & touch up; while :; do sleep 0.05; done'
    took=$(field stubborn duration_ms)
    echo "$took ms"
    [ "$took" -ge $((limit * 1000 + 300)) ]
    [ "$took" -lt $((limit * 1000 + 10000)) ] # the default grace
}

@test "timeout: stopped processes are woken, to end by TERM" {
    q config set grace 30s 2>/dev/null
    start_workers 1
    ends_with_its_tree stopped 2 'sh -c "kill -STOP \$\$" & touch up; kill -STOP $$'
}

@test "timeout: whoever handles TERM gets it once, and may clean up" {
    start_workers 1
    ends_with_its_tree polite 2 'sh -c "trap \"echo child >>told; exit\" TERM; touch traps; while :; do sleep 0.05; done" &
trap "echo parent >>told; wait; exit" TERM; until [ -e traps ]; do sleep 0.01; done; touch up; while :; do sleep 0.05; done'
    [ "$(sort told)" = $'child\nparent' ]
}

@test "what a job leaves running is ended with it, and the result is the job's" {
    start_workers 1
    job leaves 'sleep infinity & setsid sleep infinity & (trap "" TERM; touch up; while :; do sleep 0.05; done) &
until [ -e up ]; do sleep 0.01; done; exit 0'
    wait_until is_state leaves done
    no_processes_of leaves
    [ "$(field leaves exit_code)" = 0 ]
    worker_count 1
}

@test "detach: the process goes on, the result is recorded at once, and the id is free" {
    start_workers 1
    worker=$(workers)
    job daemon 'sleep infinity & echo $! >pid' --detach
    wait_until is_state daemon done
    lives "$(cat pid)"
    # Its worker leaves, so that the process is nobody's child here.
    wait_until gone "$worker"
    wait_until worker_count 1
    q delete --yes daemon
    job daemon 'echo again'
    wait_until is_state daemon done
    lives "$(cat pid)"
    q worker stop --now
    lives "$(cat pid)"
    kill "$(cat pid)"
}

@test "detach: a timeout still ends all of it" {
    start_workers 1
    job daemon 'sleep infinity & touch up; sleep infinity' --detach --timeout 500ms --max-retries 0
    wait_until is_state daemon dead
    wait_until no_processes_of daemon
}

@test "cancel of a running job ends its whole tree" {
    start_workers 1
    job tree 'setsid sleep infinity & (trap "" TERM; touch up; while :; do sleep 0.05; done)'
    wait_until is_there up
    q cancel tree
    is_state tree dead
    no_processes_of tree
    [ "$(field tree last_error)" = cancelled ]
    [ "$(history_of tree outcome)" = '["cancelled"]' ]
    [ "$(find spool/control -type f | wc -l)" = 0 ]
}

# -- the worker dies ---------------------------------------------------------------

@test "a run whose worker was killed is ended and made again within 2 s; never two at once" {
    start_workers 2
    job again 'exec 9>mine
flock -n 9 || { echo overlap >>bad; exit 1; }
date +%s%3N >>starts
[ "$QUEUECTL_RUN" -gt 2 ] || { setsid sleep infinity & sleep infinity; }'
    for n in 1 2; do
        wait_until lines_are starts $n
        since=$(now_ms)
        kill -9 "$(worker_of again)"
        wait_until lines_are starts $((n + 1))
        late=$(($(tail -n 1 starts) - since))
        echo "run $((n + 1)) after $late ms"
        ((n > 1 && late > best)) || best=$late
    done
    # TERM ends the processes at once.  One try may meet a busy machine.
    [ $best -le 2000 ]
    wait_until is_state again done
    [ ! -e bad ]
    no_processes_of again
    [ "$(history_of again outcome)" = '["lost","lost","done"]' ]
    [ "$(field again attempts)" = 1 ]
    [ "$(field again lost)" = 2 ]
}

@test "an orphaned run is told to end once, and has the grace to do so" {
    q config set grace 20s 2>/dev/null
    start_workers 1
    job polite 'trap "echo told >>told" TERM
[ "$QUEUECTL_RUN" = 1 ] || exit 0
touch up; until [ -e go ]; do sleep 0.02; done; echo ended >>told'
    wait_until is_there up
    kill -9 "$(worker_of polite)"
    wait_until lines_are told 1
    # It is tried every half second.  Three of those may not tell it again.
    enough=$(($(now_ms) + 1600))
    past() { [ "$(now_ms)" -ge $enough ]; }
    wait_until past
    is_state polite processing
    touch go
    wait_until is_state polite done
    [ "$(cat told)" = $'told\nended' ]
}

@test "orphans = wait: an orphaned run is let finish, then made again" {
    q config set orphans wait
    start_workers 1
    job again 'echo begun >>told; until [ -e go ]; do sleep 0.02; done; echo ended >>told'
    wait_until lines_are told 1
    kill -9 "$(worker_of again)"
    wait_until in_log 'outlived its worker; waiting'
    wait_until worker_count 1
    is_state again processing
    touch go
    wait_until is_state again done
    [ "$(cat told)" = $'begun\nended\nbegun\nended' ]
    [ "$(history_of again outcome)" = '["lost","done"]' ]
}

@test "a pool that was slow to see a run recovered leaves the next run alone" {
    q config set orphans wait
    start_workers 1
    quick=$(pools)
    start_workers 1
    slow=$(pools | grep -vx "$quick")
    q pause
    kill -STOP "$slow"
    job again 'trap "echo told >>told" TERM
echo $QUEUECTL_RUN >>begun; until [ -e "go.$QUEUECTL_RUN" ]; do sleep 0.02; done'
    q resume
    wait_until lines_are begun 1
    kill -CONT "$slow"
    kill -9 "$(worker_of again)"
    for pool in $quick $slow; do
        wait_until in_log "pool $pool: the run .* outlived its worker; waiting"
    done
    # Now only one of them sees that the run is over, and starts the next.
    kill -STOP "$slow"
    touch go.1
    wait_until lines_are begun 2
    q config set orphans end
    kill -CONT "$slow"
    wait_until in_log "pool $slow: new settings"
    worker=$(worker_of again)
    enough=$(($(now_ms) + 1300))
    past() { [ "$(now_ms)" -ge $enough ]; }
    wait_until past
    lives "$worker"
    [ ! -e told ]
    touch go.2
    wait_until is_state again done
    [ "$(history_of again outcome)" = '["lost","done"]' ]
    [ ! -e told ]
}

@test "lost three times in a row: dead" {
    start_workers 1
    job poison 'echo run >>runs; kill -9 $PPID; sleep infinity'
    wait_until is_state poison dead
    lines_are runs 3
    [ "$(history_of poison outcome)" = '["lost","lost","lost"]' ]
    [ "$(history_of poison fate)" = '["again","again","dead"]' ]
    [ "$(field poison last_error)" = "lost: worker died" ]
    [ "$(field poison lost)" = 3 ]
    no_processes_of poison
    # And again after a retry: in a row, not in all its life.
    q retry poison
    wait_until lines_from runs 4
    wait_until is_state poison dead
    lines_are runs 6
}

@test "lost twice, then a failure: the row begins anew" {
    start_workers 1
    job flaky 'echo run >>runs; case $QUEUECTL_RUN in 3) exit 1 ;; 6) exit 0 ;; *) kill -9 $PPID; sleep infinity ;; esac' \
        --max-retries 1 --backoff-base 1
    wait_until is_state flaky done
    [ "$(history_of flaky outcome)" = '["lost","lost","failed","lost","lost","done"]' ]
    [ "$(field flaky attempts)" = 2 ]
}

@test "on_crash dead: never started a second time" {
    start_workers 1
    job once 'echo run >>runs; kill -9 $PPID; sleep infinity' --on-crash dead
    wait_until is_state once dead
    lines_are runs 1
    [ "$(field once last_error)" = "lost: worker died" ]
    # A failure is no crash.
    job fails 'echo run >>fails; exit 1' --on-crash dead --max-retries 1 --backoff-base 1
    wait_until is_state fails dead
    lines_are fails 2
}

@test "cancel of an orphaned run ends it: dead, not made again" {
    q config set orphans wait
    start_workers 1
    job orphan 'echo run >>runs; sleep infinity'
    wait_until lines_are runs 1
    kill -9 "$(worker_of orphan)"
    wait_until in_log 'outlived its worker'
    q cancel orphan
    is_state orphan dead
    lines_are runs 1
    no_processes_of orphan
    [ "$(field orphan last_error)" = cancelled ]
}

# -- output ------------------------------------------------------------------------

@test "the two streams are kept apart, and a stream that wrote nothing has no file" {
    start_workers 1
    job both 'echo to out; echo to err >&2'
    job none true
    wait_until is_state none done
    [ "$(q logs both 2>/dev/null)" = "to out" ]
    [ "$(q logs both 2>&1 >/dev/null)" = "to err" ]
    [ "$(cat spool/logs/both.r1.out)" = "to out" ]
    [ "$(cat spool/logs/both.r1.err)" = "to err" ]
    [ -z "$(find spool/logs -name 'none.*')" ]
    # Nothing of one run in the log of the next of the same worker.
    job next 'echo next'
    wait_until is_state next done
    [ "$(cat spool/logs/next.r1.out)" = next ]
    [ ! -e spool/logs/next.r1.err ]
}

@test "logs of a running job show what it wrote so far" {
    start_workers 1
    job talks "echo first; $GATED; echo second"
    said() { [ "$(q logs talks)" = first ]; }
    wait_until said
    touch go
    wait_until is_state talks done
    [ "$(q logs talks)" = $'first\nsecond' ]
}

@test "output_max cuts a stream, counts the rest, and the job goes on" {
    q config set output-max 100K
    start_workers 1
    job loud 'head -c 300000 /dev/zero; echo end >&2'
    wait_until is_state loud done
    [ "$(stat -c %s spool/logs/loud.r1.out)" = 102400 ]
    [ "$(stat -c %s spool/logs/loud.r1.err)" = 4 ]
    [ "$(history_of loud output_cut)" = "[$((300000 - 102400))]" ]
}

@test "output_max holds while the job runs" {
    q config set output-max 100K
    start_workers 1
    job loud 'head -c 10000000 /dev/zero; touch up; until [ -e go ]; do sleep 0.02; done; head -c 1000 /dev/zero'
    wait_until is_there up
    cut_back() { [ "$(stat -c %s spool/logs/.*.out)" -le 102400 ]; }
    wait_until cut_back
    is_state loud processing
    touch go
    wait_until is_state loud done
    [ "$(stat -c %s spool/logs/loud.r1.out)" = 102400 ]
    [ "$(history_of loud output_cut)" = "[$((10000000 + 1000 - 102400))]" ]
}

# -- what is recorded --------------------------------------------------------------

@test "last_error: the exit code and the last line of stderr; a signal; the time" {
    start_workers 1
    job line 'echo first >&2; echo "the reason" >&2; echo out; exit 3' --max-retries 0
    job code 'exit 4' --max-retries 0
    job segv 'kill -SEGV $$' --max-retries 0
    job kill 'kill -KILL $$' --max-retries 0
    job time 'sleep infinity' --max-retries 0 --timeout 0.2
    job control 'printf "a\033[31mred\n\n" >&2; exit 5' --max-retries 0
    wait_until is_count dead 6
    [ "$(field line last_error)" = "exit 3: the reason" ]
    [ "$(field line exit_code)" = 3 ]
    [ "$(field code last_error)" = "exit 4" ]
    [ "$(field segv last_error)" = "killed by SIGSEGV" ]
    [ "$(field segv signal)" = 11 ]
    [ "$(field kill last_error)" = "killed by SIGKILL" ]
    [ "$(field time last_error)" = "timed out after 200ms" ]
    [ "$(field time 'history[0].timed_out')" = true ]
    # No control character is left, and the text still says what it was.
    field control last_error | grep -q '^exit 5: a.*red$'
    field control last_error >text
    LC_ALL=C refute grep '[^ -~]' text
}

@test "a long last line is kept to 200 bytes" {
    start_workers 1
    job long 'head -c 5000 /dev/zero | tr "\0" x >&2; exit 1' --max-retries 0
    wait_until is_state long dead
    [ "$(field long last_error)" = "exit 1: $(printf 'x%.0s' $(seq 200))" ]
}

@test "exit 127 and 126, and a missing cwd" {
    start_workers 1
    echo 'echo never' >plain
    q enqueue --id missing --max-retries 0 -- ./nowhere
    q enqueue --id plain --max-retries 0 -- ./plain
    q enqueue --id nocwd --max-retries 0 --cwd "$WORK/nodir" --command true
    job shell 'exit 126' --max-retries 0
    wait_until is_count dead 4
    [ "$(field missing exit_code)" = 127 ]
    [ "$(field missing last_error)" = "cannot start: ./nowhere: No such file or directory" ]
    [ "$(field plain exit_code)" = 126 ]
    [ "$(field plain last_error)" = "cannot start: ./plain: Permission denied" ]
    [ "$(field nocwd exit_code)" = 127 ]
    [ "$(field nocwd last_error)" = "cannot start: cwd $WORK/nodir: No such file or directory" ]
    [ "$(field shell exit_code)" = 126 ]
    [ "$(field shell last_error)" = "exit 126" ]
}

@test "time, CPU and memory of each run are recorded" {
    start_workers 1
    job works 'python3 -c "
import time
x = bytearray(64 << 20)
end = time.process_time() + 0.3
while time.process_time() < end: pass"'
    job sleeps 'sleep 0.5'
    wait_until is_state sleeps done
    q show --json works | jq -c '.history[0]'
    q show --json works | jq -e '.history[0] | .cpu_ms >= 300 and .max_rss_kib >= 65536 and
        .exit_code == 0 and .duration_ms >= 300 and .started_at < .finished_at'
    q show --json sleeps | jq -e '.history[0] | .cpu_ms < 300 and .max_rss_kib < 65536 and
        .duration_ms >= 500'
    [ "$(field works duration_ms)" = "$(field works 'history[0].duration_ms')" ]
}

@test "the last 20 runs are kept, in the history and in logs/" {
    start_workers 1
    job many 'echo "run $QUEUECTL_RUN"; [ "$QUEUECTL_RUN" = 23 ]' --max-retries 30 --backoff-base 1000
    # Without waiting for each retry.
    failed_run() { is_state many failed && [ "$(field many runs)" = "$1" ]; }
    for n in $(seq 22); do
        wait_until failed_run "$n"
        q retry many >/dev/null
    done
    wait_until is_state many done
    [ "$(field many runs)" = 23 ]
    [ "$(q show --json many | jq -c '[.history | length, .[0].run, .[-1].run]')" = '[20,4,23]' ]
    [ "$(find spool/logs -name 'many.*' | wc -l)" = 20 ]
    [ ! -e spool/logs/many.r3.out ]
    [ "$(cat spool/logs/many.r4.out)" = "run 4" ]
    [ "$(q logs many --run 23)" = "run 23" ]
}

# -- what the job is given -----------------------------------------------------------

@test "QUEUECTL_JOB is the job's own document while it runs, and the rest is set" {
    start_workers 1
    q enqueue '{"id":"own","order_id":9007199254740993,"command":"jq -r .order_id \"$QUEUECTL_JOB\"; echo $QUEUECTL_JOB_ID $QUEUECTL_RUN $QUEUECTL_ATTEMPT $QUEUECTL_SPOOL; [ $QUEUECTL_RUN = 2 ]","backoff_base":1}'
    wait_until is_state own done
    q logs own --run 1
    q logs own --run 1 | head -n 1 | grep -q '^90071992547409'
    [ "$(q logs own --run 1 | tail -n 1)" = "own 1 1 $(realpath spool)" ]
    [ "$(q logs own --run 2 | tail -n 1)" = "own 2 2 $(realpath spool)" ]
    grep -q '"order_id": *9007199254740993' spool/done/own.json
}

@test "the environment is the worker's, the job's env over it; the cwd is the enqueuer's" {
    export FROM_WORKER=worker BOTH=worker
    start_workers 1
    export FROM_WORKER=later
    mkdir here
    (cd here && q enqueue --id env --env BOTH=job --env "TEXT=a b=c" \
        --command 'echo $FROM_WORKER $BOTH "$TEXT"; pwd' >/dev/null)
    wait_until is_state env done
    [ "$(q logs env)" = "worker job a b=c"$'\n'"$(realpath here)" ]
}

@test "argv runs without a shell" {
    start_workers 1
    q enqueue --id argv -- printf '%s\n' '$HOME' 'a  b' '*' ';'
    wait_until is_state argv done
    [ "$(q logs argv)" = $'$HOME\na  b\n*\n;' ]
}

@test "stdin is /dev/null, 3 to 9 are free, no signal is ignored or blocked" {
    start_workers 1
    job look 'readlink /proc/self/fd/0; cat; ls /proc/$$/fd; grep -E "^Sig(Blk|Ign)" /proc/self/status'
    wait_until is_state look done
    q logs look >log
    cat log
    [ "$(head -n 1 log)" = /dev/null ]
    refute grep -x '[3-9]' log
    # (32 and 33 are libc's own, and posix_spawn leaves them ignored.)
    [ "$(grep -Ec '000000[018]{3}0000000$' log)" = 2 ]
}

@test "the id stays locked for as long as any process of the job lives" {
    q config set orphans wait
    start_workers 1
    # It uses 3 to 9 for its own purposes, and leaves its group.
    job holds 'exec 3>a 4>b 5>c 6>d 7>e 8>f 9>g; setsid sh -c "touch up; until [ -e go ]; do sleep 0.02; done" & wait'
    wait_until is_there up
    refute flock -n spool/ids/holds true
    kill -9 "$(worker_of holds)"
    wait_until in_log 'outlived its worker'
    refute flock -n spool/ids/holds true
    touch go
    wait_until is_state holds done
    flock -n spool/ids/holds true
}

# -- a run that nothing holds any more ----------------------------------------------

# A job that closes every descriptor, its id's lock among them, and runs until `go`.
UNHELD='exec python3 -c "
import os, time
os.closerange(0, 1024)
def say(word):
    with open(\"told\", \"a\") as told:
        told.write(word + \"\n\")
say(\"begun\")
while not os.path.exists(\"go\"):
    time.sleep(0.02)
say(\"ended\")
"'

# Nothing begins beside the first run; once it has ended the job runs again.
waits_for_its_first_run() {
    local enough=$(($(now_ms) + 1600)) # a waiting job is tried every half second
    past() { [ "$(now_ms)" -ge $enough ]; }
    wait_until past
    [ "$(cat told)" = begun ]
    touch go
    wait_until is_state again done
    [ "$(cat told)" = $'begun\nended\nbegun\nended' ]
}

@test "worker dead, lock closed, file moved to pending/: the job waits for its first run" {
    start_workers 1
    job again "$UNHELD"
    wait_until lines_are told 1
    worker=$(worker_of again)
    mv spool/processing/*.again.json spool/pending/
    kill -9 "$worker"
    wait_until worker_count 1
    waits_for_its_first_run
    q fsck
}

@test "ids/ID removed and the file moved to pending/ by hand: the job waits for its first run" {
    start_workers 2
    job again "$UNHELD"
    wait_until lines_are told 1
    rm spool/ids/again
    mv spool/processing/*.again.json "spool/pending/20260101T000000.000000Z.p0.a0.again.json"
    waits_for_its_first_run
    q fsck
}

# Whoever makes the file anew before a claim does, says that he does not know.
@test "ids/ID removed, then the job taken in, held and enqueued again: it waits all the same" {
    start_workers 2
    job again "$UNHELD"
    wait_until lines_are told 1
    rm spool/ids/again
    refute q enqueue '{"id":"again","command":"true"}'
    mv spool/processing/*.again.json spool/pending/again.json
    wait_until eval 'compgen -G "spool/pending/2*.again.json"'
    q hold again
    q release again
    waits_for_its_first_run
    q fsck
}

@test "the same after its worker's death" {
    q config set orphans wait
    start_workers 2
    job again "$UNHELD"
    wait_until lines_are told 1
    worker=$(worker_of again)
    rm spool/ids/again
    mv spool/processing/*.again.json "spool/pending/20260101T000000.000000Z.p0.a0.again.json"
    kill -9 "$worker"
    wait_until worker_count 2
    waits_for_its_first_run
    q fsck
}

# Numbers come again: the group of a dead run's number may be anybody's by now.
@test "a stranger's group with the number of a dead run is no run, and is let alone" {
    start_workers 1
    job lost 'echo "$QUEUECTL_RUN" >>told; [ "$QUEUECTL_RUN" -gt 1 ] || exec sleep infinity'
    wait_until lines_are told 1
    worker=$(worker_of lost)
    record=$(grep -l "^run .*lost" spool/workers/*.worker)
    run=$(sed -n 's/^run-pid //p' "$record")
    pool=$(q worker list --json | jq '.[0].pool')
    kill -9 "$pool" "$worker" "$run"
    wait_until flock -n spool/ids/lost true
    set -m # a group of its own, in this session, whose leader leaves
    (sleep infinity 3>&- & echo $! >member) 3>&- &
    group=$!
    set +m
    wait "$group"
    stranger=$(cat member)
    sed -i "s/^run-pid .*/run-pid $group/" "$record"
    start_workers 1
    wait_until is_state lost done
    [ "$(cat told)" = $'1\n2' ]
    [[ $(ps -o stat= -p "$stranger") = S* ]]
    kill -9 "$stranger"
}
