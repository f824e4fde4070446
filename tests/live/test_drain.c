/*
 * The drain and its signals, and handlers that do not return: what a daemon leaves behind when it
 * is asked to end, with both servers there and with one of them away, and what becomes of it when a
 * handler hangs.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tests/live/fleet.h"

#define HANDED_BACK 75
#define INTERNAL 70

/* Nothing is owned and no worker is left; what there is waits, uncharged. */
static void check_handed_back(int entries)
{
    struct sm_inspector *in = rig_inspector();
    struct sm_queue_state state = rig_look(in);
    ck_assert_uint_eq(state.length, (uint64_t)entries);
    ck_assert_uint_eq(state.waiting, (uint64_t)entries);
    ck_assert_uint_eq(state.in_flight, 0);
    ck_assert_int_eq(rig_int("ZCARD sm:{default}:workers"), 0);
    ck_assert_int_le(rig_int("XINFO CONSUMERS sm:{default}:jobs mill"), 2); /* :free and :later */
    ck_assert_int_eq(rig_int("HLEN sm:{default}:tries"), 0);
    sm_inspector_close(in);
}

/* Another daemon on the host does what is left. */
static void finish_with_a_successor(int rows)
{
    struct mill next;
    mill_init(&next, "next", "host", NULL);
    mill_start(&next);
    AWAIT(8000, queue_length() == 0);
    check_uncharged(rows);
    ck_assert(mill_metric(&next, "jobs_charged_total") == 0);
    mill_drain(&next);
    check_redis_clean();
}

/* ---- both servers there -- */

static struct sm_entry_id add_numbered(int n)
{
    char args[32];
    snprintf(args, sizeof args, "{\"n\":%d}", n);
    return rig_add("type", "debug.echo", "args", args, NULL);
}

START_TEST(a_drain_finishes_what_runs_and_hands_the_rest_back_in_place)
{
    struct mill a, next;
    enum { FINISHED = 5, RUNNING = 2, UNSTARTED = 60 };
    struct sm_entry_id entry[UNSTARTED];
    char id[SM_ENTRY_ID_TEXT];
    mill_init(&a, "a", "host", NULL);
    put_jobs(&(struct sm_job_spec){.type = "debug.noop"}, FINISHED, NULL);
    put_jobs(&(struct sm_job_spec){.type = "debug.sleep", .args_json = "{\"ms\":900}"}, RUNNING,
             NULL);
    for (int i = 0; i < UNSTARTED; i++)
        entry[i] = add_numbered(i + 1);
    mill_start(&a);
    AWAIT(1000, mill_metric(&a, "stamps_running") == RUNNING);
    int64_t began = now_ms();
    mill_drain(&a);
    printf("drained in %lld ms with %d running and %d unstarted\n", (long long)(now_ms() - began),
           RUNNING, UNSTARTED);
    ck_assert_int_eq(rows_in("succeeded"), FINISHED + RUNNING);
    check_handed_back(UNSTARTED);
    for (int i = 0; i < UNSTARTED; i++) {
        sm_entry_id_format(entry[i], id);
        ck_assert_int_eq(rig_int("XRANGE sm:{default}:jobs %s %s", id, id), 1);
    }
    mill_init(&next, "next", "host", "--worker.stamps=1", NULL);
    mill_start(&next);
    AWAIT(5000, queue_length() == 0);
    ck_assert_int_eq(sql_int("SELECT count(*) FROM (SELECT started_at, lag(started_at) OVER (ORDER "
                             "BY (result->>'n')::int) AS before FROM stampmill.results "
                             "WHERE type = 'debug.echo') runs WHERE started_at < before"),
                     0);
    check_uncharged(FINISHED + RUNNING + UNSTARTED);
    mill_drain(&next);
    check_redis_clean();
}
END_TEST

START_TEST(a_job_longer_than_shutdown_timeout_is_handed_back_uncharged)
{
    struct mill a;
    mill_init(&a, "a", "host", "--shutdown_timeout=500ms", NULL);
    mill_start(&a);
    put_job("debug.sleep", "{\"ms\":3000}");
    AWAIT(2000, mill_metric(&a, "stamps_running") == 1);
    ck_assert_int_eq(mill_end(&a, SIGTERM), HANDED_BACK);
    check_handed_back(1);
    finish_with_a_successor(1);
}
END_TEST

START_TEST(a_handler_that_ignores_the_drain_is_handed_back_uncharged_too)
{
    struct mill a;
    mill_init(&a, "a", "host", "--shutdown_timeout=500ms", NULL);
    mill_start(&a);
    put_job("debug.fail", "{\"how\":\"hang\"}");
    AWAIT(2000, mill_metric(&a, "stamps_running") == 1);
    ck_assert_int_eq(mill_end(&a, SIGTERM), HANDED_BACK);
    check_handed_back(1);
    ck_assert_int_eq(sql_int("SELECT count(*) FROM stampmill.results"), 0);
    ck_assert_int_eq(sql_int("SELECT count(*) FROM stampmill.attempts"), 0);
}
END_TEST

START_TEST(a_second_signal_hurries)
{
    struct mill a;
    mill_init(&a, "a", "host", "--shutdown_timeout=5m", NULL);
    mill_start(&a);
    put_job("debug.sleep", "{\"ms\":2500}");
    AWAIT(2000, mill_metric(&a, "stamps_running") == 1);
    mill_signal(&a, SIGTERM);
    AWAIT(1000, mill_said(&a, "drain begins"));
    const char *body;
    ck_assert_int_eq(mill_get(&a, "/readyz", &body), 503);
    ck_assert_ptr_nonnull(strstr(body, "draining"));
    int64_t began = now_ms();
    ck_assert_int_eq(mill_end(&a, SIGINT), HANDED_BACK);
    printf("hurried: ended after %lld ms\n", (long long)(now_ms() - began));
    check_handed_back(1);
    finish_with_a_successor(1);
}
END_TEST

START_TEST(tstp_stops_fetching_and_cont_goes_on)
{
    struct mill a;
    mill_init(&a, "a", "host", NULL);
    mill_start(&a);
    put_job("debug.sleep", "{\"ms\":1500}");
    AWAIT(2000, mill_metric(&a, "stamps_running") == 1);
    mill_signal(&a, SIGTSTP);
    AWAIT(2000, mill_said(&a, "quiet: fetching stopped"));
    nap_ms(1000); /* the last fetch may still block, for 200 ms */
    put_jobs(&(struct sm_job_spec){.type = "debug.noop"}, 5, NULL);
    AWAIT(2000, rows_in("succeeded") == 1); /* what runs goes on */
    nap_ms(500);
    ck_assert_int_eq(queue_length(), 5);
    mill_signal(&a, SIGCONT);
    AWAIT(2000, queue_length() == 0);
    check_uncharged(6);
    mill_drain(&a);
    check_redis_clean();
}
END_TEST

START_TEST(a_paused_queue_starts_nothing_not_even_what_is_due)
{
    struct mill a;
    mill_init(&a, "a", "host", NULL);
    mill_start(&a);
    put_jobs(&(struct sm_job_spec){.type = "debug.noop", .in_ms = 1000}, 5, NULL);
    AWAIT(2000, rig_int("ZCARD sm:{default}:later") == 5);
    rig_text("HSET sm:{default}:meta paused 1");
    AWAIT(3000, rig_int("ZCARD sm:{default}:later") == 0);
    nap_ms(500);
    ck_assert_int_eq(queue_length(), 5);
    rig_text("HDEL sm:{default}:meta paused");
    AWAIT(2000, queue_length() == 0);
    check_uncharged(5);
    mill_drain(&a);
    check_redis_clean();
}
END_TEST

/* ---- a server is away -- */

START_TEST(a_drain_without_postgres_loses_nothing)
{
    struct mill a;
    enum { JOBS = 30 };
    mill_init(&a, "a", "host", NULL);
    mill_start(&a);
    rig_signal_postgres(SIGSTOP);
    put_jobs(&(struct sm_job_spec){.type = "debug.noop"}, JOBS, NULL);
    AWAIT(3000, mill_metric(&a, "jobs_started_total") == JOBS);
    int64_t began = now_ms();
    ck_assert_int_eq(mill_end(&a, SIGTERM), HANDED_BACK);
    printf("without PostgreSQL: ended after %lld ms\n", (long long)(now_ms() - began));
    check_handed_back(JOBS);
    rig_signal_postgres(SIGCONT);
    finish_with_a_successor(JOBS);
}
END_TEST

START_TEST(a_drain_without_postgres_does_not_wait_for_it_to_hand_jobs_back)
{
    struct mill a;
    mill_init(&a, "a", "host", "--shutdown_timeout=100ms", "--worker.stamps=1", "--log.format=json",
              NULL);
    mill_start(&a);
    put_jobs(&(struct sm_job_spec){.type = "debug.sleep", .args_json = "{\"ms\":60000}"}, 3, NULL);
    AWAIT(3000, mill_metric(&a, "stamps_running") == 1);
    rig_signal_postgres(SIGSTOP);
    int64_t began = now_ms();
    ck_assert_int_eq(mill_end(&a, SIGTERM), HANDED_BACK);
    printf("nothing to commit, without PostgreSQL: ended after %lld ms\n",
           (long long)(now_ms() - began));
    ck_assert(mill_said(&a, "\"handed_back\":0")); /* nothing was left to the last sweep */
    check_handed_back(3);
    rig_signal_postgres(SIGCONT);
}
END_TEST

START_TEST(a_drain_without_redis_loses_nothing)
{
    struct mill a;
    enum { JOBS = 8 };
    mill_init(&a, "a", "host", NULL);
    mill_start(&a);
    put_jobs(&(struct sm_job_spec){.type = "debug.sleep", .args_json = "{\"ms\":300}"}, JOBS, NULL);
    AWAIT(3000, mill_metric(&a, "stamps_running") == 2);
    rig_signal_redis(SIGSTOP);
    int64_t began = now_ms();
    ck_assert_int_eq(mill_end(&a, SIGTERM), HANDED_BACK);
    printf("without Redis: ended after %lld ms\n", (long long)(now_ms() - began));
    rig_signal_redis(SIGCONT);
    finish_with_a_successor(JOBS);
}
END_TEST

/* ---- a handler that hangs -- */

START_TEST(a_handler_that_hangs_costs_an_attempt_and_its_daemon)
{
    struct mill a;
    struct sm_id hangs;
    struct sm_job_spec job = {.type = "debug.fail",
                              .args_json = "{\"how\":\"hang\",\"on_attempts\":[1]}",
                              .timeout_ms = 500,
                              .backoff_ms = 200};
    mill_init(&a, "a", "host", "--job.grace=500ms", "--worker.stamps=4", NULL);
    mill_start(&a);
    put_jobs(&job, 1, &hangs);
    put_jobs(&(struct sm_job_spec){.type = "debug.sleep", .args_json = "{\"ms\":1500}"}, 3, NULL);
    int64_t began = now_ms();
    int code = mill_ended(&a, 6000);
    printf("a hung handler: its daemon ended with %d after %lld ms\n", code,
           (long long)(now_ms() - began));
    ck_assert_int_eq(code, INTERNAL);
    ck_assert(mill_said(&a, "handler does not return"));
    ck_assert_int_eq(rows_in("succeeded"), 3);
    ck_assert_str_eq(sql("SELECT attempt || ' ' || error_code FROM stampmill.attempts"),
                     "1 timed_out");
    mill_start(&a);
    AWAIT(3000, row_text(&hangs, "state")[0] != '\0');
    ck_assert_str_eq(row_text(&hangs, "state || ' ' || attempt"), "succeeded 2");
    ck_assert_int_eq(sql_int("SELECT count(*) FROM stampmill.attempts"), 1);
    ck_assert_int_eq(
        sql_int(
            "SELECT count(*) FROM stampmill.results WHERE type = 'debug.sleep' AND attempt > 1"),
        0);
    mill_drain(&a);
    check_redis_clean();
}
END_TEST

int main(void)
{
    return RIG_SUITE("live_drain", {a_drain_finishes_what_runs_and_hands_the_rest_back_in_place, 0},
                     {a_job_longer_than_shutdown_timeout_is_handed_back_uncharged, 0},
                     {a_handler_that_ignores_the_drain_is_handed_back_uncharged_too, 0},
                     {a_second_signal_hurries, 0}, {tstp_stops_fetching_and_cont_goes_on, 0},
                     {a_paused_queue_starts_nothing_not_even_what_is_due, 0},
                     {a_drain_without_postgres_loses_nothing, 0},
                     {a_drain_without_postgres_does_not_wait_for_it_to_hand_jobs_back, 0},
                     {a_drain_without_redis_loses_nothing, 0},
                     {a_handler_that_hangs_costs_an_attempt_and_its_daemon, 0});
}
