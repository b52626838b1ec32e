#!/bin/bash
# test_chaos.sh: chaos.sh for a short time, as TAP: one test a verdict.
set -u
cd "$(dirname "$0")" || exit 1
SECONDS_OF_CHAOS=${SECONDS_OF_CHAOS:-12} ./chaos.sh | awk '
    /^so it is: / { print "ok " ++n " - " substr($0, 11); next }
    /^NOT SO: / { print "not ok " ++n " - " substr($0, 9); bad = 1; next }
    { print "# " $0 }
    END { print "1.." n; exit bad || n < 11 }'
