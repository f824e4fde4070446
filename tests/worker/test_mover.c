/*
 * The mover on fakes, in simulated time: what is due gets into Redis once, and its row goes when
 * it has ended.
 */
#include "tests/worker/mover_rig.h"
#include "tests/worker/suite.h"

/* ---- moving -- */

START_TEST(what_is_due_gets_into_redis_once_and_its_row_goes_when_it_has_ended)
{
    struct rig *r = rig_new();
    rig_enqueue(r, "default", 1200);
    rig_enqueue(r, "served-by-nobody", 3);
    rig_turn(r, SECOND_US);
    rig_each_alive_once(r);
    ck_assert_uint_eq(rig_marked(r), 1203);
    rig_work(r);
    rig_turn(r, SECOND_US);
    ck_assert_uint_eq(rig_rows_left(r), 0);
    ck_assert_uint_eq(r->world->entries, 1203);
    rig_free(r);
}
END_TEST

START_TEST(what_is_due_later_waits_in_the_outbox_until_a_minute_before)
{
    struct rig *r = rig_new();
    int64_t due = r->world->now_us + 3600LL * SECOND_US;
    box_enqueue(r->world, "default", due);
    rig_turn(r, 10 * SECOND_US);
    ck_assert_uint_eq(r->world->entries, 0);
    r->world->now_us = due - 62 * SECOND_US;
    sm_mover_turn(&r->mover[0], 1);
    ck_assert_uint_eq(r->world->entries, 0);
    rig_turn(r, 4 * SECOND_US);
    ck_assert_uint_eq(r->world->entries, 1);
    ck_assert_int_eq(r->world->entry[0].at_ms, due / 1000);
    rig_free(r);
}
END_TEST

START_TEST(two_movers_at_once_move_nothing_twice)
{
    struct rig *r = rig_new();
    for (int i = 0; i < 100; i++) {
        rig_enqueue(r, "default", 37);
        sm_mover_turn(&r->mover[i % 2], 1);
        sm_mover_turn(&r->mover[(i + 1) % 2], 1);
        r->world->now_us += 20000;
    }
    rig_turn(r, SECOND_US);
    rig_each_alive_once(r);
    rig_free(r);
}
END_TEST

START_TEST(a_full_redis_loses_nothing_and_is_left_in_peace)
{
    struct rig *r = rig_new();
    rig_turn(r, SECOND_US);
    r->world->redis_full = true;
    rig_enqueue(r, "default", 100);
    int calls = r->world->calls;
    rig_turn(r, 60 * SECOND_US);
    ck_assert_int_lt(r->world->calls - calls, 400); /* back-off up to 2 s, not 3,000 turns */
    ck_assert_uint_eq(r->world->entries, 0);
    r->world->redis_full = false;
    rig_turn(r, 5 * SECOND_US);
    rig_each_alive_once(r);
    rig_free(r);
}
END_TEST

START_TEST(what_is_not_in_redis_is_counted_by_one_of_them)
{
    struct rig *r = rig_new();
    rig_turn(r, SECOND_US);
    ck_assert_int_eq(atomic_load(&r->w.outbox_due), 0);
    r->world->redis_full = true;
    rig_enqueue(r, "default", 7);
    box_enqueue(r->world, "default", r->world->now_us + 3600LL * SECOND_US);
    rig_turn(r, 12 * SECOND_US);
    ck_assert_int_eq(atomic_load(&r->w.outbox_due), 7);
    ck_assert_int_eq(atomic_load(&r->w.outbox_later), 1);
    sm_mover_turn(&r->mover[1], 1); /* the other one, which does not look after them */
    ck_assert_int_eq(atomic_load(&r->w.outbox_due), -1);
    rig_free(r);
}
END_TEST

START_TEST(servers_that_are_away_for_an_hour_lose_nothing)
{
    struct rig *r = rig_new();
    rig_turn(r, SECOND_US);
    r->world->redis_down = r->world->postgres_down = true;
    for (int i = 0; i < 3600; i++) {
        r->world->now_us += SECOND_US;
        sm_mover_turn(&r->mover[0], 0);
    }
    rig_enqueue(r, "default", 100);
    r->world->postgres_down = false;
    rig_turn(r, 5 * SECOND_US);
    ck_assert_uint_eq(r->world->entries, 0);
    r->world->redis_down = false;
    rig_turn(r, 5 * SECOND_US);
    rig_each_alive_once(r);
    rig_free(r);
}
END_TEST

START_TEST(a_queue_of_another_database_or_a_broken_one_holds_up_no_other)
{
    struct rig *r = rig_new();
    r->world->foreign = "theirs";
    r->world->broken = "string";
    rig_enqueue(r, "theirs", 600);
    rig_enqueue(r, "string", 600);
    rig_enqueue(r, "default", 5);
    rig_turn(r, SECOND_US);
    ck_assert_uint_eq(r->world->entries, 5);
    ck_assert_uint_eq(rig_rows_left(r), 1205);
    r->world->foreign = r->world->broken = NULL;
    rig_turn(r, 40 * SECOND_US);
    rig_each_alive_once(r);
    rig_free(r);
}
END_TEST

/* ---- sleeping -- */

START_TEST(a_call_wakes_it_at_once_and_without_one_it_hardly_looks)
{
    struct rig *r = rig_new();
    rig_turn(r, 5 * SECOND_US);
    rig_enqueue(r, "default", 1);
    r->world->called = true;
    sm_mover_turn(&r->mover[0], 1);
    sm_mover_turn(&r->mover[0], 1);
    ck_assert_uint_eq(r->world->entries, 1);
    rig_work(r);
    rig_turn(r, 5 * SECOND_US);
    rig_enqueue(r, "default", 1); /* nobody calls */
    rig_turn(r, 1100000);
    ck_assert_uint_eq(r->world->entries, 2);
    rig_free(r);
}
END_TEST

START_TEST(while_a_producer_is_at_it_the_mover_does_not_sleep)
{
    struct rig *r = rig_new();
    r->world->enqueueing = true;
    rig_turn(r, 5 * SECOND_US);
    rig_enqueue(r, "default", 1); /* its commit calls nobody */
    rig_turn(r, 60000);
    ck_assert_uint_eq(r->world->entries, 1);
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
        rig_enqueue(r, "default", 1);
        r->world->row[0].life = 2;
        rig_turn(r, SECOND_US);
        ck_assert_int_eq(r->world->entry[0].life, 2);
        r->world->result[r->world->results++] =
            (struct box_result){r->world->row[0].id, ends[i].state, ends[i].life};
        sm_ended_add(&r->w.ended, &r->world->row[0].id);
        rig_turn(r, SECOND_US);
        ck_assert_uint_eq(rig_rows_left(r), ends[i].goes ? 0 : 1);
        rig_free(r);
    }
}
END_TEST

START_TEST(a_retry_while_its_row_is_on_the_road_is_moved_in_its_own_life)
{
    struct rig *r = rig_new();
    rig_enqueue(r, "default", 1);
    rig_turn(r, SECOND_US);
    box_end(r->world, 0, SM_STATE_DEAD);
    struct box_row *row = &r->world->row[0]; /* as stampmill.retry leaves it */
    row->life = 2, row->epoch = 0, row->entry = 0;
    rig_turn(r, 2 * SECOND_US);
    ck_assert_uint_eq(r->world->entries, 2);
    ck_assert_int_eq(r->world->entry[1].life, 2);
    rig_free(r);
}
END_TEST

int main(void)
{
    return SUITE(
        "the mover on fakes", what_is_due_gets_into_redis_once_and_its_row_goes_when_it_has_ended,
        what_is_due_later_waits_in_the_outbox_until_a_minute_before,
        two_movers_at_once_move_nothing_twice, a_full_redis_loses_nothing_and_is_left_in_peace,
        what_is_not_in_redis_is_counted_by_one_of_them,
        servers_that_are_away_for_an_hour_lose_nothing,
        a_queue_of_another_database_or_a_broken_one_holds_up_no_other,
        a_call_wakes_it_at_once_and_without_one_it_hardly_looks,
        while_a_producer_is_at_it_the_mover_does_not_sleep,
        a_stale_end_of_an_earlier_life_deletes_nothing_unless_it_succeeded,
        a_retry_while_its_row_is_on_the_road_is_moved_in_its_own_life);
}
