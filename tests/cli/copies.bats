#!/usr/bin/env bats
# A spool copied, restored from a backup, brought to another host, found after a reboot:
# refused with a word on what to do, or recovered; no job runs twice.
#
# Hosts and boots are files here, bound over the machine's own in a mount namespace.

bats_require_minimum_version 1.5.0
load helper

setup() { setup_spool; }
teardown() {
    [ -z "${NAMESPACE:-}" ] || kill "$NAMESPACE" 2>/dev/null || true
    teardown_spool
}

# Two runs of a job leave two lines in ran.ID.
marking() { q enqueue --id "$1" --command "echo x >>$WORK/ran.$1; ${2:-true}" >/dev/null; }
times_run() { if [ -e "$WORK/ran.$1" ]; then wc -l <"$WORK/ran.$1"; else echo 0; fi; }
has_run() { [ "$(times_run "$1")" -ge 1 ]; }

# Whatever looks at the spool, and whatever changes it.
refused() {
    local words=$1 cmd before after
    before=$(cd "$QUEUECTL_SPOOL" && find . ! -name worker.log | sort)
    for cmd in "enqueue --command true" "enqueue --batch jobs" list "status --json" "show a" \
        "worker start" "worker run --drain" "worker list" "config set timeout 5" "config list" \
        "retry a" "cancel a" "delete --yes a" "clear --yes" pause fsck "wait a" "dlq list" init; do
        [ "$cmd" != init ] || cmd="init $QUEUECTL_SPOOL"
        # shellcheck disable=SC2086
        expect 1 q $cmd
        is "$out" ""
        has "$err" "$words"
        has "$err" "queuectl init --adopt $QUEUECTL_SPOOL"
    done
    after=$(cd "$QUEUECTL_SPOOL" && find . ! -name worker.log | sort)
    is "$after" "$before"
}

# COMMAND makes copy out of spool.
copied_by() {
    marking a
    echo '{"command":"true"}' >jobs
    "$@"
    export QUEUECTL_SPOOL=$WORK/copy
    refused "$WORK/copy is a copy of a spool; if the original is not in use: "
    rm -r spool
    expect 0 q init --adopt copy
    q worker run --drain 2>/dev/null
    is "$(state a) $(times_run a)" "done 1"
}

@test "cp -a" { copied_by cp -a spool copy; }

# The file .queue is the very same then.
@test "cp -al: hard links" { copied_by cp -al spool copy; }

@test "tar" {
    by_tar() { mkdir copy && tar -C spool -cf - . | tar -C copy -xf -; }
    copied_by by_tar
}

@test "git, which leaves empty folders out" {
    command -v git >/dev/null || skip "no git"
    by_git() {
        git -C spool init -q && git -C spool add . &&
            git -C spool -c user.name=x -c user.email=x@localhost commit -q -m x &&
            git clone -q spool copy && rm -rf spool/.git copy/.git
        chmod 755 copy && q init copy 2>/dev/null || true
    }
    marking a
    by_git
    export QUEUECTL_SPOOL=$WORK/copy
    is "$(find copy -type d -perm /go+w)" ""
    expect 1 q list
    has "$err" "$WORK/copy is a copy of a spool"
    expect 1 q worker start
    rm -r spool
    expect 0 q init --adopt copy
    q worker run --drain 2>/dev/null
    is "$(state a) $(times_run a)" "done 1"
}

@test "rsync -aH" {
    command -v rsync >/dev/null || skip "no rsync"
    by_rsync() { rsync -aH spool/ copy/; }
    copied_by by_rsync
}

@test "moved to another file system" {
    local there
    there=$(mktemp -d "${BATS_TEST_TMPDIR}/other.XXXXXX")
    [ "$(stat -c %d "$there")" != "$(stat -c %d spool)" ] || skip "there is only one file system"
    by_mv() { mv spool "$there/spool" && mv "$there/spool" copy && mkdir spool; }
    copied_by by_mv
}

# Numbers of inodes are given again: the second spool may have those of the first.
@test "a spool in the place of one that was removed, with its numbers" {
    marking a
    grep -q '^born ' spool/.queue || skip "this file system does not tell when a file was made"
    sed 's/^born .*/born 1600000000000000/' spool/.queue >was
    cat was >spool/.queue
    echo '{"command":"true"}' >jobs
    refused "$WORK/spool is a copy of a spool"
    expect 0 q init --adopt spool
    expect 0 q list
}

@test "a spool of an older version says neither folder nor time, and is none the worse" {
    grep -v -e '^born ' -e '^folder ' spool/.queue >was
    cat was >spool/.queue
    marking a
    q worker run --drain 2>/dev/null
    is "$(state a) $(times_run a)" "done 1"
    mv spool elsewhere
    QUEUECTL_SPOOL=$WORK/elsewhere expect 0 q list
}

# --- restored ---------------------------------------------------------------------------------

# An older backup laid over the spool: its jobs have been run since.
restore() { cp -a backup/. spool/; }

all_refused() {
    is "$(times_run a) $(times_run b) $(times_run c)" "1 1 1"
    is "$(state a) $(state b) $(state c)" "done done dead"
    # What came back lies in quarantine, with the reason.
    has "$(q list --state dead --format '{last_error}')" 'id "a" is in use: done/a.json is there'
}
came_back_refused() { [ "$(ls -A spool/pending spool/failed | grep -c json)" = 0 ]; }

backed_up() {
    marking a
    marking b
    q enqueue --id c --max-retries 0 --command "echo x >>$WORK/ran.c; false" >/dev/null
    cp -a spool backup
}

@test "restored over a spool whose jobs have been done since: they do not run again" {
    backed_up
    q worker run --drain 2>/dev/null || true
    restore
    q worker run --drain 2>/dev/null || true
    all_refused
}

@test "restored under workers at work: no job runs again" {
    backed_up
    start_workers 2
    wait_until is_state c dead
    wait_until is_count pending 0
    wait_until is_count processing 0
    restore
    wait_until came_back_refused
    all_refused
}

@test "restored while the job runs: not beside itself, nor after it" {
    marking a "while [ ! -e $WORK/go ]; do sleep 0.05; done"
    cp -a spool backup
    start_workers 2
    wait_until has_run a
    restore
    marking other
    wait_until is_state other "done"
    is "$(times_run a)" 1
    touch go
    wait_until came_back_refused
    is "$(state a) $(times_run a)" "done 1"
}

@test "a backup made in the middle of a run, restored after its end: it does not run again" {
    marking a "while [ ! -e $WORK/go ]; do sleep 0.05; done"
    start_workers 1
    wait_until has_run a
    cp -a spool backup
    touch go
    wait_until is_state a "done"
    q worker stop >/dev/null
    restore
    ls spool/processing | grep -q a.json
    start_workers 1
    wait_until is_count processing 0
    wait_until came_back_refused
    is "$(times_run a)" 1
    is "$(jq -r .exit_code spool/done/a.json)" 0
}

@test "restored by tar, which writes .queue anew: refused; the pool at work is named" {
    marking a
    tar -C spool -cf backup.tar .
    pool=$(q worker start | sed 's/^pool \([0-9]*\),.*/\1/')
    wait_until is_state a "done"
    tar -C spool -xf backup.tar
    expect 1 q list
    has "$err" "is a copy of a spool; if the original is not in use: queuectl init --adopt $WORK/spool"
    expect 1 q init --adopt spool
    has "$err" "worker"
    is "$(times_run a)" 1
    # Its commands are refused, so by hand.
    kill "$pool"
    wait_until no_workers
    expect 0 q init --adopt spool
    q worker run --drain 2>/dev/null || true
    is "$(times_run a) $(state a)" "1 done"
}
no_workers() { [ -z "$(ls -A spool/workers)" ]; }

# --- other boots, other hosts -----------------------------------------------------------------

OTHER=0123456789abcdef0123456789abcdef

# elsewhere boot|host|both CMD...: as if the machine had been rebooted, or were another.
elsewhere() {
    local what=$1
    shift
    echo 01234567-89ab-cdef-0123-456789abcdef >boot
    echo $OTHER >host
    # shellcheck disable=SC2016 # for the inner shell
    unshare -m --propagation private sh -c '
        what=$0
        [ "$what" = host ] || mount --bind boot /proc/sys/kernel/random/boot_id || exit 99
        [ "$what" = boot ] || mount --bind host /etc/machine-id || exit 99
        exec "$@"' "$what" "$@"
}

can_be_elsewhere() {
    [ "$(id -u)" = 0 ] || skip "needs root, for mount namespaces"
    [ -e /etc/machine-id ] || skip "no /etc/machine-id"
    elsewhere both true 2>/dev/null || skip "no mount namespace can be made here"
}

@test "after a reboot: the same spool; the runs of before are lost, and made again" {
    can_be_elsewhere
    marking a '[ "$QUEUECTL_RUN" = 2 ] || sleep infinity'
    pids=$(q worker start | tr -dc '0-9 ')
    wait_until has_run a
    # The power goes: nobody writes a word.
    # shellcheck disable=SC2086
    kill -KILL $pids
    for pid in $(grep -lzs '^QUEUECTL_JOB_ID=a$' /proc/[0-9]*/environ | cut -d / -f 3); do
        ! grep -qz "^QUEUECTL_SPOOL=$WORK/" "/proc/$pid/environ" || kill -KILL "$pid"
    done
    expect 0 elsewhere boot "$QUEUECTL_BIN" list
    elsewhere boot "$QUEUECTL_BIN" worker run --drain 2>/dev/null
    is "$(state a) $(times_run a) $(field a lost)" "done 2 1"
    has "$(q show --json a)" "lost: host restarted"
}

@test "a host that was given another id under way is still this one" {
    can_be_elsewhere
    marking a
    elsewhere host "$QUEUECTL_BIN" worker run --drain 2>/dev/null
    is "$(state a) $(times_run a)" "done 1"
}

@test "another host under another boot: refused until init --adopt; the runs are lost" {
    can_be_elsewhere
    marking a '[ "$QUEUECTL_RUN" = 2 ] || sleep infinity'
    start_workers 1
    wait_until has_run a
    cp -a spool/processing taken
    q worker stop --now >/dev/null
    mv spool/pending/*.a.json gone.json
    mv taken/* spool/processing/
    for cmd in list "worker start" "enqueue --command x" "status --json" "worker run --drain"; do
        # shellcheck disable=SC2086
        expect 1 elsewhere both "$QUEUECTL_BIN" $cmd
        is "$err" "queuectl: $WORK/spool belongs to another host; if it is not in use there: queuectl init --adopt $WORK/spool"
    done
    expect 0 elsewhere both "$QUEUECTL_BIN" init --adopt spool
    elsewhere both "$QUEUECTL_BIN" worker run --drain 2>/dev/null
    is "$(times_run a)" 2
    # It is that host's now.
    expect 1 q list
    has "$err" "belongs to another host"
    expect 0 q init --adopt spool
    is "$(state a) $(field a lost)" "done 1"
}

@test "who we are cannot be told: refused, not allowed" {
    can_be_elsewhere
    marking a
    # shellcheck disable=SC2016
    expect 1 unshare -m --propagation private sh -c '
        mount -t tmpfs none /proc/sys/kernel/random || exit 99; exec "$0" list' "$QUEUECTL_BIN"
    has "$err" "cannot tell which host this is"
}

# --- are they noticed? ------------------------------------------------------------------------

mutant() {
    [ "$QUEUECTL_PASS" = normal ] || skip "once is enough"
    QUEUECTL_BIN=$("$BATS_TEST_DIRNAME/../mutants/build" "$1")
}

@test "the mutant that knows copies by the inode of .queue alone" {
    mutant copy-by-inode-alone
    cp -al spool copy
    QUEUECTL_SPOOL=$WORK/copy expect 0 q list
}

@test "the mutant that claims what has ended" {
    mutant claim-of-what-has-ended
    backed_up
    q worker run --drain 2>/dev/null || true
    restore
    q worker run --drain 2>/dev/null || true
    is "$(times_run a)" 2
}
