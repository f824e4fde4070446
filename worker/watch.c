/*
 * The watch over what is in hand. A run past its timeout is asked to stop; one that has not
 * returned a grace later never will: the keeper ends it in its stamp's place as a timed-out
 * attempt, and the daemon will end, too, once the others are done (main sees `hung`). A job that
 * was cancelled is asked to stop, running or not. What has waited long for a stamp while all are
 * busy is better off with another worker, and goes back.
 *
 * Thread: the keeper.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/keeper.h"

#define STOOD_US 1000000  /* between two turns of the keeper */
#define WAITED_US 1000000 /* longest in the ready ring while every stamp is busy */

static bool claim_hung(struct sm_slot *slot)
{
    uint8_t open = SM_CLAIM_OPEN;
    return atomic_compare_exchange_strong(&slot->claim, &open, SM_CLAIM_KEEPER);
}

static void end_hung(struct sm_keeper *k, uint32_t i)
{
    struct sm_worker *w = k->w;
    struct sm_slot *slot = &w->slots.slot[i];
    struct sm_err err;
    if (!claim_hung(slot))
        return; /* it returned in this very moment */
    sm_err_set(&err, SM_E_TIMED_OUT, "%s did not return %lld ms after its timeout of %lld ms",
               slot->type->name, (long long)w->options->grace_ms,
               (long long)atomic_load(&slot->timeout_us) / 1000);
    sm_log(SM_LOG_ERROR, "handler does not return; the worker will end",
           SM_S("type", slot->type->name), SM_S("text", err.text));
    slot->out = (struct sm_run_out){.code = SM_E_TIMED_OUT, .error_text = strdup(err.text)};
    slot->finished_us = sm_wall_us(w->clock);
    sm_count(k->stats, SM_C_HUNG, 1);
    sm_slot_move(&w->slots, i, SM_DONE, SM_BY_KEEPER);
    sm_ring_put(&w->done, &i, 1);
    atomic_fetch_add(&w->hung, 1);
}

static void watch_one(struct sm_keeper *k, uint32_t i, int64_t now, int64_t stood_us)
{
    struct sm_slot *slot = &k->w->slots.slot[i];
    int none = 0;
    int64_t asked = atomic_load(&slot->asked_us);
    if (stood_us > 0) {
        atomic_fetch_add(&slot->since_us, stood_us);
        if (asked != 0)
            atomic_store(&slot->asked_us, asked += stood_us);
    }
    if (asked == 0 && now - atomic_load(&slot->since_us) > atomic_load(&slot->timeout_us)) {
        atomic_store(&slot->asked_us, now);
        if (atomic_compare_exchange_strong(&slot->stop, &none, SM_E_TIMED_OUT))
            sm_count(k->stats, SM_C_TIMED_OUT, 1);
    } else if (asked != 0 && now - asked > k->w->options->grace_ms * 1000) {
        end_hung(k, i);
    }
}

void sm_keeper_watch(struct sm_keeper *k, int64_t now)
{
    struct sm_slots *slots = &k->w->slots;
    /* a process that stood still (stopped, or without its cores) has run nobody's time out */
    int64_t stood_us = now - k->watched_us > STOOD_US ? now - k->watched_us : 0;
    stood_us = k->watched_us == 0 ? 0 : stood_us;
    k->watched_us = now;
    for (uint32_t i = 0; atomic_load(&slots->running) > 0 && i < slots->n; i++)
        if (sm_slot_state(&slots->slot[i]) == SM_RUNNING)
            watch_one(k, i, now, stood_us);
}

/* ---- cancelled -- */

struct in_hand {
    uint32_t slot[SM_TICK_MOST], life[SM_TICK_MOST];
    struct sm_entry_id entry[SM_TICK_MOST];
    struct sm_id job[SM_TICK_MOST];
    size_t n;
};

static void stop_cancelled(struct sm_keeper *k, int queue, const struct in_hand *hand)
{
    int64_t since_ms[SM_TICK_MOST];
    struct sm_err err;
    if (hand->n == 0)
        return;
    if (k->q->ops->cancelled(k->q, queue, hand->job, hand->n, since_ms, &err) != 0) {
        sm_keeper_failed(k, "asking for cancelled jobs failed", &err);
        return;
    }
    for (size_t i = 0; i < hand->n; i++) {
        struct sm_slot *slot = &k->w->slots.slot[hand->slot[i]];
        int none = 0;
        if (since_ms[i] > 0 && since_ms[i] >= (int64_t)hand->entry[i].ms &&
            atomic_load(&slot->life) == hand->life[i])
            atomic_compare_exchange_strong(&slot->stop, &none, SM_E_CANCELLED);
    }
}

static void look_for_cancelled(struct sm_keeper *k, int queue)
{
    struct sm_slots *slots = &k->w->slots;
    struct in_hand hand = {.n = 0};
    for (uint32_t i = 0; k->link.up && i < slots->n; i++) {
        struct sm_slot *slot = &slots->slot[i];
        enum sm_slot_state state = sm_slot_state(slot);
        if ((state != SM_READY && state != SM_RUNNING) || atomic_load(&slot->seen_queue) != queue)
            continue;
        hand.slot[hand.n] = i;
        hand.life[hand.n] = atomic_load(&slot->life);
        hand.entry[hand.n] =
            (struct sm_entry_id){atomic_load(&slot->seen_ms), atomic_load(&slot->seen_seq)};
        hand.job[hand.n++] = sm_slot_shown_job(slot);
        if (hand.n == SM_TICK_MOST) {
            stop_cancelled(k, queue, &hand);
            hand.n = 0;
        }
    }
    if (k->link.up)
        stop_cancelled(k, queue, &hand);
}

/* ---- waiting too long -- */

static void hand_back_waiting(struct sm_keeper *k)
{
    struct sm_worker *w = k->w;
    uint32_t items[SM_TICK_MOST];
    size_t old = 0;
    if (atomic_load(&w->slots.running) < (uint32_t)w->options->stamps || atomic_load(&w->hush))
        return;
    size_t n = sm_ring_take(&w->ready, items, SM_TICK_MOST, 0);
    int64_t now = sm_wall_us(w->clock);
    while (old < n && now - w->slots.slot[items[old]].leased_us > WAITED_US &&
           atomic_load(&w->slots.slot[items[old]].lone) == 0)
        old++;
    sm_ring_put_front(&w->ready, items + old, n - old);
    sm_count(k->stats, SM_C_RELEASED, old);
    sm_send_back(w, items, old, 0, SM_BY_KEEPER);
}

void sm_keeper_watch_queue(struct sm_keeper *k)
{
    for (int i = 0; k->link.up && i < k->w->options->queues_n; i++)
        if (atomic_load(&k->w->cancel_ms[i]) > 0)
            look_for_cancelled(k, i);
    if (k->link.up && sm_worker_trusts_lease(k->w))
        hand_back_waiting(k);
}
