# mutants.bash: must_find DRIVER MUTANT TEST [OPTION...]: DRIVER, run with the program that
# is broken on purpose (tests/mutants), must say "not ok" of TEST.  Prints TAP.
# Chance decides who is hit when: six tries.
# shellcheck shell=bash

: "${QUEUECTL_BIN:=$(cd ../.. && pwd)/build/queuectl}"
: "${QUEUECTL_BUILD:=$(dirname "$QUEUECTL_BIN")}"
export QUEUECTL_BIN QUEUECTL_BUILD PYTHONDONTWRITEBYTECODE=1

must_find() {
    local driver=$1 mutant=$2 what=$3 program seed out
    shift 3
    echo 1..1 # tests/run counts by plans and lines
    program=$(../mutants/build "$mutant")
    for seed in 1 2 3 4 5 6; do
        out=$(QUEUECTL_BIN=$program python3 "$driver" --seed $seed "$@" 2>&1)
        if grep -q "^not ok [0-9]* - $what" <<<"$out"; then
            echo "ok 1 - found out: $mutant"
            return 0
        fi
    done
    echo "not ok 1 - found out: $mutant"
    printf '# %s\n' "$out"
    return 1
}
