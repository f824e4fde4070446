/*
 * The suspect in hand walks: WAITING until no other handler runs, or for a while with the others
 * hushed; then charged in Redis and offered to the stamps, outside the ready ring, which has
 * nothing else that may start; at its end the others go on. When the process does not fall quiet in
 * time, or another suspect of the queue runs alone elsewhere, it is parked for a moment: the stamps
 * must not idle for its sake.
 *
 * The patience grows with the job's age, so that under never-ending load its time comes too.
 *
 * Thread: the keeper.
 */
#include "worker/suspect.h"

#include "base/uuid.h"

#define WAIT_US 1000000     /* undisturbed, before others are hushed */
#define PATIENCE_LEAST 2000 /* ms of hush */
#define PATIENCE_MOST 60000

int64_t sm_suspect_later_ms(struct sm_worker *w)
{
    uint32_t random;
    sm_random(&random, sizeof random);
    return sm_worker_redis_ms(w) + 1000 + random % 4000;
}

static uint32_t in_hand(struct sm_worker *w)
{
    uint32_t mark = atomic_load(&w->suspect);
    return mark == SM_SUSPECT_TAKEN ? 0 : mark;
}

static void forget(struct sm_keeper *k)
{
    k->suspect_us = 0;
    k->suspect_charged = false;
    atomic_store(&k->w->suspect, 0);
    atomic_store(&k->w->hush, false);
}

/* Takes a suspect that has not started out of hand: its entry goes back, not before due_ms. */
static void put_away(struct sm_keeper *k, uint32_t i, int64_t due_ms)
{
    sm_send_back(k->w, &i, 1, due_ms, SM_BY_KEEPER);
    forget(k);
}

static int64_t patience_us(struct sm_worker *w, const struct sm_slot *slot)
{
    int64_t ms = (sm_worker_redis_ms(w) - (int64_t)slot->entry.ms) / 10;
    ms = ms < PATIENCE_LEAST ? PATIENCE_LEAST : ms > PATIENCE_MOST ? PATIENCE_MOST : ms;
    return ms * 1000;
}

static void charge(struct sm_keeper *k, uint32_t i)
{
    struct sm_worker *w = k->w;
    struct sm_slot *slot = &w->slots.slot[i];
    struct sm_err err;
    int rc = k->q->ops->charge(k->q, slot->queue, sm_slot_owned(slot), &err);
    if (rc == 1) {
        put_away(k, i, sm_suspect_later_ms(w));
    } else if (rc == SM_E_CONFLICT) {
        put_away(k, i, 0); /* does nothing in Redis: it is another's */
    } else if (rc != 0) {
        sm_keeper_failed(k, "charging a suspect failed", &err);
    } else {
        sm_count(k->stats, SM_C_CHARGED, 1);
        k->suspect_life = atomic_load(&slot->life);
        k->suspect_charged = true;
        atomic_store(&slot->lone, 1);
        atomic_store(&w->lone, i + 1);
        sm_ring_poke(&w->ready);
    }
}

/* It is charged, and on its way to a stamp or running: has it ended? A drain takes it back from
 * where no stamp has taken it yet; going back takes the charge back. */
static void look_after(struct sm_keeper *k, uint32_t i)
{
    const struct sm_slot *slot = &k->w->slots.slot[i];
    enum sm_slot_state state = sm_slot_state(slot);
    uint32_t offered = i + 1;
    if (atomic_load(&k->w->draining) && atomic_compare_exchange_strong(&k->w->lone, &offered, 0))
        put_away(k, i, 0);
    else if (atomic_load(&slot->life) != k->suspect_life ||
             (state != SM_READY && state != SM_RUNNING))
        forget(k);
}

void sm_keeper_suspect(struct sm_keeper *k, int64_t now_us)
{
    struct sm_worker *w = k->w;
    uint32_t mark = in_hand(w);
    if (mark == 0)
        return;
    struct sm_slot *slot = &w->slots.slot[mark - 1];
    if (k->suspect_us == 0)
        k->suspect_us = now_us;
    int64_t waited = now_us - k->suspect_us;
    if (k->suspect_charged) {
        look_after(k, mark - 1);
    } else if (atomic_load(&w->draining) || atomic_load(&slot->given_up)) {
        put_away(k, mark - 1, 0);
    } else if (atomic_load(&w->busy) == 0 || waited > WAIT_US) {
        atomic_store(&w->hush, true); /* before busy is looked at: stamps do it the other way */
        if (atomic_load(&w->busy) == 0)
            charge(k, mark - 1);
        else if (waited > WAIT_US + patience_us(w, slot))
            put_away(k, mark - 1, sm_suspect_later_ms(w));
    }
}
