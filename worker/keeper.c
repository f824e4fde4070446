/*
 * The keeper. It beats only while every loop has turned within its bound: a daemon that hangs must
 * look dead. Nothing it does waits for a handler, for PostgreSQL, or for more than a read time-out
 * of Redis.
 */
#include "worker/keeper.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"

#define REPORT_TTL_MS 15000
#define LOST_AGAIN_US 50000

int sm_keeper_init(struct sm_keeper *k, struct sm_worker *w, const struct sm_box *box,
                   const struct sm_box_label *label)
{
    memset(k, 0, sizeof *k);
    k->w = w;
    k->stats = &w->stats_keeper;
    k->box = box;
    k->label = *label;
    k->q = w->seams.open_queue(w->seams.arg);
    k->items = calloc(SM_TICK_MOST, sizeof *k->items);
    k->lost = calloc(SM_SLOTS, sizeof *k->lost);
    return k->q == NULL || k->items == NULL || k->lost == NULL ? SM_E_NO_MEMORY : 0;
}

void sm_keeper_free(struct sm_keeper *k)
{
    if (k->q != NULL)
        k->q->ops->close(k->q);
    free(k->items);
    free(k->lost);
}

static void failed(struct sm_keeper *k, const char *what, const struct sm_err *err)
{
    sm_link_set_down(&k->link, sm_mono_us(k->w->clock));
    sm_worker_failed(k->w, k->stats, what, true, err);
}

/* True while every loop turns; a loop may stand still for a lease. */
static bool loops_turn(struct sm_keeper *k, int64_t now)
{
    static const char *const names[SM_LOOPS] = {"fetcher", "committer"};
    for (int i = 0; i < SM_LOOPS; i++) {
        if (now - atomic_load(&k->w->turned_us[i]) < k->w->options->lease_ms * 1000)
            continue;
        if (k->silent_us == 0)
            sm_log(SM_LOG_ERROR, "loop stands still, beat stopped", SM_S("loop", names[i]));
        k->silent_us = now;
        return false;
    }
    k->silent_us = 0;
    return true;
}

static void report(struct sm_keeper *k)
{
    char host[65] = "", pid[16], stamps[16], running[16];
    struct sm_err err;
    gethostname(host, sizeof host - 1);
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    snprintf(stamps, sizeof stamps, "%d", k->w->options->stamps);
    snprintf(running, sizeof running, "%u", atomic_load(&k->w->slots.running));
    const char *const pairs[] = {"host",   host,   "pid",     pid,    "version", STAMPMILL_VERSION,
                                 "stamps", stamps, "running", running};
    if (k->q->ops->report(k->q, pairs, sizeof pairs / sizeof *pairs / 2, REPORT_TTL_MS, &err) != 0)
        failed(k, "report failed", &err);
}

static void beat(struct sm_keeper *k)
{
    struct sm_worker *w = k->w;
    int64_t began = sm_mono_us(w->clock), wall = sm_wall_us(w->clock);
    for (int i = 0; i < w->options->queues_n; i++) {
        struct sm_beat answer;
        struct sm_err err;
        int rc = k->q->ops->beat(k->q, i, &answer, &err);
        if (rc == 0 && answer.group_missing)
            rc = sm_err_set(&err, SM_E_NO_GROUP, "queue %s: group or meta is gone; made anew",
                            w->options->queues[i]);
        if (rc != 0) {
            failed(k, "beat failed", &err);
            return;
        }
        atomic_store(&w->paused[i], answer.paused);
        atomic_store(&w->redis_ahead_us, answer.redis_ms * 1000 - wall);
    }
    atomic_store(&w->beat_us, began);
    k->beat_us = began + w->options->lease_ms * 1000 / 5;
    report(k);
}

/* Asks handlers past their timeout to stop. */
static void watch(struct sm_keeper *k, int64_t now)
{
    struct sm_slots *slots = &k->w->slots;
    if (atomic_load(&slots->running) == 0)
        return;
    for (uint32_t i = 0; i < slots->n; i++) {
        struct sm_slot *slot = &slots->slot[i];
        int none = 0;
        if (sm_slot_state(slot) == SM_RUNNING &&
            now - atomic_load(&slot->since_us) > atomic_load(&slot->timeout_us))
            atomic_compare_exchange_strong(&slot->stop, &none, SM_E_TIMED_OUT);
    }
}

/* Once a lease; sooner when something seems lost: when it may be taken in, and again and again
 * while that waits for room. */
static int64_t next_audit(const struct sm_keeper *k, int64_t now)
{
    int64_t next = now + k->w->options->lease_ms * 1000;
    for (size_t i = 0; i < k->lost_n; i++) {
        int64_t due = k->lost[i].since_us + SM_LOST_US;
        due = due < now + LOST_AGAIN_US ? now + LOST_AGAIN_US : due;
        next = due < next ? due : next;
    }
    return next;
}

void sm_keeper_turn(struct sm_keeper *k)
{
    struct sm_worker *w = k->w;
    int64_t now = sm_mono_us(w->clock);
    watch(k, now);
    if (!sm_queue_ready(w, k->q, &k->link, k->stats))
        return;
    if (now >= k->beat_us && loops_turn(k, now))
        beat(k);
    if (k->link.up && now >= k->box_us) {
        sm_keeper_take_over(k);
        k->box_us = now + w->options->lease_ms * 1000 / 5;
    }
    if (k->link.up && (atomic_exchange(&w->audit_wanted, false) || now >= k->audit_us)) {
        if (!sm_keeper_audit(k))
            atomic_store(&w->audit_wanted, true);
        k->audit_us = next_audit(k, now);
    }
}
