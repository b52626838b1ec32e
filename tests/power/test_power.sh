#!/bin/bash
# test_power.sh: a slice of the power cuts of `make power`, and mutants that they must
# see.  Prints TAP.
#
# EXT4, OTHERS: states (80, 20; 0: none); MUTANTS: names of mutants.list ("all" for each).
# shellcheck disable=SC2317 # functions that a trap calls
set -u
here=$(cd "$(dirname "$0")" && pwd)
EXT4=${EXT4:-80} OTHERS=${OTHERS:-20}
MUTANTS=${MUTANTS-power-pending-unsynced power-result-not-written}
export QUEUECTL_BUILD=${QUEUECTL_BUILD:-$here/../../build}
export QUEUECTL_BIN=${QUEUECTL_BIN:-$QUEUECTL_BUILD/queuectl}
out=$(mktemp)
trap 'rm -f "$out"' EXIT
trap 'exit 130' INT TERM
number=0 failed=0

result() { # what, good or not (0 or 1), skip reason
    number=$((number + 1))
    if [ -n "$3" ]; then
        echo "ok $number - $1 # SKIP $3"
    elif [ "$2" = 0 ]; then
        echo "ok $number - $1"
    else
        echo "not ok $number - $1"
        failed=1
    fi
    head -n 40 "$out" | cut -c 1-400 | sed 's/^/# /'
}

cuts() { # kind, states
    local why good=0
    [ "$2" -gt 0 ] || return 0
    why=$("$here/disk.py" "$1") && "$here/power.sh" "$1" --states "$2" >"$out" 2>&1 || good=1
    result "$1: $2 power cuts, nothing lost, doubled or torn" $good "$why"
}

mutant() { # name, kind, actors, settings
    local why program good=1
    if why=$("$here/disk.py" "$2"); then
        program=$("$here/../mutants/build" "$1") &&
            "$here/power.sh" "$2" --states 400 --stop --actors "$3" --settings "$4" \
                --load-program "$program" >"$out" 2>&1
        # 1: findings; anything else is trouble of the harness
        [ $? = 1 ] && good=0
    fi
    result "$1 is seen on $2" $good "$why"
}

rows() {
    local name rest
    while read -r name rest; do
        case " $MUTANTS " in
        *" $name "* | *" all "*) echo "$name $rest" ;;
        esac
    done < <(sed -e 's/#.*//' -e '/^ *$/d' "$here/mutants.list")
}

for kind in ext4 xfs btrfs; do
    cuts $kind "$([ $kind = ext4 ] && echo "$EXT4" || echo "$OTHERS")"
done
while read -r name kind actors settings; do
    mutant "$name" "$kind" "$actors" "$settings"
done < <(rows)
echo "1..$number"
exit $failed
