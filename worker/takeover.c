/*
 * Takeover and leaving. A daemon of this host that died is known at once by its box file: its lock
 * is free. Its entries go to :free, from where any daemon takes them; the box says which of them
 * were running, and whether one is known to have killed it. A daemon that others gave up already,
 * not knowing, is pardoned here for what it was not running.
 */
#include <string.h>

#include "worker/keeper.h"

int sm_keeper_empty(struct sm_keeper *k, int queue, const char *worker, int64_t seen_ms,
                    const struct sm_doubt *doubt, uint64_t *moved)
{
    uint64_t some = 0, left = 1;
    struct sm_err err;
    *moved = 0;
    while (left > 0) {
        int rc = k->q->ops->reclaim(k->q, queue, worker, seen_ms, SM_TICK_MOST, doubt, &some, &left,
                                    &err);
        if (rc == SM_E_CONFLICT)
            return rc;
        if (rc != 0) {
            sm_keeper_failed(k, "takeover failed", &err);
            return rc;
        }
        *moved += some;
        sm_count(k->stats, SM_C_RECLAIMED, some);
        if (some == 0 && left > 0)
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

/* The entries of one queue among those of a box. */
static size_t of_queue(const struct sm_box_entry *entries, size_t n, int queue,
                       struct sm_entry_id *ids)
{
    size_t kept = 0;
    for (size_t i = 0; i < n && kept < SM_SLOTS; i++)
        if (entries[i].queue == queue)
            ids[kept++] = entries[i].entry;
    return kept;
}

static int pardon(struct sm_keeper *k, int queue, const struct sm_entry_id *ids, size_t n)
{
    struct sm_err err;
    for (size_t at = 0; at < n; at += SM_TICK_MOST) {
        size_t some = n - at < SM_TICK_MOST ? n - at : SM_TICK_MOST;
        if (k->q->ops->pardon(k->q, queue, ids + at, some, &err) != 0) {
            sm_keeper_failed(k, "pardoning failed", &err);
            return err.code;
        }
    }
    return 0;
}

/* One queue of a dead daemon: `queue` is our index, `theirs` the box's. */
static int empty_by_box(struct sm_keeper *k, int queue, int theirs,
                        const struct sm_box_report *report)
{
    static struct sm_entry_id ids[SM_SLOTS];
    struct sm_doubt doubt = {.known = report->oom && !report->fatal, .running = ids};
    uint64_t moved;
    if (!report->fatal) /* a fatal signal explains the death: nobody else is suspected */
        doubt.running_n = of_queue(report->running, report->running_n, theirs, ids);
    doubt.has_faulted = report->has_faulted && report->faulted.queue == theirs;
    doubt.faulted = report->faulted.entry;
    int rc = sm_keeper_empty(k, queue, report->label.worker, -1, &doubt, &moved);
    size_t other_n = of_queue(report->other, report->other_n, theirs, ids);
    if (rc == 0 && moved == 0 && other_n > 0) /* others came first, and knew nothing */
        rc = pardon(k, queue, ids, other_n);
    return rc;
}

/* Our index of a queue of theirs; -1 when it is not ours to judge: not consumed here, or of another
 * Redis. A box without a home is of a daemon that died before its first beat was answered: it owned
 * nothing, but may be listed. */
static int same_queue(struct sm_keeper *k, const struct sm_box_label *label, int theirs)
{
    int queue = queue_index(k->w, label->queues[theirs]);
    const char *home = label->home[theirs];
    if (queue >= 0 && home[0] != '\0' && strcmp(k->q->ops->incarnation(k->q, queue), home) != 0)
        return -1;
    return queue;
}

/* 0 when the box has served its purpose. */
static int dead(const struct sm_box_report *report, void *arg)
{
    struct sm_keeper *k = arg;
    const struct sm_box_label *label = &report->label;
    int rc = 0;
    for (int i = 0; k->link.up && i < label->queues_n; i++) {
        int queue = same_queue(k, label, i);
        int one = queue < 0 ? SM_E_CONFLICT : empty_by_box(k, queue, i, report);
        rc = rc != 0 ? rc : one;
    }
    if (rc == 0 && k->link.up)
        sm_log(SM_LOG_WARN, "took over from a dead worker", SM_S("worker", label->worker),
               SM_N("running", report->running_n), SM_N("fatal", report->fatal));
    return k->link.up ? rc : SM_E_UNREACHABLE;
}

void sm_keeper_take_over(struct sm_keeper *k)
{
    if (k->box != NULL)
        sm_box_each_dead(k->w->options->runtime_dir, k->box, dead, k);
}

bool sm_keeper_leave(struct sm_keeper *k, uint64_t *handed_back)
{
    static const struct sm_doubt none;
    struct sm_worker *w = k->w;
    char name[40];
    uint64_t moved;
    bool clean = sm_queue_ready(w, k->q, &k->link, k->stats);
    sm_worker_name(w, name);
    for (int i = 0; clean && i < w->options->queues_n; i++) {
        clean = sm_keeper_empty(k, i, name, -1, &none, &moved) == 0;
        *handed_back += moved;
    }
    return clean;
}
