/* later.c: loaded (LD_PRELOAD) into the pool that recovers: its wall clock is ten seconds
 * ahead.  Litter is swept once it is five seconds old; nobody waits for that here. */
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define AHEAD_SEC 10

int clock_gettime(clockid_t clock, struct timespec *now)
{
    long r = syscall(SYS_clock_gettime, clock, now);
    if (r == 0 && clock == CLOCK_REALTIME)
        now->tv_sec += AHEAD_SEC;
    return (int)r;
}
