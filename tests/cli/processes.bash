# processes.bash: jobs, and the processes of a test; load it after helper.bash.
#
#   job ID COMMAND [FLAG...]   enqueue a job; its current directory is $WORK
#   $GATED                     a command that ends once the file `go` is there
#   pools, workers             their pids, one a line
#   gone PID...                none of them lives (a zombie does not)
#   processes_of ID            the pids of a job, however they were started
#   end_strays                 for teardown: kill what still runs on this spool
#   pool_has_seen_all N        whatever was enqueued before; N: a number not used yet
#   refute COMMAND...          it must fail
#   now_ms                     wall clock
# shellcheck shell=bash disable=SC2154 # WORK is set by setup_spool

# shellcheck disable=SC2034 # for the tests
GATED='until [ -e go ]; do sleep 0.02; done'

job() {
    local id=$1 command=$2
    shift 2
    q enqueue --id "$id" --command "$command" "$@" >/dev/null
}

pools() { q worker list --json | jq -r '.[].pool // empty' | sort -un; }
workers() { q worker list --json | jq -r '.[].pid' | sort -n; }
worker_count() { [ "$(workers | grep -c .)" = "$1" ]; }
worker_of() { q worker list --json | jq -r --arg id "$1" '.[] | select(.job == $id) | .pid'; }
runs_job() { [ -n "$(worker_of "$1")" ]; }

lives() {
    local state
    state=$(ps -o stat= -p "$1" 2>/dev/null) || return 1
    [ "${state#Z}" = "$state" ]
}

gone() {
    local pid
    for pid; do
        if lives "$pid"; then return 1; fi
    done
}

# Those that have this in their environment, as it was at their exec; a subshell
# of its own, so that grep and sed are not among them.
with_env() (
    unset QUEUECTL_SPOOL
    pids=$(grep -lzs -- "$1" /proc/[0-9]*/environ | sed -e 's|^/proc/||' -e 's|/environ$||')
    for pid in $pids; do
        if lives "$pid"; then echo "$pid"; fi
    done
)

processes_of() { with_env "^QUEUECTL_JOB=$WORK/.*\\.$1\\.json$"; }
strays() { with_env "^QUEUECTL_SPOOL=$WORK/"; }
no_processes_of() { [ -z "$(processes_of "$1")" ]; }
no_strays() { [ -z "$(strays)" ]; }
end_strays() {
    local pid
    for pid in $(strays); do
        kill -9 "$pid" 2>/dev/null || true
    done
}

# A dropped file is taken in even by a paused pool, and its new name says that the pool has
# seen all that came before it.
pool_has_seen_all() {
    printf '{"id":"probe%s","command":"true"}' "$1" >probe
    mv probe "spool/pending/probe $1.json"
    wait_until is_away "spool/pending/probe $1.json"
}

# `! command` does not fail a test, this does.
refute() { ! "$@"; }

now_ms() { date +%s%3N; }
line_count() { if [ -e "$1" ]; then wc -l <"$1"; else echo 0; fi; }
lines_are() { [ "$(line_count "$1")" = "$2" ]; }
lines_from() { [ "$(line_count "$1")" -ge "$2" ]; }
is_there() { [ -e "$1" ]; }
is_away() { [ ! -e "$1" ]; }
in_log() { grep -q -- "$1" "$QUEUECTL_SPOOL/worker.log"; }

# The middle one of some numbers, one a line.
median() { sort -n | awk '{ a[NR] = $1 } END { print a[int((NR + 1) / 2)] }'; }
