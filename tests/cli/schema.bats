#!/usr/bin/env bats
# doc/job.schema.json: what it accepts is what the program accepts.
#
# tests/corpus/accept and refuse hold small documents, each named for what it
# shows; strict JSON all, since a schema speaks of values.

load helper

setup_file() {
    # The machine's python3 may be another than the one of Debian's packages.
    for PYTHON in python3 /usr/bin/python3; do
        "$PYTHON" -c 'import jsonschema' 2>/dev/null && break
        PYTHON=
    done
    export PYTHON
}

setup() {
    [ -n "$PYTHON" ] || skip "no python3 with jsonschema"
    ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    CORPUS=$ROOT/tests/corpus
    setup_spool
    q help --schema >schema.json
}
teardown() { teardown_spool; }

py() { "$PYTHON" "$ROOT/tests/cli/schema.py" "$@"; }

# The documents of the corpus that SCHEMA, or the program, takes.
by_schema() { py judge "$1" "$CORPUS"/*/*.json | sed "s|^$CORPUS/||"; }
by_program() {
    local file code
    for file in "$CORPUS"/*/*.json; do
        code=0
        q enqueue --dry-run "@$file" >out 2>err || code=$?
        case $code in
        0) echo "${file#"$CORPUS/"}" ;;
        1) [ -s err ] || echo "$file: refused without a word" ;;
        *) echo "$file: exit $code: $(<err)" ;;
        esac
    done
}
wanted() { (cd "$CORPUS" && ls accept/*.json); }

@test "doc/job.schema.json is what help --schema prints (else: make schema)" {
    diff -u "$ROOT/doc/job.schema.json" schema.json
}

@test "the schema is one, and has each member of the table, recorded ones as readOnly" {
    py check schema.json
    q help --members | awk -F'\t' '{ print $1, $2 }' >table
    jq -r '.properties | to_entries[] | .key + (if .value.readOnly then " recorded" else " given" end)' \
        schema.json >members
    diff -u table members
    jq -e '[.properties[] | (.title | length > 1) and (.description | endswith("."))] | all' schema.json
    # No @word of the table is left, and no host is named but that of the drafts.
    hasnt "$(<schema.json)" '@'
    is "$(grep -o '://[^/"]*' schema.json)" '://json-schema.org'
    has "$(jq -r '."$id"' schema.json)" 'urn:'
}

@test "its examples are good" {
    jq -c '.examples[], (.properties | to_entries[] | .key as $k | .value.examples[]? |
        {command: "true"} + {($k): .} | if .argv then del(.command) else . end)' schema.json >good
    (($(wc -l <good) > 20))
    is "$(py lines schema.json good)" ""
    expect 0 q enqueue --batch good --dry-run
}

@test "the corpus has good and bad values of every member that is given" {
    (($(wanted | wc -l) > 100))
    (($(find "$CORPUS" -name '*.json' | wc -l) > 250))
    while read -r member; do
        [ "$(jq -s "map(select(type == \"object\" and .$member != null)) | length" \
            "$CORPUS"/accept/*.json)" -ge 2 ] || { echo "accept: $member"; false; }
        [ "$(find "$CORPUS/refuse" -name "$member-*" | wc -l)" -ge 4 ] ||
            { echo "refuse: $member"; false; }
    done < <(q help --members | awk -F'\t' '$2 == "given" { print $1 }')
}

@test "the program takes what is in accept/ and refuses what is in refuse/" {
    by_program >program
    diff -u <(wanted) program
}

@test "the schema takes what is in accept/ and refuses what is in refuse/" {
    by_schema schema.json >schema
    diff -u <(wanted) schema
}

@test "a schema with another bound is found out" {
    sed 's/"maximum": 100}/"maximum": 101}/' schema.json >wrong.json
    run cmp schema.json wrong.json
    [ "$status" = 1 ]
    is "$(diff <(wanted) <(by_schema wrong.json) | grep '^[<>]')" '> refuse/priority-above.json
> refuse/priority-exponent-above.json'
    sed 's/"anyOf": \[{"type": \["integer", "null"\]/"anyOf": [{"type": ["integer"]/' schema.json |
        sed 's/"high", null/"high"/' >wrong.json
    is "$(diff <(wanted) <(by_schema wrong.json) | grep '^[<>]')" '< accept/priority-null.json'
}

taken_in() { ! ls -A spool/pending | grep -qE '^(accept|refuse)\.|^\.[0-9a-f].*(accept|refuse)\.'; }
# Done, or waiting for its time: as many as there are.
all_ran() {
    [ -z "$(q list --state ready --format '{id}')" ] &&
        [ "$(q status --json | jq '.counts | .done + .pending + .failed')" = "$1" ]
}

@test "dropped, what is in accept/ is done or waits, what is in refuse/ is in quarantine/" {
    mkdir spool/tmp/all
    for kind in accept refuse; do
        for file in "$CORPUS/$kind"/*.json; do
            cp "$file" "spool/tmp/all/$kind.${file##*/}"
        done
    done
    mv spool/tmp/all/* spool/pending
    rmdir spool/tmp/all
    start_workers 2
    wait_until taken_in
    ls spool/quarantine >got
    (cd "$CORPUS/refuse" && ls ./*.json) | sed 's|^./|refuse.|' >want
    diff -u want got
    WAIT_SEC=60 wait_until all_ran "$(wanted | wc -l)"
    # Nothing but the reports is dead.
    is "$(q list --state dead --json | jq -r '.[] | select(.quarantined == null) | .id, .last_error')" ""
    (($(count_of 'done') > 100))
}

# Documents made from the corpus by putting other values in: schema and program
# must say the same of each.
@test "they agree on documents made by chance" {
    local seed
    for seed in 1 2; do
        py mutate "$seed" 600 "$CORPUS"/*/*.json >made.jsonl
        py lines schema.json made.jsonl >by_schema
        expect 1 q enqueue --batch - --dry-run --skip-bad <made.jsonl
        sed -n 's/^queuectl: stdin:\([0-9]*\): .*/\1/p' <<<"$err" | sort -n >by_program
        (($(wc -l <by_schema) > 200 && $(wc -l <by_schema) < 500))
        diff by_schema by_program >differ || {
            sed -n 's/^[<>] \(.*\)/\1/p' differ | while read -r line; do
                sed -n "${line}p" made.jsonl
                grep -- "stdin:$line: " <<<"$err" || echo 'the program takes it'
            done
            false
        }
    done
}
