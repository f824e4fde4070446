/*
 * The audit: the ids that Redis says are ours against the slots.
 *
 * Owned without a slot in two audits a read time-out apart (a reply may still be on its way): taken
 * in, as far as there is room, and the rest as soon as there is. A slot before STORED that is no
 * longer owned: given up, it is not started, and a failure of it has no effect; a success is
 * committed all the same, it does no harm. Unlike re-reading with XREADGROUP 0 it raises no
 * delivery counter and reads no payload.
 */
#include <stdlib.h>
#include <string.h>

#include "worker/keeper.h"

/* A slot as it was before Redis was asked. */
struct held {
    struct sm_entry_id entry;
    uint32_t slot, life;
    bool owned;
};

static int by_entry(const void *a, const void *b)
{
    const struct held *x = a, *y = b;
    return sm_entry_id_compare(x->entry, y->entry);
}

/* The slots of a queue that hold an entry, by entry. A slot that changes hands while it is looked
 * at is left out: what it held is settled, what it takes in is newer than the audit. */
static size_t snapshot(struct sm_slots *slots, int queue, struct held *held)
{
    size_t n = 0;
    for (uint32_t i = 0; i < slots->n; i++) {
        struct sm_slot *slot = &slots->slot[i];
        uint32_t life = atomic_load(&slot->life);
        if (sm_slot_state(slot) == SM_FREE || atomic_load(&slot->seen_queue) != queue)
            continue;
        struct sm_entry_id entry = {atomic_load(&slot->seen_ms), atomic_load(&slot->seen_seq)};
        if (atomic_load(&slot->life) == life)
            held[n++] = (struct held){entry, i, life, false};
    }
    qsort(held, n, sizeof *held, by_entry);
    return n;
}

static struct held *find(struct held *held, size_t n, struct sm_entry_id entry)
{
    struct held key = {.entry = entry};
    return bsearch(&key, held, n, sizeof *held, by_entry);
}

static int by_queue_and_entry(const void *a, const void *b)
{
    const struct sm_lost *x = a, *y = b;
    return x->queue != y->queue ? x->queue - y->queue : sm_entry_id_compare(x->entry, y->entry);
}

/* Under load what is fetched during an audit is lost to it: hundreds, so they are searched in the
 * order in which the last audit met them. */
static int64_t lost_since(const struct sm_keeper *k, int queue, struct sm_entry_id entry,
                          int64_t now)
{
    struct sm_lost key = {.queue = queue, .entry = entry};
    const struct sm_lost *before =
        bsearch(&key, k->lost, k->lost_n, sizeof key, by_queue_and_entry);
    return before != NULL ? before->since_us : now;
}

/* Takes in up to SM_TICK_MOST entries that no slot holds; what finds no room now the next audit
 * finds again. */
static bool adopt(struct sm_keeper *k, int queue, const struct sm_entry_id *ids, size_t n)
{
    struct sm_worker *w = k->w;
    struct sm_err err;
    uint32_t slots[SM_TICK_MOST];
    size_t used = atomic_load(&w->slots.bytes), half = sm_ring_count(&w->slots.free) / 2;
    if (used + sm_options_entry_limit(w->options) > w->options->memory)
        return true; /* an entry that does not fit would be read for nothing */
    n = sm_slots_reserve(w, slots, n < half ? n : half);
    struct sm_intake in = {.items = k->items, .room = n};
    if (n == 0)
        return true;
    if (k->q->ops->take(k->q, queue, ids, n, sm_options_entry_limit(w->options),
                        w->options->memory - used, &in, &err) != 0) {
        sm_slots_unreserve(w, slots, n);
        sm_keeper_failed(k, "taking in lost entries failed", &err);
        return false;
    }
    sm_count(k->stats, SM_C_ADOPTED, in.n);
    sm_intake_take(w, k->q, k->stats, &in, slots, n, true);
    return true;
}

static void give_up(struct sm_keeper *k, const struct held *held)
{
    struct sm_slot *slot = &k->w->slots.slot[held->slot];
    enum sm_slot_state state = sm_slot_state(slot);
    if (atomic_load(&slot->life) != held->life || state >= SM_STORED)
        return; /* used anew, or settled meanwhile */
    if (atomic_exchange(&slot->given_up, 1) == 0)
        sm_log(SM_LOG_DEBUG, "entry no longer owned", SM_S("state", sm_slot_state_name(state)));
}

void sm_keeper_give_up_all(struct sm_keeper *k)
{
    struct sm_slots *slots = &k->w->slots;
    for (uint32_t i = 0; i < slots->n; i++) {
        struct held held = {.slot = i, .life = atomic_load(&slots->slot[i].life)};
        if (sm_slot_state(&slots->slot[i]) != SM_FREE)
            give_up(k, &held);
    }
}

struct audit {
    struct held *held;
    size_t held_n;
    struct sm_entry_id *owned;
    size_t owned_n;
    struct sm_lost *lost;
    size_t lost_n;
};

/* All ids owned in a queue, page by page. */
static bool read_owned(struct sm_keeper *k, int queue, struct audit *a)
{
    struct sm_entry_id after = {0, 0};
    struct sm_err err;
    size_t n = 0;
    a->owned_n = 0;
    do {
        if (k->q->ops->owned(k->q, queue, after, a->owned + a->owned_n, SM_SLOTS - a->owned_n, &n,
                             &err) != 0) {
            sm_keeper_failed(k, "audit failed", &err);
            return false;
        }
        a->owned_n += n;
        if (n > 0)
            after = a->owned[a->owned_n - 1];
    } while (n > 0 && a->owned_n < SM_SLOTS);
    return true;
}

static bool audit_queue(struct sm_keeper *k, int queue, struct audit *a)
{
    struct sm_entry_id adopted[SM_TICK_MOST];
    size_t adopted_n = 0;
    int64_t now = sm_mono_us(k->w->clock);
    a->held_n = snapshot(&k->w->slots, queue, a->held);
    if (!read_owned(k, queue, a))
        return false;
    bool whole = a->owned_n < SM_SLOTS;
    for (size_t i = 0; i < a->owned_n; i++) {
        struct held *held = find(a->held, a->held_n, a->owned[i]);
        if (held != NULL) {
            held->owned = true;
            continue;
        }
        struct sm_lost lost = {queue, a->owned[i], lost_since(k, queue, a->owned[i], now)};
        if (now - lost.since_us >= SM_LOST_US && adopted_n < SM_TICK_MOST)
            adopted[adopted_n++] = lost.entry;
        if (a->lost_n < SM_SLOTS)
            a->lost[a->lost_n++] = lost;
    }
    for (size_t i = 0; whole && i < a->held_n; i++)
        if (!a->held[i].owned)
            give_up(k, &a->held[i]);
    return adopted_n == 0 || adopt(k, queue, adopted, adopted_n);
}

bool sm_keeper_audit(struct sm_keeper *k)
{
    struct audit a = {.held = malloc(SM_SLOTS * sizeof *a.held),
                      .owned = malloc(SM_SLOTS * sizeof *a.owned),
                      .lost = malloc(SM_SLOTS * sizeof *a.lost)};
    bool fine = a.held != NULL && a.owned != NULL && a.lost != NULL;
    for (int i = 0; fine && i < k->w->options->queues_n; i++)
        fine = audit_queue(k, i, &a);
    if (fine) {
        memcpy(k->lost, a.lost, a.lost_n * sizeof *a.lost);
        k->lost_n = a.lost_n;
        atomic_store(&k->w->audited_run, sm_run_digest(k->q->ops->run_id(k->q)));
    }
    free(a.held);
    free(a.owned);
    free(a.lost);
    return fine;
}
