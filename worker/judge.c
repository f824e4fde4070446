/*
 * The judge: deaths that can only be observed. A worker is taken for dead when by Redis's clock its
 * score is a lease old, and this judge, beating without a gap itself, has seen that same score
 * stand still for a lease. So a Redis that was away, or whose clock jumped, kills nobody: the first
 * thing that comes back is a gap in the judge's own beats; one that came while it was judging (the
 * census of one queue hung, and the next one's shows old scores) counts before it is noted. A score
 * ahead of Redis's clock is of a clock that jumped back; the living replace theirs.
 *
 * The walk is over the group's consumers, not only over those who are listed, so that nobody is
 * forgotten. The lease is the judged worker's own, or ours where that is longer.
 *
 * Without a box nothing is known of what a lost worker was running: each entry it owned has one
 * unexplained loss.
 */
#include <stdlib.h>
#include <string.h>

#include "base/thread.h"
#include "worker/keeper.h"

static struct sm_watched *find(struct sm_keeper *k, int queue, const char *worker)
{
    for (size_t i = 0; i < k->watched_n; i++)
        if (k->watched[i].queue == queue && strcmp(k->watched[i].worker, worker) == 0)
            return &k->watched[i];
    return NULL;
}

/* Starts to watch a worker; NULL without memory. */
static struct sm_watched *add(struct sm_keeper *k, int queue, const char *worker)
{
    if (k->watched_n == k->watched_room) {
        size_t room = k->watched_room == 0 ? 16 : 2 * k->watched_room;
        struct sm_watched *more = realloc(k->watched, room * sizeof *more);
        if (more == NULL)
            return NULL;
        k->watched = more;
        k->watched_room = room;
    }
    struct sm_watched *fresh = &k->watched[k->watched_n++];
    memset(fresh, 0, sizeof *fresh);
    fresh->queue = queue;
    fresh->seen_ms = -1;
    strcpy(fresh->worker, worker);
    return fresh;
}

static void forget_absent(struct sm_keeper *k, int queue)
{
    size_t kept = 0;
    for (size_t i = 0; i < k->watched_n; i++)
        if (k->watched[i].queue != queue || k->watched[i].present)
            k->watched[kept++] = k->watched[i];
    k->watched_n = kept;
}

static bool is_dead(const struct sm_keeper *k, const struct sm_watched *seen,
                    const struct sm_peer *peer, int64_t redis_ms, int64_t now)
{
    int64_t own_ms = k->w->options->lease_ms;
    int64_t lease_ms = peer->lease_ms > own_ms ? peer->lease_ms : own_ms;
    bool old = redis_ms - peer->seen_ms >= lease_ms || peer->seen_ms > redis_ms;
    return old && now - seen->since_us >= lease_ms * 1000 &&
           sm_keeper_is_steady(k, now, lease_ms * 1000);
}

static void judge_one(struct sm_keeper *k, int queue, const struct sm_peer *peer, int64_t redis_ms,
                      int64_t now)
{
    static const struct sm_doubt all = {.all = true};
    struct sm_watched *seen = find(k, queue, peer->worker);
    uint64_t moved;
    if (seen == NULL && (seen = add(k, queue, peer->worker)) == NULL)
        return; /* without memory it is looked at again the next time */
    seen->present = true;
    if (seen->seen_ms != peer->seen_ms) {
        seen->seen_ms = peer->seen_ms;
        seen->since_us = now;
    }
    if (!is_dead(k, seen, peer, redis_ms, now))
        return;
    if (sm_keeper_empty(k, queue, peer->worker, peer->seen_ms, &all, &moved) == 0) {
        sm_log(SM_LOG_WARN, "took over from a silent worker", SM_S("worker", peer->worker),
               SM_S("queue", k->w->options->queues[queue]), SM_N("entries", moved));
        seen = find(k, queue, peer->worker);
        seen->present = false;
    }
}

/* Once a beat: what do the others run? */
static void listen(struct sm_keeper *k, int queue, size_t n, int64_t now)
{
    char types[SM_OFFERS_MOST];
    struct sm_err err;
    if (now < k->listen_us[queue])
        return;
    if (k->q->ops->offers(k->q, k->peers, n, types, sizeof types, &err) != 0) {
        sm_keeper_failed(k, "asking what others run failed", &err);
        return;
    }
    sm_lock(&k->w->offers.lock);
    strcpy(k->w->offers.types[queue], types);
    sm_unlock(&k->w->offers.lock);
    k->listen_us[queue] = now + k->w->options->lease_ms * 1000 / 5;
}

void sm_keeper_judge(struct sm_keeper *k)
{
    for (int queue = 0; k->link.up && queue < k->w->options->queues_n; queue++) {
        struct sm_err err;
        int64_t redis_ms = 0, now = sm_mono_us(k->w->clock);
        size_t n = 0;
        if (k->q->ops->census(k->q, queue, k->peers, SM_PEERS_MOST, &n, &redis_ms, &err) != 0) {
            sm_keeper_failed(k, "census failed", &err);
            return;
        }
        for (size_t i = 0; i < k->watched_n; i++)
            if (k->watched[i].queue == queue)
                k->watched[i].present = false;
        for (size_t i = 0; k->link.up && i < n; i++)
            judge_one(k, queue, &k->peers[i], redis_ms, now);
        if (k->link.up)
            forget_absent(k, queue);
        if (k->link.up)
            listen(k, queue, n, now);
    }
}
