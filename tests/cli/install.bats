#!/usr/bin/env bats
# make install and uninstall, and a program built against what is installed.

load helper

setup_file() {
    # Not with sanitizers or the poll back end: one build is installed, whatever
    # flags it was made with.
    case ${QUEUECTL_PASS:-normal} in normal) ;; *) return 0 ;; esac
    ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    ROOTED=$BATS_FILE_TMPDIR/root
    BUILT=$BATS_FILE_TMPDIR/build
    export ROOT ROOTED BUILT
    # The objects are taken over; with other flags than theirs make would build
    # anew, and must not do so under the feet of the other tests.
    mkdir "$BUILT"
    cp -a "$(dirname "$QUEUECTL_BIN")"/{src,flags} "$BUILT"
    make_it install >"$BATS_FILE_TMPDIR/installed" 2>&1 || {
        cat "$BATS_FILE_TMPDIR/installed" >&2
        return 1
    }
}

make_it() {
    env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL \
        make -C "$ROOT" DEPS=no BUILD="$BUILT" DESTDIR="$ROOTED" PREFIX=/usr "$@"
}

setup() {
    [ -n "${ROOTED:-}" ] || skip "the normal pass installs"
    setup_spool
    export PKG_CONFIG_PATH=$ROOTED/usr/lib/pkgconfig
}
teardown() { teardown_spool; }

@test "make install puts program, header, archive, queuectl.pc and pages in place" {
    (cd "$ROOTED" && find . -type f | sort) >got
    {
        printf './usr/%s\n' bin/queuectl include/queuectl.h lib/libqueuectl.a \
            lib/pkgconfig/queuectl.pc share/queuectl/job.schema.json
        for page in "$ROOT"/doc/*.[1-8]; do
            echo "./usr/share/man/man${page##*.}/${page##*/}"
        done
    } | sort >want
    diff -u want got
    [ "$(stat -c %a "$ROOTED/usr/bin/queuectl")" = 755 ]
    [ "$(stat -c %a "$ROOTED/usr/lib/libqueuectl.a")" = 644 ]
    # What is installed knows nothing of where it was put together.
    run grep -r "$ROOTED" "$ROOTED"
    [ "$status" -eq 1 ]
}

@test "the installed program runs" {
    [ "$("$ROOTED/usr/bin/queuectl" --version)" = "$(q --version)" ]
    [ "queuectl $(pkg-config --modversion queuectl)" = "$(q --version)" ]
    "$ROOTED/usr/bin/queuectl" enqueue --id x --command true
    "$ROOTED/usr/bin/queuectl" worker run --drain
    is_state x done
}

@test "a client builds against the installed tree and works" {
    local cflags libs
    cflags=$(PKG_CONFIG_SYSROOT_DIR=$ROOTED pkg-config --cflags queuectl)
    libs=$(PKG_CONFIG_SYSROOT_DIR=$ROOTED pkg-config --libs queuectl)
    [[ $cflags == *"-I$ROOTED/usr/include"* ]]
    # shellcheck disable=SC2086 # words
    ${CC:-cc} -std=c11 -Wall -Wextra -pedantic -Werror $cflags \
        -o client "$BATS_TEST_DIRNAME/client.c" $libs
    start_workers 2
    run ./client "$QUEUECTL_SPOOL"
    echo "$output"
    [ "$status" = 0 ]
    [ "$output" = '4 jobs done, m1 is m1' ]
    q fsck
}

@test "the header is C++ too, and complete in itself" {
    command -v "${CXX:-c++}" >/dev/null || skip "no C++ compiler"
    echo '#include <queuectl.h>
        int main() { struct queuectl *q; return queuectl_open("/nonexistent", QUEUECTL_READ, &q)
            == QUEUECTL_UNKNOWN ? (queuectl_close(q), 0) : 1; }' >client.cc
    # shellcheck disable=SC2046 # words
    "${CXX:-c++}" -Wall -Wextra -Werror -o client client.cc \
        $(PKG_CONFIG_SYSROOT_DIR=$ROOTED pkg-config --cflags --libs queuectl)
    ./client
}

@test "the archive exports queuectl_ names only, and each that the header declares" {
    nm -g --defined-only "$ROOTED/usr/lib/libqueuectl.a" | awk 'NF == 3 { print $3 }' | sort >exported
    run grep -v '^queuectl_' exported
    [ "$status" = 1 ]
    ${CC:-cc} -E "$ROOTED/usr/include/queuectl.h" | grep -v '^#' | tr '\n' ' ' | tr ';' '\n' |
        grep visibility | grep -o 'queuectl_[a-z_]*(' | tr -d '(' | sort -u >declared
    [ -s declared ]
    diff -u declared exported
}

@test "make uninstall takes all of it away" {
    cp -r "$ROOTED" copy
    ROOTED=$PWD/copy make_it uninstall
    [ -z "$(find copy -type f)" ]
}
