/*
 * The committer. Order is fixed: run, COMMIT, settle. A batch is what has piled up while the last
 * one was committing, at most SM_BATCH_ROWS rows or SM_BATCH_BYTES, ordered by id, no id twice. A
 * failed attempt that is tried again goes the same road: its error is committed, then its entry is
 * parked. Here is the way to PostgreSQL; what follows the commit is in settle.c.
 *
 * A crash between COMMIT and settle costs a second, harmless commit; a crash before COMMIT a second
 * run. While a server is away everything stays where it is (held, in the batch, at the settler),
 * and the lack of free slots stops the fetcher.
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
#define CONNECT_US 60000000 /* longest that connecting may take before this loop counts as hung */

int sm_committer_init(struct sm_committer *c, struct sm_worker *w)
{
    memset(c, 0, sizeof *c);
    c->w = w;
    c->stats = &w->stats_committer;
    c->store = w->seams.open_store(w->seams.arg);
    int rc = sm_settler_init(&c->settler, w, c->stats);
    return c->store == NULL ? SM_E_NO_MEMORY : rc;
}

void sm_committer_free(struct sm_committer *c)
{
    sm_settler_free(&c->settler);
    if (c->store != NULL)
        c->store->ops->close(c->store);
    sm_buf_free(&c->envelopes);
}

static struct sm_slot *slot_of(struct sm_committer *c, uint32_t i)
{
    return &c->w->slots.slot[i];
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

/* True for what goes back into the queue as if it had not been here: it was not started, or a drain
 * has stopped it. */
static bool goes_back(struct sm_committer *c, struct sm_slot *slot)
{
    if (slot->goes_back || slot->out.code != SM_E_STOPPED)
        return slot->goes_back;
    sm_count(c->stats, SM_C_RELEASED, 1);
    return sm_outcome_of(slot, c->w->options, 0, 0) == SM_OUTCOME_PARK;
}

/* What only goes back needs no commit, and must not wait for PostgreSQL. */
static void sift(struct sm_committer *c)
{
    size_t kept = 0;
    for (size_t k = 0; k < c->held_n; k++) {
        if (forget(c, c->held[k]))
            continue;
        if (goes_back(c, slot_of(c, c->held[k])))
            sm_settler_add_parking(&c->settler, c->held[k]);
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

/* Before a failure is committed: is the entry still ours? A stale worker must not bury. Where Redis
 * does not answer all is held. */
static bool drop_lost_failures(struct sm_committer *c)
{
    size_t kept = 0;
    if (sm_settler_mark_lost(&c->settler, c->batch, c->batch_n) != 0) {
        memcpy(c->held + c->held_n, c->batch, c->batch_n * sizeof *c->batch);
        c->held_n += c->batch_n;
        c->batch_n = 0;
        return false;
    }
    for (size_t k = 0; k < c->batch_n; k++)
        if (!forget(c, c->batch[k]))
            c->batch[kept++] = c->batch[k];
    c->batch_n = kept;
    return kept > 0;
}

/* What asks to be run again is only parked and leaves the batch. */
static void decide(struct sm_committer *c)
{
    int64_t now_ms = sm_worker_redis_ms_most(c->w); /* no retry comes early */
    size_t kept = 0;
    for (size_t k = 0; k < c->batch_n; k++) {
        struct sm_slot *slot = slot_of(c, c->batch[k]);
        uint32_t random = 0;
        if (slot->out.code != 0) /* only a failure waits; each is a system call */
            sm_random(&random, sizeof random);
        enum sm_outcome outcome = sm_outcome_of(slot, c->w->options, now_ms, random);
        if (outcome == SM_OUTCOME_PARK) {
            sm_count(c->stats, SM_C_AGAIN, 1);
            sm_settler_add_parking(&c->settler, c->batch[k]);
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

static void store_is_up(struct sm_committer *c)
{
    sm_link_set_up(&c->postgres);
    atomic_store(&c->w->postgres_up, true);
}

static bool store_ready(struct sm_committer *c)
{
    struct sm_err err;
    if (c->postgres.up)
        return true;
    if (!sm_link_due(&c->postgres, sm_mono_us(c->w->clock)))
        return false;
    /* The system's resolver has no deadline of ours, and a slow server is asked three things. What
     * waits for this loop meanwhile loses nothing: no reason to look dead. */
    sm_worker_rests(c->w, SM_LOOP_COMMITTER, CONNECT_US);
    int rc = c->store->ops->connect(c->store, 1000, &err);
    sm_worker_turned(c->w, SM_LOOP_COMMITTER);
    if (rc != 0) {
        store_failed(c, "PostgreSQL connection failed", &err);
        return false;
    }
    c->postgres.up = true;
    if (!c->refuses) /* a full server lets us connect: only a commit shows that it takes rows */
        store_is_up(c);
    return true;
}

/* A sign of life that counts. */
static void store_works(struct sm_committer *c)
{
    c->refuses = false;
    c->checked_us = sm_mono_us(c->w->clock);
    store_is_up(c);
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
        sm_settler_add_stored(&c->settler, i);
    }
    for (size_t k = 0; k < c->batch_n; k++)
        if (c->outcome[k] == SM_OUTCOME_RETRY) {
            sm_count(c->stats, SM_C_RETRIED, 1);
            sm_settler_add_parking(&c->settler, c->batch[k]);
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
    if ((fresh || has_failures(c)) && !sm_settler_ready(&c->settler))
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

/* How many slots are in the committer's hands. */
static size_t left(const struct sm_committer *c)
{
    return c->held_n + c->batch_n + sm_settler_left(&c->settler);
}

bool sm_committer_turn(struct sm_committer *c, int64_t wait_us)
{
    sm_worker_turned(c->w, SM_LOOP_COMMITTER);
    take_done(c, left(c) == 0 ? wait_us : 0);
    if (c->under_way)
        finish(c, wait_us);
    take_done(c, 0);
    if (c->held_n + c->batch_n == 0)
        look_after_store(c);
    else
        start(c);
    sm_settler_turn(&c->settler); /* while PostgreSQL works on the next batch */
    bool stuck = left(c) > 0 && !(c->settler.link.up && c->postgres.up) && wait_us > 0;
    if (stuck)
        poll(NULL, 0, 10); /* both wait for their next try */
    return left(c) > 0 || !sm_ring_closed(&c->w->done) || sm_ring_count(&c->w->done) > 0;
}
