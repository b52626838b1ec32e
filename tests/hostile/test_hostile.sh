#!/bin/bash
# test_hostile.sh: the spool is an interface that anybody writes to.  Every case of
# cases.py is dropped into one spool while workers run good jobs, and each must
# come to the end its row names; then attacks.py.  Prints TAP.
#
# CASES=REGEX narrows the table, ATTACKS=no leaves the second part out.
# shellcheck disable=SC2317 # functions that a trap calls
set -u
: "${QUEUECTL_BIN:=$(cd "$(dirname "$0")/../.." && pwd)/build/queuectl}"
export QUEUECTL_BIN

here=$(cd "$(dirname "$0")" && pwd)
name=hostile
# shellcheck source=tests/stress/common.bash
. "$here/../stress/common.bash"

# Folders without any permission are among the cases.
finish() {
    end_ours
    cd / && chmod -R u+rwx "$work" 2>/dev/null
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

PYTHONDONTWRITEBYTECODE=1 python3 "$here/hostile.py" "$work"
result=$?
echo "# $SECONDS s"
exit $result
