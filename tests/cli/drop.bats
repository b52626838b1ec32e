#!/usr/bin/env bats
# A JSON file that any program puts into pending/ runs like any other; what is no
# job is kept in quarantine/, with a report in dead/.

load helper

setup() {
    setup_spool
    start_workers 2
}
teardown() { teardown_spool; }

job() { printf '{"id":"%s","command":"echo ran %s","mine":"é\\/"}' "$1" "$1"; }
ran() { is "$(q logs "$1")" "ran $1"; }
only_report() { q list --state dead --format '{id}'; }
reports() { q list --state dead --json | jq -r '.[] | select(.quarantined) | .id'; }
is_reported() { [ "$(reports | wc -l)" = "$1" ]; }

# Dropped as NAME, it becomes no job for this REASON; kept byte for byte.
rejected() { # name reason
    wait_until is_reported 1
    is "$(q list --state dead --json | jq -r '.[] | select(.quarantined) | .last_error')" "$2"
    is "$(ls -A spool/quarantine)" "$1"
    is "$(find spool/pending spool/processing spool/failed spool/done -type f)" ""
}

# --- ways to drop a file ------------------------------------------------------------------

@test "mv" {
    job a >new.json
    mv new.json spool/pending/a.json
    wait_until is_state a "done"
    ran a
    is "$(ls spool/pending spool/quarantine spool/tmp | grep json)" ""
    is "$(jq -r .mine spool/done/a.json)" 'é/'
    grep -F '"mine":"é\/"' spool/done/a.json || grep -F '"mine": "é\/"' spool/done/a.json
}

@test "mv over a name that is there still" {
    q pause >/dev/null
    job a >one
    job b >two
    mv one spool/pending/x.json
    mv two spool/pending/x.json
    q resume >/dev/null
    wait_until is_state b "done"
}

@test "ln, then rm of the first name: taken in once it has one name" {
    job a >new.json
    ln new.json spool/pending/a.json
    rm new.json
    wait_until is_state a "done"
    ran a
}

@test "cp" {
    job a >new.json
    cp new.json spool/pending/a.json
    wait_until is_state a "done"
    is "$(cat new.json)" "$(job a)"
}

@test "cp of many at once: each runs once" {
    mkdir many
    for i in $(seq 100); do job "m$i" >"many/m$i.json"; done
    cp many/*.json spool/pending/
    wait_until is_count "done" 100
    is "$(q list --format '{runs}' | sort | uniq -c | tr -s ' ')" " 100 1"
    is "$(ls -A spool/quarantine spool/pending | grep json)" ""
}

@test "> redirect" {
    job a >spool/pending/a.json
    wait_until is_state a "done"
}

@test "a slow writer that holds the file open and writes in pieces" {
    text=$(job a)
    exec 8>spool/pending/slow.json
    for ((i = 0; i < ${#text}; i += 20)); do
        printf '%s' "${text:i:20}" >&8
        read -r -t 0.1 <> <(:) || true
    done
    # Complete, but still open for writing: not taken.
    q enqueue --wait --id other --command true
    [ -e spool/pending/slow.json ]
    is "$(state a)" ""
    exec 8>&-
    wait_until is_state a "done"
    ran a
}

@test "a writer that writes and closes, and comes back for the rest" {
    text=$(job a)
    printf '%s' "${text:0:20}" >spool/pending/a.json
    q enqueue --wait --id other --command true
    [ -e spool/pending/a.json ]
    printf '%s' "${text:20}" >>spool/pending/a.json
    wait_until is_state a "done"
    ran a
}

@test "an empty file that is filled later" {
    : >spool/pending/a.json
    q enqueue --wait --id other --command true
    job a >>spool/pending/a.json
    wait_until is_state a "done"
}

@test "python: open and write; O_TMPFILE and linkat; a temporary beside and rename" {
    python3 - spool/pending <<'PY'
import json, os, sys
d = sys.argv[1]
job = lambda i: json.dumps({"id": i, "command": "echo ran " + i})
with open(d + "/p1.json", "w") as f:
    f.write(job("p1"))
fd = os.open(d, os.O_TMPFILE | os.O_WRONLY, 0o600)
os.write(fd, job("p2").encode())
os.link("/proc/self/fd/%d" % fd, d + "/p2.json", src_dir_fd=0, follow_symlinks=True)
os.close(fd)
with open(d + "/p3.json.tmp", "w") as f:
    f.write(job("p3"))
os.rename(d + "/p3.json.tmp", d + "/p3.json")
with open(d + "/.p4.json", "w") as f:
    f.write(job("p4"))
os.rename(d + "/.p4.json", d + "/p4.json")
PY
    for id in p1 p2 p3 p4; do
        wait_until is_state $id "done"
        ran $id
    done
}

@test "dropped while no worker runs" {
    q worker stop >/dev/null
    job a >spool/pending/a.json
    is "$(count_of pending)" 1
    start_workers 1
    wait_until is_state a "done"
}

@test "dropped files run first dropped, first run" {
    q worker stop >/dev/null
    for i in $(seq 20); do
        # Written in one tick of the clock they would be of one age.
        printf '{"argv":["sh","-c","echo %s >>order"],"cwd":"%s"}' "$i" "$WORK" >"spool/pending/$((100 - i)).json"
        touch -d "2020-01-01 00:00:$i" "spool/pending/$((100 - i)).json"
    done
    start_workers 1
    wait_until is_count "done" 20
    is "$(cat order)" "$(seq 20)"
}

# --- ids and names --------------------------------------------------------------------------

@test "without an id: the file's stem and a suffix" {
    echo '{"command":"true"}' >spool/pending/report.json
    wait_until is_count "done" 1
    [[ $(ls spool/done) =~ ^report-[A-Za-z0-9-]+\.json$ ]]
    id=$(q list --format '{id}')
    is "spool/done/$id.json" "$(echo spool/done/*)"
    is "$(jq -r .id spool/done/*)" "$id"
}

@test "with an id: the document's, whatever the file is called" {
    job a >spool/pending/something-else.json
    wait_until is_state a "done"
}

@test "the same stem many times: each gets an id of its own" {
    for i in 1 2 3; do
        echo '{"command":"true"}' >new
        mv new spool/pending/report.json
        wait_until is_count "done" $i
    done
    is "$(ls spool/done | wc -l)" 3
}

@test "odd names: blanks, UTF-8, bytes that are none, quotes, a dash in front" {
    n=0
    for name in 'a b' 'ümläut' $'bad\xff' "it's" -dash $'tab\tnew\nline' '$(touch x)' 'a.b.c' '...' '日本'; do
        n=$((n + 1))
        # Names with a dot in front are hidden: not ours.
        [ "$name" != ... ] || continue
        echo '{"command":"true"}' >new
        mv -- new "spool/pending/$name.json"
    done
    wait_until is_count "done" $((n - 1))
    is "$(ls -A spool/pending spool/quarantine | grep json)" ""
    for id in $(q list --format '{id}'); do
        [[ $id =~ ^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$ ]]
    done
    [ ! -e x ]
}

@test "a name of 200 bytes is good, a longer one goes to quarantine" {
    long=$(printf 'n%.0s' $(seq 195))
    echo '{"id":"a","command":"true"}' >new
    mv new "spool/pending/$long.json"
    wait_until is_state a "done"
    rm spool/done/a.json
    echo '{"id":"b","command":"true"}' >new
    mv new "spool/pending/n$long.json"
    rejected "n$long.json" "its name is longer than 200 bytes"
}

@test "a file with a canonical name is taken as one: a copy of an old job's file" {
    q pause >/dev/null
    q enqueue --id a --command 'echo ran a' --priority 5
    name=$(ls spool/pending)
    cp "spool/pending/$name" keep
    q delete a --yes >/dev/null
    cp keep "spool/pending/$name"
    q resume >/dev/null
    wait_until is_state a "done"
    ran a
}

@test "a canonical name with rubbish inside is put aside, and nothing runs" {
    echo rubbish >new
    mv new spool/pending/20200101T000000.000000Z.p100.a0.x.json
    wait_until is_reported 1
    is "$(cat spool/quarantine/*)" rubbish
    is "$(count_of pending)" 0
}

@test "a canonical name that disagrees with its document does not run under a wrong id" {
    echo '{"id":"real","command":"echo ran real"}' >new
    mv new spool/pending/20200101T000000.000000Z.p0.a0.fake.json
    settled() { [ "$(count_of pending)" = 0 ] && [ "$(count_of processing)" = 0 ]; }
    wait_until settled
    is "$(state fake)" ""
    if [ -e spool/done/real.json ]; then ran real; else is "$(ls spool/quarantine | wc -l)" 1; fi
}

@test "a held name dropped by hand waits for release" {
    echo '{"id":"a","command":"true"}' >new
    mv new spool/pending/held.p0.a0.a.json
    q enqueue --wait --id other --command true
    is_state a pending
    is "$(q list --state held --format '{id}')" a
    q release a >/dev/null
    wait_until is_state a "done"
}

@test "hidden files, and names that do not end in .json, are left alone" {
    job h >spool/pending/.hidden.json
    job t >spool/pending/a.json.tmp
    job u >spool/pending/a.JSON
    job v >spool/pending/json
    q enqueue --wait --id other --command true
    is "$(ls -A spool/pending | sort | paste -sd' ')" ".hidden.json a.JSON a.json.tmp json"
    is "$(count_of pending)" 0
    mv spool/pending/.hidden.json spool/pending/h.json
    wait_until is_state h "done"
}

@test "a scheduled job dropped by hand waits for its time" {
    echo '{"id":"a","command":"true","run_at":"2031-01-01T00:00:00Z"}' >spool/pending/a.json
    wait_until is_state a pending
    is "$(ls spool/pending)" 20310101T000000.000000Z.p0.a0.a.json
}

@test "defaults are written in as by enqueue" {
    echo '{"id":"a","command":"true"}' >spool/pending/a.json
    wait_until is_state a "done"
    is "$(jq -c '[.priority,.max_retries,(.created_at|type)]' spool/done/a.json)" '[0,3,"string"]'
}

# --- what is no job -----------------------------------------------------------------------------

@test "not JSON: quarantine, untouched, and a report that says why" {
    printf 'echo hi \xff\n' >new
    cp new keep
    mv new spool/pending/script.json
    wait_until is_reported 1
    cmp keep spool/quarantine/script.json
    id=$(reports)
    has "$(q dlq list)" "invalid JSON at byte 1"
    has "$(q show "$id")" "quarantine"
    is "$(field "$id" quarantined)" script.json
    is "$(field "$id" state)" dead
    has "$(cat spool/worker.log)" "pending/script.json: invalid JSON at byte 1"
    expect 0 q fsck
}

@test "JSON, but no job" {
    echo '{"id":"a","comand":"true"}' >spool/pending/a.json
    rejected a.json 'needs "command" or "argv" (found "comand"; did you mean "command"?)'
}

@test "a bad member" {
    echo '{"id":"a","command":"true","timeout":"soon"}' >spool/pending/a.json
    rejected a.json 'timeout: "soon" is no duration; use 90, "90s", "5m"'
}

@test "what stays incomplete, or keeps a second name, is put aside after a while" {
    printf '{"command":"tr' >spool/pending/cut.json
    job a >new.json
    ln new.json spool/pending/a.json
    wait_until is_reported 2
    is "$(q list --state dead --json | jq -r '.[].last_error' | sort)" \
        'invalid JSON at byte 15: the text ends here, in the middle of the document
it has a second name (hard link)'
    is "$(cat spool/quarantine/cut.json)" '{"command":"tr'
    is "$(cat new.json)" "$(job a)"
    is "$(cat spool/quarantine/a.json)" "$(job a)"
}

@test "a duplicate id: quarantine, and the old job untouched" {
    q enqueue --wait --id a --command 'echo ran a'
    before=$(cat spool/done/a.json)
    echo '{"id":"a","command":"echo other"}' >spool/pending/b.json
    wait_until is_reported 1
    is "$(q show "$(reports)" --json | jq -r .last_error)" 'id "a" is in use'
    is "$(cat spool/done/a.json)" "$before"
    is "$(cat spool/quarantine/b.json)" '{"id":"a","command":"echo other"}'
}

@test "a symbolic link, a named pipe, a folder, an empty folder's child: none stops the queue" {
    job a >target
    ln -s "$WORK/target" spool/pending/link.json
    ln -s /nowhere spool/pending/dangling.json
    mkfifo spool/pending/pipe.json
    mkdir folder
    : >folder/child
    mv folder spool/pending/folder.json
    wait_until is_reported 4
    is "$(ls -A spool/pending)" ""
    is "$(ls spool/quarantine | sort | paste -sd' ')" "dangling.json folder.json link.json pipe.json"
    is "$(cat target)" "$(job a)"
    is "$(q dlq list --json | jq -r '.[].last_error' | sort)" \
        'it is a folder, and a job is a regular file
it is a named pipe, and a job is a regular file
it is a symbolic link, and a job is a regular file
it is a symbolic link, and a job is a regular file'
    expect 0 q enqueue --wait --command true
}

@test "too large a file" {
    { printf '{"id":"a","command":"true","x":"'; head -c 1100000 /dev/zero | tr '\0' x; printf '"}'; } >new
    mv new spool/pending/a.json
    wait_until is_reported 1
    has "$(q dlq list --json | jq -r '.[0].last_error')" "a job has at most 1048576"
}

@test "a file of another user" {
    [ "$(id -u)" = 0 ] || skip "needs root to give it away"
    job a >new
    chown 65534 new
    mv new spool/pending/a.json
    rejected a.json "it belongs to user $(id -nu 65534), whose jobs this spool does not run"
}

@test "a thousand files of rubbish do not keep a job waiting" {
    mkdir rubbish
    for i in $(seq 1000); do echo "no $i" >"rubbish/r$i.json"; done
    cp rubbish/*.json spool/pending/
    expect 0 timeout 10 "$QUEUECTL_BIN" enqueue --wait --command true
    wait_until is_reported 1000
    is "$(ls spool/quarantine | wc -l)" 1000
    expect 0 q clear --yes
    is "$(ls spool/quarantine spool/dead | grep -c json)" 0
}

# --- the report ------------------------------------------------------------------------------------

@test "a report says where the file was, what is wrong, and what to do" {
    echo '{"id":"a","comand":"echo ran a"}' >new.json
    inode=$(stat -c %i new.json)
    mv new.json spool/pending/a.json
    wait_until is_reported 1
    # Who dropped it can look for it by name and inode.
    report=rejected-a.json-$(printf %x "$inode")
    is "$(reports)" "$report"
    is "$(field "$report" dropped_as)" pending/a.json
    is "$(field "$report" advice)" "mend quarantine/a.json; then: queuectl dlq retry $report"
    has "$(q show "$report")" "mend quarantine/a.json"
    q enqueue --id b --command true >/dev/null
    echo '{"id":"b","command":"true"}' >spool/pending/again.json
    wait_until is_reported 2
    report=$(reports | grep again)
    is "$(field "$report" advice)" "give it an id of its own in quarantine/again.json; then: queuectl dlq retry $report"
}

@test "dlq retry of a report puts the mended file back" {
    echo '{"id":"a","comand":"echo ran a"}' >spool/pending/a.json
    wait_until is_reported 1
    report=$(reports)
    sed -i 's/comand/command/' spool/quarantine/a.json
    expect 0 q dlq retry "$report"
    is "$out" "retried $report"
    wait_until is_state a "done"
    ran a
    is "$(ls spool/quarantine spool/dead | grep -c json)" 0
    expect 1 q show "$report"
}

# Several rounds: the pool may be faster with the file than retry with the report.
@test "retry does the same; one that is not mended comes back, with a report" {
    echo 'nonsense' >spool/pending/a.json
    back() { [ -e spool/quarantine/a.json ] && is_reported 1; }
    wait_until back
    for round in $(seq 20); do
        expect 0 q retry "$(reports)"
        WAIT_SEC=20 wait_until back
    done
    is "$(cat spool/quarantine/a.json)" nonsense
    q worker stop >/dev/null
    expect 0 q fsck
}

@test "by hand: mv from quarantine/ to pending/" {
    echo '{"id":"a","comand":"echo ran a"}' >spool/pending/a.json
    wait_until is_reported 1
    sed -i 's/comand/command/' spool/quarantine/a.json
    mv spool/quarantine/a.json spool/pending/
    wait_until is_state a "done"
    # The report speaks of a file that is there no more.
    expect 1 q dlq retry "$(reports)"
    is "$err" "queuectl: the file this report is about is no longer in quarantine/; remove the report: queuectl delete $(reports)"
    expect 0 q delete "$(reports)" --yes
    is "$(only_report)" ""
}

@test "dlq purge removes the report and the file, whatever it was" {
    echo x >spool/pending/a.json
    mkfifo spool/pending/b.json
    mkdir spool/pending/c.json
    ln -s /nowhere spool/pending/d.json
    wait_until is_reported 4
    expect 0 q dlq purge --yes
    is "$out" "purged 4 jobs"
    is "$(ls -A spool/quarantine spool/dead spool/ids)" "$(ls -A spool/quarantine spool/dead spool/ids | grep -v json)"
    expect 0 q fsck
}

@test "delete removes both too" {
    echo x >spool/pending/a.json
    wait_until is_reported 1
    expect 0 q delete "$(reports)" --yes
    is "$(ls -A spool/quarantine)" ""
    is "$(only_report)" ""
}

@test "two rejected files of one name: both are kept" {
    echo one >new
    mv new spool/pending/a.json
    wait_until is_reported 1
    echo two >new
    mv new spool/pending/a.json
    wait_until is_reported 2
    is "$(sort spool/quarantine/*)" $'one\ntwo'
    q dlq purge --yes
    is "$(ls -A spool/quarantine)" ""
}

@test "a name with control characters is shown escaped" {
    echo x >new
    mv new $'spool/pending/e\033[31mvil\n.json'
    wait_until is_reported 1
    for cmd in "dlq list" list "show $(reports)"; do
        # shellcheck disable=SC2086
        expect 0 q $cmd
        hasnt "$out" $'\033'
    done
    run grep -c $'\033' spool/worker.log
    is "$output" 0
}

# --- how fast -----------------------------------------------------------------------------------------

@test "the first instruction comes soon after the file" {
    best=100000
    for way in mv redirect link; do
        for i in 1 2 3; do
            id=$way$i
            printf '{"id":"%s","command":"date +%%s%%N"}' "$id" >new
            begin=$(date +%s%N)
            case $way in
            mv) mv new "spool/pending/$id.json" ;;
            redirect) cat new >"spool/pending/$id.json" ;;
            link) ln new "spool/pending/$id.json" && rm new ;;
            esac
            wait_until is_state "$id" "done"
            ms=$((($(q logs "$id") - begin) / 1000000))
            echo "# $way: $ms ms" >&3
            ((ms >= best)) || best=$ms
            ((ms < 10000)) # far before the look that needs no event
        done
    done
    ((best < 200))
}
