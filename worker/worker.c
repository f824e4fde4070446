/*
 * What the threads share: setting up, the trust in the lease, and the one place where a failed call
 * of Redis or PostgreSQL is logged.
 */
#include "worker/worker.h"

#include <stdlib.h>
#include <string.h>

#include "base/backoff.h"
#include "base/check.h"
#include "base/thread.h"
#include "base/uuid.h"

int sm_worker_init(struct sm_worker *w, const struct sm_options *options,
                   const struct sm_seams *seams, const char *name, struct sm_box *box)
{
    memset(w, 0, sizeof *w);
    w->options = options;
    w->seams = *seams;
    w->clock = seams->clock;
    sm_lock_init(&w->identity.lock);
    sm_lock_init(&w->offers.lock);
    SM_ASSERT(strlen(name) < sizeof w->identity.name);
    strcpy(w->identity.name, name);
    w->stats_stamps = calloc((size_t)options->stamps, sizeof *w->stats_stamps);
    if (w->stats_stamps == NULL || sm_ended_init(&w->ended) != 0 ||
        sm_slots_init(&w->slots, SM_SLOTS, box) != 0 || sm_ring_init(&w->ready, SM_SLOTS) != 0 ||
        sm_ring_init(&w->done, SM_SLOTS) != 0)
        return SM_E_NO_MEMORY;
    atomic_store(&w->audit_wanted, true);
    atomic_store(&w->outbox_due, -1);
    atomic_store(&w->redis_failure, SM_E_UNREACHABLE);
    atomic_store(&w->postgres_failure, SM_E_UNREACHABLE);
    for (int i = 0; i < SM_LOOPS; i++)
        sm_worker_turned(w, (enum sm_loop)i);
    return 0;
}

void sm_worker_free(struct sm_worker *w)
{
    sm_slots_free(&w->slots);
    sm_ring_free(&w->ready);
    sm_ring_free(&w->done);
    sm_lock_free(&w->identity.lock);
    sm_lock_free(&w->offers.lock);
    sm_ended_free(&w->ended);
    free(w->stats_stamps);
}

uint32_t sm_worker_name(struct sm_worker *w, char name[40])
{
    sm_lock(&w->identity.lock);
    strcpy(name, w->identity.name);
    uint32_t turn = atomic_load(&w->identity.turn);
    sm_unlock(&w->identity.lock);
    return turn;
}

void sm_worker_rename(struct sm_worker *w, const char *name)
{
    SM_ASSERT(strlen(name) < sizeof w->identity.name);
    atomic_store(&w->beat_us, 0);
    sm_lock(&w->identity.lock);
    strcpy(w->identity.name, name);
    atomic_fetch_add(&w->identity.turn, 1);
    sm_unlock(&w->identity.lock);
}

bool sm_worker_offered(struct sm_worker *w, int queue, struct sm_bytes type)
{
    char name[SM_QUEUE_NAME_MAX + 3];
    snprintf(name, sizeof name, " %.*s ", (int)type.n, type.p);
    sm_lock(&w->offers.lock);
    bool offered = strstr(w->offers.types[queue], name) != NULL;
    sm_unlock(&w->offers.lock);
    return offered;
}

bool sm_worker_trusts_lease(const struct sm_worker *w)
{
    int64_t beat = atomic_load(&w->beat_us);
    return beat != 0 && sm_mono_us(w->clock) - beat < w->options->lease_ms * 1000 / 2;
}

int64_t sm_worker_redis_ms(const struct sm_worker *w)
{
    return (sm_mono_us(w->clock) + atomic_load(&w->redis_ahead_us)) / 1000;
}

int64_t sm_worker_redis_ms_most(const struct sm_worker *w)
{
    return (sm_mono_us(w->clock) + atomic_load(&w->redis_ahead_most_us) + 999) / 1000;
}

void sm_worker_turned(struct sm_worker *w, enum sm_loop loop)
{
    sm_worker_rests(w, loop, 0);
}

void sm_worker_rests(struct sm_worker *w, enum sm_loop loop, int64_t us)
{
    atomic_store(&w->turned_us[loop], sm_mono_us(w->clock) + us);
}

uint64_t sm_run_digest(const char *run_id)
{
    uint64_t digest = 14695981039346656037u; /* FNV-1a */
    for (; *run_id != '\0'; run_id++)
        digest = (digest ^ (unsigned char)*run_id) * 1099511628211u;
    return digest | 1;
}

void sm_worker_failed(struct sm_worker *w, struct sm_stats *stats, const char *what, bool redis,
                      const struct sm_err *err)
{
    sm_count(stats, redis ? SM_C_REDIS_ERRORS : SM_C_POSTGRES_ERRORS, 1);
    sm_log(SM_LOG_WARN, what, SM_S("error", sm_error_name(err->code)), SM_S("text", err->text));
    atomic_store(redis ? &w->redis_failure : &w->postgres_failure, err->code);
    if (redis) {
        atomic_store(&w->redis_up, false);
        atomic_store(&w->audit_wanted, true);
    } else {
        atomic_store(&w->postgres_up, false);
    }
}

void sm_link_set_up(struct sm_link *link)
{
    link->up = true;
    link->failures = 0;
}

void sm_link_set_down(struct sm_link *link, int64_t now_us)
{
    uint32_t random;
    sm_random(&random, sizeof random);
    link->up = false;
    int64_t most_ms = link->most_ms > 0 ? link->most_ms : 2000;
    link->retry_us = now_us + 1000 * sm_backoff_ms(50, most_ms, ++link->failures, random);
}

bool sm_queue_ready(struct sm_worker *w, struct sm_queue *q, struct sm_link *link,
                    struct sm_stats *stats)
{
    struct sm_err err;
    char name[40];
    if (link->identity != atomic_load(&w->identity.turn)) {
        link->identity = sm_worker_name(w, name);
        q->ops->rename(q, name);
        link->up = false;
    }
    if (link->up)
        return true;
    if (!sm_link_due(link, sm_mono_us(w->clock)))
        return false;
    if (q->ops->connect(q, 1000, &err) != 0) {
        sm_link_set_down(link, sm_mono_us(w->clock));
        sm_worker_failed(w, stats, "Redis connection failed", true, &err);
        return false;
    }
    sm_link_set_up(link);
    atomic_store(&w->redis_up, true);
    return true;
}
