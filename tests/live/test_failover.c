/*
 * PostgreSQL fails over to a synchronous standby. Both are given to the daemons in one connection
 * string; the one that takes writes is used. What was acknowledged in Redis must be on the standby:
 * a row that the primary alone has does not count.
 *
 * The test's own statements do not wait for the standby (synchronous_commit = local for its role).
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tests/live/weather.h"

enum { LOAD = RIG_SANITIZED ? 2000 : 20000 };

static struct servers standby;

static void await_synchronous(void)
{
    AWAIT(5000, strcmp(sql("SELECT sync_state FROM pg_stat_replication"), "sync") == 0);
}

static void start_standby(void)
{
    char options[200];
    sql("ALTER ROLE stampmill SET synchronous_commit = local");
    sql("ALTER SYSTEM RESET synchronous_standby_names");
    sql("SELECT pg_reload_conf()");
    sql_on(&rig_servers);
    snprintf(options, sizeof options, "--standby-of %s", rig_servers.dir);
    servers_start(&standby, false, true, options);
    sql("ALTER SYSTEM SET synchronous_standby_names = '*'");
    sql("SELECT pg_reload_conf()");
    await_synchronous();
}

/* The primary is gone for good; from now on the standby is asked. */
static void promote(void)
{
    sql_on(&standby);
    ck_assert_str_eq(sql("SELECT pg_promote()"), "t");
}

/* A daemon that knows both. */
static void start(struct mill *m, const char *name, const char *host)
{
    static char flag[400];
    snprintf(flag, sizeof flag,
             "--postgres.url=postgresql://live_worker:PgSecret42@/stampmill?host=%s,%s",
             rig_servers.dir, standby.dir);
    weather_start(m, name, host, flag);
}

START_TEST(a_synchronous_standby_takes_over_under_load)
{
    struct mill a, b;
    start_standby();
    start(&a, "a", "host1");
    start(&b, "b", "host2");
    put_jobs(&(struct sm_job_spec){.type = "debug.sleep", .args_json = "{\"ms\":5}"}, 400, NULL);
    put_jobs(&(struct sm_job_spec){.type = "debug.noop"}, LOAD, NULL);
    put_jobs(&(struct sm_job_spec){.type = "debug.sleep", .args_json = "{\"ms\":5}"}, 1600, NULL);
    AWAIT(3000, rows_in("succeeded") > 200);
    postgres_kill();
    int64_t began = now_ms();
    AWAIT(2000, mill_says(&a, "PostgreSQL: no conn") && mill_says(&b, "PostgreSQL: no conn"));
    int settled = LOAD + 2000 - queue_length();
    sql_on(&standby);
    AWAIT(3000, rows_in("succeeded") >= settled); /* replayed, as a promotion would first */
    promote();
    int64_t promoted = now_ms();
    AWAIT(3000, mill_ready(&a) && mill_ready(&b));
    printf("%d were acknowledged; promoted after %lld ms, ready %lld ms later\n", settled,
           (long long)(promoted - began), (long long)(now_ms() - promoted));
    ck_assert_int_lt(settled, LOAD + 2000);
    AWAIT(RIG_SANITIZED ? 20000 : 10000, queue_length() == 0);
    check_uncharged(LOAD + 2000);
    check_innocent(&a);
    check_innocent(&b);
    mill_drain(&a);
    mill_drain(&b);
    check_redis_clean();
    servers_stop(&standby);
}
END_TEST

/* The sessions of the daemon are ended while they wait for a standby that is away: what they wrote
 * is there for all to see, on the primary alone, and goes with it. */
START_TEST(what_the_primary_alone_has_is_not_acknowledged)
{
    struct mill m;
    enum { JOBS = 50 };
    start_standby();
    start(&m, "m", "host");
    rig_signal_postgres_of(&standby, SIGKILL);
    AWAIT(5000, strcmp(sql("SELECT count(*) FROM pg_stat_replication"), "0") == 0);
    put_jobs(&(struct sm_job_spec){.type = "debug.noop"}, JOBS, NULL);
    AWAIT(3000, mill_says(&m, "PostgreSQL has not answered a commit"));
    ck_assert_int_eq(rows_in("succeeded"), 0);
    sql("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = "
        "'live_worker'");
    AWAIT(3000, rows_in("succeeded") > 0);
    AWAIT(3000,
          mill_says(&m, "PostgreSQL has not answered a commit")); /* written again: it waits */
    nap_ms(500);
    ck_assert_int_eq(queue_length(), JOBS);
    postgres_kill();
    servers_restart(&standby);
    sql_on(&standby);
    ck_assert_int_eq(rows_in("succeeded"), 0);
    promote();
    AWAIT(5000, queue_length() == 0);
    check_uncharged(JOBS);
    check_innocent(&m);
    mill_drain(&m);
    check_redis_clean();
    servers_stop(&standby);
}
END_TEST

int main(void)
{
    return RIG_SUITE("live_failover", {a_synchronous_standby_takes_over_under_load, 0},
                     {what_the_primary_alone_has_is_not_acknowledged, 0});
}
