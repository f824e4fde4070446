/*
 * Upkeep on a real PostgreSQL, by a user with a worker's rights alone.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "store/upkeep.h"
#include "tests/store/fixture.h"

static struct sm_upkeep *open_upkeep(void)
{
    char url[400];
    struct sm_err err = {0};
    snprintf(url, sizeof url, "postgresql:///stampmill?host=%s&user=wally", servers.dir);
    struct sm_pg_options options = {url, "test_upkeep", false};
    struct sm_upkeep *upkeep = sm_upkeep_open(&options, 5000, &err);
    ck_assert_msg(upkeep != NULL, "%s", err.text);
    return upkeep;
}

static int partitions(void)
{
    return atoi(sql("SELECT count(*) FROM pg_inherits WHERE inhparent = "
                    "'stampmill.results'::regclass"));
}

static int make(struct sm_upkeep *upkeep, int days)
{
    struct sm_err err = {0};
    int made = -1;
    int rc = sm_upkeep_make_partitions(upkeep, days, &made, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    return made;
}

START_TEST(days_that_are_missing_are_made_once)
{
    struct sm_upkeep *upkeep = open_upkeep();
    int before = partitions();
    ck_assert_int_eq(make(upkeep, SM_UPKEEP_DAYS), 0); /* the migration made these */
    ck_assert_int_eq(make(upkeep, SM_UPKEEP_DAYS + 5), 5);
    ck_assert_int_eq(partitions(), before + 5);
    ck_assert_int_eq(make(upkeep, SM_UPKEEP_DAYS + 5), 0);
    sm_upkeep_close(upkeep);
}
END_TEST

static void *make_many(void *arg)
{
    struct sm_upkeep *upkeep = open_upkeep();
    *(int *)arg = make(upkeep, 60);
    sm_upkeep_close(upkeep);
    return NULL;
}

START_TEST(two_at_once_make_each_day_once)
{
    pthread_t threads[2];
    int made[2], before = partitions();
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, make_many, &made[i]), 0);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    ck_assert_int_gt(made[0] + made[1], 0);
    ck_assert_int_eq(partitions(), before + made[0] + made[1]);
    struct sm_upkeep *upkeep = open_upkeep();
    ck_assert_int_eq(make(upkeep, 60), 0); /* neither left a day out */
    sm_upkeep_close(upkeep);
}
END_TEST

START_TEST(a_long_reader_holds_it_up_for_about_a_second)
{
    struct sm_upkeep *upkeep = open_upkeep();
    int before = partitions();
    sql("BEGIN");
    sql("SELECT count(*) FROM stampmill.results_other");
    int64_t began = sm_mono_us(&sm_clock_real);
    int made = make(upkeep, 90);
    int64_t took = sm_mono_us(&sm_clock_real) - began;
    sql("COMMIT");
    ck_assert_int_eq(made, 0);
    ck_assert_int_ge(took, 900000);
    ck_assert_int_lt(took, 5000000);
    ck_assert_int_gt(make(upkeep, 90), 0); /* the connection is good for the next time */
    ck_assert_int_gt(partitions(), before);
    sm_upkeep_close(upkeep);
}
END_TEST

START_TEST(a_lost_connection_is_said_and_a_new_one_works)
{
    struct sm_upkeep *upkeep = open_upkeep();
    struct sm_err err = {0};
    int made;
    sql("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = "
        "'test_upkeep'");
    ck_assert_int_eq(sm_upkeep_make_partitions(upkeep, 1, &made, &err), SM_E_UNREACHABLE);
    sm_upkeep_close(upkeep);
    upkeep = open_upkeep();
    ck_assert_int_eq(make(upkeep, 1), 0);
    sm_upkeep_close(upkeep);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        days_that_are_missing_are_made_once,
        two_at_once_make_each_day_once,
        a_long_reader_holds_it_up_for_about_a_second,
        a_lost_connection_is_said_and_a_new_one_works,
    };
    return run_tests("store_upkeep", fixture_start, NULL, tests, sizeof tests / sizeof *tests);
}
