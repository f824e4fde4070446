/*
 * The fetcher: leases entries from Redis, never more than there are free slots and bytes for.
 * Thread: its own.
 */
#ifndef SM_WORKER_FETCHER_H
#define SM_WORKER_FETCHER_H

#include "worker/worker.h"

struct sm_fetcher_queue {
    struct sm_queue *q; /* a connection of its own, so that queues can be waited for together */
    struct sm_link link;
    bool under_way;
    uint32_t gaps;                    /* of the trust in the lease, when it was asked */
    bool empty;                       /* the last fetch without blocking brought nothing */
    uint32_t reserved[SM_FETCH_MOST]; /* slots for what was asked for */
    size_t reserved_n;
    int64_t tick_us; /* monotonic time of the next tick */
};

struct sm_fetcher {
    struct sm_worker *w;
    struct sm_stats *stats;
    struct sm_fetcher_queue queue[SM_QUEUES_MAX];
    int first;      /* rotates, so that no queue is always served last */
    size_t largest; /* largest entry seen lately */
    size_t most; /* entries of one fetch: grows while fetches are filled, from few after a pause */
    struct sm_delivery *items;
};

int sm_fetcher_init(struct sm_fetcher *f, struct sm_worker *w);
void sm_fetcher_free(struct sm_fetcher *f);
/* One round over the queues; waits at most wait_us. */
void sm_fetcher_turn(struct sm_fetcher *f, int64_t wait_us);

#endif
