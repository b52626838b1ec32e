# parts.bash: a test made of parts that run side by side.
#
#   part NAME CMD...    start CMD; its exit code decides, 77 is a skip
#   report              wait for all, and print TAP
# shellcheck shell=bash

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
: "${QUEUECTL_BIN:=$here/../../build/queuectl}"
export QUEUECTL_BIN
said=$(mktemp -d "${TMPDIR:-/tmp}/queuectl-parts.XXXXXX") || exit 2
trap 'rm -rf "$said"' EXIT
names=() pids=()

part() {
    names+=("$1")
    shift
    "$@" >"$said/${#names[@]}" 2>&1 </dev/null &
    pids+=($!)
}

report() {
    local i code failed=0
    echo "1..${#names[@]}"
    for i in "${!names[@]}"; do
        wait "${pids[i]}"
        code=$?
        case $code in
        0) echo "ok $((i + 1)) - ${names[i]}" ;;
        77) echo "ok $((i + 1)) - ${names[i]} # SKIP $(tail -n 1 "$said/$((i + 1))")" ;;
        *)
            echo "not ok $((i + 1)) - ${names[i]} (exit $code)"
            failed=1
            grep -v '^ok' "$said/$((i + 1))" | sed 's/^/# /'
            ;;
        esac
    done
    return $failed
}
