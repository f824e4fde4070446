/* The arena. */
#include <stdalign.h>
#include <stdint.h>
#include <string.h>

#include "base/arena.h"
#include "tests/base/suite.h"

START_TEST(allocations_are_aligned_and_apart)
{
    struct sm_arena arena;
    unsigned char *at[2000];

    sm_arena_init(&arena, (size_t)64 << 20);
    for (size_t i = 0; i < 2000; i++) {
        at[i] = sm_arena_alloc(&arena, i * 7);
        ck_assert_ptr_nonnull(at[i]);
        ck_assert_uint_eq((uintptr_t)at[i] % alignof(max_align_t), 0);
        memset(at[i], (int)(i & 255), i * 7);
    }
    for (size_t i = 1; i < 2000; i++) {
        ck_assert_uint_eq(at[i][0], i & 255);
        ck_assert_uint_eq(at[i][i * 7 - 1], i & 255);
    }
    sm_arena_free(&arena);
}
END_TEST

START_TEST(nothing_is_allocated_before_the_first_use)
{
    struct sm_arena arena;

    sm_arena_init(&arena, 100);
    ck_assert_ptr_null(arena.blocks);
    sm_arena_reset(&arena, 200);
    sm_arena_free(&arena);
}
END_TEST

START_TEST(the_limit_bounds_the_sum)
{
    struct sm_arena arena;

    sm_arena_init(&arena, 1024);
    ck_assert_ptr_nonnull(sm_arena_alloc(&arena, 512));
    ck_assert_ptr_nonnull(sm_arena_alloc(&arena, 512));
    ck_assert_ptr_null(sm_arena_alloc(&arena, 1));
    ck_assert_ptr_null(sm_arena_alloc(&arena, SIZE_MAX));
    ck_assert_ptr_null(sm_arena_copy(&arena, "", SIZE_MAX - 1));
    ck_assert_uint_eq(arena.used, 1024);
    sm_arena_free(&arena);
}
END_TEST

START_TEST(a_reset_keeps_one_small_block)
{
    struct sm_arena arena;
    void *first;

    sm_arena_init(&arena, (size_t)64 << 20);
    first = sm_arena_alloc(&arena, 100);
    for (int i = 0; i < 1000; i++)
        ck_assert_ptr_nonnull(sm_arena_alloc(&arena, 5000));
    ck_assert_ptr_nonnull(sm_arena_alloc(&arena, (size_t)16 << 20));
    sm_arena_reset(&arena, 4096);
    ck_assert_uint_eq(arena.used, 0);
    ck_assert_ptr_nonnull(arena.blocks);
    ck_assert_ptr_nonnull(first);
    ck_assert_ptr_nonnull(sm_arena_alloc(&arena, 4096));
    ck_assert_ptr_null(sm_arena_alloc(&arena, 1));
    sm_arena_free(&arena);
}
END_TEST

START_TEST(a_reset_gives_a_large_first_block_back)
{
    struct sm_arena arena;

    sm_arena_init(&arena, (size_t)64 << 20);
    ck_assert_ptr_nonnull(sm_arena_alloc(&arena, (size_t)16 << 20));
    sm_arena_reset(&arena, 4096);
    ck_assert_ptr_null(arena.blocks);
    sm_arena_free(&arena);
}
END_TEST

START_TEST(a_large_allocation_does_not_end_the_current_block)
{
    struct sm_arena arena;
    char *a, *b;

    sm_arena_init(&arena, (size_t)64 << 20);
    a = sm_arena_alloc(&arena, 16);
    ck_assert_ptr_nonnull(sm_arena_alloc(&arena, (size_t)1 << 20));
    b = sm_arena_alloc(&arena, 16);
    ck_assert_ptr_eq(b, a + 16);
    sm_arena_free(&arena);
}
END_TEST

START_TEST(a_copy_ends_with_nul)
{
    struct sm_arena arena;
    char *copy;

    sm_arena_init(&arena, 4096);
    copy = sm_arena_copy(&arena, "abcdef", 3);
    ck_assert_str_eq(copy, "abc");
    ck_assert_str_eq(sm_arena_copy(&arena, NULL, 0), "");
    sm_arena_free(&arena);
}
END_TEST

int main(void)
{
    return RUN_SUITE(
        "arena", {allocations_are_aligned_and_apart, 0},
        {nothing_is_allocated_before_the_first_use, 0}, {the_limit_bounds_the_sum, 0},
        {a_reset_keeps_one_small_block, 0}, {a_reset_gives_a_large_first_block_back, 0},
        {a_large_allocation_does_not_end_the_current_block, 0}, {a_copy_ends_with_nul, 0});
}
