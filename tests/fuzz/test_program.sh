#!/bin/bash
# test_program.sh: a slice of what fuzzes the program from outside: argv.py (words of
# calls) and spools.py (damaged spools), with the program, some with the one built with
# sanitizers where it is, and each mutant tests/mutants/argv-*, spools-* for as long as
# it takes to notice it.  Prints TAP.
set -u
cd "$(dirname "$0")/../.." || exit 2
: "${QUEUECTL_BIN:=$PWD/build/queuectl}"
: "${QUEUECTL_BUILD:=$(dirname "$QUEUECTL_BIN")}"
export PYTHONDONTWRITEBYTECODE=1

if [ "$(id -u)" != 0 ] || ! unshare -pf --mount-proc true 2>/dev/null; then
    echo "1..1"
    echo "ok 1 # SKIP only root makes PID namespaces, and not everywhere"
    exit
fi
out=$(mktemp)
trap 'rm -f "$out"' EXIT

tell() { # result what
    if [ "$1" = 0 ]; then
        echo "ok - $2"
    else
        echo "not ok - $2"
        grep -v '^ok' "$out" | sed 's/^/# /'
        failed=1
    fi
}

# fuzz PROGRAM WHAT WORDS...: one of the two, to its end.
fuzz() {
    QUEUECTL_BIN=$1 "tests/fuzz/$2.py" "${@:3}" >"$out" 2>&1
}

one_mutant() { # name
    local program
    if ! program=$(tests/mutants/build "$1" 2>"$out"); then
        tell 1 "$1 is built"
        return
    fi
    case $1 in
    argv-*) fuzz "$program" argv --calls 2000 --first ;;
    *) fuzz "$program" spools --rounds 200 --first ;;
    esac
    [ $? = 1 ] && grep -q '^not ok' "$out"
    tell $? "$1 is noticed"
}

failed=0
sanitized=$QUEUECTL_BUILD/san/queuectl
mapfile -t mutants < <(cd tests/mutants && printf '%s\n' argv-*.mut spools-*.mut | sed 's/\.mut$//')
echo "1..$((4 + ${#mutants[@]}))"
fuzz "$QUEUECTL_BIN" argv --calls 120
tell $? "120 calls"
fuzz "$QUEUECTL_BIN" spools --rounds 4
tell $? "4 damaged spools"
if [ -x "$sanitized" ]; then
    export ASAN_OPTIONS='' UBSAN_OPTIONS=''
    fuzz "$sanitized" argv --calls 20 --seed 100
    tell $? "20 calls, with sanitizers"
    fuzz "$sanitized" spools --rounds 2 --seed 100
    tell $? "2 damaged spools, with sanitizers"
else
    echo "ok - calls # SKIP $sanitized is not built"
    echo "ok - damaged spools # SKIP $sanitized is not built"
fi
for mutant in "${mutants[@]}"; do
    one_mutant "$mutant"
done
echo "# $SECONDS s"
exit $failed
