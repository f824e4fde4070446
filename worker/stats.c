/* Counters: names from the table, and the sum over the threads' blocks. */
#include "worker/stats.h"

const char *const sm_counter_names[SM_COUNTERS] = {
#define SM_COUNTER(symbol, name, help) name,
#include "worker/counters.def"
#undef SM_COUNTER
};

const char *const sm_counter_helps[SM_COUNTERS] = {
#define SM_COUNTER(symbol, name, help) help,
#include "worker/counters.def"
#undef SM_COUNTER
};

void sm_stats_sum(struct sm_stats *to, const struct sm_stats *from)
{
    for (int i = 0; i < SM_COUNTERS; i++)
        sm_count(to, (enum sm_counter)i,
                 atomic_load_explicit(&from->counter[i], memory_order_relaxed));
    sm_hist_sum(&to->wait, &from->wait);
    sm_hist_sum(&to->run, &from->run);
    sm_hist_sum(&to->commit, &from->commit);
    atomic_fetch_add(&to->cpu_us, atomic_load_explicit(&from->cpu_us, memory_order_relaxed));
}
