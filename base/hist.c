/*
 * Histograms. One writer, so a relaxed load and store instead of a locked add; not cumulative here,
 * the printer of /metrics sums up. Thread: one writes, any read.
 */
#include "base/hist.h"

#define MS INT64_C(1000)
#define S INT64_C(1000000)

const int64_t sm_hist_bounds_us[SM_HIST_BUCKETS] = {
    100,     250,     500,      1 * MS,   2500,     5 * MS,  10 * MS,
    25 * MS, 50 * MS, 100 * MS, 250 * MS, 500 * MS, 1 * S,   2500 * MS,
    5 * S,   10 * S,  25 * S,   50 * S,   100 * S,  250 * S, 600 * S,
};

static void add(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

void sm_hist_add(struct sm_hist *hist, int64_t us, uint64_t times)
{
    int at = 0;

    if (us < 0)
        us = 0; /* a clock that was set back */
    while (at < SM_HIST_BUCKETS && us > sm_hist_bounds_us[at])
        at++;
    add(&hist->bucket[at], times);
    add(&hist->sum_us, (uint64_t)us * times);
    add(&hist->count, times);
}

void sm_hist_sum(struct sm_hist *to, const struct sm_hist *from)
{
    for (int i = 0; i <= SM_HIST_BUCKETS; i++)
        add(&to->bucket[i], atomic_load_explicit(&from->bucket[i], memory_order_relaxed));
    add(&to->sum_us, atomic_load_explicit(&from->sum_us, memory_order_relaxed));
    add(&to->count, atomic_load_explicit(&from->count, memory_order_relaxed));
}
