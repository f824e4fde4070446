/*
 * The drain: source to sink. Fetching stops; what has not started is handed back (same entry, same
 * place, uncharged); what runs may finish within shutdown_timeout, is asked to stop then, and is
 * handed back, too; everything done is committed and settled. Handing back needs Redis alone. What
 * this worker owns at the end, because a handler does not end or a server does not answer, is
 * handed back uncharged, too, and it is struck off and its box removed. Where not even Redis
 * answers, a successor finds the box.
 */
#include <poll.h>
#include <stdlib.h>

#include "base/thread.h"
#include "worker/daemon.h"

#define STOP_GRACE_MS 2000
#define COMMIT_GRACE_MS 5000
#define MOVE_GRACE_MS 2000
#define LOOK_MS 10

struct patience {
    const struct sm_clock *clock;
    int64_t until_us;
    bool (*hurry)(void);
};

/* Waits until `done` says so; false when patience ended first. */
static bool wait_for(const struct patience *p, bool (*done)(struct sm_daemon *),
                     struct sm_daemon *d)
{
    while (!done(d)) {
        if (sm_mono_us(p->clock) >= p->until_us || p->hurry())
            return done(d);
        poll(NULL, 0, LOOK_MS);
    }
    return true;
}

/* Those whose handler never returned do not count: their run has been ended by the keeper. */
static bool stamps_ended(struct sm_daemon *d)
{
    return atomic_load(&d->stamps_alive) <= (int)atomic_load(&d->w.hung);
}

static bool committer_ended(struct sm_daemon *d)
{
    return atomic_load(&d->committer_ended);
}

static bool mover_ended(struct sm_daemon *d)
{
    return atomic_load(&d->mover_ended);
}

static bool never(void)
{
    return false;
}

static struct patience patience(struct sm_daemon *d, int64_t ms, bool (*hurry)(void))
{
    return (struct patience){d->w.clock, sm_mono_us(d->w.clock) + ms * 1000, hurry};
}

static void hand_back_ready(struct sm_daemon *d)
{
    static uint32_t items[SM_SLOTS];
    size_t n = sm_ring_take(&d->w.ready, items, SM_SLOTS, 0);
    if (n == 0)
        return;
    sm_count(&d->w.stats_fetcher, SM_C_RELEASED, n); /* its thread has ended */
    sm_send_back(&d->w, items, n, 0, SM_BY_DRAIN);
    sm_log(SM_LOG_INFO, "unstarted jobs handed back", SM_N("jobs", n));
}

static void ask_to_stop(struct sm_daemon *d)
{
    for (uint32_t i = 0; i < d->w.slots.n; i++) {
        int none = 0;
        if (sm_slot_state(&d->w.slots.slot[i]) == SM_RUNNING)
            atomic_compare_exchange_strong(&d->w.slots.slot[i].stop, &none, SM_E_STOPPED);
    }
}

/* True when every run ended by itself. */
static bool finish_runs(struct sm_daemon *d, bool (*hurry)(void))
{
    struct patience p = patience(d, d->w.options->shutdown_ms, hurry);
    sm_ring_close(&d->w.ready);
    if (wait_for(&p, stamps_ended, d))
        return true;
    sm_log(SM_LOG_WARN, "jobs still run at the end of shutdown_timeout: asked to stop",
           SM_N("jobs", atomic_load(&d->w.slots.running)));
    ask_to_stop(d);
    p = patience(d, STOP_GRACE_MS, never);
    wait_for(&p, stamps_ended, d);
    return false;
}

static void free_all(struct sm_daemon *d)
{
    for (int i = 0; i < d->w.options->stamps; i++) {
        sm_thread_join(d->stamp_threads[i]);
        sm_stamp_free(&d->stamps[i]);
    }
    sm_status_stop(d->status);
    sm_thread_join(d->mover_thread);
    sm_mover_free(&d->mover);
    sm_fetcher_free(&d->fetcher);
    sm_committer_free(&d->committer);
    sm_keeper_free(&d->keeper);
    sm_worker_free(&d->w);
    free(d->stamps);
    free(d->stamp_threads);
}

/* Waits for the committer to have nothing left; past its patience stops it. */
static bool finish_commits(struct sm_daemon *d, bool (*hurry)(void))
{
    struct patience p = patience(d, COMMIT_GRACE_MS, hurry);
    sm_ring_close(&d->w.done);
    bool ended = wait_for(&p, committer_ended, d);
    atomic_store(&d->committer_stop, true);
    sm_thread_join(d->committer_thread);
    return ended;
}

/* The mover ends only now: it deletes what the committer has ended. False: a server holds it. */
static bool finish_moves(struct sm_daemon *d)
{
    struct patience p = patience(d, MOVE_GRACE_MS, never);
    atomic_store(&d->mover_stop, true);
    return wait_for(&p, mover_ended, d);
}

/* Hands back what is still owned and strikes this worker off; a Redis that is just coming back is
 * waited for. */
static bool leave(struct sm_daemon *d, uint64_t *handed_back)
{
    struct patience p = patience(d, COMMIT_GRACE_MS, never);
    *handed_back = 0;
    while (!sm_keeper_leave(&d->keeper, handed_back)) {
        if (sm_mono_us(p.clock) >= p.until_us)
            return false;
        poll(NULL, 0, LOOK_MS);
    }
    return true;
}

static int exit_code(struct sm_daemon *d, bool finished)
{
    if (atomic_load(&d->w.hung) > 0)
        return SM_EXIT_INTERNAL;
    return finished ? SM_EXIT_DRAINED : SM_EXIT_HANDED_BACK;
}

int sm_daemon_drain(struct sm_daemon *d, bool (*hurry)(void))
{
    uint64_t handed_back = 0;
    sm_log(SM_LOG_INFO, "drain begins");
    atomic_store(&d->w.draining, true);
    sm_thread_join(d->fetcher_thread);
    hand_back_ready(d);
    bool finished = finish_runs(d, hurry);
    hand_back_ready(d); /* what a stamp put back in front */
    finished = finish_commits(d, finished ? never : hurry) && finished;
    bool moved = finish_moves(d);
    atomic_store(&d->keeper_stop, true);
    sm_thread_join(d->keeper_thread);
    bool left = leave(d, &handed_back);
    d->taken_down = atomic_load(&d->stamps_alive) == 0 && moved;
    if (d->taken_down)
        sm_box_close(d->box, left);
    else if (left)
        sm_box_remove(d->box);
    sm_log(SM_LOG_INFO, "drained", SM_N("handed_back", handed_back),
           SM_S("struck_off", left ? "yes" : "no"));
    if (d->taken_down)
        free_all(d);
    return exit_code(d, finished && left && handed_back == 0);
}
