#!/bin/bash
# The disk fills up under a queue at work: a slice of `make full` (see full.py).
# Prints TAP.
cd "$(dirname "$0")" || exit 1
skip() {
    echo 1..1
    echo "ok 1 - the disk fills up # SKIP $1"
    exit 0
}
[ "$(id -u)" = 0 ] || skip "only root can mount"
unshare --mount --propagation private true 2>/dev/null || skip "no mount namespace here"
command -v "${CC:-cc}" >/dev/null || skip "no C compiler"
exec python3 full.py "$@"
