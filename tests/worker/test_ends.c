/*
 * One worker on a fake world and what becomes of a job there: retries, cancelling, guilt, handlers
 * that do not return, in simulated time.
 */
#include <string.h>

#include "tests/worker/road.h"
#include "tests/worker/suite.h"

/* ---- retries -- */

START_TEST(a_temporary_failure_is_tried_again_and_each_error_kept)
{
    struct road *r = road_new(fake_world_new(), "w1");
    struct fake_world *world = r->world;
    fake_enqueue(world, "debug.fail", "{\"how\":\"temporary\",\"on_attempts\":[1,2]}", 0);
    ck_assert(road_run(r, 600));
    ck_assert_int_eq(road_row(world, 0)->state, SM_STATE_SUCCEEDED);
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
    road_pass(r, 600);
    ck_assert_uint_eq(road_runs(r), 1);
    road_pass(r, 800);
    ck_assert_uint_eq(road_runs(r), 2);
    road_end(r);
}
END_TEST

/* Redis's clock says when it is due. */
START_TEST(a_wall_clock_that_jumps_puts_no_retry_off)
{
    struct road *r = road_new(fake_world_new(), "w1");
    struct fake_world *world = r->world;
    fake_enqueue(world, "debug.fail", "{\"how\":\"temporary\"}", 0);
    sm_keeper_turn(&r->keeper);
    world->wall_ahead_us = 3600 * 1000000LL;
    sm_fetcher_turn(&r->fetcher, 0);
    sm_stamp_turn(&r->stamp, 0);
    while (world->entry[0].tries.attempts == 0)
        sm_committer_turn(r->committer, 0);
    ck_assert_int_le(world->entry[0].due_ms, fake_redis_ms(world) + 1300);
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
    ck_assert_int_eq(road_row(world, 0)->state, SM_STATE_DEAD);
    ck_assert_uint_eq(world->attempts, 3);
    ck_assert_uint_eq(road_runs(r), 3);
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
    ck_assert_str_eq(road_row(world, 0)->error_code, "expired");
    ck_assert_uint_gt(road_runs(r), 10);
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
    ck_assert_int_eq(road_row(world, 0)->state, SM_STATE_SUCCEEDED);
    ck_assert_int_eq(road_row(world, 1)->state, SM_STATE_SUCCEEDED);
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
    ck_assert_int_eq(road_row(world, 0)->state, SM_STATE_CANCELLED);
    ck_assert_uint_eq(road_runs(r), 0);
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
    ck_assert_int_eq(road_row(world, 0)->state, SM_STATE_SUCCEEDED);
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
    ck_assert_int_eq(road_row(world, 0)->state, SM_STATE_CANCELLED);
    road_end(r);
}
END_TEST

START_TEST(a_delayed_job_that_is_cancelled_while_it_is_being_parked_ends_at_once)
{
    struct road *r = road_new(fake_world_new(), "w1");
    struct fake_world *world = r->world;
    int64_t due_ms = world->now_us / 1000 + 3600000;
    fake_enqueue(world, "debug.noop", "{}", due_ms);
    sm_keeper_turn(&r->keeper);
    sm_fetcher_turn(&r->fetcher, 0); /* it is not due: on its way to be parked */
    fake_cancel(world, &world->entry[0].job);
    ck_assert(road_run(r, 100));
    ck_assert_int_lt(world->now_us / 1000, due_ms);
    ck_assert_int_eq(road_row(world, 0)->state, SM_STATE_CANCELLED);
    road_end(r);
}
END_TEST

/* It becomes due by the request, and must not run early by it. */
START_TEST(a_parked_job_is_cancelled_when_no_beat_has_told_of_it)
{
    struct road *r = road_new(fake_world_new(), "w1");
    struct fake_world *world = r->world;
    fake_enqueue(world, "debug.fail", "{\"how\":\"temporary\"}", 0);
    while (world->entry[0].tries.attempts == 0)
        road_step(r);
    world->now_us += 200000;
    fake_cancel(world, &world->entry[0].job);
    for (int i = 0; i < 5 && world->rows == 0; i++) {
        sm_fetcher_turn(&r->fetcher, 0);
        sm_stamp_turn(&r->stamp, 0);
        sm_committer_turn(r->committer, 0);
    }
    ck_assert_uint_eq(road_runs(r), 1);
    ck_assert_int_eq(road_row(world, 0)->state, SM_STATE_CANCELLED);
    road_end(r);
}
END_TEST

/* ---- guilt -- */

START_TEST(a_suspect_runs_alone_and_is_pardoned_when_it_ends)
{
    struct road *r = road_new(fake_world_new(), "w1");
    struct fake_world *world = r->world;
    fake_enqueue(world, "debug.fail", "{\"how\":\"temporary\",\"on_attempts\":[1]}", 0);
    world->entry[0].tries = (struct sm_tries){.losses = 2, .crashes = 1};
    road_pass(r, 500);
    ck_assert_uint_eq(atomic_load(&r->w.stats_keeper.counter[SM_C_CHARGED]), 1);
    ck_assert_int_eq(world->entry[0].tries.losses, 0);
    ck_assert_int_eq(world->entry[0].tries.crashes, 1); /* the charge of this run is taken back */
    ck_assert_int_eq(world->entry[0].tries.attempts, 1);
    ck_assert(road_run(r, 600));
    ck_assert_int_eq(road_row(world, 0)->state, SM_STATE_SUCCEEDED);
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
    ck_assert_str_eq(road_row(world, 0)->error_code, "crashed");
    ck_assert_str_eq(road_row(world, 1)->error_code, "crashed");
    ck_assert_uint_eq(road_runs(r), 0);
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
    road_pass(r, 3500);
    ck_assert_int_eq(atomic_load(&slot->stop), SM_E_TIMED_OUT);
    ck_assert_uint_eq(world->rows, 0);
    road_pass(r, 1000);
    ck_assert_str_eq(road_row(world, 0)->error_code, "timed_out");
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
    road_pass(r, 2000);
    world->now_us += 60000000; /* stopped for a minute */
    road_pass(r, 500);
    ck_assert_int_eq(atomic_load(&slot->stop), 0);
    road_pass(r, 1000);
    ck_assert_int_eq(atomic_load(&slot->stop), SM_E_TIMED_OUT);
    world->now_us += 60000000;
    road_pass(r, 300);
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
    road_pass(r, 2000);
    ck_assert_uint_eq(r->world->rows, 0);
    atomic_store(&r->w.quiet, false);
    ck_assert(road_run(r, 100));
    road_end(r);
}
END_TEST

int main(void)
{
    return SUITE("jobs on fakes", a_temporary_failure_is_tried_again_and_each_error_kept,
                 no_retry_comes_early, a_wall_clock_that_jumps_puts_no_retry_off,
                 after_max_attempts_it_is_buried, asking_again_leaves_the_attempts_alone,
                 any_call_on_the_way_of_a_retry_may_fail_before_or_after_its_effect,
                 a_cancelled_job_that_waits_is_written_as_such_and_not_run,
                 a_request_does_not_touch_what_is_enqueued_after_it,
                 a_job_in_hand_is_cancelled_before_it_starts,
                 a_delayed_job_that_is_cancelled_while_it_is_being_parked_ends_at_once,
                 a_parked_job_is_cancelled_when_no_beat_has_told_of_it,
                 a_suspect_runs_alone_and_is_pardoned_when_it_ends,
                 while_a_suspect_runs_alone_nothing_else_starts_and_then_all_goes_on,
                 two_suspects_take_turns, a_job_charged_too_often_is_buried_unrun,
                 a_run_that_never_returns_is_ended_in_its_stamps_place,
                 a_process_that_stood_still_has_run_nobodys_time_out,
                 a_quiet_worker_fetches_nothing_until_it_is_woken);
}
