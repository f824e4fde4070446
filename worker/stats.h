/*
 * What the daemon counts (counters.def) and measures. Each thread adds to its own block, so that no
 * cache line is shared on the road; readers sum. Thread: a block has one writer; any reader.
 */
#ifndef SM_WORKER_STATS_H
#define SM_WORKER_STATS_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/hist.h"

enum sm_counter {
#define SM_COUNTER(symbol, name, help) SM_C_##symbol,
#include "worker/counters.def"
#undef SM_COUNTER
    SM_COUNTERS
};

struct sm_stats {
    _Atomic uint64_t counter[SM_COUNTERS];
    struct sm_hist wait, run, commit; /* enqueued to started; handler; batch to COMMIT */
    _Atomic uint64_t cpu_us;          /* of handlers */
};

extern const char *const sm_counter_names[SM_COUNTERS];
extern const char *const sm_counter_helps[SM_COUNTERS];

static inline void sm_count(struct sm_stats *stats, enum sm_counter which, uint64_t n)
{
    /* one writer: a plain load and store is enough, and cheaper than a locked add */
    uint64_t now = atomic_load_explicit(&stats->counter[which], memory_order_relaxed);
    atomic_store_explicit(&stats->counter[which], now + n, memory_order_relaxed);
}

/* Adds all of `from` to `to`. */
void sm_stats_sum(struct sm_stats *to, const struct sm_stats *from);

#endif
