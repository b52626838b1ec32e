#!/usr/bin/env bats
# Taking in when something is scarce or in the way: good files go on.

load helper
load processes

setup() { setup_spool; }
teardown() {
    end_strays
    teardown_spool
}

@test "few descriptors: a flood is taken in by smaller batches" {
    mkdir many
    for i in $(seq 400); do echo "{\"id\":\"m$i\",\"argv\":[\"true\"]}" >"many/$i.json"; done
    (ulimit -n 64 && exec "$QUEUECTL_BIN" worker start --count 2) >/dev/null
    mv many/* spool/pending/ 2>/dev/null || true
    wait_until is_count "done" 400
}

# As a file server does for its clients: open(2) by others fails while it has it.
@test "files under a lease wait, and nothing else waits for them" {
    cat >lease.py <<'PY'
import fcntl, os, signal, sys, time
signal.signal(signal.SIGIO, signal.SIG_IGN)
held = []
for i in range(40):
    name = "old%d.json" % i
    with open("spool/tmp/" + name, "w") as f:
        f.write('{"id":"old%d","argv":["true"]}' % i)
    os.utime("spool/tmp/" + name, (0, 0))
    fd = os.open("spool/tmp/" + name, os.O_RDWR)
    fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    os.rename("spool/tmp/" + name, "spool/pending/" + name)
    held.append(fd)
open("ready", "w").close()
while not os.path.exists("go"):
    time.sleep(0.02)
PY
    python3 lease.py 3>&- &
    wait_until is_there ready
    start_workers 2
    for i in 1 2 3; do
        echo "{\"id\":\"good$i\",\"argv\":[\"true\"]}" >spool/pending/good$i.json
        WAIT_SEC=20 wait_until is_state good$i "done"
    done
    is_count "done" 3
    touch go
    wait
    wait_until is_count "done" 43
}

@test "advice can be pasted, whatever the file was called" {
    start_workers 1
    name='$(touch PWNED); `touch PWNED`'\'' "&'
    echo rubbish >new
    mv new "spool/pending/$name.json"
    reported() { ls spool/dead/rejected* 2>/dev/null; }
    wait_until reported
    advice=$(jq -r .advice spool/dead/rejected*)
    file=${advice#mend }
    file=${file%; then: queuectl*}
    (cd spool && sh -c "cat -- $file") >out
    is "$(cat out)" rubbish
    [ ! -e PWNED ] && [ ! -e spool/PWNED ]
}

# The copies lie in tmp/ while they are synced; a cleaner may remove them.
@test "tmp/ emptied during a sync: the files are taken in all the same" {
    command -v strace >/dev/null || skip "needs strace"
    strace -f -o /dev/null true 2>/dev/null || skip "may not trace here"
    q worker start --count 1 >/dev/null
    strace -f -qq -o trace -e trace=syncfs,fsync -e inject=syncfs,fsync:delay_enter=700000 -p "$(pools)" 3>&- &
    tracer=$!
    attached() { grep -q "TracerPid:[[:space:]]*$tracer" "/proc/$(pools)/status"; }
    wait_until attached
    for i in 1 2 3 4 5 6; do echo "{\"id\":\"a$i\",\"argv\":[\"true\"]}" >"spool/tmp/a$i"; done
    for i in 1 2 3 4 5 6; do mv "spool/tmp/a$i" "spool/pending/a$i.json"; done
    copies() { [ -n "$(ls spool/tmp)" ]; }
    wait_until copies
    rm -f spool/tmp/*
    kill "$tracer" && wait "$tracer" || true
    wait_until is_count "done" 6
    is "$(ls -A spool/pending)" ""
}

@test "a job that cannot be started for want of logs/ is not tried without end" {
    start_workers 1
    rm -r spool/logs
    : >spool/logs
    q enqueue --id a --command true 2>/dev/null || true
    echo '{"id":"b","command":"true"}' >spool/tmp/b && mv spool/tmp/b spool/pending/b.json
    tries() { sed -n 's/Z worker .*put back$//p' spool/worker.log; }
    tried() { [ "$(tries | wc -l)" -ge 3 ]; }
    wait_until tried
    # The worker rests a second behind each, by its own stamps.
    first=$(date -d "$(tries | sed -n 1p)" +%s%3N) third=$(date -d "$(tries | sed -n 3p)" +%s%3N)
    ((third - first >= 1900))
    rm spool/logs
    q init "$QUEUECTL_SPOOL" >/dev/null
    wait_until is_state b "done"
}
