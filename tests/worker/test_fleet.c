/*
 * Several workers on one fake world, and one that stops, dies or is cut off: who owns what, and
 * what a worker that was given up may still do, in simulated time.
 */
#include <string.h>

#include "tests/worker/road.h"
#include "tests/worker/suite.h"

/* ---- a fleet of mixed versions -- */

START_TEST(a_type_that_another_worker_runs_is_left_to_it)
{
    struct road *r = road_new(fake_world_new(), "w1");
    struct fake_world *world = r->world;
    world->members = 1;
    world->member[0] = (struct fake_member){.worker = "w2", .lease_ms = 600000};
    world->member[0].seen_ms = world->now_us / 1000;
    strcpy(world->offers, " parse.new ");
    road_pass(r, 2000);
    fake_enqueue(world, "parse.new", "{}", 0);
    fake_enqueue(world, "parse.none", "{}", 0);
    road_pass(r, 1000);
    ck_assert_str_eq(world->entry[0].owner, ":later");
    ck_assert_int_eq(world->entry[0].tries.attempts, 0);
    ck_assert_str_eq(road_row(world, 1)->error_code, "unknown_type");
    world->offers[0] = '\0'; /* the other one is gone, or no longer runs it */
    road_pass(r, 60000);
    ck_assert_str_eq(road_row(world, 0)->error_code, "unknown_type");
    road_end(r);
}
END_TEST

/* ---- leases -- */

START_TEST(a_dead_worker_is_given_up_after_its_lease_and_not_before)
{
    struct fake_world *world = fake_world_new();
    struct road *dead = road_new(world, "w1"), *judge = road_new(world, "w2");
    struct road *both[] = {dead, judge};
    roads_pass(both, 2, 6000);
    fake_enqueue(world, "debug.noop", "{}", 0);
    sm_fetcher_turn(&dead->fetcher, 0);
    ck_assert_str_eq(world->entry[0].owner, "w1");
    road_free(dead);
    road_pass(judge, 4000);
    ck_assert_str_eq(world->entry[0].owner, "w1");
    road_pass(judge, 2000);
    ck_assert_int_eq(road_row(world, 0)->state, SM_STATE_SUCCEEDED);
    ck_assert_int_eq(world->entry[0].tries.attempts, 0);
    ck_assert_uint_eq(world->members, 1);
    road_end(judge);
}
END_TEST

START_TEST(a_redis_that_was_away_for_long_kills_nobody)
{
    struct fake_world *world = fake_world_new();
    struct road *a = road_new(world, "w1"), *b = road_new(world, "w2");
    struct road *both[] = {a, b};
    roads_pass(both, 2, 6000);
    for (int i = 0; i < 3; i++) {
        world->redis_down = true;
        roads_pass(both, 2, 15000);
        world->redis_down = false;
        road_pass(b, 1000); /* it comes back before the other one has beaten */
        roads_pass(both, 2, 6000);
    }
    ck_assert_str_eq(a->w.identity.name, "w1");
    ck_assert_str_eq(b->w.identity.name, "w2");
    ck_assert_uint_eq(world->members, 2);
    road_free(a);
    road_end(b);
}
END_TEST

/* The census of one queue hung; in the next queue's the others' scores are old. */
START_TEST(a_redis_that_stood_still_while_a_worker_judged_kills_nobody)
{
    struct fake_world *world = fake_world_new();
    struct road *a = road_new(world, "w1"), *b = road_new(world, "w2");
    struct road *both[] = {a, b};
    roads_pass(both, 2, 12000);
    world->now_us += a->options.lease_ms * 1400;
    sm_keeper_judge(&a->keeper);
    ck_assert_uint_eq(world->members, 2);
    roads_pass(both, 2, 1000);
    ck_assert_str_eq(b->w.identity.name, "w2");
    road_free(a);
    road_end(b);
}
END_TEST

START_TEST(a_committer_that_did_not_notice_a_restart_settles_all_the_same)
{
    struct road *r = road_new(fake_world_new(), "w1");
    struct fake_world *world = r->world;
    fake_enqueue(world, "debug.noop", "{}", 0);
    ck_assert(road_run(r, 100)); /* all connections are open */
    fake_enqueue(world, "debug.noop", "{}", 0);
    sm_fetcher_turn(&r->fetcher, 0);
    sm_stamp_turn(&r->stamp, 0);
    world->redis_run++;
    for (int i = 0; i < 20; i++, world->now_us += 100000)
        sm_keeper_turn(&r->keeper); /* connects, and audits the new run */
    ck_assert(road_run(r, 200));
    road_end(r);
}
END_TEST

START_TEST(a_clock_of_redis_that_jumps_kills_nobody)
{
    struct fake_world *world = fake_world_new();
    struct road *a = road_new(world, "w1"), *b = road_new(world, "w2");
    struct road *both[] = {a, b};
    static const int64_t jumps_ms[] = {-3600000, 3600000, 7200000, 0};
    for (size_t i = 0; i < sizeof jumps_ms / sizeof *jumps_ms; i++) {
        roads_pass(both, 2, 6000);
        world->redis_behind_ms = jumps_ms[i];
    }
    roads_pass(both, 2, 6000);
    ck_assert_str_eq(a->w.identity.name, "w1");
    ck_assert_str_eq(b->w.identity.name, "w2");
    road_free(a);
    road_end(b);
}
END_TEST

START_TEST(a_worker_dead_when_the_clock_jumped_back_is_found_all_the_same)
{
    struct fake_world *world = fake_world_new();
    struct road *dead = road_new(world, "w1"), *judge = road_new(world, "w2");
    struct road *both[] = {dead, judge};
    roads_pass(both, 2, 6000);
    world->redis_behind_ms = 3600000;
    road_free(dead);
    road_pass(judge, 7000);
    ck_assert_uint_eq(world->members, 1);
    road_end(judge);
}
END_TEST

START_TEST(a_worker_that_was_stopped_starts_nothing_it_no_longer_owns)
{
    struct fake_world *world = fake_world_new();
    struct road *slow = road_new(world, "w1"), *other = road_new(world, "w2");
    struct road *both[] = {slow, other};
    roads_pass(both, 2, 6000);
    for (int i = 0; i < 50; i++)
        fake_enqueue(world, "debug.noop", "{}", 0);
    sm_fetcher_turn(&slow->fetcher, 0);
    road_pass(other, 7000); /* slow is stopped with 50 jobs in its ready ring */
    ck_assert_uint_eq(world->rows, 50);
    roads_pass(both, 2, 2000);
    ck_assert_uint_eq(road_runs(slow), 0);
    ck_assert_str_ne(slow->w.identity.name, "w1");
    ck_assert_uint_eq(sm_ring_count(&slow->w.slots.free), SM_SLOTS);
    fake_enqueue(world, "debug.noop", "{}", 0); /* and it works on as somebody new */
    road_pass(slow, 1000);
    ck_assert_uint_eq(road_runs(slow), 1);
    road_free(slow);
    road_end(other);
}
END_TEST

START_TEST(a_late_failure_of_a_worker_that_was_given_up_has_no_effect)
{
    struct fake_world *world = fake_world_new();
    struct road *slow = road_new(world, "w1"), *other = road_new(world, "w2");
    struct road *both[] = {slow, other};
    roads_pass(both, 2, 6000);
    fake_enqueue(world, "debug.fail", "{\"how\":\"permanent\",\"on_attempts\":[1]}", 0);
    sm_fetcher_turn(&slow->fetcher, 0);
    sm_stamp_turn(&slow->stamp, 0);     /* has failed, and is stopped before it commits */
    world->entry[0].tries.attempts = 1; /* for the other it is a second attempt */
    road_pass(other, 7000);
    ck_assert_int_eq(road_row(world, 0)->state, SM_STATE_SUCCEEDED);
    roads_pass(both, 2, 2000);
    ck_assert_int_eq(road_row(world, 0)->state, SM_STATE_SUCCEEDED);
    ck_assert_uint_eq(world->attempts, 0);
    road_free(slow);
    road_end(other);
}
END_TEST

START_TEST(a_late_success_is_committed_and_does_no_harm)
{
    struct fake_world *world = fake_world_new();
    struct road *slow = road_new(world, "w1"), *other = road_new(world, "w2");
    struct road *both[] = {slow, other};
    roads_pass(both, 2, 6000);
    fake_enqueue(world, "debug.noop", "{}", 0);
    sm_fetcher_turn(&slow->fetcher, 0);
    sm_stamp_turn(&slow->stamp, 0);
    road_pass(other, 7000);
    roads_pass(both, 2, 2000);
    ck_assert_uint_eq(world->rows, 1);
    ck_assert_int_eq(road_row(world, 0)->state, SM_STATE_SUCCEEDED);
    ck_assert_uint_eq(fake_unsettled(world), 0);
    ck_assert_uint_eq(sm_ring_count(&slow->w.slots.free), SM_SLOTS);
    road_free(slow);
    road_end(other);
}
END_TEST

int main(void)
{
    return SUITE("the fleet on fakes", a_type_that_another_worker_runs_is_left_to_it,
                 a_dead_worker_is_given_up_after_its_lease_and_not_before,
                 a_redis_that_was_away_for_long_kills_nobody,
                 a_redis_that_stood_still_while_a_worker_judged_kills_nobody,
                 a_committer_that_did_not_notice_a_restart_settles_all_the_same,
                 a_clock_of_redis_that_jumps_kills_nobody,
                 a_worker_dead_when_the_clock_jumped_back_is_found_all_the_same,
                 a_worker_that_was_stopped_starts_nothing_it_no_longer_owns,
                 a_late_failure_of_a_worker_that_was_given_up_has_no_effect,
                 a_late_success_is_committed_and_does_no_harm);
}
