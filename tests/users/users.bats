#!/usr/bin/env bats
# Several users of one spool: whose files are taken in, who sees and touches what.
# Real users, real permissions; see people.bash.

load ../cli/helper
load people

setup_file() { start_people; }
teardown_file() { end_people; }

setup() { setup_home; }
teardown() { teardown_home; }

# As producers do it: a file in tmp/, a second name in pending/.
drop() { # user id json [umask]
    as "$1" sh -c 'umask "$4"; printf %s "$2" >"$3/tmp/$1.$$" && ln "$3/tmp/$1.$$" "$3/pending/$1.json" && rm "$3/tmp/$1.$$"' \
        sh "$2" "$3" $S "${4:-022}"
}
report_on() { grep -ls "\"dropped_as\": \"$1\"" $S/dead/*.json; }
reported() { [ -n "$(report_on "$1")" ]; }
reason() { jq -r .last_error "$(report_on "$1")"; }
advice() { jq -r .advice "$(report_on "$1")"; }
denied() { expect "$1" as "${@:2}"; [[ $err == *denied* ]] || { echo "not denied: ${*:2}: $err" >&2; return 1; }; }
modes() { stat -c '%a %U %G %n' "$@" 2>/dev/null; }

# The command that a refusal or an advice names, without what follows it.
named_command() { sed -e 's/.*\(mend it\|as root\|to trust this user\|reached by its owner\): //' -e 's/; .*//' <<<"$1"; }

@test "init --group: who may do what, whatever the umask is" {
    for umask in 000 077; do
        as alice sh -c "umask $umask; exec ./queuectl init --group crew $WORK/home/s$umask" >/dev/null
        is "$(cd home/s$umask && stat -c '%n %a %u %g' . [a-z]* .queue | sort)" \
". 750 61001 61010
.queue 640 61001 61010
control 700 61001 61001
dead 2750 61001 61010
done 2750 61001 61010
failed 700 61001 61001
ids 700 61001 61001
journal 700 61001 61001
logs 2750 61001 61010
pending 2770 61001 61010
processing 700 61001 61001
quarantine 700 61001 61001
queuectl.ini 600 61001 61001
tmp 2770 61001 61010
workers 700 61001 61001"
        is "$(cat home/s$umask/queuectl.ini)" "allow-group = crew"
    done
}

@test "init --group of a group that is not there, or of which one is no member" {
    expect 1 alice init --group nosuch "$WORK/$S"
    is "$err" 'queuectl: there is no group "nosuch" here; make it: groupadd nosuch'
    [ ! -e $S ]
    expect 1 alice init --group quiet "$WORK/$S"
    is "$err" "queuectl: alice is not in group quiet, so it cannot share a spool with it; as root: usermod -aG quiet alice (and log in again)"
    [ ! -e $S/.queue ]
    # What it left is finished by the next one.
    expect 0 alice init --group crew "$WORK/$S"
}

@test "init --group opens a spool that is there, and leaves its jobs alone" {
    alice init "$WORK/$S" >/dev/null
    alice enqueue --id a --command 'echo ran a' >/dev/null
    expect 0 alice init --group crew "$WORK/$S"
    drop web b '{"id":"b","command":"echo ran b"}'
    alice worker start >/dev/null
    for id in a b; do
        wait_until is_state $id "done"
        is "$(as web cat $S/logs/$id.r1.out)" "ran $id"
    done
    expect 1 as bob ./queuectl init --group crew "$WORK/$S"
    has "$err" "belongs to user alice"
}

@test "a web server's user drops a job and reads the answer" {
    shared
    drop web order-1 '{"id":"order-1","command":"id -un; echo oops >&2","order":4711}'
    wait_until as web test -e $S/done/order-1.json
    is "$(as web jq -c '[.order,.exit_code]' $S/done/order-1.json)" "[4711,0]"
    # It ran as the owner of the spool.
    is "$(as web cat $S/logs/order-1.r1.out)" alice
    is "$(as web cat $S/logs/order-1.r1.err)" oops
    is "$(modes $S/done/order-1.json $S/logs/order-1.r1.out | cut -d' ' -f1 | sort -u)" 640
    is "$(ls -A $S/tmp $S/pending | grep json)" ""
}

@test "results can be read whatever umask the workers have" {
    alice init --group crew "$WORK/$S" >/dev/null
    as alice sh -c 'umask 077; exec ./queuectl worker start' >/dev/null
    drop web a '{"id":"a","command":"echo hi","max_retries":0}'
    drop web b '{"id":"b","command":"exit 3","max_retries":0}'
    wait_until as web cat $S/done/a.json $S/dead/b.json $S/logs/a.r1.out
    alice worker stop >/dev/null
    as alice sh -c 'umask 000; exec ./queuectl worker start' >/dev/null
    drop web c '{"id":"c","command":"echo hi"}'
    wait_until as web test -e $S/done/c.json
    # shellcheck disable=SC2012
    is "$(find $S -type f -perm /007 | sort)" ""
}

@test "a client of contrib/clients works for a member, and says why a stranger's does not" {
    shared
    cp "$BATS_TEST_DIRNAME/../../contrib/clients/queuectl.sh" client.sh
    expect 0 as web sh -c "umask 077; exec sh client.sh $S order '{\"command\":\"echo hi\"}' 20"
    is "$(jq -r .exit_code <<<"$out")" 0
    expect 3 as bob sh client.sh $S order '{"command":"echo hi"}' 20
    has "$err" 'id "order" is in use'
    expect 3 as web sh client.sh $S bad '{"comand":"echo hi"}' 20
    has "$err" 'needs "command" or "argv"'
    expect 1 as mallory sh client.sh $S other '{"command":"echo hi"}' 20
    has "$err" "ermission denied"
}

@test "logs can be kept from the group" {
    alice init --group crew "$WORK/$S" >/dev/null
    as alice chmod g-rx $S/logs
    alice worker start >/dev/null
    drop web a '{"id":"a","command":"echo hi"}'
    wait_until as web test -e $S/done/a.json
    denied 1 web cat $S/logs/a.r1.out
    is "$(stat -c %a $S/logs/a.r1.out)" 600
}

@test "what the group cannot do" {
    shared
    drop bob theirs '{"id":"theirs","command":"echo secret"}'
    wait_until is_state theirs "done"
    drop bob long '{"id":"long","command":"until [ -e go ]; do sleep 0.05; done","cwd":"'"$WORK"'"}'
    wait_until is_state long processing
    for dir in processing control ids workers failed quarantine journal; do
        denied 2 web ls $S/$dir
        denied 1 web touch $S/$dir/x
    done
    denied 1 web touch $S/control/pause
    for dir in "done" dead logs .; do
        denied 1 web touch $S/$dir/x
    done
    denied 1 web rm -f $S/done/theirs.json
    denied 2 web sh -c "echo x >>$S/done/theirs.json"
    denied 2 web sh -c "echo x >>$S/logs/theirs.r1.out"
    denied 2 web sh -c "echo x >>$S/queuectl.ini"
    denied 1 web cat $S/worker.log $S/queuectl.ini
    denied 1 web mv $S/queuectl.ini $S/tmp/
    denied 1 web mv $S/done "$S/x"
    # What the manual says it can: read all results and logs.
    is "$(as web cat $S/logs/theirs.r1.out)" secret
    # And a stranger is not let in at all.
    denied 2 mallory ls $S
    denied 1 mallory cat $S/done/theirs.json
    denied 1 mallory touch $S/pending/x.json
    touch go
    wait_until is_state long "done"
}

@test "what changes more than a drop is for the owner: others are told what to do" {
    shared
    for user in web mallory root; do
        for cmd in "worker start" "pause" "enqueue --unique --id x --command x" "delete x" \
            "retry x" "cancel x" "dlq retry x" "config set timeout 1s"; do
            # shellcheck disable=SC2086
            expect 1 as $user ./queuectl --spool $S $cmd
            has "$err" "$S belongs to user alice"
            has "$err" "sudo -u alice queuectl ..."
            is "$out" ""
        done
    done
    for user in mallory root; do
        expect 1 as $user ./queuectl --spool $S enqueue --command x
        has "$err" "sudo -u alice queuectl ..."
    done
    is "$(ls -A $S/pending $S/tmp $S/ids $S/control | grep -v :)" ""
}

@test "a file its owner cannot read: chmod g+r in time, or as the report says" {
    shared
    drop web late '{"id":"late","command":"true"}' 077
    as web chmod g+r $S/pending/late.json
    wait_until is_state late "done"
    is "$(ls $S/dead)" ""

    drop web shut '{"id":"shut","command":"true"}' 077
    drop web good '{"id":"good","command":"true"}'
    wait_until is_state good "done"
    wait_until reported pending/shut.json
    is "$(reason pending/shut.json)" "it cannot be read: it belongs to user web and has mode 600"
    mend=$(advice pending/shut.json)
    has "$mend" "as root: chmod g+r $WORK/$S/quarantine/shut.json; then:"
    # The producer can read why.
    as web cat "$(report_on pending/shut.json)" >/dev/null
    (cd $S && $(named_command "$mend"))
    alice dlq retry "$(basename "$(report_on pending/shut.json)" .json)" >/dev/null
    wait_until is_state shut "done"

    # Moved in from elsewhere it is not even of our group.
    as web sh -c 'umask 077; echo "{\"id\":\"moved\",\"command\":\"true\"}" >public/moved.json; mv public/moved.json '$S/pending/
    wait_until reported pending/moved.json
    mend=$(advice pending/moved.json)
    has "$mend" "as root: chgrp crew $WORK/$S/quarantine/moved.json && chmod g+r $WORK/$S/quarantine/moved.json; then:"
    as root sh -c "cd $S && $(named_command "$mend")"
    alice dlq retry "$(basename "$(report_on pending/moved.json)" .json)" >/dev/null
    wait_until is_state moved "done"
}

@test "allow-users: of a group only these; the others keep their hands off" {
    shared
    alice worker stop >/dev/null
    alice config unset allow-group 2>/dev/null
    alice config set allow-users web 2>/dev/null
    expect 1 alice worker start
    has "$err" "users whom this spool does not trust can take files out of $WORK/$S/pending; mend it: chmod +t $WORK/$S/pending"
    as alice $(named_command "$err")
    expect 1 alice worker start
    as alice $(named_command "$err") # tmp
    expect 0 alice worker start

    drop bob b '{"id":"b","command":"echo from bob"}'
    drop web w '{"id":"w","command":"echo from web"}'
    wait_until is_state w "done"
    wait_until reported pending/b.json
    is "$(reason pending/b.json)" "it belongs to user bob, whose jobs this spool does not run"
    [ ! -e $S/logs/b.r1.out ]
    # Nor under a name of the queue's own form, nor another's waiting job.
    as bob sh -c "echo '{\"id\":\"c\",\"command\":\"true\"}' >$S/pending/20200101T000000.000000Z.p0.a0.c.json"
    wait_until reported pending/20200101T000000.000000Z.p0.a0.c.json
    alice pause >/dev/null
    drop web later '{"id":"later","command":"true"}'
    taken() { ls $S/pending | grep -q 'Z\.p0\.a0\.later'; }
    wait_until taken
    expect 1 as bob sh -c "rm -f $S/pending/*later*; mv $S/pending/*later* public/"
    alice resume >/dev/null
    wait_until is_state later "done"

    # Trusted after all, as the advice says.
    mend=$(advice pending/b.json)
    has "$mend" "queuectl config set allow-users 'web bob'"
    alice config set allow-users 'web bob' 2>/dev/null
    alice dlq retry "$(basename "$(report_on pending/b.json)" .json)" >/dev/null
    wait_until is_state b "done"
}

@test "a member moves in a file of somebody who is none: refused" {
    shared
    as mallory sh -c "echo '{\"id\":\"m\",\"command\":\"true\"}' >public/m.json; chmod 666 public/m.json"
    mv public/m.json $S/pending/m.json # as root: the sticky public/ lets nobody else
    wait_until reported pending/m.json
    is "$(reason pending/m.json)" "it belongs to user mallory, whose jobs this spool does not run"
}

@test "a file that everybody can write to is refused where others can come" {
    shared
    drop web a '{"id":"a","command":"true"}' 000
    wait_until reported pending/a.json
    is "$(reason pending/a.json)" "everybody can write to it (mode 666)"
    has "$(advice pending/a.json)" "chmod go-w $WORK/$S/quarantine/a.json"
    # In a private spool nobody can reach it.
    alice init "$WORK/home/own" >/dev/null
    as alice sh -c "umask 000; echo '{\"id\":\"b\",\"command\":\"true\"}' >home/own/pending/b.json"
    as alice env QUEUECTL_SPOOL="$WORK/home/own" ./queuectl worker run --drain 2>/dev/null
    [ -e home/own/done/b.json ]
}

# With umask 002 the group of a setgid folder could write to what was dropped.
@test "a file that untrusted members of the group can write to is refused" {
    shared
    drop web fine '{"id":"fine","command":"true"}' 002
    wait_until is_state fine "done"
    alice worker stop >/dev/null
    as alice chmod +t $S/pending $S/tmp
    alice config unset allow-group 2>/dev/null
    alice config set allow-users web 2>/dev/null
    drop web a '{"id":"a","command":"echo from web"}' 002
    as web sh -c "umask 002; echo '{\"id\":\"c\",\"command\":\"true\"}' >$S/pending/20200101T000000.000000Z.p0.a0.c.json"
    as bob sh -c "echo '{\"id\":\"a\",\"command\":\"touch $WORK/public/bob-was-here\"}' >$S/pending/a.json"
    alice worker start >/dev/null
    for name in a 20200101T000000.000000Z.p0.a0.c; do
        wait_until reported pending/$name.json
        is "$(reason pending/$name.json)" "its whole group can write to it (mode 664)"
    done
    [ ! -e public/bob-was-here ]
    as web sh -c "cd $S; true"
    as root sh -c "$(named_command "mend it: $(advice pending/a.json)")"
    is "$(stat -c %a $S/quarantine/a.json)" 644
}

@test "users who are not trusted cannot hold up results, ids or settings" {
    shared
    alice worker stop >/dev/null
    as alice chmod +t $S/pending $S/tmp
    alice config unset allow-group 2>/dev/null
    alice config set allow-users web 2>/dev/null
    alice worker start >/dev/null
    drop web first '{"id":"first","command":"true"}'
    wait_until is_state first "done"
    # The next names of the worker in tmp/, and a marker of a batch, are taken.
    token=$(jq -r .worker $S/done/first.json)
    as bob sh -c "for i in \$(seq 0 400); do : >$S/tmp/$token.\$i; done; : >$S/tmp/x.batch"
    as bob flock $S/tmp/x.batch sh -c 'until [ -e public/enough ]; do sleep 0.05; done' 3>&- &
    holder=$!
    drop web second '{"id":"second","command":"true"}'
    WAIT_SEC=20 wait_until is_state second "done"
    alice delete --yes first >/dev/null
    as alice touch $S/ids/first # as a crash leaves it
    expect 0 alice enqueue --id first --command true
    WAIT_SEC=20 wait_until is_state first "done"
    touch public/enough
    wait $holder
    # Settings that others can write to are not taken up by a pool that runs.
    as alice chmod 666 $S/queuectl.ini
    as bob sh -c "echo 'allow-users = web bob' >$S/queuectl.ini"
    said() { grep "others can write to .*queuectl.ini" $S/worker.log; }
    wait_until said
    drop bob b '{"id":"b","command":"true"}'
    wait_until reported pending/b.json
}

@test "./spool of somebody else is not enqueued into by chance; init keeps out of others' folders" {
    as mallory mkdir public/trap
    as mallory sh -c "QUEUECTL_SPOOL= exec ./queuectl init public/trap/spool" >/dev/null
    as mallory sh -c "chmod 755 public/trap/spool; chmod 644 public/trap/spool/.queue; chmod 3777 public/trap/spool/pending public/trap/spool/tmp; chmod 755 public/trap/spool/done public/trap/spool/dead public/trap/spool/logs"
    as mallory ./queuectl --spool public/trap/spool config set allow-users bob 2>/dev/null
    expect 1 as bob sh -c 'cd public/trap && QUEUECTL_SPOOL= exec ../../queuectl enqueue --command "echo secret"'
    is "$err" "queuectl: ./spool belongs to user mallory, who would run the job; if that is meant, name it: --spool ./spool"
    is "$(ls public/trap/spool/pending)" ""
    as alice mkdir home/empty
    expect 1 as root ./queuectl init home/empty
    has "$err" "belongs to user alice"
    is "$(ls -A home/empty)" ""
}

@test "init makes folders that were removed as they were" {
    shared
    alice worker stop >/dev/null
    as alice rmdir $S/logs $S/ids
    expect 1 alice list
    has "$err" "is missing; make it again: queuectl init $WORK/$S"
    as alice ./queuectl init "$WORK/$S" >/dev/null
    is "$(stat -c '%a %g' $S/logs $S/ids | paste -sd' ')" "2750 61010 700 61001"
}

@test "a name of the queue's own form by a member: run from a copy of its own" {
    shared
    as web sh -c "umask 002; echo '{\"id\":\"a\",\"command\":\"stat -c %U \\\"\$QUEUECTL_JOB\\\"; until [ -e go ]; do sleep 0.05; done\",\"cwd\":\"$WORK\"}' >$S/tmp/a && exec 9<>$S/tmp/a && mv $S/tmp/a $S/pending/20200101T000000.000000Z.p0.a0.a.json; until [ -e go ]; do sleep 0.05; done; echo '{\"id\":\"a\",\"command\":\"echo changed\"}' >&9" 3>&- &
    writer=$!
    wait_until is_state a processing
    touch go
    wait $writer
    wait_until is_state a "done"
    is "$(as web cat $S/logs/a.r1.out)" alice
    hasnt "$(cat $S/done/a.json)" changed
    is "$(stat -c %U $S/done/a.json)" "$(stat -c %U $S/done)"
}

@test "a folder of another user cannot be moved away: the log says so, now and then; the rest goes on" {
    shared
    as web mkdir $S/pending/dir.json
    as web touch $S/pending/dir.json/inside
    drop web a '{"id":"a","command":"true"}'
    wait_until is_state a "done"
    told() { grep "pending/dir.json: it cannot be moved (Permission denied); its owner or root must remove it" $S/worker.log; }
    wait_until told
    # Each new file in there, and each other drop, makes no more of it.
    for i in $(seq 20); do
        drop web "b$i" "{\"id\":\"b$i\",\"command\":\"true\"}"
    done
    wait_until is_count "done" 21
    [ "$(told | wc -l)" -le 5 ]
    as web rm -r $S/pending/dir.json
}

@test "a worker as root: not on another's spool, not where others can write" {
    alice init --group crew "$WORK/$S" >/dev/null
    expect 1 as root ./queuectl --spool $S worker run --drain
    has "$err" "$WORK/$S belongs to user alice, and jobs of a spool run as its owner; run this as that user: sudo -u alice queuectl"
    mkdir -m 755 roots
    export QUEUECTL_SPOOL=$WORK/roots/spool
    S=roots/spool
    q() { as root ./queuectl "$@"; }
    q init $S >/dev/null
    as root sh -c "chgrp crew $S $S/pending $S/tmp; chmod 750 $S; chmod 2770 $S/pending $S/tmp"
    expect 1 q worker start
    is "$err" "queuectl: others can write to $WORK/$S/pending, and so run commands as you; mend it: chmod go-w $WORK/$S/pending; or trust its group: queuectl config set allow-group crew"
    expect 1 q enqueue --command true
    # Told whom to trust, it works.
    as root ./queuectl config set allow-group crew 2>/dev/null
    expect 0 q worker start
    drop web a '{"id":"a","command":"id -un"}'
    wait_until is_state a "done"
    is "$(q logs a)" root
    # Not for a group that is not meant, and never for everybody.
    q worker stop >/dev/null
    as root chgrp quiet $S/pending
    expect 1 q worker start
    has "$err" "chmod +t $WORK/$S/pending"
    as root sh -c "chgrp crew $S/pending; chmod 2777 $S/pending"
    expect 1 q worker start
    has "$err" "chmod +t $WORK/$S/pending"
    as root chmod 2770 $S/pending
    expect 0 q worker start
}

@test "settings that others can write are refused, where others can come" {
    shared
    alice worker stop >/dev/null
    as alice sh -c "chgrp crew $S/queuectl.ini; chmod 664 $S/queuectl.ini"
    expect 1 alice worker start
    is "$err" "queuectl: others can write to $WORK/$S/queuectl.ini, and so say whom this spool trusts; mend it: chmod go-w $WORK/$S/queuectl.ini"
    as alice $(named_command "$err")
    expect 0 alice worker start
}

@test "allow-users and allow-group of people who are not here" {
    alice init "$WORK/$S" >/dev/null
    expect 0 alice config set allow-users 'web nobodyknows'
    expect 0 alice list
    has "$err" 'warning: allow-users: there is no user "nobodyknows" here'
    alice config set allow-users 61002 2>/dev/null
    alice config set allow-group nosuchgroup 2>/dev/null
    expect 0 alice list
    has "$err" 'allow-group: there is no group "nosuchgroup" here'
    expect 2 alice config set allow-users 'a;b'
    has "$err" "allow-users"
}

# Changed in place: a new file would not be the one that is mounted.
crew_is() {
    sed "s/^crew:.*/crew:x:61010:$1/" "$BATS_FILE_TMPDIR/group" >"$BATS_FILE_TMPDIR/group.new"
    cat "$BATS_FILE_TMPDIR/group.new" >"$BATS_FILE_TMPDIR/group"
}

@test "a user database that cannot be asked is no verdict on a job" {
    [ "${QUEUECTL_PASS:-normal}" = normal ] || skip "not under sanitizers"
    cat >shim.c <<'C'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pwd.h>
#include <unistd.h>
int getpwuid_r(uid_t uid, struct passwd *pw, char *text, size_t size, struct passwd **found)
{
    int (*real)(uid_t, struct passwd *, char *, size_t, struct passwd **) =
        dlsym(RTLD_NEXT, "getpwuid_r");
    *found = NULL;
    return access("full", F_OK) == 0 ? EMFILE : real(uid, pw, text, size, found);
}
C
    "${CC:-cc}" -shared -fPIC -o shim.so shim.c -ldl 2>/dev/null || skip "needs a C compiler"
    alice init --group crew "$WORK/$S" >/dev/null
    touch full
    as alice env LD_PRELOAD="$WORK/shim.so" ./queuectl worker start >/dev/null
    drop web a '{"id":"a","command":"true"}'
    wait_until grep -q "read a.json: Too many open files" $S/worker.log
    [ -z "$(report_on pending/a.json)" ]
    [ -e $S/pending/a.json ]
    rm full
    wait_until is_state a "done"
}

@test "who leaves the group is no longer trusted: no answer is kept for long" {
    shared
    drop web a '{"id":"a","command":"true"}'
    wait_until is_state a "done"
    crew_is alice,bob
    # She cannot come in any more; root puts her files there.
    refused_at_last() {
        as web sh -c 'echo "{\"command\":\"true\"}" >public/w.json'
        mv public/w.json $S/pending/w.json
        grep -lqs "belongs to user web" $S/dead/*.json
    }
    wait_until refused_at_last
    crew_is alice,web,bob
}
