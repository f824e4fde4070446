/* The queue on a real Redis, under the least rights of a worker: who owns what after each call. */
#include <string.h>

#include "tests/queue/rig.h"

#define MANY (1u << 20)

static struct sm_delivery items[200];

static struct sm_intake intake(size_t room)
{
    return (struct sm_intake){.items = items, .room = room};
}

/* Adds one job and leases it to q. */
static struct sm_entry_id leased(struct sm_queue *q)
{
    struct sm_entry_id id = rig_add("type t");
    struct sm_intake in = intake(1);
    struct sm_err err;
    ck_assert_int_eq(rig_fetch(q, 1, MANY, &in, &err), 0);
    ck_assert_uint_eq(in.n, 1);
    ck_assert_int_eq(sm_entry_id_compare(in.items[0].entry, id), 0);
    rig_free(&in);
    return id;
}

/* A tick that takes up to `want`. */
static struct sm_intake tick(struct sm_queue *q, unsigned want, int64_t *next_due)
{
    struct sm_intake in = intake(100);
    struct sm_err err;
    int rc = q->ops->tick(q, 0, want, MANY, &in, next_due, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    return in;
}

START_TEST(jobs_enqueued_before_any_worker_are_delivered_in_order)
{
    struct sm_entry_id a = rig_add("type a"), b = rig_add("type b input xyz");
    struct sm_queue *q = rig_worker("w1", MANY);
    struct sm_intake in = intake(10);
    struct sm_err err;
    ck_assert_int_eq(rig_fetch(q, 10, MANY, &in, &err), 0);
    ck_assert_uint_eq(in.n, 2);
    ck_assert_int_eq(sm_entry_id_compare(in.items[0].entry, a), 0);
    ck_assert_int_eq(sm_entry_id_compare(in.items[1].entry, b), 0);
    ck_assert(in.items[1].job.input.n == 3 && in.items[1].code == 0 && in.largest >= 10);
    ck_assert_str_eq(rig_owner(a), "w1");
    rig_free(&in);
    ck_assert_int_eq(rig_fetch(q, 10, MANY, &in, &err), 0);
    ck_assert_uint_eq(in.n, 0);
    q->ops->close(q);
}
END_TEST

START_TEST(a_blocked_fetch_ends_with_what_arrives)
{
    struct sm_queue *q = rig_worker("w1", MANY);
    struct sm_intake in = intake(4);
    struct sm_err err;
    ck_assert_int_eq(q->ops->fetch_start(q, 0, 4, 1000, MANY, &err), 0);
    ck_assert_int_ge(q->ops->fetch_fd(q), 0);
    ck_assert_int_eq(q->ops->fetch_wait(q, 0, &in, &err), 1);
    rig_add("type t");
    ck_assert_int_eq(q->ops->fetch_wait(q, 2000000, &in, &err), 0);
    ck_assert_uint_eq(in.n, 1);
    ck_assert_int_eq(q->ops->fetch_fd(q), -1);
    rig_free(&in);
    q->ops->close(q);
}
END_TEST

START_TEST(settling_leaves_nothing_behind)
{
    struct sm_queue *q = rig_worker("w1", MANY);
    struct sm_entry_id ids[3];
    struct sm_err err;
    int64_t due;
    for (int i = 0; i < 3; i++)
        ids[i] = leased(q);
    ck_assert_int_eq(q->ops->release(q, 0, ids, 1, &err), 0);
    struct sm_intake in = tick(q, 5, &due);
    ck_assert(in.n == 1 && in.items[0].tries.releases == 1);
    rig_free(&in);
    for (int twice = 0; twice < 2; twice++) {
        ck_assert_int_eq(q->ops->settle(q, 0, ids, 3, ids, 1, &err), 0);
        ck_assert_int_eq(rig_int("XLEN sm:{q}:jobs"), 0);
        ck_assert_int_eq(rig_int("XPENDING sm:{q}:jobs mill - + 10"), 0);
        ck_assert_int_eq(rig_int("EXISTS sm:{q}:tries sm:{q}:later"), 0);
    }
    q->ops->close(q);
}
END_TEST

START_TEST(drop_settles_only_what_is_still_owned)
{
    struct sm_queue *q = rig_worker("w1", MANY), *other = rig_worker("w2", MANY);
    struct sm_entry_id ids[2] = {leased(q), leased(other)};
    struct sm_err err;
    bool owned[2];
    ck_assert_int_eq(q->ops->still_owned(q, 0, ids, 2, owned, &err), 0);
    ck_assert(owned[0] && !owned[1]);
    ck_assert_int_eq(q->ops->drop(q, 0, ids, 2, owned, &err), 0);
    ck_assert(owned[0] && !owned[1]);
    ck_assert_int_eq(rig_int("XLEN sm:{q}:jobs"), 1);
    ck_assert_str_eq(rig_owner(ids[1]), "w2");
    q->ops->close(q);
    other->ops->close(other);
}
END_TEST

START_TEST(what_is_released_goes_to_whoever_ticks)
{
    struct sm_queue *q = rig_worker("w1", MANY), *other = rig_worker("w2", MANY);
    struct sm_entry_id id = leased(q);
    struct sm_err err;
    int64_t due;
    ck_assert_int_eq(q->ops->release(other, 0, &id, 1, &err), 0); /* not its own */
    ck_assert_str_eq(rig_owner(id), "w1");
    ck_assert_int_eq(q->ops->release(q, 0, &id, 1, &err), 0);
    ck_assert_str_eq(rig_owner(id), ":free");
    struct sm_intake in = tick(other, 5, &due);
    ck_assert(in.n == 1 && due == -1 && in.items[0].tries.releases == 1);
    ck_assert_int_eq(in.items[0].tries.attempts, 0);
    ck_assert_str_eq(rig_owner(id), "w2");
    rig_free(&in);
    q->ops->close(q);
    other->ops->close(other);
}
END_TEST

START_TEST(what_is_parked_comes_back_when_it_is_due)
{
    struct sm_queue *q = rig_worker("w1", MANY);
    struct sm_entry_id id = leased(q);
    struct sm_tries tries = {.attempts = 1};
    struct sm_beat beat;
    struct sm_err err;
    int64_t due;
    ck_assert_int_eq(q->ops->beat(q, 0, &beat, &err), 0);
    ck_assert_int_eq(q->ops->park(q, 0, id, beat.redis_ms + 100000, 0, &tries, &err), 0);
    ck_assert_str_eq(rig_owner(id), ":later");
    struct sm_intake in = tick(q, 5, &due);
    ck_assert(in.n == 0 && due > 90000 && due <= 100000);
    rig_int("ZADD sm:{q}:later XX 1 %llu-%llu", (unsigned long long)id.ms,
            (unsigned long long)id.seq);
    in = tick(q, 5, &due);
    ck_assert(in.n == 1 && due == -1 && in.items[0].tries.attempts == 1);
    rig_free(&in);
    q->ops->close(q);
}
END_TEST

START_TEST(a_late_park_does_nothing)
{
    struct sm_queue *q = rig_worker("w1", MANY), *other = rig_worker("w2", MANY);
    struct sm_entry_id id = leased(q);
    struct sm_tries tries = {.attempts = 1};
    struct sm_err err;
    ck_assert_int_eq(other->ops->park(other, 0, id, 1, 0, &tries, &err), SM_E_CONFLICT);
    ck_assert_int_eq(q->ops->park(q, 0, id, 1, 3, &tries, &err), SM_E_CONFLICT);
    ck_assert_str_eq(rig_owner(id), "w1");
    ck_assert_int_eq(rig_int("EXISTS sm:{q}:tries sm:{q}:later"), 0);
    q->ops->close(q);
    other->ops->close(other);
}
END_TEST

START_TEST(what_another_took_is_not_promoted_from_him)
{
    struct sm_queue *q = rig_worker("w1", MANY);
    struct sm_entry_id id = leased(q);
    int64_t due;
    rig_int("ZADD sm:{q}:later 1 %llu-%llu", (unsigned long long)id.ms, (unsigned long long)id.seq);
    struct sm_intake in = tick(q, 0, &due);
    ck_assert_uint_eq(in.n, 0);
    ck_assert_str_eq(rig_owner(id), "w1");
    q->ops->close(q);
}
END_TEST

START_TEST(owned_tells_all_ids_in_pages)
{
    struct sm_queue *q = rig_worker("w1", MANY), *other = rig_worker("w2", MANY);
    struct sm_entry_id ids[5], seen[5], after = {0, 0};
    struct sm_err err;
    size_t n = 0, all = 0;
    for (int i = 0; i < 5; i++) {
        ids[i] = leased(q);
        leased(other);
    }
    do {
        ck_assert_int_eq(q->ops->owned(q, 0, after, seen + all, 2, &n, &err), 0);
        all += n;
        after = all > 0 ? seen[all - 1] : after;
    } while (n > 0 && all < 5);
    ck_assert_uint_eq(all, 5);
    ck_assert_mem_eq(seen, ids, sizeof ids);
    q->ops->close(q);
    other->ops->close(other);
}
END_TEST

START_TEST(a_dead_workers_entries_are_freed_and_it_is_struck_off)
{
    struct sm_queue *dead = rig_worker("w1", MANY), *q = rig_worker("w2", MANY);
    struct sm_beat beat;
    struct sm_err err;
    uint64_t moved, left;
    ck_assert_int_eq(dead->ops->beat(dead, 0, &beat, &err), 0);
    ck_assert(beat.redis_ms > 1700000000000 && beat.last_seen_ms == 0 && !beat.group_missing);
    for (int i = 0; i < 3; i++)
        leased(dead);
    ck_assert_int_eq(q->ops->reclaim(q, 0, "w1", beat.redis_ms - 1, 2, &moved, &left, &err),
                     SM_E_CONFLICT);
    ck_assert_int_eq(q->ops->reclaim(q, 0, "w1", beat.redis_ms, 2, &moved, &left, &err), 0);
    ck_assert(moved == 2 && left > 0);
    ck_assert_int_eq(q->ops->reclaim(q, 0, "w1", -1, 2, &moved, &left, &err), 0);
    ck_assert(moved == 1 && left == 0);
    ck_assert_int_eq(rig_int("ZCARD sm:{q}:workers"), 0);
    ck_assert_int_eq(rig_int("XPENDING sm:{q}:jobs mill - + 10 :free"), 3);
    ck_assert_int_eq(rig_int("XPENDING sm:{q}:jobs mill - + 10 w1"), 0);
    dead->ops->close(dead);
    q->ops->close(q);
}
END_TEST

START_TEST(leaving_strikes_off_ones_own_name)
{
    struct sm_queue *q = rig_worker("w1", MANY);
    struct sm_beat beat;
    struct sm_err err;
    uint64_t moved, left;
    ck_assert_int_eq(q->ops->beat(q, 0, &beat, &err), 0);
    ck_assert_int_eq(q->ops->reclaim(q, 0, "w1", -1, 100, &moved, &left, &err), 0);
    ck_assert(moved == 0 && left == 0);
    ck_assert_int_eq(rig_int("EXISTS sm:{q}:workers"), 0);
    ck_assert_int_eq(rig_int("XINFO CONSUMERS sm:{q}:jobs mill"), 0);
    q->ops->close(q);
}
END_TEST

START_TEST(a_beat_says_what_is_wished_and_what_is_missing)
{
    struct sm_queue *q = rig_worker("w1", MANY);
    struct sm_beat beat, next;
    struct sm_err err;
    rig_int("HSET sm:{q}:meta paused 1");
    ck_assert_int_eq(q->ops->beat(q, 0, &beat, &err), 0);
    ck_assert(beat.paused && !beat.group_missing);
    ck_assert_int_eq(q->ops->beat(q, 0, &next, &err), 0);
    ck_assert_int_eq(next.last_seen_ms, beat.redis_ms);
    rig_text("FLUSHALL");
    ck_assert_int_eq(q->ops->beat(q, 0, &beat, &err), 0);
    ck_assert(beat.group_missing && !beat.paused);
    ck_assert_int_eq(rig_int("DBSIZE"), 0);
    q->ops->close(q);
}
END_TEST

START_TEST(a_report_expires)
{
    struct sm_queue *q = rig_worker("w1", MANY);
    static const char *const pairs[] = {"host", "h", "pid", "7"};
    struct sm_err err;
    ck_assert_int_eq(q->ops->report(q, pairs, 2, 15000, &err), 0);
    ck_assert_str_eq(rig_text("HGET sm:worker:w1 pid"), "7");
    ck_assert_int_gt(rig_int("PTTL sm:worker:w1"), 1000);
    ck_assert_int_eq(rig_int("SISMEMBER sm:queues q"), 1);
    q->ops->close(q);
}
END_TEST

START_TEST(ids_are_derived_from_the_queues_own_incarnation)
{
    struct sm_entry_id entry = rig_add("type t");
    struct sm_queue *q = rig_worker("w1", MANY);
    struct sm_intake in = intake(1);
    struct sm_err err;
    ck_assert_int_eq(rig_fetch(q, 1, MANY, &in, &err), 0);
    struct sm_id id = sm_entry_job_id(rig_text("HGET sm:{q}:meta incarnation"), "q", entry);
    ck_assert_mem_eq(id.b, in.items[0].job.id.b, 16);
    rig_free(&in);
    q->ops->close(q);
}
END_TEST

int main(void)
{
    return RIG_SUITE(
        "queue_live", {jobs_enqueued_before_any_worker_are_delivered_in_order, 0},
        {a_blocked_fetch_ends_with_what_arrives, 0}, {settling_leaves_nothing_behind, 0},
        {drop_settles_only_what_is_still_owned, 0}, {what_is_released_goes_to_whoever_ticks, 0},
        {what_is_parked_comes_back_when_it_is_due, 0}, {a_late_park_does_nothing, 0},
        {what_another_took_is_not_promoted_from_him, 0}, {owned_tells_all_ids_in_pages, 0},
        {a_dead_workers_entries_are_freed_and_it_is_struck_off, 0},
        {leaving_strikes_off_ones_own_name, 0}, {a_beat_says_what_is_wished_and_what_is_missing, 0},
        {a_report_expires, 0}, {ids_are_derived_from_the_queues_own_incarnation, 0});
}
