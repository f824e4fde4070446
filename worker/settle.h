/*
 * The settler: the committer's side towards Redis. It is given what was committed (STORED), which
 * it settles, and what goes back into the queue (DONE), which it parks or hands back; and it is
 * asked which failures are still this worker's. Thread: the committer's.
 */
#ifndef SM_WORKER_SETTLE_H
#define SM_WORKER_SETTLE_H

#include "worker/worker.h"

struct sm_settler {
    struct sm_worker *w;
    struct sm_stats *stats;
    struct sm_queue *q;
    struct sm_link link;

    uint32_t stored[SM_SLOTS]; /* STORED, waiting for their settle */
    size_t stored_n;
    uint32_t parking[SM_SLOTS]; /* DONE, nothing of them left to commit, waiting to be parked */
    size_t parking_n;
};

/* 0 or SM_E_NO_MEMORY; to be freed in either case. */
int sm_settler_init(struct sm_settler *s, struct sm_worker *w, struct sm_stats *stats);
void sm_settler_free(struct sm_settler *s);

/* True when Redis is connected; tries to connect when it is time. */
bool sm_settler_ready(struct sm_settler *s);
/* Sets given_up of those failures among the slots that are another's by now. 0; or what Redis said,
 * which is logged, and nothing is known. */
int sm_settler_mark_lost(struct sm_settler *s, const uint32_t *items, size_t n);

/* Takes over a slot whose row was committed: it becomes STORED. */
void sm_settler_add_stored(struct sm_settler *s, uint32_t i);
/* Takes over a slot in DONE of which nothing is left to commit, its due_ms and next set. */
void sm_settler_add_parking(struct sm_settler *s, uint32_t i);
/* How many slots wait here. */
size_t sm_settler_left(const struct sm_settler *s);

/* Settles and parks what waits, and frees its slots; what Redis does not take now stays. */
void sm_settler_turn(struct sm_settler *s);

#endif
