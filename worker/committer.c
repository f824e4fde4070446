/*
 * The committer. Order is fixed: run, COMMIT, settle. A batch is what has piled up while the last
 * one was committing, at most SM_BATCH_ROWS rows or SM_BATCH_BYTES, ordered by id, no id twice. A
 * failed attempt that is tried again goes the same road: its error is committed, then its entry is
 * parked.
 *
 * A crash between COMMIT and settle costs a second, harmless commit; a crash before COMMIT a second
 * run. While a server is away everything stays where it is (held, the batch, stored), and the lack
 * of free slots stops the fetcher.
 */
#include "worker/committer.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/uuid.h"

#define ENVELOPES_KEEP (1u << 20)
#define CHECK_US 1000000 /* how often an idle committer asks whether PostgreSQL is there */
#define CHECK_WAIT_MS 1000

int sm_committer_init(struct sm_committer *c, struct sm_worker *w)
{
    memset(c, 0, sizeof *c);
    c->w = w;
    c->stats = &w->stats_committer;
    c->q = w->seams.open_queue(w->seams.arg);
    c->store = w->seams.open_store(w->seams.arg);
    return c->q == NULL || c->store == NULL ? SM_E_NO_MEMORY : 0;
}

void sm_committer_free(struct sm_committer *c)
{
    if (c->q != NULL)
        c->q->ops->close(c->q);
    if (c->store != NULL)
        c->store->ops->close(c->store);
    sm_buf_free(&c->envelopes);
}

static struct sm_slot *slot_of(struct sm_committer *c, uint32_t i)
{
    return &c->w->slots.slot[i];
}

static void redis_failed(struct sm_committer *c, const char *what, const struct sm_err *err)
{
    sm_link_set_down(&c->redis, sm_mono_us(c->w->clock));
    sm_worker_failed(c->w, c->stats, what, true, err);
}

/* ---- what is done -- */

/* A failure of what is no longer ours is forgotten. True when so. */
static bool forget(struct sm_committer *c, uint32_t i)
{
    const struct sm_slot *slot = slot_of(c, i);
    if (atomic_load(&slot->given_up) == 0 || (slot->out.code == 0 && !slot->goes_back))
        return false;
    sm_count(c->stats, SM_C_GIVEN_UP, 1);
    sm_slots_release(&c->w->slots, &i, 1, SM_BY_COMMITTER);
    return true;
}

/* What only goes back into the queue needs no commit. */
static void sift(struct sm_committer *c)
{
    size_t kept = 0;
    for (size_t k = 0; k < c->held_n; k++) {
        if (forget(c, c->held[k]))
            continue;
        if (slot_of(c, c->held[k])->goes_back)
            c->parking[c->parking_n++] = c->held[k];
        else
            c->held[kept++] = c->held[k];
    }
    c->held_n = kept;
}

static void take_done(struct sm_committer *c, int64_t wait_us)
{
    c->held_n += sm_ring_take(&c->w->done, c->held + c->held_n, SM_SLOTS - c->held_n, wait_us);
}

/* ---- making a batch -- */

static const struct sm_slot *sort_slots; /* qsort has no argument; one committer in a process */

static int by_id(const void *a, const void *b)
{
    const struct sm_slot *x = &sort_slots[*(const uint32_t *)a],
                         *y = &sort_slots[*(const uint32_t *)b];
    int order = sm_uuid_compare(&x->job.id, &y->job.id);
    return order != 0 ? order : (*(const uint32_t *)a > *(const uint32_t *)b) * 2 - 1;
}

/* Moves from held to batch what one transaction may hold. */
static void choose(struct sm_committer *c)
{
    size_t bytes = 0, n = 0;
    while (n < c->held_n && n < SM_BATCH_ROWS) {
        const struct sm_slot *slot = slot_of(c, c->held[n]);
        bytes += slot->out.result_size + slot->out.body_size + 256;
        if (slot->out.code != 0)
            bytes += slot->job.memory_size;
        if (n > 0 && bytes > SM_BATCH_BYTES)
            break;
        c->batch[n] = c->held[n];
        n++;
    }
    c->batch_n = n;
    memmove(c->held, c->held + n, (c->held_n - n) * sizeof *c->held);
    c->held_n -= n;
}

/* The second of two with one id waits for the next batch. */
static void sort_out_twins(struct sm_committer *c)
{
    size_t kept = 0;
    sort_slots = c->w->slots.slot;
    qsort(c->batch, c->batch_n, sizeof *c->batch, by_id);
    for (size_t k = 0; k < c->batch_n; k++) {
        if (kept > 0 && sm_uuid_compare(&slot_of(c, c->batch[k])->job.id,
                                        &slot_of(c, c->batch[kept - 1])->job.id) == 0)
            c->held[c->held_n++] = c->batch[k];
        else
            c->batch[kept++] = c->batch[k];
    }
    c->batch_n = kept;
}

/* Marks the failures among the batch of one queue that are no longer ours. */
static int mark_lost(struct sm_committer *c, int queue, struct sm_err *err)
{
    struct sm_entry_id ids[SM_TICK_MOST];
    struct sm_slot *of[SM_TICK_MOST];
    bool owned[SM_TICK_MOST];
    for (size_t k = 0; k < c->batch_n;) {
        size_t n = 0;
        for (; k < c->batch_n && n < SM_TICK_MOST; k++) {
            struct sm_slot *slot = slot_of(c, c->batch[k]);
            if (slot->queue == queue && slot->out.code != 0)
                of[n] = slot, ids[n++] = slot->entry;
        }
        int rc = n == 0 ? 0 : c->q->ops->still_owned(c->q, queue, ids, n, owned, err);
        if (rc != 0)
            return rc;
        for (size_t i = 0; i < n; i++)
            if (!owned[i])
                atomic_store(&of[i]->given_up, 1);
    }
    return 0;
}

/* Before a failure is committed: is the entry still ours? A stale worker must not bury. Where Redis
 * does not answer all is held. */
static bool drop_lost_failures(struct sm_committer *c)
{
    struct sm_err err;
    size_t kept = 0;
    for (int queue = 0; queue < c->w->options->queues_n; queue++)
        if (mark_lost(c, queue, &err) != 0) {
            memcpy(c->held + c->held_n, c->batch, c->batch_n * sizeof *c->batch);
            c->held_n += c->batch_n;
            c->batch_n = 0;
            redis_failed(c, "asking for owners failed", &err);
            return false;
        }
    for (size_t k = 0; k < c->batch_n; k++)
        if (!forget(c, c->batch[k]))
            c->batch[kept++] = c->batch[k];
    c->batch_n = kept;
    return kept > 0;
}

/* What is only to be parked needs no commit and leaves the batch. */
static void decide(struct sm_committer *c)
{
    int64_t now_ms = sm_worker_redis_ms_most(c->w); /* no retry comes early */
    size_t kept = 0;
    for (size_t k = 0; k < c->batch_n; k++) {
        struct sm_slot *slot = slot_of(c, c->batch[k]);
        bool stopped = slot->out.code == SM_E_STOPPED;
        uint32_t random = 0;
        if (slot->out.code != 0) /* only a failure waits; each is a system call */
            sm_random(&random, sizeof random);
        enum sm_outcome outcome = sm_outcome_of(slot, c->w->options, now_ms, random);
        if (outcome == SM_OUTCOME_PARK) {
            sm_count(c->stats, stopped ? SM_C_RELEASED : SM_C_AGAIN, 1);
            c->parking[c->parking_n++] = c->batch[k];
        } else {
            c->outcome[kept] = outcome;
            c->batch[kept++] = c->batch[k];
        }
    }
    c->batch_n = kept;
}

/* ---- PostgreSQL -- */

static void store_failed(struct sm_committer *c, const char *what, const struct sm_err *err)
{
    c->refuses |= c->under_way;
    c->under_way = false;
    atomic_store(&c->w->commit_us, 0);
    sm_link_set_down(&c->postgres, sm_mono_us(c->w->clock));
    sm_worker_failed(c->w, c->stats, what, false, err);
}

static bool store_ready(struct sm_committer *c)
{
    struct sm_err err;
    if (c->postgres.up)
        return true;
    if (!sm_link_due(&c->postgres, sm_mono_us(c->w->clock)))
        return false;
    if (c->store->ops->connect(c->store, 1000, &err) != 0) {
        store_failed(c, "PostgreSQL connection failed", &err);
        return false;
    }
    sm_link_set_up(&c->postgres);
    if (!c->refuses) /* a full server lets us connect: only a commit shows that it takes rows */
        atomic_store(&c->w->postgres_up, true);
    return true;
}

/* A sign of life that counts. */
static void store_works(struct sm_committer *c)
{
    c->refuses = false;
    c->checked_us = sm_mono_us(c->w->clock);
    atomic_store(&c->w->postgres_up, true);
}

/* While there is nothing to commit nobody would notice that PostgreSQL is gone, and /readyz would
 * send work here; so it is asked, and connected to again. */
static void look_after_store(struct sm_committer *c)
{
    struct sm_err err;
    int64_t now = sm_mono_us(c->w->clock);
    if (!store_ready(c) || now - c->checked_us < CHECK_US)
        return;
    if (c->store->ops->check(c->store, CHECK_WAIT_MS, &err) != 0)
        store_failed(c, "PostgreSQL is gone", &err);
    else
        store_works(c); /* nothing is left of what it refused */
}

static void begin(struct sm_committer *c)
{
    struct sm_err err;
    struct sm_batch batch = {c->row_of, c->rows_n, c->attempts, c->attempts_n};
    sm_worker_name(c->w, c->name);
    if (c->store->ops->commit_start(c->store, &batch, c->name, &err) != 0) {
        store_failed(c, "commit failed", &err);
        return;
    }
    c->under_way = true;
    c->began_us = sm_mono_us(c->w->clock);
    atomic_store(&c->w->commit_us, c->began_us);
}

/* A row that PostgreSQL refuses becomes the failure of its job, in the next batch. */
static void refused(struct sm_committer *c, uint32_t i, const char *why)
{
    struct sm_slot *slot = slot_of(c, i);
    SM_ASSERT(slot->out.code != SM_E_REFUSED); /* a plain failure row cannot be refused */
    sm_run_out_free(&slot->out);
    memset(&slot->job.tags, 0, sizeof slot->job.tags);
    slot->out.code = SM_E_REFUSED;
    slot->out.error_text = strdup(why);
    sm_count(c->stats, SM_C_RESULT_REFUSED, 1);
    c->held[c->held_n++] = i;
}

static void count_row(struct sm_committer *c, const struct sm_row *row, enum sm_verdict verdict)
{
    static const enum sm_counter of[] = {[SM_STATE_DEAD] = SM_C_DEAD,
                                         [SM_STATE_CANCELLED] = SM_C_CANCELLED,
                                         [SM_STATE_SUCCEEDED] = SM_C_SUCCEEDED};
    sm_count(c->stats, verdict == SM_VERDICT_STOOD ? of[row->state] : SM_C_SUPERSEDED, 1);
}

static void committed(struct sm_committer *c, const struct sm_commit_result *result)
{
    for (size_t n = 0; n < c->rows_n; n++) {
        uint32_t i = c->batch[c->slot_of_row[n]];
        if (c->verdicts[n] == SM_VERDICT_REFUSED) {
            refused(c, i, result->refusal);
            continue;
        }
        count_row(c, &c->rows[n], c->verdicts[n]);
        if (slot_of(c, i)->job.durable)
            sm_ended_add(&c->w->ended, &c->rows[n].id);
        sm_slot_move(&c->w->slots, i, SM_STORED, SM_BY_COMMITTER);
        c->stored[c->stored_n++] = i;
    }
    for (size_t k = 0; k < c->batch_n; k++)
        if (c->outcome[k] == SM_OUTCOME_RETRY) {
            sm_count(c->stats, SM_C_RETRIED, 1);
            c->parking[c->parking_n++] = c->batch[k];
        }
    c->under_way = false;
    c->batch_n = 0;
    atomic_store(&c->w->commit_us, 0);
    store_works(c);
    sm_count(c->stats, SM_C_BATCHES, 1);
    sm_hist_add(&c->stats->commit, c->checked_us - c->began_us, 1);
    if (c->envelopes.room > ENVELOPES_KEEP)
        sm_buf_free(&c->envelopes);
}

static void finish(struct sm_committer *c, int64_t wait_us)
{
    struct sm_commit_result result = {.verdicts = c->verdicts};
    struct sm_err err;
    int rc = c->store->ops->commit_wait(c->store, wait_us, &result, &err);
    if (rc < 0)
        store_failed(c, "commit failed", &err);
    else if (rc == 0)
        committed(c, &result);
}

static bool has_failures(struct sm_committer *c)
{
    for (size_t k = 0; k < c->batch_n; k++)
        if (slot_of(c, c->batch[k])->out.code != 0)
            return true;
    return false;
}

/* Makes the batch, or looks at it once more before it is tried again: who owns its failures may
 * have changed in between. False when there is nothing to commit now. */
static bool prepare(struct sm_committer *c)
{
    bool fresh = c->batch_n == 0;
    if ((fresh || has_failures(c)) && !sm_queue_ready(c->w, c->q, &c->redis, c->stats))
        return false;
    if (fresh) {
        choose(c);
        sort_out_twins(c);
    }
    if (!drop_lost_failures(c))
        return false;
    decide(c);
    sm_rows_build(c);
    return c->batch_n > 0;
}

/* Begins the next batch, or the same one again after a failure. */
static void start(struct sm_committer *c)
{
    sift(c);
    if (!c->under_way && c->held_n + c->batch_n > 0 && store_ready(c) && prepare(c))
        begin(c);
}

/* ---- Redis -- */

/* Settles the stored of one queue; 0 or what failed. Successes go natively; failures, and what was
 * given up, by owner: the id may be another entry's in a Redis that was wiped. */
static int settle_queue(struct sm_committer *c, int queue, struct sm_err *err)
{
    static struct sm_entry_id plain[SM_SLOTS], tried[SM_SLOTS];
    static struct sm_owned owned[SM_SLOTS];
    size_t plain_n = 0, tried_n = 0, owned_n = 0;
    for (size_t k = 0; k < c->stored_n; k++) {
        const struct sm_slot *slot = slot_of(c, c->stored[k]);
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
    int rc = plain_n == 0 ? 0 : c->q->ops->settle(c->q, queue, plain, plain_n, tried, tried_n, err);
    for (size_t at = 0; rc == 0 && at < owned_n; at += SM_TICK_MOST) {
        size_t n = owned_n - at < SM_TICK_MOST ? owned_n - at : SM_TICK_MOST;
        rc = c->q->ops->drop(c->q, queue, owned + at, n, NULL, err);
    }
    return rc;
}

static int settle_all(struct sm_committer *c, struct sm_err *err)
{
    int rc = 0;
    for (int queue = 0; rc == 0 && queue < c->w->options->queues_n; queue++)
        rc = settle_queue(c, queue, err);
    if (rc != 0)
        return rc;
    for (size_t k = 0; k < c->stored_n; k++)
        sm_slot_move(&c->w->slots, c->stored[k], SM_SETTLED, SM_BY_COMMITTER);
    sm_count(c->stats, SM_C_SETTLED, c->stored_n);
    sm_slots_release(&c->w->slots, c->stored, c->stored_n, SM_BY_COMMITTER);
    c->stored_n = 0;
    return 0;
}

/* Parks up to SM_TICK_MOST of one queue; what Redis refuses is no longer ours. */
static int park_some(struct sm_committer *c, int queue, struct sm_err *err)
{
    struct sm_parking items[SM_TICK_MOST];
    uint32_t slots[SM_TICK_MOST];
    size_t n = 0, kept = 0;
    for (size_t k = 0; k < c->parking_n && n < SM_TICK_MOST; k++) {
        const struct sm_slot *slot = slot_of(c, c->parking[k]);
        if (slot->queue != queue)
            continue;
        slots[n] = c->parking[k];
        items[n++] = (struct sm_parking){
            .owned = sm_slot_owned(slot), .due_ms = slot->due_ms, .tries = slot->next};
    }
    int rc = n == 0 ? 0 : c->q->ops->park(c->q, queue, items, n, err);
    if (rc != 0 || n == 0)
        return rc;
    for (size_t k = 0, i = 0; k < c->parking_n; k++) {
        if (i < n && c->parking[k] == slots[i])
            i++;
        else
            c->parking[kept++] = c->parking[k];
    }
    c->parking_n = kept;
    sm_slots_release(&c->w->slots, slots, n, SM_BY_COMMITTER);
    return 0;
}

static int park_all(struct sm_committer *c, struct sm_err *err)
{
    int rc = 0;
    while (rc == 0 && c->parking_n > 0)
        for (int queue = 0; rc == 0 && queue < c->w->options->queues_n; queue++)
            rc = park_some(c, queue, err);
    return rc;
}

static void settle(struct sm_committer *c)
{
    struct sm_err err;
    if (c->stored_n + c->parking_n == 0 || !sm_queue_ready(c->w, c->q, &c->redis, c->stats))
        return;
    if (sm_run_digest(c->q->ops->run_id(c->q)) != atomic_load(&c->w->audited_run)) {
        /* Another Redis run: nothing is settled before the audit. Ours may be the old one, of whose
         * end an idle connection has not heard. */
        sm_link_set_down(&c->redis, sm_mono_us(c->w->clock));
        return;
    }
    if (settle_all(c, &err) != 0)
        redis_failed(c, "settling failed", &err);
    else if (park_all(c, &err) != 0)
        redis_failed(c, "parking failed", &err);
}

bool sm_committer_turn(struct sm_committer *c, int64_t wait_us)
{
    bool idle = c->held_n + c->batch_n + c->stored_n + c->parking_n == 0;
    sm_worker_turned(c->w, SM_LOOP_COMMITTER);
    take_done(c, idle ? wait_us : 0);
    if (c->under_way)
        finish(c, wait_us);
    take_done(c, 0);
    if (c->held_n + c->batch_n == 0)
        look_after_store(c);
    else
        start(c);
    settle(c); /* while PostgreSQL works on the next batch */
    bool left = c->held_n + c->batch_n + c->stored_n + c->parking_n > 0;
    bool stuck = left && !(c->redis.up && c->postgres.up) && wait_us > 0;
    if (stuck)
        poll(NULL, 0, 10); /* both wait for their next try */
    return left || !sm_ring_closed(&c->w->done) || sm_ring_count(&c->w->done) > 0;
}
