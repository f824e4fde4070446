/*
 * Pruning on a real PostgreSQL, by a user with a worker's rights alone: old days go as a whole,
 * what is to be kept of them stays, everything else goes in batches, and what belongs to a result
 * goes with it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/upkeep.h"
#include "tests/store/fixture.h"

#define DAY_MS 86400000ll

static const struct sm_keep usual = {7 * DAY_MS, 90 * DAY_MS};
static struct sm_upkeep *upkeep;
static struct sm_err err;

static void open_upkeep(void)
{
    static char url[400];
    snprintf(url, sizeof url, "postgresql:///stampmill?host=%s&user=wally", servers.dir);
    struct sm_pg_options options = {url, "test_prune", false};
    upkeep = sm_upkeep_open(&options, 5000, &err);
    ck_assert_msg(upkeep != NULL, "%s", err.text);
}

static void set_up(void)
{
    fixture_start();
    sql("CREATE ROLE operator LOGIN IN ROLE stampmill_admin");
    sql("ALTER TABLE stampmill.results DETACH PARTITION stampmill.results_early");
    sql("DO $$ BEGIN EXECUTE format('ALTER TABLE stampmill.results ATTACH PARTITION "
        "stampmill.results_early FOR VALUES FROM (MINVALUE) TO (%%L)', "
        "stampmill.first_id(((now() AT TIME ZONE 'UTC')::date - 120)::timestamp AT TIME ZONE "
        "'UTC')); END $$");
}

/* Empty, with days of the past as daemons would have made them. Those between, that nobody made,
 * are in `other`. */
static void each(void)
{
    sql("TRUNCATE stampmill.results, stampmill.attempts, stampmill.outbox");
    sql("DO $$ DECLARE day date; ago integer; part text; BEGIN "
        "FOREACH ago IN ARRAY ARRAY[1, 5, 6, 8, 9, 20, 100, 119] LOOP "
        "day := (now() AT TIME ZONE 'UTC')::date - ago; "
        "part := 'results_' || to_char(day, 'YYYYMMDD'); "
        "CONTINUE WHEN to_regclass('stampmill.' || part) IS NOT NULL; "
        "EXECUTE format('CREATE TABLE stampmill.%%I PARTITION OF stampmill.results FOR VALUES FROM "
        "(%%L) TO (%%L)', part, stampmill.first_id(day::timestamp AT TIME ZONE 'UTC'), "
        "stampmill.first_id((day + 1)::timestamp AT TIME ZONE 'UTC')); END LOOP; END $$");
}

/* `n` rows of a state whose jobs were made and ended so many days ago, each with a failed attempt;
 * version 7 ids, or random ones. */
static void put(const char *state, int days, int n, bool random)
{
    sql("WITH made AS (INSERT INTO stampmill.results (id, enqueued_at, started_at, finished_at, "
        "cpu_us, life, attempt, state, queue, type, worker, envelope) SELECT CASE WHEN %s THEN "
        "gen_random_uuid() ELSE (left(stampmill.first_id(now() - interval '%d days')::text, 14) || "
        "'7' || right(gen_random_uuid()::text, 21))::uuid END, now() - interval '%d days', now(), "
        "now() - interval '%d days', 0, 1, 1, '%s', 'q', 't', 'w', '\\x81a17601' FROM "
        "generate_series(1, %d) RETURNING id, finished_at) INSERT INTO stampmill.attempts (id, "
        "started_at, finished_at, cpu_us, life, attempt, worker, error_code) SELECT id, "
        "finished_at, finished_at, 0, 1, 1, 'w', 'io' FROM made",
        random ? "true" : "false", days, days, days, state, n);
}

/* Prunes to the end; how many steps. */
static int prune(const struct sm_keep *keep)
{
    struct sm_pruned pruned;
    int steps = 0;
    open_upkeep();
    for (;; steps++) {
        int rc = sm_upkeep_prune(upkeep, keep, &pruned, &err);
        ck_assert_msg(rc == 0, "%s", err.text);
        ck_assert(!pruned.busy);
        if (pruned.what[0] == '\0')
            break;
        ck_assert_uint_gt(pruned.rows, 0);
        ck_assert_int_lt(steps, 1000);
    }
    sm_upkeep_close(upkeep);
    return steps;
}

static int rows(const char *where)
{
    return atoi(sql("SELECT count(*) FROM stampmill.results WHERE %s", where));
}

static int attempts(void)
{
    return atoi(sql("SELECT count(*) FROM stampmill.attempts"));
}

/* The partition of a day so many days ago. */
static bool day_is_there(int days)
{
    return *sql(
               "SELECT to_regclass('stampmill.results_' || to_char((now() - interval '%d days') AT "
               "TIME ZONE 'UTC', 'YYYYMMDD')) IS NOT NULL",
               days) == 't';
}

START_TEST(old_days_go_as_a_whole_and_young_ones_stay)
{
    put("succeeded", 20, 3000, false);
    put("succeeded", 15, 30, false); /* in `other` */
    put("succeeded", 5, 10, false);
    put("succeeded", 0, 10, false);
    prune(&usual);
    ck_assert_int_eq(rows("true"), 20);
    ck_assert_int_eq(attempts(), 20);
    ck_assert(!day_is_there(20) && !day_is_there(119) && !day_is_there(9));
    ck_assert(day_is_there(6) && day_is_there(5) && day_is_there(0));
    ck_assert_int_eq(prune(&usual), 0);
}
END_TEST

START_TEST(what_is_buried_in_an_old_day_stays_whole_and_can_be_retried)
{
    put("succeeded", 20, 100, false);
    put("dead", 20, 5, false);
    put("cancelled", 20, 1, false);
    put("waiting", 20, 1, false);
    put("dead", 100, 5, false);
    put("waiting", 100, 1, false);
    const char *digest =
        "SELECT md5(string_agg(r::text, '' ORDER BY id)) FROM stampmill.results AS r WHERE state = "
        "'waiting' OR (state <> 'succeeded' AND finished_at > now() - interval '90 days')";
    char before[40];
    snprintf(before, sizeof before, "%s", sql("%s", digest));
    prune(&usual);
    ck_assert_int_eq(rows("true"), 8);
    ck_assert_int_eq(attempts(), 8);
    ck_assert_str_eq(sql("%s", digest), before);
    ck_assert(!day_is_there(20) && !day_is_there(100));
    ck_assert_str_eq(sql("SELECT stampmill.retry(id) FROM stampmill.results WHERE state = "
                         "'cancelled'"),
                     "2");
    struct sm_row row = make_row(SM_STATE_SUCCEEDED, 1); /* a late success finds its row */
    const char *id = sql("SELECT id FROM stampmill.results WHERE state = 'dead' LIMIT 1");
    ck_assert(sm_id_parse(id, strlen(id), &row.id));
    enum sm_verdict verdict;
    struct sm_store *store = worker_store();
    ck_commit(store, &row, 1, &verdict);
    store->ops->close(store);
    ck_assert_str_eq(state_of(&row), "succeeded 1");
    ck_assert_int_eq(rows("true"), 8);
}
END_TEST

START_TEST(ids_of_other_versions_go_in_batches)
{
    put("succeeded", 20, 2500, true);
    put("succeeded", 1, 50, true);
    put("dead", 20, 30, true);
    put("dead", 91, 1200, true);
    int steps = prune(&usual);
    ck_assert_int_eq(rows("true"), 80);
    ck_assert_int_eq(attempts(), 80);
    ck_assert_int_ge(steps, 3 + 2);
}
END_TEST

START_TEST(a_day_with_much_to_keep_is_pruned_in_batches_once_it_is_well_past)
{
    put("succeeded", 20, 1500, false);
    put("dead", 20, 1100, false);
    put("succeeded", 8, 10, false); /* old, but a day that still gets late ones */
    put("dead", 8, 1100, false);
    prune(&usual);
    ck_assert(day_is_there(20));
    ck_assert_int_eq(rows("state = 'succeeded'"), 10);
    ck_assert_int_eq(rows("state = 'dead'"), 2200);
    ck_assert_int_eq(attempts(), 2210);
}
END_TEST

START_TEST(a_row_that_lingers_in_the_outbox_goes_with_its_result)
{
    put("succeeded", 20, 3, false);
    put("succeeded", 20, 3, true);
    put("dead", 100, 3, false);
    sql("INSERT INTO stampmill.outbox (id, created_at, due_at, bytes, life, epoch, queue, type) "
        "SELECT id, enqueued_at, enqueued_at, 9, 1, 1, queue, type FROM stampmill.results");
    sql("SELECT stampmill.enqueue('q', 't')");
    prune(&usual);
    ck_assert_int_eq(rows("true"), 0);
    ck_assert_str_eq(sql("SELECT count(*) FROM stampmill.outbox"), "1");
}
END_TEST

START_TEST(attempts_of_a_job_that_has_not_ended_stay)
{
    put("succeeded", 20, 3, false);
    sql("DELETE FROM stampmill.results WHERE id = (SELECT min(id::text)::uuid FROM "
        "stampmill.results)");
    prune(&usual);
    ck_assert_int_eq(rows("true"), 0);
    ck_assert_int_eq(attempts(), 1);
}
END_TEST

START_TEST(for_ever_is_for_ever_and_nothing_is_younger_than_an_hour)
{
    static const struct sm_keep ever = {0, 0}, moment = {1, 1};
    put("succeeded", 119, 5, false);
    put("dead", 119, 5, false);
    put("succeeded", 0, 5, false);
    put("dead", 0, 5, true);
    ck_assert_int_eq(prune(&ever), 0);
    ck_assert_int_eq(rows("true"), 20);
    prune(&moment);
    ck_assert_int_eq(rows("true"), 10);
}
END_TEST

START_TEST(one_prunes_at_a_time_and_nobody_waits_long)
{
    struct sm_pruned pruned;
    put("succeeded", 20, 5, false);
    open_upkeep();
    sql("SELECT pg_advisory_lock(hashtext('stampmill.prune'))");
    ck_assert_int_eq(sm_upkeep_prune(upkeep, &usual, &pruned, &err), 0);
    ck_assert(pruned.busy && pruned.rows == 0);
    sql("SELECT pg_advisory_unlock(hashtext('stampmill.prune'))");
    sql("BEGIN");
    sql("SELECT count(*) FROM stampmill.results"); /* a long reader */
    int64_t began = sm_mono_us(&sm_clock_real);
    do /* attempts go before */
        ck_assert_int_eq(sm_upkeep_prune(upkeep, &usual, &pruned, &err), 0);
    while (pruned.rows > 0);
    ck_assert(pruned.busy);
    ck_assert_int_lt(sm_mono_us(&sm_clock_real) - began, 10000000);
    sql("COMMIT");
    sm_upkeep_close(upkeep);
    prune(&usual);
    ck_assert_int_eq(rows("true"), 0);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        old_days_go_as_a_whole_and_young_ones_stay,
        what_is_buried_in_an_old_day_stays_whole_and_can_be_retried,
        ids_of_other_versions_go_in_batches,
        a_day_with_much_to_keep_is_pruned_in_batches_once_it_is_well_past,
        a_row_that_lingers_in_the_outbox_goes_with_its_result,
        attempts_of_a_job_that_has_not_ended_stay,
        for_ever_is_for_ever_and_nothing_is_younger_than_an_hour,
        one_prunes_at_a_time_and_nobody_waits_long,
    };
    return run_tests("store_prune", set_up, each, tests, sizeof tests / sizeof *tests);
}
