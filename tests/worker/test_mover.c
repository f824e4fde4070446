/*
 * The mover on fakes, in simulated time: what is due gets into Redis once, what Redis loses gets
 * there again, nothing is deleted before it has ended, and any call may fail.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/worker/fake_outbox.h"

#define SECOND_US 1000000

struct rig {
    struct box_world *world;
    struct sm_options options;
    struct sm_worker w;
    struct sm_mover_state mover[2]; /* two daemons; the second is idle in most tests */
    bool dies;                      /* the first, where a call fails: another comes in its place */
    int64_t step_us;                /* between two turns */
};

static struct rig *rig_new(void)
{
    struct rig *r = calloc(1, sizeof *r);
    r->world = box_world_new();
    r->step_us = 20000;
    r->options =
        (struct sm_options){.queues = {"default"}, .queues_n = 1, .stamps = 1, .lease_ms = 5000};
    struct sm_seams seams = {&r->world->clock, NULL, NULL, NULL};
    ck_assert_int_eq(sm_worker_init(&r->w, &r->options, &seams, "wtest", NULL), 0);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(
            sm_mover_init(&r->mover[i], &r->w, box_outbox(r->world), box_relay(r->world)), 0);
    return r;
}

static void rig_free(struct rig *r)
{
    sm_mover_free(&r->mover[0]);
    sm_mover_free(&r->mover[1]);
    sm_worker_free(&r->w);
    free(r->world);
    free(r);
}

/* The process has died, with all that it had in memory. */
static void replace_mover(struct rig *r)
{
    struct sm_id forgotten[64];
    while (sm_ended_take(&r->w.ended, forgotten, 64) > 0)
        ;
    sm_mover_free(&r->mover[0]);
    ck_assert_int_eq(sm_mover_init(&r->mover[0], &r->w, box_outbox(r->world), box_relay(r->world)),
                     0);
    r->world->failed = false;
}

/* Turns the first mover for so long. */
static void turn(struct rig *r, int64_t us)
{
    for (int64_t until = r->world->now_us + us; r->world->now_us < until;
         r->world->now_us += r->step_us) {
        sm_mover_turn(&r->mover[0], 1);
        if (r->dies && r->world->failed)
            replace_mover(r);
    }
}

/* A worker ends all entries that there are, and tells its mover. */
static void work(struct rig *r)
{
    for (size_t i = 0; i < r->world->entries; i++)
        if (r->world->entry[i].there) {
            sm_ended_add(&r->w.ended, &r->world->entry[i].id);
            box_end(r->world, i, SM_STATE_SUCCEEDED);
        }
}

static size_t rows_left(const struct rig *r)
{
    size_t n = 0;
    for (size_t i = 0; i < r->world->rows; i++)
        n += r->world->row[i].there;
    return n;
}

static size_t marked(const struct rig *r)
{
    size_t n = 0;
    for (size_t i = 0; i < r->world->rows; i++)
        n += r->world->row[i].there && r->world->row[i].epoch != 0;
    return n;
}

static void enqueue(struct rig *r, const char *queue, size_t n)
{
    for (size_t i = 0; i < n; i++)
        box_enqueue(r->world, queue, r->world->now_us);
}

static void assert_each_alive_once(const struct rig *r)
{
    for (size_t i = 0; i < r->world->rows; i++)
        ck_assert_uint_eq(box_alive(r->world, i), 1);
}

/* ---- moving -- */

START_TEST(what_is_due_gets_into_redis_once_and_its_row_goes_when_it_has_ended)
{
    struct rig *r = rig_new();
    enqueue(r, "default", 1200);
    enqueue(r, "served-by-nobody", 3);
    turn(r, SECOND_US);
    assert_each_alive_once(r);
    ck_assert_uint_eq(marked(r), 1203);
    work(r);
    turn(r, SECOND_US);
    ck_assert_uint_eq(rows_left(r), 0);
    ck_assert_uint_eq(r->world->entries, 1203);
    rig_free(r);
}
END_TEST

START_TEST(what_is_due_later_waits_in_the_outbox_until_a_minute_before)
{
    struct rig *r = rig_new();
    int64_t due = r->world->now_us + 3600LL * SECOND_US;
    box_enqueue(r->world, "default", due);
    turn(r, 10 * SECOND_US);
    ck_assert_uint_eq(r->world->entries, 0);
    r->world->now_us = due - 62 * SECOND_US;
    sm_mover_turn(&r->mover[0], 1);
    ck_assert_uint_eq(r->world->entries, 0);
    turn(r, 4 * SECOND_US);
    ck_assert_uint_eq(r->world->entries, 1);
    ck_assert_int_eq(r->world->entry[0].at_ms, due / 1000);
    rig_free(r);
}
END_TEST

START_TEST(two_movers_at_once_move_nothing_twice)
{
    struct rig *r = rig_new();
    for (int i = 0; i < 100; i++) {
        enqueue(r, "default", 37);
        sm_mover_turn(&r->mover[i % 2], 1);
        sm_mover_turn(&r->mover[(i + 1) % 2], 1);
        r->world->now_us += 20000;
    }
    turn(r, SECOND_US);
    assert_each_alive_once(r);
    rig_free(r);
}
END_TEST

START_TEST(a_full_redis_loses_nothing_and_is_left_in_peace)
{
    struct rig *r = rig_new();
    turn(r, SECOND_US);
    r->world->redis_full = true;
    enqueue(r, "default", 100);
    int calls = r->world->calls;
    turn(r, 60 * SECOND_US);
    ck_assert_int_lt(r->world->calls - calls, 400); /* back-off up to 2 s, not 3,000 turns */
    ck_assert_uint_eq(r->world->entries, 0);
    r->world->redis_full = false;
    turn(r, 5 * SECOND_US);
    assert_each_alive_once(r);
    rig_free(r);
}
END_TEST

START_TEST(servers_that_are_away_for_an_hour_lose_nothing)
{
    struct rig *r = rig_new();
    turn(r, SECOND_US);
    r->world->redis_down = r->world->postgres_down = true;
    for (int i = 0; i < 3600; i++) {
        r->world->now_us += SECOND_US;
        sm_mover_turn(&r->mover[0], 0);
    }
    enqueue(r, "default", 100);
    r->world->postgres_down = false;
    turn(r, 5 * SECOND_US);
    ck_assert_uint_eq(r->world->entries, 0);
    r->world->redis_down = false;
    turn(r, 5 * SECOND_US);
    assert_each_alive_once(r);
    rig_free(r);
}
END_TEST

START_TEST(a_queue_of_another_database_or_a_broken_one_holds_up_no_other)
{
    struct rig *r = rig_new();
    r->world->foreign = "theirs";
    r->world->broken = "string";
    enqueue(r, "theirs", 600);
    enqueue(r, "string", 600);
    enqueue(r, "default", 5);
    turn(r, SECOND_US);
    ck_assert_uint_eq(r->world->entries, 5);
    ck_assert_uint_eq(rows_left(r), 1205);
    r->world->foreign = r->world->broken = NULL;
    turn(r, 40 * SECOND_US);
    assert_each_alive_once(r);
    rig_free(r);
}
END_TEST

/* ---- sleeping -- */

START_TEST(a_call_wakes_it_at_once_and_without_one_it_hardly_looks)
{
    struct rig *r = rig_new();
    turn(r, 5 * SECOND_US);
    enqueue(r, "default", 1);
    r->world->called = true;
    sm_mover_turn(&r->mover[0], 1);
    sm_mover_turn(&r->mover[0], 1);
    ck_assert_uint_eq(r->world->entries, 1);
    work(r);
    turn(r, 5 * SECOND_US);
    enqueue(r, "default", 1); /* nobody calls */
    turn(r, 1100000);
    ck_assert_uint_eq(r->world->entries, 2);
    rig_free(r);
}
END_TEST

START_TEST(while_a_producer_is_at_it_the_mover_does_not_sleep)
{
    struct rig *r = rig_new();
    r->world->enqueueing = true;
    turn(r, 5 * SECOND_US);
    enqueue(r, "default", 1); /* its commit calls nobody */
    turn(r, 60000);
    ck_assert_uint_eq(r->world->entries, 1);
    rig_free(r);
}
END_TEST

/* ---- losing -- */

START_TEST(a_wiped_redis_is_given_all_that_has_not_ended)
{
    struct rig *r = rig_new();
    enqueue(r, "default", 50);
    turn(r, SECOND_US);
    for (size_t i = 0; i < 20; i++)
        box_end(r->world, i, i % 2 ? SM_STATE_SUCCEEDED : SM_STATE_DEAD); /* nobody tells */
    box_wipe(r->world);
    turn(r, 10 * SECOND_US);
    ck_assert_uint_eq(rows_left(r), 30);
    ck_assert_uint_eq(r->world->entries, 80);
    for (size_t i = 20; i < 50; i++)
        ck_assert_uint_eq(box_alive(r->world, i), 1);
    rig_free(r);
}
END_TEST

START_TEST(of_an_older_snapshot_only_what_is_missing_is_added_again)
{
    struct rig *r = rig_new();
    enqueue(r, "default", 300);
    turn(r, SECOND_US);
    for (size_t i = 0; i < 300; i += 3)
        r->world->entry[i].there = false;
    r->world->run++;
    r->mover[0].redis.up = false; /* a restart ends connections */
    turn(r, 20 * SECOND_US);
    assert_each_alive_once(r);
    ck_assert_uint_eq(r->world->entries, 400);
    rig_free(r);
}
END_TEST

START_TEST(a_stream_that_is_deleted_without_a_trace_is_found_out_by_samples)
{
    struct rig *r = rig_new();
    enqueue(r, "default", 300);
    turn(r, SECOND_US);
    for (size_t i = 0; i < 300; i++)
        r->world->entry[i].there = false;
    turn(r, 20 * SECOND_US);
    assert_each_alive_once(r);
    ck_assert_uint_eq(r->world->entries, 600);
    rig_free(r);
}
END_TEST

START_TEST(two_thousand_jobs_that_wait_for_a_day_are_not_enqueued_twice)
{
    struct rig *r = rig_new();
    enqueue(r, "default", 2000);
    turn(r, SECOND_US);
    for (int minute = 0; minute < 24 * 60; minute++) {
        turn(r, 60000);
        r->world->now_us += 60LL * SECOND_US;
    }
    ck_assert_uint_eq(r->world->entries, 2000);
    assert_each_alive_once(r);
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
    enqueue(r, "default", 10);
    turn(r, SECOND_US);
    for (size_t i = 0; i < 10; i++)
        r->world->entry[i].there = false;
    r->world->after_asking = commit_late;
    turn(r, 60 * SECOND_US); /* one sample after the other */
    ck_assert_uint_eq(r->world->entries, 10);
    ck_assert_uint_eq(rows_left(r), 0);
    rig_free(r);
}
END_TEST

START_TEST(what_nobody_told_of_is_cleared_after_an_hour_of_silence)
{
    struct rig *r = rig_new();
    enqueue(r, "default", 200);
    turn(r, SECOND_US);
    for (size_t i = 0; i < 200; i++)
        box_end(r->world, i, SM_STATE_SUCCEEDED);
    r->world->now_us += 3600LL * SECOND_US;
    turn(r, 10 * SECOND_US);
    ck_assert_uint_eq(rows_left(r), 0);
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
        enqueue(r, name, 2);
    }
    turn(r, SECOND_US);
    box_wipe(r->world);
    turn(r, 20 * SECOND_US);
    assert_each_alive_once(r);
    rig_free(r);
}
END_TEST

/* ---- lives -- */

START_TEST(a_stale_end_of_an_earlier_life_deletes_nothing_unless_it_succeeded)
{
    static const struct {
        enum sm_state state;
        int32_t life;
        bool goes;
    } ends[] = {{SM_STATE_DEAD, 1, false},     {SM_STATE_CANCELLED, 1, false},
                {SM_STATE_SUCCEEDED, 1, true}, {SM_STATE_WAITING, 2, false},
                {SM_STATE_DEAD, 2, true},      {SM_STATE_DEAD, 3, true}};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        struct rig *r = rig_new();
        enqueue(r, "default", 1);
        r->world->row[0].life = 2;
        turn(r, SECOND_US);
        ck_assert_int_eq(r->world->entry[0].life, 2);
        r->world->result[r->world->results++] =
            (struct box_result){r->world->row[0].id, ends[i].state, ends[i].life};
        sm_ended_add(&r->w.ended, &r->world->row[0].id);
        turn(r, SECOND_US);
        ck_assert_uint_eq(rows_left(r), ends[i].goes ? 0 : 1);
        rig_free(r);
    }
}
END_TEST

START_TEST(a_retry_while_its_row_is_on_the_road_is_moved_in_its_own_life)
{
    struct rig *r = rig_new();
    enqueue(r, "default", 1);
    turn(r, SECOND_US);
    box_end(r->world, 0, SM_STATE_DEAD);
    struct box_row *row = &r->world->row[0]; /* as stampmill.retry leaves it */
    row->life = 2, row->epoch = 0, row->entry = 0;
    turn(r, 2 * SECOND_US);
    ck_assert_uint_eq(r->world->entries, 2);
    ck_assert_int_eq(r->world->entry[1].life, 2);
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
    enqueue(r, "default", 20);
    enqueue(r, "mail", 20);
    turn(r, 4 * SECOND_US);
    for (size_t i = 0; i < 10; i++)
        if (r->world->entry[i].there) {
            sm_ended_add(&r->w.ended, &r->world->entry[i].id);
            box_end(r->world, i, SM_STATE_SUCCEEDED);
        }
    turn(r, 4 * SECOND_US);
    box_wipe(r->world);
    turn(r, 12 * SECOND_US);
    for (size_t i = 0; i < r->world->rows; i++)
        ck_assert_msg(!r->world->row[i].there || box_alive(r->world, i) > 0,
                      "call %d failing %s: row %zu is nowhere", n, late ? "late" : "early", i);
    work(r);
    turn(r, 4 * SECOND_US);
    if (dies) { /* what it had not deleted yet is found when Redis has been silent for long */
        r->world->now_us += 3600LL * SECOND_US;
        turn(r, 10 * SECOND_US);
    }
    ck_assert_msg(rows_left(r) == 0, "call %d failing %s: %zu rows left", n,
                  late ? "late" : "early", rows_left(r));
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
    const TTest *const tests[] = {
        what_is_due_gets_into_redis_once_and_its_row_goes_when_it_has_ended,
        what_is_due_later_waits_in_the_outbox_until_a_minute_before,
        two_movers_at_once_move_nothing_twice,
        a_full_redis_loses_nothing_and_is_left_in_peace,
        servers_that_are_away_for_an_hour_lose_nothing,
        a_queue_of_another_database_or_a_broken_one_holds_up_no_other,
        a_call_wakes_it_at_once_and_without_one_it_hardly_looks,
        while_a_producer_is_at_it_the_mover_does_not_sleep,
        a_wiped_redis_is_given_all_that_has_not_ended,
        of_an_older_snapshot_only_what_is_missing_is_added_again,
        a_stream_that_is_deleted_without_a_trace_is_found_out_by_samples,
        two_thousand_jobs_that_wait_for_a_day_are_not_enqueued_twice,
        a_result_that_was_committed_before_its_entry_went_is_seen,
        however_many_queues_there_are_each_is_looked_at,
        what_nobody_told_of_is_cleared_after_an_hour_of_silence,
        a_stale_end_of_an_earlier_life_deletes_nothing_unless_it_succeeded,
        a_retry_while_its_row_is_on_the_road_is_moved_in_its_own_life,
        any_one_call_may_fail_before_its_effect,
        any_one_answer_may_be_lost_after_its_effect,
        a_mover_may_die_before_or_after_any_call,
    };
    sm_log_setup(SM_LOG_ERROR, SM_LOG_TEXT);
    Suite *suite = suite_create("the mover on fakes");
    TCase *tc = tcase_create("mover");
    tcase_set_timeout(tc, 120);
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        tcase_add_test(tc, tests[i]);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
