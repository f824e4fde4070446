/*
 * The keeper: beats, audits what Redis says is ours against what is in hand, takes over from dead
 * daemons of this host, and watches over run times. Thread: its own.
 */
#ifndef SM_WORKER_KEEPER_H
#define SM_WORKER_KEEPER_H

#include "worker/worker.h"

/* An entry that Redis says is ours and that no slot holds. */
struct sm_lost {
    int queue;
    struct sm_entry_id entry;
    int64_t since_us; /* monotonic time of the audit that missed it first */
};

#define SM_LOST_US 2100000 /* past a read time-out: its reply is not on its way any more */

struct sm_keeper {
    struct sm_worker *w;
    struct sm_stats *stats;
    struct sm_queue *q;
    struct sm_link link;
    const struct sm_box *box; /* ours; NULL: no takeover */
    struct sm_box_label label;
    int64_t beat_us, audit_us, box_us; /* monotonic times of the next of each */
    int64_t silent_us;                 /* since when a loop has not turned; 0: all do */
    struct sm_lost *lost;              /* at the last audit */
    size_t lost_n;
    struct sm_delivery *items;
};

int sm_keeper_init(struct sm_keeper *k, struct sm_worker *w, const struct sm_box *box,
                   const struct sm_box_label *label);
void sm_keeper_free(struct sm_keeper *k);
void sm_keeper_turn(struct sm_keeper *k);

/* ---- audit.c -- */
/* Compares the ids owned in Redis with the slots. False when Redis did not answer. */
bool sm_keeper_audit(struct sm_keeper *k);

/* ---- takeover.c -- */
/* Gives the entries of dead daemons of this host to :free. */
void sm_keeper_take_over(struct sm_keeper *k);
/* At the end of a drain: true when this worker owns nothing any more and is struck off. */
bool sm_keeper_leave(struct sm_keeper *k);

#endif
