/*
 * The keeper. It beats only while every loop has turned within its bound: a daemon that hangs must
 * look dead. Nothing it does waits for a handler, for PostgreSQL, or for more than a read time-out
 * of Redis.
 *
 * The lease is trusted again after a gap only once an audit has said what is still ours; a worker
 * that finds itself struck off drops what it holds and goes on as somebody new.
 */
#include "worker/keeper.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/uuid.h"
#include "worker/suspect.h"

#define REPORT_TTL_MS 15000
#define WATCH_US 200000
#define LOST_AGAIN_US 50000
#define TIDY_US 2000000
#define GAP_US 2000000 /* a read time-out */

void sm_keeper_fresh_name(char name[40])
{
    unsigned char random[8];
    sm_random(random, sizeof random);
    name[0] = 'w';
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(name + 1 + 2 * i, 3, "%02x", random[i]);
}

int sm_keeper_init(struct sm_keeper *k, struct sm_worker *w, struct sm_box *box,
                   const struct sm_box_label *label)
{
    memset(k, 0, sizeof *k);
    k->w = w;
    k->stats = &w->stats_keeper;
    /* when Redis comes back all must have beaten within a lease, or they are taken for dead */
    k->link.most_ms = w->options->lease_ms / 5 < 2000 ? w->options->lease_ms / 5 : 2000;
    k->box = box;
    k->label = *label;
    k->q = w->seams.open_queue(w->seams.arg);
    k->items = calloc(SM_TICK_MOST, sizeof *k->items);
    k->lost = calloc(SM_SLOTS, sizeof *k->lost);
    k->peers = calloc(SM_PEERS_MOST, sizeof *k->peers);
    bool fine = k->q != NULL && k->items != NULL && k->lost != NULL && k->peers != NULL;
    return fine ? 0 : SM_E_NO_MEMORY;
}

void sm_keeper_free(struct sm_keeper *k)
{
    if (k->q != NULL)
        k->q->ops->close(k->q);
    free(k->items);
    free(k->lost);
    free(k->peers);
    free(k->watched);
}

void sm_keeper_failed(struct sm_keeper *k, const char *what, const struct sm_err *err)
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

/* The types this worker runs, with a space between. */
static void types_of(const struct sm_worker *w, char *text, size_t room)
{
    const struct sm_type *type;
    text[0] = '\0';
    for (size_t i = 0; (type = sm_type_at(i)) != NULL; i++) {
        size_t used = strlen(text);
        if ((!type->debug || w->options->debug_types) && used + strlen(type->name) + 2 <= room)
            snprintf(text + used, room - used, "%s%s", used == 0 ? "" : " ", type->name);
    }
}

static void report(struct sm_keeper *k)
{
    char host[65] = "", pid[16], stamps[16], running[16], types[SM_OFFERS_MOST];
    struct sm_err err;
    gethostname(host, sizeof host - 1);
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    snprintf(stamps, sizeof stamps, "%d", k->w->options->stamps);
    snprintf(running, sizeof running, "%u", atomic_load(&k->w->slots.running));
    types_of(k->w, types, sizeof types);
    const char *const pairs[] = {"host",   host,   "pid",   pid,   "version", STAMPMILL_VERSION,
                                 "stamps", stamps, "types", types, "running", running};
    if (k->q->ops->report(k->q, pairs, sizeof pairs / sizeof *pairs / 2, REPORT_TTL_MS, &err) != 0)
        sm_keeper_failed(k, "report failed", &err);
}

/* Others took this worker for dead: what it holds is theirs. Under the old name nothing can be done
 * any more; what that still owns goes back at once. */
static void take_new_identity(struct sm_keeper *k)
{
    static const struct sm_doubt none;
    struct sm_worker *w = k->w;
    char old[40], fresh[40];
    uint64_t moved;
    sm_worker_name(w, old);
    sm_keeper_fresh_name(fresh);
    sm_log(SM_LOG_WARN, "taken for dead by others: goes on under a new identity", SM_S("was", old),
           SM_S("is", fresh));
    sm_keeper_give_up_all(k);
    sm_worker_rename(w, fresh);
    if (k->box != NULL)
        sm_box_rename(k->box, fresh);
    memset(k->known, 0, sizeof k->known);
    k->asked_us = 0;
    sm_count(k->stats, SM_C_RENAMED, 1);
    for (int i = 0; i < w->options->queues_n; i++)
        if (sm_queue_ready(w, k->q, &k->link, k->stats))
            sm_keeper_empty(k, i, old, -1, &none, &moved);
}

/* One beat in each queue. False when Redis did not answer, or this worker is somebody new now. */
static bool beat_all(struct sm_keeper *k)
{
    struct sm_worker *w = k->w;
    for (int i = 0; i < w->options->queues_n; i++) {
        struct sm_beat answer;
        struct sm_err err;
        int64_t before_us = sm_mono_us(w->clock);
        int rc = k->q->ops->beat(k->q, i, w->options->lease_ms, &answer, &err);
        if (rc == 0 && answer.group_missing)
            rc = sm_err_set(&err, SM_E_NO_GROUP, "queue %s: group or meta is gone; made anew",
                            w->options->queues[i]);
        if (rc != 0) {
            sm_keeper_failed(k, "beat failed", &err);
            return false;
        }
        if (k->known[i] && answer.last_seen_ms == 0) {
            take_new_identity(k);
            return false;
        }
        k->known[i] = true;
        atomic_store(&w->paused[i], answer.paused);
        atomic_store(&w->cancel_ms[i], answer.cancel_ms);
        /* from after the answer it is too little, from before the question too much, by what the
         * answer took at most */
        atomic_store(&w->redis_ahead_us, answer.redis_ms * 1000 - sm_mono_us(w->clock));
        atomic_store(&w->redis_ahead_most_us, answer.redis_ms * 1000 + 999 - before_us);
    }
    return true;
}

/* What a successor needs to know besides the slots. */
static void note_in_box(struct sm_keeper *k)
{
    sm_box_note_oom(k->box);
    for (int i = 0; i < k->w->options->queues_n; i++)
        sm_box_note_home(k->box, i, k->q->ops->incarnation(k->q, i));
}

/* The judge's own beats must have no gap, counted from sending one to the answer of the next: not
 * half a lease, nor a read time-out, within which another's beat may have failed by the same stall.
 */
static bool has_gap(const struct sm_keeper *k, int64_t now)
{
    int64_t most = k->w->options->lease_ms * 1000 / 2;
    return k->asked_us == 0 || now - k->asked_us >= (most < GAP_US ? most : GAP_US);
}

static void note_gap(struct sm_keeper *k, int64_t began)
{
    int64_t now = sm_mono_us(k->w->clock);
    if (has_gap(k, now))
        k->steady_us = now;
    k->asked_us = began;
}

bool sm_keeper_is_steady(const struct sm_keeper *k, int64_t now, int64_t lease_us)
{
    return !has_gap(k, now) && now - k->steady_us >= lease_us;
}

static void beat(struct sm_keeper *k)
{
    struct sm_worker *w = k->w;
    int64_t began = sm_mono_us(w->clock);
    bool trusted = sm_worker_trusts_lease(w);
    if (!beat_all(k))
        return;
    note_gap(k, began);
    if (!trusted) {
        atomic_fetch_add(&w->gaps, 1);
        if (!sm_keeper_audit(k))
            return; /* what is still ours is not known: nothing is started */
    }
    if (k->box != NULL)
        note_in_box(k); /* before anything is fetched */
    atomic_store(&w->beat_us, began);
    k->beat_us = began + w->options->lease_ms * 1000 / 5;
    report(k);
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

static void audit(struct sm_keeper *k, int64_t now)
{
    if (!sm_keeper_audit(k))
        atomic_store(&k->w->audit_wanted, true);
    k->audit_us = next_audit(k, now);
}

/* A worker that has had nothing to do for a while gives back what its work has left behind. */
static void tidy_up(struct sm_keeper *k, int64_t now)
{
    if (atomic_load(&k->w->slots.bytes) > 0) {
        k->idle_us = now;
    } else if (k->idle_us != 0 && now - k->idle_us > TIDY_US) {
        malloc_trim(0);
        k->idle_us = 0;
    }
}

void sm_keeper_turn(struct sm_keeper *k)
{
    struct sm_worker *w = k->w;
    int64_t now = sm_mono_us(w->clock), often_us = w->options->lease_ms * 1000 / 20;
    sm_keeper_watch(k, now);
    tidy_up(k, now);
    if (!sm_queue_ready(w, k->q, &k->link, k->stats))
        return;
    if (now >= k->beat_us && loops_turn(k, now))
        beat(k);
    if (k->link.up && now >= k->box_us) {
        sm_keeper_take_over(k);
        k->box_us = now + often_us;
    }
    if (k->link.up && (atomic_exchange(&w->audit_wanted, false) || now >= k->audit_us))
        audit(k, now);
    if (k->link.up && sm_worker_trusts_lease(w) && now >= k->census_us) {
        sm_keeper_judge(k);
        k->census_us = now + often_us;
    }
    if (k->link.up && sm_worker_trusts_lease(w))
        sm_keeper_suspect(k, now);
    if (k->link.up && now >= k->watch_us) {
        sm_keeper_watch_queue(k);
        k->watch_us = now + WATCH_US;
    }
}
