#!/bin/bash
# test_soak.sh: slices of soak.py: many jobs undisturbed, odd ones while workers and
# pools are killed, some on ext4; and programs broken on purpose, which it must find.
# Prints TAP.  The whole: make soak.
set -u
cd "$(dirname "$0")" || exit 1
: "${QUEUECTL_BIN:=$(cd ../.. && pwd)/build/queuectl}"
: "${QUEUECTL_BUILD:=$(dirname "$QUEUECTL_BIN")}"
export QUEUECTL_BIN QUEUECTL_BUILD PYTHONDONTWRITEBYTECODE=1
failed=0
# tests/run counts by plans and lines: each slice has its own.
soak() { python3 soak.py --seed "${SEED:-1}" "$@" || failed=1; }

# Chance decides who is killed: three tries.
must_find() { # mutant, what it breaks, options
    local mutant=$1 what=$2 program seed out
    shift 2
    echo 1..1
    program=$(../mutants/build "$mutant")
    for seed in 1 2 3; do
        out=$(QUEUECTL_BIN=$program python3 soak.py --seed $seed --pools 2 --workers 2 \
            --kills 30 "$@" 2>&1)
        if grep -q "^not ok [0-9]* - $what" <<<"$out"; then
            echo "ok 1 - found out: $mutant"
            return
        fi
    done
    echo "not ok 1 - found out: $mutant"
    printf '# %s\n' "$out"
    failed=1
}

soak --jobs 5000 --odd 0 --kills 0 --workers 2
soak --jobs 1000 --odd 30 --kills 10
soak --jobs 300 --odd 10 --kills 10 --ext4
# A run that was lost is due after all that waits already: few jobs show it soon.
must_find lock-not-passed 'no two runs' --found --jobs 60 --odd 100 --kinds naked
must_find recover-unasked 'no two runs' --found --jobs 60 --odd 100 --kinds bare,closed
must_find lost-as-done 'every result has a full run' --jobs 100 --odd 100 --kinds slow
exit $failed
