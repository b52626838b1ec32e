#!/usr/bin/env bats
# Job documents through the binary: what is kept, what is refused, what each
# member does when the job runs.

load helper

setup() {
    setup_spool
    q config set backoff-base 100 2>/dev/null
}
teardown() { teardown_spool; }

file_of() { find spool -path "*/$1.json" -o -name "*.$1.json" | grep -v /quarantine/; }

# The spelling of one member in the stored file, byte for byte.
raw() { # id member
    python3 - "$(file_of "$1")" "$2" <<'PY'
import json, sys
text = open(sys.argv[1]).read()
dec = json.JSONDecoder()
i = text.index("{") + 1
skip = lambda i: i + len(text[i:]) - len(text[i:].lstrip(" \t\r\n,"))
i = skip(i)
while text[i] != "}":
    name, i = dec.raw_decode(text, i)
    i = skip(i)
    assert text[i] == ":"
    i = skip(i + 1)
    _, end = dec.raw_decode(text, i)
    if name == sys.argv[2]:
        print(text[i:end])
    i = skip(end)
PY
}

names() { jq -r 'keys_unsorted[]' "$(file_of "$1")"; }

# Through its retries without their waits, which are so long that none comes by itself.
retried_to_death() {
    if is_state "$1" failed; then q retry "$1" >/dev/null; fi
    is_state "$1" dead
}

# --- unknown members ----------------------------------------------------------------------

@test "members the queue does not know are kept byte for byte, through retries" {
    cat >job.json <<'EOF_JOB'
{
  "order_id": 9007199254740993,
  "id": "a", "small": -0.0, "exp": 1E+2, "frac": 1.10, "big": 123456789012345678901234567890,
  "escapes": "a\/b\u00e9\ud83d\ude00\t\"\\ \u0041",
  "utf8": "é😀", "nul_escape": "x\u0000y", "empty": {}, "none": null,
  "nested": {"b" : [ 1 ,2,{"a":  9223372036854775807}], "a":"\u2028"},
  "ID": "A", "Command": "nope", "": "no name", "a\u0062": 1,
  "command": "exit 1", "max_retries": 2
}
EOF_JOB
    q enqueue @job.json
    cp job.json wanted.json
    q config set backoff-base 1000 2>/dev/null
    start_workers 1
    wait_until is_state a failed
    wait_until retried_to_death a
    is "$(field a runs)" 3
    cat >compare.py <<'PY'
import sys
# Members as (name as spelled, value as spelled), by a reader of one's own.
def members(path):
    t = open(path, encoding="utf-8", newline="").read()
    i = t.index("{") + 1
    def blanks(i):
        while t[i] in " \t\r\n,:":
            i += 1
        return i
    def string(i):
        j = i + 1
        while t[j] != '"':
            j += 2 if t[j] == "\\" else 1
        return j + 1
    def value(i):
        if t[i] == '"':
            return string(i)
        if t[i] in "{[":
            depth, j = 0, i
            while True:
                if t[j] == '"':
                    j = string(j)
                    continue
                depth += (t[j] in "{[") - (t[j] in "}]")
                j += 1
                if depth == 0:
                    return j
        j = i
        while t[j] not in ",} \t\r\n":
            j += 1
        return j
    out = []
    i = blanks(i)
    while t[i] != "}":
        j = string(i)
        name = t[i:j]
        i = blanks(j)
        j = value(i)
        out.append((name, t[i:j]))
        i = blanks(j)
    return out
before, after = members(sys.argv[1]), members(sys.argv[2])
assert after[:len(before)] == before, "\n%s\n%s" % (before, after)
PY
    python3 compare.py wanted.json spool/dead/a.json
}

@test "unknown members survive edit, hold, release, cancel and retry" {
    q enqueue '{"id":"a","big":9007199254740993,"esc":"\u00e9\/","command":"true"}'
    q edit a --priority 5 >/dev/null
    q edit a '{"mine": [1 , 2]}' >/dev/null
    q hold a >/dev/null
    q release a >/dev/null
    q cancel a >/dev/null
    q retry a >/dev/null
    is "$(raw a big)" 9007199254740993
    is "$(raw a esc)" '"\u00e9\/"'
    is "$(raw a mine)" '[1 , 2]'
    is "$(q show a --json | grep -c 9007199254740993)" 1
    is "$(q list --json | grep -c 9007199254740993)" 1
    is "$(q list --format '{big} {esc} {mine}')" '9007199254740993 é/ [1 , 2]'
}

@test "names have case: Priority, ID and TIMEOUT are the user's" {
    q enqueue '{"id":"a","command":"true","Priority":50,"ID":"b","TIMEOUT":"1ms","Max_Retries":-4}'
    is "$(field a priority)" 0
    is "$(raw a Priority) $(raw a ID) $(raw a TIMEOUT) $(raw a Max_Retries)" '50 "b" "1ms" -4'
    start_workers 1
    wait_until is_state a "done"
}

@test "a null member of ours is as good as absent" {
    q enqueue '{"id":"a","command":"true","argv":null,"timeout":null,"priority":null,"env":null,"run_at":null}'
    start_workers 1
    wait_until is_state a "done"
    is "$(field a priority)" 0
}

@test "recorded members that a copy of an old job brings are overwritten" {
    q enqueue '{"id":"a","command":"true","attempts":7,"runs":9,"lost":2,"exit_code":3,"history":[{"run":9}],"last_error":"old","created_at":"2001-01-01T00:00:00Z","finished_at":"2001-01-01T00:00:00Z","worker":"x","duration_ms":5,"signal":9,"next_run_at":"2001-01-01T00:00:00Z"}'
    [[ $(ls spool/pending) == *.a0.a.json ]]
    is "$(jq -c '[.attempts,.runs,.history,.last_error,.exit_code,.worker]' spool/pending/*)" \
        '[null,null,null,null,null,null]'
    [[ $(field a created_at) != 2001* ]]
    start_workers 1
    wait_until is_state a "done"
    is "$(jq -c '[.attempts,.runs,(.history|length),.exit_code,.signal,.last_error]' spool/done/a.json)" \
        '[1,1,1,0,null,null]'
}

@test "malformed recorded members are no reason to refuse" {
    expect 0 q enqueue '{"id":"a","command":"true","attempts":"many","history":5,"created_at":{}}'
}

# --- what is no good document ----------------------------------------------------------------

bad() { # message json
    refuses 1 "$1" enqueue "$2"
}

@test "duplicate members, however they are spelled" {
    bad 'invalid JSON at byte 16: duplicate member "command"' '{"command":"x","command":"y"}'
    bad 'invalid JSON at byte 16: duplicate member "c\u006fmmand"' \
        '{"command":"x","c\u006fmmand":"y"}'
    bad 'invalid JSON at byte 30: duplicate member "a"' '{"command":"x","mine":{"a":1,"a":2}}'
    is "$(count_of pending)" 0
}

@test "NUL: as a byte refused, as an escape refused where a program would be given it" {
    printf '{"command":"x","mine":"a\0b"}' >job.json
    expect 1 q enqueue @job.json
    is "$err" "queuectl: job.json: invalid JSON at byte 25: a NUL byte"
    printf '{"command":"x"}\0' >job.json
    expect 1 q enqueue @job.json
    printf '{"command":"x"}\0{"command":"y"}' >job.json
    expect 1 q enqueue @job.json
    bad 'command: holds \u0000, which no program can be given' '{"command":"x\u0000y"}'
    bad 'argv: holds \u0000, which no program can be given' '{"argv":["x","\u0000"]}'
    bad 'env: holds \u0000, which no program can be given' '{"command":"x","env":{"A":"\u0000"}}'
    is "$(count_of pending)" 0
    expect 0 q enqueue '{"id":"a","command":"x","mine":"a\u0000b"}'
    is "$(raw a mine)" '"a\u0000b"'
}

@test "UTF-8: bad bytes, overlong forms and half surrogates are refused" {
    for bytes in '\xff' '\xc0\xaf' '\xed\xa0\x80' '\xf4\x90\x80\x80' '\xe2\x82'; do
        printf '{"command":"x","mine":"'"$bytes"'"}' >job.json
        expect 1 q enqueue @job.json
        is "$err" "queuectl: job.json: invalid JSON at byte 24: not UTF-8"
    done
    expect 1 q enqueue '{"command":"x","mine":"\ud800"}'
    has "$err" "half a surrogate pair"
    expect 1 q enqueue '{"command":"x","mine":"\udc00\ud800"}'
    has "$err" "half a surrogate pair"
    printf '\xef\xbb\xbf{"command":"x"}' >job.json
    expect 1 q enqueue @job.json
    has "$err" "job.json: "
    printf '{"command":"x"}' | iconv -t UTF-16 >job.json
    expect 1 q enqueue @job.json
    has "$err" "job.json: "
}

@test "not quite JSON: comments, trailing commas, single quotes, bad numbers, control characters" {
    for text in '{"command":"x",}' '{"command":"x"/**/}' "{'command':'x'}" '{command:"x"}' \
        '{"command":"x","n":01}' '{"command":"x","n":.5}' '{"command":"x","n":5.}' \
        '{"command":"x","n":+5}' '{"command":"x","n":NaN}' '{"command":"x","n":Infinity}' \
        '{"command":"x","n":0x10}' '{"command":"x","n":1e}' '{"command":"x","n":True}' \
        '{"command":"x","n":[1,]}' '{"command":"x" "n":1}' '{"command":"x"}}' \
        $'{"command":"a\nb"}' $'{"command":"a\tb"}' '{"command":"\x"}' '{"command":"\u12g4"}' \
        $'{"command":"x",\f"n":1}'; do
        expect 1 q enqueue "$text"
        [[ $err == "queuectl: invalid JSON at byte "* ]]
        is "$out" ""
    done
    is "$(count_of pending)" 0
}

@test "nesting: a deep document is refused, whatever its depth, and nothing dies of it" {
    nest() { python3 -c "n=$1; print('{\"id\":\"n%d\",\"command\":\"true\",\"x\":' % n + '['*n + ']'*n + '}')"; }
    nest 50 >job.json
    expect 0 q enqueue @job.json
    is "$(jq -c .x spool/pending/*.n50.json | wc -c)" 101
    for n in 1000 100000 500000; do
        nest $n >job.json
        expect 1 q enqueue @job.json
        has "$err" "job.json: invalid JSON at byte "
        has "$err" nest
    done
}

@test "very many members" {
    python3 -c "
import json
d = {'id': 'a', 'command': 'true'}
d.update(('k%d' % i, i) for i in range(50000))
print(json.dumps(d))" >job.json
    expect 0 q enqueue @job.json
    start_workers 1
    wait_until is_state a "done"
    is "$(jq .k49999 spool/done/a.json)" 49999
}

# --- every member's good values ----------------------------------------------------------------

good() { # json-of-the-rest [name-pattern]
    expect 0 q enqueue "{\"command\":\"x\",$1}"
    [ $# -lt 2 ] || [[ $(basename "$(file_of "$out")") == $2 ]]
}

@test "good values of every member" {
    good '"priority":-100' '*.p-100.a0.*'
    good '"priority":100' '*.p100.a0.*'
    good '"priority":"low"' '*.p-10.a0.*'
    good '"priority":"medium"' '*.p0.a0.*'
    good '"priority":"normal"' '*.p0.a0.*'
    good '"priority":"high"' '*.p10.a0.*'
    good '"max_retries":0'
    good '"max_retries":1000'
    good '"backoff_base":1'
    good '"backoff_base":1.5'
    good '"backoff_base":1000'
    good '"timeout":0'
    good '"timeout":0.5'
    good '"priority":1e1' '*.p10.a0.*'
    good '"max_retries":3.0'
    good '"timeout":"500ms"'
    good '"timeout":"1h30m"'
    good '"timeout":"1d"'
    good '"timeout_ms":1500'
    good '"timeout_seconds":1.5'
    good '"run_at":"2031-01-01T00:00:00Z"' '20310101T000000.000000Z.*'
    good '"run_at":"2031-01-01T00:00:00.1234567891Z"' '20310101T000000.123456Z.*'
    good '"run_at":"2031-01-01 00:00:00+00:00"' '20310101T000000.000000Z.*'
    good '"run_at":1924992000' '20310101T000000.000000Z.*'
    good '"run_at":1924992000.25' '20310101T000000.250000Z.*'
    good '"run_at":"1924992000"' '20310101T000000.000000Z.*'
    good '"delay":"2h"'
    good '"delay":0'
    good '"cwd":"/"'
    good '"env":{}'
    good '"env":{"A":"","B_1":"x=y"}'
    good '"detach":true'
    good '"detach":false'
    good '"on_crash":"dead"'
    good '"on_crash":"retry"'
    good '"id":"A.b_c-9"'
}

@test "bad values of every member" {
    for rest in '"priority":101' '"priority":-101' '"priority":1.5' '"priority":"5"' '"priority":true' \
        '"priority":"HIGH"' '"priority":[]' '"max_retries":1001' '"max_retries":"3"' \
        '"max_retries":3.5' '"max_retries":1e4' '"backoff_base":0' '"backoff_base":"2"' \
        '"backoff_base":1001' '"timeout":-1' '"timeout":"5 min"' '"timeout":""' '"timeout":true' \
        '"timeout":"1e3"' '"timeout":"-5s"' '"timeout":1e300' '"timeout_ms":1.5' '"timeout_ms":"5s"' \
        '"timeout_ms":-1' '"timeout_seconds":"5"' '"run_at":"31.12.2030"' '"run_at":""' \
        '"run_at":"2031-13-01T00:00:00Z"' '"run_at":"2031-01-01T25:00:00Z"' '"run_at":-5' \
        '"run_at":1e20' '"run_at":{}' '"delay":"x"' '"delay":-1' '"cwd":"x"' '"cwd":""' '"cwd":5' \
        '"env":"A=1"' '"env":{"":"x"}' '"env":{"A=B":"x"}' '"env":{"A":null}' '"detach":1' \
        '"detach":"true"' '"on_crash":"Dead"' '"on_crash":true' '"id":5' '"id":"-x"' '"id":"a/b"' \
        '"id":"ä"' '"id":"a\n"' '"timeout":1,"timeout_ms":1000' '"timeout":1,"timeout_seconds":1' \
        '"timeout_ms":1,"timeout_seconds":1' '"run_at":5,"delay":5' '"argv":["x"]' '"argv":[]' \
        '"argv":"x"' '"argv":[""]' '"argv":["x",null]'; do
        expect 1 q enqueue "{\"command\":\"x\",$rest}"
        member=${rest#\"} member=${member%%\"*}
        has "$err" "$member"
    done
    is "$(count_of pending)" 0
}

# --- what the members do --------------------------------------------------------------------------

@test "env applies, over the worker's own; the rest of the worker's is there" {
    export FROM_WORKER=here BOTH=worker
    start_workers 1
    unset FROM_WORKER BOTH
    q enqueue '{"id":"a","command":"echo \"$FROM_WORKER|$BOTH|$MINE|$EMPTY|\"","env":{"BOTH":"job","MINE":"a b\n$HOME","EMPTY":""}}' --wait
    is "$(q logs a)" 'here|job|a b
$HOME||'
}

@test "QUEUECTL_* variables; the document is readable while it runs, unknown members too" {
    start_workers 1
    q enqueue --wait '{"id":"a","order_id":42,"command":"echo $QUEUECTL_JOB_ID $QUEUECTL_RUN $QUEUECTL_ATTEMPT $QUEUECTL_SPOOL; jq -c [.id,.order_id] \"$QUEUECTL_JOB\"; dirname \"$QUEUECTL_JOB\""}'
    is "$(q logs a)" "a 1 1 $WORK/spool
[\"a\",42]
$WORK/spool/processing"
}

@test "QUEUECTL_RUN counts for ever, QUEUECTL_ATTEMPT anew after dlq retry" {
    q config set backoff-base 1000 2>/dev/null
    start_workers 1
    q enqueue '{"id":"a","max_retries":1,"command":"echo $QUEUECTL_RUN $QUEUECTL_ATTEMPT; exit 1"}'
    wait_until is_state a failed
    wait_until retried_to_death a
    is "$(q logs a --run 1) $(q logs a)" "1 1 2 2"
    q dlq retry a >/dev/null
    wait_until is_state a failed
    is "$(q logs a)" "3 1"
    is "$(field a 'history | map(.run) | tojson')" "[1,2,3]"
}

@test "a job may enqueue another: QUEUECTL_SPOOL says where" {
    start_workers 1
    QUEUECTL_BIN=$QUEUECTL_BIN q enqueue --id a --wait --env "Q=$QUEUECTL_BIN" \
        --command '"$Q" enqueue --id b --command true'
    wait_until is_state b "done"
}

@test "command goes through the shell, argv does not" {
    start_workers 1
    q enqueue --wait '{"id":"c","command":"echo $((1+1)) | cat; echo \"$0\""}'
    is "$(q logs c | head -1)" 2
    q enqueue --wait '{"id":"v","argv":["echo","$((1+1))","|","cat"]}'
    is "$(q logs v)" '$((1+1)) | cat'
    expect 127 q enqueue --wait '{"id":"m","max_retries":0,"argv":["no-such-program-here","x"]}'
    has "$err" "no-such-program-here"
    has "$err" "No such file or directory"
}

@test "a job has an empty stdin, its logs and the lock on its id open, and nothing else" {
    : >inherited
    q worker start --count 1 >/dev/null 7>>inherited
    q enqueue --wait --id a --command 'for fd in /proc/$$/fd/*; do readlink $fd; done; cat'
    is "$(q logs a | sed -e "s|$WORK/spool/||" -e 's|logs/\..*\.|logs/.TOKEN.|' | sort)" \
        '/dev/null
ids/a
logs/.TOKEN.err
logs/.TOKEN.out'
}

@test "read from the empty stdin ends at once" {
    start_workers 1
    q enqueue --wait --id b --command 'read x; echo "got $? $x"'
    is "$(q logs b)" "got 1 "
}

@test "timeout ends a run, by any of its spellings" {
    start_workers 3
    q enqueue '{"id":"a","command":"sleep infinity","max_retries":0,"timeout":0.3}'
    q enqueue '{"id":"b","command":"sleep infinity","max_retries":0,"timeout_ms":300}'
    q enqueue '{"id":"c","command":"sleep infinity","max_retries":0,"timeout_seconds":0.3}'
    wait_until is_count dead 3
    for id in a b c; do is "$(field $id last_error)" "timed out after 300ms"; done
}

@test "a setting is read when the job runs, a default written when it is accepted" {
    q enqueue --id before --command 'sleep infinity'
    q config set max-retries 0 2>/dev/null
    q config set timeout 300ms 2>/dev/null
    q config set priority 7 2>/dev/null
    q enqueue --id after --command 'sleep infinity'
    is "$(field before max_retries) $(field before priority)" "3 0"
    is "$(field after max_retries) $(field after priority)" "0 7"
    start_workers 2
    wait_until is_state after dead
    wait_until is_state before failed
    is "$(field before last_error)" "timed out after 300ms"
}

@test "the last error: exit code and the last line of stderr, escaped and cut" {
    start_workers 1
    q enqueue --wait --id a --max-retries 0 --command 'echo one >&2; printf "t\033[31mwo\n" >&2; exit 3' 2>err.txt || true
    is "$(jq -r .last_error spool/dead/a.json)" 'exit 3: t\e[31mwo'
    run grep -c $'\033' err.txt
    is "$output" 0
    q enqueue --wait --id b --max-retries 0 --command 'head -c 1000 /dev/zero | tr "\0" y >&2; exit 1' 2>/dev/null || true
    (($(field b last_error | wc -c) < 230))
    has "$(field b last_error)" "exit 1: yyy"
}
