/* The queue on a real Redis, under the least rights of a worker: who owns what after each call. */
#include <stdio.h>
#include <string.h>

#include "tests/queue/rig.h"

static const struct sm_doubt none;

/* Parks one entry with so many attempts; 0, or SM_E_CONFLICT when it was not parked. */
static int park_one(struct sm_queue *q, struct sm_entry_id id, int64_t due_ms, int takes,
                    int attempts)
{
    struct sm_parking item = {
        .owned = {id, takes}, .due_ms = due_ms, .tries = {.attempts = attempts}};
    struct sm_err err;
    int rc = q->ops->park(q, 0, &item, 1, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    return item.parked ? 0 : SM_E_CONFLICT;
}

/* What is noted of an entry. */
static struct sm_tries tries_of(struct sm_entry_id id)
{
    struct sm_tries tries = {0};
    const char *text = rig_text("HGET sm:{q}:tries %llu-%llu", (unsigned long long)id.ms,
                                (unsigned long long)id.seq);
    sscanf(text, "%d %d %d %d %d %d", &tries.attempts, &tries.crashes, &tries.evident,
           &tries.losses, &tries.again, &tries.takes);
    return tries;
}

static void ck_tries(struct sm_entry_id id, int crashes, int evident, int losses)
{
    struct sm_tries tries = tries_of(id);
    ck_assert_int_eq(tries.crashes, crashes);
    ck_assert_int_eq(tries.evident, evident);
    ck_assert_int_eq(tries.losses, losses);
}

/* A tick that takes up to `want`. */
static struct sm_intake tick(struct sm_queue *q, unsigned want, int64_t *next_due)
{
    struct sm_intake in = rig_intake(100);
    struct sm_err err;
    int rc = q->ops->tick(q, 0, want, RIG_MANY, &in, next_due, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    return in;
}

START_TEST(jobs_enqueued_before_any_worker_are_delivered_in_order)
{
    struct sm_entry_id a = rig_add("type a"), b = rig_add("type b input xyz");
    struct sm_queue *q = rig_worker("w1", RIG_MANY);
    struct sm_intake in = rig_intake(10);
    struct sm_err err;
    ck_assert_int_eq(rig_fetch(q, 10, RIG_MANY, &in, &err), 0);
    ck_assert_uint_eq(in.n, 2);
    ck_assert_int_eq(sm_entry_id_compare(in.items[0].entry, a), 0);
    ck_assert_int_eq(sm_entry_id_compare(in.items[1].entry, b), 0);
    ck_assert(in.items[1].job.input.n == 3 && in.items[1].code == 0 && in.largest >= 10);
    ck_assert_str_eq(rig_owner(a), "w1");
    rig_free(&in);
    ck_assert_int_eq(rig_fetch(q, 10, RIG_MANY, &in, &err), 0);
    ck_assert_uint_eq(in.n, 0);
    q->ops->close(q);
}
END_TEST

START_TEST(a_blocked_fetch_ends_with_what_arrives)
{
    struct sm_queue *q = rig_worker("w1", RIG_MANY);
    struct sm_intake in = rig_intake(4);
    struct sm_err err;
    ck_assert_int_eq(q->ops->fetch_start(q, 0, 4, 1000, RIG_MANY, &err), 0);
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
    struct sm_queue *q = rig_worker("w1", RIG_MANY);
    struct sm_entry_id ids[3];
    struct sm_err err;
    int64_t due;
    for (int i = 0; i < 3; i++)
        ids[i] = rig_leased(q);
    ck_assert_int_eq(park_one(q, ids[0], 1, 0, 1), 0);
    struct sm_intake in = tick(q, 5, &due);
    ck_assert(in.n == 1 && in.items[0].tries.attempts == 1);
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
    struct sm_queue *q = rig_worker("w1", RIG_MANY), *other = rig_worker("w2", RIG_MANY);
    struct sm_entry_id ids[2] = {rig_leased(q), rig_leased(other)};
    struct sm_owned both[2] = {{ids[0], 0}, {ids[1], 0}};
    struct sm_err err;
    bool owned[2];
    ck_assert_int_eq(q->ops->still_owned(q, 0, ids, 2, owned, &err), 0);
    ck_assert(owned[0] && !owned[1]);
    ck_assert_int_eq(q->ops->drop(q, 0, both, 2, owned, &err), 0);
    ck_assert(owned[0] && !owned[1]);
    ck_assert_int_eq(rig_int("XLEN sm:{q}:jobs"), 1);
    ck_assert_str_eq(rig_owner(ids[1]), "w2");
    q->ops->close(q);
    other->ops->close(other);
}
END_TEST

START_TEST(what_is_handed_back_goes_to_whoever_ticks)
{
    struct sm_queue *q = rig_worker("w1", RIG_MANY), *other = rig_worker("w2", RIG_MANY);
    struct sm_entry_id id = rig_leased(q);
    int64_t due;
    ck_assert_int_eq(park_one(other, id, 0, 0, 0), SM_E_CONFLICT); /* not its own */
    ck_assert_str_eq(rig_owner(id), "w1");
    ck_assert_int_eq(park_one(q, id, 0, 0, 0), 0);
    ck_assert_str_eq(rig_owner(id), ":free");
    ck_assert_int_eq(rig_int("EXISTS sm:{q}:tries sm:{q}:later"), 0);
    struct sm_intake in = tick(other, 5, &due);
    ck_assert(in.n == 1 && due == -1 && in.items[0].tries.attempts == 0);
    ck_assert_str_eq(rig_owner(id), "w2");
    rig_free(&in);
    q->ops->close(q);
    other->ops->close(other);
}
END_TEST

START_TEST(a_command_that_comes_late_does_not_touch_what_was_taken_again)
{
    struct sm_queue *q = rig_worker("w1", RIG_MANY);
    struct sm_entry_id id = rig_leased(q);
    struct sm_owned old = {id, 0}, now = {id, 1};
    struct sm_err err;
    bool owned = true;
    int64_t due;
    ck_assert_int_eq(park_one(q, id, 0, 0, 0), 0);
    struct sm_intake in = tick(q, 5, &due);
    ck_assert(in.n == 1 && in.items[0].tries.takes == 1);
    rig_free(&in);
    ck_assert_int_eq(park_one(q, id, 0, 0, 0), SM_E_CONFLICT); /* the same command once more */
    ck_assert_int_eq(q->ops->drop(q, 0, &old, 1, &owned, &err), 0);
    ck_assert(!owned);
    ck_assert_int_eq(q->ops->charge(q, 0, old, &err), SM_E_CONFLICT);
    ck_assert_str_eq(rig_owner(id), "w1");
    ck_assert_int_eq(q->ops->charge(q, 0, now, &err), 0);
    ck_assert_int_eq(park_one(q, id, 4102444800000, 1, 1), 0);
    ck_assert_str_eq(rig_owner(id), ":later");
    q->ops->close(q);
}
END_TEST

START_TEST(the_last_entry_takes_all_that_was_noted_with_it)
{
    struct sm_queue *q = rig_worker("w1", RIG_MANY);
    struct sm_entry_id id = rig_leased(q);
    struct sm_beat beat;
    struct sm_err err;
    rig_int("HSET sm:{q}:tries 1-1 x");
    rig_int("ZADD sm:{q}:later 5 1-1");
    ck_assert_int_eq(q->ops->beat(q, 0, 5000, &beat, &err), 0);
    ck_assert_int_eq(rig_int("EXISTS sm:{q}:tries sm:{q}:later"), 2);
    ck_assert_int_eq(q->ops->settle(q, 0, &id, 1, NULL, 0, &err), 0);
    ck_assert_int_eq(q->ops->beat(q, 0, 5000, &beat, &err), 0);
    ck_assert_int_eq(rig_int("EXISTS sm:{q}:tries sm:{q}:later"), 0);
    q->ops->close(q);
}
END_TEST

START_TEST(what_is_parked_comes_back_when_it_is_due)
{
    struct sm_queue *q = rig_worker("w1", RIG_MANY);
    struct sm_entry_id id = rig_leased(q);
    struct sm_beat beat;
    struct sm_err err;
    int64_t due;
    ck_assert_int_eq(q->ops->beat(q, 0, 5000, &beat, &err), 0);
    ck_assert_int_eq(park_one(q, id, beat.redis_ms + 100000, 0, 1), 0);
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
    struct sm_queue *q = rig_worker("w1", RIG_MANY), *other = rig_worker("w2", RIG_MANY);
    struct sm_entry_id id = rig_leased(q);
    ck_assert_int_eq(park_one(other, id, 1, 0, 1), SM_E_CONFLICT);
    ck_assert_int_eq(park_one(q, id, 1, 3, 1), SM_E_CONFLICT);
    ck_assert_str_eq(rig_owner(id), "w1");
    ck_assert_int_eq(rig_int("EXISTS sm:{q}:tries sm:{q}:later"), 0);
    q->ops->close(q);
    other->ops->close(other);
}
END_TEST

START_TEST(what_another_took_is_not_promoted_from_him)
{
    struct sm_queue *q = rig_worker("w1", RIG_MANY);
    struct sm_entry_id id = rig_leased(q);
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
    struct sm_queue *q = rig_worker("w1", RIG_MANY), *other = rig_worker("w2", RIG_MANY);
    struct sm_entry_id ids[5], seen[5], after = {0, 0};
    struct sm_err err;
    size_t n = 0, all = 0;
    for (int i = 0; i < 5; i++) {
        ids[i] = rig_leased(q);
        rig_leased(other);
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
    struct sm_queue *dead = rig_worker("w1", RIG_MANY), *q = rig_worker("w2", RIG_MANY);
    struct sm_beat beat;
    struct sm_err err;
    uint64_t moved, left;
    ck_assert_int_eq(dead->ops->beat(dead, 0, 5000, &beat, &err), 0);
    ck_assert(beat.redis_ms > 1700000000000 && beat.last_seen_ms == 0 && !beat.group_missing);
    for (int i = 0; i < 3; i++)
        rig_leased(dead);
    ck_assert_int_eq(q->ops->reclaim(q, 0, "w1", beat.redis_ms - 1, 2, &none, &moved, &left, &err),
                     SM_E_CONFLICT);
    ck_assert_int_eq(q->ops->reclaim(q, 0, "w1", beat.redis_ms, 2, &none, &moved, &left, &err), 0);
    ck_assert(moved == 2 && left > 0);
    ck_assert_int_eq(q->ops->reclaim(q, 0, "w1", -1, 2, &none, &moved, &left, &err), 0);
    ck_assert(moved == 1 && left == 0);
    ck_assert_int_eq(rig_int("ZCARD sm:{q}:workers"), 0);
    ck_assert_int_eq(rig_int("XPENDING sm:{q}:jobs mill - + 10 :free"), 3);
    ck_assert_int_eq(rig_int("XPENDING sm:{q}:jobs mill - + 10 w1"), 0);
    dead->ops->close(dead);
    q->ops->close(q);
}
END_TEST

static void lose(struct sm_queue *judge, const struct sm_doubt *doubt)
{
    uint64_t moved, left;
    struct sm_err err;
    int rc = judge->ops->reclaim(judge, 0, "w1", -1, 100, doubt, &moved, &left, &err);
    ck_assert_msg(rc == 0 && left == 0, "%s", err.text);
}

/* Gives all of :free to q. */
static void take_all(struct sm_queue *q)
{
    int64_t due;
    struct sm_intake in = tick(q, 100, &due);
    rig_free(&in);
}

START_TEST(a_worker_lost_without_a_trace_doubts_all_it_owned)
{
    struct sm_queue *dead = rig_worker("w1", RIG_MANY), *q = rig_worker("w2", RIG_MANY);
    struct sm_doubt all = {.all = true};
    struct sm_entry_id a = rig_leased(dead), b = rig_leased(dead);
    lose(q, &all);
    ck_tries(a, 0, 0, 1);
    take_all(dead);
    lose(q, &all);
    ck_tries(b, 0, 0, 2);
    ck_assert_int_eq(tries_of(a).attempts, 0);
    dead->ops->close(dead);
    q->ops->close(q);
}
END_TEST

START_TEST(a_box_doubts_only_what_was_running)
{
    struct sm_queue *dead = rig_worker("w1", RIG_MANY), *q = rig_worker("w2", RIG_MANY);
    struct sm_entry_id ran = rig_leased(dead), waited = rig_leased(dead);
    struct sm_doubt doubt = {.running = &ran, .running_n = 1};
    lose(q, &doubt);
    ck_tries(ran, 0, 0, 1);
    ck_tries(waited, 0, 0, 0);
    take_all(dead);
    doubt.known = true; /* killed for memory: one more is enough to suspect */
    lose(q, &doubt);
    ck_tries(ran, 0, 0, 2);
    struct sm_err err;
    ck_assert_int_eq(q->ops->pardon(q, 0, &ran, 1, &err), 0);
    ck_tries(ran, 0, 0, 1);
    dead->ops->close(dead);
    q->ops->close(q);
}
END_TEST

START_TEST(a_job_at_fault_is_charged_and_nobody_suspected)
{
    struct sm_queue *dead = rig_worker("w1", RIG_MANY), *q = rig_worker("w2", RIG_MANY);
    struct sm_entry_id ids[2] = {rig_leased(dead), rig_leased(dead)};
    struct sm_doubt doubt = {
        .running = ids, .running_n = 2, .has_faulted = true, .faulted = ids[1]};
    lose(q, &doubt);
    ck_tries(ids[0], 0, 0, 0);
    ck_tries(ids[1], 1, 1, 0);
    dead->ops->close(dead);
    q->ops->close(q);
}
END_TEST

START_TEST(one_suspect_of_a_queue_runs_alone_at_a_time_and_is_charged_first)
{
    struct sm_queue *dead = rig_worker("w1", RIG_MANY), *q = rig_worker("w2", RIG_MANY);
    struct sm_entry_id a = rig_leased(dead), b = rig_leased(q);
    struct sm_doubt known = {.running = &a, .running_n = 1, .known = true};
    struct sm_err err;
    ck_assert_int_eq(q->ops->charge(q, 0, (struct sm_owned){a, 0}, &err), SM_E_CONFLICT);
    ck_assert_int_eq(dead->ops->charge(dead, 0, (struct sm_owned){a, 0}, &err), 0);
    ck_tries(a, 1, 0, 0);
    ck_assert_int_eq(q->ops->charge(q, 0, (struct sm_owned){b, 0}, &err), 1);
    ck_tries(b, 0, 0, 0);
    lose(q, &known); /* died with it: the charge stands, its cause is known, no loss besides */
    ck_tries(a, 1, 1, 0);
    ck_assert_int_eq(q->ops->charge(q, 0, (struct sm_owned){b, 0}, &err),
                     0); /* nobody runs alone any more */
    ck_tries(b, 1, 0, 0);
    dead->ops->close(dead);
    q->ops->close(q);
}
END_TEST

START_TEST(a_request_to_cancel_is_seen_and_goes_with_its_entries)
{
    struct sm_queue *q = rig_worker("w1", RIG_MANY);
    struct sm_entry_id id = rig_leased(q);
    struct sm_id jobs[2] = {sm_id_new(), sm_id_new()};
    char text[SM_ID_TEXT];
    struct sm_beat beat;
    struct sm_err err;
    int64_t since[2];
    sm_id_format(&jobs[1], text);
    ck_assert_int_eq(q->ops->beat(q, 0, 5000, &beat, &err), 0);
    ck_assert_int_eq(beat.cancel_ms, 0);
    rig_int("ZADD sm:{q}:cancelled %lld %s", (long long)beat.redis_ms, text);
    ck_assert_int_eq(q->ops->beat(q, 0, 5000, &beat, &err), 0);
    ck_assert_int_gt(beat.cancel_ms, 0);
    ck_assert_int_eq(q->ops->cancelled(q, 0, jobs, 2, since, &err), 0);
    ck_assert(since[0] == 0 && since[1] == beat.cancel_ms);
    int64_t due;
    struct sm_intake in = tick(q, 1, &due);
    ck_assert_int_eq(in.cancel_ms, beat.cancel_ms);
    rig_free(&in);
    ck_assert_int_eq(q->ops->settle(q, 0, &id, 1, &id, 0, &err), 0);
    ck_assert_int_eq(q->ops->beat(q, 0, 5000, &beat, &err), 0);
    ck_assert_int_eq(rig_int("EXISTS sm:{q}:cancelled"), 0);
    q->ops->close(q);
}
END_TEST

static void request(uint64_t at_ms, const char *job)
{
    rig_int("ZADD sm:{q}:cancelled %llu %s", (unsigned long long)at_ms, job);
}

START_TEST(what_is_parked_after_the_request_to_cancel_it_does_not_wait)
{
    struct sm_queue *q = rig_worker("w1", RIG_MANY);
    struct sm_parking item = {
        .owned = {rig_leased(q), 0}, .job = sm_id_new(), .due_ms = 4102444800000};
    char text[SM_ID_TEXT];
    struct sm_err err;
    sm_id_format(&item.job, text);
    request(item.owned.entry.ms, text);
    ck_assert_int_eq(q->ops->park(q, 0, &item, 1, &err), 0);
    ck_assert(item.parked);
    ck_assert_str_eq(rig_owner(item.owned.entry), ":free");
    item.owned.entry = rig_leased(q);
    request(item.owned.entry.ms - 1, text); /* not about this one */
    ck_assert_int_eq(q->ops->park(q, 0, &item, 1, &err), 0);
    ck_assert(item.parked);
    ck_assert_str_eq(rig_owner(item.owned.entry), ":later");
    q->ops->close(q);
}
END_TEST

START_TEST(a_census_names_the_listed_and_the_forgotten)
{
    struct sm_queue *q = rig_worker("w1", RIG_MANY), *other = rig_worker("w2", RIG_MANY),
                    *ghost = rig_worker("w3", RIG_MANY);
    struct sm_peer peers[10];
    struct sm_beat beat;
    struct sm_err err;
    int64_t now;
    size_t n;
    ck_assert_int_eq(q->ops->beat(q, 0, 5000, &beat, &err), 0);
    ck_assert_int_eq(other->ops->beat(other, 0, 7000, &beat, &err), 0);
    rig_leased(ghost); /* a consumer that never beat, or was struck off */
    ck_assert_int_eq(q->ops->census(q, 0, peers, 10, &n, &now, &err), 0);
    ck_assert_uint_eq(n, 2);
    ck_assert_str_eq(peers[0].worker, "w2");
    ck_assert(peers[0].seen_ms == beat.redis_ms && peers[0].lease_ms == 7000 &&
              now >= beat.redis_ms);
    ck_assert_str_eq(peers[1].worker, "w3");
    ck_assert(peers[1].seen_ms == 0 && peers[1].lease_ms == 0);
    q->ops->close(q);
    other->ops->close(other);
    ghost->ops->close(ghost);
}
END_TEST

START_TEST(under_a_group_made_anew_what_was_parked_is_known_for_it)
{
    struct sm_queue *q = rig_worker("w1", RIG_MANY);
    struct sm_entry_id id = rig_leased(q);
    struct sm_intake in = rig_intake(5);
    struct sm_err err;
    ck_assert_int_eq(park_one(q, id, 4102444800000, 0, 2), 0);
    rig_int("XGROUP DESTROY sm:{q}:jobs mill");
    ck_assert_int_eq(q->ops->connect(q, 2000, &err), 0);
    struct sm_entry_id fresh = rig_add("type t");
    ck_assert_int_eq(rig_fetch(q, 5, RIG_MANY, &in, &err), 0);
    ck_assert_uint_eq(in.n, 2);
    ck_assert(in.items[0].repeated && in.items[0].tries.attempts == 2);
    ck_assert(in.items[0].job.due_ms == 4102444800000);
    ck_assert_int_eq(sm_entry_id_compare(in.items[1].entry, fresh), 0);
    ck_assert(!sm_tries_any(&in.items[1].tries) && in.items[1].job.due_ms == 0);
    rig_free(&in);
    q->ops->close(q);
}
END_TEST

/* Its worker was given it anew and died before it had parked it; or did not hear of it. */
START_TEST(what_was_parked_stays_so_when_its_worker_under_the_new_group_dies)
{
    struct sm_queue *dead = rig_worker("w1", RIG_MANY), *q = rig_worker("w2", RIG_MANY);
    struct sm_entry_id id = rig_leased(dead);
    struct sm_intake in = rig_intake(5);
    struct sm_err err;
    int64_t due;
    ck_assert_int_eq(park_one(dead, id, 4102444800000, 0, 2), 0);
    rig_int("XGROUP DESTROY sm:{q}:jobs mill");
    ck_assert_int_eq(q->ops->connect(q, 2000, &err), 0);
    ck_assert_int_eq(rig_fetch(dead, 5, RIG_MANY, &in, &err), 0);
    rig_free(&in);
    in = rig_intake(5);
    ck_assert_int_eq(dead->ops->take(dead, 0, &id, 1, RIG_MANY, RIG_MANY, &in, &err), 0);
    ck_assert(in.n == 1 && in.items[0].job.due_ms == 4102444800000);
    rig_free(&in);
    lose(q, &none);
    ck_assert_str_eq(rig_owner(id), ":free");
    in = tick(q, 10, &due);
    ck_assert_uint_eq(in.n, 0);
    ck_assert_str_eq(rig_owner(id), ":later");
    ck_assert_int_gt(due, 0);
    dead->ops->close(dead);
    q->ops->close(q);
}
END_TEST

/* The other one's connection has seen nothing of it. */
START_TEST(what_another_made_anew_is_known_for_it)
{
    struct sm_queue *q = rig_worker("w1", RIG_MANY), *other = rig_worker("w2", RIG_MANY);
    struct sm_entry_id id = rig_leased(q);
    struct sm_intake in = rig_intake(5);
    struct sm_err err;
    ck_assert_int_eq(park_one(q, id, 4102444800000, 0, 2), 0);
    rig_int("XGROUP DESTROY sm:{q}:jobs mill");
    ck_assert_int_eq(q->ops->connect(q, 2000, &err), 0);
    ck_assert_int_eq(rig_fetch(other, 5, RIG_MANY, &in, &err), 0);
    ck_assert_uint_eq(in.n, 1);
    ck_assert(in.items[0].repeated && in.items[0].tries.attempts == 2);
    ck_assert(in.items[0].job.due_ms == 4102444800000);
    rig_free(&in);
    rig_text("FLUSHALL");
    ck_assert_int_eq(q->ops->connect(q, 2000, &err), 0);
    rig_add("type t"); /* its id comes from the new incarnation */
    ck_assert_int_eq(rig_fetch(other, 5, RIG_MANY, &in, &err), SM_E_NO_GROUP);
    ck_assert_uint_eq(in.n, 0);
    q->ops->close(q);
    other->ops->close(other);
}
END_TEST

START_TEST(a_new_identity_owns_nothing_of_the_old)
{
    struct sm_queue *q = rig_worker("w1", RIG_MANY);
    struct sm_entry_id old = rig_leased(q);
    struct sm_err err;
    bool owned;
    q->ops->rename(q, "w9");
    ck_assert_int_eq(q->ops->connect(q, 2000, &err), 0);
    ck_assert_int_eq(q->ops->still_owned(q, 0, &old, 1, &owned, &err), 0);
    ck_assert(!owned);
    ck_assert_str_eq(rig_owner(rig_leased(q)), "w9");
    q->ops->close(q);
}
END_TEST

START_TEST(leaving_strikes_off_ones_own_name)
{
    struct sm_queue *q = rig_worker("w1", RIG_MANY);
    struct sm_beat beat;
    struct sm_err err;
    uint64_t moved, left;
    ck_assert_int_eq(q->ops->beat(q, 0, 5000, &beat, &err), 0);
    ck_assert_int_eq(q->ops->reclaim(q, 0, "w1", -1, 100, &none, &moved, &left, &err), 0);
    ck_assert(moved == 0 && left == 0);
    ck_assert_int_eq(rig_int("EXISTS sm:{q}:workers"), 0);
    ck_assert_int_eq(rig_int("XINFO CONSUMERS sm:{q}:jobs mill"), 0);
    q->ops->close(q);
}
END_TEST

START_TEST(a_beat_says_what_is_wished_and_what_is_missing)
{
    struct sm_queue *q = rig_worker("w1", RIG_MANY);
    struct sm_beat beat, next;
    struct sm_err err;
    rig_int("HSET sm:{q}:meta paused 1");
    ck_assert_int_eq(q->ops->beat(q, 0, 5000, &beat, &err), 0);
    ck_assert(beat.paused && !beat.group_missing);
    ck_assert_int_eq(q->ops->beat(q, 0, 5000, &next, &err), 0);
    ck_assert_int_eq(next.last_seen_ms, beat.redis_ms);
    rig_text("FLUSHALL");
    ck_assert_int_eq(q->ops->beat(q, 0, 5000, &beat, &err), 0);
    ck_assert(beat.group_missing && !beat.paused);
    ck_assert_int_eq(rig_int("DBSIZE"), 0);
    q->ops->close(q);
}
END_TEST

START_TEST(a_report_expires)
{
    struct sm_queue *q = rig_worker("w1", RIG_MANY);
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
    struct sm_queue *q = rig_worker("w1", RIG_MANY);
    struct sm_intake in = rig_intake(1);
    struct sm_err err;
    ck_assert_int_eq(rig_fetch(q, 1, RIG_MANY, &in, &err), 0);
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
        {drop_settles_only_what_is_still_owned, 0}, {what_is_handed_back_goes_to_whoever_ticks, 0},
        {a_command_that_comes_late_does_not_touch_what_was_taken_again, 0},
        {the_last_entry_takes_all_that_was_noted_with_it, 0},
        {what_is_parked_comes_back_when_it_is_due, 0}, {a_late_park_does_nothing, 0},
        {what_another_took_is_not_promoted_from_him, 0}, {owned_tells_all_ids_in_pages, 0},
        {a_dead_workers_entries_are_freed_and_it_is_struck_off, 0},
        {a_worker_lost_without_a_trace_doubts_all_it_owned, 0},
        {a_box_doubts_only_what_was_running, 0},
        {a_job_at_fault_is_charged_and_nobody_suspected, 0},
        {one_suspect_of_a_queue_runs_alone_at_a_time_and_is_charged_first, 0},
        {a_request_to_cancel_is_seen_and_goes_with_its_entries, 0},
        {what_is_parked_after_the_request_to_cancel_it_does_not_wait, 0},
        {a_census_names_the_listed_and_the_forgotten, 0},
        {under_a_group_made_anew_what_was_parked_is_known_for_it, 0},
        {what_was_parked_stays_so_when_its_worker_under_the_new_group_dies, 0},
        {what_another_made_anew_is_known_for_it, 0}, {a_new_identity_owns_nothing_of_the_old, 0},
        {leaving_strikes_off_ones_own_name, 0}, {a_beat_says_what_is_wished_and_what_is_missing, 0},
        {a_report_expires, 0}, {ids_are_derived_from_the_queues_own_incarnation, 0});
}
