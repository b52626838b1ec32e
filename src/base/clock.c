/* clock.c: the three clocks (see clock.h).  A clock that cannot be read is a
 * broken system: nothing here returns an error. */
#include "base/clock.h"

#include <time.h>

#include "base/log.h"

#define POLL_MAX_MS (3600 * 1000)
#define READ_TOGETHER_US (5 * US_PER_MS)
#define READ_TRIES 5

static int64_t read_us(clockid_t clock)
{
    struct timespec now;

    if (clock_gettime(clock, &now) < 0)
        BUG("clock_gettime failed");
    return (int64_t)now.tv_sec * US_PER_SEC + now.tv_nsec / 1000;
}

int64_t clock_wall_us(void)
{
    return read_us(CLOCK_REALTIME);
}

int64_t clock_mono_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}

int64_t clock_boot_us(void)
{
#ifdef CLOCK_BOOTTIME
    return read_us(CLOCK_BOOTTIME);
#else
    return read_us(CLOCK_MONOTONIC);
#endif
}

/* Of two readings of the monotonic clock with little between them, so that being
 * put off the processor is not taken for a step. */
static int64_t read_offset(void)
{
    int64_t before, wall, after;
    int tries = 0;

    do {
        before = clock_mono_us();
        wall = clock_wall_us();
        after = clock_mono_us();
    } while (after - before > READ_TOGETHER_US && ++tries < READ_TRIES);
    return wall - after;
}

void clock_steps_begin(struct clock_steps *s)
{
    s->offset_us = s->known_us = read_offset();
}

static int64_t step_to(const struct clock_steps *s, int64_t offset_us)
{
    int64_t step = offset_us - s->known_us;

    return step > -CLOCK_STEP_US && step < CLOCK_STEP_US ? 0 : step;
}

int64_t clock_steps_look(struct clock_steps *s)
{
    s->offset_us = read_offset();
    int64_t step = step_to(s, s->offset_us);
    s->known_us += step;
    return step;
}

int64_t clock_steps_untold(const struct clock_steps *s)
{
    return step_to(s, read_offset());
}

int clock_poll_ms(int64_t deadline_us, int64_t now_us)
{
    int64_t left;

    if (deadline_us <= now_us)
        return 0;
    if (__builtin_sub_overflow(deadline_us, now_us, &left) || left >= POLL_MAX_MS * US_PER_MS)
        return POLL_MAX_MS;
    return (int)((left + US_PER_MS - 1) / US_PER_MS);
}

void clock_pause_us(int64_t us)
{
    struct timespec t = {.tv_sec = us / US_PER_SEC, .tv_nsec = us % US_PER_SEC * 1000};

    nanosleep(&t, NULL);
}
