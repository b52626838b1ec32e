#!/bin/bash
# test_hands.sh: a slice of hands.py, operators at work by hand; and programs broken on
# purpose, which it must find.  Prints TAP.  The whole: make soak.
set -u
cd "$(dirname "$0")" || exit 1
# shellcheck source=tests/stress/mutants.bash
. ./mutants.bash
failed=0
find_out() {
    local mutant=$1 what=$2
    shift 2
    must_find hands.py "$mutant" "$what" --found --operators 6 --operations 60 "$@" || failed=1
}

python3 hands.py --seed "${SEED:-1}" --operators 6 --operations 120 || failed=1
find_out claim-without-lock 'no two runs' --only mv-pending
find_out claim-asks-no-run 'no two runs' --only mv-pending,rm-id
find_out result-by-attempt 'no stale result' --only retry --kills 100 --workers 2
find_out finish-by-rename 'every job ended as it was told' --only rm,enqueue
find_out held-is-run 'nothing that was deleted, cancelled or held' --only hold,release,enqueue
exit $failed
