/*
 * Outages of PostgreSQL and Redis under load, with two daemons that watch each other through Redis
 * alone. Each time: the daemons hold what they have, /readyz says so soon, they go on by themselves
 * when the server is back, no attempt and no charge was used, neither was taken for dead, and the
 * memory stays bounded.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tests/live/fleet.h"

#define MIB ((size_t)1 << 20)
#define LEASE_MS 1000
#define SLOTS 4096 /* what one daemon holds at most */

enum { LOAD = RIG_SANITIZED ? 3000 : 30000, SLEEPERS = 300 };

struct outage {
    const char *name;
    void (*begin)(void), (*end)(void);
    int64_t ms;
    bool ready;   /* /readyz is not expected to change */
    bool shrinks; /* the backlog is expected to shrink meanwhile */
};

static void start_both(struct mill *a, struct mill *b)
{
    mill_init(a, "a", "host1", "--worker.memory=64MiB", NULL);
    mill_init(b, "b", "host2", "--worker.memory=64MiB", NULL);
    mill_start(a);
    mill_start(b);
}

/* Jobs that take a while, so that some always run, and as many small ones as fill every slot. */
static void put_load(void)
{
    put_jobs(&(struct sm_job_spec){.type = "debug.sleep", .args_json = "{\"ms\":20}"}, SLEEPERS / 2,
             NULL);
    put_jobs(&(struct sm_job_spec){.type = "debug.noop"}, LOAD, NULL);
    put_jobs(&(struct sm_job_spec){.type = "debug.sleep", .args_json = "{\"ms\":20}"}, SLEEPERS / 2,
             NULL);
}

static void check_innocent(struct mill *m)
{
    ck_assert(mill_metric(m, "identities_taken_total") == 0);
    ck_assert(mill_metric(m, "jobs_reclaimed_total") == 0);
    ck_assert(mill_metric(m, "jobs_charged_total") == 0);
    size_t peak = rig_resident_peak(m->pid);
    printf("  %s: resident at most %zu MiB\n", m->name, peak / MIB);
    if (!RIG_SANITIZED)
        ck_assert_uint_lt(peak, 128 * MIB);
}

/* How long until both say so. */
static int64_t until_ready(struct mill *a, struct mill *b, bool ready)
{
    int64_t began = now_ms();
    AWAIT(2000, mill_ready(a) == ready && mill_ready(b) == ready);
    return now_ms() - began;
}

static void weather(const struct outage *outage)
{
    struct mill a, b;
    start_both(&a, &b);
    put_load();
    AWAIT(3000, rows_in("succeeded") > 20);
    int waiting = queue_length();
    outage->begin();
    int64_t began = now_ms(), said = outage->ready ? 0 : until_ready(&a, &b, false);
    int before = outage->shrinks ? queue_length() : 0;
    while (now_ms() - began < outage->ms) {
        ck_assert_int_eq(mill_get(&a, "/livez", NULL), 200);
        nap_ms(200);
    }
    int after = outage->shrinks ? queue_length() : 0;
    outage->end();
    int64_t back = now_ms(), ready = until_ready(&a, &b, true);
    AWAIT(RIG_SANITIZED ? 15000 : 8000, queue_length() == 0);
    printf("%s for %lld ms with %d jobs to do: unready after %lld ms, ready again after %lld ms, "
           "all done after %lld "
           "ms\n",
           outage->name, (long long)(back - began), waiting, (long long)said, (long long)ready,
           (long long)(now_ms() - back));
    if (outage->shrinks) {
        printf("  backlog %d, then %d\n", before, after);
        ck_assert_int_lt(after, before);
    }
    check_uncharged(LOAD + SLEEPERS);
    check_innocent(&a);
    check_innocent(&b);
    mill_drain(&a);
    mill_drain(&b);
    check_redis_clean();
}

/* ---- PostgreSQL -- */

static void pg_stop(void)
{
    rig_signal_postgres(SIGSTOP);
}

static void pg_go_on(void)
{
    rig_signal_postgres(SIGCONT);
}

START_TEST(postgres_stopped)
{
    weather(&(struct outage){"PostgreSQL stopped", pg_stop, pg_go_on, 2500, false, false});
}
END_TEST

START_TEST(postgres_killed)
{
    weather(
        &(struct outage){"PostgreSQL killed", postgres_kill, postgres_start, 1000, false, false});
}
END_TEST

START_TEST(postgres_restarted_at_once)
{
    weather(
        &(struct outage){"PostgreSQL restarted", postgres_quit, postgres_start, 0, true, false});
}
END_TEST

static void pg_read_only(void)
{
    sql("ALTER DATABASE stampmill SET default_transaction_read_only = on");
    sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'live_worker'");
}

static void pg_writable(void)
{
    sql("ALTER DATABASE stampmill RESET default_transaction_read_only");
}

START_TEST(postgres_read_only)
{
    weather(
        &(struct outage){"PostgreSQL read-only", pg_read_only, pg_writable, 1500, false, false});
}
END_TEST

static void pg_trigger(const char *body)
{
    sql("CREATE OR REPLACE FUNCTION weather() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN %s; "
        "RETURN NULL; END $$",
        body);
    sql("CREATE TRIGGER weather BEFORE INSERT ON stampmill.results FOR EACH STATEMENT EXECUTE "
        "FUNCTION weather()");
}

static void pg_no_trigger(void)
{
    sql("DROP TRIGGER weather ON stampmill.results");
}

static void pg_full(void)
{
    pg_trigger("RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = "
               "'53100'");
}

START_TEST(postgres_full)
{
    weather(&(struct outage){"PostgreSQL full", pg_full, pg_no_trigger, 1500, false, false});
}
END_TEST

static void pg_slow(void)
{
    pg_trigger("PERFORM pg_sleep(0.7)");
}

START_TEST(postgres_slow)
{
    weather(&(struct outage){"PostgreSQL slow", pg_slow, pg_no_trigger, 2000, true, false});
}
END_TEST

/* ---- Redis -- */

static void redis_stop(void)
{
    rig_signal_redis(SIGSTOP);
}

static void redis_go_on(void)
{
    rig_signal_redis(SIGCONT);
}

START_TEST(redis_stopped)
{
    weather(&(struct outage){"Redis stopped", redis_stop, redis_go_on, 3 * LEASE_MS, false, false});
}
END_TEST

START_TEST(redis_killed)
{
    rig_text("CONFIG SET appendfsync always");
    weather(&(struct outage){"Redis killed", redis_kill, redis_start, 2 * LEASE_MS, false, false});
}
END_TEST

static void redis_full(void)
{
    struct sm_job_spec job = {.type = "debug.noop"};
    struct sm_client *client = rig_client();
    struct sm_err err;
    rig_text("CONFIG SET maxmemory 1000000");
    ck_assert_int_eq(sm_enqueue(client, &job, NULL, &err), SM_E_FULL);
    sm_client_close(client);
}

static void redis_roomy(void)
{
    rig_text("CONFIG SET maxmemory 0");
}

START_TEST(redis_full_for_some_leases)
{
    weather(&(struct outage){"Redis full", redis_full, redis_roomy, 3 * LEASE_MS, true, true});
}
END_TEST

static void redis_replica(void)
{
    rig_text("REPLICAOF 127.0.0.1 1");
}

static void redis_master(void)
{
    rig_text("REPLICAOF NO ONE");
}

START_TEST(redis_read_only_after_a_fail_over)
{
    weather(&(struct outage){"Redis read-only", redis_replica, redis_master, 2 * LEASE_MS, false,
                             false});
}
END_TEST

int main(void)
{
    return RIG_SUITE("live_outage", {postgres_stopped, 0}, {postgres_killed, 0},
                     {postgres_restarted_at_once, 0}, {postgres_read_only, 0}, {postgres_full, 0},
                     {postgres_slow, 0}, {redis_stopped, 0}, {redis_killed, 0},
                     {redis_full_for_some_leases, 0}, {redis_read_only_after_a_fail_over, 0});
}
