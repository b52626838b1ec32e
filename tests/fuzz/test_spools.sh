#!/bin/bash
# test_spools.sh: a slice of spools.py: ROUNDS damaged spools for the program, some for
# the one built with sanitizers where it is, and for each mutant tests/mutants/spools-*
# as many as it takes to notice it.  Prints TAP.
set -u
: "${QUEUECTL_BIN:=$(cd "$(dirname "$0")/../.." && pwd)/build/queuectl}"
: "${QUEUECTL_BUILD:=$(dirname "$QUEUECTL_BIN")}"
: "${ROUNDS:=12}"
cd "$(dirname "$0")/../.." || exit 2

if [ "$(id -u)" != 0 ] || ! unshare -pf --mount-proc true 2>/dev/null; then
    echo "1..1"
    echo "ok 1 # SKIP only root makes PID namespaces, and not everywhere"
    exit
fi
out=$(mktemp)
trap 'rm -f "$out"' EXIT

spools() { # program rounds...
    QUEUECTL_BIN=$1 PYTHONDONTWRITEBYTECODE=1 tests/fuzz/spools.py --rounds "${@:2}" >"$out" 2>&1
}

tell() { # result what
    if [ "$1" = 0 ]; then
        echo "ok - $2"
    else
        echo "not ok - $2"
        grep -v '^ok' "$out" | sed 's/^/# /'
        failed=1
    fi
}

failed=0
sanitized=$QUEUECTL_BUILD/san/queuectl
mapfile -t mutants < <(cd tests/mutants && printf '%s\n' spools-*.mut | sed 's/\.mut$//')
echo "1..$((2 + ${#mutants[@]}))"
spools "$QUEUECTL_BIN" "$ROUNDS"
tell $? "$ROUNDS damaged spools"
if [ -x "$sanitized" ]; then
    ASAN_OPTIONS='' UBSAN_OPTIONS='' spools "$sanitized" 3 --seed 100
    tell $? "3 damaged spools, with sanitizers"
else
    echo "ok - damaged spools # SKIP $sanitized is not built"
fi
for mutant in "${mutants[@]}"; do
    if program=$(tests/mutants/build "$mutant" 2>"$out"); then
        ! spools "$program" 60 --first && grep -q '^not ok' "$out"
        tell $? "$mutant is noticed"
    else
        tell 1 "$mutant is built"
    fi
done
echo "# $SECONDS s"
exit $failed
