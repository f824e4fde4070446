/*
 * The machine's clocks behind the clock seam. Thread: any.
 */
#include "base/clock.h"

#include <time.h>

#include "base/check.h"

static int64_t read_us(clockid_t which)
{
    struct timespec now;

    SM_ASSERT(clock_gettime(which, &now) == 0);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int64_t real_mono_us(const struct sm_clock *clock)
{
    (void)clock;
    return read_us(CLOCK_BOOTTIME); /* goes on while the machine sleeps: leases do, too */
}

static int64_t real_wall_us(const struct sm_clock *clock)
{
    (void)clock;
    return read_us(CLOCK_REALTIME);
}

const struct sm_clock sm_clock_real = {real_mono_us, real_wall_us};

int64_t sm_thread_cpu_us(void)
{
    return read_us(CLOCK_THREAD_CPUTIME_ID);
}
