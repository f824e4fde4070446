/*
 * What waits for a time, and what ends by other means than its own success: retries with back-off
 * and the errors they leave, jobs that ask to be run again or expire, delayed jobs, cancelling.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/live/fleet.h"

static int64_t unix_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- retries -- */

START_TEST(retries_wait_their_back_off_and_leave_each_error)
{
    struct mill a;
    enum { JOBS = 40 };
    struct sm_job_spec job = {.type = "debug.fail",
                              .args_json = "{\"how\":\"temporary\",\"on_attempts\":[1,2]}",
                              .backoff_ms = 300};
    mill_init(&a, "a", "host", NULL);
    mill_start(&a);
    put_jobs(&job, JOBS, NULL);
    AWAIT(6000, rows_in("succeeded") == JOBS);
    ck_assert_int_eq(sql_int("SELECT count(*) FROM stampmill.results WHERE attempt <> 3"), 0);
    ck_assert_str_eq(sql("SELECT string_agg(DISTINCT attempt || ' ' || error_code || ' ' || "
                         "error_text, ', ') FROM stampmill.attempts"),
                     "1 io asked to fail, 2 io asked to fail");
    ck_assert_int_eq(sql_int("SELECT count(*) FROM stampmill.attempts"), 2 * JOBS);
    sql("CREATE OR REPLACE VIEW gaps AS SELECT attempt, 300 * 2 ^ (attempt - 1) AS wanted, "
        "extract(epoch FROM lead(started_at) OVER (PARTITION BY id ORDER BY attempt) - finished_at)"
        " * 1000 AS waited FROM (SELECT id, attempt, started_at, finished_at FROM "
        "stampmill.attempts UNION ALL SELECT id, attempt, started_at, finished_at FROM "
        "stampmill.results) runs");
    printf("waits in parts of the back-off: %s\n",
           sql("SELECT format('%%s to %%s', round(min(waited / wanted)::numeric, 3), "
               "round(max(waited / wanted)::numeric, 3)) FROM gaps WHERE waited IS NOT NULL"));
    ck_assert_int_eq(sql_int("SELECT count(*) FROM gaps WHERE waited < 0.8 * wanted"), 0);
    ck_assert_int_eq(sql_int("SELECT count(*) FROM gaps WHERE waited > 1.2 * wanted + 1250"), 0);
    sql("DROP VIEW gaps");
    mill_drain(&a);
    check_redis_clean();
}
END_TEST

START_TEST(attempts_end_with_max_attempts_and_at_once_when_it_is_for_good)
{
    struct mill a;
    struct sm_id last, good;
    mill_init(&a, "a", "host", NULL);
    mill_start(&a);
    put_jobs(&(struct sm_job_spec){.type = "debug.fail",
                                   .args_json = "{\"how\":\"temporary\"}",
                                   .max_attempts = 3,
                                   .backoff_ms = 50},
             1, &last);
    good = put_job("debug.fail", "{\"how\":\"permanent\"}");
    AWAIT(3000, rows_in("dead") == 2);
    ck_assert_str_eq(row_text(&last, "attempt || ' ' || error_code"), "3 io");
    ck_assert_str_eq(row_text(&good, "attempt || ' ' || error_code"), "1 failed");
    ck_assert_int_eq(sql_int("SELECT count(*) FROM stampmill.attempts"), 4);
    mill_drain(&a);
    check_redis_clean();
}
END_TEST

START_TEST(asking_to_be_run_again_uses_no_attempt_and_ends_with_expires)
{
    struct mill a;
    struct sm_id again, late;
    struct sm_job_spec job = {.type = "debug.fail",
                              .args_json = "{\"how\":\"again_in\",\"in_ms\":100}",
                              .max_attempts = 1,
                              .expires_ms = unix_ms() + 3000};
    mill_init(&a, "a", "host", NULL);
    mill_start(&a);
    put_jobs(&job, 1, &again);
    put_jobs(&(struct sm_job_spec){.type = "debug.noop", .expires_ms = unix_ms() - 1000}, 1, &late);
    AWAIT(5000, rows_in("dead") == 2);
    ck_assert_str_eq(row_text(&again, "attempt || ' ' || error_code"), "1 expired");
    ck_assert_str_eq(row_text(&late, "error_code"), "expired");
    ck_assert_int_eq(sql_int("SELECT count(*) FROM stampmill.attempts"), 0);
    printf("asked to be run again %.0f times in 3 s\n", mill_metric(&a, "jobs_again_total"));
    ck_assert(mill_metric(&a, "jobs_again_total") >= 5);
    mill_drain(&a);
    check_redis_clean();
}
END_TEST

/* ---- delayed jobs -- */

/* Half by in_ms, half by at_ms, over two seconds. */
static void put_delayed(int n)
{
    struct sm_client *client = rig_client();
    struct sm_err err;
    for (int i = 0; i < n; i++) {
        char args[64];
        int64_t in_ms = 100 + (i * 7919) % 2000, at_ms = unix_ms() + in_ms;
        struct sm_job_spec job = {.type = "debug.echo", .args_json = args};
        if (i % 2 == 0)
            job.in_ms = in_ms;
        else
            job.at_ms = at_ms;
        snprintf(args, sizeof args, "{\"%s\":%lld}", i % 2 == 0 ? "in" : "at",
                 (long long)(i % 2 == 0 ? in_ms : at_ms));
        ck_assert_int_eq(sm_enqueue(client, &job, NULL, &err), 0);
    }
    sm_client_close(client);
}

START_TEST(delayed_jobs_start_never_early_and_soon_after_they_are_due)
{
    struct mill a, b;
    enum { JOBS = 400 };
    mill_init(&a, "a", "host1", NULL);
    mill_init(&b, "b", "host2", NULL);
    mill_start(&a);
    mill_start(&b);
    put_delayed(JOBS);
    AWAIT(6000, rows_in("succeeded") == JOBS);
    sql("CREATE OR REPLACE VIEW late AS SELECT extract(epoch FROM started_at) * 1000 - "
        "coalesce((result->>'at')::numeric, extract(epoch FROM enqueued_at) * 1000 + "
        "(result->>'in')::numeric) AS ms FROM stampmill.results");
    printf("%d delayed jobs started late by %s ms (least, median, p99, most)\n", JOBS,
           sql("SELECT format('%%s, %%s, %%s, %%s', min(ms)::int, percentile_disc(0.5) WITHIN "
               "GROUP (ORDER BY ms)::int, percentile_disc(0.99) WITHIN GROUP (ORDER BY ms)::int, "
               "max(ms)::int) FROM late"));
    ck_assert_int_eq(sql_int("SELECT count(*) FROM late WHERE ms < 0"), 0);
    ck_assert_int_eq(sql_int("SELECT count(*) FROM late WHERE ms > 5 * 250"), 0);
    sql("DROP VIEW late");
    check_uncharged(JOBS);
    mill_drain(&a);
    mill_drain(&b);
    check_redis_clean();
}
END_TEST

/* The longest, or a share, of all script calls since the last RESETSTAT, microseconds. */
static double script_us(const char *percentile)
{
    rig_text("CONFIG SET latency-tracking-info-percentiles %s", percentile);
    const char *text = rig_text("INFO latencystats");
    const char *at = strstr(text, "latency_percentiles_usec_evalsha:p");
    ck_assert_msg(at != NULL, "%s", text);
    return atof(strchr(at, '=') + 1);
}

START_TEST(many_due_at_once_do_not_stall_redis)
{
    struct mill a, b;
    enum { JOBS = RIG_SANITIZED ? 5000 : 100000 };
    mill_init(&a, "a", "host1", NULL);
    mill_init(&b, "b", "host2", NULL);
    mill_start(&a);
    mill_start(&b);
    rig_text("CONFIG RESETSTAT");
    int64_t due_ms = unix_ms() + (RIG_SANITIZED ? 3000 : 10000);
    put_jobs(&(struct sm_job_spec){.type = "debug.noop", .at_ms = due_ms}, JOBS, NULL);
    AWAIT(20000, rig_int("ZCARD sm:{default}:later") == JOBS || unix_ms() > due_ms);
    int64_t parked = rig_int("ZCARD sm:{default}:later");
    AWAIT(60000, queue_length() == 0);
    int64_t took = unix_ms() - due_ms;
    printf("%lld of %d parked when due; all done %lld ms later; scripts took %.0f us (p50), %.0f "
           "us (p99), %.0f us (longest)\n",
           (long long)parked, JOBS, (long long)took, script_us("50"), script_us("99"),
           script_us("100"));
    ck_assert(script_us("50") < 4000); /* the longest are those that lost their core */
    rig_all_succeeded(JOBS);
    ck_assert_int_eq(sql_int("SELECT count(*) FROM stampmill.results WHERE extract(epoch FROM "
                             "started_at) * 1000 < %lld",
                             (long long)due_ms),
                     0);
    mill_drain(&a);
    mill_drain(&b);
    check_redis_clean();
}
END_TEST

/* ---- cancelling -- */

/* As an operator; goes on meanwhile. */
static FILE *cancel_start(const struct sm_id *id)
{
    char command[1600], text[SM_ID_TEXT];
    sm_id_format(id, text);
    snprintf(command, sizeof command,
             "STAMPMILL_REDIS_URL='%s' STAMPMILL_DATABASE_URL='%s' %s/stampmill job cancel %s "
             ">/dev/null",
             rig_url("admin"), rig_servers.database_url, getenv("STAMPMILL_BIN"), text);
    FILE *cli = popen(command, "r");
    ck_assert_ptr_nonnull(cli);
    return cli;
}

static void cancel(const struct sm_id *id)
{
    ck_assert_int_eq(pclose(cancel_start(id)), 0);
}

START_TEST(a_job_is_cancelled_while_it_waits_while_parked_and_while_it_runs)
{
    struct mill a;
    mill_init(&a, "a", "host", NULL);
    struct sm_id waits = put_job("debug.noop", "{}");
    cancel(&waits);
    mill_start(&a);
    AWAIT(2000, row_text(&waits, "state")[0] != '\0');
    struct sm_id parked;
    put_jobs(&(struct sm_job_spec){.type = "debug.noop", .in_ms = 600000}, 1, &parked);
    AWAIT(2000, rig_int("ZCARD sm:{default}:later") == 1);
    int64_t began = now_ms();
    cancel(&parked);
    AWAIT(2000, row_text(&parked, "state")[0] != '\0');
    int64_t parked_ms = now_ms() - began;
    struct sm_id runs = put_job("debug.sleep", "{\"ms\":60000}");
    AWAIT(2000, mill_metric(&a, "stamps_running") == 1);
    began = now_ms();
    cancel(&runs);
    AWAIT(2000, row_text(&runs, "state")[0] != '\0');
    printf("cancelled: parked after %lld ms, running after %lld ms\n", (long long)parked_ms,
           (long long)(now_ms() - began));
    ck_assert_int_eq(rows_in("cancelled"), 3);
    ck_assert_str_eq(row_text(&waits, "attempt::text"), "0");
    ck_assert_int_eq(sql_int("SELECT count(*) FROM stampmill.attempts"), 0);
    mill_drain(&a);
    check_redis_clean();
}
END_TEST

/* A relay holds the row while it adds the job, as `SELECT .. FOR UPDATE` does here. */
START_TEST(a_durable_job_that_is_being_relayed_is_cancelled_in_redis_too)
{
    static const char id[] = "01932f8a-5c3e-7d10-9f52-0a1b2c3d4e5f";
    struct sm_id job;
    ck_assert(sm_id_parse(id, sizeof id - 1, &job));
    sql("SELECT stampmill.enqueue('default', 'debug.noop', run_at => now() + interval '1 hour', id "
        "=> '%s')",
        id);
    sql("BEGIN");
    sql("SELECT 1 FROM stampmill.outbox WHERE id = '%s' FOR UPDATE", id);
    FILE *cli = cancel_start(&job);
    AWAIT(3000, sql_int("SELECT count(*) FROM pg_locks WHERE NOT granted") > 0);
    rig_add("id", id, "type", "debug.noop", "in_ms", "600000", NULL);
    sql("COMMIT");
    ck_assert_int_eq(pclose(cli), 0);
    ck_assert_str_eq(row_text(&job, "state"), "cancelled");
    ck_assert_str_ne(rig_text("ZSCORE sm:{default}:cancelled %s", id), "");
}
END_TEST

START_TEST(a_success_already_there_wins_over_a_cancel)
{
    struct mill a;
    mill_init(&a, "a", "host", NULL);
    mill_start(&a);
    sql("SELECT pg_advisory_lock(1)"); /* no row is written while this is held */
    sql("CREATE OR REPLACE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM "
        "pg_advisory_xact_lock_shared(1); RETURN NULL; END $$");
    sql("CREATE TRIGGER hold BEFORE INSERT ON stampmill.results FOR EACH STATEMENT EXECUTE "
        "FUNCTION hold()");
    struct sm_id job = put_job("debug.noop", "{}");
    AWAIT(2000, mill_metric(&a, "jobs_started_total") == 1);
    cancel(&job);
    nap_ms(600); /* the keeper looks for the cancelled each 200 ms */
    sql("SELECT pg_advisory_unlock(1)");
    AWAIT(3000, row_text(&job, "state")[0] != '\0');
    ck_assert_str_eq(row_text(&job, "state"), "succeeded");
    sql("DROP TRIGGER hold ON stampmill.results");
    struct sm_id next = put_job("debug.noop", "{}");
    AWAIT(3000, row_text(&next, "state")[0] != '\0');
    check_uncharged(2);
    mill_drain(&a);
    check_redis_clean();
}
END_TEST

int main(void)
{
    return RIG_SUITE("live_retry", {retries_wait_their_back_off_and_leave_each_error, 0},
                     {attempts_end_with_max_attempts_and_at_once_when_it_is_for_good, 0},
                     {asking_to_be_run_again_uses_no_attempt_and_ends_with_expires, 0},
                     {delayed_jobs_start_never_early_and_soon_after_they_are_due, 0},
                     {many_due_at_once_do_not_stall_redis, 0},
                     {a_job_is_cancelled_while_it_waits_while_parked_and_while_it_runs, 0},
                     {a_durable_job_that_is_being_relayed_is_cancelled_in_redis_too, 0},
                     {a_success_already_there_wins_over_a_cancel, 0});
}
