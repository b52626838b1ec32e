#!/bin/bash
# vm.sh [KERNEL]: the clock is really set, in a virtual machine: what the kernel does
# then, and what setclock.c only stands in for.  Prints the guest's TAP (vm_guest.sh).
#
# KERNEL is a bzImage with a serial console, tmpfs and the CMOS clock built in; without
# one, Debian's cloud kernel is fetched with apt-get download.  Needs
# qemu-system-x86_64 (ACCEL=kvm where that works; 5 to 10 minutes without) and rtcwake.
# Not a part of `make test`.
set -eu
cd "$(dirname "$0")"
: "${QUEUECTL_BIN:=$(cd ../.. && pwd)/build/queuectl}"
work=$(mktemp -d "${TMPDIR:-/tmp}/queuectl-vm.XXXXXX")
trap 'rm -rf "$work"' EXIT
root=$work/root
mkdir -p "$root"/{bin,proc,sys,dev,tmp,etc,lib64,lib/x86_64-linux-gnu}

add() { # a program and the libraries it needs
    local file lib
    file=$(readlink -f "$(command -v "$1")")
    cp "$file" "$root/bin/$(basename "$1")"
    ldd "$file" 2>/dev/null | grep -o '/[^ ]*' | while read -r lib; do
        mkdir -p "$root$(dirname "$lib")"
        cp -L "$lib" "$root$lib"
    done
}

for program in sh tr date sleep cat cut grep sed awk touch mount uname tail head dmesg rtcwake \
    "$QUEUECTL_BIN"; do
    add "$program"
done
"${CC:-cc}" -static -o "$root/bin/setleap" setleap.c
cp vm_guest.sh "$root/init"
chmod +x "$root/init"
echo 'root:x:0:0:root:/tmp:/bin/sh' >"$root/etc/passwd"

kernel=${1:-}
if [ -z "$kernel" ]; then
    package=$(apt-cache depends linux-image-cloud-amd64 | grep -o 'linux-image-[0-9][^ ]*' | head -n 1)
    (cd "$work" && apt-get -qq download "$package" 2>/dev/null && dpkg -x ./*.deb kernel)
    kernel=$(echo "$work"/kernel/boot/vmlinuz-*)
fi

python3 newc.py "$root" >"$work/initrd"
timeout "${TIMEOUT:-600}" qemu-system-x86_64 -accel "${ACCEL:-tcg}" -m 512 -smp 1 -display none \
    -no-reboot -monitor none -serial stdio -kernel "$kernel" -initrd "$work/initrd" \
    -append 'console=ttyS0 loglevel=4 no_timer_check panic=-1' </dev/null | tr -d '\r' | tee "$work/tap"
! grep -q '^not ok' "$work/tap" && grep -q '^1\.\.' "$work/tap"
