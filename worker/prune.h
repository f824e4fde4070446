/*
 * Pruning of results that were kept long enough (store/upkeep.h), by one daemon at a time. Thread:
 * the mover's.
 */
#ifndef SM_WORKER_PRUNE_H
#define SM_WORKER_PRUNE_H

#include "store/upkeep.h"
#include "worker/worker.h"

struct sm_prune_state {
    struct sm_upkeep *upkeep; /* open while there is something to prune; else NULL */
    int64_t next_us;          /* monotonic; 0: at once */
    uint64_t rows;            /* pruned since it began */
};

/* Does one step, when it is time. */
void sm_prune_turn(struct sm_prune_state *prune, struct sm_worker *w);
void sm_prune_close(struct sm_prune_state *prune);

#endif
