#!/usr/bin/env bats
# Whichever way a file comes into pending/, its job's first instruction runs within
# 200 ms of the moment in which the file was whole: the rename, the close, the end
# of the second name.
#
# The job tells its own time; the writer's time is taken just before that moment
# where the way allows it, else just before the tool starts (a tool may need longer
# than 200 ms to start: then the time is taken when it has ended, and the moment
# was before that).  The best of three tries counts: a delay in the queue fails all
# three, a busy machine does not.

load helper
load processes

LIMIT_MS=200
setup() {
    setup_spool
    start_workers 2
    mkdir out
}
teardown() { teardown_spool; }

# Its first instruction: date(1) writes the time into the log.
job() { printf '{"id":"%s","argv":["date","+%%s%%N"]}\n' "$1"; }
now_ns() { date +%s%N; }

needs() {
    local tool
    for tool; do
        command -v "$tool" >/dev/null || skip "no $tool"
    done
}

# in_time WAY...: WAY ID drops the job ID as pending/ID.json and may set `since`;
# otherwise its end is what counts.
in_time() {
    local try id delay best=
    for try in 1 2 3; do
        id=way$try
        since=
        job "$id" >"new.$id"
        "$@" "$id"
        [ -n "$since" ] || since=$(now_ns)
        wait_until is_state "$id" "done"
        delay=$((($(q logs "$id") - since) / 1000000))
        echo "$*: try $try: $delay ms"
        [ -n "$best" ] && [ "$best" -le "$delay" ] || best=$delay
        [ "$best" -ge "$LIMIT_MS" ] || break
    done
    [ "$best" -lt "$LIMIT_MS" ]
    is "$(ls -A spool/quarantine)" ""
}

# --- shell tools --------------------------------------------------------------------

by_mv() { mv "new.$1" "spool/pending/$1.json"; }
@test "mv" { in_time by_mv; }

by_ln() {
    ln "new.$1" "spool/pending/$1.json"
    # Not before: it has two names.
    q enqueue --wait --id "probe.$1" --command true
    is_still_there "$1"
    rm "new.$1"
}
is_still_there() { [ -e "spool/pending/$1.json" ]; }
@test "ln, and rm of the first name: from the rm on" { in_time by_ln; }

by_cp() { cp "new.$1" "spool/pending/$1.json"; }
@test "cp" { in_time by_cp; }

by_redirection() { job "$1" >"spool/pending/$1.json"; }
@test "> redirection" { in_time by_redirection; }

# The pool wakes by itself to look again at a file that is not whole: so many times.
wakes() { awk '/^voluntary/ { print $2 }' "/proc/$(pools)/status"; }
woke() { [ "$(wakes)" -ge "$1" ]; }
is_looked_at() { # name, times
    q enqueue --wait --id "probe.$1" -- true
    wait_until woke $(($(wakes) + $2))
    is_still_there "$1"
}

by_slow_writer() {
    exec 8>"spool/pending/$1.json"
    cat "new.$1" >&8
    # Whole and looked at several times, with growing pauses, but still open.
    is_looked_at "$1" 2
    exec 8>&-
}
@test "a slow writer: from its close on" { in_time by_slow_writer; }

by_halves() {
    head -c 20 "new.$1" >"spool/pending/$1.json"
    is_looked_at "$1" 1
    tail -c +21 "new.$1" >>"spool/pending/$1.json"
}
@test "a writer that closes and comes back for the rest" { in_time by_halves; }

by_truncation() {
    echo '{"id":' >"spool/pending/$1.json"
    is_looked_at "$1" 1
    cat "new.$1" >"spool/pending/$1.json"
}
@test "a truncating rewrite of a file that was no job yet" { in_time by_truncation; }

# It changes the mode by the name, after its close: too late, which it says.
by_install() { install -m 600 "new.$1" "spool/pending/$1.json" 2>/dev/null || true; }
@test "install" { in_time by_install; }

by_tee() { tee "spool/pending/$1.json" <"new.$1" >/dev/null; }
@test "tee" { in_time by_tee; }

by_dd() { dd "if=new.$1" "of=spool/pending/$1.json" bs=8 status=none; }
@test "dd in small blocks" { in_time by_dd; }

by_suffix() {
    cp "new.$1" "spool/pending/$1.json.part"
    mv "spool/pending/$1.json.part" "spool/pending/$1.json"
}
@test "another suffix beside, and mv" { in_time by_suffix; }

# A file that lacks its end, and has been looked at.
unfinished() {
    sed "s/$1/not yet/;s/}//" "new.$1" >"spool/pending/$1.json"
    q enqueue --wait --id "probe.$1" --command true
    is_still_there "$1"
}

by_sed_in_place() {
    unfinished "$1"
    sed -i "s/not yet/$1/;s/\$/}/" "spool/pending/$1.json"
}
@test "sed -i" { in_time by_sed_in_place; }

by_tar() {
    mv "new.$1" "$1.json"
    tar -cf "$1.tar" "$1.json"
    tar -xf "$1.tar" -C spool/pending
}
@test "tar x, with an mtime long past" {
    needs tar
    in_time by_tar
}

by_unzip() {
    mv "new.$1" "$1.json"
    python3 -m zipfile -c "$1.zip" "$1.json"
    unzip -q "$1.zip" -d spool/pending
}
@test "unzip" {
    needs unzip
    in_time by_unzip
}

by_git() {
    mv "new.$1" "work/$1.json"
    git -C work add "$1.json"
    git -C work -c user.name=x -c user.email=x@localhost commit -qm x
    git --git-dir=work/.git --work-tree=spool/pending checkout -q HEAD -- "$1.json"
}
@test "git checkout" {
    needs git
    HOME=$WORK git init -q work
    HOME=$WORK in_time by_git
}

# --- editors ------------------------------------------------------------------------

by_ed() { printf 'r new.%s\nw\nq\n' "$1" | ed -s "spool/pending/$1.json" 2>/dev/null; }
@test "ed" {
    needs ed
    in_time by_ed
}

# It moves the old one out of the way, and its swap file lies beside.
by_vim() {
    unfinished "$1"
    "$vim" -es -u NONE -c 'set writebackup backupcopy=no' -c "s/not yet/$1/" -c 's/$/}/' \
        -c 'wq!' "spool/pending/$1.json" </dev/null
}
@test "vim, of a file that was no job yet" {
    vim=$(command -v vim.tiny || command -v vim) || skip "no vim"
    in_time by_vim
}

# --- copies from elsewhere ----------------------------------------------------------------

by_rsync() { rsync "new.$1" "spool/pending/$1.json"; }
@test "rsync: its temporary name, then a rename" {
    needs rsync
    in_time by_rsync
}

# It looks at its file once more after the close: 23 is that the file is gone by then.
by_rsync_in_place() { rsync --inplace "new.$1" "spool/pending/$1.json" || [ $? = 23 ]; }
@test "rsync --inplace" {
    needs rsync
    in_time by_rsync_in_place
}

# scp without a server: what ssh would run there is run here.
fake_ssh() {
    cat >ssh <<'SH'
#!/bin/sh
subsystem=
while [ $# -gt 0 ]; do
    case $1 in
    -s) subsystem=yes ;;
    -o | -l | -p | -i | -F) shift ;;
    --) shift; break ;;
    -*) ;;
    *) break ;;
    esac
    shift
done
shift # the host
# scp -s HOST sftp: options may stand behind -s too
[ -z "$subsystem" ] || exec "$SFTP_SERVER"
exec sh -c "$*"
SH
    chmod 755 ssh
}

by_scp() { scp -q "$protocol" -S "$WORK/ssh" "new.$1" "somewhere:$WORK/spool/pending/$1.json"; }
@test "scp, by its old protocol" {
    needs scp
    fake_ssh
    protocol=-O
    in_time by_scp
}

@test "scp, by sftp" {
    needs scp
    export SFTP_SERVER=
    for SFTP_SERVER in /usr/lib/openssh/sftp-server /usr/libexec/openssh/sftp-server \
        /usr/libexec/sftp-server; do
        [ ! -x "$SFTP_SERVER" ] || break
    done
    [ -x "$SFTP_SERVER" ] || skip "no sftp-server"
    fake_ssh
    protocol=-q
    in_time by_scp
}

# --- languages ----------------------------------------------------------------------------

# The writer's own clock, at its close or rename.
by_script() { since=$("$@"); }

python_script() {
    python3 - "$way" "$1" <<'PY'
import os, sys, tempfile, time
way, id = sys.argv[1:]
text = open("new." + id).read()
path = "spool/pending/" + id + ".json"
if way == "write":
    f = open(path, "w")
    f.write(text)
    f.flush()
    now = time.time_ns()
    f.close()
elif way == "replace":
    with tempfile.NamedTemporaryFile("w", dir="spool/pending", suffix=".json.tmp",
                                     delete=False) as f:
        f.write(text)
    now = time.time_ns()
    os.replace(f.name, path)
elif way == "tmpfile":
    fd = os.open("spool/pending", os.O_TMPFILE | os.O_WRONLY, 0o600)
    os.write(fd, text.encode())
    os.link("/proc/self/fd/%d" % fd, path, src_dir_fd=0, follow_symlinks=True)
    now = time.time_ns()
    os.close(fd)
print(now)
PY
}

@test "Python: open, write, close" {
    way=write
    in_time by_script python_script
}

@test "Python: tempfile and os.replace" {
    way=replace
    in_time by_script python_script
}

@test "Python: O_TMPFILE and linkat, then close" {
    way=tmpfile
    in_time by_script python_script
}

node_script() {
    node -e 'const fs = require("fs"), text = fs.readFileSync("new." + process.argv[1]);
        const now = BigInt(Date.now()) * 1000000n;
        fs.writeFile("spool/pending/" + process.argv[1] + ".json", text, (e) => {
            if (e) throw e;
            console.log(String(now));
        });' "$1"
}
@test "Node: fs.writeFile" {
    needs node
    in_time by_script node_script
}

perl_script() {
    perl -MTime::HiRes=time -e 'open(my $in, "<", "new.$ARGV[0]") or die; my $text = <$in>;
        open(my $f, ">", "spool/pending/$ARGV[0].json") or die; print $f $text;
        my $now = time; close($f) or die; printf "%d\n", $now * 1e9;' "$1"
}
@test "Perl: open, print, close" {
    needs perl
    in_time by_script perl_script
}
