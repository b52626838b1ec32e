#!/usr/bin/env bats
# config: get, set, list, unset, and the file by hand.

load helper

setup() {
    setup_spool
    ini=$WORK/spool/queuectl.ini
}
teardown() { teardown_spool; }

# A setting that is refused leaves the file as it is, byte for byte.
refused() { # message key value
    local before after
    before=$(sha256sum <"$ini"; stat -c '%i %Y %Z' "$ini")
    refuses 2 "$1" config set "$2" "$3"
    after=$(sha256sum <"$ini"; stat -c '%i %Y %Z' "$ini")
    is "$after" "$before"
}

@test "get KEY prints the bare value; the default where nothing is set" {
    expect 0 q config get max-retries
    is "$out/$err" "3/"
    expect 0 q config get timeout
    is "$out" 0
    expect 0 q config get backoff-max
    is "$out" 1h
    [ ! -e "$ini" ]
}

@test "set, and what it understood on stderr" {
    expect 0 q config set timeout 60000
    is "$out" ""
    is "$err" "queuectl: timeout = 60000 s (16h40m)"
    is "$(q config get timeout)" 16h40m
    expect 0 q config set timeout 90
    is "$err" "queuectl: timeout = 90 s (1m30s)"
    expect 0 q config set timeout 500ms
    is "$err" "queuectl: timeout = 500ms"
    expect 0 q config set timeout 0
    is "$err" "queuectl: timeout = 0 (none)"
    expect 0 q config set max-retries 5
    is "$err" "queuectl: max-retries = 5 (at most 6 runs)"
    expect 0 q config set output-max 1M
    is "$err" "queuectl: output-max = 1M (1048576 bytes)"
    expect 0 q config set output-max 0
    is "$err" "queuectl: output-max = 0 (no bound)"
    expect 0 q config set priority high
    is "$err" "queuectl: priority = 10"
    expect 0 q config set backoff-base 1.5
    is "$err" "queuectl: backoff-base = 1.5"
}

@test "both spellings, and the other names, are one key" {
    for key in max-retries max_retries default-max-retries default_max_retries; do
        q config set $key 7 2>/dev/null
        for other in max-retries max_retries default_max_retries; do
            is "$(q config get $other)" 7
        done
        is "$(grep -c 7 "$ini")" 1
        q config unset $key 2>/dev/null
        is "$(q config get max-retries)" 3
    done
    q config set job_timeout 5 2>/dev/null
    is "$(q config get timeout)" 5s
}

@test "every setting can be set to its own value and back" {
    q config get | while IFS=' =' read -r key value; do
        expect 0 q config set "$key" "$value"
        is "$(q config get "$key")" "$value"
        expect 0 q config unset "$key"
    done
    is "$(cat "$ini")" ""
}

@test "bad values are refused: exit 2, the message says what would do, the file untouched" {
    printf '# mine\nmax-retries = 5 ; why\n' >"$ini"
    refused 'max-retries: "2.5" is no whole number from 0 to 1000' max-retries 2.5
    refused 'max-retries: "-1" is no whole number from 0 to 1000' max-retries -1
    refused 'max-retries: "" is no whole number from 0 to 1000' max-retries ''
    refused 'max-retries: " 5" is no whole number from 0 to 1000' max-retries ' 5'
    refused 'max-retries: "5 ; x" is no whole number from 0 to 1000' max-retries '5 ; x'
    refused 'max-retries: "0x5" is no whole number from 0 to 1000' max-retries 0x5
    refused 'backoff-base: "0" is no number from 1 to 1000' backoff-base 0
    refused 'backoff-base: "nan" is no number from 1 to 1000' backoff-base nan
    refused 'backoff-jitter: "1.1" is no number from 0 to 1' backoff-jitter 1.1
    refused 'backoff-max: "0" is no duration from 1s to 3650d; use 90, 90s, 5m' backoff-max 0
    refused 'timeout: "5x" is no duration from 0 to 3650d; use 90, 90s, 5m' timeout 5x
    refused 'timeout: "-5" is no duration from 0 to 3650d; use 90, 90s, 5m' timeout -5
    refused 'grace: "2d" is no duration from 0 to 1d; use 90, 90s, 5m' grace 2d
    refused 'priority: "500" is no priority; use -100 to 100, low, medium, normal, high' priority 500
    refused 'count: "0" is no whole number from 1 to 10000' count 0
    refused 'output-max: "big" is no size; use 1500, 64K, 64M, 1G' output-max big
    refused 'durability: "maybe" is none of auto, always, never' durability maybe
    refused 'orphans: "" is none of end, wait' orphans ''
    refused 'durable-claim: "maybe" is neither yes nor no' durable-claim maybe
    expect 2 q config set timeout $'5\nmax-retries = 9'
    is "$(cat "$ini")" $'# mine\nmax-retries = 5 ; why'
}

@test "a wrong line is mended or removed by its own key, and by no other" {
    local wrong='queuectl.ini: line 1: max-retries: "many" is no whole number from 0 to 1000'
    echo 'max-retries = many ; why' >"$ini"
    for change in "set timeout 5" "unset timeout"; do
        # shellcheck disable=SC2086 # words
        expect 1 q config $change
        has "$err" "queuectl: not written: $wrong"
        is "$(cat "$ini")" 'max-retries = many ; why'
    done
    expect 0 q config set max-retries 4
    is "$(cat "$ini")" 'max-retries = 4 ; why'
    echo 'max-retries = many' >"$ini"
    expect 0 q config unset max-retries
    is "$(cat "$ini")" ""
}

@test "an unknown key: exit 2, with a hint" {
    for cmd in get set unset; do
        value=()
        [ $cmd != set ] || value=(5)
        refuses 2 "no setting max-retrys; did you mean max-retries?" config $cmd max-retrys "${value[@]}"
        refuses 2 "no setting Timeout; did you mean timeout?" config $cmd Timeout "${value[@]}"
        refuses 2 "no setting colour; see queuectl config list" config $cmd colour "${value[@]}"
    done
    [ ! -e "$ini" ]
}

@test "the same set again changes nothing, whatever blanks stand around" {
    printf 'allow-users = alice ; who\ngrace=1s\n' >"$ini"
    for value in '' ' ' bob ' bob' ''; do
        expect 0 q config set allow-users "$value"
        expect 0 q config set grace ' 5s '
        cp "$ini" once
        expect 0 q config set allow-users "$value"
        expect 0 q config set grace ' 5s '
        is "$(cat "$ini")" "$(cat once)"
    done
    is "$(cat "$ini")" $'allow-users =  ; who\ngrace=5s'
}

@test "comments, order, blank lines, spellings and unknown ends of lines are kept" {
    printf '; first\n\n[queuectl]\n  max_retries   =  5   ; why\n# second\ntimeout: 10s\n\nbackoff-base=3' >"$ini"
    q config set max-retries 6 2>/dev/null
    q config set timeout 20 2>/dev/null
    q config set grace 5 2>/dev/null
    is "$(cat "$ini")" '; first

[queuectl]
  max_retries   =  6   ; why
# second
timeout: 20

backoff-base=3
grace = 5'
    q config unset timeout 2>/dev/null
    q config unset grace 2>/dev/null
    is "$(cat "$ini")" '; first

[queuectl]
  max_retries   =  6   ; why
# second

backoff-base=3'
}

@test "lines that end in CR LF" {
    printf '# x\r\ntimeout = 5\r\n' >"$ini"
    q config set timeout 6 2>/dev/null
    q config set grace 5 2>/dev/null
    is "$(od -An -c "$ini" | tr -d ' \n')" '#x\r\ntimeout=6\r\ngrace=5\r\n'
    is "$(q config get timeout)" 6s
}

@test "of two lines that set one key the last counts" {
    printf 'timeout = 1\ntimeout = 2\n' >"$ini"
    is "$(q config get timeout)" 2s
    q config set timeout 9 2>/dev/null
    is "$(q config get timeout)" 9s
    is "$(grep -c timeout "$ini")" "$(grep -c 9 "$ini")" || is "$(tail -1 "$ini")" "timeout = 9"
    q config unset timeout 2>/dev/null
    is "$(q config get timeout)" 0
}

@test "the mode of the file is kept; a new one is private" {
    q config set timeout 5 2>/dev/null
    is "$(stat -c %a "$ini")" 600
    chmod 640 "$ini"
    q config set timeout 6 2>/dev/null
    is "$(stat -c %a "$ini")" 640
    is "$(ls -A spool | grep -F '.queuectl.ini')" ""
}

@test "list: value, where it is from, meaning; --json" {
    q config set max-retries 5 2>/dev/null
    expect 0 q config list
    is "$(head -1 <<<"$out" | tr -s ' ')" "NAME VALUE FROM MEANING"
    [[ $(grep '^max-retries ' <<<"$out" | tr -s ' ') == "max-retries 5 file Runs after the first"* ]]
    [[ $(grep '^timeout ' <<<"$out" | tr -s ' ') == "timeout 0 default Ends a run"* ]]
    expect 0 q config list --json
    is "$(jq -c 'map(keys) | unique' <<<"$out")" '[["default","name","text","value"]]'
    is "$(jq -c 'map(select(.name == "max-retries" or .name == "timeout")) | map([.name,.value,.default])' <<<"$out")" \
        '[["max-retries",5,false],["timeout","0",true]]'
}

@test "get --json" {
    is "$(q config get max-retries --json)" 3
    is "$(q config get backoff-max --json)" '"1h"'
    is "$(q config get durable-claim --json)" false
    is "$(q config get --json | jq -c '[.["max-retries"],.["backoff-max"]]')" '[3,"1h"]'
}

@test "a bad file by hand: said by line, and the rest of the line's neighbours hold" {
    for text in 'timeout = soon' 'no such line' 'colour = red' '[web]\ntimeout = 5'; do
        printf 'max-retries = 9\n%b\n' "$text" >"$ini"
        expect 0 q list
        [[ $err == "queuectl: warning: queuectl.ini: line "[23]": "* ]]
    done
    printf 'max-retries = 9\ntimeout = soon\n' >"$ini"
    expect 0 q enqueue --id a --command x
    is "$err" 'queuectl: warning: queuectl.ini: line 2: timeout: "soon" is no duration from 0 to 3650d; use 90, 90s, 5m'
    is "$(field a max_retries 2>/dev/null)" 9
    # It cannot be told what the user meant: set does not make it worse.
    before=$(cat "$ini")
    expect 1 q config set grace 5
    has "$err" "line 2"
    is "$(cat "$ini")" "$before"
    # But it can mend it.
    expect 0 q config set timeout 5
    is "$(q config get timeout)" 5s
}

@test "running workers take changes up, by command and by hand" {
    start_workers 1
    q enqueue --wait --command true >/dev/null
    q config set timeout 200ms 2>/dev/null
    expect 124 q enqueue --wait --max-retries 0 --command 'sleep infinity'
    printf 'timeout = 300ms\n' >"$ini"
    taken_up() {
        q enqueue --wait --id "t$RANDOM" --max-retries 0 --command 'sleep infinity' 2>&1 |
            grep -q "timed out after 300ms"
    }
    wait_until taken_up
}

@test "priority and max-retries are the defaults of new jobs" {
    q config set priority -5 2>/dev/null
    q config set max-retries 0 2>/dev/null
    q enqueue --id a --command x >/dev/null
    is "$(field a priority) $(field a max_retries)" "-5 0"
    [[ $(ls spool/pending) == *.p-5.a0.a.json ]]
}

@test "count is what worker start takes" {
    q config set count 3 2>/dev/null
    q worker start >/dev/null
    is "$(q status --json | jq '.workers | length')" 3
}

@test "words that are off" {
    refuses 2 "config set: an argument is missing; usage: queuectl config set KEY VALUE" config set timeout
    refuses 2 "config set: too many arguments; usage: queuectl config set KEY VALUE" config set timeout 5 m
    refuses 2 "no command config put; see queuectl config --help" config put timeout 5
    refuses 2 "no command config unste; did you mean config unset?" config unste timeout
    expect 2 q config
    has "$err" "usage: queuectl config COMMAND"
}

@test "fifty sets at once: the file is whole, and each key is there" {
    for i in $(seq 25); do
        q config set timeout "$i" 2>/dev/null &
        q config set grace "$i" 2>/dev/null &
    done
    wait
    is "$(cut -d' ' -f1 "$ini" | sort | uniq -c | tr -s ' \n' ' ')" " 1 grace 1 timeout "
}
