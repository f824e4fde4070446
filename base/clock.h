/*
 * Time, the first of the three seams: everything that waits or measures asks a clock, so that tests
 * run hours in a moment. Thread: any.
 */
#ifndef SM_BASE_CLOCK_H
#define SM_BASE_CLOCK_H

#include <stdint.h>

struct sm_clock {
    int64_t (*mono_us)(const struct sm_clock *clock); /* microseconds that only go forward */
    int64_t (*wall_us)(const struct sm_clock *clock); /* microseconds since 1970, may jump */
};

/* The machine's clocks (CLOCK_MONOTONIC, CLOCK_REALTIME). */
extern const struct sm_clock sm_clock_real;

static inline int64_t sm_mono_us(const struct sm_clock *clock)
{
    return clock->mono_us(clock);
}

static inline int64_t sm_wall_us(const struct sm_clock *clock)
{
    return clock->wall_us(clock);
}

/* CPU time used by the calling thread, microseconds. */
int64_t sm_thread_cpu_us(void);

#endif
