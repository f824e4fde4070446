/*
 * The whole road in one process: fetcher, stamp, committer and keeper turn by turn on fakes, with
 * simulated time and the n-th call failing.
 */
#include <string.h>

#include "tests/worker/road.h"
#include "tests/worker/suite.h"

static void enqueue_mix(struct fake_world *world)
{
    for (int i = 0; i < 40; i++)
        fake_enqueue(world, "debug.noop", "{}", 0);
    fake_enqueue(world, "debug.echo", "{\"x\":1}", 0);
    fake_enqueue(world, "debug.fail", "{\"how\":\"permanent\"}", 0);
    fake_enqueue(world, "debug.nop", "{}", 0);
    fake_enqueue(world, "debug.echo", "{\"later\":1}", world->now_us / 1000 + 700);
}

static void assert_all_ended_once(struct road *r)
{
    struct fake_world *world = r->world;
    ck_assert_uint_eq(world->rows, world->entries);
    ck_assert_int_eq(world->settled_uncommitted, 0);
    for (size_t i = 0; i < world->entries; i++) {
        struct fake_row *row = fake_find_row(world, &world->entry[i].job);
        bool bad = strcmp(world->entry[i].type, "debug.fail") == 0 ||
                   strcmp(world->entry[i].type, "debug.nop") == 0;
        ck_assert_ptr_nonnull(row);
        ck_assert_int_eq(row->state, bad ? SM_STATE_DEAD : SM_STATE_SUCCEEDED);
    }
    ck_assert_uint_eq(sm_ring_count(&r->w.slots.free), SM_SLOTS);
    ck_assert_uint_eq(atomic_load(&r->w.slots.bytes), 0);
}

START_TEST(every_job_is_run_committed_and_settled)
{
    struct road *r = road_new(fake_world_new(), "wtest");
    enqueue_mix(r->world);
    ck_assert(road_run(r, 500));
    assert_all_ended_once(r);
    for (size_t i = 0; i < r->world->rows; i++)
        ck_assert_int_eq(r->world->row[i].writes, 1);
    ck_assert_str_eq(fake_find_row(r->world, &r->world->entry[42].job)->error_code, "unknown_type");
    road_end(r);
}
END_TEST

START_TEST(a_delayed_job_does_not_run_before_it_is_due)
{
    struct road *r = road_new(fake_world_new(), "wtest");
    int64_t due_ms = r->world->now_us / 1000 + 5000;
    fake_enqueue(r->world, "debug.noop", "{}", due_ms);
    while (r->world->now_us / 1000 < due_ms) {
        ck_assert_uint_eq(r->world->rows, 0);
        road_turn(r);
    }
    ck_assert(road_run(r, 50));
    road_end(r);
}
END_TEST

/* The mix with the n-th call failing; returns how many calls it took. */
static int run_failing(int n, bool late)
{
    struct road *r = road_new(fake_world_new(), "wtest");
    r->world->fail_at = n;
    r->world->fail_late = late;
    enqueue_mix(r->world);
    ck_assert_msg(road_run(r, 2000), "call %d failing %s: not all settled", n,
                  late ? "late" : "early");
    assert_all_ended_once(r);
    int calls = r->world->calls;
    road_end(r);
    return calls;
}

START_TEST(any_one_call_may_fail_before_its_effect)
{
    int calls = run_failing(0, false);
    for (int n = 1; n <= calls; n++)
        run_failing(n, false);
}
END_TEST

START_TEST(any_one_reply_may_be_lost_after_its_effect)
{
    int calls = run_failing(0, true);
    for (int n = 1; n <= calls; n++)
        run_failing(n, true);
}
END_TEST

START_TEST(an_hour_without_postgres_loses_and_repeats_nothing)
{
    struct road *r = road_new(fake_world_new(), "wtest");
    r->world->postgres_down = true;
    for (int i = 0; i < 3000; i++)
        fake_enqueue(r->world, "debug.noop", "{}", 0);
    for (int i = 0; i < 3600; i++) {
        road_turn(r);
        r->world->now_us += 980000;
    }
    ck_assert_uint_eq(r->world->rows, 0);
    ck_assert_int_eq(r->world->settled_uncommitted, 0);
    r->world->postgres_down = false;
    ck_assert(road_run(r, 2000));
    assert_all_ended_once(r);
    ck_assert_uint_eq(atomic_load(&r->w.stats_stamps[0].counter[SM_C_STARTED]), 3000);
    road_end(r);
}
END_TEST

START_TEST(without_redis_nothing_is_started_once_the_lease_is_in_doubt)
{
    struct road *r = road_new(fake_world_new(), "wtest");
    road_turn(r);
    r->world->redis_down = true;
    r->world->now_us += 3000000;
    ck_assert(!sm_worker_trusts_lease(&r->w));
    fake_enqueue(r->world, "debug.noop", "{}", 0);
    for (int i = 0; i < 100; i++)
        road_turn(r);
    ck_assert_uint_eq(r->world->rows, 0);
    r->world->redis_down = false;
    ck_assert(road_run(r, 500));
    assert_all_ended_once(r);
    road_end(r);
}
END_TEST

START_TEST(a_refused_result_buries_its_own_job_only)
{
    struct road *r = road_new(fake_world_new(), "wtest");
    r->world->refuse_results = true;
    fake_enqueue(r->world, "debug.noop", "{}", 0);
    fake_enqueue(r->world, "debug.echo", "{\"x\":1}", 0);
    ck_assert(road_run(r, 500));
    ck_assert_int_eq(fake_find_row(r->world, &r->world->entry[0].job)->state, SM_STATE_SUCCEEDED);
    ck_assert_str_eq(fake_find_row(r->world, &r->world->entry[1].job)->error_code,
                     "result_refused");
    road_end(r);
}
END_TEST

START_TEST(a_failure_of_an_entry_no_longer_owned_is_not_written)
{
    struct road *r = road_new(fake_world_new(), "wtest");
    fake_enqueue(r->world, "debug.fail", "{\"how\":\"permanent\"}", 0);
    sm_keeper_turn(&r->keeper);
    sm_fetcher_turn(&r->fetcher, 0);
    ck_assert_str_eq(r->world->entry[0].owner, "wtest");
    strcpy(r->world->entry[0].owner, "another");
    for (int i = 0; i < 400; i++)
        road_turn(r);
    ck_assert(r->world->entry[0].pending);
    ck_assert_uint_eq(r->world->rows, 0);
    ck_assert_uint_eq(sm_ring_count(&r->w.slots.free), SM_SLOTS);
    road_end(r);
}
END_TEST

START_TEST(a_drain_without_postgres_hands_back_what_it_stopped_and_did_not_start)
{
    struct road *r = road_new(fake_world_new(), "wtest");
    uint32_t unstarted;
    fake_enqueue(r->world, "debug.sleep", "{\"ms\":60000}", 0);
    fake_enqueue(r->world, "debug.noop", "{}", 0);
    r->world->postgres_down = true;
    sm_keeper_turn(&r->keeper);
    sm_fetcher_turn(&r->fetcher, 0);
    for (int i = 0; i < SM_SLOTS; i++)
        atomic_store(&r->w.slots.slot[i].stop, SM_E_STOPPED);
    sm_stamp_turn(&r->stamp, 0); /* of a type not seen before one is taken alone */
    ck_assert_uint_eq(sm_ring_take(&r->w.ready, &unstarted, 1, 0), 1);
    sm_send_back(&r->w, &unstarted, 1, 0, SM_BY_DRAIN);
    sm_ring_close(&r->w.done);
    ck_assert(!sm_committer_turn(r->committer, 0)); /* nothing is left to it */
    for (int i = 0; i < 2; i++) {
        ck_assert_str_eq(r->world->entry[i].owner, ":free");
        ck_assert_int_eq(r->world->entry[i].tries.attempts, 0);
    }
    ck_assert_uint_eq(r->world->attempts, 0);
    ck_assert_uint_eq(sm_ring_count(&r->w.slots.free), SM_SLOTS);
    road_end(r);
}
END_TEST

START_TEST(two_entries_of_one_id_end_in_one_row)
{
    struct road *r = road_new(fake_world_new(), "wtest");
    fake_enqueue(r->world, "debug.noop", "{}", 0);
    fake_enqueue(r->world, "debug.noop", "{}", 0);
    r->world->entry[1].job = r->world->entry[0].job;
    ck_assert(road_run(r, 500));
    ck_assert_uint_eq(r->world->rows, 1);
    road_end(r);
}
END_TEST

int main(void)
{
    return SUITE("the road on fakes", every_job_is_run_committed_and_settled,
                 a_delayed_job_does_not_run_before_it_is_due,
                 any_one_call_may_fail_before_its_effect,
                 any_one_reply_may_be_lost_after_its_effect,
                 an_hour_without_postgres_loses_and_repeats_nothing,
                 without_redis_nothing_is_started_once_the_lease_is_in_doubt,
                 a_refused_result_buries_its_own_job_only,
                 a_failure_of_an_entry_no_longer_owned_is_not_written,
                 a_drain_without_postgres_hands_back_what_it_stopped_and_did_not_start,
                 two_entries_of_one_id_end_in_one_row);
}
