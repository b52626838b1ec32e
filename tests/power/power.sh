#!/bin/bash
# power.sh KIND [option...]: power cuts in the middle of work (power.py --help).
#
# KIND: ext4, writeback, noauto (ext4 with these options), xfs, btrfs.  Needs root,
# /dev/fuse and loop devices.  All mounts and processes live in namespaces that end
# with the driver; the loop device detaches itself.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
program=${QUEUECTL_BIN:-$here/../../build/queuectl}
work=$(mktemp -d "${TMPDIR:-/tmp}/queuectl-power.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

cc -std=c11 -D_GNU_SOURCE -O2 -Wall -Wextra -o "$work/blocklog" "$here/blocklog.c"
unshare --mount --pid --fork --mount-proc --kill-child python3 "$here/power.py" "$@" \
    --program "$(realpath "$program")" --blocklog "$work/blocklog" --work "$work"
