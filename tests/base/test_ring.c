/* The ring. */
#include <signal.h>

#include "base/clock.h"
#include "base/ring.h"
#include "base/thread.h"
#include "tests/base/suite.h"

START_TEST(numbers_come_out_in_order_across_the_wrap)
{
    struct sm_ring ring;
    uint32_t next_in = 0, next_out = 0, items[8];

    ck_assert_int_eq(sm_ring_init(&ring, 6), 0);
    ck_assert_uint_eq(ring.room, 8);
    for (int round = 0; round < 100; round++) {
        size_t n = (size_t)round % 6 + 1, got;

        for (size_t i = 0; i < n; i++)
            items[i] = next_in++;
        sm_ring_put(&ring, items, n);
        ck_assert_uint_eq(sm_ring_count(&ring), n);
        got = sm_ring_take(&ring, items, 8, 0);
        ck_assert_uint_eq(got, n);
        for (size_t i = 0; i < got; i++)
            ck_assert_uint_eq(items[i], next_out++);
    }
    sm_ring_free(&ring);
}
END_TEST

START_TEST(a_take_leaves_what_it_did_not_ask_for)
{
    struct sm_ring ring;
    uint32_t in[] = {1, 2, 3}, out[3];

    ck_assert_int_eq(sm_ring_init(&ring, 4), 0);
    sm_ring_put(&ring, in, 3);
    ck_assert_uint_eq(sm_ring_take(&ring, out, 2, -1), 2);
    ck_assert_uint_eq(sm_ring_take(&ring, out, 2, 0), 1);
    ck_assert_uint_eq(out[0], 3);
    ck_assert_uint_eq(sm_ring_take(&ring, out, 2, 0), 0);
    sm_ring_free(&ring);
}
END_TEST

START_TEST(what_is_put_in_front_comes_first_and_in_order)
{
    struct sm_ring ring;
    uint32_t back[] = {3, 4}, front[] = {1, 2}, out[4];

    ck_assert_int_eq(sm_ring_init(&ring, 4), 0);
    sm_ring_put(&ring, back, 2);
    sm_ring_put_front(&ring, front, 2); /* head runs below 0: wraps */
    ck_assert_uint_eq(sm_ring_take(&ring, out, 4, 0), 4);
    for (uint32_t i = 0; i < 4; i++)
        ck_assert_uint_eq(out[i], i + 1);
    sm_ring_free(&ring);
}
END_TEST

START_TEST(what_is_put_early_comes_before_the_rest_and_in_the_order_it_came)
{
    struct sm_ring ring;
    uint32_t back[] = {6, 7}, early[] = {1, 2, 3, 4, 5}, out[8];

    ck_assert_int_eq(sm_ring_init(&ring, 8), 0);
    sm_ring_put(&ring, back, 2);
    sm_ring_put_early(&ring, early, 2);
    sm_ring_put_early(&ring, early + 2, 1);
    ck_assert_uint_eq(sm_ring_take(&ring, out, 2, 0), 2);
    sm_ring_put_front(&ring, out + 1, 1); /* not run after all */
    sm_ring_put_early(&ring, early + 3, 2);
    ck_assert_uint_eq(sm_ring_take(&ring, out + 1, 6, 0), 6);
    for (uint32_t i = 0; i < 7; i++)
        ck_assert_uint_eq(out[i], i + 1);
    sm_ring_put(&ring, back, 1);
    ck_assert_uint_eq(sm_ring_take(&ring, out, 8, 0), 1);
    sm_ring_put(&ring, back, 2); /* nothing is early any more */
    sm_ring_put_early(&ring, early, 1);
    ck_assert_uint_eq(sm_ring_take(&ring, out, 8, 0), 3);
    ck_assert(out[0] == 1 && out[1] == 6 && out[2] == 7);
    sm_ring_free(&ring);
}
END_TEST

START_TEST(a_put_without_room_aborts)
{
    struct sm_ring ring;
    uint32_t in[3] = {0};

    ck_assert_int_eq(sm_ring_init(&ring, 4), 0);
    sm_ring_put(&ring, in, 3);
    sm_ring_put(&ring, in, 2);
}
END_TEST

START_TEST(a_wait_on_an_empty_ring_ends_at_its_time)
{
    struct sm_ring ring;
    uint32_t out;
    int64_t from = sm_mono_us(&sm_clock_real);

    ck_assert_int_eq(sm_ring_init(&ring, 4), 0);
    ck_assert_uint_eq(sm_ring_take(&ring, &out, 1, 20000), 0);
    ck_assert_int_ge(sm_mono_us(&sm_clock_real) - from, 20000);
    ck_assert_uint_eq(ring.sleepers, 0);
    sm_ring_free(&ring);
}
END_TEST

static void *take_one(void *arg)
{
    uint32_t item = 0;

    (void)sm_ring_take(arg, &item, 1, -1);
    return (void *)(uintptr_t)item;
}

/* Returns once `n` threads sleep on the ring. */
static void await_sleepers(struct sm_ring *ring, uint32_t n)
{
    uint32_t sleepers;

    do {
        sched_yield();
        sm_lock(&ring->lock);
        sleepers = ring->sleepers;
        sm_unlock(&ring->lock);
    } while (sleepers < n);
}

START_TEST(one_batch_wakes_as_many_sleepers_as_it_has_numbers)
{
    struct sm_ring ring;
    pthread_t threads[3];
    uint32_t in[] = {10, 20, 30};
    uintptr_t sum = 0;

    ck_assert_int_eq(sm_ring_init(&ring, 4), 0);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(sm_thread_start(&threads[i], "taker", 0, take_one, &ring), 0);
    await_sleepers(&ring, 3);
    sm_ring_put(&ring, in, 3);
    for (int i = 0; i < 3; i++) {
        void *item;

        ck_assert_int_eq(pthread_join(threads[i], &item), 0);
        sum += (uintptr_t)item;
    }
    ck_assert_uint_eq(sum, 60);
    sm_ring_free(&ring);
}
END_TEST

START_TEST(closing_wakes_all_and_lets_what_is_left_be_taken)
{
    struct sm_ring ring;
    pthread_t threads[3];
    uint32_t in = 5, out = 0;

    ck_assert_int_eq(sm_ring_init(&ring, 4), 0);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(sm_thread_start(&threads[i], "taker", 0, take_one, &ring), 0);
    await_sleepers(&ring, 3);
    ck_assert(!sm_ring_closed(&ring));
    sm_ring_close(&ring);
    for (int i = 0; i < 3; i++)
        sm_thread_join(threads[i]);
    ck_assert(sm_ring_closed(&ring));
    sm_ring_put(&ring, &in, 1);
    ck_assert_uint_eq(sm_ring_take(&ring, &out, 1, -1), 1);
    ck_assert_uint_eq(out, 5);
    ck_assert_uint_eq(sm_ring_take(&ring, &out, 1, -1), 0);
    sm_ring_free(&ring);
}
END_TEST

#define TAKERS 4
#define ITEMS 100000

struct shared {
    struct sm_ring ready, back;
    uint64_t sums[TAKERS];
};

struct taker {
    struct shared *shared;
    int number;
};

static void *pass_on(void *arg)
{
    struct taker *me = arg;
    uint32_t items[16];
    size_t n;

    while ((n = sm_ring_take(&me->shared->ready, items, 16, -1)) > 0) {
        for (size_t i = 0; i < n; i++)
            me->shared->sums[me->number] += items[i];
        sm_ring_put(&me->shared->back, items, n);
    }
    return NULL;
}

/* Slots travel round as in the daemon: 64 of them, each carrying ITEMS / 64 numbers. */
START_TEST(between_threads_nothing_is_lost_or_doubled)
{
    static struct shared shared;
    struct taker takers[TAKERS];
    pthread_t threads[TAKERS];
    uint64_t sum = 0, expected = 0, returned = 0;
    uint32_t items[64], slots = 64;

    ck_assert_int_eq(sm_ring_init(&shared.ready, 64), 0);
    ck_assert_int_eq(sm_ring_init(&shared.back, 64), 0);
    for (int i = 0; i < TAKERS; i++) {
        takers[i] = (struct taker){&shared, i};
        ck_assert_int_eq(sm_thread_start(&threads[i], "pass", 0, pass_on, &takers[i]), 0);
    }
    for (uint32_t next = 0; next < ITEMS;) {
        uint32_t n = slots < ITEMS - next ? slots : ITEMS - next;

        for (uint32_t i = 0; i < n; i++) {
            items[i] = next + i;
            expected += next + i;
        }
        sm_ring_put(&shared.ready, items, n);
        next += n;
        slots = slots - n + (uint32_t)sm_ring_take(&shared.back, items, 64, -1);
        returned = next - (64 - slots);
    }
    while (returned < ITEMS)
        returned += sm_ring_take(&shared.back, items, 64, -1);
    sm_ring_close(&shared.ready);
    for (int i = 0; i < TAKERS; i++) {
        sm_thread_join(threads[i]);
        sum += shared.sums[i];
    }
    ck_assert_uint_eq(returned, ITEMS);
    ck_assert_uint_eq(sum, expected);
    sm_ring_free(&shared.ready);
    sm_ring_free(&shared.back);
}
END_TEST

int main(void)
{
    return RUN_SUITE("ring", {numbers_come_out_in_order_across_the_wrap, 0},
                     {a_take_leaves_what_it_did_not_ask_for, 0},
                     {what_is_put_in_front_comes_first_and_in_order, 0},
                     {what_is_put_early_comes_before_the_rest_and_in_the_order_it_came, 0},
                     {a_put_without_room_aborts, SIGABRT},
                     {a_wait_on_an_empty_ring_ends_at_its_time, 0},
                     {one_batch_wakes_as_many_sleepers_as_it_has_numbers, 0},
                     {closing_wakes_all_and_lets_what_is_left_be_taken, 0},
                     {between_threads_nothing_is_lost_or_doubled, 0});
}
