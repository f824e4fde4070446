/*
 * Takeover and leaving. A daemon of this host that died is known at once by its box file: its lock
 * is free. Its entries go to :free, from where any daemon takes them. (Death of a worker on another
 * host is observed, not proven: that belongs to the leases.)
 */
#include <string.h>

#include "worker/keeper.h"

/* Gives all of a worker's entries in one queue to :free. 0 when none is left. */
static int empty(struct sm_keeper *k, int queue, const char *worker)
{
    uint64_t moved = 0, left = 1;
    struct sm_err err;
    while (left > 0) {
        if (k->q->ops->reclaim(k->q, queue, worker, -1, SM_TICK_MOST, &moved, &left, &err) != 0) {
            sm_link_set_down(&k->link, sm_mono_us(k->w->clock));
            sm_worker_failed(k->w, k->stats, "takeover failed", true, &err);
            return err.code;
        }
        sm_count(k->stats, SM_C_RECLAIMED, moved);
        if (moved == 0 && left > 0)
            return SM_E_CONFLICT;
    }
    return 0;
}

static int queue_index(const struct sm_worker *w, const char *name)
{
    for (int i = 0; i < w->options->queues_n; i++)
        if (strcmp(w->options->queues[i], name) == 0)
            return i;
    return -1;
}

/* 0 when the box has served its purpose. */
static int dead(const struct sm_box_label *label, void *arg)
{
    struct sm_keeper *k = arg;
    int rc = 0;
    if (strcmp(label->home, k->label.home) != 0)
        return SM_E_CONFLICT; /* of another Redis: for its own kind to judge */
    for (int i = 0; i < label->queues_n; i++) {
        int queue = queue_index(k->w, label->queues[i]);
        int one = queue < 0 ? SM_E_CONFLICT : empty(k, queue, label->worker);
        rc = rc != 0 ? rc : one;
    }
    if (rc == 0)
        sm_log(SM_LOG_WARN, "took over from a dead worker", SM_S("worker", label->worker));
    return rc;
}

void sm_keeper_take_over(struct sm_keeper *k)
{
    if (k->box != NULL)
        sm_box_each_dead(k->w->options->runtime_dir, k->box, dead, k);
}

bool sm_keeper_leave(struct sm_keeper *k)
{
    struct sm_worker *w = k->w;
    bool clean = sm_queue_ready(w, k->q, &k->link, k->stats);
    for (int i = 0; clean && i < w->options->queues_n; i++)
        clean = empty(k, i, w->name) == 0;
    return clean;
}
