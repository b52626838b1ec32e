#!/bin/bash
# test_broken.sh: trees.py and stranger.py see the faults of programs that are broken
# on purpose (tests/mutants/trees-*.mut).
# shellcheck source=tests/trees/parts.bash
. "$(dirname "${BASH_SOURCE[0]}")/parts.bash"
export TREES_SLACK=1 # what is left, is left
mutants=$here/../mutants/build

# broken MUTANT OPTIONS-OF-trees.py
broken() {
    local program
    program=$("$mutants" "trees-$1") || return 1
    shift
    "$here/trees.py" --broken --program "$program" "$@"
}

stranger() {
    QUEUECTL_BIN=$("$mutants" trees-stranger) BROKEN=1 "$here/stranger.py"
}

part "only the group is signalled" broken group-only --kinds session --ends timeout
part "KILL never comes" broken no-kill --kinds deaf --ends timeout
part "the stopped are not woken" broken no-cont --by-term --kinds stopped --ends timeout
part "/proc is read once" broken one-look --shy --kinds chain-shy --ends worker
part "a dead worker's cgroup is not ended" \
    broken no-cgroup-kill --cgroup --kinds lost-deaf --ends pool
part "a process whose first thread left passes for dead" \
    broken first-thread --kinds threads --ends timeout
part "the beginning of a run's name is enough" broken prefix --kinds deaf --ends worker
part "whoever has the id open is ended" broken any-file --kinds deaf --ends worker
part "what a detached job leaves is ended" broken detach --kinds session --ends detach
part "a stranger's group is signalled" stranger
report
