#!/usr/bin/env bats
# The spool itself: making it, finding it, and refusing one that cannot be trusted.

load helper

setup() {
    setup_spool
}

teardown() {
    # Tests take rights away.
    [ -z "${WORK:-}" ] || chmod -R u+rwX "$WORK" 2>/dev/null || true
    teardown_spool
}

# A user without rights, in a home of its own: HOME is $WORK/home.
as_user() {
    local env=(env -i "PATH=$PATH" HOME="$WORK/home")
    if [ "$(id -u)" = 0 ]; then
        setpriv --reuid=65534 --regid=65534 --clear-groups "${env[@]}" "$@"
    else
        "${env[@]}" "$@"
    fi
}

setup_user() {
    command -v setpriv >/dev/null || [ "$(id -u)" != 0 ] || skip "needs setpriv(1)"
    mkdir home elsewhere
    cp "$QUEUECTL_BIN" queuectl
    if [ "$(id -u)" = 0 ]; then
        chmod 755 "$WORK"
        chown 65534:65534 home elsewhere
        as_user "$WORK/queuectl" --version >/dev/null 2>&1 ||
            skip "another user cannot run the program here"
    fi
    cd elsewhere || return 1
}

# Commands in a mount namespace of their own.
with_mounts() { unshare -m bash -c "$@"; }
needs_mounts() {
    with_mounts "mount -t tmpfs none '$WORK/spool/tmp'" 2>/dev/null || skip "cannot mount here"
}

FOLDERS="control dead done failed ids journal logs pending processing quarantine tmp workers"

# --- init ---------------------------------------------------------------------------------

@test "init makes all folders, private, and prints the place" {
    expect 0 q init "$WORK/new/deep/spool"
    is "$out" "$WORK/new/deep/spool"
    is "$err" ""
    is "$(ls new/deep/spool | paste -sd' ')" "$FOLDERS"
    is "$(stat -c %a new new/deep new/deep/spool new/deep/spool/*/ | sort -u)" 700
    [ -f new/deep/spool/.queue ]
    is "$(stat -c %s new/deep/spool/.reserve)" 1048576
}

@test "init is private whatever the umask" {
    (umask 0 && q init "$WORK/open" >/dev/null)
    is "$(find open -type d -exec stat -c %a {} + | sort -u)" 700
    is "$(find open -type f -perm /077)" ""
    (umask 777 && q init "$WORK/shut" >/dev/null)
    QUEUECTL_SPOOL=$WORK/shut expect 0 q enqueue --command x
}

@test "init with --spool, with \$QUEUECTL_SPOOL, not with two places" {
    expect 0 q --spool one init
    is "$out" "$WORK/one"
    QUEUECTL_SPOOL=two expect 0 q init
    is "$out" "$WORK/two"
    refuses 2 "init: give DIR or --spool DIR, not both" --spool one init two
}

@test "init of a spool that is there leaves it as it is" {
    q enqueue --id a --command x
    before=$(cd spool && find . -type f -exec sha256sum {} + | sort)
    expect 0 q init spool
    is "$out" "$WORK/spool"
    is "$(cd spool && find . -type f -exec sha256sum {} + | sort)" "$before"
}

@test "init finishes what an interrupted init left" {
    rm spool/.queue spool/.reserve
    rmdir spool/dead spool/workers
    : >spool/.queue.ef017156-1-2-abcdef01
    expect 1 q enqueue --command x
    is "$err" "queuectl: $WORK/spool is no spool (it has no .queue); make one: queuectl init $WORK/spool"
    expect 0 q init spool
    is "$(ls spool | paste -sd' ')" "$FOLDERS"
    expect 0 q enqueue --command x
}

@test "init refuses a folder that holds something else" {
    mkdir full
    : >full/thesis.tex
    refuses 1 "$WORK/full is not empty and no spool (it holds thesis.tex); name a new folder" \
        init "$WORK/full"
    is "$(ls -A full)" thesis.tex
}

@test "init refuses a file, and a place that cannot be made" {
    : >file
    expect 1 q init file
    has "$err" "file"
    has "$err" "Not a directory"
    expect 1 q init file/below
    has "$err" "Not a directory"
}

@test "ten inits at once: all succeed, and one spool is there" {
    for i in $(seq 10); do
        q init "$WORK/new" >"out.$i" 2>&1 &
    done
    wait
    is "$(cat out.* | sort -u)" "$WORK/new"
    QUEUECTL_SPOOL=$WORK/new expect 0 q enqueue --command x
    is "$(ls -A new | grep -v '^\.reserve$' | grep '^\.')" .queue
}

@test "a name with blanks, quotes and control characters" {
    dir=$'it\'s a "spool"\t\033[31m'
    expect 0 q init "$dir"
    hasnt "$out" $'\033'
    export QUEUECTL_SPOOL=$WORK/$dir
    start_workers 1
    q enqueue --wait --id a --command 'echo "$QUEUECTL_SPOOL"'
    is "$(q logs a)" "$WORK/$dir"
    expect 0 q status
    hasnt "$out" $'\033'
    is "$(q status --json | jq -r .spool)" "$WORK/$dir"
}

# --- which one ------------------------------------------------------------------------------

@test "--spool wins over \$QUEUECTL_SPOOL, that over ./spool" {
    q init "$WORK/env" >/dev/null
    q init "$WORK/flag" >/dev/null
    export QUEUECTL_SPOOL=$WORK/env
    q --spool flag enqueue --id f --command x
    q enqueue --spool=flag --id g --command x
    q enqueue --id e --command x
    unset QUEUECTL_SPOOL
    q enqueue --id h --command x
    is "$(ls flag/ids | paste -sd' ') $(ls env/ids) $(ls spool/ids)" "f g e h"
}

@test "./spool counts only when it is a spool" {
    setup_user
    mkdir -m 777 spool
    expect 0 as_user ../queuectl list
    has "$err" "$WORK/home/.local/state/queuectl/spool"
    is "$(ls -A spool)" ""
}

@test "an empty \$QUEUECTL_SPOOL is as good as none; an empty --spool is refused" {
    QUEUECTL_SPOOL='' expect 0 q enqueue --id a --command x
    is "$(ls spool/ids)" a
    refuses 2 "--spool needs the name of a folder" --spool '' list
}

@test "the default: made by the first command that writes, under HOME" {
    setup_user
    expect 0 as_user ../queuectl enqueue --id a --command x
    is "$out" a
    sp=$WORK/home/.local/state/queuectl/spool
    is "$(as_user ls "$sp/ids")" a
    is "$(as_user stat -c %a "$sp" "$sp/pending" | sort -u)" 700
    is "$(as_user ../queuectl status --json | jq -r .spool)" "$sp"
}

@test "the default under XDG_STATE_HOME; a relative one does not count" {
    setup_user
    expect 0 as_user env XDG_STATE_HOME="$WORK/home/state" ../queuectl enqueue --id a --command x
    is "$(as_user ls "$WORK/home/state/queuectl/spool/ids")" a
    expect 0 as_user env XDG_STATE_HOME=state ../queuectl enqueue --id b --command x
    is "$(as_user ls "$WORK/home/.local/state/queuectl/spool/ids")" b
}

@test "the default without HOME: said, exit 1" {
    setup_user
    expect 1 as_user env -u HOME ../queuectl enqueue --command x
    is "$err" "queuectl: no spool named, and no home folder to look in; use --spool DIR or set QUEUECTL_SPOOL"
}

@test "the default of root is /var/spool/queuectl" {
    [ "$(id -u)" = 0 ] || skip "needs root"
    [ ! -e /var/spool/queuectl ] || skip "there is one; it is left alone"
    rm -r spool
    unset QUEUECTL_SPOOL
    HOME=$WORK expect 0 q list --json
    is "$out" "[]"
    has "$err" "/var/spool/queuectl"
    [ ! -e /var/spool/queuectl ]
}

@test "a spool that is named is never made by itself" {
    for cmd in "enqueue --command x" "config set timeout 5" "worker start" "pause" "clear --yes" \
        "retry a" "delete a --yes"; do
        # shellcheck disable=SC2086
        QUEUECTL_SPOOL=$WORK/none expect 1 q $cmd
        is "$out" ""
        is "$err" "queuectl: no spool at $WORK/none; make one: queuectl init $WORK/none"
        [ ! -e none ]
    done
}

@test "readers with no spool: an empty result, exit 0, and where they looked" {
    export QUEUECTL_SPOOL=$WORK/none
    for cmd in "list --json" "dlq list --json" "dlq list --by-error --json" "worker list --json" \
        "fsck --json"; do
        # shellcheck disable=SC2086
        expect 0 q $cmd
        is "$(jq -c . <<<"$out")" "[]"
        is "$err" "queuectl: no spool at $WORK/none; make one: queuectl init $WORK/none"
    done
    expect 0 q status --json
    is "$(jq -cS .counts <<<"$out")" '{"dead":0,"done":0,"failed":0,"pending":0,"processing":0}'
    is "$(jq -r .spool <<<"$out")" "$WORK/none"
    for cmd in list status "dlq list" wait "config list" "config get" fsck; do
        # shellcheck disable=SC2086
        expect 0 q $cmd
        has "$err" "no spool at $WORK/none"
    done
    expect 0 q config get max-retries
    is "$out" 3
    for cmd in "show a" "logs a" "wait a" "dlq show a"; do
        # shellcheck disable=SC2086
        expect 1 q $cmd
        is "$out" ""
    done
    [ ! -e none ]
}

# --- refusals ---------------------------------------------------------------------------------

# Every command refuses, with these words, and changes nothing.
all_refuse() {
    local cmd
    for cmd in "enqueue --command x" list "status --json" "worker start" "dlq list" \
        "config set timeout 5" fsck; do
        # shellcheck disable=SC2086
        refuses 1 "$1" $cmd
    done
}

@test "a copied spool is refused, until init --adopt" {
    q enqueue --id a --command x
    cp -a spool copy
    export QUEUECTL_SPOOL=$WORK/copy
    all_refuse "$WORK/copy is a copy of a spool; if the original is not in use: queuectl init --adopt $WORK/copy"
    expect 1 q init copy
    has "$err" "is a copy of a spool"
    expect 0 q init --adopt copy
    is "$out" "$WORK/copy"
    is "$(q list --format '{id}')" a
    start_workers 1
    # The original is a spool still.
    QUEUECTL_SPOOL=$WORK/spool expect 0 q list
}

@test "a spool that was moved is the same spool" {
    q enqueue --id a --command x
    mv spool moved
    QUEUECTL_SPOOL=$WORK/moved expect 0 q list --format '{id}'
    is "$out" a
}

@test "the runs of an adopted spool are lost: made again, counted" {
    start_workers 1
    q enqueue --id a --command '[ "$QUEUECTL_RUN" = 2 ] || sleep infinity'
    wait_until is_state a processing
    cp -a spool copy
    q worker stop --now >/dev/null
    rm -r spool
    export QUEUECTL_SPOOL=$WORK/copy
    expect 0 q init --adopt copy
    start_workers 1
    wait_until is_state a "done"
    is "$(field a lost) $(field a attempts)" "1 1"
}

@test "a spool of another host and boot is refused, until init --adopt" {
    q enqueue --id a --command x
    # Written in place: sed -i would make a new inode, and so a copy.
    text=$(sed -E 's/^(host|boot) .*/\1 0123456789abcdef0123456789abcdef/' spool/.queue)
    printf '%s\n' "$text" >spool/.queue
    all_refuse "$WORK/spool belongs to another host; if it is not in use there: queuectl init --adopt $WORK/spool"
    expect 0 q init --adopt spool
    is "$(q list --format '{id}')" a
}

@test "a newer format is refused, by init --adopt too" {
    text=$(sed 's/^format .*/format 99/' spool/.queue)
    printf '%s\n' "$text" >spool/.queue
    [[ $(q list 2>&1) == "queuectl: $WORK/spool was made by a newer queuectl (format 99, this one knows "*"); use that one" ]]
    all_refuse "$(q list 2>&1 | sed 's/^queuectl: //')"
    expect 1 q init --adopt spool
    has "$err" "newer queuectl"
    is "$(cat spool/.queue)" "$text"
}

@test "a damaged .queue is refused" {
    for text in '' 'format' 'rubbish' $'format 1\ninode -5' "$(head -c 5000 /dev/zero | tr '\0' x)"; do
        printf '%s' "$text" >spool/.queue
        expect 1 q list
        has "$err" "$WORK/spool"
        is "$out" ""
    done
}

@test "folders that others can write to are refused by whoever writes" {
    for mode in 770 707 720 1777; do
        chmod $mode spool/pending
        case $mode in
        *0) group="; or trust its group: queuectl config set allow-group $(id -gn)" ;;
        *) group= ;;
        esac
        for cmd in "enqueue --command x" "worker start" "retry a"; do
            # shellcheck disable=SC2086
            refuses 1 "others can write to $WORK/spool/pending, and so run commands as you; mend it: chmod go-w $WORK/spool/pending$group" $cmd
        done
    done
    chmod 750 spool/pending
    expect 0 q enqueue --command x
    chmod 700 spool/pending
    chmod 777 spool
    for cmd in "enqueue --command x" "config set timeout 5"; do
        # shellcheck disable=SC2086
        refuses 1 "others can write to $WORK/spool, and so run commands as you; mend it: chmod go-w $WORK/spool" $cmd
    done
    chmod 700 spool
    chmod 770 spool/tmp
    expect 1 q enqueue --command x
    has "$err" "chmod go-w $WORK/spool/tmp"
}

@test "a spool of another user is refused by whoever writes" {
    [ "$(id -u)" = 0 ] || skip "needs root to give it away"
    chown -R 65534 spool
    for cmd in "enqueue --command x" "worker start" "clear --yes"; do
        # shellcheck disable=SC2086
        refuses 1 "$WORK/spool belongs to user $(id -nu 65534), and jobs of a spool run as its owner; run this as that user: sudo -u $(id -nu 65534) queuectl ..." $cmd
    done
    chown 0 spool
    expect 1 q enqueue --command x
    is "$err" "queuectl: $WORK/spool/pending belongs to user $(id -nu 65534), and the spool to root; as root: chown root $WORK/spool/pending"
}

@test "a user cannot look into the spool of another" {
    setup_user
    [ "$(id -u)" = 0 ] || skip "needs a second user"
    refuses_user() {
        expect 1 as_user ../queuectl --spool ../spool "$@"
        has "$err" "/spool belongs to user $(id -nu) and is closed to you; run this as that user: sudo -u $(id -nu) queuectl"
        is "$out" ""
    }
    refuses_user list
    refuses_user enqueue --command x
}

@test "folders that cannot be written: said which, exit 1, nothing stored" {
    setup_user
    as_user ../queuectl init "$WORK/home/spool" >/dev/null
    for dir in pending tmp ids; do
        as_user chmod 500 "$WORK/home/spool/$dir"
        expect 1 as_user ../queuectl --spool "$WORK/home/spool" enqueue --id a --command x
        is "$out" ""
        has "$err" "Permission denied"
        as_user chmod 700 "$WORK/home/spool/$dir"
        is "$(cd "$WORK/home/spool" && ls pending tmp ids | grep -v ':$' | grep .)" ""
    done
    expect 0 as_user ../queuectl --spool "$WORK/home/spool" enqueue --id a --command x
}

@test "a folder on another file system is refused" {
    needs_mounts
    for dir in "done" pending tmp; do
        run with_mounts "mount -t tmpfs -o mode=700 none spool/$dir && '$QUEUECTL_BIN' list"
        is "$status" 1
        is "$output" "queuectl: $WORK/spool/$dir lies on another file system than $WORK/spool; a job moves by rename(2), so all folders of a spool must share one"
    done
}

@test "a network file system is refused" {
    # None can be mounted in a test; a shim says that this one is NFS.
    cat >shim.c <<'C'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/vfs.h>
int fstatfs(int fd, struct statfs *buf)
{
    int (*real)(int, struct statfs *) = dlsym(RTLD_NEXT, "fstatfs");
    int r = real(fd, buf);
    buf->f_type = 0x6969;
    return r;
}
C
    [ "${QUEUECTL_PASS:-normal}" = normal ] || skip "not under sanitizers"
    "${CC:-cc}" -shared -fPIC -o shim.so shim.c -ldl 2>/dev/null || skip "needs a C compiler"
    LD_PRELOAD=$WORK/shim.so refuses 1 "$WORK/spool lies on a network file system (nfs), where renames and locks promise too little; choose a local one" enqueue --command x
    LD_PRELOAD=$WORK/shim.so expect 1 q init "$WORK/new"
    has "$err" "$WORK/new lies on a network file system (nfs)"
    [ ! -e new/.queue ]
}

@test "a missing folder is named, with the way to make it again" {
    rmdir spool/journal
    all_refuse "$WORK/spool/journal is missing; make it again: queuectl init $WORK/spool"
    expect 0 q init "$WORK/spool"
    is "$(stat -c %a spool/journal)" 700
    expect 0 q list
}

@test "a folder that is a symbolic link is refused" {
    mv spool/pending elsewhere
    ln -s ../elsewhere spool/pending
    expect 1 q enqueue --command x
    has "$err" "$WORK/spool/pending"
    is "$(ls elsewhere)" ""
}

@test "a spool behind a symbolic link is a spool" {
    ln -s spool link
    QUEUECTL_SPOOL=$WORK/link expect 0 q enqueue --id a --command x
    is "$(q list --format '{id}')" a
}

@test "no space: enqueue is refused with the reason, and nothing is stored" {
    needs_mounts
    mkdir small
    run with_mounts "
        mount -t tmpfs -o mode=700,size=6m none small || exit 9
        export QUEUECTL_SPOOL=$WORK/small/spool
        '$QUEUECTL_BIN' init >/dev/null
        dd if=/dev/zero of=small/fill bs=64k 2>/dev/null
        '$QUEUECTL_BIN' enqueue --command x; echo \$?
        ls small/spool/pending small/spool/ids | grep -c json
        '$QUEUECTL_BIN' list --json; echo \$?"
    is "${lines[0]}" "queuectl: the disk of $WORK/small/spool is full (under $(grep -o 'under [0-9]* MiB' <<<"${lines[0]}" | tr -dc 0-9) MiB or 16 inodes free); nothing was enqueued"
    is "${lines[1]}" 1
    is "${lines[2]}" 0
    is "$(tail -n 2 <<<"$output" | jq -sc .)" '[[],0]'
}
