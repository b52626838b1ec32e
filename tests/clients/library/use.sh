# Sourced: the caller's options, traps, locale and umask stay as they are.
# shellcheck shell=sh disable=SC1090,SC2034,SC2154
client=$1 spool=$2 idle=$3
state() { set +o; trap; umask; env | grep -E '^(LC|LANG)'; }
state >before
QUEUECTL_SOURCED=$$
. "$client"
code=0
queuectl_enqueue "$idle" taken '{"command":"true"}' 2>said || code=$?
queuectl_enqueue "$spool" "library-$$" '{"command":"true"}' && queuectl_wait 60 || exit
state >after
cmp before after && [ "$code $queuectl_state" = "3 done" ]
