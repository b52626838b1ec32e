# people.bash: users and groups that exist in a mount namespace of the test only,
# where /etc/passwd and /etc/group are other files: nothing on the machine changes.
#
#   alice   has the spool, and is in group crew
#   web     a web server's user, in crew
#   bob     in crew too
#   mallory in no group but her own
#
#   as USER CMD...     run it as that user, in $WORK
#   start_people, end_people   for setup_file and teardown_file
#   setup_home, teardown_home  for setup and teardown: alice's spool is to be $S
# shellcheck shell=bash disable=SC2154 # WORK is set by setup_spool

people_missing() {
    [ "$(id -u)" = 0 ] || { echo "needs root, for several users"; return; }
    command -v setpriv nsenter unshare >/dev/null || { echo "needs setpriv, nsenter, unshare"; return; }
    unshare -m true 2>/dev/null || echo "no mount namespace can be made here"
}

# A process that does nothing holds the namespace; $PEOPLE_PID is its pid.
start_people() {
    [ -z "$(people_missing)" ] || return 0
    local etc=$BATS_FILE_TMPDIR
    {
        cat /etc/passwd
        echo "alice:x:61001:61001::/nonexistent:/bin/sh"
        echo "web:x:61002:61002::/nonexistent:/bin/sh"
        echo "mallory:x:61003:61003::/nonexistent:/bin/sh"
        echo "bob:x:61004:61004::/nonexistent:/bin/sh"
    } >"$etc/passwd"
    {
        cat /etc/group
        for n in alice:61001 web:61002 mallory:61003 bob:61004; do echo "${n%:*}:x:${n#*:}:"; done
        echo "crew:x:61010:alice,web,bob"
        echo "quiet:x:61011:"
    } >"$etc/group"
    mkfifo "$etc/ready"
    # shellcheck disable=SC2016 # for the inner shell
    unshare -m --propagation private bash -c '
        mount --bind "$0/passwd" /etc/passwd && mount --bind "$0/group" /etc/group &&
            echo ready >"$0/ready"
        exec sleep infinity' "$etc" 3>&- >/dev/null 2>&1 &
    echo $! >"$etc/pid"
    read -r _ <"$etc/ready"
}

end_people() {
    [ ! -s "$BATS_FILE_TMPDIR/pid" ] || kill "$(<"$BATS_FILE_TMPDIR/pid")"
}

as() {
    local user=$1
    shift
    # shellcheck disable=SC2016 # for the inner shell
    nsenter --mount="/proc/$(<"$BATS_FILE_TMPDIR/pid")/ns/mnt" \
        setpriv --reuid="$user" --regid="$(id_of "$user")" --init-groups \
        sh -c 'cd "$0" && exec "$@"' "$WORK" "$@"
}

setup_home() {
    local why
    why=$(people_missing)
    [ -z "$why" ] || skip "$why"
    setup_spool
    rm -r spool
    chmod 755 "$WORK"
    mkdir home public
    cp "$QUEUECTL_BIN" queuectl
    chown 61001 home
    chmod 1777 public
    export QUEUECTL_SPOOL=$WORK/home/spool
    S=home/spool
}

# By the full path: nsenter does not keep the current directory.
teardown_home() {
    [ -n "${WORK:-}" ] || return 0
    [ ! -e "$S/.queue" ] || timeout 30 nsenter \
        --mount="/proc/$(<"$BATS_FILE_TMPDIR/pid")/ns/mnt" \
        setpriv --reuid="$(stat -c %u "$S")" --clear-groups \
        "$WORK/queuectl" --spool "$WORK/$S" worker stop --now >/dev/null 2>"$BATS_TEST_TMPDIR/stop" || {
            cat "$BATS_TEST_TMPDIR/stop" >&2
            return 1
        }
    teardown_spool
}

alice() { as alice ./queuectl "$@"; }
# helper.bash looks at the spool through this.
q() { as alice ./queuectl "$@"; }

shared() { alice init --group crew "$WORK/$S" >/dev/null && alice worker start "$@" >/dev/null; }

# The numbers of our people: the machine's own database does not know them.
id_of() {
    case $1 in
    alice) echo 61001 ;;
    web) echo 61002 ;;
    mallory) echo 61003 ;;
    bob) echo 61004 ;;
    *) id -g "$1" ;;
    esac
}
