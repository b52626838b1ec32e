# common.bash: a spool of its own in $work, and the processes that work on it.
# The caller sets `name`, and ends what it started: `trap finish EXIT`, or with
# end_ours.  check WHAT CMD... prints a line of TAP; then `number` and `failed` tell.
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
finish() {
    timeout 30 "$QUEUECTL_BIN" worker stop --now >/dev/null 2>&1
    end_ours
    cd / && rm -rf "$work"
}

number=0 failed=0
check() {
    local what=$1
    shift
    number=$((number + 1))
    if "$@" >check.out 2>&1; then
        echo "ok $number - $what"
    else
        echo "not ok $number - $what"
        head -n 20 check.out | sed 's/^/# /'
        # shellcheck disable=SC2034 # for the caller
        failed=1
    fi
}
