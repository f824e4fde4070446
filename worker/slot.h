/*
 * Slots: a job in the process is one slot of a fixed table, and its life is a walk through
 *
 *     FREE -> LEASED -> READY -> RUNNING -> DONE -> STORED -> SETTLED -> FREE
 *
 * What is refused at delivery goes LEASED -> DONE; what is parked, handed back or given up goes
 * from any state before STORED to FREE and can never reach STORED. The only edge into SETTLED
 * starts at STORED, so "acknowledge before commit" cannot be written. One function moves a slot and
 * refuses any move that is not in the table (slots.c), or not by its thread.
 *
 * A slot belongs to the thread whose state it is in: fetcher LEASED, nobody READY (the ring), a
 * stamp RUNNING, the committer from DONE on. Others look only at the atomics.
 */
#ifndef SM_WORKER_SLOT_H
#define SM_WORKER_SLOT_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/ring.h"
#include "jobs/job.h"
#include "queue/queue.h"
#include "worker/box.h"

enum sm_slot_state {
    SM_FREE,
    SM_LEASED,
    SM_READY,
    SM_RUNNING,
    SM_DONE,
    SM_STORED,
    SM_SETTLED,
    SM_SLOT_STATES
};

/* Who moves a slot. */
enum sm_mover { SM_BY_INTAKE = 1, SM_BY_STAMP = 2, SM_BY_COMMITTER = 4, SM_BY_DRAIN = 8 };

struct sm_slot {
    _Atomic uint8_t state;
    _Atomic uint8_t given_up;   /* the audit found that it is no longer owned */
    _Atomic uint32_t life;      /* how often the slot was used: tells a reused one */
    _Atomic int stop;           /* what a running handler is asked: SM_E_TIMED_OUT, _STOPPED, .. */
    _Atomic int64_t since_us;   /* monotonic time of the last start of a run */
    _Atomic int64_t timeout_us; /* of this run */
    _Atomic uint64_t seen_ms, seen_seq; /* the entry once more, for the audit of another thread */
    _Atomic int seen_queue;
    int queue;
    struct sm_entry_id entry;
    struct sm_tries tries;
    struct sm_job job;
    const struct sm_type *type;
    int64_t leased_us, started_us, finished_us; /* wall */
    int64_t cpu_us;
    size_t bytes;  /* charged against worker.memory */
    size_t result; /* of which its result */
    struct sm_run_out out;
};

struct sm_slots {
    struct sm_slot *slot;
    uint32_t n;
    struct sm_ring free;
    struct sm_box *box; /* the states, where a successor on this host can read them; may be NULL */
    _Atomic size_t bytes;  /* held by all slots */
    _Atomic size_t result; /* of which results that wait for their commit */
    _Atomic uint32_t running;
};

/* Allocates n slots, all free. 0 or SM_E_NO_MEMORY. */
int sm_slots_init(struct sm_slots *slots, uint32_t n, struct sm_box *box);
void sm_slots_free(struct sm_slots *slots);

/* The one function that moves a slot; asserts that the move is legal and that `by` may make it. */
void sm_slot_move(struct sm_slots *slots, uint32_t i, enum sm_slot_state to, enum sm_mover by);
/* Moves n slots to FREE, frees what they hold, and puts them back to use. */
void sm_slots_release(struct sm_slots *slots, const uint32_t *items, size_t n, enum sm_mover by);
/* Charges bytes to a slot: those it came with, those of its result. */
void sm_slot_charge(struct sm_slots *slots, struct sm_slot *slot, size_t bytes);
void sm_slot_charge_result(struct sm_slots *slots, struct sm_slot *slot, size_t bytes);
/* The age of the longest run, microseconds; 0 when nothing runs. */
int64_t sm_slots_oldest_run(const struct sm_slots *slots, int64_t now_us);

static inline enum sm_slot_state sm_slot_state(const struct sm_slot *slot)
{
    return (enum sm_slot_state)atomic_load(&slot->state);
}

const char *sm_slot_state_name(enum sm_slot_state state);

#endif
