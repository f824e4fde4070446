/*
 * PostgreSQL full, and slow to be connected to, on fakes and in simulated time. (An hour without it
 * is in test_road.c, an hour of the mover's in test_mover.c.)
 */
#include "tests/worker/road.h"
#include "tests/worker/suite.h"

static void check_succeeded(struct road *r, size_t jobs)
{
    ck_assert_uint_eq(r->world->rows, jobs);
    ck_assert_uint_eq(r->world->attempts, 0);
    ck_assert_int_eq(r->world->settled_uncommitted, 0);
    for (size_t i = 0; i < jobs; i++)
        ck_assert_int_eq(r->world->row[i].state, SM_STATE_SUCCEEDED);
}

/* It lets us connect each time, and refuses the commit: that must not begin the back-off anew. */
START_TEST(a_full_postgres_is_tried_every_two_seconds_and_not_more_often)
{
    enum { JOBS = 50, SECONDS = 600 };
    struct road *r = road_new(fake_world_new(), "wtest");
    r->world->postgres_full = true;
    for (int i = 0; i < JOBS; i++)
        fake_enqueue(r->world, "debug.noop", "{}", 0);
    for (int64_t until = r->world->now_us + SECONDS * 1000000; r->world->now_us < until;)
        road_turn(r);
    ck_assert(!atomic_load(&r->w.postgres_up));
    ck_assert_int_ge(r->world->connects, SECONDS / 3);
    ck_assert_int_le(r->world->connects, SECONDS * 2 / 3);
    r->world->postgres_full = false;
    ck_assert(road_run(r, 500));
    ck_assert(atomic_load(&r->w.postgres_up));
    check_succeeded(r, JOBS);
    road_end(r);
}
END_TEST

/* Half a minute, in which the keeper's thread goes on. */
static void look_up_for_long(void *arg)
{
    struct road *r = arg;
    for (int i = 0; i < 600; i++) {
        r->world->now_us += 50000;
        sm_worker_turned(&r->w, SM_LOOP_FETCHER);
        sm_keeper_turn(&r->keeper);
        ck_assert_msg(sm_worker_trusts_lease(&r->w), "the beat stopped after %d ms", i * 50);
    }
}

/* libpq looks up a host's name without a deadline. The committer waits for it, and nothing else. */
START_TEST(a_worker_beats_on_while_the_name_of_postgres_is_looked_up)
{
    enum { JOBS = 50 };
    struct road *r = road_new(fake_world_new(), "wtest");
    for (int i = 0; i < JOBS; i++)
        fake_enqueue(r->world, "debug.noop", "{}", 0);
    r->world->connecting = look_up_for_long;
    r->world->connecting_arg = r;
    ck_assert(road_run(r, 500));
    check_succeeded(r, JOBS);
    road_end(r);
}
END_TEST

int main(void)
{
    return SUITE("outages on fakes", a_full_postgres_is_tried_every_two_seconds_and_not_more_often,
                 a_worker_beats_on_while_the_name_of_postgres_is_looked_up);
}
