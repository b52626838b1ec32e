#!/bin/bash
# test_kqueue.sh: the kqueue back end, run on Linux through libkqueue.
#
# One TAP test: build with WATCH=kqueue and run tests/unit/test_watch.c against
# it.  libkqueue turns EVFILT_VNODE into inotify watches as it sees fit, and not
# every version tells of a name that was moved into a folder, which is what the
# back end lives on: a probe asks first, and the test is skipped where there is
# nothing to test with.
set -u
cd "$(dirname "$0")/../.." || exit 2

echo 1..1
skip() {
    echo "ok 1 # SKIP $1"
    exit 0
}

pkg-config --exists libkqueue || skip "libkqueue is not installed (pkg-config finds none)"

dir=${QUEUECTL_BUILD:-build}/kqueue
mkdir -p "$dir/watched" || exit 2
log=$dir/log
read -ra cflags < <(pkg-config --cflags libkqueue)
read -ra libs < <(pkg-config --libs libkqueue)

cat >"$dir/probe.c" <<'END'
#include <sys/types.h>

#include <sys/event.h>
#include <sys/time.h>

#include <fcntl.h>
#include <stdio.h>
#include <time.h>

/* probe FILE FOLDER: is a rename of FILE into FOLDER told within a second? */
int main(int argc, char **argv)
{
    char to[4096];
    struct kevent e;
    struct timespec second = {1, 0};
    int kq = kqueue(), fd = argc == 3 ? open(argv[2], O_RDONLY) : -1;
    if (kq < 0 || fd < 0)
        return 2;
    snprintf(to, sizeof to, "%s/moved", argv[2]);
    EV_SET(&e, (unsigned)fd, EVFILT_VNODE, EV_ADD | EV_CLEAR, NOTE_WRITE | NOTE_EXTEND, 0, 0);
    if (kevent(kq, &e, 1, NULL, 0, NULL) < 0 || rename(argv[1], to) != 0)
        return 2;
    return kevent(kq, NULL, 0, &e, 1, &second) == 1 ? 0 : 1;
}
END

if ! "${CC:-cc}" "${cflags[@]}" -o "$dir/probe" "$dir/probe.c" "${libs[@]}" >"$log" 2>&1; then
    skip "a program cannot be built with libkqueue: $(head -n 1 "$log")"
fi
: >"$dir/file"
"$dir/probe" "$dir/file" "$dir/watched" || skip "libkqueue does not tell of a rename into a folder"

unset MAKEFLAGS MFLAGS MAKELEVEL
if make BUILD="$dir" WATCH=kqueue CPPFLAGS="${cflags[*]}" \
    CMOCKA_LIBS="$(pkg-config --libs cmocka) ${libs[*]}" "$dir/tests/test_watch" >"$log" 2>&1 &&
    "$dir/tests/test_watch" >>"$log" 2>&1; then
    echo "ok 1 - test_watch with kqueue"
else
    sed 's/^/# /' "$log"
    echo "not ok 1 - test_watch with kqueue"
    exit 1
fi
