#!/bin/bash
# test_spoolcheck.sh: the checker that the harnesses share sees what it is for
# (spoolcheck_cases.py).  Prints TAP.
set -u
: "${QUEUECTL_BIN:=$(cd "$(dirname "$0")/../.." && pwd)/build/queuectl}"
export QUEUECTL_BIN
work=$(mktemp -d "${TMPDIR:-/tmp}/queuectl-spoolcheck.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
PYTHONDONTWRITEBYTECODE=1 python3 "$(dirname "$0")/spoolcheck_cases.py" "$work"
