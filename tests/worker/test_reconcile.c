/*
 * The mover on fakes when something is lost: what Redis loses gets there again, nothing is deleted
 * before it has ended, and any call may fail.
 */
#include "tests/worker/mover_rig.h"
#include "tests/worker/suite.h"

/* ---- losing -- */

START_TEST(a_wiped_redis_is_given_all_that_has_not_ended)
{
    struct rig *r = rig_new();
    rig_enqueue(r, "default", 50);
    rig_turn(r, SECOND_US);
    for (size_t i = 0; i < 20; i++)
        box_end(r->world, i, i % 2 ? SM_STATE_SUCCEEDED : SM_STATE_DEAD); /* nobody tells */
    box_wipe(r->world);
    rig_turn(r, 10 * SECOND_US);
    ck_assert_uint_eq(rig_rows_left(r), 30);
    ck_assert_uint_eq(r->world->entries, 80);
    for (size_t i = 20; i < 50; i++)
        ck_assert_uint_eq(box_alive(r->world, i), 1);
    rig_free(r);
}
END_TEST

START_TEST(of_an_older_snapshot_only_what_is_missing_is_added_again)
{
    struct rig *r = rig_new();
    rig_enqueue(r, "default", 300);
    rig_turn(r, SECOND_US);
    for (size_t i = 0; i < 300; i += 3)
        r->world->entry[i].there = false;
    r->world->run++;
    r->mover[0].redis.up = false; /* a restart ends connections */
    rig_turn(r, 20 * SECOND_US);
    rig_each_alive_once(r);
    ck_assert_uint_eq(r->world->entries, 400);
    rig_free(r);
}
END_TEST

START_TEST(a_stream_that_is_deleted_without_a_trace_is_found_out_by_samples)
{
    struct rig *r = rig_new();
    rig_enqueue(r, "default", 300);
    rig_turn(r, SECOND_US);
    for (size_t i = 0; i < 300; i++)
        r->world->entry[i].there = false;
    rig_turn(r, 20 * SECOND_US);
    rig_each_alive_once(r);
    ck_assert_uint_eq(r->world->entries, 600);
    rig_free(r);
}
END_TEST

START_TEST(two_thousand_jobs_that_wait_for_a_day_are_not_enqueued_twice)
{
    struct rig *r = rig_new();
    rig_enqueue(r, "default", 2000);
    rig_turn(r, SECOND_US);
    for (int minute = 0; minute < 24 * 60; minute++) {
        rig_turn(r, 60000);
        r->world->now_us += 60LL * SECOND_US;
    }
    ck_assert_uint_eq(r->world->entries, 2000);
    rig_each_alive_once(r);
    ck_assert_uint_eq(atomic_load(&r->w.stats_mover.counter[SM_C_RELAYED_ANEW]), 0);
    ck_assert_uint_gt(atomic_load(&r->w.stats_mover.counter[SM_C_ASKED]), 20 * 2000);
    rig_free(r);
}
END_TEST

static void commit_late(struct box_world *world)
{
    for (size_t i = 0; i < 10; i++)
        world->result[world->results++] =
            (struct box_result){world->entry[i].id, SM_STATE_SUCCEEDED, 1};
    world->after_asking = NULL;
}

START_TEST(a_result_that_was_committed_before_its_entry_went_is_seen)
{
    struct rig *r = rig_new();
    rig_enqueue(r, "default", 10);
    rig_turn(r, SECOND_US);
    for (size_t i = 0; i < 10; i++)
        r->world->entry[i].there = false;
    r->world->after_asking = commit_late;
    rig_turn(r, 60 * SECOND_US); /* one sample after the other */
    ck_assert_uint_eq(r->world->entries, 10);
    ck_assert_uint_eq(rig_rows_left(r), 0);
    rig_free(r);
}
END_TEST

START_TEST(what_nobody_told_of_is_cleared_after_an_hour_of_silence)
{
    struct rig *r = rig_new();
    rig_enqueue(r, "default", 200);
    rig_turn(r, SECOND_US);
    for (size_t i = 0; i < 200; i++)
        box_end(r->world, i, SM_STATE_SUCCEEDED);
    r->world->now_us += 3600LL * SECOND_US;
    rig_turn(r, 10 * SECOND_US);
    ck_assert_uint_eq(rig_rows_left(r), 0);
    ck_assert_uint_eq(r->world->entries, 200);
    rig_free(r);
}
END_TEST

START_TEST(however_many_queues_there_are_each_is_looked_at)
{
    struct rig *r = rig_new();
    char name[16];
    for (int i = 0; i < 150; i++) {
        snprintf(name, sizeof name, "q%d", i);
        rig_enqueue(r, name, 2);
    }
    rig_turn(r, SECOND_US);
    box_wipe(r->world);
    rig_turn(r, 20 * SECOND_US);
    rig_each_alive_once(r);
    rig_free(r);
}
END_TEST

/* ---- any call may fail -- */

/* Jobs are moved, some end, Redis is wiped, the rest end; returns how many calls it took. */
static int story(int n, bool late, bool dies)
{
    struct rig *r = rig_new();
    r->dies = dies;
    r->step_us = 100000; /* each call is failed in a run of its own: few turns */
    r->world->fail_at = n;
    r->world->fail_late = late;
    rig_enqueue(r, "default", 20);
    rig_enqueue(r, "mail", 20);
    rig_turn(r, 4 * SECOND_US);
    for (size_t i = 0; i < 10; i++)
        if (r->world->entry[i].there) {
            sm_ended_add(&r->w.ended, &r->world->entry[i].id);
            box_end(r->world, i, SM_STATE_SUCCEEDED);
        }
    rig_turn(r, 4 * SECOND_US);
    box_wipe(r->world);
    rig_turn(r, 12 * SECOND_US);
    for (size_t i = 0; i < r->world->rows; i++)
        ck_assert_msg(!r->world->row[i].there || box_alive(r->world, i) > 0,
                      "call %d failing %s: row %zu is nowhere", n, late ? "late" : "early", i);
    rig_work(r);
    rig_turn(r, 4 * SECOND_US);
    if (dies) { /* what it had not deleted yet is found when Redis has been silent for long */
        r->world->now_us += 3600LL * SECOND_US;
        rig_turn(r, 10 * SECOND_US);
    }
    ck_assert_msg(rig_rows_left(r) == 0, "call %d failing %s: %zu rows left", n,
                  late ? "late" : "early", rig_rows_left(r));
    ck_assert_uint_eq(r->world->results, 40);
    ck_assert_uint_le(r->world->entries, n == 0 ? 70 : 120);
    int calls = r->world->calls;
    rig_free(r);
    return calls;
}

START_TEST(any_one_call_may_fail_before_its_effect)
{
    int calls = story(0, false, false);
    for (int n = 1; n <= calls; n++)
        story(n, false, false);
}
END_TEST

START_TEST(any_one_answer_may_be_lost_after_its_effect)
{
    int calls = story(0, true, false);
    for (int n = 1; n <= calls; n++)
        story(n, true, false);
}
END_TEST

START_TEST(a_mover_may_die_before_or_after_any_call)
{
    int calls = story(0, false, true);
    for (int n = 1; n <= calls; n++) {
        story(n, false, true);
        story(n, true, true);
    }
}
END_TEST

int main(void)
{
    return SUITE(
        "the reconciler on fakes", a_wiped_redis_is_given_all_that_has_not_ended,
        of_an_older_snapshot_only_what_is_missing_is_added_again,
        a_stream_that_is_deleted_without_a_trace_is_found_out_by_samples,
        two_thousand_jobs_that_wait_for_a_day_are_not_enqueued_twice,
        a_result_that_was_committed_before_its_entry_went_is_seen,
        what_nobody_told_of_is_cleared_after_an_hour_of_silence,
        however_many_queues_there_are_each_is_looked_at, any_one_call_may_fail_before_its_effect,
        any_one_answer_may_be_lost_after_its_effect, a_mover_may_die_before_or_after_any_call);
}
