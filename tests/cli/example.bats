#!/usr/bin/env bats
# spool.example/: a copy of it is a spool, and its jobs run.

load helper

setup() {
    ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    setup_spool
    cp -r "$ROOT/spool.example" .
}
teardown() { teardown_spool; }

@test "queuectl.ini of the example has every setting with its default and its text" {
    sed -n 's/^;\([a-z-]* =\)/\1/p; s/^; //p' spool.example/queuectl.ini | tail -n +4 >example
    q config list --json | jq -r '.[] | .text, "\(.name) = \(.value |
        if . == true then "yes" elif . == false then "no" else tostring end)"' | sed 's/ $//' >table
    diff -u table example
}

@test "queuectl.ini of the example is read, as it is and with all semicolons away" {
    cp spool.example/queuectl.ini spool/
    run q config list --json
    [ "$status" = 0 ]
    [ "$(jq 'map(.default) | all' <<<"$output")" = true ]
    sed -i 's/^;\([a-z-]* =\)/\1/' spool/queuectl.ini
    run q config list --json
    [ "$status" = 0 ]
    [ "$(jq 'map(.default) | any' <<<"$output")" = false ]
}

@test "the README of the example, run as it stands" {
    mkdir bin
    ln -s "$QUEUECTL_BIN" bin/queuectl
    sed -n '/^```sh$/,/^```$/p' spool.example/README.md | grep -v '^```' |
        sed "s|/tmp/myspool|$WORK/myspool|g" >steps
    [ "$(wc -l <steps)" = 5 ]
    unset QUEUECTL_SPOOL
    run env PATH="$WORK/bin:$PATH" sh -e steps
    echo "$output"
    [ "$status" = 0 ]
    [[ $output == *"well, at attempt 2"* ]]
    [[ $output == *'"outcome":"done"'* ]]

    # All it has, and all in done/.
    export QUEUECTL_SPOOL=$WORK/myspool
    ls spool.example/pending >want
    ls myspool/done >got
    diff -u want got
    grep -o '^| `[a-z]*`' spool.example/README.md | tr -d '|` ' | sed 's/$/.json/' | sort >named
    diff -u want named
    q fsck
}

@test "a copy is a clean spool before its jobs run, and each does what it shows" {
    export QUEUECTL_SPOOL=$WORK/spool.example
    q init "$QUEUECTL_SPOOL"
    q fsck
    local n waited
    n=$(ls "$QUEUECTL_SPOOL/pending" | wc -l)
    is_count pending "$n"
    q worker run --drain 2>log
    is_count done "$n"
    # Priority: of the first batch it is run first.
    grep -m1 'run 1 ' log | grep -q ' urgent: '
    [ "$(q logs hello)" = 'hello from hello, run 1' ]
    [ "$(q logs program)" = "no shell: \$HOME and * and 'this' stay as they are" ]
    [ "$(q logs later)" = 'a second later, not before' ]
    [ "$(field flaky runs)" = 2 ]
    [ "$(field flaky 'history[0].error')" = 'exit 1: not yet' ]
    [ "$(field slow 'history[0].error')" = 'timed out after 1s' ]
    [ "$(field slow runs)" = 2 ]
    [ "$(q logs place)" = 'bonjour from /' ]
    [ "$(q logs order)" = 'an order of Zoë' ]
    grep -qF '"items": [{"sku": 9007199254740993, "count": 2}]' "$QUEUECTL_SPOOL/done/order.json"
    waited=$(jq '[.created_at, .started_at] | map(sub("\\.[0-9]*"; "") | fromdate) | .[1] - .[0]' \
        "$QUEUECTL_SPOOL/done/later.json")
    [ "$waited" -ge 1 ]
    q fsck
}
