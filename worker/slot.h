/*
 * Slots: a job in the process is one slot of a fixed table, and its life is a walk through
 *
 *     FREE -> LEASED -> READY -> RUNNING -> DONE -> STORED -> SETTLED -> FREE
 *
 * What is refused at delivery goes LEASED -> DONE; what is parked or handed back goes from any
 * state before STORED to FREE, and so does what is given up, unless it has succeeded by then:
 * committing that does no harm, and its settling asks first who the owner is. The only edge into
 * SETTLED starts at STORED, so "acknowledge before commit" cannot be written. One function moves a
 * slot and refuses any move that is not in the table (slots.c), or not by its thread.
 *
 * A slot belongs to the thread whose state it is in: fetcher LEASED, nobody READY (the ring), a
 * stamp RUNNING, the committer from DONE on. Others look only at the atomics.
 *
 * A handler that never returns keeps its slot's memory for ever: the keeper claims the end of such
 * a run, says DONE in the stamp's place, and the slot is not used again in this process.
 */
#ifndef SM_WORKER_SLOT_H
#define SM_WORKER_SLOT_H

#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

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

_Static_assert((int)SM_FREE == SM_BOX_FREE && (int)SM_RUNNING == SM_BOX_RUNNING,
               "a box is read by these");

/* Who moves a slot. */
enum sm_mover {
    SM_BY_INTAKE = 1,
    SM_BY_STAMP = 2,
    SM_BY_COMMITTER = 4,
    SM_BY_KEEPER = 8,
    SM_BY_DRAIN = 16,
};

/* Who says how a run ended: the stamp that ran it, or the keeper when it never returns. */
enum sm_claim { SM_CLAIM_OPEN, SM_CLAIM_STAMP, SM_CLAIM_KEEPER };

struct sm_slot {
    _Atomic uint8_t state;
    _Atomic uint8_t given_up;   /* the audit found that it is no longer owned */
    _Atomic uint8_t claim;      /* of this run: whoever sets it first */
    _Atomic uint8_t lone;       /* a suspect, charged: it may run while all else is hushed */
    _Atomic uint32_t life;      /* how often the slot was used: tells a reused one */
    _Atomic int stop;           /* what a running handler is asked: SM_E_TIMED_OUT, _STOPPED, .. */
    _Atomic int64_t since_us;   /* monotonic time of the last start of a run */
    _Atomic int64_t timeout_us; /* of this run */
    _Atomic int64_t asked_us;   /* monotonic time of asking it to stop for that; 0: not asked */
    _Atomic uint64_t seen_ms, seen_seq; /* entry and job once more, for the keeper to look at */
    _Atomic uint64_t seen_job[2];
    _Atomic int seen_queue;
    int queue;
    struct sm_entry_id entry;
    struct sm_tries tries;
    struct sm_job job;
    const struct sm_type *type;
    size_t type_n;                              /* its number in the table of types */
    int64_t leased_us, started_us, finished_us; /* wall */
    int64_t cpu_us;
    size_t bytes;  /* charged against worker.memory */
    size_t result; /* of which its result */
    struct sm_run_out out;
    bool goes_back;       /* into the queue, as if it had not been here */
    int64_t due_ms;       /* of what goes back or is tried again: not before this */
    struct sm_tries next; /* ... and with these tries */
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

/* The job's id, where the keeper may look at it. */
static inline void sm_slot_show_job(struct sm_slot *slot, const struct sm_id *id)
{
    uint64_t half[2];
    memcpy(half, id->b, sizeof half);
    atomic_store(&slot->seen_job[0], half[0]);
    atomic_store(&slot->seen_job[1], half[1]);
}

static inline struct sm_id sm_slot_shown_job(const struct sm_slot *slot)
{
    uint64_t half[2] = {atomic_load(&slot->seen_job[0]), atomic_load(&slot->seen_job[1])};
    struct sm_id id;
    memcpy(id.b, half, sizeof half);
    return id;
}

/* The entry as it is owned. */
static inline struct sm_owned sm_slot_owned(const struct sm_slot *slot)
{
    return (struct sm_owned){slot->entry, slot->tries.takes};
}

const char *sm_slot_state_name(enum sm_slot_state state);

#endif
