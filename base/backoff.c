/*
 * Back-off with jitter. In doubles: exact enough for a wait, and nothing can overflow. Thread: any.
 */
#include "base/backoff.h"

#include <math.h>

int64_t sm_backoff_ms(int64_t first_ms, int64_t most_ms, int failures, uint32_t random)
{
    double wait = ldexp((double)first_ms, failures > 1 ? failures - 1 : 0);

    if (wait > (double)most_ms)
        wait = (double)most_ms;
    return (int64_t)(wait * (0.8 + 0.4 * (random / 4294967295.0)));
}
