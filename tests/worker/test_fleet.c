/*
 * Several workers on one fake world, and one that stops, dies or is cut off: leases, reclaim,
 * guilt, retries, cancelling, in simulated time.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/worker/road.h"

#define RUNS(r) atomic_load(&(r)->w.stats_stamps[0].counter[SM_C_STARTED])

/* Lets time go on for the workers given, in steps of 20 ms. */
static void pass(struct road **roads, size_t n, int64_t ms)
{
    struct fake_world *world = roads[0]->world;
    for (int64_t until = world->now_us + ms * 1000; world->now_us < until; world->now_us += 20000)
        for (size_t i = 0; i < n; i++)
            road_step(roads[i]);
}

static void pass_one(struct road *road, int64_t ms)
{
    pass(&road, 1, ms);
}

static struct fake_row *row(struct fake_world *world, size_t entry)
{
    return fake_find_row(world, &world->entry[entry].job);
}

/* ---- retries -- */

START_TEST(a_temporary_failure_is_tried_again_and_each_error_kept)
{
    struct road *r = road_new(fake_world_new(), "w1");
    struct fake_world *world = r->world;
    fake_enqueue(world, "debug.fail", "{\"how\":\"temporary\",\"on_attempts\":[1,2]}", 0);
    ck_assert(road_run(r, 600));
    ck_assert_int_eq(row(world, 0)->state, SM_STATE_SUCCEEDED);
    ck_assert_uint_eq(world->attempts, 2);
    ck_assert_str_eq(world->attempt[1].error_code, "io");
    ck_assert_int_eq(world->attempt[1].attempt, 2);
    road_end(r);
}
END_TEST

START_TEST(no_retry_comes_early)
{
    struct road *r = road_new(fake_world_new(), "w1");
    struct fake_world *world = r->world;
    fake_enqueue(world, "debug.fail", "{\"how\":\"temporary\"}", 0);
    pass_one(r, 600);
    ck_assert_uint_eq(RUNS(r), 1);
    pass_one(r, 800);
    ck_assert_uint_eq(RUNS(r), 2);
    road_end(r);
}
END_TEST

START_TEST(after_max_attempts_it_is_buried)
{
    struct road *r = road_new(fake_world_new(), "w1");
    struct fake_world *world = r->world;
    fake_enqueue(world, "debug.fail", "{\"how\":\"temporary\"}", 0);
    world->entry[0].max_attempts = 3;
    ck_assert(road_run(r, 600));
    ck_assert_int_eq(row(world, 0)->state, SM_STATE_DEAD);
    ck_assert_uint_eq(world->attempts, 3);
    ck_assert_uint_eq(RUNS(r), 3);
    road_end(r);
}
END_TEST

START_TEST(asking_again_leaves_the_attempts_alone)
{
    struct road *r = road_new(fake_world_new(), "w1");
    struct fake_world *world = r->world;
    fake_enqueue(world, "debug.fail", "{\"how\":\"again_in\",\"in_ms\":100}", 0);
    world->entry[0].max_attempts = 1;
    world->entry[0].expires_ms = world->now_us / 1000 + 5000;
    ck_assert(road_run(r, 600));
    ck_assert_str_eq(row(world, 0)->error_code, "expired");
    ck_assert_uint_gt(RUNS(r), 10);
    ck_assert_uint_eq(world->attempts, 0);
    road_end(r);
}
END_TEST

/* A mix of ends with the n-th call failing, early or late. */
static int run_failing(int n, bool late)
{
    struct road *r = road_new(fake_world_new(), "w1");
    struct fake_world *world = r->world;
    world->fail_at = n;
    world->fail_late = late;
    fake_enqueue(world, "debug.fail", "{\"how\":\"temporary\",\"on_attempts\":[1,2]}", 0);
    fake_enqueue(world, "debug.fail", "{\"how\":\"again_in\",\"in_ms\":50,\"on_attempts\":[9]}", 0);
    fake_enqueue(world, "debug.noop", "{}", 0);
    fake_cancel(world, &world->entry[2].job);
    world->entry[2].id.ms -= 1; /* enqueued before the request */
    ck_assert_msg(road_run(r, 3000), "call %d failing: not all settled", n);
    ck_assert_int_eq(world->settled_uncommitted, 0);
    ck_assert_int_eq(row(world, 0)->state, SM_STATE_SUCCEEDED);
    ck_assert_int_eq(row(world, 1)->state, SM_STATE_SUCCEEDED);
    ck_assert_uint_eq(world->attempts, 2);
    int calls = world->calls;
    road_end(r);
    return calls;
}

START_TEST(any_call_on_the_way_of_a_retry_may_fail_before_or_after_its_effect)
{
    for (int late = 0; late < 2; late++) {
        int calls = run_failing(0, late != 0);
        for (int n = 1; n <= calls; n++)
            run_failing(n, late != 0);
    }
}
END_TEST

/* ---- cancelling -- */

START_TEST(a_cancelled_job_that_waits_is_written_as_such_and_not_run)
{
    struct road *r = road_new(fake_world_new(), "w1");
    struct fake_world *world = r->world;
    fake_enqueue(world, "debug.noop", "{}", 0);
    world->now_us += 1000000;
    fake_cancel(world, &world->entry[0].job);
    ck_assert(road_run(r, 100));
    ck_assert_int_eq(row(world, 0)->state, SM_STATE_CANCELLED);
    ck_assert_uint_eq(RUNS(r), 0);
    road_end(r);
}
END_TEST

START_TEST(a_request_does_not_touch_what_is_enqueued_after_it)
{
    struct road *r = road_new(fake_world_new(), "w1");
    struct fake_world *world = r->world;
    fake_enqueue(world, "debug.noop", "{}", 0);
    fake_cancel(world, &world->entry[0].job);
    world->entry[0].id.ms += 1;
    ck_assert(road_run(r, 100));
    ck_assert_int_eq(row(world, 0)->state, SM_STATE_SUCCEEDED);
    road_end(r);
}
END_TEST

START_TEST(a_job_in_hand_is_cancelled_before_it_starts)
{
    struct road *r = road_new(fake_world_new(), "w1");
    struct fake_world *world = r->world;
    fake_enqueue(world, "debug.noop", "{}", 0);
    sm_keeper_turn(&r->keeper);
    sm_fetcher_turn(&r->fetcher, 0);
    world->now_us += 2000000;
    fake_cancel(world, &world->entry[0].job);
    sm_keeper_turn(&r->keeper); /* beats, and looks at what is in hand */
    ck_assert(road_run(r, 100));
    ck_assert_int_eq(row(world, 0)->state, SM_STATE_CANCELLED);
    road_end(r);
}
END_TEST

/* ---- a fleet of mixed versions -- */

START_TEST(a_type_that_another_worker_runs_is_left_to_it)
{
    struct road *r = road_new(fake_world_new(), "w1");
    struct fake_world *world = r->world;
    world->members = 1;
    world->member[0] = (struct fake_member){.worker = "w2", .lease_ms = 600000};
    world->member[0].seen_ms = world->now_us / 1000;
    strcpy(world->offers, " parse.new ");
    pass_one(r, 2000);
    fake_enqueue(world, "parse.new", "{}", 0);
    fake_enqueue(world, "parse.none", "{}", 0);
    pass_one(r, 1000);
    ck_assert_str_eq(world->entry[0].owner, ":later");
    ck_assert_int_eq(world->entry[0].tries.attempts, 0);
    ck_assert_str_eq(row(world, 1)->error_code, "unknown_type");
    world->offers[0] = '\0'; /* the other one is gone, or no longer runs it */
    pass_one(r, 60000);
    ck_assert_str_eq(row(world, 0)->error_code, "unknown_type");
    road_end(r);
}
END_TEST

/* ---- leases -- */

START_TEST(a_dead_worker_is_given_up_after_its_lease_and_not_before)
{
    struct fake_world *world = fake_world_new();
    struct road *dead = road_new(world, "w1"), *judge = road_new(world, "w2");
    struct road *both[] = {dead, judge};
    pass(both, 2, 6000);
    fake_enqueue(world, "debug.noop", "{}", 0);
    sm_fetcher_turn(&dead->fetcher, 0);
    ck_assert_str_eq(world->entry[0].owner, "w1");
    road_free(dead);
    pass_one(judge, 4000);
    ck_assert_str_eq(world->entry[0].owner, "w1");
    pass_one(judge, 2000);
    ck_assert_int_eq(row(world, 0)->state, SM_STATE_SUCCEEDED);
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
    pass(both, 2, 6000);
    for (int i = 0; i < 3; i++) {
        world->redis_down = true;
        pass(both, 2, 15000);
        world->redis_down = false;
        pass_one(b, 1000); /* it comes back before the other one has beaten */
        pass(both, 2, 6000);
    }
    ck_assert_str_eq(a->w.identity.name, "w1");
    ck_assert_str_eq(b->w.identity.name, "w2");
    ck_assert_uint_eq(world->members, 2);
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
        pass(both, 2, 6000);
        world->redis_behind_ms = jumps_ms[i];
    }
    pass(both, 2, 6000);
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
    pass(both, 2, 6000);
    world->redis_behind_ms = 3600000;
    road_free(dead);
    pass_one(judge, 7000);
    ck_assert_uint_eq(world->members, 1);
    road_end(judge);
}
END_TEST

START_TEST(a_worker_that_was_stopped_starts_nothing_it_no_longer_owns)
{
    struct fake_world *world = fake_world_new();
    struct road *slow = road_new(world, "w1"), *other = road_new(world, "w2");
    struct road *both[] = {slow, other};
    pass(both, 2, 6000);
    for (int i = 0; i < 50; i++)
        fake_enqueue(world, "debug.noop", "{}", 0);
    sm_fetcher_turn(&slow->fetcher, 0);
    pass_one(other, 7000); /* slow is stopped with 50 jobs in its ready ring */
    ck_assert_uint_eq(world->rows, 50);
    pass(both, 2, 2000);
    ck_assert_uint_eq(RUNS(slow), 0);
    ck_assert_str_ne(slow->w.identity.name, "w1");
    ck_assert_uint_eq(sm_ring_count(&slow->w.slots.free), SM_SLOTS);
    fake_enqueue(world, "debug.noop", "{}", 0); /* and it works on as somebody new */
    pass_one(slow, 1000);
    ck_assert_uint_eq(RUNS(slow), 1);
    road_free(slow);
    road_end(other);
}
END_TEST

START_TEST(a_late_failure_of_a_worker_that_was_given_up_has_no_effect)
{
    struct fake_world *world = fake_world_new();
    struct road *slow = road_new(world, "w1"), *other = road_new(world, "w2");
    struct road *both[] = {slow, other};
    pass(both, 2, 6000);
    fake_enqueue(world, "debug.fail", "{\"how\":\"permanent\",\"on_attempts\":[1]}", 0);
    sm_fetcher_turn(&slow->fetcher, 0);
    sm_stamp_turn(&slow->stamp, 0);     /* has failed, and is stopped before it commits */
    world->entry[0].tries.attempts = 1; /* for the other it is a second attempt */
    pass_one(other, 7000);
    ck_assert_int_eq(row(world, 0)->state, SM_STATE_SUCCEEDED);
    pass(both, 2, 2000);
    ck_assert_int_eq(row(world, 0)->state, SM_STATE_SUCCEEDED);
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
    pass(both, 2, 6000);
    fake_enqueue(world, "debug.noop", "{}", 0);
    sm_fetcher_turn(&slow->fetcher, 0);
    sm_stamp_turn(&slow->stamp, 0);
    pass_one(other, 7000);
    pass(both, 2, 2000);
    ck_assert_uint_eq(world->rows, 1);
    ck_assert_int_eq(row(world, 0)->state, SM_STATE_SUCCEEDED);
    ck_assert_uint_eq(fake_unsettled(world), 0);
    ck_assert_uint_eq(sm_ring_count(&slow->w.slots.free), SM_SLOTS);
    road_free(slow);
    road_end(other);
}
END_TEST

/* ---- guilt -- */

START_TEST(a_suspect_runs_alone_and_is_pardoned_when_it_ends)
{
    struct road *r = road_new(fake_world_new(), "w1");
    struct fake_world *world = r->world;
    fake_enqueue(world, "debug.fail", "{\"how\":\"temporary\",\"on_attempts\":[1]}", 0);
    world->entry[0].tries = (struct sm_tries){.losses = 2, .crashes = 1};
    pass_one(r, 500);
    ck_assert_uint_eq(atomic_load(&r->w.stats_keeper.counter[SM_C_CHARGED]), 1);
    ck_assert_int_eq(world->entry[0].tries.losses, 0);
    ck_assert_int_eq(world->entry[0].tries.crashes, 1); /* the charge of this run is taken back */
    ck_assert_int_eq(world->entry[0].tries.attempts, 1);
    ck_assert(road_run(r, 600));
    ck_assert_int_eq(row(world, 0)->state, SM_STATE_SUCCEEDED);
    ck_assert(!atomic_load(&r->w.hush));
    road_end(r);
}
END_TEST

START_TEST(while_a_suspect_runs_alone_nothing_else_starts_and_then_all_goes_on)
{
    struct road *r = road_new(fake_world_new(), "w1");
    struct fake_world *world = r->world;
    fake_enqueue(world, "debug.noop", "{}", 0);
    world->entry[0].tries.losses = 2;
    for (int i = 0; i < 20; i++)
        fake_enqueue(world, "debug.noop", "{}", 0);
    ck_assert(road_run(r, 300));
    ck_assert_uint_eq(world->rows, 21);
    road_end(r);
}
END_TEST

START_TEST(two_suspects_take_turns)
{
    struct road *r = road_new(fake_world_new(), "w1");
    struct fake_world *world = r->world;
    for (int i = 0; i < 3; i++) {
        fake_enqueue(world, "debug.noop", "{}", 0);
        world->entry[i].tries.losses = 2;
    }
    ck_assert(road_run(r, 2000));
    ck_assert_uint_eq(world->rows, 3);
    ck_assert_uint_eq(atomic_load(&r->w.stats_keeper.counter[SM_C_CHARGED]), 3);
    road_end(r);
}
END_TEST

START_TEST(a_job_charged_too_often_is_buried_unrun)
{
    struct road *r = road_new(fake_world_new(), "w1");
    struct fake_world *world = r->world;
    fake_enqueue(world, "debug.noop", "{}", 0);
    world->entry[0].tries = (struct sm_tries){.crashes = 3, .evident = 3};
    fake_enqueue(world, "debug.noop", "{}", 0);
    world->entry[1].tries = (struct sm_tries){.crashes = 10};
    ck_assert(road_run(r, 100));
    ck_assert_str_eq(row(world, 0)->error_code, "crashed");
    ck_assert_str_eq(row(world, 1)->error_code, "crashed");
    ck_assert_uint_eq(RUNS(r), 0);
    road_end(r);
}
END_TEST

/* ---- hung handlers, quiet -- */

START_TEST(a_run_that_never_returns_is_ended_in_its_stamps_place)
{
    struct road *r = road_new(fake_world_new(), "w1");
    struct fake_world *world = r->world;
    uint32_t i;
    fake_enqueue(world, "debug.noop", "{}", 0);
    world->entry[0].max_attempts = 1;
    sm_keeper_turn(&r->keeper);
    sm_fetcher_turn(&r->fetcher, 0);
    ck_assert_uint_eq(sm_ring_take(&r->w.ready, &i, 1, 0), 1); /* a stamp takes it and hangs */
    struct sm_slot *slot = &r->w.slots.slot[i];
    slot->started_us = world->now_us;
    atomic_store(&slot->since_us, world->now_us);
    atomic_store(&slot->timeout_us, 3000000);
    sm_slot_move(&r->w.slots, i, SM_RUNNING, SM_BY_STAMP);
    pass_one(r, 3500);
    ck_assert_int_eq(atomic_load(&slot->stop), SM_E_TIMED_OUT);
    ck_assert_uint_eq(world->rows, 0);
    pass_one(r, 1000);
    ck_assert_str_eq(row(world, 0)->error_code, "timed_out");
    ck_assert_uint_eq(world->attempts, 1);
    ck_assert_uint_eq(fake_unsettled(world), 0);
    ck_assert_uint_eq(atomic_load(&r->w.hung), 1);
    ck_assert_uint_eq(sm_ring_count(&r->w.slots.free), SM_SLOTS - 1); /* never used again */
    sm_job_free(&slot->job);                                          /* nothing runs in it here */
    sm_run_out_free(&slot->out);
    road_end(r);
}
END_TEST

START_TEST(a_process_that_stood_still_has_run_nobodys_time_out)
{
    struct road *r = road_new(fake_world_new(), "w1");
    struct fake_world *world = r->world;
    uint32_t i;
    fake_enqueue(world, "debug.noop", "{}", 0);
    sm_keeper_turn(&r->keeper);
    sm_fetcher_turn(&r->fetcher, 0);
    ck_assert_uint_eq(sm_ring_take(&r->w.ready, &i, 1, 0), 1);
    struct sm_slot *slot = &r->w.slots.slot[i];
    atomic_store(&slot->since_us, world->now_us);
    atomic_store(&slot->timeout_us, 3000000);
    sm_slot_move(&r->w.slots, i, SM_RUNNING, SM_BY_STAMP);
    pass_one(r, 2000);
    world->now_us += 60000000; /* stopped for a minute */
    pass_one(r, 500);
    ck_assert_int_eq(atomic_load(&slot->stop), 0);
    pass_one(r, 1000);
    ck_assert_int_eq(atomic_load(&slot->stop), SM_E_TIMED_OUT);
    world->now_us += 60000000;
    pass_one(r, 300);
    ck_assert_uint_eq(atomic_load(&r->w.hung), 0);
    sm_slot_move(&r->w.slots, i, SM_DONE, SM_BY_STAMP);
    sm_ring_put(&r->w.done, &i, 1);
    ck_assert(road_run(r, 100));
    road_end(r);
}
END_TEST

START_TEST(a_quiet_worker_fetches_nothing_until_it_is_woken)
{
    struct road *r = road_new(fake_world_new(), "w1");
    atomic_store(&r->w.quiet, true);
    fake_enqueue(r->world, "debug.noop", "{}", 0);
    pass_one(r, 2000);
    ck_assert_uint_eq(r->world->rows, 0);
    atomic_store(&r->w.quiet, false);
    ck_assert(road_run(r, 100));
    road_end(r);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("the fleet on fakes");
    TCase *tc = tcase_create("fleet");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, a_temporary_failure_is_tried_again_and_each_error_kept);
    tcase_add_test(tc, no_retry_comes_early);
    tcase_add_test(tc, after_max_attempts_it_is_buried);
    tcase_add_test(tc, asking_again_leaves_the_attempts_alone);
    tcase_add_test(tc, any_call_on_the_way_of_a_retry_may_fail_before_or_after_its_effect);
    tcase_add_test(tc, a_cancelled_job_that_waits_is_written_as_such_and_not_run);
    tcase_add_test(tc, a_request_does_not_touch_what_is_enqueued_after_it);
    tcase_add_test(tc, a_job_in_hand_is_cancelled_before_it_starts);
    tcase_add_test(tc, a_type_that_another_worker_runs_is_left_to_it);
    tcase_add_test(tc, a_dead_worker_is_given_up_after_its_lease_and_not_before);
    tcase_add_test(tc, a_redis_that_was_away_for_long_kills_nobody);
    tcase_add_test(tc, a_committer_that_did_not_notice_a_restart_settles_all_the_same);
    tcase_add_test(tc, a_clock_of_redis_that_jumps_kills_nobody);
    tcase_add_test(tc, a_worker_dead_when_the_clock_jumped_back_is_found_all_the_same);
    tcase_add_test(tc, a_worker_that_was_stopped_starts_nothing_it_no_longer_owns);
    tcase_add_test(tc, a_late_failure_of_a_worker_that_was_given_up_has_no_effect);
    tcase_add_test(tc, a_late_success_is_committed_and_does_no_harm);
    tcase_add_test(tc, a_suspect_runs_alone_and_is_pardoned_when_it_ends);
    tcase_add_test(tc, while_a_suspect_runs_alone_nothing_else_starts_and_then_all_goes_on);
    tcase_add_test(tc, two_suspects_take_turns);
    tcase_add_test(tc, a_job_charged_too_often_is_buried_unrun);
    tcase_add_test(tc, a_run_that_never_returns_is_ended_in_its_stamps_place);
    tcase_add_test(tc, a_process_that_stood_still_has_run_nobodys_time_out);
    tcase_add_test(tc, a_quiet_worker_fetches_nothing_until_it_is_woken);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
