/*
 * The fetcher. Each queue has a connection; a round ticks (promote what is due, take what was
 * handed back), asks for new entries, and takes in what has come.
 *
 * How much is asked for: what the stamps will have run in about 50 ms, by the larger of the mean
 * run time and the age of the oldest running job, and never more than free slots or free bytes:
 * running out of either is the back-pressure. A fetch that blocks asks for as many as stamps idle
 * and no more: a burst would otherwise land whole in one worker while others idle.
 *
 * An answer over the byte budget costs the connection. What it made ours is found by the keeper's
 * audit, which measures each entry before it reads it.
 */
#include "worker/fetcher.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define WORK_AHEAD_NS 50000000
#define BLOCK_MS 200
#define TICK_US 100000
#define MOST_FIRST                                                                                 \
    16                /* Redis builds a reply whole: the first of unknown sizes must not be large  \
                       */
#define PAUSE_US 5000 /* when all stamps are busy and nothing waits */

int sm_fetcher_init(struct sm_fetcher *f, struct sm_worker *w)
{
    memset(f, 0, sizeof *f);
    f->w = w;
    f->stats = &w->stats_fetcher;
    f->most = MOST_FIRST;
    f->items = calloc(SM_FETCH_MOST, sizeof *f->items);
    if (f->items == NULL)
        return SM_E_NO_MEMORY;
    for (int i = 0; i < w->options->queues_n; i++)
        if ((f->queue[i].q = w->seams.open_queue(w->seams.arg)) == NULL)
            return SM_E_NO_MEMORY;
    return 0;
}

void sm_fetcher_free(struct sm_fetcher *f)
{
    for (int i = 0; i < SM_QUEUES_MAX; i++)
        if (f->queue[i].q != NULL)
            f->queue[i].q->ops->close(f->queue[i].q);
    free(f->items);
}

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t bytes_left(const struct sm_worker *w)
{
    size_t used = atomic_load(&w->slots.bytes);
    return used >= w->options->memory ? 0 : w->options->memory - used;
}

static size_t idle_stamps(struct sm_worker *w)
{
    size_t busy = atomic_load(&w->slots.running) + sm_ring_count(&w->ready);
    size_t all = (size_t)w->options->stamps;
    return busy >= all ? 0 : all - busy;
}

/* How many more entries are worth having now. */
static size_t wanted(struct sm_fetcher *f)
{
    struct sm_worker *w = f->w;
    int64_t each = atomic_load_explicit(&w->mean_run_ns, memory_order_relaxed);
    int64_t oldest = sm_slots_oldest_run(&w->slots, sm_mono_us(w->clock)) * 1000;
    if (oldest > each)
        each = oldest;
    size_t ahead =
        (size_t)(WORK_AHEAD_NS / (each < 1000 ? 1000 : each)) * (size_t)w->options->stamps;
    size_t ready = sm_ring_count(&w->ready), idle = idle_stamps(w);
    size_t want = ahead > ready ? ahead - ready : 0;
    if (want < idle)
        want = idle;
    want = min_size(want, f->most);
    want = min_size(want, sm_ring_count(&w->slots.free));
    size_t left = bytes_left(w);
    if (left < sm_options_entry_limit(w->options))
        return 0; /* the next entry could be as large as that */
    return min_size(want, 1 + left / (f->largest + 256));
}

static void failed(struct sm_fetcher *f, struct sm_fetcher_queue *fq, const char *what,
                   const struct sm_err *err)
{
    sm_slots_unreserve(f->w, fq->reserved, fq->reserved_n);
    fq->reserved_n = 0;
    fq->under_way = false;
    fq->empty = false;
    sm_link_set_down(&fq->link, sm_mono_us(f->w->clock));
    sm_worker_failed(f->w, f->stats, what, true, err);
}

static void take_in(struct sm_fetcher *f, struct sm_fetcher_queue *fq, struct sm_intake *in,
                    bool first)
{
    sm_count(f->stats, SM_C_FETCHES, in->n > 0);
    /* forgets slowly: one large entry must not shrink the fetches for ever */
    if (in->n > 0)
        f->largest = in->largest > f->largest ? in->largest : f->largest - f->largest / 64;
    sm_intake_take(f->w, fq->q, f->stats, in, fq->reserved, fq->reserved_n, first);
    fq->reserved_n = 0;
}

static struct sm_intake intake(struct sm_fetcher *f, size_t room)
{
    return (struct sm_intake){.items = f->items, .room = room};
}

/* Promotes what is due and takes from :free; at most half of the free slots, so that new work
 * moves. */
static void tick(struct sm_fetcher *f, int i, size_t want)
{
    struct sm_fetcher_queue *fq = &f->queue[i];
    struct sm_worker *w = f->w;
    int64_t now = sm_mono_us(w->clock), next_due_ms = -1;
    struct sm_err err;
    if (now < fq->tick_us)
        return;
    size_t half = sm_ring_count(&w->slots.free) / 2,
           room = min_size(min_size(want, SM_TICK_MOST), half);
    fq->reserved_n = sm_slots_reserve(w, fq->reserved, room);
    struct sm_intake in = intake(f, fq->reserved_n);
    if (fq->q->ops->tick(fq->q, i, (unsigned)in.room, bytes_left(w), &in, &next_due_ms, &err) !=
        0) {
        failed(f, fq, "tick failed", &err);
        return;
    }
    fq->tick_us = in.n > 0 && in.n == in.room ? now : now + TICK_US;
    if (next_due_ms >= 0 && now + next_due_ms * 1000 < fq->tick_us)
        fq->tick_us = now + next_due_ms * 1000;
    take_in(f, fq, &in, true);
}

static void start(struct sm_fetcher *f, int i, size_t share, size_t idle)
{
    struct sm_fetcher_queue *fq = &f->queue[i];
    struct sm_err err;
    int block_ms = 0;
    size_t count = share;
    if (fq->empty) {
        if (idle == 0)
            return; /* nothing waited a moment ago and nobody would run it */
        count = min_size(share, idle);
        int64_t to_tick = (fq->tick_us - sm_mono_us(f->w->clock)) / 1000;
        block_ms = to_tick < 1 ? 1 : to_tick > BLOCK_MS ? BLOCK_MS : (int)to_tick;
    }
    fq->reserved_n = sm_slots_reserve(f->w, fq->reserved, count);
    if (fq->reserved_n == 0)
        return;
    fq->gaps = atomic_load(&f->w->gaps);
    int rc = fq->q->ops->fetch_start(fq->q, i, (unsigned)fq->reserved_n, block_ms, bytes_left(f->w),
                                     &err);
    if (rc != 0)
        failed(f, fq, "fetch failed", &err);
    else
        fq->under_way = true;
}

/* An answer that was asked for before the trust in the lease was lost, or under another name. */
static bool is_stale(const struct sm_fetcher *f, const struct sm_fetcher_queue *fq)
{
    return fq->gaps != atomic_load(&f->w->gaps) ||
           fq->link.identity != atomic_load(&f->w->identity.turn) || !sm_worker_trusts_lease(f->w);
}

static void drop(struct sm_intake *in)
{
    for (size_t i = 0; i < in->n; i++) {
        sm_job_free(&in->items[i].job);
        free(in->items[i].error_text);
    }
    in->n = 0;
}

static void finish(struct sm_fetcher *f, int i, int64_t wait_us)
{
    struct sm_fetcher_queue *fq = &f->queue[i];
    struct sm_intake in = intake(f, fq->reserved_n);
    struct sm_err err;
    int rc = fq->q->ops->fetch_wait(fq->q, wait_us, &in, &err);
    if (rc == 0 && in.n > 0 && is_stale(f, fq)) {
        drop(&in); /* owned perhaps by whoever took it from us meanwhile: the audit tells */
        rc = sm_err_set(&err, SM_E_CONFLICT, "answered after a gap in the lease");
    }
    if (rc > 0)
        return;
    fq->under_way = false;
    if (rc < 0) {
        failed(f, fq, "fetch failed", &err);
        return;
    }
    fq->empty = in.n == 0;
    if (in.n == 0)
        f->most = MOST_FIRST;
    else if (in.n == fq->reserved_n)
        f->most = min_size(4 * f->most, SM_FETCH_MOST);
    take_in(f, fq, &in, false);
}

/* Waits until one of several fetches has an answer. */
static void wait_any(struct sm_fetcher *f, int64_t wait_us)
{
    struct pollfd fds[SM_QUEUES_MAX];
    nfds_t n = 0;
    for (int i = 0; i < f->w->options->queues_n; i++) {
        int fd = f->queue[i].under_way ? f->queue[i].q->ops->fetch_fd(f->queue[i].q) : -1;
        if (fd >= 0)
            fds[n++] = (struct pollfd){.fd = fd, .events = POLLIN};
    }
    if (n > 0)
        poll(fds, n, (int)(wait_us / 1000));
}

/* Brings one queue to having a fetch under way, as far as that is wanted. */
static void serve(struct sm_fetcher *f, int i, size_t want, size_t idle)
{
    struct sm_fetcher_queue *fq = &f->queue[i];
    if (fq->under_way || !sm_queue_ready(f->w, fq->q, &fq->link, f->stats))
        return;
    if (atomic_load(&f->w->paused[i]))
        want = 0; /* what is due is promoted all the same */
    tick(f, i, want);
    if (fq->link.up && want > 0)
        start(f, i, want, idle);
}

void sm_fetcher_turn(struct sm_fetcher *f, int64_t wait_us)
{
    struct sm_worker *w = f->w;
    int n = w->options->queues_n, under_way = 0;
    sm_worker_turned(w, SM_LOOP_FETCHER);
    bool may = sm_worker_trusts_lease(w) && !atomic_load(&w->draining) && !atomic_load(&w->quiet);
    for (int k = 0; may && k < n; k++) {
        /* their COUNTs together are no more than what is wanted now */
        size_t parts = (size_t)(n - k), want = wanted(f), idle = idle_stamps(w);
        serve(f, (f->first + k) % n, (want + parts - 1) / parts, (idle + parts - 1) / parts);
    }
    f->first = (f->first + 1) % n;
    for (int i = 0; i < n; i++)
        under_way += f->queue[i].under_way;
    if (under_way > 1)
        wait_any(f, wait_us);
    for (int i = 0; i < n; i++)
        if (f->queue[i].under_way)
            finish(f, i, under_way == 1 ? wait_us : 0);
    if (under_way == 0 && wait_us > 0)
        poll(NULL, 0, PAUSE_US / 1000);
}
