# common.bash: a spool of its own in $work, and the processes that work on it.
# The caller sets `name`, and ends what it started with end_ours.
# shellcheck shell=bash

base=/dev/shm
[ -w "$base" ] || base=${TMPDIR:-/tmp}
work=$(mktemp -d "$base/queuectl-${name:?}.XXXXXX") || exit 1
cd "$work" || exit 1
export QUEUECTL_SPOOL=$work/spool

q() { "$QUEUECTL_BIN" "$@"; }

# The processes that work on this spool.
ours() (
    unset QUEUECTL_SPOOL # of grep and of cut
    grep -lzs "^QUEUECTL_SPOOL=$work/" /proc/[0-9]*/environ | cut -d / -f 3
)
show_ours() {
    local pid
    for pid in $(ours); do
        ps -o pid=,args= -p "$pid"
    done
}
end_ours() {
    local pid
    for pid in $(ours); do
        kill -9 "$pid" 2>/dev/null
    done
}
