/* Histograms. */
#include "base/hist.h"
#include "tests/base/suite.h"

START_TEST(bounds_ascend_from_100_us_to_10_min)
{
    ck_assert_int_eq(sm_hist_bounds_us[0], 100);
    ck_assert_int_eq(sm_hist_bounds_us[SM_HIST_BUCKETS - 1], INT64_C(600000000));
    for (int i = 1; i < SM_HIST_BUCKETS; i++)
        ck_assert_int_gt(sm_hist_bounds_us[i], sm_hist_bounds_us[i - 1]);
}
END_TEST

START_TEST(a_bound_belongs_to_its_own_bucket)
{
    static struct sm_hist hist;

    for (int i = 0; i < SM_HIST_BUCKETS; i++) {
        sm_hist_add(&hist, sm_hist_bounds_us[i], 2);
        ck_assert_uint_eq(hist.bucket[i], 2);
    }
    sm_hist_add(&hist, sm_hist_bounds_us[SM_HIST_BUCKETS - 1] + 1, 1);
    ck_assert_uint_eq(hist.bucket[SM_HIST_BUCKETS], 1);
    sm_hist_add(&hist, -5, 1);
    ck_assert_uint_eq(hist.bucket[0], 3);
    ck_assert_uint_eq(hist.count, 2 * SM_HIST_BUCKETS + 2);
}
END_TEST

START_TEST(sums_add_up)
{
    static struct sm_hist a, b, sum;

    sm_hist_add(&a, 200, 3);
    sm_hist_add(&b, 1000, 1);
    sm_hist_sum(&sum, &a);
    sm_hist_sum(&sum, &b);
    ck_assert_uint_eq(sum.count, 4);
    ck_assert_uint_eq(sum.sum_us, 1600);
    ck_assert_uint_eq(sum.bucket[1], 3);
    ck_assert_uint_eq(sum.bucket[3], 1);
}
END_TEST

int main(void)
{
    return RUN_SUITE("hist", {bounds_ascend_from_100_us_to_10_min, 0},
                     {a_bound_belongs_to_its_own_bucket, 0}, {sums_add_up, 0});
}
