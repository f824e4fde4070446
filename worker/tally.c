/*
 * How many durable jobs are not in Redis, for /metrics: a figure of the fleet, so the one daemon
 * that asks after them counts, too. Seldom, and the more seldom the longer it takes.
 */
#include "worker/mover.h"

#define TALLY_US 10000000
#define TALLY_SHARE 50 /* of the time at most a fiftieth */

void sm_mover_tally(struct sm_mover_state *m)
{
    struct sm_worker *w = m->w;
    struct sm_outbox_count count = {-1, -1};
    struct sm_err err;
    bool mine;
    int64_t began = sm_mono_us(w->clock);
    if (m->outbox->ops->count(m->outbox, &count, &mine, &err) != 0)
        sm_mover_postgres_failed(m, "outbox: counting failed", &err);
    atomic_store(&w->outbox_due, count.due);
    atomic_store(&w->outbox_later, count.later);
    int64_t now = sm_mono_us(w->clock), pause = (now - began) * TALLY_SHARE;
    m->tally_us = now + (pause > TALLY_US ? pause : TALLY_US);
}
