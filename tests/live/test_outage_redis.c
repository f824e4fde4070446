/* Outages of Redis under load; what each must show is in weather.h. Group, stream, scripts and all
 * of Redis lost: test_lease.c. */
#include <signal.h>

#include "tests/live/weather.h"

static void redis_stop(void)
{
    rig_signal_redis(SIGSTOP);
}

static void redis_go_on(void)
{
    rig_signal_redis(SIGCONT);
}

START_TEST(redis_stopped_for_three_leases)
{
    weather(&(struct outage){.name = "Redis stopped",
                             .begin = redis_stop,
                             .end = redis_go_on,
                             .ms = 3 * LEASE_MS,
                             .says = "Redis: the server did not answer in time"});
}
END_TEST

START_TEST(redis_killed)
{
    rig_text("CONFIG SET appendfsync always");
    weather(&(struct outage){.name = "Redis killed",
                             .begin = redis_kill,
                             .end = redis_start,
                             .ms = 2 * LEASE_MS,
                             .says = "Redis: no connection to the server"});
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

START_TEST(redis_full_for_long)
{
    weather(&(struct outage){.name = "Redis full",
                             .begin = redis_full,
                             .end = redis_roomy,
                             .ms = long_outage_ms(),
                             .shrinks = true});
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
    weather(&(struct outage){.name = "Redis read-only",
                             .begin = redis_replica,
                             .end = redis_master,
                             .ms = 2 * LEASE_MS,
                             .says = "Redis: the server takes no writes"});
}
END_TEST

int main(void)
{
    return RIG_SUITE("live_outage_redis", {redis_stopped_for_three_leases, 0}, {redis_killed, 0},
                     {redis_full_for_long, 0}, {redis_read_only_after_a_fail_over, 0});
}
