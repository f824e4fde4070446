/* Fakes of queue, store and clock; see fakes.h. */
#include "tests/worker/fakes.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"

/* ---- clock -- */

static int64_t now(const struct sm_clock *clock)
{
    return ((const struct fake_world *)clock)->now_us;
}

struct fake_world *fake_world_new(void)
{
    struct fake_world *world = calloc(1, sizeof *world);
    SM_ASSERT(world != NULL);
    world->clock = (struct sm_clock){now, now};
    world->now_us = 1700000000000000;
    return world;
}

void fake_world_free(struct fake_world *world)
{
    free(world);
}

void fake_enqueue(struct fake_world *world, const char *type, const char *args, int64_t at_ms)
{
    SM_ASSERT(world->entries < FAKE_ENTRIES);
    struct fake_entry *entry = &world->entry[world->entries++];
    *entry = (struct fake_entry){.present = true, .at_ms = at_ms};
    entry->id = (struct sm_entry_id){1700000000000, world->entries};
    entry->job.b[15] = (unsigned char)world->entries;
    entry->job.b[14] = (unsigned char)(world->entries >> 8);
    snprintf(entry->type, sizeof entry->type, "%s", type);
    snprintf(entry->args, sizeof entry->args, "%s", args);
}

size_t fake_unsettled(const struct fake_world *world)
{
    size_t n = 0;
    for (size_t i = 0; i < world->entries; i++)
        n += world->entry[i].present || world->entry[i].pending;
    return n;
}

struct fake_row *fake_find_row(struct fake_world *world, const struct sm_id *id)
{
    for (size_t i = 0; i < world->rows; i++)
        if (memcmp(&world->row[i].id, id, sizeof *id) == 0)
            return &world->row[i];
    return NULL;
}

/* ---- queue -- */

static int64_t redis_ms(const struct fake_world *world)
{
    return world->now_us / 1000 - world->redis_behind_ms;
}

struct fake_queue {
    struct sm_queue base;
    struct fake_world *world;
    char worker[40];
    int run; /* of Redis, when it was connected */
    bool connected, under_way;
    unsigned count;
    bool fetch_fails_late;
};

static struct fake_queue *self(struct sm_queue *q)
{
    return (struct fake_queue *)q;
}

/* What a call does first: fails (before its effect), or goes on and perhaps fails after. */
static int enter(struct fake_world *world, bool down, bool *late, struct sm_err *err)
{
    bool hit = ++world->calls == world->fail_at;
    *late = hit && world->fail_late;
    if (down || (hit && !world->fail_late))
        return sm_err_set(err, SM_E_UNREACHABLE, "fake: gone");
    return 0;
}

static int leave(struct fake_queue *q, bool late, struct sm_err *err)
{
    if (!late)
        return 0;
    q->connected = false;
    return sm_err_set(err, SM_E_TIMEOUT, "fake: reply lost");
}

static int begin(struct fake_queue *q, bool *late, struct sm_err *err)
{
    *late = false;
    q->connected = q->connected && q->run == q->world->redis_run;
    if (!q->connected)
        return sm_err_set(err, SM_E_UNREACHABLE, "fake: not connected");
    int rc = enter(q->world, q->world->redis_down, late, err);
    q->connected = rc == 0;
    return rc;
}

static int q_connect(struct sm_queue *queue, int wait_ms, struct sm_err *err)
{
    struct fake_queue *q = self(queue);
    bool late;
    (void)wait_ms;
    q->under_way = false;
    int rc = enter(q->world, q->world->redis_down, &late, err);
    q->connected = rc == 0;
    q->run = q->world->redis_run;
    return rc == 0 ? leave(q, late, err) : rc;
}

static struct fake_entry *find(struct fake_world *world, struct sm_entry_id id)
{
    for (size_t i = 0; i < world->entries; i++)
        if (sm_entry_id_compare(world->entry[i].id, id) == 0)
            return &world->entry[i];
    return NULL;
}

static void deliver(struct fake_queue *q, struct fake_entry *entry, struct sm_intake *in)
{
    struct sm_delivery *d = &in->items[in->n++];
    struct sm_buf args;
    struct sm_err err;
    memset(d, 0, sizeof *d);
    sm_buf_init(&args, 0);
    SM_ASSERT(sm_json_to_msgpack(entry->args, strlen(entry->args), &args, &err) == 0);
    d->entry = entry->id;
    d->tries = entry->tries;
    d->job.id = entry->job;
    d->job.life = 1;
    d->job.enqueued_ms = (int64_t)entry->id.ms;
    d->job.due_ms = entry->at_ms;
    d->job.expires_ms = entry->expires_ms;
    d->job.max_attempts = entry->max_attempts;
    d->job.type = (struct sm_bytes){entry->type, strlen(entry->type)};
    d->job.memory = sm_buf_take(&args, &d->job.memory_size);
    d->job.args = (struct sm_bytes){d->job.memory, d->job.memory_size};
    strcpy(entry->owner, q->worker);
    entry->pending = true;
}

static int q_fetch_start(struct sm_queue *queue, int index, unsigned count, int block_ms,
                         size_t budget, struct sm_err *err)
{
    struct fake_queue *q = self(queue);
    (void)index, (void)block_ms, (void)budget;
    SM_ASSERT(!q->under_way && count > 0);
    int rc = begin(q, &q->fetch_fails_late, err);
    q->under_way = rc == 0;
    q->count = count;
    return rc;
}

static int q_fetch_wait(struct sm_queue *queue, int64_t wait_us, struct sm_intake *in,
                        struct sm_err *err)
{
    struct fake_queue *q = self(queue);
    struct fake_world *world = q->world;
    (void)wait_us;
    SM_ASSERT(q->under_way);
    q->under_way = false;
    for (size_t i = 0; i < world->entries && in->n < q->count; i++) {
        struct fake_entry *entry = &world->entry[i];
        if (entry->pending || !entry->present)
            continue;
        if (q->fetch_fails_late) { /* owned, but the reply never came */
            strcpy(entry->owner, q->worker);
            entry->pending = true;
        } else {
            deliver(q, entry, in);
        }
    }
    return leave(q, q->fetch_fails_late, err);
}

static int q_fetch_fd(struct sm_queue *queue)
{
    (void)queue;
    return -1;
}

static int q_tick(struct sm_queue *queue, int index, unsigned want, size_t budget,
                  struct sm_intake *in, int64_t *next_due_ms, struct sm_err *err)
{
    struct fake_queue *q = self(queue);
    struct fake_world *world = q->world;
    bool late;
    (void)index, (void)budget;
    int rc = begin(q, &late, err);
    *next_due_ms = -1;
    for (size_t i = 0; rc == 0 && i < world->entries; i++) {
        struct fake_entry *entry = &world->entry[i];
        if (entry->pending && strcmp(entry->owner, ":later") == 0 &&
            entry->due_ms <= world->now_us / 1000)
            strcpy(entry->owner, ":free");
        if (entry->pending && strcmp(entry->owner, ":free") == 0 && in->n < want) {
            strcpy(entry->owner, q->worker);
            entry->tries.takes++;
            if (!late)
                deliver(q, entry, in);
        }
    }
    return rc == 0 ? leave(q, late, err) : rc;
}

static int q_take(struct sm_queue *queue, int index, const struct sm_entry_id *ids, size_t n,
                  size_t entry_limit, size_t budget, struct sm_intake *in, struct sm_err *err)
{
    struct fake_queue *q = self(queue);
    bool late;
    (void)index, (void)entry_limit, (void)budget;
    int rc = begin(q, &late, err);
    for (size_t i = 0; rc == 0 && !late && i < n; i++)
        deliver(q, find(q->world, ids[i]), in);
    return rc == 0 ? leave(q, late, err) : rc;
}

static int q_owned(struct sm_queue *queue, int index, struct sm_entry_id after,
                   struct sm_entry_id *ids, size_t room, size_t *n, struct sm_err *err)
{
    struct fake_queue *q = self(queue);
    bool late;
    (void)index;
    *n = 0;
    int rc = begin(q, &late, err);
    for (size_t i = 0; rc == 0 && i < q->world->entries && *n < room; i++) {
        struct fake_entry *entry = &q->world->entry[i];
        if (entry->pending && strcmp(entry->owner, q->worker) == 0 &&
            sm_entry_id_compare(entry->id, after) > 0)
            ids[(*n)++] = entry->id;
    }
    return rc == 0 ? leave(q, late, err) : rc;
}

static void settle_one(struct fake_world *world, struct sm_entry_id id)
{
    struct fake_entry *entry = find(world, id);
    if (fake_find_row(world, &entry->job) == NULL)
        world->settled_uncommitted++;
    entry->present = entry->pending = false;
}

static int q_settle(struct sm_queue *queue, int index, const struct sm_entry_id *ids, size_t n,
                    const struct sm_entry_id *tried, size_t tried_n, struct sm_err *err)
{
    struct fake_queue *q = self(queue);
    bool late;
    (void)index, (void)tried, (void)tried_n;
    int rc = begin(q, &late, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        settle_one(q->world, ids[i]);
    return rc == 0 ? leave(q, late, err) : rc;
}

static bool owns(struct fake_queue *q, struct sm_entry_id id)
{
    struct fake_entry *entry = find(q->world, id);
    return entry->pending && strcmp(entry->owner, q->worker) == 0;
}

/* The fence: owned, and not taken again since. */
static bool owns_still(struct fake_queue *q, struct sm_owned item)
{
    return owns(q, item.entry) && find(q->world, item.entry)->tries.takes == item.takes;
}

static int q_drop(struct sm_queue *queue, int index, const struct sm_owned *items, size_t n,
                  bool *owned, struct sm_err *err)
{
    struct fake_queue *q = self(queue);
    bool late;
    (void)index, (void)owned;
    int rc = begin(q, &late, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        if (owns_still(q, items[i]))
            settle_one(q->world, items[i].entry);
    return rc == 0 ? leave(q, late, err) : rc;
}

static int q_still_owned(struct sm_queue *queue, int index, const struct sm_entry_id *ids, size_t n,
                         bool *owned, struct sm_err *err)
{
    struct fake_queue *q = self(queue);
    bool late;
    (void)index;
    int rc = begin(q, &late, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        owned[i] = owns(q, ids[i]);
    return rc == 0 ? leave(q, late, err) : rc;
}

static int q_park(struct sm_queue *queue, int index, struct sm_parking *items, size_t n,
                  struct sm_err *err)
{
    struct fake_queue *q = self(queue);
    bool late;
    (void)index;
    int rc = begin(q, &late, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct fake_entry *entry = find(q->world, items[i].owned.entry);
        items[i].parked = owns_still(q, items[i].owned);
        if (!items[i].parked)
            continue;
        strcpy(entry->owner, items[i].due_ms > redis_ms(q->world) ? ":later" : ":free");
        entry->due_ms = items[i].due_ms;
        entry->tries = items[i].tries;
        entry->tries.takes = items[i].owned.takes;
    }
    return rc == 0 ? leave(q, late, err) : rc;
}

static int q_charge(struct sm_queue *queue, int index, struct sm_owned item, struct sm_err *err)
{
    struct sm_entry_id id = item.entry;
    struct fake_queue *q = self(queue);
    struct fake_world *world = q->world;
    bool late;
    (void)index;
    int rc = begin(q, &late, err);
    if (rc != 0)
        return rc;
    if (!owns_still(q, item))
        return sm_err_set(err, SM_E_CONFLICT, "fake: not owned");
    struct fake_entry *other = find(world, world->alone_entry);
    if (other != NULL && other != find(world, id) && other->pending &&
        strcmp(other->owner, world->alone) == 0)
        return 1;
    strcpy(world->alone, q->worker);
    world->alone_entry = id;
    find(world, id)->tries.crashes++;
    return leave(q, late, err);
}

static int q_cancelled(struct sm_queue *queue, int index, const struct sm_id *jobs, size_t n,
                       int64_t *since_ms, struct sm_err *err)
{
    struct fake_queue *q = self(queue);
    bool late;
    (void)index;
    int rc = begin(q, &late, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        since_ms[i] = 0;
        for (size_t k = 0; k < q->world->cancelled_n; k++)
            if (memcmp(&q->world->cancelled[k], &jobs[i], sizeof *jobs) == 0)
                since_ms[i] = q->world->cancelled_ms[k];
    }
    return rc == 0 ? leave(q, late, err) : rc;
}

/* ---- the fleet -- */

static struct fake_member *member(struct fake_world *world, const char *worker)
{
    for (size_t i = 0; i < world->members; i++)
        if (strcmp(world->member[i].worker, worker) == 0)
            return &world->member[i];
    return NULL;
}

static int q_beat(struct sm_queue *queue, int index, int64_t lease_ms, struct sm_beat *beat,
                  struct sm_err *err)
{
    struct fake_queue *q = self(queue);
    struct fake_world *world = q->world;
    bool late;
    (void)index;
    int rc = begin(q, &late, err);
    if (rc != 0)
        return rc;
    struct fake_member *own = member(world, q->worker);
    *beat = (struct sm_beat){.redis_ms = redis_ms(world),
                             .last_seen_ms = own == NULL ? 0 : own->seen_ms};
    if (world->cancelled_n > 0)
        beat->cancel_ms = world->cancelled_ms[world->cancelled_n - 1];
    if (own == NULL) {
        SM_ASSERT(world->members < 8);
        own = &world->member[world->members++];
        strcpy(own->worker, q->worker);
        own->lease_ms = lease_ms;
    }
    own->seen_ms = redis_ms(world);
    return leave(q, late, err);
}

static int q_census(struct sm_queue *queue, int index, struct sm_peer *peers, size_t room,
                    size_t *n, int64_t *now_ms, struct sm_err *err)
{
    struct fake_queue *q = self(queue);
    bool late;
    (void)index;
    *n = 0;
    int rc = begin(q, &late, err);
    for (size_t i = 0; rc == 0 && i < q->world->members && *n < room; i++) {
        const struct fake_member *m = &q->world->member[i];
        if (strcmp(m->worker, q->worker) == 0)
            continue;
        struct sm_peer *peer = &peers[(*n)++];
        strcpy(peer->worker, m->worker);
        peer->seen_ms = m->seen_ms;
        peer->lease_ms = m->lease_ms;
    }
    *now_ms = redis_ms(q->world);
    return rc == 0 ? leave(q, late, err) : rc;
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

static int q_reclaim(struct sm_queue *queue, int index, const char *worker, int64_t seen_ms,
                     unsigned most, const struct sm_doubt *doubt, uint64_t *moved, uint64_t *left,
                     struct sm_err *err)
{
    struct fake_queue *q = self(queue);
    struct fake_world *world = q->world;
    struct fake_member *m = member(world, worker);
    bool late;
    (void)index;
    int rc = begin(q, &late, err);
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
    return leave(q, late, err);
}

static int q_pardon(struct sm_queue *queue, int index, const struct sm_entry_id *ids, size_t n,
                    struct sm_err *err)
{
    struct fake_queue *q = self(queue);
    bool late;
    (void)index;
    int rc = begin(q, &late, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        if (find(q->world, ids[i])->tries.losses > 0)
            find(q->world, ids[i])->tries.losses--;
    return rc == 0 ? leave(q, late, err) : rc;
}

static void q_rename(struct sm_queue *queue, const char *worker)
{
    struct fake_queue *q = self(queue);
    q->connected = q->under_way = false;
    strcpy(q->worker, worker);
}

static int q_report(struct sm_queue *queue, const char *const *pairs, size_t n, int64_t ttl_ms,
                    struct sm_err *err)
{
    bool late;
    (void)pairs, (void)n, (void)ttl_ms;
    int rc = begin(self(queue), &late, err);
    return rc == 0 ? leave(self(queue), late, err) : rc;
}

static int q_offers(struct sm_queue *queue, const struct sm_peer *peers, size_t n, char *types,
                    size_t room, struct sm_err *err)
{
    bool late;
    (void)peers;
    int rc = begin(self(queue), &late, err);
    snprintf(types, room, "%s", n > 0 ? self(queue)->world->offers : "");
    return rc == 0 ? leave(self(queue), late, err) : rc;
}

static const char *q_incarnation(const struct sm_queue *queue, int index)
{
    (void)queue, (void)index;
    return "0123456789abcdef0123456789abcdef";
}

static const char *q_run_id(const struct sm_queue *queue)
{
    static const char *const names[] = {"run0", "run1", "run2", "run3"};
    return names[((const struct fake_queue *)queue)->run % 4];
}

static void q_close(struct sm_queue *queue)
{
    free(queue);
}

static const struct sm_queue_ops queue_ops = {
    .connect = q_connect,
    .fetch_start = q_fetch_start,
    .fetch_wait = q_fetch_wait,
    .fetch_fd = q_fetch_fd,
    .tick = q_tick,
    .take = q_take,
    .owned = q_owned,
    .settle = q_settle,
    .drop = q_drop,
    .still_owned = q_still_owned,
    .park = q_park,
    .charge = q_charge,
    .cancelled = q_cancelled,
    .beat = q_beat,
    .census = q_census,
    .offers = q_offers,
    .report = q_report,
    .reclaim = q_reclaim,
    .pardon = q_pardon,
    .rename = q_rename,
    .incarnation = q_incarnation,
    .run_id = q_run_id,
    .close = q_close,
};

static struct sm_queue *open_queue(void *arg)
{
    struct fake_queue *q = calloc(1, sizeof *q);
    SM_ASSERT(q != NULL);
    const struct fake_seat *seat = arg;
    q->base.ops = &queue_ops;
    q->world = seat->world;
    strcpy(q->worker, seat->worker);
    return &q->base;
}

/* ---- store -- */

struct fake_store {
    struct sm_store base;
    struct fake_world *world;
    const struct sm_batch *batch;
    struct sm_batch copy;
    bool late;
};

static int s_connect(struct sm_store *store, int wait_ms, struct sm_err *err)
{
    struct fake_store *s = (struct fake_store *)store;
    bool late;
    (void)wait_ms;
    s->batch = NULL;
    int rc = enter(s->world, s->world->postgres_down, &late, err);
    return rc == 0 && late ? sm_err_set(err, SM_E_TIMEOUT, "fake: late") : rc;
}

static int s_start(struct sm_store *store, const struct sm_batch *batch, const char *worker,
                   struct sm_err *err)
{
    struct fake_store *s = (struct fake_store *)store;
    (void)worker;
    SM_ASSERT(s->batch == NULL && batch->n + batch->attempts_n > 0);
    s->copy = *batch;
    int rc = enter(s->world, s->world->postgres_down, &s->late, err);
    if (rc == 0)
        s->batch = &s->copy;
    return rc;
}

/* The rule of the design: succeeded above all, then the greater rank. */
static enum sm_verdict write_row(struct fake_world *world, const struct sm_row *row)
{
    struct fake_row *there = fake_find_row(world, &row->id);
    if (world->refuse_results && row->result.p != NULL)
        return SM_VERDICT_REFUSED;
    if (there == NULL) {
        there = &world->row[world->rows++];
        *there = (struct fake_row){.id = row->id, .state = row->state};
        if (row->error_code != NULL)
            snprintf(there->error_code, sizeof there->error_code, "%s", row->error_code);
    } else if (row->state > there->state) {
        there->state = row->state;
    }
    there->writes++;
    return row->state == there->state ? SM_VERDICT_STOOD : SM_VERDICT_SUPERSEDED;
}

/* Once for each attempt of a job, as the primary key has it for one worker. */
static void write_attempt(struct fake_world *world, const struct sm_attempt *attempt)
{
    for (size_t i = 0; i < world->attempts; i++)
        if (memcmp(&world->attempt[i].id, &attempt->id, sizeof attempt->id) == 0 &&
            world->attempt[i].attempt == attempt->attempt)
            return;
    struct fake_attempt *fresh = &world->attempt[world->attempts++];
    fresh->id = attempt->id;
    fresh->attempt = attempt->attempt;
    snprintf(fresh->error_code, sizeof fresh->error_code, "%s", attempt->error_code);
}

static int s_wait(struct sm_store *store, int64_t wait_us, struct sm_commit_result *result,
                  struct sm_err *err)
{
    struct fake_store *s = (struct fake_store *)store;
    (void)wait_us;
    SM_ASSERT(s->batch != NULL);
    for (size_t i = 0; i < s->batch->n; i++) {
        SM_ASSERT(i == 0 || memcmp(&s->batch->rows[i - 1]->id, &s->batch->rows[i]->id,
                                   sizeof(struct sm_id)) < 0);
        result->verdicts[i] = write_row(s->world, s->batch->rows[i]);
    }
    for (size_t i = 0; i < s->batch->attempts_n; i++)
        write_attempt(s->world, &s->batch->attempts[i]);
    snprintf(result->refusal, sizeof result->refusal, "22P05");
    s->batch = NULL;
    return s->late ? sm_err_set(err, SM_E_TIMEOUT, "fake: outcome unknown") : 0;
}

static int s_check(struct sm_store *store, int wait_ms, struct sm_err *err)
{
    struct fake_store *s = (struct fake_store *)store;
    bool late = false;
    (void)wait_ms;
    int rc = enter(s->world, s->world->postgres_down, &late, err);
    return late ? sm_err_set(err, SM_E_TIMEOUT, "fake: no sign of life") : rc;
}

static void s_close(struct sm_store *store)
{
    free(store);
}

static const struct sm_store_ops store_ops = {s_connect, s_start, s_wait, s_check, s_close};

static struct sm_store *open_store(void *arg)
{
    struct fake_store *s = calloc(1, sizeof *s);
    SM_ASSERT(s != NULL);
    s->base.ops = &store_ops;
    s->world = ((const struct fake_seat *)arg)->world;
    return &s->base;
}

struct sm_seams fake_seams(struct fake_world *world, const char *worker)
{
    struct fake_seat *seat = &world->seat[world->seats++];
    SM_ASSERT(world->seats <= sizeof world->seat / sizeof *world->seat);
    seat->world = world;
    strcpy(seat->worker, worker);
    return (struct sm_seams){&world->clock, open_queue, open_store, seat};
}

void fake_cancel(struct fake_world *world, const struct sm_id *job)
{
    SM_ASSERT(world->cancelled_n < 8);
    world->cancelled[world->cancelled_n] = *job;
    world->cancelled_ms[world->cancelled_n++] = world->now_us / 1000 - world->redis_behind_ms;
}
