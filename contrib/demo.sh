#!/bin/sh
# demo.sh: jobs of every kind go through a queue, in less than a minute.
#
# Makes a spool in a temporary folder, runs what it prints behind "$", waits for
# what it says will happen, and exits non-zero if something came out otherwise.
# Nothing is left: no process, no folder.  QUEUECTL_BIN names the program.
#
# shellcheck disable=SC2016 # commands are shown as they are, and expanded when run
set -u

QUEUECTL_BIN=${QUEUECTL_BIN:-queuectl}
case $QUEUECTL_BIN in
*/*) ;;
*) QUEUECTL_BIN=$(command -v "$QUEUECTL_BIN") || {
    echo "demo.sh: no queuectl in PATH; set QUEUECTL_BIN" >&2
    exit 1
} ;;
esac

AWAIT_SEC=30   # for one thing to happen
STOP_SEC=20    # for all workers to be gone, at the end
failures=0

# --- the stage -----------------------------------------------------------------

clients=$(cd "$(dirname "$0")/clients" && pwd) || exit 1
work=$(mktemp -d "${TMPDIR:-/tmp}/queuectl-demo.XXXXXX") || exit 1
export QUEUECTL_SPOOL="$work/spool"

queuectl() { "$QUEUECTL_BIN" "$@"; }
pause_a_little() { sleep 0.05 2>/dev/null || sleep 1; }
lives() { kill -0 "$1" 2>/dev/null; }
pids_of_workers() { queuectl worker list 2>/dev/null | awk 'NR > 1 { print $1; if ($2 != "gone") print $2 }' | sort -u; }

# The workers are told to stop and given time; then they are killed, each by its
# id.  A job's processes end with its worker.
stop_workers() {
    [ -e "$QUEUECTL_SPOOL/.queue" ] || return 0
    left=$(pids_of_workers)
    queuectl worker stop --now >/dev/null 2>&1 &
    stopper=$!
    end=$(($(date +%s) + STOP_SEC))
    while lives "$stopper" && [ "$(date +%s)" -lt "$end" ]; do pause_a_little; done
    lives "$stopper" || return 0
    kill "$stopper"
    for pid in $left $(pids_of_workers); do kill -9 "$pid" 2>/dev/null; done
}

clean_up() {
    code=$?
    trap - EXIT HUP INT TERM
    stop_workers
    cd / && rm -rf "$work"
    exit "$code"
}
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    bold=$(printf '\033[1m') red=$(printf '\033[31m') plain=$(printf '\033[0m')
else
    bold='' red='' plain=''
fi

title() { printf '\n%s%s%s\n' "$bold" "$1" "$plain"; }
note() { printf '  # %s\n' "$1"; }
step() { # print a command and run it
    printf '  $ %s\n' "$1"
    eval "$1" 2>&1 | sed 's/^/    /'
}
quietly() { # for what is only set up
    printf '  $ %s\n' "$1"
    eval "$1" >/dev/null
}
wrong() {
    failures=$((failures + 1))
    printf '%s  NOT AS SAID: %s%s\n' "$red" "$1" "$plain"
}

member() { queuectl show --json "$1" 2>/dev/null | sed -n "s/^  \"$2\": \"*\\([^\",]*\\)\"*,*\$/\\1/p"; }
state() { member "$1" state; }
is_in() { case " $2 " in *" $(state "$1") "*) ;; *) false ;; esac; }

# await WHAT CMD...: until the command succeeds
await() {
    what=$1
    shift
    end=$(($(date +%s) + AWAIT_SEC))
    until "$@"; do
        if [ "$(date +%s)" -ge "$end" ]; then
            wrong "$what (waited $AWAIT_SEC s)"
            return 1
        fi
        pause_a_little
    done
}
check() { # WHAT CMD...: now
    what=$1
    shift
    "$@" || wrong "$what"
}
await_state() { await "job $1 is $2" is_in "$1" "$2"; }
logged() { [ "$(queuectl logs --stdout "$1" 2>/dev/null)" = "$2" ]; }
workers_are() { [ "$(queuectl worker list | awk 'NR > 1' | wc -l)" -eq "$1" ]; }
gone() { ! lives "$1"; }

cd "$work" || exit 1

# --- the play --------------------------------------------------------------------

title '1. A job is one file; the folder it lies in is its state'
quietly "queuectl init"
step "queuectl enqueue --id hello --command 'echo hello from a shell'"
step 'queuectl enqueue --id plain -- printf "%s\n" "no shell: \$HOME stays"'
step 'ls $QUEUECTL_SPOOL/pending'
note 'Nothing runs yet: there are no workers. This one leaves when all is done.'
step 'queuectl worker run --drain'
step 'ls $QUEUECTL_SPOOL/done'
step 'queuectl logs hello; queuectl logs plain'
check 'hello said hello' logged hello 'hello from a shell'
check 'plain had no shell' logged plain 'no shell: $HOME stays'

title '2. High priority first, then first in, first out; and a job for later'
for job in first second; do quietly "queuectl enqueue --id $job --command 'date +%T.%N'"; done
quietly "queuectl enqueue --id urgent --priority high --command 'date +%T.%N'"
quietly "queuectl enqueue --id later --delay 3s --command 'date +%T.%N'"
note 'The list has them in the order in which they will run:'
step 'queuectl list --state pending'
order=$(queuectl list --state pending --format '{id}' | tr '\n' ' ')
check 'the list shows the order of the runs' [ "$order" = 'urgent first second later ' ]
note 'The log of the worker has them as they ran. (later is not due, and not waited for.)'
step 'queuectl worker run --drain'
ran=$(for job in first second urgent; do echo "$(member "$job" started_at) $job"; done | sort |
    cut -d' ' -f2 | tr '\n' ' ')
check 'they ran in that order' [ "$ran" = 'urgent first second ' ]

title '3. Workers in the background; a job that fails is retried, then it is dead'
step 'queuectl worker start --count 3'
quietly "queuectl config set grace 1s 2>/dev/null"
quietly "queuectl enqueue --id flaky --backoff-base 1 --command '[ \$QUEUECTL_ATTEMPT = 2 ]'"
quietly "queuectl enqueue --id hopeless --max-retries 1 --command 'echo no such table >&2; exit 3'"
await_state hopeless 'failed dead'
note 'failed: it waits for its retry. After the last one it is dead.'
step 'queuectl list --state failed'
await_state flaky 'done'
await_state hopeless dead
step 'queuectl dlq list'
check 'hopeless ran twice' [ "$(member hopeless runs)" = 2 ]
check 'the reason is known' [ "$(member hopeless last_error)" = 'exit 3: no such table' ]
check 'flaky was retried once' [ "$(member flaky runs)" = 2 ]

title '4. A time limit ends the job and all it has started'
quietly "queuectl enqueue --id stuck --timeout 1s --max-retries 0 \\
      --command 'sleep 301 & setsid sleep 302 & echo \$\$ \$!; wait'"
await_state stuck dead
step "queuectl show stuck | grep -E 'state|duration|last_error'"
pids=$(queuectl logs stuck)
check 'stuck said what it started' [ -n "$pids" ]
for pid in $pids; do check "process $pid of stuck has ended" gone "$pid"; done

title '5. Any program enqueues by moving a file into pending/'
step "echo '{\"id\":\"dropped\",\"command\":\"echo I was dropped\"}' > drop.json"
step 'mv drop.json $QUEUECTL_SPOOL/pending/'
await_state dropped 'done'
step 'queuectl logs dropped'
note 'What is no job is kept as it is, and a report says why:'
step "echo '{\"id\":\"broken\",\"command\":\"echo mended\",\"timeout\":\"5 parsecs\"}' > drop.json"
step 'mv drop.json $QUEUECTL_SPOOL/pending/broken.json'
report_id() { queuectl list --state dead --format '{id}' | sed -n '/^rejected-broken/p'; }
reported() { [ -n "$(report_id)" ]; }
await 'a report about broken.json' reported
step "queuectl show $(report_id) | grep -E '^(quarantined|last_error|advice)'"
check 'the file is in quarantine' [ -e "$QUEUECTL_SPOOL/quarantine/broken.json" ]
note 'Mend it, and put it back:'
step 'sed -i.old "s/5 parsecs/5s/" $QUEUECTL_SPOOL/quarantine/broken.json'
rm -f "$QUEUECTL_SPOOL/quarantine/broken.json.old"
step "queuectl dlq retry $(report_id)"
await_state broken 'done'
step 'queuectl logs broken'
check 'broken is mended' logged broken mended
if ln --version >/dev/null 2>&1; then # it needs GNU coreutils
    note 'A client to copy, one of ten languages: it drops durably and waits for the answer.'
    cp "$clients/queuectl.sh" .
    step "sh queuectl.sh \"\$QUEUECTL_SPOOL\" asked '{\"command\":\"echo hi\"}' 20 | grep -E '^  \"(id|exit_code)'"
    check 'asked said hi' logged asked hi
fi

title '6. One job a line, one job a night; a thousand at once'
step "printf '%s\n' 'summer 1' 'it'\\''s' | queuectl enqueue --lines --wait -- echo 'resized {}' | tee lines"
check 'each line was an argument' logged "$(tail -n 1 lines)" "resized it's"
note '--unique: not again while one of this id waits or runs.'
quietly "queuectl enqueue --unique --id nightly --delay 1h --command 'echo once'"
step "queuectl enqueue --unique --id nightly --delay 1h --command 'echo twice'"
check 'it is there once' [ "$(queuectl list --state scheduled --format '{id}' | grep -c nightly)" = 1 ]
quietly 'queuectl delete --yes nightly'
i=0
while [ "$i" -lt 1000 ]; do
    echo "{\"id\":\"many-$i\",\"argv\":[\"true\"]}"
    i=$((i + 1))
done >many.jsonl
step 'head -n 2 many.jsonl'
note '--wait: until they have ended; the exit code is 0 if all are done.'
step 'queuectl enqueue --batch many.jsonl --wait >/dev/null; echo exit code $?'
step 'queuectl status'
count=$(queuectl list --state 'done' --format '{id}' | grep -c '^many-')
check 'all of the thousand are done' [ "$count" = 1000 ]

title '7. Cancel a job that runs'
quietly "queuectl enqueue --id long --command 'echo \$\$; exec sleep 303'"
is_running() { queuectl worker list | awk -v id="$1" '$3 == id { n = 1 } END { exit !n }'; }
await 'long runs' is_running long
step 'queuectl worker list'
step 'queuectl cancel long'
check 'long is dead' is_in long dead
check 'its reason is that it was cancelled' [ "$(member long last_error)" = cancelled ]
check 'its process has ended' gone "$(queuectl logs long)"

title '8. Kill a worker in the middle of a job: the job is run again'
quietly "queuectl enqueue --id survivor --command '[ \$QUEUECTL_RUN -ge 2 ] || sleep 304; echo run \$QUEUECTL_RUN'"
await 'survivor runs' is_running survivor
victim=$(queuectl worker list | awk '$3 == "survivor" { print $1 }')
step "kill -9 $victim"
await_state survivor 'done'
step 'queuectl show survivor | sed -n "/^RUN/,\$p"'
check 'the lost run was counted as lost' [ "$(member survivor lost)" = 1 ]
check 'and not as an attempt' [ "$(member survivor attempts)" = 1 ]
check 'the second run did it' logged survivor 'run 2'

await 'another worker is in its place' workers_are 3
step 'queuectl worker list'

title '9. The end'
await_state later 'done'
step 'queuectl status'
step 'queuectl worker stop'
check 'no worker is left' [ -z "$(pids_of_workers)" ]
step 'queuectl fsck && echo clean'
check 'the spool is clean' queuectl fsck 2>/dev/null

echo
if [ "$failures" -gt 0 ]; then
    printf '%s%d things came out otherwise than said%s\n' "$red" "$failures" "$plain"
    exit 1
fi
echo 'Your own queue: queuectl init spool, queuectl enqueue, queuectl worker start. More: README.md'
