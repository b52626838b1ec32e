# odd.bats: folders, pipes, links and sockets just where the queue has files of
# its own. Each is said by its path, and in nobody else's way.

load helper
load processes

setup() { setup_spool; }
teardown() { teardown_spool; }

make_odd() { # KIND PATH
    case $1 in
    folder) mkdir "$2" && echo full >"$2/file" ;;
    pipe) mkfifo "$2" ;;
    link) echo outside >"$WORK/outside" && ln -s "$WORK/outside" "$2" ;;
    dangling) ln -s "$WORK/nothing" "$2" ;;
    esac
}

put_aside() {
    mv "$1" spool/pending/
    run q worker run --drain
    [ -e "spool/quarantine/$1" ]
}

today() { echo "spool/journal/$(date -u +%F).jsonl"; }

@test "a journal that cannot be written costs its lines, and one word in the log" {
    for kind in folder pipe link dangling; do
        rm -rf spool/journal/* outside spool/worker.log
        make_odd $kind "$(today)"
        q enqueue --id "$kind-1" --command true >/dev/null
        start_workers 2
        q enqueue --id "$kind-2" --command true --wait
        expect 0 timeout 5 "$QUEUECTL_BIN" pause
        expect 0 timeout 5 "$QUEUECTL_BIN" resume
        expect 0 timeout 5 "$QUEUECTL_BIN" delete --yes "$kind-1"
        expect 0 timeout 5 "$QUEUECTL_BIN" worker stop
        is "$(grep -c 'no event is recorded' spool/worker.log)" 1
        has "$(<spool/worker.log)" "open journal/$(date -u +%F).jsonl: it is a"
        [ ! -e nothing ]
        [ ! -e outside ] || is "$(<outside)" outside
    done
}

@test "a folder with the name of a log, or of a result, makes room and is named" {
    make_odd folder spool/logs/x.r1.out
    make_odd folder spool/logs/x.r1.err
    q enqueue --id x --command 'mkdir -p spool/done/x.json/full; echo out; echo err >&2' >/dev/null
    q worker run --drain 2>log
    is_state x "done"
    is "$(q logs x --run 1 2>/dev/null)" out
    is "$(ls spool/quarantine)" 'x.json
x.r1.err
x.r1.out'
    has "$(<log)" 'x: something had the name of its result or log; it lies in quarantine/x.r1.out, quarantine/x.r1.err, quarantine/x.json'
    is "$(grep -c '"event":"namesake","id":"x"' "$(today)")" 3
    is "$(q dlq list --json | jq length)" 0
}

@test "what was put aside is deleted whole, and nothing else" {
    mkdir -p outside/tree && echo keep >outside/tree/leaf
    (
        mkdir x.json && cd x.json || exit
        ln -s ../outside/tree tree && ln -s "$WORK/outside/tree" absolute && mkfifo pipe
        mkdir -p many/{a..z}/{a..z} a/tree closed && echo f | tee many/{a..z}/{a..z}/f >/dev/null
        ln -s "$WORK/outside/tree" a/tree/again
        chmod 500 closed
    )
    # Deeper than a path can be, and than there are descriptors.
    python3 -c 'import os
os.chdir("x.json")
for i in range(3000):
    os.mkdir("d" * 50)
    os.chdir("d" * 50)
    open("leaf", "w").close()'
    put_aside x.json
    (ulimit -n 24 && exec "$QUEUECTL_BIN" dlq purge --yes)
    is "$(ls -A spool/quarantine spool/dead | xargs)" 'spool/dead: spool/quarantine:'
    is "$(<outside/tree/leaf)" keep
}

@test "a folder that has a job's place is listed, deleted and cleared" {
    mkdir -p spool/done/x.json/a/b spool/dead/y.json spool/pending/held.p0.a0.z.json/full
    has "$(q list)" '(unreadable: it is a folder, and a job is a regular file)'
    q delete --yes x z
    [ ! -e spool/done/x.json ] && [ ! -e spool/pending/held.p0.a0.z.json ]
    is "$(q clear --yes 2>&1)" 'removed 1 job'
    is "$(ls -A spool/dead)" ""
}

@test "a folder that cannot be removed is said, with its path and the command" {
    mkdir -p outside x.json/m/n && echo keep >outside/leaf
    put_aside x.json
    report=$(basename spool/dead/*.json .json)
    unshare -m sh -c "mount --bind outside spool/quarantine/x.json/m/n" 2>/dev/null ||
        skip "needs the right to mount"
    # shellcheck disable=SC2016
    expect 1 unshare -m sh -c 'mount --bind outside spool/quarantine/x.json/m/n &&
        "$0" delete --yes "$1"' "$QUEUECTL_BIN" "$report"
    has "$err" 'remove quarantine/x.json/'
    has "$err" "a file system is mounted there; by hand: rm -r $WORK/spool/quarantine/x.json"
    is "$(<outside/leaf)" keep
    is_state "$report" dead
    q delete --yes "$report"
    [ ! -e spool/quarantine/x.json ]
}

@test "a run whose worker's file is nobody's file is lost and run again" {
    n=0
    for kind in folder pipe link dangling; do
        rm -rf outside
        token=00000000-1-1-0000000$((n += 1))
        make_odd $kind spool/workers/$token.worker
        echo '{"id":"'$kind'","command":"true"}' \
            >spool/processing/20200101T000000.000000Z.p0.a1.w$token.$kind.json
    done
    q worker run --drain 2>/dev/null
    is "$(cd spool/done && ls | xargs)" 'dangling.json folder.json link.json pipe.json'
}

@test "what is in the way is named" {
    for kind in folder pipe link dangling; do
        rm -rf spool/ids/x spool/pending/* spool/control/stop* spool/worker.log outside
        make_odd $kind spool/ids/x
        expect 1 q enqueue --id x --command true
        has "$err" 'lock ids/x: it is a'
        has "$err" 'and no regular file; move it away'
        expect 1 q enqueue --id x --unique --command true
        has "$err" 'lock ids/x: it is a'
        make_odd $kind spool/worker.log
        expect 1 timeout 5 "$QUEUECTL_BIN" worker start
        has "$err" 'open worker.log: it is a'
    done
    make_odd folder spool/control/pause
    refuses 1 'remove control/pause: it is a folder, and no regular file; move it away' resume
}

@test "a report holds nothing that a terminal obeys or hides, nor has its file" {
    hidden=$'\xe2\x80\xae \xc2\x9b31m \xe2\x80\xa8 \xef\xbb\xbf \xe2\x81\xa6 \e[31m'
    printf '{"command":"true","priority":"%s","mine":1}' "${hidden%% *}" >$'spool/pending/a\xe2\x80\xaeb.json'
    printf '{"x%sy":1,"x%sy":2}' $'\xe2\x80\xa8' $'\xe2\x80\xa8' >$'spool/pending/c\xc2\x9b\xe2\x80\xa8d\xef\xbb\xbf.json'
    printf 'x' >$'spool/pending/e\xff\e\xd8\x9cf.json'
    run q worker run --drain
    is "$(ls spool/quarantine)" 'a_b.json
c__d_.json
e___f.json'
    [ "$(ls spool/dead | wc -l)" -eq 3 ]
    hides() { LC_ALL=C grep -rlP '\xe2\x80[\x8e\x8f\xa8-\xae]|\xe2\x81[\xa6-\xa9]|\xef\xbb\xbf|\xd8\x9c|\xc2[\x80-\x9f]|[\x00-\x09\x0b-\x1f\x7f]' "$@"; }
    printf 'a\342\200\256b' >probe && hides probe
    run hides spool/dead spool/journal
    is "$output" ""
    # Neither does what a program reads there.
    for report in spool/dead/*.json; do
        jq -r 'to_entries[].value' "$report" >read
        run hides read
        is "$output" ""
    done
    has "$(cat spool/dead/*)" 'priority: \"\\u{202E}\" is no priority'
    has "$(cat spool/dead/*)" '"dropped_as": "pending/c__d_.json"'
}

@test "last_error, a command given by a flag, and a cwd are printable too" {
    q enqueue --id a --max-retries 0 --command 'printf "\342\200\256x\302\233\033[2J\n" >&2; exit 1' >/dev/null
    q enqueue --id b --max-retries 0 --cwd $'/\xe2\x80\xae\e[2J' --command $'echo \xe2\x80\xae' >/dev/null
    run q worker run --drain
    is "$(field a last_error)" 'exit 1: \u{202E}x\u{9B}\e[2J'
    is "$(field b last_error)" 'cannot start: cwd /\u{202E}\e[2J: No such file or directory'
    run grep -l $'\xe2\x80\xae' spool/dead/a.json spool/dead/b.json
    is "$output" ""
    is "$(field b command)" $'echo \xe2\x80\xae'
}
