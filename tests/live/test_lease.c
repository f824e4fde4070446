/*
 * Leases: who is taken for dead, when, and what that does to the living. Takeover on one host and
 * between hosts, a daemon that was stopped past its lease, a Redis that was away, and what else can
 * happen to group, stream and connections under load.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/live/fleet.h"

#define LEASE_MS 1000

/* ---- takeover -- */

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The holder is killed with four jobs running: ms until all four run at the other. */
static int64_t take_over(struct mill *holder, struct mill *other)
{
    /* longer than a lease and the other's start, which a sanitizer makes slow */
    const char *args = RIG_SANITIZED ? "{\"ms\":6000}" : "{\"ms\":1500}";
    mill_start(holder);
    put_jobs(&(struct sm_job_spec){.type = "debug.sleep", .args_json = args}, 4, NULL);
    AWAIT(3000, mill_metric(holder, "stamps_running") == 4);
    mill_start(other);
    nap_ms(LEASE_MS); /* a judge must have beaten for a lease itself */
    mill_signal(holder, SIGKILL);
    int64_t began = now_ms();
    AWAIT(4000, mill_metric(other, "stamps_running") == 4);
    int64_t took = now_ms() - began;
    mill_ended(holder, 2000);
    AWAIT(4000, queue_length() == 0);
    mill_drain(other);
    return took;
}

static void check_takeovers(const char *what, const char *other_host, int64_t bound_ms)
{
    enum { ROUNDS = RIG_SANITIZED ? 1 : 2 };
    int64_t took[ROUNDS];
    struct mill holder, other;
    for (int i = 0; i < ROUNDS; i++) {
        mill_init(&holder, "holder", "host", "--worker.stamps=4", NULL);
        mill_init(&other, "other", other_host, "--worker.stamps=4", NULL);
        took[i] = take_over(&holder, &other);
    }
    qsort(took, ROUNDS, sizeof *took, by_value);
    printf("%s: jobs of a killed daemon run again after %lld ms (least of %d), %lld ms (most)\n",
           what, (long long)took[0], ROUNDS, (long long)took[ROUNDS - 1]);
    ck_assert_int_lt(took[ROUNDS - 1], 5 * bound_ms);
    check_uncharged(4 * ROUNDS);
    check_redis_clean();
}

START_TEST(on_the_same_host_a_dead_daemon_is_replaced_at_once)
{
    check_takeovers("same host", "host", 1000);
}
END_TEST

START_TEST(on_another_host_a_dead_daemon_is_replaced_after_its_lease)
{
    check_takeovers("other host", "host2", LEASE_MS + 1000);
}
END_TEST

/* ---- stopped past its lease -- */

/* Its timeout is short: of the two jobs that it runs, it will say of one that it took too long. */
static void init_slow(struct mill *slow)
{
    mill_init(slow, "slow", "host1", "--job.timeout=2s", "--job.grace=60s", NULL);
}

START_TEST(a_daemon_that_was_stopped_starts_nothing_it_no_longer_owns)
{
    struct mill slow, other;
    enum { READY = 50 };
    struct sm_id fails, succeeds;
    fails = put_job("debug.sleep", "{\"ms\":5000}");
    put_jobs(&(struct sm_job_spec){.type = "debug.sleep",
                                   .args_json = "{\"ms\":2500}",
                                   .timeout_ms = 60000},
             1, &succeeds);
    put_jobs(&(struct sm_job_spec){.type = "debug.noop"}, READY, NULL);
    init_slow(&slow);
    mill_start(&slow);
    AWAIT(1000, mill_metric(&slow, "stamps_running") == 2);
    mill_signal(&slow, SIGSTOP);
    int held = queue_in_flight();
    mill_init(&other, "other", "host2", "--worker.stamps=4", NULL);
    mill_start(&other);
    AWAIT(LEASE_MS + 1000, mill_said(&other, "took over from a silent worker"));
    AWAIT(3000, rows_in("succeeded") == READY);
    nap_ms(1000); /* past the timeout of 2 s */
    mill_signal(&slow, SIGCONT);
    AWAIT(2000, mill_metric(&slow, "identities_taken_total") == 1);
    ck_assert(mill_said(&slow, "taken for dead by others"));
    AWAIT(8000, queue_length() == 0);
    AWAIT(3000, mill_metric(&slow, "stamps_running") == 0);
    printf("of %d in hand %.0f were given up; it timed out %.0f\n", held,
           mill_metric(&slow, "jobs_given_up_total"), mill_metric(&slow, "jobs_timed_out_total"));
    ck_assert(mill_metric(&slow, "jobs_started_total") == 2);
    ck_assert(mill_metric(&slow, "jobs_timed_out_total") >= 1);
    ck_assert_str_eq(row_text(&fails, "state"), "succeeded");
    ck_assert_str_eq(row_text(&succeeds, "state"), "succeeded");
    check_uncharged(READY + 2);
    put_jobs(&(struct sm_job_spec){.type = "debug.noop"}, 10, NULL);
    mill_drain(&other);
    AWAIT(3000, rows_in("succeeded") == READY + 12); /* it works under its new name */
    mill_drain(&slow);
    check_redis_clean();
}
END_TEST

/* ---- Redis stopped -- */

static int owned_by(struct mill *m)
{
    return (int)rig_int("XPENDING sm:{default}:jobs mill - + 100 %s", mill_worker(m));
}

START_TEST(a_redis_stopped_for_three_leases_changes_no_owner)
{
    struct mill a, b;
    mill_init(&a, "a", "host1", "--worker.stamps=4", NULL);
    mill_init(&b, "b", "host2", "--worker.stamps=4", NULL);
    mill_start(&a);
    mill_start(&b);
    put_jobs(&(struct sm_job_spec){.type = "debug.sleep", .args_json = "{\"ms\":5000}"}, 8, NULL);
    AWAIT(3000, owned_by(&a) == 4 && owned_by(&b) == 4);
    nap_ms(LEASE_MS);
    rig_signal_redis(SIGSTOP);
    int64_t began = now_ms();
    AWAIT(2000, !mill_ready(&a) && !mill_ready(&b));
    nap_ms((int)(began + 3 * LEASE_MS - now_ms()));
    rig_signal_redis(SIGCONT);
    AWAIT(3000, mill_ready(&a) && mill_ready(&b));
    AWAIT(6000, queue_length() == 0);
    ck_assert_str_eq(sql("SELECT string_agg(n::text, ' ') FROM (SELECT count(*) AS n FROM "
                         "stampmill.results GROUP BY worker) each_workers"),
                     "4 4");
    ck_assert(mill_metric(&a, "identities_taken_total") == 0);
    ck_assert(mill_metric(&b, "identities_taken_total") == 0);
    ck_assert(mill_metric(&a, "jobs_reclaimed_total") == 0);
    ck_assert(mill_metric(&b, "jobs_reclaimed_total") == 0);
    check_uncharged(8);
    mill_drain(&a);
    mill_drain(&b);
    check_redis_clean();
}
END_TEST

/* ---- group, stream and all of Redis -- */

/* Delayed jobs and retries that wait for 5 s and 4 s at least; returns how many. */
static int put_parked(void)
{
    enum { DELAYED = 30, RETRIED = 20 };
    put_jobs(&(struct sm_job_spec){.type = "debug.echo", .in_ms = 5000}, DELAYED, NULL);
    put_jobs(&(struct sm_job_spec){.type = "debug.fail",
                                   .args_json = "{\"how\":\"temporary\",\"on_attempts\":[1]}",
                                   .backoff_ms = 5000},
             RETRIED, NULL);
    AWAIT(3000, rig_int("ZCARD sm:{default}:later") == DELAYED + RETRIED);
    return DELAYED + RETRIED;
}

static void check_none_early(void)
{
    printf("earliest retry %s after its attempt, which asked for 4 s at least\n",
           sql("SELECT min(r.started_at - a.finished_at) FROM stampmill.results r JOIN "
               "stampmill.attempts a USING (id)"));
    ck_assert_int_eq(sql_int("SELECT count(*) FROM stampmill.results WHERE type = 'debug.echo' AND "
                             "started_at < enqueued_at + interval '5 s'"),
                     0);
    ck_assert_int_eq(sql_int("SELECT count(*) FROM stampmill.results r JOIN stampmill.attempts a "
                             "USING (id) WHERE r.started_at < a.finished_at + interval '4 s'"),
                     0);
    ck_assert_int_eq(sql_int("SELECT count(*) FROM stampmill.attempts"), 20);
    ck_assert_int_eq(
        sql_int("SELECT count(*) FROM stampmill.results WHERE type = 'debug.fail' AND attempt = 2"),
        20);
}

START_TEST(a_group_destroyed_under_load_runs_nothing_early_and_loses_nothing)
{
    struct mill a, b;
    enum { LOAD = RIG_SANITIZED ? 300 : 1000 };
    mill_init(&a, "a", "host1", NULL);
    mill_init(&b, "b", "host2", NULL);
    mill_start(&a);
    mill_start(&b);
    int parked = put_parked();
    for (int i = 0; i < 3; i++) {
        put_jobs(&(struct sm_job_spec){.type = "debug.sleep", .args_json = "{\"ms\":2}"}, LOAD,
                 NULL);
        AWAIT(2000, queue_in_flight() > 0);
        ck_assert_int_eq(rig_int("XGROUP DESTROY sm:{default}:jobs mill"), 1);
        AWAIT(3000, strcmp(rig_first("XINFO GROUPS sm:{default}:jobs"), "") != 0);
    }
    AWAIT(20000, queue_length() == 0);
    rig_all_succeeded(3 * LOAD + parked);
    check_none_early();
    printf("%.0f rows came a second time\n",
           mill_metric(&a, "rows_superseded_total") + mill_metric(&b, "rows_superseded_total"));
    mill_drain(&a);
    mill_drain(&b);
    check_redis_clean();
}
END_TEST

/* What was in Redis alone is lost, what is in hand ends, and new jobs run. */
static void lose_under_load(const char *command)
{
    struct mill a, b;
    enum { LOAD = 200 };
    mill_init(&a, "a", "host1", NULL);
    mill_init(&b, "b", "host2", NULL);
    mill_start(&a);
    mill_start(&b);
    put_jobs(&(struct sm_job_spec){.type = "debug.noop", .in_ms = 1500}, 10, NULL);
    put_jobs(&(struct sm_job_spec){.type = "debug.sleep", .args_json = "{\"ms\":20}"}, LOAD, NULL);
    AWAIT(2000, rows_in("succeeded") > 4 && queue_in_flight() > 0);
    rig_text("%s", command);
    int64_t began = now_ms();
    put_jobs(&(struct sm_job_spec){.type = "debug.echo"}, 100, NULL);
    AWAIT(4000, sql_int("SELECT count(*) FROM stampmill.results WHERE type = 'debug.echo'") == 100);
    printf("%s: new jobs done after %lld ms; of %d jobs %d are lost\n", command,
           (long long)(now_ms() - began), LOAD, LOAD + 100 - rows_in("succeeded"));
    AWAIT(3000, queue_length() == 0);
    ck_assert_int_eq(rows_in("dead"), 0);
    mill_drain(&a);
    mill_drain(&b);
    check_redis_clean();
}

START_TEST(a_deleted_stream_loses_what_was_in_it_and_the_daemons_go_on)
{
    lose_under_load("DEL sm:{default}:jobs");
}
END_TEST

START_TEST(a_wiped_redis_loses_what_was_in_it_and_the_daemons_go_on)
{
    lose_under_load("FLUSHALL");
}
END_TEST

START_TEST(connections_and_scripts_taken_away_again_and_again_cost_nothing)
{
    struct mill a, b;
    enum { LOAD = RIG_SANITIZED ? 500 : 2000, STORMS = 30 };
    mill_init(&a, "a", "host1", NULL);
    mill_init(&b, "b", "host2", NULL);
    mill_start(&a);
    mill_start(&b);
    put_jobs(&(struct sm_job_spec){.type = "debug.sleep", .args_json = "{\"ms\":3}"}, LOAD, NULL);
    for (int i = 0; i < STORMS; i++) {
        rig_int("CLIENT KILL TYPE normal SKIPME yes");
        rig_text("SCRIPT FLUSH");
        nap_ms(50);
    }
    int64_t began = now_ms();
    AWAIT(LOAD * 5 + 8000, queue_length() == 0);
    printf("after %d storms the queue was empty in %lld ms; Redis calls failed: %.0f\n", STORMS,
           (long long)(now_ms() - began),
           mill_metric(&a, "redis_errors_total") + mill_metric(&b, "redis_errors_total"));
    check_uncharged(LOAD);
    mill_drain(&a);
    mill_drain(&b);
    check_redis_clean();
}
END_TEST

int main(void)
{
    return RIG_SUITE("live_lease", {on_the_same_host_a_dead_daemon_is_replaced_at_once, 0},
                     {on_another_host_a_dead_daemon_is_replaced_after_its_lease, 0},
                     {a_daemon_that_was_stopped_starts_nothing_it_no_longer_owns, 0},
                     {a_redis_stopped_for_three_leases_changes_no_owner, 0},
                     {a_group_destroyed_under_load_runs_nothing_early_and_loses_nothing, 0},
                     {a_deleted_stream_loses_what_was_in_it_and_the_daemons_go_on, 0},
                     {a_wiped_redis_loses_what_was_in_it_and_the_daemons_go_on, 0},
                     {connections_and_scripts_taken_away_again_and_again_cost_nothing, 0});
}
