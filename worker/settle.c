/*
 * Settling: how entries leave this worker. Successes go natively, all of a queue in one write;
 * everything else (burials, what was given up, what is parked or handed back) goes by scripts that
 * check the owner first, at most SM_TICK_MOST at a time.
 *
 * A slot is kept until Redis has answered for it: a cut costs a repetition, which does no harm. A
 * connection to another Redis run settles nothing before the audit, because an entry's id may be
 * another entry's there.
 */
#include "worker/settle.h"

#include <string.h>

int sm_settler_init(struct sm_settler *s, struct sm_worker *w, struct sm_stats *stats)
{
    memset(s, 0, sizeof *s);
    s->w = w;
    s->stats = stats;
    s->q = w->seams.open_queue(w->seams.arg);
    return s->q == NULL ? SM_E_NO_MEMORY : 0;
}

void sm_settler_free(struct sm_settler *s)
{
    if (s->q != NULL)
        s->q->ops->close(s->q);
}

bool sm_settler_ready(struct sm_settler *s)
{
    return sm_queue_ready(s->w, s->q, &s->link, s->stats);
}

void sm_settler_add_stored(struct sm_settler *s, uint32_t i)
{
    sm_slot_move(&s->w->slots, i, SM_STORED, SM_BY_COMMITTER);
    s->stored[s->stored_n++] = i;
}

void sm_settler_add_parking(struct sm_settler *s, uint32_t i)
{
    s->parking[s->parking_n++] = i;
}

size_t sm_settler_left(const struct sm_settler *s)
{
    return s->stored_n + s->parking_n;
}

static struct sm_slot *slot_of(struct sm_settler *s, uint32_t i)
{
    return &s->w->slots.slot[i];
}

static void failed(struct sm_settler *s, const char *what, const struct sm_err *err)
{
    sm_link_set_down(&s->link, sm_mono_us(s->w->clock));
    sm_worker_failed(s->w, s->stats, what, true, err);
}

/* ---- whose failures are these -- */

static int mark_lost_of(struct sm_settler *s, int queue, const uint32_t *items, size_t items_n,
                        struct sm_err *err)
{
    struct sm_entry_id ids[SM_TICK_MOST];
    struct sm_slot *of[SM_TICK_MOST];
    bool owned[SM_TICK_MOST];
    for (size_t k = 0; k < items_n;) {
        size_t n = 0;
        for (; k < items_n && n < SM_TICK_MOST; k++) {
            struct sm_slot *slot = slot_of(s, items[k]);
            if (slot->queue == queue && slot->out.code != 0)
                of[n] = slot, ids[n++] = slot->entry;
        }
        int rc = n == 0 ? 0 : s->q->ops->still_owned(s->q, queue, ids, n, owned, err);
        if (rc != 0)
            return rc;
        for (size_t i = 0; i < n; i++)
            if (!owned[i])
                atomic_store(&of[i]->given_up, 1);
    }
    return 0;
}

int sm_settler_mark_lost(struct sm_settler *s, const uint32_t *items, size_t n)
{
    struct sm_err err;
    int rc = 0;
    for (int queue = 0; rc == 0 && queue < s->w->options->queues_n; queue++)
        rc = mark_lost_of(s, queue, items, n, &err);
    if (rc != 0)
        failed(s, "asking for owners failed", &err);
    return rc;
}

/* ---- settling -- */

/* Settles the stored of one queue; 0 or what failed. Failures, and what was given up, by owner: the
 * id may be another entry's in a Redis that was wiped. */
static int settle_queue(struct sm_settler *s, int queue, struct sm_err *err)
{
    static struct sm_entry_id plain[SM_SLOTS], tried[SM_SLOTS];
    static struct sm_owned owned[SM_SLOTS];
    size_t plain_n = 0, tried_n = 0, owned_n = 0;
    for (size_t k = 0; k < s->stored_n; k++) {
        const struct sm_slot *slot = slot_of(s, s->stored[k]);
        if (slot->queue != queue)
            continue;
        const struct sm_tries *t = &slot->tries;
        bool plainly = slot->out.code == 0 && atomic_load(&slot->given_up) == 0;
        if (plainly)
            plain[plain_n++] = slot->entry;
        else
            owned[owned_n++] = sm_slot_owned(slot);
        if (plainly && (sm_tries_any(t) || atomic_load(&slot->lone) != 0))
            tried[tried_n++] = slot->entry;
    }
    int rc = plain_n == 0 ? 0 : s->q->ops->settle(s->q, queue, plain, plain_n, tried, tried_n, err);
    for (size_t at = 0; rc == 0 && at < owned_n; at += SM_TICK_MOST) {
        size_t n = owned_n - at < SM_TICK_MOST ? owned_n - at : SM_TICK_MOST;
        rc = s->q->ops->drop(s->q, queue, owned + at, n, NULL, err);
    }
    return rc;
}

static int settle_all(struct sm_settler *s, struct sm_err *err)
{
    int rc = 0;
    for (int queue = 0; rc == 0 && queue < s->w->options->queues_n; queue++)
        rc = settle_queue(s, queue, err);
    if (rc != 0)
        return rc;
    for (size_t k = 0; k < s->stored_n; k++)
        sm_slot_move(&s->w->slots, s->stored[k], SM_SETTLED, SM_BY_COMMITTER);
    sm_count(s->stats, SM_C_SETTLED, s->stored_n);
    sm_slots_release(&s->w->slots, s->stored, s->stored_n, SM_BY_COMMITTER);
    s->stored_n = 0;
    return 0;
}

/* ---- parking and handing back -- */

/* Parks up to SM_TICK_MOST of one queue; what Redis refuses is no longer ours. */
static int park_some(struct sm_settler *s, int queue, struct sm_err *err)
{
    struct sm_parking items[SM_TICK_MOST];
    uint32_t slots[SM_TICK_MOST];
    size_t n = 0, kept = 0;
    for (size_t k = 0; k < s->parking_n && n < SM_TICK_MOST; k++) {
        const struct sm_slot *slot = slot_of(s, s->parking[k]);
        if (slot->queue != queue)
            continue;
        slots[n] = s->parking[k];
        items[n++] = (struct sm_parking){.owned = sm_slot_owned(slot),
                                         .job = slot->job.id,
                                         .due_ms = slot->due_ms,
                                         .tries = slot->next};
    }
    int rc = n == 0 ? 0 : s->q->ops->park(s->q, queue, items, n, err);
    if (rc != 0 || n == 0)
        return rc;
    for (size_t k = 0, i = 0; k < s->parking_n; k++) {
        if (i < n && s->parking[k] == slots[i])
            i++;
        else
            s->parking[kept++] = s->parking[k];
    }
    s->parking_n = kept;
    sm_slots_release(&s->w->slots, slots, n, SM_BY_COMMITTER);
    return 0;
}

static int park_all(struct sm_settler *s, struct sm_err *err)
{
    int rc = 0;
    while (rc == 0 && s->parking_n > 0)
        for (int queue = 0; rc == 0 && queue < s->w->options->queues_n; queue++)
            rc = park_some(s, queue, err);
    return rc;
}

void sm_settler_turn(struct sm_settler *s)
{
    struct sm_err err;
    if (sm_settler_left(s) == 0 || !sm_settler_ready(s))
        return;
    if (sm_run_digest(s->q->ops->run_id(s->q)) != atomic_load(&s->w->audited_run)) {
        /* Ours may be the old run, of whose end an idle connection has not heard. */
        sm_link_set_down(&s->link, sm_mono_us(s->w->clock));
        return;
    }
    if (settle_all(s, &err) != 0)
        failed(s, "settling failed", &err);
    else if (park_all(s, &err) != 0)
        failed(s, "parking failed", &err);
}
