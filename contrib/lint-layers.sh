#!/bin/sh
# lint-layers.sh: who may include and call what, in src/.  A line that is right
# all the same says so: /* lint: allow NAME */, with NAME as printed here.
set -eu
cd "$(dirname "$0")/.."

# shellcheck disable=SC2016 # awk's dollars
find src -name '*.[ch]' | sort | xargs awk '
BEGIN {
    count = split("base spool job queue worker cli", order, " ")
    for (i = 1; i <= count; i++)
        layer[order[i]] = i
}

function breach(name, why) {
    if (index(raw, "lint: allow " name))
        return
    printf "%s:%d: %s [%s]\n", FILENAME, FNR, why, name
    found = 1
}

# The line without comments, and in `code` without strings too.
function strip(line,    out, c, i, n) {
    out = ""; code = ""
    n = length(line)
    for (i = 1; i <= n; i++) {
        c = substr(line, i, 1)
        if (comment) {
            if (c == "*" && substr(line, i + 1, 1) == "/") { comment = 0; i++ }
            continue
        }
        if (quote != "") {
            out = out c
            if (c == "\\") { i++; out = out substr(line, i, 1) }
            else if (c == quote) quote = ""
            continue
        }
        if (c == "/" && substr(line, i + 1, 1) == "*") { comment = 1; i++; continue }
        if (c == "/" && substr(line, i + 1, 1) == "/") break
        if (c == "\"" || c == "\047") quote = c
        else code = code c
        out = out c
    }
    quote = ""
    return out
}

function calls(names) {
    return (" " code) ~ "[^A-Za-z0-9_.>](" names ")[ ]*\\("
}

FNR == 1 {
    comment = 0; quote = ""
    split(FILENAME, part, "/")
    here = part[2]
    if (!(here in layer)) {
        printf "%s: src/%s is no layer that lint-layers.sh knows\n", FILENAME, here
        found = 1
    }
}

{
    raw = $0
    text = strip($0)
}

text ~ /^[ \t]*#[ \t]*include[ \t]*"/ {
    split(text, piece, "\"")
    if (split(piece[2], dir, "/") < 2) {
        if (piece[2] != "queuectl.h")
            breach("include", "include \"" piece[2] "\" without its layer")
    } else if (!(dir[1] in layer) || layer[dir[1]] > layer[here])
        breach("include", "src/" here " includes " piece[2] ", which is above it")
}

text ~ /^[ \t]*#[ \t]*include.*cJSON/ && here != "job" {
    breach("cjson", "JSON belongs to src/job")
}

text ~ /^[ \t]*#[ \t]*include.*[<"\/]ini\.h/ && FILENAME !~ /^src\/job\/settings[^\/]*\.c$/ {
    breach("ini", "settings files belong to src/job/settings*.c")
}

here != "worker" && calls("fork|vfork|clone|posix_spawnp?|popen|f?exec(v|ve|vp|vpe|l|le|lp)") {
    breach("process", "processes are made in src/worker")
}

here != "spool" && here != "base" &&
calls("(sys_)?(rename|link|unlink|symlink)(at|at2|_noreplace|_exchange)?|remove|rmdir|mkdirat?") {
    breach("names", "names in the spool are made and moved by src/spool")
}

here != "base" && calls("clock_gettime|gettimeofday|time|timespec_get") {
    breach("clock", "clocks are read in src/base")
}

FILENAME != "src/spool/name.c" && text ~ /"(pending|processing|failed|done|dead)\// {
    breach("state", "state folders are named in src/spool/name.c")
}

END { exit found }
'

# Each file has its line in doc/HACKING.md.
status=0
for file in src/*/*.[ch]; do
    stem=${file##*/}
    stem=${stem%.*}
    case $stem in
    cmd_*) continue ;;
    esac
    grep -q "^- \`$stem\." doc/HACKING.md || {
        echo "$file: no line in doc/HACKING.md [house]"
        status=1
    }
done
exit "$status"
