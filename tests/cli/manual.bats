#!/usr/bin/env bats
# The manual pages say what the program's own tables say, no less and no more.

load helper

setup() {
    ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    setup_spool
}
teardown() { teardown_spool; }

# The commands and options of `help --table`, one a line as COMMAND<TAB>OPTION,
# without what an option takes; aliases look like commands.
table() { q help --table | cut -f1,2; }

# What queuectl.1 has: the heads (.It Xo to .Xc) give commands, their aliases
# (behind "|") and long options with arguments, the .It Fl lines below them
# options in all spellings.
page() { # heads|items
    awk -v want="$1" '
        function put(name, what) {
            gsub(/[.,]$/, "", what)
            print name "\t" what
        }
        function spelled(    i, flag, arg) {
            # Fl Fl name Ar arg , Fl x Ar arg
            for (i = 1; i <= NF; i++) {
                if ($i != "Fl") continue
                if ($(i + 1) == "Fl") { flag = "--" $(i + 2); i += 2 }
                else { flag = "-" $(i + 1); i++ }
                arg = ""
                if ($(i + 1) == "Ar") { arg = " " toupper($(i + 2)); i += 2 }
                put(command, flag arg)
            }
        }
        /^\.Sh / { inside = ($2 == "DESCRIPTION"); command = "" }
        !inside { next }
        /^\.It Xo$/ { head = 1; command = ""; next }
        /^\.Xc$/ { head = 0; next }
        head && command == "" && /^\.Ic / {
            sub(/^\.Ic /, "")
            n = split($0, part, / \| Ic /)
            command = part[1]
            if (want == "heads") for (i = 1; i <= n; i++) put(part[i], "")
            next
        }
        head && want == "heads" && /Fl/ { spelled(); next }
        !head && want == "items" && /^\.It Fl / { spelled() }
    ' "$ROOT/doc/queuectl.1" | sort -u
}

@test "queuectl.1 has every command, alias and option, and no other" {
    table | awk -F'\t' '$2 !~ /^-[a-zA-Z]/ && $1 != ""' | sort -u >table
    page heads >heads
    diff -u table heads
}

@test "queuectl.1 explains every option, with its letter" {
    # edit has the options of enqueue, and says so.
    table | awk -F'\t' '$2 != "" && !($1 == "edit")' | sort -u >table
    # A letter stands before the long option, which has the argument.
    page items | awk -F'\t' '
        $2 ~ /^-[a-zA-Z]$/ { letter[$1] = letter[$1] $2 " "; next }
        { print }' >items
    grep -v "$(printf '\t')-[a-zA-Z]" table | sort -u >long
    diff -u long items
    page items | cut -f1,2 | grep "$(printf '\t')-[a-zA-Z]\$" >letters
    grep "$(printf '\t')-[a-zA-Z]" table | sed 's/ [A-Z]*$//' | sort -u >want
    diff -u want letters
}

@test "queuectl.ini.5 has every setting with its default and its bounds, and no other" {
    # NAME<TAB>DEFAULT<TAB>ACCEPTED
    awk '/^\.It Ic / { name = $3 }
        /^Default .*;/ && name != "" {
            sub(/^Default /, ""); sub(/\.$/, "")
            i = index($0, "; ")
            print name "\t" substr($0, 1, i - 1) "\t" substr($0, i + 2)
            name = ""
        }' "$ROOT/doc/queuectl.ini.5" >page
    q config list --json | jq -r '.[] | [.name, (.value |
        if . == true then "yes" elif . == false then "no" elif . == "" then "empty"
        else tostring end)] | @tsv' |
        while IFS=$'\t' read -r name value; do
            accepted=$(q config set "$name" '?' 2>&1 || true)
            case $accepted in
            *neither*) accepted='yes or no' ;;
            *'none of'*) accepted="one of ${accepted##* is none of }" ;;
            *'no priority; use '*) accepted="a priority from ${accepted##*; use }" ;;
            *) accepted="a ${accepted##* is no }" accepted=${accepted%%;*} ;;
            esac
            printf '%s\t%s\t%s\n' "$name" "$value" "$accepted"
        done >table
    [ "$(wc -l <table)" -gt 5 ]
    diff -u table page
}

@test "the other names of settings in queuectl.ini.5 are known" {
    sed -n '/another name/!{h;d};x;s/^\.Ic //p' "$ROOT/doc/queuectl.ini.5" >names
    [ -s names ]
    while read -r name; do
        q config get "$name" >/dev/null
    done <names
}

@test "queuectl-job.5 has every member, given and recorded apart, and no other" {
    awk '/^\.Sh / { kind = $2 == "MEMBERS" ? "given" : $2 == "RECORDED" ? "recorded" : "" }
        /^\.Bl / { depth++ } /^\.El/ { depth-- }
        depth == 1 && kind != "" && /^\.It Va / { print $3 "\t" kind }' \
        "$ROOT/doc/queuectl-job.5" >page
    q help --members | cut -f1,2 >table
    diff -u table page
}

@test "queuectl-job.5 names what a run records in its history" {
    start_workers 1
    q enqueue --id good --command 'true' >/dev/null
    q enqueue --id bad --max-retries 0 --timeout 100ms --command 'sleep infinity' >/dev/null
    q config set output-max 10 2>/dev/null
    q enqueue --id signal --max-retries 0 --command 'seq 100; kill -SEGV $$' >/dev/null
    q wait good bad signal || true
    for id in good bad signal; do
        q show --json "$id" | jq -r '.history[] | keys[]'
    done | sort -u >recorded
    # The list has several names in some of its items.
    sed -n '/^\.Sh RUN HISTORY/,/^\.El/s/^\.It Va //p' "$ROOT/doc/queuectl-job.5" |
        tr -d ' ' | tr ',' '\n' | sort -u >page
    diff -u recorded page
}

@test "queuectl-spool.7 names every file and folder of a spool" {
    start_workers 1
    local name
    for name in $(ls -A "$QUEUECTL_SPOOL"); do
        [ ! -d "$QUEUECTL_SPOOL/$name" ] || name=$name/
        grep -qxF ".It Pa $name" "$ROOT/doc/queuectl-spool.7" || {
            echo "$name is not there"
            return 1
        }
    done
}

# The commands of the table "BY HAND" in queuectl-spool.7 are run as they stand,
# with the words in capitals filled in.
by_hand() { # the row's first words [n]
    sed -n '/^\.Sh BY HAND/,/^\.El/p' "$ROOT/doc/queuectl-spool.7" |
        sed -n "s/^\\.It $1 Ta \"\\(.*\\)\"\$/\\1/p" | sed -n "${2:-1}p"
}
waiting_name() { (cd "$QUEUECTL_SPOOL/$1" && echo ./*."$2".json) | sed 's|^\./||'; }
run_row() { # row n sed-expression
    local command
    command=$(by_hand "$1" "$2" | sed "$3")
    [ -n "$command" ]
    echo "by hand: $command"
    (cd "$QUEUECTL_SPOOL" && eval "$command")
}

@test "what queuectl-spool.7 does by hand does what it says" {
    local name past=20200101T000000.000000Z
    start_workers 1

    echo '{"id":"e","command":"true"}' >"$QUEUECTL_SPOOL/tmp/e"
    run_row enqueue 1 's|FILE|tmp/e|; s|ANY|whatever|'
    wait_until is_state e done

    run_row 'run anew' 1 's|ID|e|'
    wait_until is_state e done
    wait_until eval '[ "$(field e runs)" = 2 ]'
    [ "$(field e attempts)" = 1 ]

    q enqueue --id w --delay 1h --command true >/dev/null
    name=$(waiting_name pending w)
    run_row hold 1 "s|TIME.REST|$name|; s|REST|${name#*Z.}|"
    q list --state held | grep -q '^w '
    run_row release 1 "s|TIME|${name%%Z.*}Z|; s|REST|${name#*Z.}|g"
    q list --state scheduled | grep -q '^w '
    run_row 'run now' 1 "s|TIME.REST|$name|; s|PAST|$past|; s|REST|${name#*Z.}|"
    wait_until is_state w done

    q enqueue --id c --delay 1h --command true >/dev/null
    run_row cancel 1 "s|NAME|$(waiting_name pending c)|; s|ID|c|"
    is_state c dead
    run_row find 1 's|TEXT|command|' | grep -q dead/c.json
    run_row retry 2 's|ID|c|'
    wait_until eval '[ -n "$(q list --state scheduled --format "{id}")" ]'
    [ "$(state c)" = pending ] # at its run_at still
    q cancel c

    q enqueue --id f --backoff-base 600 --command '[ $QUEUECTL_RUN = 2 ]' >/dev/null
    wait_until is_state f failed
    run_row retry 1 "s|NAME|$(waiting_name failed f)|; s|ANY|f|"
    wait_until is_state f done
    [ "$(field f attempts)" = 1 ]
    run_row delete 1 's|ID|f|'
    run q show f
    [ "$status" = 1 ]
    q enqueue --id f --command true >/dev/null

    run_row pause 1 ''
    [ "$(q status --json | jq .paused)" != null ]
    run_row resume 1 ''
    [ "$(q status --json | jq .paused)" = null ]
    q fsck
}

@test "what queuectl-job.5 says about dropping a file works, and the group can read it" {
    sed -n '/^f=$(mktemp/,/^\.Ed/{/^\.Ed/d;s/\\e/\\/g;p}' "$ROOT/doc/queuectl-job.5" >drop.sh
    (umask 077 && SPOOL=$QUEUECTL_SPOOL sh -eu drop.sh)
    is "$(stat -c %a spool/pending/report-42.json)" 640
    is "$(jq -r .command spool/pending/report-42.json)" "make report"
    is "$(ls spool/tmp)" ""
}

@test "the pages are free of lint" {
    command -v mandoc >/dev/null || skip "no mandoc"
    run mandoc -Tlint -Wwarning "$ROOT"/doc/*.[1-7]
    echo "$output"
    [ "$status" = 0 ] && [ -z "$output" ]
}
