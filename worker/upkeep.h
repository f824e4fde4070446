/*
 * What a daemon does for the database now and then: partitions ahead (store/upkeep.h). A connection
 * of its own, for the moment that it takes. Thread: the mover's.
 */
#ifndef SM_WORKER_UPKEEP_H
#define SM_WORKER_UPKEEP_H

#include "worker/worker.h"

struct sm_upkeep_state {
    int64_t next_us; /* monotonic; 0: at once */
};

/* Does what is due: every hour, and a minute after it failed. */
void sm_upkeep_turn(struct sm_upkeep_state *upkeep, struct sm_worker *w);

#endif
