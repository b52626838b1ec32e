/* clock.h: the three clocks.  Deadlines are monotonic, due times are wall
 * time, process ages are boot time (it counts suspend). */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

#define US_PER_SEC INT64_C(1000000)
#define US_PER_MS INT64_C(1000)
#define MS_PER_SEC INT64_C(1000)

int64_t clock_wall_us(void);  /* CLOCK_REALTIME, microseconds since 1970 */
int64_t clock_mono_us(void);  /* CLOCK_MONOTONIC */
int64_t clock_boot_us(void);  /* CLOCK_BOOTTIME where there is one, else monotonic */

/* Milliseconds for poll(2) until a deadline: rounded up, so that the last
 * millisecond is slept and not spun; 0 when it has passed; at most an hour. */
int clock_poll_ms(int64_t deadline_us, int64_t now_us);

/* Sleep so long, or until a signal comes. */
void clock_pause_us(int64_t us);

/* Was the wall clock set?  Both clocks run at one rate, whatever adjtime(3) does,
 * so a change of what lies between them is a step: somebody set the clock, a second
 * was put in or left out, or the machine was suspended (monotonic time stands still
 * then).  Steps under half a second are summed up until they are more. */
#define CLOCK_STEP_US (500 * US_PER_MS) /* a leap second is one surely */

struct clock_steps {
    int64_t offset_us; /* wall minus monotonic, as of the last look */
    int64_t known_us;  /* the same, as of the last step that was told */
};

void clock_steps_begin(struct clock_steps *s);
int64_t clock_steps_look(struct clock_steps *s); /* by how much; 0: it was not */
int64_t clock_steps_untold(const struct clock_steps *s); /* what the next look will say */

#endif
