#!/bin/bash
# test_short.sh: short.py, with what it needs (make benchers).
set -u
cd "$(dirname "$0")/../.." || exit 1
QUEUECTL_BENCH=${QUEUECTL_BUILD:-build}/bench exec tests/bench/short.py
