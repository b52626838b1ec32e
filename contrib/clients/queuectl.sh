#!/bin/sh
# queuectl.sh: enqueue a job in a queuectl spool and wait for its end.  MIT; copy it.
#
# Needs coreutils 8.24 and the spool, not the program queuectl; inotifywait if there:
#  1. check the id; done/ID.json or dead/ID.json is there: in use
#  2. make tmp/UNIQUE with O_EXCL and mode 0640, write the document, fsync (sync FILE)
#  3. link(2) it to pending/ID.json, which overwrites nothing; unlink tmp/UNIQUE
#  4. fsync pending/ (sync DIR): now the job is acknowledged
#  5. watch done/ and dead/, look, wait, look: ID.json there, or dead/rejected-...
#
#   QUEUECTL_SOURCED=$$; . ./queuectl.sh     # this shell's own: one inherited says nothing
#   queuectl_enqueue "$spool" report-42 '{"command":"make report"}' && queuectl_wait 60
#   echo "$queuectl_state: $queuectl_document"     # "done" or "dead"
#
# Both are functions that return 0, or say why on stderr and return 1 trouble, 2 id or
# members, 3 refused, 124 timeout; none exits.  They work under `set -eu` and set no option,
# trap, locale or umask; their names begin with queuectl_.  One ticket at a time: the next
# queuectl_enqueue takes the place of the last.
# The members are text, in which the id is set: one of its own in there would be a
# second one, which the queue refuses.
# Descriptor 9 keeps the file open, for reading: so its inode number, which names the
# report, is not used again, and its link count tells when the queue has taken it in.
# `exec 9<&-` when there will be no more waiting.

queuectl_fail() { # code, why
    printf 'queuectl.sh: %s\n' "$2" >&2
    return "$1"
}

queuectl_blank() { # text without the white space it begins with
    printf '%s\n' "${1#"${1%%[![:space:]]*}"}"
}

queuectl_splice() ( # id, members: the document
    LC_ALL=C # letters are those of ASCII
    case $1 in
    '' | [!A-Za-z0-9]* | *[!A-Za-z0-9._-]*) return 1 ;;
    esac
    queuectl_rest=$(queuectl_blank "$2")
    [ ${#1} -le 128 ] && [ "${queuectl_rest%"${queuectl_rest#?}"}" = '{' ] || return 1
    queuectl_rest=$(queuectl_blank "${queuectl_rest#?}")
    case $queuectl_rest in
    '}'*) printf '{"id":"%s"%s\n' "$1" "$queuectl_rest" ;;
    *) printf '{"id":"%s",%s\n' "$1" "$queuectl_rest" ;;
    esac
)

queuectl_enqueue() { # SPOOL ID MEMBERS: steps 1 to 4
    queuectl_spool=$1 queuectl_id=$2 queuectl_tmp=$1/tmp/sh-$$-$(date +%s%N)
    queuectl_document=$(queuectl_splice "$2" "$3") || {
        queuectl_fail 2 'an id is 1 to 128 of A-Za-z0-9._-, a letter or digit first; members are a JSON object'
        return
    }
    if [ -e "$1/done/$2.json" ] || [ -e "$1/dead/$2.json" ]; then
        queuectl_fail 3 "id \"$2\" is in use"
        return
    fi
    queuectl_why=$(LC_ALL=C stat -L -- "$1/tmp" 2>&1) || {
        case $queuectl_why in *'No such file or directory') queuectl_why="no spool at $1" ;; esac
        queuectl_fail 1 "$queuectl_why"
        return
    }
    ( # with -C the shell opens with O_EXCL
        umask 027
        set -C
        exec 8>"$queuectl_tmp" || exit 1
        printf '%s\n' "$queuectl_document" >&8 || { rm -f -- "$queuectl_tmp"; exit 1; }
    ) || return 1
    queuectl_code=0
    queuectl_link || queuectl_code=$?
    rm -f -- "$queuectl_tmp" || return 1
    [ "$queuectl_code" = 0 ] || return "$queuectl_code"
    sync -- "$1/pending" || return 1
}

queuectl_link() {
    # Whatever a default ACL made of the mode: the worker may be of our group.
    chmod 640 -- "$queuectl_tmp" && sync -- "$queuectl_tmp" || return 1
    command exec 9<"$queuectl_tmp" || return 1 # plain exec would end the caller's shell
    queuectl_inode=$(stat -L -c %i /dev/fd/9) || return 1
    queuectl_why=$(LC_ALL=C ln -T -- "$queuectl_tmp" "$queuectl_spool/pending/$queuectl_id.json" 2>&1) && return 0
    case $queuectl_why in
    *'File exists') queuectl_fail 3 "id \"$queuectl_id\" is in use" ;;
    *) queuectl_fail 1 "$queuectl_why" ;;
    esac
}

queuectl_look() { # 0 ended, 1 trouble, 3 refused, 4 not yet
    if [ ! -x "$queuectl_spool/done" ] || [ ! -x "$queuectl_spool/dead" ]; then
        queuectl_fail 1 "$queuectl_spool: done/ or dead/ cannot be looked into"
        return
    fi
    queuectl_file=$queuectl_spool/dead/$(printf 'rejected-%.80s-%x' "$queuectl_id.json" "$queuectl_inode").json
    if [ -e "$queuectl_file" ]; then # the queue's own report, one member a line
        queuectl_fail 3 "$(LC_ALL=C sed -n '/^ *"last_error": "/ {
            s///; s/",\{0,1\}$//; s/\\\(["\\]\)/\1/g; p; }' "$queuectl_file")"
        return
    fi
    queuectl_links=$(stat -L -c %h /dev/fd/9) || return 1
    for queuectl_state in "done" dead; do
        queuectl_file=$queuectl_spool/$queuectl_state/$queuectl_id.json
        [ -e "$queuectl_file" ] || continue
        # Not taken in yet: then what lies there is another's, or ours moved by hand.
        if [ "$queuectl_links" = 0 ] || [ "$(stat -c %i -- "$queuectl_file")" = "$queuectl_inode" ]; then
            queuectl_document=$(cat -- "$queuectl_file") && return 0
            [ ! -e "$queuectl_file" ] || return 1
        fi
    done
    return 4
}

queuectl_clock() { # hundredths of a second; nobody sets this clock
    read -r queuectl_up _ </proc/uptime
    echo "${queuectl_up%.*}${queuectl_up#*.}"
}

queuectl_nap() { # at most so many hundredths of a second
    if command -v inotifywait >/dev/null && [ "$1" -ge 100 ]; then
        # It says a line when the watch is armed, and at an event.  A second at
        # most: events are hints.  Who called looks again, and tells.
        LC_ALL=C inotifywait -t 1 -e create -e moved_to -- "$queuectl_spool/done" "$queuectl_spool/dead" 2>&1 | {
            queuectl_armed=
            while read -r queuectl_line; do
                case $queuectl_line in *established*) queuectl_armed=yes ;; esac
                queuectl_look 2>/dev/null || [ $? = 4 ] || break
            done
            [ -n "$queuectl_armed" ]
        } || sleep 0.25
    else
        sleep "0.$(printf %02d "$(($1 < queuectl_nap ? $1 : queuectl_nap))")"
        queuectl_nap=$((queuectl_nap < 13 ? 2 * queuectl_nap : 25))
    fi
}

queuectl_wait() { # [SECONDS]: step 5
    queuectl_start=$(queuectl_clock) queuectl_left=100 queuectl_nap=1
    while :; do
        queuectl_look && return 0
        queuectl_code=$?
        [ "$queuectl_code" = 4 ] || return "$queuectl_code"
        [ -z "${1-}" ] || queuectl_left=$(($1 * 100 - $(queuectl_clock) + queuectl_start))
        if [ "$queuectl_left" -le 0 ]; then
            queuectl_fail 124 "job \"$queuectl_id\" has not ended after $1 s"
            return
        fi
        queuectl_nap "$queuectl_left"
    done
}

queuectl_main() {
    set -u
    LC_ALL=C
    export LC_ALL
    timeout=${4-}
    while [ "${timeout#0?}" != "$timeout" ]; do # no octal number
        timeout=${timeout#0}
    done
    case $#$timeout in
    [34]*[!0-9]* | ???????????*) set -- ;;
    esac
    if [ $# != 3 ] && [ $#${timeout:+x} != 4x ]; then
        queuectl_fail 2 'usage: queuectl.sh SPOOL ID MEMBERS_JSON [TIMEOUT_SECONDS]'
        return
    fi
    queuectl_tmp=
    trap '[ -z "$queuectl_tmp" ] || rm -f -- "$queuectl_tmp" 2>/dev/null' EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    queuectl_enqueue "$1" "$2" "$3" && queuectl_wait "$timeout" || return
    printf '%s\n' "$queuectl_document" || return 1
    [ "$queuectl_state" = "done" ]
}

if [ "${QUEUECTL_SOURCED-}" = "$$" ]; then
    unset QUEUECTL_SOURCED
else
    queuectl_main "$@"
fi
