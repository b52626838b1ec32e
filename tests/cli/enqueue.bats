#!/usr/bin/env bats
# enqueue: every form of it, what it prints, what it refuses and how it ends.

load helper

setup() { setup_spool; }
teardown() { teardown_spool; }

# Nothing lies in pending/, tmp/ or ids/.
nothing_is_stored() {
    is "$(ls spool/pending spool/tmp spool/ids | grep -v ':$' | grep .)" ""
}

pending_ids() { q list --state pending --format '{id}'; }

# --- forms -----------------------------------------------------------------------------

@test "a JSON argument: the id alone is printed" {
    expect 0 q enqueue '{"id":"job1","command":"echo hi"}'
    is "$out" job1
    is "$err" ""
    is "$(ls spool/pending | sed 's/^[^.]*\.[0-9]*Z//')" .p0.a0.job1.json
    is "$(field job1 command)" "echo hi"
    is_state job1 pending
}

@test "an id is made where none is given, and it is the one to ask for" {
    expect 0 q enqueue '{"command":"echo hi"}'
    [[ $out =~ ^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$ ]]
    is_state "$out" pending
    first=$out
    expect 0 q enqueue '{"command":"echo hi"}'
    [ "$out" != "$first" ]
    [[ $first < $out ]]
}

@test "JSON with blanks and line breaks before and in it" {
    expect 0 q enqueue $' \n\t{ "id" : "a" ,\n "command" : "x" }\n'
    is "$(field a command)" x
}

@test "@file" {
    printf '{"id":"f","command":"from file"}\n' >job.json
    expect 0 q enqueue @job.json
    is "$out" f
    is "$(field f command)" "from file"
}

@test "- is stdin" {
    expect 0 q enqueue - <<<'{"id":"s","command":"from stdin"}'
    is "$out" s
    is "$(field s command)" "from stdin"
}

@test "flags only" {
    expect 0 q enqueue --id X --command "echo hi" --max-retries 5 --priority 7 \
        --timeout 5m --backoff-base 1.5 --env A=1 --env B=x=y --detach --on-crash dead
    is "$out" X
    is "$(jq -cS '[.command,.max_retries,.priority,.timeout,.backoff_base,.env,.detach,.on_crash]' \
        spool/pending/*X.json)" '["echo hi",5,7,"5m",1.5,{"A":"1","B":"x=y"},true,"dead"]'
    [[ $(ls spool/pending) == *.p7.a0.X.json ]]
}

@test "flags in the form --name=value" {
    expect 0 q enqueue --id=X --command='a=b' --priority=-5
    is "$(field X command)" "a=b"
    is "$(field X priority)" -5
    expect 0 q enqueue --id Y --command x --priority -7
    is "$(field Y priority)" -7
}

@test "a flag wins over the member, before and behind the document" {
    expect 0 q enqueue '{"id":"a","command":"x","priority":1,"max_retries":1}' --priority high \
        --max-retries 5
    is "$(field a priority)" 10
    is "$(field a max_retries)" 5
    expect 0 q enqueue --id c --command y '{"id":"b","command":"x"}'
    is "$out" c
    is "$(field c command)" y
}

@test "a flag wins over the members that exclude it" {
    q enqueue '{"id":"a","argv":["x"],"run_at":"2030-01-01T00:00:00Z","timeout_ms":5}' \
        --command y --delay 1h --timeout 9
    is "$(jq -c '[.command,.argv,.timeout,.timeout_ms]' spool/pending/*a.json)" '["y",null,9,null]'
    [[ $(field a next_run_at) != 2030* ]]
    q enqueue '{"id":"b","command":"x"}' -- prog
    is "$(jq -c '[.command,.argv]' spool/pending/*b.json)" '[null,["prog"]]'
}

@test "--env adds to the environment of the document, and the later one wins" {
    q enqueue '{"id":"a","command":"x","env":{"A":"1","B":"2"}}' --env B=3 --env C= --env C=4
    is "$(jq -cS .env spool/pending/*a.json)" '{"A":"1","B":"3","C":"4"}'
}

@test "--env: what the document has stays as it is, mistakes too" {
    q enqueue '{"id":"a","command":"x","env":null}' --env B=3
    is "$(jq -c .env spool/pending/*a.json)" '{"B":"3"}'
    q edit a '{"env":null}' --env C=4
    is "$(jq -c .env spool/pending/*a.json)" '{"C":"4"}'
    q edit a --env D=5
    is "$(jq -cS .env spool/pending/*a.json)" '{"C":"4","D":"5"}'
    refuses 1 'env: holds \u0000, which no program can be given' \
        enqueue '{"command":"x","env":{"A":"one\u0000two"}}' --env B=3
    refuses 1 'env "A": 1.2345678901234567e+19 does not fit; use {"NAME": "text", ...}: names not empty and without "="' \
        enqueue '{"command":"x","env":{"A":12345678901234567890}}' --env B=3
    refuses 1 'env: ["A=1"] is no environment; use {"NAME": "text", ...}: names not empty and without "="' \
        enqueue '{"command":"x","env":["A=1"]}' --env B=3
}

@test "-- prog args: a list of arguments, no shell" {
    start_workers 1
    expect 0 q enqueue --id a --wait -- printf '%s|' 'a b' '' "it's" '$HOME' '*' --not-an-option
    is "$(q logs a)" "a b||it's|\$HOME|*|--not-an-option|"
    is "$(field a 'argv | tojson')" '["printf","%s|","a b","","it'"'"'s","$HOME","*","--not-an-option"]'
    is "$(field a command)" null
}

@test "behind -- even -- and a document are arguments" {
    expect 0 q enqueue --id a -- prog -- '{"id":"b"}'
    is "$(jq -c .argv spool/pending/*a.json)" '["prog","--","{\"id\":\"b\"}"]'
}

@test "a program behind -- on top of a document" {
    expect 0 q enqueue '{"id":"a","order":1}' --priority 3 -- prog
    is "$(jq -c '[.order,.argv,.priority]' spool/pending/*a.json)" '[1,["prog"],3]'
}

@test "--json prints the stored document" {
    expect 0 q enqueue '{"id":"a","command":"x","mine":[1, 2]}' --json
    is "$out" "$(cat spool/pending/*a.json)"
    is "$(jq -c '[.id,.mine,.priority,.max_retries]' <<<"$out")" '["a",[1,2],0,3]'
    is "$err" ""
}

@test "--dry-run prints what would be stored, and stores nothing" {
    before=$(find spool | sort)
    expect 0 q enqueue '{"id":"a","command":"x","mine":1}' --priority low --dry-run
    is "$(jq -c '[.id,.command,.mine,.priority,.max_retries,.cwd]' <<<"$out")" \
        "[\"a\",\"x\",1,\"low\",3,\"$WORK\"]"
    is "$(find spool | sort)" "$before"
    expect 0 q enqueue --command x --dry-run
    [ -n "$(jq -r .id <<<"$out")" ]
    is "$(find spool | sort)" "$before"
}

@test "--dry-run prints the error: a bad member, an id in use" {
    refuses 1 'timeout: "abc" is no duration; use 90, "90s", "5m"' \
        enqueue '{"command":"x","timeout":"abc"}' --dry-run
    q enqueue --id a --command x
    refuses 1 'id "a" is in use; see: queuectl show a' enqueue --id a --command y --dry-run
    is "$(field a command)" x
}

@test "--dry-run without a spool" {
    export QUEUECTL_SPOOL=$WORK/none
    expect 0 q enqueue --command x --dry-run
    is "$(jq -r .command <<<"$out")" x
    [ ! -e none ]
}

@test "the current directory is recorded, unless one is given" {
    mkdir 'sub dir'
    cd 'sub dir'
    q enqueue --id a --command x
    q enqueue --id b --command x --cwd /
    q enqueue '{"id":"c","command":"x","cwd":"/usr"}'
    q enqueue --id d --command x --cwd deeper
    cd ..
    is "$(field a cwd)" "$WORK/sub dir"
    is "$(field b cwd)" /
    is "$(field c cwd)" /usr
    is "$(field d cwd)" "$WORK/sub dir/deeper"
}

@test "a current directory that cannot stand in a job" {
    mkdir gone $'bad\xff' || skip "this file system takes UTF-8 only"
    cd $'bad\xff'
    refuses 1 'the current directory has a name that is not UTF-8; give --cwd with a path that starts with "/"' \
        enqueue --command x
    refuses 2 'the current directory has a name that is not UTF-8; give --cwd with a path that starts with "/"' \
        enqueue --command x --cwd deeper
    expect 0 q enqueue --id a --command x --cwd /usr
    cd ../gone
    rmdir ../gone
    refuses 2 'the current directory cannot be told: No such file or directory; give --cwd with a path that starts with "/"' \
        enqueue --command x --cwd deeper
    cd ..
    is "$(q list --format '{id}')" a
}

@test "the job runs where it was enqueued" {
    start_workers 1
    mkdir sub
    (cd sub && q enqueue --id a --wait --command pwd) >/dev/null
    is "$(q logs a)" "$WORK/sub"
}

@test "a job in a directory that is gone fails with words a person understands" {
    start_workers 1
    expect 127 q enqueue --id a --max-retries 0 --cwd "$WORK/nowhere" --wait --command true
    is "$err" "queuectl: a is dead: cannot start: cwd $WORK/nowhere: No such file or directory"
}

# --- times and priorities -----------------------------------------------------------------

@test "--run-at and --delay: scheduled, and the name carries the due time" {
    q enqueue --id at --command x --run-at 2031-05-06T07:08:09.25Z
    [[ $(ls spool/pending) == 20310506T070809.250000Z.p0.a0.at.json ]]
    is "$(field at next_run_at)" 2031-05-06T07:08:09.250000Z
    q enqueue --id later --command x --delay 1h
    due=$(date -d "$(field later next_run_at)" +%s)
    made=$(date -d "$(field later created_at)" +%s)
    is $((due - made)) 3600
    is "$(q list --state scheduled --format '{id}')" $'later\nat'
    is "$(q list --state ready)" "$(q list --state held)"
}

@test "--run-at in the past means now" {
    start_workers 1
    q enqueue --id a --command true --run-at 2001-01-01T00:00:00Z
    wait_until is_state a "done"
}

@test "--run-at: Unix seconds, a zone, local time" {
    q enqueue --id a --command x --run-at 1935000000.5
    is "$(field a next_run_at)" "$(date -u -d @1935000000 +%Y-%m-%dT%H:%M:%S).500000Z"
    q enqueue --id b --command x --run-at 2031-01-01T00:30:00+01:00
    is "$(field b next_run_at)" 2030-12-31T23:30:00.000000Z
    TZ=Asia/Tokyo q enqueue --id c --command x --run-at 2031-01-01T09:00
    is "$(field c next_run_at)" 2031-01-01T00:00:00.000000Z
}

@test "priority words and their numbers" {
    for pair in low:-10 medium:0 normal:0 high:10 100:100 -100:-100; do
        id=$(q enqueue --command x --priority="${pair%:*}")
        is "$(field "$id" priority)" "${pair#*:}"
    done
}

# --- --wait --------------------------------------------------------------------------------

@test "--wait: 0 when it is done, and the id comes first" {
    start_workers 1
    expect 0 q enqueue --id a --wait --command true
    is "$out" a
    is "$err" ""
}

@test "--wait: the last run's code" {
    start_workers 1
    expect 7 q enqueue --id a --wait --max-retries 0 --command 'echo no >&2; exit 7'
    is "$out" a
    is "$err" "queuectl: a is dead: exit 7: no"
}

@test "--wait: the code of the last of several runs" {
    start_workers 1
    expect 2 q enqueue --id a --wait --max-retries 1 --backoff-base 1 \
        --command 'exit $((QUEUECTL_RUN))'
    is "$(field a runs)" 2
}

@test "--wait: 128+N for a signal" {
    start_workers 1
    expect 137 q enqueue --id a --wait --max-retries 0 --command 'kill -KILL $$'
    has "$err" "killed by SIGKILL"
    expect 143 q enqueue --id b --wait --max-retries 0 --command 'kill -TERM $$'
    is "$(field b signal)" 15
}

@test "--wait: 124 when the job timed out" {
    start_workers 1
    expect 124 q enqueue --id a --wait --max-retries 0 --timeout 200ms --command 'sleep infinity'
    is "$err" "queuectl: a is dead: timed out after 200ms"
}

@test "--wait: a job that itself exits with 124 or says 'timed out' keeps its code" {
    start_workers 1
    expect 3 q enqueue --wait --max-retries 0 --command 'echo timed out >&2; exit 3'
    expect 124 q enqueue --wait --max-retries 0 --command 'exit 124'
    expect 130 q enqueue --wait --max-retries 0 --command 'exit 130'
}

@test "--wait: 130 when the job was cancelled" {
    (wait_until is_state a pending && q cancel a >/dev/null) &
    expect 130 q enqueue --id a --wait --command true
    is "$(tail -n 1 <<<"$err")" "queuectl: a is dead: cancelled"
    wait
}

@test "--wait: 130 when it is interrupted, and the job goes on" {
    # By python: a shell in the background ignores SIGINT, and its children too.
    expect 130 python3 - "$QUEUECTL_BIN" <<'PY'
import signal, subprocess, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
p = subprocess.Popen([sys.argv[1], "enqueue", "--id", "a", "--wait", "--command", "x"],
                     stdout=subprocess.PIPE)
p.stdout.readline()  # the id: it is stored
p.send_signal(signal.SIGINT)
sys.exit(p.wait(20))
PY
    is_state a pending
}

@test "--wait --json prints the finished document, and nothing else on stdout" {
    start_workers 1
    expect 4 q enqueue --id a --wait --json --max-retries 0 --command 'exit 4'
    is "$(jq -c '[.id,.state,.exit_code,.attempts]' <<<"$out")" '["a","dead",4,1]'
}

@test "--wait: the job deleted meanwhile" {
    (wait_until is_state a pending && q delete a --yes >/dev/null) &
    expect 1 timeout 5 "$QUEUECTL_BIN" enqueue --id a --wait --command true
    has "$err" "queuectl: no job \"a\" in $WORK/spool (never there, or deleted)"
    wait
}

# --- ids ------------------------------------------------------------------------------------

@test "a duplicate id is refused, and the old job untouched" {
    q enqueue --id a --command old
    before=$(cat spool/pending/*)
    refuses 1 'id "a" is in use; see: queuectl show a' enqueue --id a --command new
    is "$(cat spool/pending/*)" "$before"
}

@test "a duplicate id is refused in every state" {
    start_workers 1
    q config set backoff-base 60 2>/dev/null
    q enqueue --id "done" --wait --command true
    q enqueue --id failed --command false
    q enqueue --id dead --max-retries 0 --command false
    wait_until is_state failed failed
    wait_until is_state dead dead
    q enqueue --id processing --command 'sleep infinity'
    wait_until is_state processing processing
    q enqueue --id pending --command true
    for id in pending processing failed "done" dead; do
        is_state "$id" "$id"
        refuses 1 "id \"$id\" is in use; see: queuectl show $id" enqueue --id "$id" --command new
    done
}

@test "an id whose job was removed by hand is free at once" {
    start_workers 1
    q enqueue --id a --wait --command 'echo one'
    rm spool/done/a.json
    expect 0 q enqueue --id a --wait --command 'echo two'
    is "$(q logs a)" two
    is "$(field a runs)" 1
    is "$(q logs a --run 1)" two
}

@test "of 50 enqueues of one id at once exactly one succeeds" {
    for i in $(seq 50); do
        q enqueue --id one --command "echo $i" >"out.$i" 2>"err.$i" &
    done
    wait
    is "$(cat out.*)" one
    is "$(cat err.* | sort | uniq -c | sed 's/^ *//')" \
        '49 queuectl: id "one" is in use; see: queuectl show one'
    is "$(ls spool/pending | wc -l)" 1
    winner=$(grep -l one out.* | sed 's/out\.//')
    is "$(field one command)" "echo $winner"
}

@test "50 enqueues without an id at once: all succeed, all differ" {
    for i in $(seq 50); do
        q enqueue --command "echo $i" >"out.$i" &
    done
    wait
    is "$(cat out.* | sort -u | wc -l)" 50
    is "$(count_of pending)" 50
}

# --- refusals ----------------------------------------------------------------------------------

@test "enqueue 'echo hi': a hint how to" {
    refuses 1 "not JSON; for a command: queuectl enqueue --command 'echo hi'" enqueue "echo hi"
    refuses 1 "not JSON; for a command: queuectl enqueue --command 'echo it'\\''s'" \
        enqueue "echo it's"
    nothing_is_stored
}

@test "a terminal as stdin: it says what it waits for" {
    for call in - '--batch -' '--lines -- true'; do
        on_terminal 100 "\$Q enqueue $call"
        is "$(grep -c '^queuectl: reading from the terminal; end with Ctrl-D$' <<<"$out")" 1
    done
    echo '{"command":"true"}' >job
    for call in - '--batch -' '--lines -- true'; do
        on_terminal 100 "\$Q enqueue $call <job"
        hasnt "$out" "reading from"
    done
    on_terminal 100 '$Q enqueue @job'
    hasnt "$out" "reading from"
}

@test "the name of a file: a hint how to" {
    mkdir dir
    touch job.json jobs.jsonl jobs.ndjson 'my job.json'
    refuses 1 "not JSON; for a file: queuectl enqueue @job.json" enqueue job.json
    refuses 1 "not JSON; for a file: queuectl enqueue @'my job.json'" enqueue 'my job.json'
    refuses 1 "not JSON; for a file: queuectl enqueue --batch ./jobs.jsonl" enqueue ./jobs.jsonl
    refuses 1 "not JSON; for a file: queuectl enqueue --batch jobs.ndjson" enqueue jobs.ndjson
    refuses 1 "not JSON; for a command: queuectl enqueue --command 'dir'" enqueue dir
    refuses 1 "not JSON; for a command: queuectl enqueue --command 'no.json'" enqueue no.json
    nothing_is_stored
}

@test "bad JSON names the byte" {
    refuses 1 "invalid JSON at byte 15: the text ends here, in the middle of the document" \
        enqueue '{"command":"x"'
    refuses 1 "invalid JSON at byte 17: something follows the document's last '}'" \
        enqueue '{"command":"x"} y'
    nothing_is_stored
}

@test "an empty document, an array, a word" {
    refuses 1 'needs "command" or "argv"' enqueue '{}'
    refuses 1 'needs "command" or "argv" (found "Command": names are case-sensitive)' \
        enqueue '{"Command":"x"}'
    for text in '[1]' '"x"' ' 12 ' null; do
        refuses 1 "a job is a JSON object: queuectl enqueue '{\"command\": \"echo hi\"}'" enqueue "$text"
    done
    for text in '1, "a": 2' '[1' ''; do
        refuses 1 "not JSON; for a command: queuectl enqueue --command '$text'" enqueue "$text"
    done
    expect 1 q enqueue - <<<'[1]'
    has "$err" "stdin: invalid JSON at byte 1: "
    expect 1 q enqueue - </dev/null
    has "$err" "stdin: "
    nothing_is_stored
}

@test "errors in a file name the file" {
    echo '{"id":"a"}' >job.json
    refuses 1 'job.json: needs "command" or "argv"' enqueue @job.json
    expect 1 q enqueue @- <<<'{"id":"a"}'
    is "$err" 'queuectl: stdin: needs "command" or "argv"'
    expect 1 q enqueue --batch - <<<'{"id":"a"}'
    is "$err" 'queuectl: stdin:1: needs "command" or "argv"
queuectl: stdin: 1 bad line, so nothing was enqueued'
    refuses 1 'nofile.json: No such file or directory' enqueue @nofile.json
    refuses 1 "$WORK: Is a directory" enqueue "@$WORK"
}

# A bad value: in a flag 2, in JSON 1, with the same words.
bad_value() { # member json-value message flag flag-value
    local rest='"command":"x",'
    [ "$1" != command ] || rest=
    refuses 1 "$3" enqueue "{$rest\"$1\":$2}"
    [ $# -lt 5 ] || refuses 2 "$3" enqueue --command x "--$4=$5"
}

@test "bad values: the message says what would do; exit 1 in JSON, 2 in a flag" {
    bad_value priority 200 'priority: 200 is no priority; use -100 to 100, "low" (-10), "medium" or "normal" (0), "high" (10)' priority 200
    bad_value priority '"urgent"' 'priority: "urgent" is no priority; use -100 to 100, "low" (-10), "medium" or "normal" (0), "high" (10)' priority urgent
    bad_value max_retries 2.5 'max_retries: 2.5 is no number of retries; use a whole number from 0 to 1000' max-retries 2.5
    bad_value max_retries -1 'max_retries: -1 is no number of retries; use a whole number from 0 to 1000' max-retries -1
    bad_value timeout '"5x"' 'timeout: "5x" is no duration; use 90, "90s", "5m"' timeout 5x
    bad_value timeout -1 'timeout: -1 is no duration; use 90, "90s", "5m"' timeout -1
    bad_value delay '"soon"' 'delay: "soon" is no duration; use 90, "90s", "5m"' delay soon
    bad_value run_at '"tomorrow"' 'run_at: "tomorrow" is no time; use "2026-11-22T03:15:00Z" or seconds since 1970' run-at tomorrow
    bad_value run_at '"2026-02-30T00:00:00Z"' 'run_at: "2026-02-30T00:00:00Z" is no time; use "2026-11-22T03:15:00Z" or seconds since 1970' run-at 2026-02-30T00:00:00Z
    bad_value backoff_base 0 'backoff_base: 0 is no backoff base; use a number from 1 to 1000' backoff-base 0
    bad_value backoff_base 0.5 'backoff_base: 0.5 is no backoff base; use a number from 1 to 1000' backoff-base 0.5
    bad_value on_crash '"maybe"' 'on_crash: "maybe" is no policy; use "dead" or "retry"' on-crash maybe
    bad_value id '"a b"' 'id: "a b" is no id; use 1 to 128 of A-Z a-z 0-9 . _ -, the first a letter or digit, and not like held.p0.a0.x' id 'a b'
    bad_value id '"../x"' 'id: "../x" is no id; use 1 to 128 of A-Z a-z 0-9 . _ -, the first a letter or digit, and not like held.p0.a0.x' id ../x
    bad_value id '".x"' 'id: ".x" is no id; use 1 to 128 of A-Z a-z 0-9 . _ -, the first a letter or digit, and not like held.p0.a0.x' id .x
    bad_value id '""' 'id: "" is no id; use 1 to 128 of A-Z a-z 0-9 . _ -, the first a letter or digit, and not like held.p0.a0.x' id ''
    bad_value id '"held.p1.a0.x"' 'id: "held.p1.a0.x" is no id; use 1 to 128 of A-Z a-z 0-9 . _ -, the first a letter or digit, and not like held.p0.a0.x' id held.p1.a0.x
    bad_value command '""' 'command: "" is no command; use a string that is not empty' command ''
    bad_value command 5 'command: 5 is no command; use a string that is not empty'
    bad_value argv '[]' 'argv: [] is no list of arguments; use ["program", "argument", ...]: strings, the first not empty'
    bad_value argv '["x",1]' 'argv[1]: 1 does not fit; use ["program", "argument", ...]: strings, the first not empty'
    bad_value cwd '"here"' 'cwd: "here" is no absolute path; use one that starts with "/"'
    bad_value env '{"A":1}' 'env "A": 1 does not fit; use {"NAME": "text", ...}: names not empty and without "="'
    bad_value env '["A=1"]' 'env: ["A=1"] is no environment; use {"NAME": "text", ...}: names not empty and without "="'
    bad_value detach '"yes"' 'detach: "yes" is no truth value; use true or false'
    nothing_is_stored
}

@test "an id of 128 characters is good, one more is not" {
    long=$(printf 'a%.0s' $(seq 128))
    expect 0 q enqueue --id "$long" --command x
    is_state "$long" pending
    expect 2 q enqueue --id "a$long" --command x
    has "$err" "is no id"
}

@test "members that exclude each other" {
    refuses 1 '"command" and "argv" exclude each other; use one' enqueue '{"command":"x","argv":["y"]}'
    refuses 1 '"run_at" and "delay" exclude each other; use one' \
        enqueue '{"command":"x","run_at":5,"delay":5}'
    refuses 2 '--run-at and --delay exclude each other' enqueue --command x --run-at 5 --delay 5
    refuses 2 '--command and a program behind -- exclude each other' enqueue --command x -- y
}

@test "words that are off: exit 2" {
    refuses 2 "nothing to enqueue; for a command: queuectl enqueue --command 'echo hi'" enqueue
    refuses 2 "no program behind --" enqueue --
    refuses 2 "no program behind --" enqueue '{"command":"x"}' --
    refuses 2 "too many arguments; for a program: queuectl enqueue -- PROGRAM ARG..." enqueue echo hi
    refuses 2 "--env FOO: use NAME=VALUE" enqueue --command x --env FOO
    refuses 2 "--env =x: use NAME=VALUE" enqueue --command x --env =x
    refuses 2 "no option --priorty; did you mean --priority?" enqueue --command x --priorty 5
    refuses 2 "--priority needs a value: --priority N" enqueue --command x --priority
    refuses 2 "--dry-run and --wait exclude each other" enqueue --command x --dry-run --wait
    refuses 2 "--skip-bad is for --batch and --lines" enqueue --command x --skip-bad
    refuses 2 "--batch reads its jobs from a file; nothing else can be given" enqueue --batch x '{}'
    refuses 2 "--id: the jobs of a batch each have their own" enqueue --batch x --id y
    nothing_is_stored
}

@test "text that is not UTF-8 cannot stand in a job" {
    refuses 2 "--command: the value is not UTF-8, so it cannot stand in a job" \
        enqueue --command $'a\xff'
    expect 2 q enqueue -- prog $'a\xff'
    has "$err" "not UTF-8"
    expect 1 q enqueue $'{"command":"a\xff"}'
    has "$err" "not UTF-8"
    nothing_is_stored
}

@test "1 MiB is the bound, from every source" {
    python3 - <<'PY'
head, tail = '{"id":"full","command":"true","x":"', '"}'
text = head + "x" * (2**20 - len(head) - len(tail)) + tail
open("full", "w").write(text)
open("over", "w").write(text.replace("full", "over") + " ")
PY
    is "$(stat -c %s full over | paste -sd' ')" "1048576 1048577"
    expect 0 q enqueue @full
    refuses 1 "over: over 1 MiB" enqueue @over
    expect 1 q enqueue - <over
    is "$err" "queuectl: stdin: over 1 MiB"
    expect 1 q enqueue --batch over
    has "$err" "over:1: over 1 MiB"
    is "$(count_of pending)" 1
    start_workers 1
    expect 0 q wait full
    is "$(field full x | wc -c)" "$((1048576 - 37 + 1))"
}

# --- batches --------------------------------------------------------------------------------------

@test "--batch: one document a line, ids printed in order" {
    printf '%s\n' '{"id":"a","command":"1"}' '' '  ' '{"command":"2"}' '{"id":"c","command":"3"}' >jobs
    expect 0 q enqueue --batch jobs
    is "$(wc -l <<<"$out")" 3
    is "$(sed -n '1p;3p' <<<"$out" | paste -sd,)" a,c
    is "$(pending_ids)" "$out"
}

@test "--batch -: stdin, and a last line without an end, and CRLF" {
    expect 0 q enqueue --batch - < <(printf '{"id":"a","command":"1"}\r\n{"id":"b","command":"2"}')
    is "$out" $'a\nb'
    is "$(field a command)" 1
}

@test "--batch: an empty file is no error" {
    : >jobs
    expect 0 q enqueue --batch jobs
    is "$out" ""
    expect 0 q enqueue --batch jobs --json
    is "$(jq -c . <<<"$out")" "[]"
}

@test "--batch with flags: they hold for each" {
    printf '%s\n' '{"id":"a","command":"1","priority":1}' '{"id":"b"}' >jobs
    expect 0 q enqueue --batch jobs --priority 5 --command x
    is "$(field a priority) $(field a command) $(field b priority) $(field b command)" "5 x 5 x"
}

@test "--batch: a bad line is named by its number, and nothing is enqueued" {
    printf '%s\n' '{"id":"a","command":"1"}' '' '{"id":"b"}' 'nonsense' '{"id":"c","command":"1"}' >jobs
    expect 1 q enqueue --batch jobs
    is "$out" ""
    is "$err" 'queuectl: jobs:3: needs "command" or "argv"
queuectl: jobs:4: invalid JSON at byte 1: expected '\''{'\''
queuectl: jobs: 2 bad lines, so nothing was enqueued'
    nothing_is_stored
}

@test "--batch: an id in use is named, and nothing is enqueued" {
    q enqueue --id b --command old
    printf '%s\n' '{"id":"a","command":"1"}' '{"id":"b","command":"1"}' >jobs
    expect 1 q enqueue --batch jobs
    is "$out" ""
    has "$err" 'queuectl: jobs:2: id "b" is in use'
    is "$(pending_ids)" b
    is "$(field b command)" old
    is "$(ls spool/ids)" b
}

@test "--batch: twins inside it are named, and nothing is enqueued" {
    printf '%s\n' '{"id":"a","command":"1"}' '{"id":"b","command":"1"}' '{"id":"a","command":"2"}' >jobs
    expect 1 q enqueue --batch jobs
    is "$out" ""
    has "$err" 'queuectl: jobs:3: id "a" '
    nothing_is_stored
}

@test "--batch --skip-bad: the good ones are enqueued, exit 1" {
    q enqueue --id used --command old
    printf '%s\n' '{"id":"a","command":"1"}' '{"id":"b"}' '{"id":"used","command":"1"}' \
        '{"id":"a","command":"2"}' '{"id":"c","command":"3"}' >jobs
    expect 1 q enqueue --batch jobs --skip-bad
    is "$out" $'a\nc'
    is "$(grep -c . <<<"$err")" 3
    has "$err" 'jobs:2: needs "command" or "argv"'
    has "$err" 'jobs:3: id "used" is in use'
    has "$err" 'jobs:4: id "a" is in use'
    is "$(pending_ids)" $'used\na\nc'
    is "$(field a command)" 1
    is "$(field used command)" old
}

@test "--batch --skip-bad with nothing bad: exit 0" {
    printf '%s\n' '{"id":"a","command":"1"}' >jobs
    expect 0 q enqueue --batch jobs --skip-bad
    is "$out" a
}

@test "--batch --dry-run: an array of what would be stored, and every error" {
    printf '%s\n' '{"id":"a","command":"1"}' '{"id":"b","command":"2"}' >jobs
    expect 0 q enqueue --batch jobs --dry-run --json
    is "$(jq -c 'map(.id)' <<<"$out")" '["a","b"]'
    expect 0 q enqueue --batch jobs --dry-run
    is "$(jq -sc 'map(.id)' <<<"$out")" '["a","b"]'
    nothing_is_stored
    q enqueue --id b --command old
    expect 1 q enqueue --batch jobs --dry-run
    has "$err" 'jobs:2: id "b" is in use'
}

@test "--batch --json: one array of documents" {
    printf '%s\n' '{"id":"a","command":"1"}' '{"id":"b","command":"2"}' >jobs
    expect 0 q enqueue --batch jobs --json
    is "$(jq -c 'map(.id)' <<<"$out")" '["a","b"]'
    is "$(jq -c '.[0]' <<<"$out")" "$(jq -c . spool/pending/*a.json)"
}

@test "--batch --wait: 0 when all are done, 1 when one is dead" {
    start_workers 2
    printf '%s\n' '{"command":"true"}' '{"command":"true"}' >jobs
    expect 0 q enqueue --batch jobs --wait
    is "$(count_of "done")" 2
    printf '%s\n' '{"command":"true"}' '{"id":"bad","command":"exit 9","max_retries":0}' >jobs
    expect 1 q enqueue --batch jobs --wait
    has "$err" "bad is dead: exit 9"
}

@test "--batch: of two with the same ids, one while the other waits for the disk, one succeeds" {
    seq 4 | sed 's/.*/{"id":"j&","command":"true"}/' >jobs
    # The ids are reserved by then, and the jobs not yet there.
    ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0 strace -o /dev/null \
        -e inject=syncfs:delay_enter=1000000 "$QUEUECTL_BIN" enqueue --batch jobs >first &
    wait_until test -e spool/ids/j4
    expect 1 q enqueue --batch jobs
    has "$err" "in use"
    wait $!
    [ "$(wc -l <first)" = 4 ]
    [ "$(count_of pending)" = 4 ]
    q fsck
}

@test "--batch: a missing file" {
    refuses 1 "nofile: No such file or directory" enqueue --batch nofile
}

@test "a batch of one priority runs first in, first out" {
    seq 200 | sed 's/.*/{"id":"j&","argv":["sh","-c","echo & >>order"]}/' >jobs
    q enqueue --batch jobs >/dev/null
    is "$(ls spool/pending | sed 's/.*\.j\([0-9]*\)\.json/\1/')" "$(seq 200)"
    start_workers 1
    wait_until is_count "done" 200
    is "$(cat order)" "$(seq 200)"
}

# Several rounds: whether they meet is chance.
@test "four batches with the same ids at once: one succeeds whole, the others not at all" {
    seq 100 | sed 's/.*/{"id":"j&","command":"true"}/' >jobs
    for round in $(seq 12); do
        for i in 1 2 3 4; do
            { q enqueue --batch jobs >"out.$i" 2>"err.$i" && echo 0 || echo $?; } >"code.$i" &
        done
        wait
        is "$(sort code.* | paste -sd' ')" "0 1 1 1"
        is "$(cat out.* | wc -l)" 100
        is "$(ls spool/pending | wc -l)" 100
        q clear --yes >/dev/null
    done
}

# --- on a terminal ------------------------------------------------------------------------------------

@test "on a terminal enqueue says that nothing will run it; in a script it does not" {
    expect 0 q enqueue --command x
    is "$err" ""
    script -qec "$QUEUECTL_BIN enqueue --command x" /dev/null </dev/null >said
    grep -F "queuectl: no workers on ./spool; start some: queuectl worker start" said
    q pause >/dev/null
    script -qec "$QUEUECTL_BIN enqueue --command x" /dev/null </dev/null >said
    grep -E "queuectl: paused since [0-9:]+" said
}
