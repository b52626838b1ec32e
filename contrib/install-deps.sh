#!/bin/sh
# install-deps.sh [build|unit|test|fuzz|model|disks|bench|lint|clients|all]...: what
# queuectl needs to be built, tested, linted and measured.  Installs what is missing with
# apt-get (Debian, Ubuntu; as root or through sudo); elsewhere names it.  Says nothing and
# costs little when all is there.  DEPS=no in the environment forbids installation.
set -eu

usage() {
    echo "usage: install-deps.sh [build|unit|test|fuzz|model|disks|bench|lint|clients|all]..." >&2
    exit 2
}

# package, how to see that it is there, the name to look for
table() {
    case $1 in
    build)
        echo 'gcc            command cc'
        echo 'libc6-dev      header  stdio.h'
        echo 'make           command make'
        echo 'pkg-config     command pkg-config'
        echo 'libcjson-dev   pc      libcjson'
        echo 'libinih-dev    pc      inih'
        ;;
    unit)
        echo 'libcmocka-dev  pc      cmocka'
        ;;
    test)
        table unit
        table fuzz
        table model
        table disks
        echo 'bash           command bash'
        echo 'bats           command bats'
        echo 'jq             command jq'
        echo 'python3        command python3'
        echo 'python3-jsonschema  python jsonschema'
        echo 'procps         command pgrep'
        echo 'strace         command strace'
        echo 'util-linux     command flock'
        echo 'bsdutils       command script'
        echo 'nodejs         command node'
        echo 'php-cli        command php'
        echo 'g++            command c++'
        echo 'mandoc         command mandoc'
        echo 'ed             command ed'
        echo 'rsync          command rsync'
        echo 'openssh-client command scp'
        echo 'openssh-sftp-server command /usr/lib/openssh/sftp-server'
        echo 'unzip          command unzip'
        echo 'vim-tiny       command vim.tiny'
        ;;
    model)
        echo 'spin           command spin'
        echo 'gcc            command cc'
        echo 'python3        command python3'
        ;;
    fuzz)
        echo 'clang          command clang'
        echo 'libclang-rt-dev  fuzzer clang'
        ;;
    disks) # file systems to be filled up, or to lose power
        echo 'mount          command mount'
        echo 'e2fsprogs      command /usr/sbin/mkfs.ext4'
        echo 'xfsprogs       command /usr/sbin/mkfs.xfs'
        echo 'btrfs-progs    command /usr/sbin/mkfs.btrfs'
        ;;
    bench) # what it is measured against
        echo 'findutils      command xargs'
        echo 'parallel       command parallel'
        echo 'task-spooler   command tsp'
        echo 'nq             command nq'
        echo 'beanstalkd     command beanstalkd'
        echo 'at             command /usr/sbin/atd'
        ;;
    lint)
        echo 'clang          command clang'
        echo 'cppcheck       command cppcheck'
        echo 'shellcheck     command shellcheck'
        echo 'mandoc         command mandoc'
        ;;
    clients) # not in all: compilers for ten languages
        echo 'bash           command bash'
        echo 'jq             command jq'
        echo 'strace         command strace'
        echo 'inotify-tools  command inotifywait'
        echo 'python3        command python3'
        echo 'nodejs         command node'
        echo 'php-cli        command php'
        echo 'ruby           command ruby'
        echo 'perl           command perl'
        echo 'golang-go      command go'
        echo 'rustc          command rustc'
        echo 'default-jdk-headless command javac'
        echo 'gcc            command gcc'
        ;;
    all)
        table build
        table test
        table lint
        ;;
    *)
        usage
        ;;
    esac
}

present() { # kind name
    case $1 in
    command) command -v "$2" ;;
    pc) pkg-config --exists "$2" ;;
    header) echo "#include <$2>" | cc -E - ;;
    # the library of -fsanitize=fuzzer is a package of its own
    fuzzer) echo 'int LLVMFuzzerTestOneInput(void) { return 0; }' |
        "$2" -x c - -fsanitize=fuzzer,address -o /dev/null ;;
    # python3 may be another than the one of the packages
    python) python3 -c "import $2" || /usr/bin/python3 -c "import $2" ;;
    esac >/dev/null 2>&1
}

missing() {
    for group; do
        table "$group" || exit
    done | while read -r package kind name; do
        present "$kind" "$name" || echo "$package"
    done
}

root() {
    if [ "$(id -u)" = 0 ]; then
        env DEBIAN_FRONTEND=noninteractive "$@"
    else
        sudo env DEBIAN_FRONTEND=noninteractive "$@"
    fi </dev/null
}

[ $# -gt 0 ] || set -- all
for group; do
    table "$group" >/dev/null
done
need=$(missing "$@" | sort -u | tr '\n' ' ')
[ -n "$need" ] || exit 0

if [ "${DEPS:-}" = no ]; then
    echo "install-deps.sh: missing, and DEPS=no forbids installing: $need" >&2
    exit 1
elif ! command -v apt-get >/dev/null 2>&1; then
    echo "install-deps.sh: no apt-get here; please install what Debian calls: $need" >&2
    exit 1
elif [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null 2>&1; then
    echo "install-deps.sh: neither root nor sudo; please install: $need" >&2
    exit 1
fi

echo "installing: $need" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# A mirror that fails in update may still have the packages.
root apt-get -qq update >"$log" 2>&1 || cat "$log" >&2
# shellcheck disable=SC2086 # one word a package
if ! root apt-get -qq -y --no-install-recommends -o DPkg::Lock::Timeout=600 \
    install $need >"$log" 2>&1; then
    cat "$log" >&2
fi

need=$(missing "$@" | sort -u | tr '\n' ' ')
if [ -n "$need" ]; then
    echo "install-deps.sh: still missing after apt-get: $need" >&2
    exit 1
fi
