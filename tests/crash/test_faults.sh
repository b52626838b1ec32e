#!/bin/bash
# test_faults.sh: a slice of faults.py (each system call fails, in each way; `make crash`
# runs more of it), and the broken programs that it must see.  Prints TAP.
set -u
tool=faults.py
# shellcheck source=tests/crash/common.bash
. "$(dirname "${BASH_SOURCE[0]}")/common.bash"
trap 'exit 130' INT TERM

echo 1..9
skip_unless_traced 9
keeps "jobs come in" --scene enqueue --scene batch-stale-ids --stride 40
keeps "verbs" --scene retry-dead --scene cancel-pending --stride 24
keeps "runs" --scene run-done --role worker --stride 60
sees crash-write-unchecked torn --scene enqueue --call write
sees crash-write-once torn --scene enqueue --call write
sees crash-sync-unchecked sync --scene enqueue --call fsync
sees crash-undo-too-much no-id --scene batch-in-use --call fcntl --stride 8
sees crash-errno-is-verdict lost --scene run-done --role worker --call read --stride 5
sees crash-error-unnamed message --scene enqueue --call write
echo "# $SECONDS s"
exit $failed
