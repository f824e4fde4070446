/*
 * A histogram of durations for Prometheus and for the mean that the fetcher plans by: fixed bucket
 * bounds from 100 us to 10 min (1-2.5-5 steps), a sum and a count. One writer at a time, readers
 * any (relaxed atomics: a reader may see a count without its sum, never a torn number).
 */
#ifndef SM_BASE_HIST_H
#define SM_BASE_HIST_H

#include <stdatomic.h>
#include <stdint.h>

#define SM_HIST_BUCKETS 21

extern const int64_t sm_hist_bounds_us[SM_HIST_BUCKETS]; /* upper bounds; past the last: +Inf */

struct sm_hist {
    _Atomic uint64_t bucket[SM_HIST_BUCKETS + 1];
    _Atomic uint64_t sum_us;
    _Atomic uint64_t count;
};

/* Adds `times` observations of `us`. */
void sm_hist_add(struct sm_hist *hist, int64_t us, uint64_t times);
/* Adds all of `from` to `to`, for summing what each thread counted. */
void sm_hist_sum(struct sm_hist *to, const struct sm_hist *from);

#endif
