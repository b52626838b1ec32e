#!/bin/bash
# test_clients.sh: the clients in contrib/clients, each against a spool and a
# pool of its own.  Prints TAP.  A language that is not installed is skipped.
#
# CLIENTS: which of them (all): sh py js php rb pl go rs java c.
# shellcheck disable=SC2317 # functions that a trap or check() calls
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
: "${QUEUECTL_BIN:=$here/../../build/queuectl}"
source=$(cd "$here/../../contrib/clients" && pwd)
library=$here/library
CLIENTS=${CLIENTS:-sh py js php rb pl go rs java c}
PER_CLIENT=16
export LC_ALL=C.UTF-8
export PATH=$PATH:/usr/local/bin:${HOME:-/root}/.cargo/bin

name=clients
# shellcheck source=tests/stress/common.bash
. "$here/../stress/common.bash"
export GOCACHE=${GOCACHE:-${HOME:-$work}/.cache/go-build}

finish() {
    local spool
    for spool in "$work"/spool.*; do
        timeout 30 "$QUEUECTL_BIN" --spool "$spool" worker stop --now >/dev/null 2>&1
    done
    end_ours
    cd / && rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

number=0 failed=0
check() { # what, command...
    local what=$1
    shift
    number=$((number + 1))
    if "$@" >check.out 2>&1; then
        echo "ok $number - $lang: $what"
    else
        echo "not ok $number - $lang: $what"
        { cat check.out; head -n 5 out err; } | head -n 30 | sed 's/^/# /'
        failed=1
    fi
}

wait_until() {
    local end=$((SECONDS + 30))
    until "$@"; do
        if ((SECONDS >= end)); then
            echo "waited 30 s in vain for: $*"
            return 1
        fi
        read -r -t 0.02 <> <(:) || true
    done
}

is() {
    [ "$1" = "$2" ] && return
    printf 'got:    %s\nwanted: %s\n' "$1" "$2"
    return 1
}

# --- the clients ------------------------------------------------------------------

# What a client needs, and how it is called once build() was here.
declare -A needs=([sh]=sh [py]=python3 [js]=node [php]=php [rb]=ruby [pl]=perl [go]=go
    [rs]=rustc [java]=javac [c]=cc)
declare -A run=([sh]="sh $source/queuectl.sh" [py]="python3 $source/queuectl.py"
    [js]="node $source/queuectl.js" [php]="php $source/queuectl.php"
    [rb]="ruby $source/queuectl.rb" [pl]="perl $source/queuectl.pl" [go]=$work/bin/go
    [rs]=$work/bin/rs [java]="java -Xshare:auto -XX:TieredStopAtLevel=1 -cp $work/bin/java Queuectl"
    [c]=$work/bin/c)

build() { # language
    case $1 in
    go) go build -o bin/go "$source/queuectl.go" ;;
    rs) rustc --edition 2021 -D warnings -o bin/rs "$source/queuectl.rs" ;;
    java) javac -Xlint:all -Werror -d bin/java "$source/Queuectl.java" ;;
    c) c99 -o bin/c "$source/queuectl_client.c" ;;
    *) return 0 ;;
    esac && build_library "$1"
}

c99() { cc -std=c99 -pedantic -Wall -Wextra -Werror -I "$source" "$@"; }

# The programs of library/, each with its copy of the client changed as its head says.
build_library() { # language
    mkdir -p "bin/lib.$1"
    case $1 in
    go)
        sed -e 's/^package main/package library/' -e '/^func main/,$d' "$source/queuectl.go" >bin/lib.go/q.go
        go vet bin/lib.go/q.go
        ;;
    rs)
        cp "$source/queuectl.rs" "$library/use.rs" bin/lib.rs
        rustc --edition 2021 -D warnings -o bin/lib.rs/use bin/lib.rs/use.rs
        ;;
    java)
        { echo "package library;" && cat "$source/Queuectl.java"; } >bin/lib.java/Queuectl.java
        javac -Xlint:all -Werror -d bin/lib.java bin/lib.java/Queuectl.java "$library/Use.java"
        ;;
    c)
        c99 -DQC_NO_MAIN -c -o bin/lib.c/client.o "$source/queuectl_client.c" &&
            c99 -o bin/lib.c/use "$library/use.c" bin/lib.c/client.o &&
            c99 -o bin/lib.c/whole "$library/whole.c"
        ;;
    esac
}

client() { # ID MEMBERS [TIMEOUT]: its exit code; what it said is in out and err
    # shellcheck disable=SC2086 # some are two words
    $client "$QUEUECTL_SPOOL" "$@" >out 2>err
}

# The exit code, and for a failure one line on stderr with this in it.
expect() { # code, part of stderr, client's words...
    local want=$1 part=$2 code=0
    shift 2
    client "$@" || code=$?
    is "$code" "$want" || return
    clean || return
    if [ -z "$part" ]; then
        is "$(cat err)" ""
    else
        is "$(cat out)" "" && is "$(wc -l <err)" 1 && grep -F -- "$part" err
    fi
}

# A client leaves nothing in tmp/ (the queue's own files there begin with its boot).
clean() { is "$(find "$QUEUECTL_SPOOL/tmp" -name "$lang-*")" ""; }

# --- the cases, in their order ------------------------------------------------------

usage() { # the words of a call
    local code=0
    # shellcheck disable=SC2086
    $client "$@" >out 2>err || code=$?
    is "$code" 2 && is "$(wc -l <err)" 1 && is "$(cat out)" "" && is "$(ls -A "$QUEUECTL_SPOOL/pending")" ""
}
bad_words() {
    usage && usage "$QUEUECTL_SPOOL" a && usage "$QUEUECTL_SPOOL" a '{}' 1s &&
        usage "$QUEUECTL_SPOOL" ../a '{"command":"true"}' &&
        usage "$QUEUECTL_SPOOL" "$(printf '%0129d' 1)" '{"command":"true"}' &&
        usage "$QUEUECTL_SPOOL" a '[1]'
}
missing_spool() { # one that cannot be looked into is not missing
    no_spool "$work/nowhere" "no spool at $work/nowhere" &&
        no_spool "$work/$(printf '%0300d' 0)" "name too long" && refute grep "no spool" err
}
no_spool() { # path, part of stderr
    local code=0
    $client "$1" a '{"command":"true"}' >out 2>err || code=$?
    is "$code" 1 && is "$(wc -l <err)" 1 && is "$(cat out)" "" && grep -iF "$2" err
}

# No worker yet.
first_waits() {
    (umask 077 && exec $client "$QUEUECTL_SPOOL" first '{"command":"echo ran"}' 120 >first.out 2>first.err) &
    first=$!
    wait_until [ -e "$QUEUECTL_SPOOL/pending/first.json" ] &&
        is "$(stat -c %a "$QUEUECTL_SPOOL/pending/first.json")" 640 && wait_until clean
}
second_drop() {
    local before
    before=$(stat -c '%i %y' "$QUEUECTL_SPOOL/pending/first.json")
    expect 3 'id "first" is in use' first '{"command":"echo second"}' 60 &&
        is "$(stat -c '%i %y' "$QUEUECTL_SPOOL/pending/first.json")" "$before"
}
ended_before() { # nobody takes files in, so the client must see it by itself
    local state
    mkdir "$QUEUECTL_SPOOL/aside" && echo '{"id":"old"}' >"$QUEUECTL_SPOOL/aside/old.json" || return
    for state in "done" dead; do
        mv "$QUEUECTL_SPOOL"/*/old.json "$QUEUECTL_SPOOL/$state/" &&
            expect 3 'id "old" is in use' old '{"command":"true"}' 1 || return
    done
    rmdir "$QUEUECTL_SPOOL/aside" && is "$(ls -A "$QUEUECTL_SPOOL/pending")" first.json
}
times_out() { # what lies in done/ before the file was taken in is another's
    local code=0 pid
    client late '{"command":"true"}' 1 &
    pid=$!
    wait_until [ -e "$QUEUECTL_SPOOL/pending/late.json" ] || return
    echo '{"id":"late"}' >late && mv late "$QUEUECTL_SPOOL/done/late.json"
    wait "$pid" || code=$?
    is "$code" 124 && is "$(wc -l <err)" 1 && is "$(cat out)" "" && clean &&
        grep -F 'job "late" has not ended after 1 s' err
}

# A worker, paused.
third_drop() {
    q pause && q worker start --count 1 >/dev/null &&
        wait_until [ ! -e "$QUEUECTL_SPOOL/pending/first.json" ] || return
    expect 3 'id "first" is in use' first '{"command":"echo third"}' 60 &&
        is "$(q show first --json | jq -r '.command + " " + .state')" "echo ran pending"
}

# A worker.
first_ends() {
    local code=0
    q resume
    wait "$first" || code=$?
    is "$code" 0 && is "$(cat first.err)" "" && cmp first.out "$QUEUECTL_SPOOL/done/first.json" &&
        is "$(jq -c '[.id, .exit_code, .attempts]' first.out)" '["first",0,1]' &&
        is "$(q logs first)" ran
}
fourth_drop() {
    expect 3 'id "first" is in use' first '{"command":"echo fourth"}' 60 &&
        cmp first.out "$QUEUECTL_SPOOL/done/first.json"
}
dies() {
    local code=0
    client dies '{"command":"exit 3","max_retries":0}' 60 || code=$?
    is "$code" 1 && is "$(cat err)" "" && cmp out "$QUEUECTL_SPOOL/dead/dies.json" &&
        is "$(jq -c '[.id, .exit_code]' out)" '["dies",3]' && clean
}
no_job() { expect 3 'needs "command" or "argv"' nojob '{"mine":"x"}' 60; }
intact() {
    local id members
    id=$(printf 'a.%0126d' 7)
    members='{"argv":["true"],"text":"Grüße \"x\" \\ / \u00e9 \ud83d\ude00 日本\n","no":{},"list":[],"half":0.5,"yes":true,"nil":null,"big":9007199254740993}'
    [ "$lang" != js ] || members=${members/9007199254740993/9007199254740992}
    client "$id" "$members" 60 || return
    is "$(jq -Sc '{argv,text,no,list,half,yes,nil}' out)" "$(jq -Sc 'del(.big)' <<<"$members")" &&
        is "$(grep -o '"big": *[0-9]*' out | grep -o '[0-9]*')" "$(grep -o '[0-9]*}$' <<<"$members" | tr -d '}')" &&
        is "$(jq -r .id out)" "$id"
}
empty_object() { # the report's name is cut
    expect 3 'needs "command" or "argv"' "e$(printf '%0127d' 0)" ' { } ' 60
}

# As a library: a job done, and one whose id lies in the pending/ of a spool without a
# worker, so that link(2) is what refuses it.
as_library() {
    local client=${run[$lang]##* }
    case $lang in
    sh) sourced sh && sourced bash && QUEUECTL_SOURCED=1 usage ;;
    py) quiet python3 -X dev "$library/use.py" "$client" ;;
    js)
        mkdir -p esm && echo '{"type":"module"}' >esm/package.json && cp "$client" esm/queuectl.cjs &&
            quiet node --throw-deprecation --expose-gc "$library/use.mjs" "$PWD/esm/queuectl.cjs"
        ;;
    php) # a web server's PHP takes a #! line for text to send
        is "$(head -c 5 "$client")" '<?php' && quiet php -d             disable_functions=exec,shell_exec,system,passthru,popen,proc_open "$library/use.php" "$client"
        ;;
    rb) quiet ruby "$library/use.rb" "$client" ;;
    pl)
        refute quiet perl "$library/use.pl" "$client" && is "$(cat out)" "done" &&
            is "$(cat err)" 'id "taken" is in use' && is "$(q logs library)" Grüße
        ;;
    go) ;; # it compiles
    java) quiet java -Xshare:auto -XX:TieredStopAtLevel=1 -cp bin/lib.java library.Use ;;
    *) quiet "bin/lib.$lang/use" ;;
    esac
}
quiet() { # command...
    "$@" "$QUEUECTL_SPOOL" "$work/idle" >out 2>err && is "$(cat err)" ""
}
sourced() { quiet env -u LC_ALL LANG=C.UTF-8 "$1" "$library/use.sh" "$source/queuectl.sh"; }

trace() { # id, client...: its system calls are in trace, checked
    local id=$1
    shift
    local calls='?open,openat,write,pwrite64,writev,fsync,fdatasync,?link,linkat,inotify_add_watch,?stat'
    strace -f -y -s 4096 -o trace -e "trace=$calls" \
        "$@" "$QUEUECTL_SPOOL" "$id" '{"command":"true"}' 60 >out 2>err || return
    python3 "$here/syscalls.py" "$id" <trace
}

all_cases() {
    export QUEUECTL_SPOOL=$work/spool.$lang
    client=${run[$lang]}
    q init "$QUEUECTL_SPOOL" >/dev/null || exit 1
    : >out
    : >err
    check "wrong words are refused" bad_words
    check "a missing spool: one line" missing_spool
    check "mode 0640 whatever the umask" first_waits
    check "an id in use, in pending/" second_drop
    check "an id in use, in done/ or dead/" ended_before
    check "a timeout, though another job of this id is done" times_out
    check "an id in use by a waiting job" third_drop
    check "a job done" first_ends
    check "an id in use by a done job" fourth_drop
    check "a job that dies" dies
    check "a document that is no job" no_job
    check "an empty object, under an id of 128 characters" empty_object
    check "an id of 128 characters, members intact" intact
    check "as a library" as_library
    if [ -z "$no_trace" ]; then
        # shellcheck disable=SC2086
        check "the order of system calls" trace traced $client
    else
        skip 1 "$no_trace"
    fi
    check "nothing is left in tmp/" clean
    timeout 30 "$QUEUECTL_BIN" worker stop >/dev/null 2>&1
}

skip() { # how many, why
    local i
    for ((i = 0; i < $1; i++)); do
        number=$((number + 1))
        echo "ok $number - $lang # SKIP $2"
    done
}

# Copies of a client that leave out a sync: the checker must see it.
without() { # sed expression, what the checker says
    sed -e "$1" "$source/queuectl.py" >broken.py
    refute cmp -s broken.py "$source/queuectl.py" && refute trace "broken$number" python3 broken.py >said
    grep -F "$2" said
}
refute() { ! "$@"; }

# --- all of them ---------------------------------------------------------------------

no_trace=
command -v python3 >/dev/null || no_trace="python3 is not installed"
strace -o /dev/null true 2>/dev/null || no_trace="strace cannot trace here"

# Its code is not asked for: bash may have forgotten it, when its pid was used again.
build_is_over() { wait "${builds[$1]}" 2>/dev/null || true; }

read -ra langs <<<"$CLIENTS"
echo "1..$((PER_CLIENT * ${#langs[@]} + 2))"
mkdir -p bin/java
q init "$work/idle" >/dev/null && echo '{"id":"taken","command":"true"}' >"$work/idle/pending/taken.json" || exit 1
declare -A builds
for lang in "${langs[@]}"; do
    command -v "${needs[$lang]}" >/dev/null || continue
    { build "$lang" && touch "bin/$lang.built"; } >"bin/$lang.log" 2>&1 &
    builds[$lang]=$!
done
for lang in "${langs[@]}"; do
    begin=$SECONDS
    if [ -z "${builds[$lang]-}" ]; then
        skip $PER_CLIENT "${needs[$lang]} is not installed"
    elif ! { build_is_over "$lang" && [ -e "bin/$lang.built" ]; }; then
        check "it compiles" false
        sed 's/^/# /' "bin/$lang.log"
        skip $((PER_CLIENT - 1)) "it does not compile"
    else
        all_cases
    fi
    echo "# $lang: $((SECONDS - begin)) s"
done

lang=checker
export QUEUECTL_SPOOL=$work/spool.checker
q init "$QUEUECTL_SPOOL" >/dev/null && q worker start --count 1 >/dev/null || exit 1
if [ -z "$no_trace" ]; then
    check "sees that the file is not synced" without '/os.fsync(fd)/d' "not synced between"
    check "sees that pending/ is not synced" without 's/os.fsync(folder)/pass/' "pending/ was not synced"
else
    skip 2 "$no_trace"
fi
echo "# $SECONDS s"
exit $failed
