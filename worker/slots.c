/*
 * The slot table and its legal moves. Read the table below and you know the daemon.
 */
#include "worker/slot.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

/* legal[from][to]: the movers that may make the move */
static const uint8_t legal[SM_SLOT_STATES][SM_SLOT_STATES] = {
    [SM_FREE] = {[SM_LEASED] = SM_BY_INTAKE},
    [SM_LEASED] = {[SM_READY] = SM_BY_INTAKE,
                   [SM_DONE] = SM_BY_INTAKE,  /* refused, to be parked */
                   [SM_FREE] = SM_BY_INTAKE}, /* in hand already */
    [SM_READY] = {[SM_RUNNING] = SM_BY_STAMP,
                  [SM_DONE] = SM_BY_KEEPER | SM_BY_DRAIN,    /* to be handed back */
                  [SM_FREE] = SM_BY_KEEPER | SM_BY_STAMP},   /* given up */
    [SM_RUNNING] = {[SM_DONE] = SM_BY_STAMP | SM_BY_KEEPER}, /* keeper: it never returned */
    [SM_DONE] = {[SM_STORED] = SM_BY_COMMITTER, [SM_FREE] = SM_BY_COMMITTER}, /* parked, stopped,
                                                                                 given up */
    [SM_STORED] = {[SM_SETTLED] = SM_BY_COMMITTER},
    [SM_SETTLED] = {[SM_FREE] = SM_BY_COMMITTER},
};

const char *sm_slot_state_name(enum sm_slot_state state)
{
    static const char *const names[SM_SLOT_STATES] = {"free", "leased", "ready",  "running",
                                                      "done", "stored", "settled"};
    SM_ASSERT(state < SM_SLOT_STATES);
    return names[state];
}

int sm_slots_init(struct sm_slots *slots, uint32_t n, struct sm_box *box)
{
    memset(slots, 0, sizeof *slots);
    slots->slot = calloc(n, sizeof *slots->slot);
    uint32_t *all = malloc(n * sizeof *all);
    if (slots->slot == NULL || all == NULL || sm_ring_init(&slots->free, n) != 0) {
        free(slots->slot);
        free(all);
        return SM_E_NO_MEMORY;
    }
    for (uint32_t i = 0; i < n; i++)
        all[i] = i;
    sm_ring_put(&slots->free, all, n);
    free(all);
    slots->n = n;
    slots->box = box;
    return 0;
}

static void slot_empty(struct sm_slot *slot)
{
    sm_job_free(&slot->job);
    sm_run_out_free(&slot->out);
    memset(&slot->tries, 0, sizeof slot->tries);
    slot->type = NULL;
    slot->started_us = slot->finished_us = slot->cpu_us = slot->due_ms = 0;
    slot->goes_back = false;
    slot->bytes = slot->result = 0;
    atomic_store(&slot->stop, 0);
    atomic_store(&slot->given_up, 0);
    atomic_store(&slot->lone, 0);
    atomic_store(&slot->claim, SM_CLAIM_OPEN);
    atomic_fetch_add(&slot->life, 1);
}

/* A handler that never returned may still read its input: nothing of it is freed or used again. */
static bool is_hung(const struct sm_slot *slot)
{
    return atomic_load(&slot->claim) == SM_CLAIM_KEEPER;
}

void sm_slots_free(struct sm_slots *slots)
{
    for (uint32_t i = 0; i < slots->n; i++)
        if (!is_hung(&slots->slot[i]))
            slot_empty(&slots->slot[i]);
    free(slots->slot);
    sm_ring_free(&slots->free);
    memset(slots, 0, sizeof *slots);
}

void sm_slot_move(struct sm_slots *slots, uint32_t i, enum sm_slot_state to, enum sm_mover by)
{
    SM_ASSERT(i < slots->n && to < SM_SLOT_STATES);
    struct sm_slot *slot = &slots->slot[i];
    enum sm_slot_state from = sm_slot_state(slot);
    SM_ASSERT((legal[from][to] & by) != 0);
    if (to == SM_RUNNING)
        atomic_fetch_add(&slots->running, 1);
    if (from == SM_RUNNING)
        atomic_fetch_sub(&slots->running, 1);
    atomic_store(&slot->state, (uint8_t)to);
    if (slots->box != NULL)
        sm_box_note(slots->box, i, (int)to, slot->queue, slot->entry);
}

void sm_slots_release(struct sm_slots *slots, const uint32_t *items, size_t n, enum sm_mover by)
{
    size_t from = 0; /* of the run that goes back to use together */
    for (size_t k = 0; k < n; k++) {
        struct sm_slot *slot = &slots->slot[items[k]];
        if (is_hung(slot)) {
            sm_ring_put_front(&slots->free, items + from, k - from);
            from = k + 1;
        } else {
            atomic_fetch_sub(&slots->bytes, slot->bytes);
            atomic_fetch_sub(&slots->result, slot->result);
            slot_empty(slot);
        }
        sm_slot_move(slots, items[k], SM_FREE, by);
    }
    /* in front: those used last are used next, and a worker with little to do touches few */
    sm_ring_put_front(&slots->free, items + from, n - from);
}

void sm_slot_charge(struct sm_slots *slots, struct sm_slot *slot, size_t bytes)
{
    slot->bytes += bytes;
    atomic_fetch_add(&slots->bytes, bytes);
}

void sm_slot_charge_result(struct sm_slots *slots, struct sm_slot *slot, size_t bytes)
{
    sm_slot_charge(slots, slot, bytes);
    slot->result += bytes;
    atomic_fetch_add(&slots->result, bytes);
}

int64_t sm_slots_oldest_run(const struct sm_slots *slots, int64_t now_us)
{
    int64_t oldest = 0;
    if (atomic_load(&slots->running) == 0)
        return 0;
    for (uint32_t i = 0; i < slots->n; i++) {
        const struct sm_slot *slot = &slots->slot[i];
        if (sm_slot_state(slot) != SM_RUNNING)
            continue;
        int64_t age = now_us - atomic_load(&slot->since_us);
        if (age > oldest)
            oldest = age;
    }
    return oldest;
}
