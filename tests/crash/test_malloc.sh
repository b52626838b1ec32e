#!/bin/bash
# test_malloc.sh: the Nth allocation fails, for every N: of each command (malloc.py),
# of a pool and of its workers (malloc_pool.py).  Prints TAP.
#
#   MALLOC=all    every allocation; else every 61st of a command and every 120th of a pool,
#                 which is what `make test` runs
#   MALLOC=17     every 17th of both
#
# Before that, programs broken on purpose (tests/mutants/malloc-*.mut): each must be
# found out by the command that its line below names.
set -u
: "${QUEUECTL_BIN:=$(cd "$(dirname "$0")/../.." && pwd)/build/queuectl}"
here=$(cd "$(dirname "$0")" && pwd)
export QUEUECTL_BIN QUEUECTL_BUILD=${QUEUECTL_BUILD:-$(dirname "$QUEUECTL_BIN")}
export PYTHONDONTWRITEBYTECODE=1

skip() {
    echo "1..1"
    echo "ok 1 - allocations that fail # SKIP $1"
    exit 0
}
[ "$(getconf GNU_LIBC_VERSION 2>/dev/null)" ] || skip "needs glibc, whose malloc can be wrapped"

base=/dev/shm
[ -w "$base" ] || base=${TMPDIR:-/tmp}
work=$(mktemp -d "$base/queuectl-malloc.XXXXXX") || exit 1
chmod 755 "$work" # one case is another user's
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# MUTANT COMMAND EVERY: malloc.py says "not ok" of this command with it.
number=0 failed=0
notices() {
    local program
    number=$((number + 1))
    if program=$("$here/../mutants/build" "$1") && mkdir "$work/$1" &&
        ! QUEUECTL_BIN=$program python3 "$here/malloc.py" --only "^$2\$" --every "$3" \
            "$work/$1" >"$work/out" 2>&1 && grep -q '^not ok' "$work/out"; then
        echo "ok $number - the mutant $1 is noticed"
    else
        echo "not ok $number - the mutant $1 is noticed"
        sed 's/^/# /' "$work/out"
        failed=1
    fi
}
notices malloc-unchecked 'help of a command' 1
notices malloc-exit-zero 'config get' 1
notices malloc-half-config 'config unset' 1
notices malloc-part-of-batch 'enqueue --batch --dry-run' 3
notices malloc-other-settings 'config list' 1
notices malloc-no-verdict show 1
echo "1..$number"

[ "${MALLOC:-}" != all ] || MALLOC=1
mkdir "$work/all" "$work/pool"
python3 "$here/malloc.py" --every "${MALLOC:-61}" "$work/all" || failed=1
python3 "$here/malloc_pool.py" --every "${MALLOC:-120}" "$work/pool" || failed=1
echo "# $SECONDS s"
exit "$failed"
