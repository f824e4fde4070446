/*
 * A stamp: takes jobs from the ready ring, runs their handlers, puts them into the done ring. Never
 * touches the network.
 *
 * Tiny jobs are taken several at once, so that lock and wake-up are paid per batch; what may turn
 * out long is taken alone, and a batch that does is put back in front for the other stamps.
 *
 * A handler that does not return past its timeout and grace costs its stamp: the keeper ends the
 * run in its place, and should the handler ever come back, its thread leaves the slot alone and
 * ends.
 */
#include <poll.h>
#include <string.h>

#include "worker/fault.h"
#include "worker/worker.h"

#define BATCH_NS 1000000 /* a batch is about a millisecond of work */
#define SMALL_NS 200000
#define SMALL_INPUT 65536
#define HOLD_MS 10 /* how often a stamp looks whether it may start jobs again */
#define CPU_US 50  /* a run as long as this is worth the system call that tells its CPU time */

int sm_stamp_init(struct sm_stamp *stamp, struct sm_worker *w, int number)
{
    memset(stamp, 0, sizeof *stamp);
    stamp->w = w;
    stamp->stats = &w->stats_stamps[number];
    stamp->runner = sm_runner_new();
    return stamp->runner == NULL ? SM_E_NO_MEMORY : 0;
}

void sm_stamp_free(struct sm_stamp *stamp)
{
    sm_runner_free(stamp->runner);
}

static size_t batch_size(struct sm_worker *w)
{
    int64_t each = atomic_load_explicit(&w->mean_run_ns, memory_order_relaxed);
    size_t most = (size_t)(BATCH_NS / (each < 1000 ? 1000 : each));
    size_t share = sm_ring_count(&w->ready) / (size_t)w->options->stamps;
    size_t n = most < share ? most : share;
    return n < 1 ? 1 : n > 64 ? 64 : n;
}

static struct sm_run_in input_of(struct sm_worker *w, struct sm_slot *slot)
{
    struct sm_run_in in = {
        .type = slot->type,
        .args = slot->job.args.p,
        .args_size = slot->job.args.n,
        .input = slot->job.input.p,
        .input_size = slot->job.input.n,
        .attempt = slot->tries.attempts + 1,
        .limits = sm_limits_of(slot->type, &w->options->limits),
        .stop = &slot->stop,
        .clock = w->clock,
    };
    if (slot->job.timeout_ms > 0)
        in.limits.timeout_ms = slot->job.timeout_ms;
    return in;
}

/* A moving mean over about 64 runs, never 0 after the first; a lost update among stamps does not
 * matter. */
static void note_run(_Atomic int64_t *mean_ns, int64_t run_us)
{
    int64_t mean = atomic_load_explicit(mean_ns, memory_order_relaxed);
    int64_t next = mean + (run_us * 1000 - mean) / 64;
    atomic_store_explicit(mean_ns, next < 1 ? 1 : next, memory_order_relaxed);
}

static void account(struct sm_stamp *stamp, struct sm_slot *slot, int64_t run_us)
{
    struct sm_stats *stats = stamp->stats;
    sm_count(stats, SM_C_STARTED, 1);
    sm_hist_add(&stats->run, run_us, 1);
    int64_t waited = slot->started_us - slot->job.enqueued_ms * 1000;
    sm_hist_add(&stats->wait, waited < 0 ? 0 : waited, 1); /* the producer's clock may be ahead */
    atomic_fetch_add_explicit(&stats->cpu_us, (uint64_t)slot->cpu_us, memory_order_relaxed);
    sm_slot_charge_result(&stamp->w->slots, slot, slot->out.result_size + slot->out.body_size);
    note_run(&stamp->w->mean_run_ns, run_us);
    note_run(&stamp->w->mean_type_ns[slot->type_n], run_us);
}

/* Whose run this is to end: false when the keeper has said for us that it never returned. */
static bool claim(struct sm_slot *slot)
{
    uint8_t open = SM_CLAIM_OPEN;
    return atomic_compare_exchange_strong(&slot->claim, &open, SM_CLAIM_STAMP);
}

/* The CPU time of a run that took ran_us. *cpu_us is the thread's own between two jobs: read when a
 * run was long enough to ask, else reckoned. */
static int64_t cpu_of(int64_t ran_us, int64_t *cpu_us)
{
    int64_t before = *cpu_us;
    *cpu_us = ran_us < CPU_US ? before + ran_us : sm_thread_cpu_us();
    return *cpu_us - before < ran_us ? *cpu_us - before : ran_us;
}

/* Runs one job. False when the slot is no longer this stamp's. */
static bool run(struct sm_stamp *stamp, uint32_t i, int64_t *cpu_us)
{
    struct sm_worker *w = stamp->w;
    struct sm_slot *slot = &w->slots.slot[i];
    struct sm_run_in in = input_of(w, slot);
    struct sm_run_out out = {.code = SM_E_EXPIRED};
    int64_t began = sm_mono_us(w->clock);
    slot->started_us = sm_wall_us(w->clock);
    atomic_store(&slot->timeout_us, in.limits.timeout_ms * 1000);
    atomic_store(&slot->since_us, began);
    atomic_store(&slot->asked_us, 0);
    sm_slot_move(&w->slots, i, SM_RUNNING, SM_BY_STAMP);
    sm_fault_running(i);
    if (slot->job.expires_ms == 0 || slot->started_us / 1000 < slot->job.expires_ms)
        sm_runner_run(stamp->runner, &in, &out);
    sm_fault_running(SM_FAULT_NONE);
    int64_t ran = sm_mono_us(w->clock) - began;
    if (!claim(slot)) {
        sm_run_out_free(&out);
        return false;
    }
    slot->out = out;
    slot->finished_us = slot->started_us + ran;
    slot->cpu_us = cpu_of(ran, cpu_us);
    account(stamp, slot, ran);
    sm_slot_move(&w->slots, i, SM_DONE, SM_BY_STAMP);
    return true;
}

/* A run after which others may be kept waiting without harm. Of a type that has not run yet nothing
 * is known: it may be long. */
static bool is_small(struct sm_worker *w, const struct sm_slot *slot)
{
    int64_t each = atomic_load_explicit(&w->mean_type_ns[slot->type_n], memory_order_relaxed);
    return slot->job.input.n <= SMALL_INPUT && each > 0 && each <= SMALL_NS;
}

/* Small inputs can have large results, and these wait for their commit: no run begins while its
 * result might not fit into worker.memory. While no result waits there is nothing to wait for. */
static bool has_room(const struct sm_worker *w)
{
    return atomic_load(&w->slots.result) == 0 ||
           atomic_load(&w->slots.bytes) + w->options->limits.output <= w->options->memory;
}

/* How many of the n in hand this stamp takes on: one that may be long is taken alone, so that
 * nothing waits behind it. */
static size_t may_start(struct sm_stamp *stamp, size_t n)
{
    struct sm_worker *w = stamp->w;
    size_t k = 0;
    if (!sm_worker_trusts_lease(w) || !has_room(w) || atomic_load(&w->hush))
        return 0;
    while (k < n && is_small(w, &w->slots.slot[stamp->items[k]]))
        k++;
    return k == 0 ? 1 : k;
}

/* Runs n jobs in hand. False when this stamp has lost its slot to the keeper. */
static bool run_batch(struct sm_stamp *stamp, size_t n)
{
    struct sm_worker *w = stamp->w;
    int64_t began = sm_mono_us(w->clock), cpu_us = sm_thread_cpu_us();
    size_t done_n = 0, k = 0;
    bool mine = true;
    for (; mine && k < n; k++) {
        if (k > 0 && (atomic_load(&w->hush) || !has_room(w) ||
                      sm_mono_us(w->clock) - began > BATCH_NS / 1000))
            break;
        if (atomic_load(&w->slots.slot[stamp->items[k]].given_up)) {
            sm_count(stamp->stats, SM_C_GIVEN_UP, 1);
            sm_slots_release(&w->slots, &stamp->items[k], 1, SM_BY_STAMP);
            continue;
        }
        mine = run(stamp, stamp->items[k], &cpu_us);
        if (mine)
            stamp->done[done_n++] = stamp->items[k];
    }
    if (k < n)
        sm_ring_put_front(&w->ready, &stamp->items[k], n - k);
    sm_ring_put(&w->done, stamp->done, done_n);
    return mine;
}

/* Takes a charged suspect, which all others are hushed for. */
static bool take_lone(struct sm_stamp *stamp)
{
    struct sm_worker *w = stamp->w;
    if (atomic_load(&w->lone) == 0 || !sm_worker_trusts_lease(w))
        return false;
    uint32_t lone = atomic_exchange(&w->lone, 0);
    stamp->items[0] = lone - 1;
    return lone != 0;
}

bool sm_stamp_turn(struct sm_stamp *stamp, int64_t wait_us)
{
    struct sm_worker *w = stamp->w;
    bool lone = take_lone(stamp);
    size_t n = lone ? 1 : sm_ring_take(&w->ready, stamp->items, batch_size(w), wait_us);
    if (n == 0)
        return !sm_ring_closed(&w->ready);
    atomic_fetch_add(&w->busy, 1); /* before hush is looked at: the keeper does it the other way */
    size_t may = lone ? 1 : may_start(stamp, n);
    if (may < n)
        sm_ring_put_front(&w->ready, &stamp->items[may], n - may);
    bool mine = may == 0 || run_batch(stamp, may);
    if (mine)
        atomic_fetch_sub(&w->busy, 1);
    if (may == 0 && wait_us != 0)
        poll(NULL, 0, HOLD_MS);
    return mine;
}
