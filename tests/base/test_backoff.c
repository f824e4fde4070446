/* Back-off. */
#include "base/backoff.h"
#include "tests/base/suite.h"

#define HALF (UINT32_MAX / 2 + 1)

START_TEST(waits_double_up_to_the_most)
{
    ck_assert_int_eq(sm_backoff_ms(1000, 3600000, 1, HALF), 1000);
    ck_assert_int_eq(sm_backoff_ms(1000, 3600000, 2, HALF), 2000);
    ck_assert_int_eq(sm_backoff_ms(1000, 3600000, 5, HALF), 16000);
    ck_assert_int_eq(sm_backoff_ms(1000, 3600000, 13, HALF), 3600000);
    ck_assert_int_eq(sm_backoff_ms(1000, 3600000, 1000000, HALF), 3600000);
    ck_assert_int_eq(sm_backoff_ms(1000, 3600000, 0, HALF), 1000);
}
END_TEST

START_TEST(waits_are_spread_by_a_fifth_to_either_side)
{
    ck_assert_int_eq(sm_backoff_ms(1000, 3600000, 1, 0), 800);
    ck_assert_int_eq(sm_backoff_ms(1000, 3600000, 1, UINT32_MAX), 1200);
    ck_assert_int_le(sm_backoff_ms(1000, 3600000, 60, UINT32_MAX), 4320000);
}
END_TEST

int main(void)
{
    return RUN_SUITE("backoff", {waits_double_up_to_the_most, 0},
                     {waits_are_spread_by_a_fifth_to_either_side, 0});
}
