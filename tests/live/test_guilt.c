/*
 * Guilt by evidence: what the death of a daemon says of the jobs it had in hand. A crash is charged
 * to the job whose stamp took it; evictions and restarts of Redis bury nobody; a job that always
 * kills its worker is buried after as many deaths as the design says, and no more.
 *
 * The test is the supervisor: mill_tend starts a daemon again whenever it has ended.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tests/live/fleet.h"

#define CRASH "{\"how\":\"crash\"}"
#define EXIT "{\"how\":\"exit\"}"

/* Under supervision until the job has a row. */
static void tend_until_ended(struct mill *m, const struct sm_id *id)
{
    for (int64_t began = now_ms(); row_text(id, "state")[0] == '\0'; nap_ms(10)) {
        mill_tend(m);
        ck_assert_msg(now_ms() - began < 200000, "%d deaths and no end", m->deaths);
    }
}

static void check_crashed(const struct sm_id *id)
{
    ck_assert_str_eq(row_text(id, "state"), "dead");
    ck_assert_str_eq(row_text(id, "error_code"), "crashed");
    ck_assert_int_eq(rows_in("dead"), 1);
    ck_assert_int_eq(
        sql_int("SELECT count(*) FROM stampmill.results WHERE attempt > 1 OR (state <> 'succeeded' "
                "AND error_code <> 'crashed')"),
        0);
    ck_assert_int_eq(sql_int("SELECT count(*) FROM stampmill.attempts"), 0);
}

/* ---- a fatal signal -- */

/* What Redis notes of an entry. */
static const char *tries_of(struct sm_entry_id entry)
{
    char id[SM_ENTRY_ID_TEXT];
    sm_entry_id_format(entry, id);
    return rig_text("HGET sm:{default}:tries %s", id);
}

START_TEST(of_four_side_by_side_only_the_one_that_crashed_is_charged)
{
    struct mill a;
    struct sm_entry_id slept[3];
    mill_init(&a, "a", "host", "--worker.stamps=4", NULL);
    mill_start(&a);
    for (int i = 0; i < 3; i++)
        slept[i] = rig_add("type", "debug.sleep", "args", "{\"ms\":2500}", NULL);
    AWAIT(3000, mill_metric(&a, "stamps_running") == 3);
    struct sm_entry_id crashed = rig_add("type", "debug.fail", "args", CRASH, NULL);
    struct sm_id crash = rig_derived_id("default", crashed);
    int code = mill_ended(&a, 3000); /* a sanitizer reports the signal and exits */
    ck_assert_msg(code == -SIGSEGV || (RIG_SANITIZED && code > 0), "ended with %d", code);
    mill_start(&a);
    ck_assert(mill_said(&a, "took over from a dead worker"));
    ck_assert(mill_said(&a, "\"running\":4,\"fatal\":1"));
    ck_assert_int_eq(strncmp(tries_of(crashed), "0 1 1 0 0 ", 10), 0);
    AWAIT(2000, mill_metric(&a, "stamps_running") == 3);
    for (int i = 0; i < 3; i++)
        ck_assert_str_eq(tries_of(slept[i]), "0 0 0 0 0 1"); /* taken once, nothing else */
    tend_until_ended(&a, &crash);
    AWAIT(10000, rows_in("succeeded") == 3);
    check_crashed(&crash);
    mill_drain(&a);
    check_redis_clean();
}
END_TEST

START_TEST(what_waits_in_the_ready_ring_has_no_part_in_a_crash)
{
    struct mill a;
    enum { OTHERS = 300 };
    mill_init(&a, "a", "host", "--worker.stamps=4", NULL);
    put_jobs(&(struct sm_job_spec){.type = "debug.sleep", .args_json = "{\"ms\":1}"}, OTHERS / 2,
             NULL);
    struct sm_id crash = put_job("debug.fail", CRASH);
    put_jobs(&(struct sm_job_spec){.type = "debug.sleep", .args_json = "{\"ms\":1}"}, OTHERS / 2,
             NULL);
    mill_launch(&a);
    tend_until_ended(&a, &crash);
    AWAIT(10000, rows_in("succeeded") == OTHERS);
    check_crashed(&crash);
    ck_assert_int_eq(a.deaths, 3);
    mill_drain(&a);
    check_redis_clean();
}
END_TEST

/* ---- always deadly -- */

/* A job that always kills its worker, among innocents. */
static int deaths_of(const char *args)
{
    struct mill a;
    enum { OTHERS = 20 };
    mill_init(&a, "a", "host", NULL);
    struct sm_id deadly = put_job("debug.fail", args);
    put_jobs(&(struct sm_job_spec){.type = "debug.noop"}, OTHERS, NULL);
    mill_launch(&a);
    tend_until_ended(&a, &deadly);
    AWAIT(10000, rows_in("succeeded") == OTHERS);
    check_crashed(&deadly);
    AWAIT(2000, mill_get(&a, "/livez", NULL) == 200);
    mill_drain(&a);
    check_redis_clean();
    printf("%s: buried after %d deaths: %s\n", args, a.deaths, row_text(&deadly, "error_text"));
    return a.deaths;
}

START_TEST(a_job_that_always_crashes_is_buried_after_three_deaths)
{
    ck_assert_int_eq(deaths_of(CRASH), 3);
}
END_TEST

START_TEST(a_job_that_always_ends_its_worker_without_a_trace_is_buried_after_twelve)
{
    ck_assert_int_eq(deaths_of(EXIT), 12);
}
END_TEST

/* ---- innocents -- */

START_TEST(six_evictions_do_not_bury_an_innocent_long_job)
{
    struct mill a;
    mill_init(&a, "a", "host", NULL);
    struct sm_id job = put_job("debug.sleep", "{\"ms\":3000}");
    mill_start(&a);
    for (int i = 0; i < 6; i++) {
        AWAIT(5000, mill_metric(&a, "stamps_running") == 1);
        ck_assert_int_eq(mill_end(&a, SIGKILL), -SIGKILL);
        mill_start(&a);
    }
    AWAIT(10000, row_text(&job, "state")[0] != '\0');
    ck_assert(mill_metric(&a, "jobs_charged_total") == 1);
    check_uncharged(1);
    mill_drain(&a);
    check_redis_clean();
}
END_TEST

START_TEST(ten_restarts_of_redis_charge_nothing)
{
    struct mill a;
    enum { JOBS = RIG_SANITIZED ? 60 : 100 };
    rig_text("CONFIG SET appendfsync always");
    mill_init(&a, "a", "host", "--worker.stamps=4", NULL);
    mill_start(&a);
    put_jobs(&(struct sm_job_spec){.type = "debug.sleep", .args_json = "{\"ms\":400}"}, JOBS, NULL);
    for (int i = 0; i < 10; i++) {
        AWAIT(3000, mill_metric(&a, "stamps_running") > 0 || queue_length() == 0);
        ck_assert_int_gt(queue_length(), 0);
        redis_restart();
    }
    AWAIT(JOBS * 100 + 5000, queue_length() == 0);
    check_uncharged(JOBS);
    ck_assert(mill_metric(&a, "jobs_charged_total") == 0);
    ck_assert(mill_metric(&a, "identities_taken_total") == 0);
    mill_drain(&a);
    check_redis_clean();
}
END_TEST

START_TEST(a_lost_host_with_64_jobs_in_hand_does_not_stall_the_others)
{
    struct mill lost, other;
    enum { HELD = 64 };
    mill_init(&lost, "lost", "host1", "--worker.stamps=64", NULL);
    mill_init(&other, "other", "host2", "--worker.stamps=80", NULL);
    mill_start(&lost);
    put_jobs(&(struct sm_job_spec){.type = "debug.sleep", .args_json = "{\"ms\":1500}"}, HELD,
             NULL);
    AWAIT(5000, mill_metric(&lost, "stamps_running") == HELD || queue_length() < HELD);
    mill_start(&other);
    mill_lose_host(&lost);
    int64_t began = now_ms();
    ck_assert_int_eq(queue_in_flight(), HELD);
    int64_t worst = 0;
    for (int n = 1; rows_in("succeeded") < HELD + n - 1; n++) { /* new jobs go on meanwhile */
        int64_t put = now_ms();
        struct sm_id probe = put_job("debug.noop", "{}");
        AWAIT(1000, row_text(&probe, "state")[0] != '\0');
        worst = now_ms() - put > worst ? now_ms() - put : worst;
        nap_ms(50);
    }
    printf("64 jobs of a lost host ended %lld ms after its loss (they run 1500 ms, the lease is "
           "1000 ms); other jobs waited %lld ms at most\n",
           (long long)(now_ms() - began), (long long)worst);
    ck_assert(mill_metric(&other, "jobs_charged_total") == 0);
    ck_assert_int_eq(sql_int("SELECT count(*) FROM stampmill.results WHERE attempt <> 1"), 0);
    ck_assert_int_eq(sql_int("SELECT count(*) FROM stampmill.attempts"), 0);
    ck_assert_int_lt(now_ms() - began, 5 * 4000);
    AWAIT(2000, queue_length() == 0);
    mill_drain(&other);
    check_redis_clean();
}
END_TEST

int main(void)
{
    return RIG_SUITE("live_guilt", {of_four_side_by_side_only_the_one_that_crashed_is_charged, 0},
                     {what_waits_in_the_ready_ring_has_no_part_in_a_crash, 0},
                     {a_job_that_always_crashes_is_buried_after_three_deaths, 0},
                     {a_job_that_always_ends_its_worker_without_a_trace_is_buried_after_twelve, 0},
                     {six_evictions_do_not_bury_an_innocent_long_job, 0},
                     {ten_restarts_of_redis_charge_nothing, 0},
                     {a_lost_host_with_64_jobs_in_hand_does_not_stall_the_others, 0});
}
