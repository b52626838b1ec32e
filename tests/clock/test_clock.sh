#!/bin/bash
# The clock is set under a queue at work: a slice of `make clock` (see clock.py).
# Prints TAP.
cd "$(dirname "$0")" || exit 1
command -v "${CC:-cc}" >/dev/null || {
    echo 1..1
    echo "ok 1 - the clock is set # SKIP no C compiler"
    exit 0
}
exec python3 clock.py "$@"
