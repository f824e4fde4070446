/*
 * Intake: deliveries become slots. What is not due yet is parked; what cannot or must not run
 * (broken envelope, a type this worker does not run, cancelled, crashed too often) goes straight to
 * DONE with its end and is committed like any other result; the rest goes into the ready ring, in
 * one put. A suspect is kept out of the ring, for the keeper to run it alone; a second one is
 * parked for a moment, for another process or a later time.
 *
 * Thread: the fetcher, and the keeper for what its audit found.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "worker/outcome.h"
#include "worker/suspect.h"
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

static bool runs_here(const struct sm_worker *w, const struct sm_type *type)
{
    return type != NULL && (!type->debug || w->options->debug_types);
}

/* Takes the handler that was found; false, and why, when the job cannot run here. */
static bool accept_type(struct sm_worker *w, struct sm_slot *slot)
{
    const struct sm_bytes *name = &slot->job.type;
    if (runs_here(w, slot->type))
        slot->type_n = sm_type_number(slot->type);
    else if (slot->type == NULL)
        refuse(slot, SM_E_UNKNOWN_TYPE, "is not a type that a worker of this queue runs", name->p,
               name->n, sm_type_near(name->p, name->n));
    else
        refuse(slot, SM_E_UNKNOWN_TYPE, "runs only where the daemon was started with --debug-types",
               name->p, name->n, NULL);
    return runs_here(w, slot->type);
}

static void fill(struct sm_worker *w, struct sm_slot *slot, struct sm_delivery *delivery)
{
    slot->queue = delivery->queue;
    slot->entry = delivery->entry;
    atomic_store(&slot->seen_queue, delivery->queue);
    atomic_store(&slot->seen_ms, delivery->entry.ms);
    atomic_store(&slot->seen_seq, delivery->entry.seq);
    sm_slot_show_job(slot, &delivery->job.id);
    slot->tries = delivery->tries;
    slot->job = delivery->job;
    slot->leased_us = sm_wall_us(w->clock);
    slot->out.code = delivery->code;
    slot->out.error_text = delivery->error_text;
    sm_slot_charge(&w->slots, slot, delivery->job.memory_size);
    memset(delivery, 0, sizeof *delivery);
}

size_t sm_slots_reserve(struct sm_worker *w, uint32_t *slots, size_t n)
{
    return n == 0 ? 0 : sm_ring_take(&w->slots.free, slots, n, 0);
}

void sm_slots_unreserve(struct sm_worker *w, const uint32_t *slots, size_t n)
{
    sm_ring_put(&w->slots.free, slots, n);
}

/* What the deliveries of one intake are sorted into. */
struct sorted {
    struct sm_worker *w;
    struct sm_queue *q;
    struct sm_stats *stats;
    int queue;
    uint32_t leased[SM_FETCH_MOST], ready[SM_FETCH_MOST], ended[SM_FETCH_MOST];
    size_t leased_n, ready_n, ended_n;
};

static void park(struct sorted *s, uint32_t i, int64_t due_ms)
{
    sm_count(s->stats, SM_C_PARKED, 1);
    sm_send_back(s->w, &i, 1, due_ms, SM_BY_INTAKE);
}

/* Marks those of the leased that were asked to be cancelled after they were enqueued. A request is
 * known from the last beat, or from the answer that brought them. Where Redis does not answer they
 * go back: one that was cancelled must not run, least of all before its time. */
static void mark_cancelled(struct sorted *s, int64_t told_ms)
{
    int64_t newest_ms = atomic_load(&s->w->cancel_ms[s->queue]), since_ms[SM_TICK_MOST];
    struct sm_id jobs[SM_TICK_MOST];
    struct sm_err err;
    newest_ms = told_ms > newest_ms ? told_ms : newest_ms;
    for (size_t at = 0, n; newest_ms > 0 && at < s->leased_n; at += n) {
        for (n = 0; n < SM_TICK_MOST && at + n < s->leased_n; n++)
            jobs[n] = s->w->slots.slot[s->leased[at + n]].job.id;
        if (s->q->ops->cancelled(s->q, s->queue, jobs, n, since_ms, &err) != 0) {
            sm_worker_failed(s->w, s->stats, "asking for cancelled jobs failed", true, &err);
            for (size_t k = at; k < s->leased_n; k++)
                park(s, s->leased[k], 0);
            s->leased_n = at;
            return;
        }
        for (size_t k = 0; k < n; k++) {
            struct sm_slot *slot = &s->w->slots.slot[s->leased[at + k]];
            if (since_ms[k] >= (int64_t)slot->entry.ms && since_ms[k] > 0 && slot->out.code == 0)
                slot->out.code = SM_E_CANCELLED;
        }
    }
}

/* True when another slot holds this entry already: the group was made anew and delivers again what
 * is in hand. */
static bool is_in_hand(struct sm_worker *w, uint32_t i)
{
    const struct sm_slot *own = &w->slots.slot[i];
    for (uint32_t k = 0; k < w->slots.n; k++) {
        struct sm_slot *slot = &w->slots.slot[k];
        if (k != i && sm_slot_state(slot) != SM_FREE &&
            atomic_load(&slot->seen_queue) == own->queue &&
            atomic_load(&slot->seen_ms) == own->entry.ms &&
            atomic_load(&slot->seen_seq) == own->entry.seq)
            return true;
    }
    return false;
}

/* A type that this worker does not run but another one does: a fleet of mixed versions. */
static bool belongs_elsewhere(struct sm_worker *w, const struct sm_slot *slot)
{
    return !runs_here(w, slot->type) && sm_worker_offered(w, slot->queue, slot->job.type);
}

/* When the other one may take it: half of the job's age from now, 1 to 30 s, so that the waits
 * grow. */
static int64_t elsewhere_ms(struct sm_worker *w, const struct sm_slot *slot)
{
    int64_t now = sm_worker_redis_ms(w), wait = (now - (int64_t)slot->entry.ms) / 2;
    return now + (wait < 1000 ? 1000 : wait > 30000 ? 30000 : wait);
}

static void bury_crashed(struct sm_slot *slot)
{
    struct sm_err err;
    sm_err_set(
        &err, SM_E_CRASHED,
        "its worker died %d times while it alone was running, %d of them by a fatal signal or "
        "for memory",
        slot->tries.crashes, slot->tries.evident);
    slot->out.code = SM_E_CRASHED;
    slot->out.error_text = strdup(err.text);
}

/* A suspect becomes the one in hand, or waits elsewhere. */
static void keep_suspect(struct sorted *s, uint32_t i)
{
    uint32_t none = 0;
    if (atomic_load(&s->w->draining) ||
        !atomic_compare_exchange_strong(&s->w->suspect, &none, SM_SUSPECT_TAKEN)) {
        park(s, i, sm_suspect_later_ms(s->w));
        return;
    }
    sm_slot_move(&s->w->slots, i, SM_READY, SM_BY_INTAKE);
    atomic_store(&s->w->suspect, i + 1);
}

static void sort_one(struct sorted *s, uint32_t i)
{
    struct sm_slot *slot = &s->w->slots.slot[i];
    if (slot->out.code == 0 && slot->job.due_ms > sm_worker_redis_ms(s->w)) {
        park(s, i, slot->job.due_ms);
        return;
    }
    if (slot->out.code == 0)
        slot->type = sm_type_find(slot->job.type.p, slot->job.type.n);
    if (slot->out.code == 0 && belongs_elsewhere(s->w, slot)) {
        park(s, i, elsewhere_ms(s->w, slot));
        return;
    }
    if (slot->out.code == 0 && sm_outcome_crashed(&slot->tries))
        bury_crashed(slot);
    if (slot->out.code == 0 && accept_type(s->w, slot)) {
        if (sm_tries_suspect(&slot->tries)) {
            keep_suspect(s, i);
        } else {
            sm_slot_move(&s->w->slots, i, SM_READY, SM_BY_INTAKE);
            s->ready[s->ready_n++] = i;
        }
        return;
    }
    sm_slot_move(&s->w->slots, i, SM_DONE, SM_BY_INTAKE);
    s->ended[s->ended_n++] = i;
}

void sm_intake_take(struct sm_worker *w, struct sm_queue *q, struct sm_stats *stats,
                    struct sm_intake *in, const uint32_t *slots, size_t slots_n, bool first)
{
    struct sorted s = {.w = w, .q = q, .stats = stats};
    SM_ASSERT(in->n <= slots_n && slots_n <= SM_FETCH_MOST);
    sm_slots_unreserve(w, slots + in->n, slots_n - in->n);
    for (size_t k = 0; k < in->n; k++) {
        bool repeated = in->items[k].repeated;
        s.queue = in->items[k].queue;
        fill(w, &w->slots.slot[slots[k]], &in->items[k]);
        sm_slot_move(&w->slots, slots[k], SM_LEASED, SM_BY_INTAKE);
        if (repeated && is_in_hand(w, slots[k]))
            sm_slots_release(&w->slots, &slots[k], 1, SM_BY_INTAKE);
        else
            s.leased[s.leased_n++] = slots[k];
    }
    sm_count(stats, SM_C_LEASED, in->n);
    in->n = 0;
    mark_cancelled(&s, in->cancel_ms);
    for (size_t k = 0; k < s.leased_n; k++)
        sort_one(&s, s.leased[k]);
    sm_count(stats, SM_C_REFUSED, s.ended_n);
    if (first)
        sm_ring_put_early(&w->ready, s.ready, s.ready_n);
    else
        sm_ring_put(&w->ready, s.ready, s.ready_n);
    sm_ring_put(&w->done, s.ended, s.ended_n);
}

void sm_send_back(struct sm_worker *w, const uint32_t *items, size_t n, int64_t due_ms,
                  enum sm_mover by)
{
    for (size_t k = 0; k < n; k++) {
        struct sm_slot *slot = &w->slots.slot[items[k]];
        slot->goes_back = true;
        slot->due_ms = due_ms;
        slot->next = slot->tries;
        sm_slot_move(&w->slots, items[k], SM_DONE, by);
    }
    sm_ring_put(&w->done, items, n);
}
