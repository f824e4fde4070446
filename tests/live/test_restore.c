/*
 * A Redis that is restored from an older snapshot while daemons run: what was settled since comes
 * back and is run again, what was enqueued since is gone. Durable jobs all end; of the others only
 * such as the snapshot does not have are lost; and no row changes. (Durable jobs that wait:
 * test_outbox.c.)
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/live/fleet.h"

enum { DURABLE = 300, PLAIN = 300 };

static void in_servers_folder(const char *command)
{
    char line[600];
    snprintf(line, sizeof line, "cd %s && %s", rig_servers.dir, command);
    ck_assert_int_eq(system(line), 0);
}

/* As many durable jobs as others, with ids that tables remember. */
static void enqueue(const char *when)
{
    struct sm_id ids[PLAIN];
    char text[SM_ID_TEXT];
    sql("INSERT INTO enqueued SELECT stampmill.enqueue('default', 'debug.sleep', '{\"ms\": 4}'), "
        "true, '%s' FROM generate_series(1, %d)",
        when, DURABLE);
    put_jobs(&(struct sm_job_spec){.type = "debug.sleep", .args_json = "{\"ms\":4}"}, PLAIN, ids);
    for (int i = 0; i < PLAIN; i++) {
        sm_id_format(&ids[i], text);
        sql("INSERT INTO enqueued VALUES ('%s', false, '%s')", text, when);
    }
}

static int without_a_row(const char *which)
{
    return (int)sql_int("SELECT count(*) FROM enqueued AS e WHERE (%s) AND NOT EXISTS (SELECT FROM "
                        "stampmill.results AS r WHERE r.id = e.id)",
                        which);
}

START_TEST(an_older_redis_loses_no_durable_job_and_changes_no_row)
{
    struct mill a, b;
    sql("CREATE TABLE enqueued (id uuid, durable boolean, at text)");
    mill_init(&a, "a", "host1", NULL);
    mill_init(&b, "b", "host2", NULL);
    mill_start(&a);
    mill_start(&b);
    rig_text("CONFIG SET appendfsync always");
    rig_text("HSET sm:{default}:meta paused 1");
    nap_ms(1000); /* they hear of it with their next beat */
    enqueue("before");
    AWAIT(5000, queue_length() == DURABLE + PLAIN);
    in_servers_folder("cp -a redis redis.old");
    rig_text("HDEL sm:{default}:meta paused");
    AWAIT(5000, rows_in("succeeded") > 100);
    enqueue("after");
    AWAIT(5000, rows_in("succeeded") > 700);
    redis_kill();
    sql("CREATE TABLE stood AS SELECT * FROM stampmill.results");
    in_servers_folder("rm -rf redis && mv redis.old redis");
    redis_start();
    rig_text("HDEL sm:{default}:meta paused");
    AWAIT(10000, without_a_row("durable OR at = 'before'") == 0 && queue_length() == 0);
    AWAIT(3000, sql_int("SELECT count(*) FROM stampmill.outbox") == 0);
    double runs_a, runs_b;
    AWAIT(2000, (runs_a = mill_metric(&a, "jobs_started_total")) > 0 &&
                    (runs_b = mill_metric(&b, "jobs_started_total")) > 0);
    int rows = rows_in("succeeded");
    printf("%lld rows when restored, %d in the end; %.0f runs; %d others are lost\n",
           sql_int("SELECT count(*) FROM stood"), rows, runs_a + runs_b, without_a_row("true"));
    ck_assert(runs_a + runs_b > rows); /* what had been settled since the snapshot was run again */
    check_uncharged(rows);
    ck_assert_int_eq(sql_int("SELECT count(*) FROM stood AS s JOIN stampmill.results AS r USING "
                             "(id) WHERE s IS DISTINCT FROM r::stampmill.results"),
                     0);
    ck_assert(mill_metric(&a, "identities_taken_total") == 0);
    ck_assert(mill_metric(&b, "identities_taken_total") == 0);
    mill_drain(&a);
    mill_drain(&b);
    check_redis_clean();
}
END_TEST

int main(void)
{
    return RIG_SUITE("live_restore", {an_older_redis_loses_no_durable_job_and_changes_no_row, 0});
}
