/*
 * Intake: deliveries become slots. What is not due yet is parked, what cannot run (broken envelope,
 * a type this worker does not run) goes straight to DONE with its failure and is committed like any
 * other result; the rest goes into the ready ring, in one put.
 *
 * Thread: the fetcher, and the keeper for what its audit found.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "worker/worker.h"

static void refuse(struct sm_slot *slot, int code, const char *format, const char *name,
                   size_t size, const char *near)
{
    struct sm_err err;
    slot->out.code = code;
    if (near != NULL)
        sm_err_set(&err, code, "type: \"%.*s\" %s; did you mean \"%s\"?", (int)size, name, format,
                   near);
    else
        sm_err_set(&err, code, "type: \"%.*s\" %s", (int)size, name, format);
    slot->out.error_text = strdup(err.text);
}

/* Finds the handler; false when the job cannot run here. */
static bool find_type(struct sm_worker *w, struct sm_slot *slot)
{
    const struct sm_bytes *name = &slot->job.type;
    slot->type = sm_type_find(name->p, name->n);
    if (slot->type == NULL)
        refuse(slot, SM_E_UNKNOWN_TYPE, "is not a type that this worker runs", name->p, name->n,
               sm_type_near(name->p, name->n));
    else if (slot->type->debug && !w->options->debug_types)
        refuse(slot, SM_E_UNKNOWN_TYPE, "runs only where the daemon was started with --debug-types",
               name->p, name->n, NULL);
    else
        return true;
    return false;
}

static void fill(struct sm_worker *w, struct sm_slot *slot, struct sm_delivery *delivery)
{
    slot->queue = delivery->queue;
    slot->entry = delivery->entry;
    atomic_store(&slot->seen_queue, delivery->queue);
    atomic_store(&slot->seen_ms, delivery->entry.ms);
    atomic_store(&slot->seen_seq, delivery->entry.seq);
    slot->tries = delivery->tries;
    slot->job = delivery->job;
    slot->leased_us = sm_wall_us(w->clock);
    slot->out.code = delivery->code;
    slot->out.error_text = delivery->error_text;
    sm_slot_charge(&w->slots, slot, delivery->job.memory_size);
    memset(delivery, 0, sizeof *delivery);
}

/* True when the entry was parked, or is left to the lease because Redis did not answer: either way
 * the slot is free again. */
static bool park(struct sm_worker *w, struct sm_queue *q, struct sm_stats *stats, uint32_t i)
{
    struct sm_slot *slot = &w->slots.slot[i];
    struct sm_err err;
    if (slot->job.due_ms <= sm_worker_redis_ms(w))
        return false;
    int rc = q->ops->park(q, slot->queue, slot->entry, slot->job.due_ms, slot->tries.attempts,
                          &slot->tries, &err);
    if (rc == 0)
        sm_count(stats, SM_C_PARKED, 1);
    else if (rc != SM_E_CONFLICT)
        sm_worker_failed(w, stats, "parking failed", true, &err);
    sm_slots_release(&w->slots, &i, 1, SM_BY_INTAKE);
    return true;
}

size_t sm_slots_reserve(struct sm_worker *w, uint32_t *slots, size_t n)
{
    return n == 0 ? 0 : sm_ring_take(&w->slots.free, slots, n, 0);
}

void sm_slots_unreserve(struct sm_worker *w, const uint32_t *slots, size_t n)
{
    sm_ring_put(&w->slots.free, slots, n);
}

void sm_intake_take(struct sm_worker *w, struct sm_queue *q, struct sm_stats *stats,
                    struct sm_intake *in, const uint32_t *slots, size_t slots_n, bool first)
{
    uint32_t ready[SM_FETCH_MOST], refused[SM_FETCH_MOST];
    size_t ready_n = 0, refused_n = 0;
    SM_ASSERT(in->n <= slots_n && slots_n <= SM_FETCH_MOST);
    sm_slots_unreserve(w, slots + in->n, slots_n - in->n);
    for (size_t k = 0; k < in->n; k++) {
        struct sm_slot *slot = &w->slots.slot[slots[k]];
        fill(w, slot, &in->items[k]);
        sm_slot_move(&w->slots, slots[k], SM_LEASED, SM_BY_INTAKE);
        if (slot->out.code == 0 && park(w, q, stats, slots[k]))
            continue;
        bool runs = slot->out.code == 0 && find_type(w, slot);
        sm_slot_move(&w->slots, slots[k], runs ? SM_READY : SM_DONE, SM_BY_INTAKE);
        if (runs)
            ready[ready_n++] = slots[k];
        else
            refused[refused_n++] = slots[k];
    }
    sm_count(stats, SM_C_LEASED, in->n);
    sm_count(stats, SM_C_REFUSED, refused_n);
    if (first)
        sm_ring_put_front(&w->ready, ready, ready_n);
    else
        sm_ring_put(&w->ready, ready, ready_n);
    sm_ring_put(&w->done, refused, refused_n);
    in->n = 0;
}

void sm_hand_back(struct sm_worker *w, struct sm_queue *q, struct sm_stats *stats,
                  const uint32_t *items, size_t n, enum sm_mover by)
{
    struct sm_entry_id ids[SM_TICK_MOST];
    for (int queue = 0; queue < w->options->queues_n; queue++) {
        for (size_t k = 0; k < n;) {
            size_t ids_n = 0;
            for (; k < n && ids_n < SM_TICK_MOST; k++)
                if (w->slots.slot[items[k]].queue == queue)
                    ids[ids_n++] = w->slots.slot[items[k]].entry;
            struct sm_err err;
            if (ids_n > 0 && q->ops->release(q, queue, ids, ids_n, &err) != 0)
                sm_worker_failed(w, stats, "hand-back failed", true, &err);
        }
    }
    sm_count(stats, SM_C_RELEASED, n);
    sm_slots_release(&w->slots, items, n, by);
}
