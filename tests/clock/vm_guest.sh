#!/bin/sh
# vm_guest.sh: what vm.sh runs in its virtual machine, as the first process: the real
# clock is set there (settimeofday(2)), a leap second comes, and the machine sleeps.
# Lines of TAP, and what explains them, on the console.
PATH=/bin export PATH
export QUEUECTL_SPOOL=/tmp/spool HOME=/tmp TZ=UTC
DUE_MAX=12 # seconds: a pool hears of a set clock at once; it looks by itself every 30 s

mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
mount -t tmpfs none /tmp
cd /tmp || exit 1

number=0
check() { # what, then a command
    what=$1
    shift
    number=$((number + 1))
    if "$@" >/tmp/said 2>&1; then
        echo "ok $number - $what"
    else
        echo "not ok $number - $what"
        sed 's/^/# /' /tmp/said
        tail -n 8 /tmp/spool/worker.log | sed 's/^/# /'
    fi
}

uptime_s() { cut -d . -f 1 </proc/uptime; }
shown() { queuectl show --json "$1" | tr -d ' \t' >/tmp/shown; }
state() {
    shown "$1"
    grep -o '"state":"[a-z]*"' /tmp/shown | cut -d '"' -f 4
}
# Until the job is there, or so many seconds of the machine's own time have gone by.
within() { # seconds id state
    end=$(($(uptime_s) + $1))
    until [ "$(state "$2")" = "$3" ]; do
        [ "$(uptime_s)" -lt "$end" ] || return 1
        sleep 0.1
    done
}
now() { date +%s; }
by() { date -s "@$(($(now) + $1))" >/dev/null; }
job() { # id run-at command...
    id=$1 at=$2
    shift 2
    queuectl enqueue "{\"id\":\"$id\",\"run_at\":$at,\"command\":\"$*\",\"cwd\":\"/tmp\",\"backoff_base\":3}" >/dev/null
}
# Not before its time by the clock, less so many seconds.
began_from() { # id time
    shown "$1"
    at=$(grep -o '"started_at":"[^"]*"' /tmp/shown | head -n 1 | cut -d '"' -f 4 | sed 's/\..*//; s/Z$//; s/T/ /')
    echo "$1 began at $at, not before @$2 expected"
    [ "$(date -d "$at" +%s)" -ge "$2" ]
}
runs_once() { shown "$1"; grep -q '"runs":1,' /tmp/shown; }
cpu() { cat /proc/[0-9]*/stat 2>/dev/null | grep '(queuectl)' | awk '{ n += $14 + $15 } END { print n + 0 }'; }
at_rest() {
    before=$(cpu)
    sleep 3 # a window
    after=$(cpu)
    echo "$((after - before)) ticks in 3 s"
    [ $((after - before)) -le 10 ]
}

echo "# $(uname -r), $(cat /sys/devices/system/clocksource/clocksource0/current_clocksource)"
queuectl init /tmp/spool >/dev/null
queuectl worker start --count 2 >/dev/null

t=$(($(now) + 3600))
job hour $t true
by 3601
check "forward an hour: the job of that time runs at once" within $DUE_MAX hour "done"
check "forward an hour: not before" began_from hour $t
t=$(($(now) + 315360000))
job decade $t true
by 315360001
check "forward ten years" within $DUE_MAX decade "done"
by -315363602
check "back ten years: no spin" at_rest

job first 0 'touch up; until [ -e go ]; do sleep 0.1; done'
job second 0 'until [ -e go ]; do sleep 0.1; done'
within 30 first processing
within 30 second processing
job due 0 true
by -3600
touch go
check "back an hour: what was due runs" within $DUE_MAX due "done"
job again 0 '[ -e tried ] || { touch tried; exit 1; }'
within 30 again failed
by -3600
check "back an hour: a retry waits what was left" within $DUE_MAX again "done"

midnight=$((($(now) / 86400 + 1) * 86400))
date -s "@$((midnight - 4))" >/dev/null
setleap
for i in 1 2 3; do
    job leap$i $((midnight - 2 + i)) true
done
for i in 1 2 3; do
    check "leap second: job $i runs" within 30 leap$i "done"
    check "leap second: once" runs_once leap$i
done
check "leap second: the one before midnight not before" began_from leap1 $((midnight - 1))
# For a tick the kernel says midnight before it repeats the second: a job of midnight
# may be given away then, and stamped in the second that comes again.
check "leap second: that of midnight not before" began_from leap2 $((midnight - 1))
check "leap second: the one after midnight not before" began_from leap3 $((midnight + 1))
check "leap second: no spin" at_rest
dmesg | grep -i 'leap second' | sed 's/^/# /'

t=$(($(now) + 15))
job slept $t true
queuectl enqueue '{"id":"long","command":"sleep 100","timeout":8,"max_retries":0}' >/dev/null
within 30 long processing
if rtcwake -m mem -s 25 >/tmp/rtc 2>&1 || rtcwake -m freeze -s 25 >/tmp/rtc 2>&1; then
    check "sleep: what became due runs on waking" within $DUE_MAX slept "done"
    check "sleep: the timeout goes on where it stood" within 30 long dead
    shown long
    ms=$(grep -o '"duration_ms":[0-9]*' /tmp/shown | head -n 1 | cut -d : -f 2)
    check "sleep: 8 s of its own time, not $ms ms" test "$ms" -ge 8000 -a "$ms" -lt 20000
    echo "# $(grep -c 'clock was set' /tmp/spool/worker.log) steps were noticed"
else
    number=$((number + 1))
    echo "ok $number - sleep # SKIP the machine cannot: $(tail -n 1 /tmp/rtc)"
fi
queuectl worker stop >/dev/null
check "fsck finds nothing" queuectl fsck
echo "1..$number"
echo o >/proc/sysrq-trigger
sleep 60
