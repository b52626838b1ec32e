#!/usr/bin/env bats
# fsck: every kind of finding; clean is 0, findings are 1; nothing is changed.

load helper

setup() { setup_spool; }
teardown() { teardown_spool; }

# One finding: its code, its place, words in its text; the spool as before.
finds() { # code place text
    local before
    before=$(find spool -type f -exec sha256sum {} + | sort)
    expect 1 q fsck --json
    is "$(jq -c 'map([.code,.place])' <<<"$out")" "[[\"$1\",\"$2\"]]"
    has "$(jq -r '.[0].text' <<<"$out")" "$3"
    expect 1 q fsck
    has "$out" "$2: "
    [[ $err =~ ^queuectl:\ [0-9]+\ files?\ looked\ at,\ 1\ finding$ ]]
    is "$(find spool -type f -exec sha256sum {} + | sort)" "$before"
}

clean() {
    expect 0 q fsck
    is "$out" ""
    [[ $err =~ ^queuectl:\ [0-9]+\ files?\ looked\ at,\ 0\ findings$ ]]
    expect 0 q fsck --json
    is "$out" "[]"
}

@test "an empty spool is clean" {
    clean
}

@test "a spool with jobs in all states, a running one too, is clean" {
    q config set backoff-base 100 2>/dev/null
    start_workers 1
    q enqueue --wait --id d --command true >/dev/null
    q enqueue --wait --id x --max-retries 0 --command false >/dev/null 2>&1 || true
    q enqueue --id f --command false >/dev/null
    wait_until is_state f failed
    q enqueue --id r --command 'sleep infinity' >/dev/null
    wait_until is_state r processing
    q enqueue --id p --command true >/dev/null
    q enqueue --id h --command true >/dev/null
    q hold h >/dev/null
    clean
}

@test "what an operator may do by hand is no finding" {
    start_workers 1
    q enqueue --wait --id a --command 'echo x' >/dev/null
    q enqueue --wait --id b --command 'echo x' >/dev/null
    q worker stop >/dev/null
    rm spool/done/a.json
    q enqueue --id c --command true >/dev/null
    mv spool/pending/*c.json spool/dead/c.json
    : >spool/pending/half-written.tmp
    : >spool/pending/.hidden
    clean
}

@test "bad-name: no job's name, in a folder of jobs" {
    echo '{"command":"true"}' >spool/done/some.thing
    finds bad-name done/some.thing "this is no job's name here; rename or remove it"
}

@test "bad-name: a waiting job's name among the done, and a done one's among the running" {
    q enqueue --id a --command true >/dev/null
    name=$(ls spool/pending)
    mv "spool/pending/$name" "spool/processing/$name"
    finds bad-name "processing/$name" "no job's name here"
}

@test "bad-document: not JSON" {
    q enqueue --id a --command true >/dev/null
    name=$(ls spool/pending)
    echo rubbish >"spool/pending/$name"
    finds bad-document "pending/$name" "invalid JSON at byte 1"
}

@test "bad-document: JSON, but no job" {
    echo '{"id":"a"}' >spool/dead/a.json
    finds bad-document dead/a.json 'needs "command" or "argv"'
}

@test "bad-document: a symbolic link" {
    echo '{"id":"a","command":"true"}' >real
    ln -s "$WORK/real" spool/dead/a.json
    finds bad-document dead/a.json "symbolic link"
}

@test "bad-document: a report where a job should be" {
    start_workers 1
    echo rubbish >spool/pending/r.json
    wait_until is_count dead 1
    q worker stop >/dev/null
    mv spool/dead/*.json spool/done/
    finds bad-document "done/$(ls spool/done)" "it is a report about a file, and no job"
}

@test "wrong-id: the name says one, the document another" {
    q enqueue --id a --command true >/dev/null
    q cancel a >/dev/null
    mv spool/dead/a.json spool/dead/b.json
    finds wrong-id dead/b.json 'its name says id "b", its document "a"; rename it'
}

@test "two-places: one id in two folders" {
    q enqueue --id a --command true >/dev/null
    cp spool/pending/*.a.json spool/done/a.json
    expect 1 q fsck --json
    is "$(jq -c 'map(.code)' <<<"$out")" '["two-places"]'
    has "$(jq -r '.[0].text' <<<"$out")" "2 files have this id"
    # The place is a file that is there.
    [ -e "spool/$(jq -r '.[0].place' <<<"$out")" ]
}

@test "two-places: one id twice in one folder, three times in all" {
    q enqueue --id a --command true >/dev/null
    cp spool/pending/*.a.json spool/pending/20310101T000000.000000Z.p0.a0.a.json
    cp spool/pending/20310101T000000.000000Z.p0.a0.a.json spool/dead/a.json
    expect 1 q fsck --json
    is "$(jq -c 'map(.code) | unique' <<<"$out")" '["two-places"]'
    has "$(jq -r '.[0].text' <<<"$out")" "3 files have this id"
}

@test "lost-run: a running job whose worker is dead" {
    start_workers 1
    q enqueue --id a --command 'exec sleep infinity' >/dev/null
    running() { [ "$(q status --json | jq -r '.workers[0].job')" = a ]; }
    wait_until running
    read -r pool pid < <(q status --json | jq -r '.workers[0] | "\(.pool) \(.pid)"')
    job=$(pgrep -P "$pid")
    kill -STOP "$pool"
    kill -9 "$pid" "$pool"
    kill -9 "$job" || true
    lost() { [ "$(q fsck --json 2>/dev/null | jq length)" = 1 ]; }
    wait_until lost
    finds lost-run "processing/$(ls spool/processing)" \
        "its worker is dead; any pool recovers it: queuectl worker start"
    start_workers 1
    WAIT_SEC=20 wait_until test -z "$(q fsck --json 2>/dev/null | jq -r '.[].code')"
}

@test "unreported: a file in quarantine/ that no report speaks of" {
    start_workers 1
    echo rubbish >spool/pending/r.json
    wait_until is_count dead 1
    q worker stop >/dev/null
    clean
    rm spool/dead/*.json
    finds unreported quarantine/r.json \
        "no report in dead/ speaks of it; remove it, or move it to pending/ once mended"
}

@test "several findings: all are said" {
    echo '{"id":"a"}' >spool/dead/a.json
    echo rubbish >spool/done/b.json
    : >spool/quarantine/c
    : >spool/failed/d
    expect 1 q fsck
    is "$(wc -l <<<"$out")" 4
    is "$(q fsck --json | jq -c 'map(.code) | sort')" \
        '["bad-document","bad-document","bad-name","unreported"]'
}

@test "names with control characters are escaped" {
    : >$'spool/failed/x\033[31m\n'
    expect 1 q fsck
    hasnt "$out" $'\033'
    is "$(wc -l <<<"$out")" 1
    is "$(q fsck --json | jq -r '.[0].place | length')" "$((7 + 7))"
}

@test "a queue at work has no findings" {
    start_workers 2
    seq 1000 | sed 's/.*/{"argv":["true"]}/' | q enqueue --batch - >/dev/null
    expect 0 q fsck
    until is_count "done" 1000; do
        expect 0 q fsck
    done
}
