#!/bin/bash
# test_soak.sh: slices of soak.py: many jobs undisturbed, odd ones while workers and
# pools are killed, some on ext4; and programs broken on purpose, which it must find.
# Prints TAP.  The whole: make soak.
set -u
cd "$(dirname "$0")" || exit 1
# shellcheck source=tests/stress/mutants.bash
. ./mutants.bash
failed=0
soak() { python3 soak.py --seed "${SEED:-1}" "$@" || failed=1; }
find_out() {
    local mutant=$1 what=$2
    shift 2
    must_find soak.py "$mutant" "$what" --pools 2 --workers 2 --kills 30 --odd 100 "$@" || failed=1
}

soak --jobs 5000 --odd 0 --kills 0 --workers 2
soak --jobs 1000 --odd 30 --kills 10
soak --jobs 300 --odd 10 --kills 10 --ext4
# A run that was lost is due after all that waits already: few jobs show it soon.
find_out lock-not-passed 'no two runs' --found --jobs 60 --kinds naked
find_out recover-unasked 'no two runs' --found --jobs 60 --kinds bare,closed
find_out lost-as-done 'every result has a full run' --jobs 100 --kinds slow
exit $failed
