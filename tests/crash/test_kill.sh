#!/bin/bash
# test_kill.sh: a slice of kill.py (SIGKILL before every system call; `make crash` runs
# more of it), and the broken programs that it must see.  Prints TAP.
set -u
tool=kill.py
# shellcheck source=tests/crash/common.bash
. "$(dirname "${BASH_SOURCE[0]}")/common.bash"
trap 'exit 130' INT TERM

echo 1..7
skip_unless_traced 7
keeps "jobs come in" --scene enqueue --scene batch --scene unique-over-done --stride 8
keeps "verbs" --scene retry-dead --scene cancel-pending --scene delete-done --stride 4
keeps "runs and their recovery" --scene run-done --scene take-in --scene recover-result --stride 80
sees crash-verb-copies aside --scene retry-dead --call unlinkat
sees crash-finish-by-tmp lost --scene run-done --role worker --call renameat2
sees crash-litter-stays litter --scene enqueue --call write --sound self
sees crash-lost-uncounted repeated --scene run-done --role worker --call wait4
echo "# $SECONDS s"
exit $failed
