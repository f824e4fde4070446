/*
 * The fake queue's calls about workers: beats, judging and giving up the dead, guilt, requests to
 * cancel.
 */
#include <string.h>

#include "base/check.h"
#include "tests/worker/fake_queue.h"

static struct fake_member *member(struct fake_world *world, const char *worker)
{
    for (size_t i = 0; i < world->members; i++)
        if (strcmp(world->member[i].worker, worker) == 0)
            return &world->member[i];
    return NULL;
}

int fake_beat(struct sm_queue *queue, int index, int64_t lease_ms, struct sm_beat *beat,
              struct sm_err *err)
{
    struct fake_queue *q = fake_self(queue);
    struct fake_world *world = q->world;
    bool late;
    (void)index;
    int rc = fake_begin(q, &late, err);
    if (rc != 0)
        return rc;
    struct fake_member *own = member(world, q->worker);
    *beat = (struct sm_beat){.redis_ms = fake_redis_ms(world),
                             .last_seen_ms = own == NULL ? 0 : own->seen_ms};
    beat->cancel_ms = fake_newest_cancel(world);
    if (own == NULL) {
        SM_ASSERT(world->members < 8);
        own = &world->member[world->members++];
        strcpy(own->worker, q->worker);
        own->lease_ms = lease_ms;
    }
    own->seen_ms = fake_redis_ms(world);
    return fake_leave(q, late, err);
}

int fake_census(struct sm_queue *queue, int index, struct sm_peer *peers, size_t room, size_t *n,
                int64_t *now_ms, struct sm_err *err)
{
    struct fake_queue *q = fake_self(queue);
    bool late;
    (void)index;
    *n = 0;
    int rc = fake_begin(q, &late, err);
    for (size_t i = 0; rc == 0 && i < q->world->members && *n < room; i++) {
        const struct fake_member *m = &q->world->member[i];
        if (strcmp(m->worker, q->worker) == 0)
            continue;
        struct sm_peer *peer = &peers[(*n)++];
        strcpy(peer->worker, m->worker);
        peer->seen_ms = m->seen_ms;
        peer->lease_ms = m->lease_ms;
    }
    *now_ms = fake_redis_ms(q->world);
    return rc == 0 ? fake_leave(q, late, err) : rc;
}

static void doubt_one(struct fake_world *world, struct fake_entry *entry, const char *worker,
                      const struct sm_doubt *doubt)
{
    bool lone = strcmp(world->alone, worker) == 0 &&
                sm_entry_id_compare(world->alone_entry, entry->id) == 0;
    bool faulted = doubt->has_faulted && sm_entry_id_compare(doubt->faulted, entry->id) == 0;
    bool doubted = doubt->all;
    for (size_t i = 0; i < doubt->running_n; i++)
        doubted |= sm_entry_id_compare(doubt->running[i], entry->id) == 0;
    if (lone) {
        entry->tries.evident += faulted || (doubt->known && !doubt->has_faulted);
    } else if (faulted) {
        entry->tries.crashes++;
        entry->tries.evident++;
    } else if (doubted && !doubt->has_faulted) {
        entry->tries.losses += doubt->known && entry->tries.losses == 0 ? 2 : 1;
    }
}

int fake_reclaim(struct sm_queue *queue, int index, const char *worker, int64_t seen_ms,
                 unsigned most, const struct sm_doubt *doubt, uint64_t *moved, uint64_t *left,
                 struct sm_err *err)
{
    struct fake_queue *q = fake_self(queue);
    struct fake_world *world = q->world;
    struct fake_member *m = member(world, worker);
    bool late;
    (void)index;
    int rc = fake_begin(q, &late, err);
    if (rc != 0)
        return rc;
    if (seen_ms >= 0 && (m == NULL ? 0 : m->seen_ms) != seen_ms)
        return sm_err_set(err, SM_E_CONFLICT, "fake: has beaten");
    *moved = *left = 0;
    for (size_t i = 0; i < world->entries; i++) {
        struct fake_entry *entry = &world->entry[i];
        if (!entry->pending || strcmp(entry->owner, worker) != 0)
            continue;
        if (*moved == most) {
            *left = 1;
            break;
        }
        strcpy(entry->owner, ":free");
        doubt_one(world, entry, worker, doubt);
        ++*moved;
    }
    if (*left == 0 && m != NULL)
        *m = world->member[--world->members];
    return fake_leave(q, late, err);
}

int fake_pardon(struct sm_queue *queue, int index, const struct sm_entry_id *ids, size_t n,
                struct sm_err *err)
{
    struct fake_queue *q = fake_self(queue);
    bool late;
    (void)index;
    int rc = fake_begin(q, &late, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        if (fake_find(q->world, ids[i])->tries.losses > 0)
            fake_find(q->world, ids[i])->tries.losses--;
    return rc == 0 ? fake_leave(q, late, err) : rc;
}

int fake_charge(struct sm_queue *queue, int index, struct sm_owned item, struct sm_err *err)
{
    struct sm_entry_id id = item.entry;
    struct fake_queue *q = fake_self(queue);
    struct fake_world *world = q->world;
    bool late;
    (void)index;
    int rc = fake_begin(q, &late, err);
    if (rc != 0)
        return rc;
    if (!fake_owns_still(q, item))
        return sm_err_set(err, SM_E_CONFLICT, "fake: not owned");
    struct fake_entry *other = fake_find(world, world->alone_entry);
    if (other != NULL && other != fake_find(world, id) && other->pending &&
        strcmp(other->owner, world->alone) == 0)
        return 1;
    strcpy(world->alone, q->worker);
    world->alone_entry = id;
    fake_find(world, id)->tries.crashes++;
    return fake_leave(q, late, err);
}

int fake_cancelled(struct sm_queue *queue, int index, const struct sm_id *jobs, size_t n,
                   int64_t *since_ms, struct sm_err *err)
{
    struct fake_queue *q = fake_self(queue);
    bool late;
    (void)index;
    int rc = fake_begin(q, &late, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        since_ms[i] = fake_cancelled_ms(q->world, &jobs[i]);
    return rc == 0 ? fake_leave(q, late, err) : rc;
}

int fake_report(struct sm_queue *queue, const char *const *pairs, size_t n, int64_t ttl_ms,
                struct sm_err *err)
{
    bool late;
    (void)pairs, (void)n, (void)ttl_ms;
    int rc = fake_begin(fake_self(queue), &late, err);
    return rc == 0 ? fake_leave(fake_self(queue), late, err) : rc;
}

int fake_offers(struct sm_queue *queue, const struct sm_peer *peers, size_t n, char *types,
                size_t room, struct sm_err *err)
{
    bool late;
    (void)peers;
    int rc = fake_begin(fake_self(queue), &late, err);
    snprintf(types, room, "%s", n > 0 ? fake_self(queue)->world->offers : "");
    return rc == 0 ? fake_leave(fake_self(queue), late, err) : rc;
}
