# shellcheck shell=bash
# common.bash: what `run` and `test_fuzz.sh` share: building the targets, and how
# each of them is run.  From the top of the tree; sets fuzz_build.

# Always by the same path, or make does not know its objects' headers again.
fuzz_build=$(realpath -m --relative-to=. "${QUEUECTL_BUILD:-build}")/fuzz
fuzz_flags=(CC=clang "SANITIZE=fuzzer-no-link,address,undefined")

# The formats there are, one a line.
fuzz_formats() {
    local file
    for file in tests/fuzz/fuzz_*.c; do
        basename "$file" .c | sed 's/^fuzz_//'
    done
}

# Is clang here, with the library that fuzzes?
fuzz_can_build() {
    local probe='#include <stddef.h>
        int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) { return !data && size; }'
    echo "$probe" | clang -x c - -fsanitize=fuzzer,address,undefined -o /dev/null 2>/dev/null
}

# By a make of its own: the one that called us has other flags.
fuzz_make() {
    env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make -s -j2 BUILD="$fuzz_build" "${fuzz_flags[@]}" fuzzers
}

# fuzz_words FORMAT: sets `words`, what its program is given besides the number of
# runs.  The seeds are named one by one: in a folder they have no order.
fuzz_words() {
    local seeds=("tests/fuzz/corpus/$1"/*) dict=tests/fuzz/$1.dict
    case $1 in
    documents | jobs)
        seeds+=(tests/corpus/accept/* tests/corpus/refuse/*)
        dict=tests/fuzz/json.dict
        ;;
    esac
    words=(-print_final_stats=1 -timeout=60 "-seed_inputs=$(IFS=,; echo "${seeds[*]}")")
    case $1 in
    durations | times) words+=(-max_len=80) ;;
    names) words+=(-max_len=560) ;;
    *) words+=(-max_len=2600) ;;
    esac
    [ ! -f "$dict" ] || words+=("-dict=$dict")
}

# Reports go to the fuzzer's own output, whatever the runner of the tests collects.
export ASAN_OPTIONS=quarantine_size_mb=16 UBSAN_OPTIONS=print_stacktrace=1
