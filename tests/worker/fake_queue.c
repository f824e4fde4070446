/*
 * The fake queue: a stream that keeps entries and owners, and the calls that move them. Of the
 * script's rules it keeps those that the road relies on: a settle of what is not committed is
 * counted, an owner is checked, a late command does nothing.
 */
#include "tests/worker/fake_queue.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"

/* ---- what all calls share -- */

struct fake_queue *fake_self(struct sm_queue *q)
{
    return (struct fake_queue *)q;
}

int fake_leave(struct fake_queue *q, bool late, struct sm_err *err)
{
    if (!late)
        return 0;
    q->connected = false;
    return sm_err_set(err, SM_E_TIMEOUT, "fake: reply lost");
}

int fake_begin(struct fake_queue *q, bool *late, struct sm_err *err)
{
    *late = false;
    q->connected = q->connected && q->run == q->world->redis_run;
    if (!q->connected)
        return sm_err_set(err, SM_E_UNREACHABLE, "fake: not connected");
    int rc = fake_enter(q->world, q->world->redis_down, late, err);
    q->connected = rc == 0;
    return rc;
}

struct fake_entry *fake_find(struct fake_world *world, struct sm_entry_id id)
{
    for (size_t i = 0; i < world->entries; i++)
        if (sm_entry_id_compare(world->entry[i].id, id) == 0)
            return &world->entry[i];
    return NULL;
}

static bool owns(struct fake_queue *q, struct sm_entry_id id)
{
    struct fake_entry *entry = fake_find(q->world, id);
    return entry->pending && strcmp(entry->owner, q->worker) == 0;
}

/* The fence: owned, and not taken again since. */
bool fake_owns_still(struct fake_queue *q, struct sm_owned item)
{
    return owns(q, item.entry) && fake_find(q->world, item.entry)->tries.takes == item.takes;
}

/* ---- the connection -- */

static int q_connect(struct sm_queue *queue, int wait_ms, struct sm_err *err)
{
    struct fake_queue *q = fake_self(queue);
    bool late;
    (void)wait_ms;
    q->under_way = false;
    int rc = fake_enter(q->world, q->world->redis_down, &late, err);
    q->connected = rc == 0;
    q->run = q->world->redis_run;
    return rc == 0 ? fake_leave(q, late, err) : rc;
}

static void q_rename(struct sm_queue *queue, const char *worker)
{
    struct fake_queue *q = fake_self(queue);
    q->connected = q->under_way = false;
    strcpy(q->worker, worker);
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

/* ---- entries -- */

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
    struct fake_queue *q = fake_self(queue);
    (void)index, (void)block_ms, (void)budget;
    SM_ASSERT(!q->under_way && count > 0);
    int rc = fake_begin(q, &q->fetch_fails_late, err);
    q->under_way = rc == 0;
    q->count = count;
    return rc;
}

static int q_fetch_wait(struct sm_queue *queue, int64_t wait_us, struct sm_intake *in,
                        struct sm_err *err)
{
    struct fake_queue *q = fake_self(queue);
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
    return fake_leave(q, q->fetch_fails_late, err);
}

static int q_fetch_fd(struct sm_queue *queue)
{
    (void)queue;
    return -1;
}

static int q_tick(struct sm_queue *queue, int index, unsigned want, size_t budget,
                  struct sm_intake *in, int64_t *next_due_ms, struct sm_err *err)
{
    struct fake_queue *q = fake_self(queue);
    struct fake_world *world = q->world;
    bool late;
    (void)index, (void)budget;
    int rc = fake_begin(q, &late, err);
    *next_due_ms = -1;
    in->cancel_ms = fake_newest_cancel(world);
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
    return rc == 0 ? fake_leave(q, late, err) : rc;
}

static int q_take(struct sm_queue *queue, int index, const struct sm_entry_id *ids, size_t n,
                  size_t entry_limit, size_t budget, struct sm_intake *in, struct sm_err *err)
{
    struct fake_queue *q = fake_self(queue);
    bool late;
    (void)index, (void)entry_limit, (void)budget;
    int rc = fake_begin(q, &late, err);
    for (size_t i = 0; rc == 0 && !late && i < n; i++)
        deliver(q, fake_find(q->world, ids[i]), in);
    return rc == 0 ? fake_leave(q, late, err) : rc;
}

static int q_owned(struct sm_queue *queue, int index, struct sm_entry_id after,
                   struct sm_entry_id *ids, size_t room, size_t *n, struct sm_err *err)
{
    struct fake_queue *q = fake_self(queue);
    bool late;
    (void)index;
    *n = 0;
    int rc = fake_begin(q, &late, err);
    for (size_t i = 0; rc == 0 && i < q->world->entries && *n < room; i++) {
        struct fake_entry *entry = &q->world->entry[i];
        if (entry->pending && strcmp(entry->owner, q->worker) == 0 &&
            sm_entry_id_compare(entry->id, after) > 0)
            ids[(*n)++] = entry->id;
    }
    return rc == 0 ? fake_leave(q, late, err) : rc;
}

static void settle_one(struct fake_world *world, struct sm_entry_id id)
{
    struct fake_entry *entry = fake_find(world, id);
    if (fake_find_row(world, &entry->job) == NULL)
        world->settled_uncommitted++;
    entry->present = entry->pending = false;
}

static int q_settle(struct sm_queue *queue, int index, const struct sm_entry_id *ids, size_t n,
                    const struct sm_entry_id *tried, size_t tried_n, struct sm_err *err)
{
    struct fake_queue *q = fake_self(queue);
    bool late;
    (void)index, (void)tried, (void)tried_n;
    int rc = fake_begin(q, &late, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        settle_one(q->world, ids[i]);
    return rc == 0 ? fake_leave(q, late, err) : rc;
}

static int q_drop(struct sm_queue *queue, int index, const struct sm_owned *items, size_t n,
                  bool *owned, struct sm_err *err)
{
    struct fake_queue *q = fake_self(queue);
    bool late;
    (void)index, (void)owned;
    int rc = fake_begin(q, &late, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        if (fake_owns_still(q, items[i]))
            settle_one(q->world, items[i].entry);
    return rc == 0 ? fake_leave(q, late, err) : rc;
}

static int q_still_owned(struct sm_queue *queue, int index, const struct sm_entry_id *ids, size_t n,
                         bool *owned, struct sm_err *err)
{
    struct fake_queue *q = fake_self(queue);
    bool late;
    (void)index;
    int rc = fake_begin(q, &late, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        owned[i] = owns(q, ids[i]);
    return rc == 0 ? fake_leave(q, late, err) : rc;
}

static int q_park(struct sm_queue *queue, int index, struct sm_parking *items, size_t n,
                  struct sm_err *err)
{
    struct fake_queue *q = fake_self(queue);
    bool late;
    (void)index;
    int rc = fake_begin(q, &late, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct fake_entry *entry = fake_find(q->world, items[i].owned.entry);
        items[i].parked = fake_owns_still(q, items[i].owned);
        if (!items[i].parked)
            continue;
        bool waits = items[i].due_ms > fake_redis_ms(q->world) &&
                     fake_cancelled_ms(q->world, &items[i].job) < (int64_t)items[i].owned.entry.ms;
        strcpy(entry->owner, waits ? ":later" : ":free");
        entry->due_ms = items[i].due_ms;
        entry->tries = items[i].tries;
        entry->tries.takes = items[i].owned.takes;
    }
    return rc == 0 ? fake_leave(q, late, err) : rc;
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
    .charge = fake_charge,
    .cancelled = fake_cancelled,
    .beat = fake_beat,
    .census = fake_census,
    .offers = fake_offers,
    .report = fake_report,
    .reclaim = fake_reclaim,
    .pardon = fake_pardon,
    .rename = q_rename,
    .incarnation = q_incarnation,
    .run_id = q_run_id,
    .close = q_close,
};

struct sm_queue *fake_open_queue(void *arg)
{
    struct fake_queue *q = calloc(1, sizeof *q);
    SM_ASSERT(q != NULL);
    const struct fake_seat *seat = arg;
    q->base.ops = &queue_ops;
    q->world = seat->world;
    strcpy(q->worker, seat->worker);
    return &q->base;
}
