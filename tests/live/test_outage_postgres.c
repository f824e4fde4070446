/* Outages of PostgreSQL under load; what each must show is in weather.h. */
#include <signal.h>

#include "tests/live/weather.h"

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
    weather(&(struct outage){.name = "PostgreSQL stopped",
                             .begin = pg_stop,
                             .end = pg_go_on,
                             .ms = 2500,
                             .says = "PostgreSQL"});
}
END_TEST

START_TEST(postgres_away_for_long)
{
    weather(&(struct outage){.name = "PostgreSQL killed",
                             .begin = postgres_kill,
                             .end = postgres_start,
                             .ms = long_outage_ms(),
                             .says = "PostgreSQL: no connection to the server",
                             .large = true,
                             .backs_off = true});
}
END_TEST

START_TEST(postgres_restarted_at_once)
{
    weather(&(struct outage){
        .name = "PostgreSQL restarted", .begin = postgres_quit, .end = postgres_start});
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
    weather(&(struct outage){.name = "PostgreSQL read-only",
                             .begin = pg_read_only,
                             .end = pg_writable,
                             .ms = 1500,
                             .says = "PostgreSQL: the server takes no writes"});
}
END_TEST

static void pg_sleepy(void)
{
    sql("CREATE OR REPLACE FUNCTION weather() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM "
        "pg_sleep(2); RETURN NULL; END $$");
    sql("CREATE TRIGGER weather BEFORE INSERT ON stampmill.results FOR EACH STATEMENT EXECUTE "
        "FUNCTION weather()");
}

static void pg_awake(void)
{
    sql("DROP TRIGGER weather ON stampmill.results");
}

START_TEST(postgres_slow)
{
    weather(&(struct outage){.name = "PostgreSQL slow, 2 s a statement",
                             .begin = pg_sleepy,
                             .end = pg_awake,
                             .ms = 5000,
                             .says = "PostgreSQL has not answered a commit for 1.5 s"});
}
END_TEST

int main(void)
{
    return RIG_SUITE("live_outage_postgres", {postgres_stopped, 0}, {postgres_away_for_long, 0},
                     {postgres_restarted_at_once, 0}, {postgres_read_only, 0}, {postgres_slow, 0});
}
