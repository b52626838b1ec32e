#!/bin/bash
# test_fuzz.sh: the slice of the fuzzing that every test run makes: the seeds of each
# format and RUNS executions from them, from the same random number each time; then
# each mutant tests/mutants/fuzz-FORMAT-*.mut, which its format must find within as
# many.  Prints TAP.  The whole is `make fuzz`.
set -u
cd "$(dirname "$0")/../.." || exit 2
# shellcheck source=tests/fuzz/common.bash
. tests/fuzz/common.bash
: "${RUNS:=2000}"

if ! fuzz_can_build; then
    echo "1..1"
    echo "ok 1 # SKIP clang has no fuzzer here (Debian: clang, libclang-rt-dev)"
    exit
fi
work=$(mktemp -d -p "$([ -w /dev/shm ] && echo /dev/shm || echo "${TMPDIR:-/tmp}")" fuzz.XXXXXX)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
if ! fuzz_make >"$work/make" 2>&1; then
    echo "1..1"
    echo "not ok 1 the targets are built"
    sed 's/^/# /' "$work/make"
    exit 1
fi

# try PROGRAM FORMAT: its seeds, then RUNS from them; the output in PROGRAM.out.
try() {
    local words
    fuzz_words "$2"
    mkdir -p "$1.files"
    TMPDIR=$1.files "$1" "${words[@]}" -seed=1 -runs="$RUNS" -artifact_prefix="$1.files/" \
        >"$1.out" 2>&1
}

# The target with a mutant's sources in front of the library's.
build_mutant() { # mutant format program
    local folder source flags libs objects=()
    read -ra flags <"$fuzz_build/flags"
    read -ra libs < <(pkg-config --libs libcjson inih)
    folder=$(QUEUECTL_BUILD=$fuzz_build tests/mutants/build --source "$1") || return
    while read -r source; do
        "${flags[@]}" -w -c -o "$source.o" "$source" || return
        objects+=("$source.o")
    done < <(find "$folder" -name '*.c')
    clang -fsanitize=fuzzer,address,undefined -o "$3" "$fuzz_build/tests/fuzz/fuzz_$2.o" \
        "${objects[@]}" "$fuzz_build/fuzz.a" "${libs[@]}"
}

tell() { # result name out
    if [ "$1" = 0 ]; then
        echo "ok - $2"
    else
        echo "not ok - $2"
        grep -a -v -e NEW -e REDUCE -e pulse "$3" | tail -n 60 | sed 's/^/# /'
    fi
}

one_format() {
    ln -s "$(realpath "$fuzz_build/fuzz_$1")" "$work/$1"
    try "$work/$1" "$1"
    tell $? "$1: $(sed -n 's/^stat::number_of_executed_units: *//p' "$work/$1.out") executions" \
        "$work/$1.out"
}

one_mutant() {
    local format=${1#fuzz-} program=$work/$1
    format=${format%%-*}
    if ! build_mutant "$1" "$format" "$program" >"$program.out" 2>&1; then
        tell 1 "$1 is built" "$program.out"
        return
    fi
    ! try "$program" "$format" && grep -a -q -e '^BROKEN ' -e 'SUMMARY: .*Sanitizer' "$program.out"
    tell $? "$1 is found" "$program.out"
    rm -f "$program"
}

export -f try build_mutant tell one_format one_mutant fuzz_words
export work fuzz_build RUNS
mapfile -t formats < <(fuzz_formats)
mapfile -t mutants < <(cd tests/mutants && printf '%s\n' fuzz-*.mut | sed 's/\.mut$//')
echo "1..$((${#formats[@]} + ${#mutants[@]}))"
{
    printf 'one_format %s\n' "${formats[@]}"
    printf 'one_mutant %s\n' "${mutants[@]}"
} | xargs -P 2 -L 1 bash -c '"$@"' bash >"$work/tap"
cat "$work/tap"
echo "# $SECONDS s"
! grep -q '^not ok' "$work/tap"
