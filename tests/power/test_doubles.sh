#!/bin/bash
# test_doubles.sh: a job in two places, as a power cut can leave it on btrfs, is mended by
# the pool that begins: made by hand here, on a btrfs of its own.  Prints TAP.
# shellcheck disable=SC2317 # functions that check() calls
set -u
here=$(cd "$(dirname "$0")" && pwd)
: "${QUEUECTL_BIN:=$here/../../build/queuectl}"
export QUEUECTL_BIN
if why=$("$here/disk.py" btrfs) && [ -n "$why" ]; then
    printf '1..1\nok 1 - doubles on btrfs # SKIP %s\n' "$why"
    exit
fi
if [ -z "${INSIDE:-}" ]; then # mounts of our own end with us
    work=$(mktemp -d) || exit 1
    trap 'rm -rf "$work"' EXIT
    INSIDE=$work unshare --mount "$0"
    exit
fi

number=0 failed=0
check() { # what, command...
    local what=$1 result=ok
    shift
    number=$((number + 1))
    "$@" || result='not ok' failed=1
    echo "$result $number - $what"
}
q() { "$QUEUECTL_BIN" "$@" 2>>"$INSIDE/said"; }
drain() { q worker run --drain; true; }
WHEN=20260101T000000.000000Z
waiting() { cp "$1" "spool/pending/$WHEN.p0.a$2.x.json" && rm -f spool/ids/x; }
runs() { q show --json x | jq -e "$1" >/dev/null; }

truncate -s 120M "$INSIDE/disk"
mkfs.btrfs -q "$INSIDE/disk" >/dev/null 2>&1 && mkdir "$INSIDE/fs" && mount -o loop "$INSIDE/disk" "$INSIDE/fs" || exit 1
cd "$INSIDE/fs" || exit 1
export QUEUECTL_SPOOL=$PWD/spool
q init spool >/dev/null
q enqueue --id x --command 'echo ran >>ran' --priority 5 >/dev/null
cp spool/pending/*.x.json first
drain
cp spool/done/x.json ended

waiting first 0
drain
check "its earlier state, waiting, goes" runs '.state == "done" and .runs == 1'
check "and is not run" [ "$(wc -l <ran)" = 1 ]

q enqueue --unique --id x --command 'echo anew >>ran' >/dev/null
cp ended spool/done/x.json # the rename out of done/ is lost
drain
check "a job that came in its place runs" runs '.state == "done" and .runs == 1 and (.command | contains("anew"))'
check "once" [ "$(sort ran | tr '\n' ' ')" = "anew ran " ]
check "what it replaced lies in quarantine/, reported" \
    grep -q 'took its place' spool/dead/rejected-x.json-*.json
check "fsck finds nothing" q fsck
((failed == 0)) || sed 's/^/# /' "$INSIDE/said"
echo "1..$number"
cd / && umount "$INSIDE/fs"
exit "$failed"
