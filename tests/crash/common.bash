# common.bash: what test_kill.sh and test_faults.sh share.  They set tool.
# shellcheck shell=bash
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
: "${QUEUECTL_BIN:=$here/../../build/queuectl}"
: "${QUEUECTL_BUILD:=$(dirname "$QUEUECTL_BIN")}"
export QUEUECTL_BIN QUEUECTL_BUILD PYTHONDONTWRITEBYTECODE=1

number=0 failed=0
verdict() { # code, what, the file with what was said
    number=$((number + 1))
    if [ "$1" = 0 ]; then
        echo "ok $number - $2"
    else
        echo "not ok $number - $2"
        head -n 40 "$3" | sed 's/^/# /'
        # shellcheck disable=SC2034 # for the caller
        failed=1
    fi
}

# keeps WHAT OPTIONS...: the program keeps its promises at these points.
keeps() {
    local what=$1 said code
    shift
    said=$(mktemp)
    python3 "$here/${tool:?}" --jobs 4 "$@" >"$said" 2>&1
    code=$?
    verdict $code "$what: $(tail -n 1 "$said")" "$said"
    rm -f "$said"
}

# sees MUTANT KIND OPTIONS...: a broken program is found out, by a finding of this kind.
sees() {
    local mutant=$1 kind=$2 program said code=1
    shift 2
    said=$(mktemp)
    if program=$("$here/../mutants/build" "$mutant" 2>"$said"); then
        python3 "$here/${tool:?}" --jobs 4 --program "$program" --sound "$QUEUECTL_BIN" --stop 1 "$@" \
            >"$said" 2>&1
        [ $? = 1 ] && grep -q "^    $kind: " "$said" && code=0
    fi
    verdict $code "$mutant is seen: $kind" "$said"
    rm -f "$said"
}

# Can this machine run it at all?
skip_unless_traced() { # how many tests there are
    [ "$(uname -sm)" = "Linux x86_64" ] || skip_all "$1" "inject.c knows Linux on x86_64"
    strace -o /dev/null true 2>/dev/null || skip_all "$1" "no process may be traced here"
}
skip_all() {
    local i
    for ((i = 1; i <= $1; i++)); do echo "ok $i # SKIP $2"; done
    exit 0
}
