/*
 * Commits where something is at fault: rows that PostgreSQL refuses, a row that kills its
 * connection, sessions that are ended, replies that are lost, two stores in each other's way.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/uuid.h"
#include "tests/store/fixture.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define MANY 1000

static struct sm_row rows[MANY];
static const struct sm_row *sorted[MANY];
static enum sm_verdict verdicts[MANY];
static struct sm_commit_result result;
static size_t marked;

static struct sm_batch make_batch(size_t n)
{
    for (size_t i = 0; i < n; i++) {
        rows[i] = make_row(SM_STATE_SUCCEEDED, 1);
        sorted[i] = &rows[i];
    }
    sort_rows(sorted, n);
    return (struct sm_batch){.rows = sorted, .n = n};
}

/* Of this type and refused, all others there. */
static void ck_found(size_t n, const char *type)
{
    for (size_t i = 0; i < n; i++) {
        bool bad = strncmp(sorted[i]->type.p, type, sorted[i]->type.n) == 0;
        ck_assert_int_eq(verdicts[i], bad ? SM_VERDICT_REFUSED : SM_VERDICT_STOOD);
    }
    ck_assert_int_eq(atoi(sql("SELECT count(*) FROM stampmill.results WHERE type = '%s'", type)),
                     0);
    ck_assert_int_eq(atoi(sql("SELECT count(*) FROM stampmill.results WHERE type = 'debug.echo'")),
                     (int)(n - marked));
}

/* Marks `bad` rows, spread evenly, with this type. */
static void mark(size_t n, size_t bad, const char *type)
{
    sql("TRUNCATE stampmill.results");
    marked = bad;
    for (size_t i = 0; i < bad; i++)
        rows[i * n / bad + n / bad / 2].type = (struct sm_bytes){type, strlen(type)};
}

/* Runs `body` before each row of stampmill.results is inserted. */
static void trigger(const char *body)
{
    sql("CREATE OR REPLACE FUNCTION public.on_row() RETURNS trigger LANGUAGE plpgsql AS $$ "
        "BEGIN %s RETURN NEW; END $$",
        body);
    sql("CREATE OR REPLACE TRIGGER on_row BEFORE INSERT ON stampmill.results FOR EACH ROW EXECUTE "
        "FUNCTION public.on_row()");
}

/* ---- rows that are refused -- */

START_TEST(refused_rows_among_a_thousand_cost_few_statements)
{
    static const struct {
        size_t bad;
        int most; /* statements: two a halving, ten halvings deep; the upper ones are shared */
    } cases[] = {{1, 1 + 20}, {2, 1 + 39}, {100, 855}};
    struct sm_store *store = worker_store();
    struct sm_err err = {0};
    trigger("IF NEW.type = 'refuse' THEN RAISE 'not this one: %', NEW.id; END IF;");
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct sm_batch batch = make_batch(MANY);
        mark(MANY, cases[i].bad, "refuse");
        statements();
        ck_assert_int_eq(commit_all(store, &batch, verdicts, &result, &err), 0);
        int most = statements();
        ck_assert_int_ge(most, (int)cases[i].bad);
        ck_assert_int_le(most, cases[i].most);
        ck_found(MANY, "refuse");
        ck_assert_ptr_ne(strstr(result.refusal, "P0001"), NULL);
        ck_assert_ptr_eq(strstr(result.refusal, "not this one"), NULL);
    }
    sql("DROP TRIGGER on_row ON stampmill.results");
    store->ops->close(store);
}
END_TEST

START_TEST(a_constraint_is_named_and_the_data_is_not)
{
    struct sm_store *store = worker_store();
    struct sm_row row = make_row(SM_STATE_SUCCEEDED, 1);
    const struct sm_row *one[] = {&row};
    struct sm_batch batch = {.rows = one, .n = 1};
    struct sm_err err = {0};
    sql("ALTER TABLE stampmill.results ADD CONSTRAINT no_secrets CHECK (type <> 'secret')");
    row.type = (struct sm_bytes){"secret", 6};
    ck_assert_int_eq(commit_all(store, &batch, verdicts, &result, &err), 0);
    sql("ALTER TABLE stampmill.results DROP CONSTRAINT no_secrets");
    ck_assert_int_eq(verdicts[0], SM_VERDICT_REFUSED);
    ck_assert_str_eq(result.refusal,
                     "PostgreSQL refuses the result: SQLSTATE 23514, constraint no_secrets");
    store->ops->close(store);
}
END_TEST

/* ---- failures that pass -- */

static int fails_with(const char *sqlstate)
{
    struct sm_store *store = worker_store();
    struct sm_batch batch = make_batch(4);
    struct sm_err err = {0};
    char body[200];
    snprintf(body, sizeof body, "RAISE 'as told' USING ERRCODE = '%s';", sqlstate);
    trigger(body);
    int rc = commit_all(store, &batch, verdicts, &result, &err);
    sql("DROP TRIGGER on_row ON stampmill.results");
    ck_assert_ptr_ne(strstr(err.text, sqlstate), NULL);
    ck_assert_int_eq(store->ops->connect(store, 5000, &err), 0);
    ck_assert_int_eq(commit_all(store, &batch, verdicts, &result, &err), 0);
    for (size_t i = 0; i < 4; i++)
        ck_assert_int_eq(verdicts[i], SM_VERDICT_STOOD);
    store->ops->close(store);
    return rc;
}

START_TEST(failures_of_the_server_fail_the_batch_and_no_row)
{
    ck_assert_int_eq(fails_with("53100"), SM_E_FULL);
    ck_assert_int_eq(fails_with("53200"), SM_E_SERVER);
    ck_assert_int_eq(fails_with("25006"), SM_E_READ_ONLY);
    ck_assert_int_eq(fails_with("57014"), SM_E_TIMEOUT);
    ck_assert_int_eq(fails_with("42501"), SM_E_PERMISSION);
    ck_assert_int_eq(fails_with("XX000"), SM_E_SERVER);
    ck_assert_int_eq(fails_with("40P01"), SM_E_SERVER); /* when it does not pass */
}
END_TEST

START_TEST(a_deadlock_is_tried_again_whole)
{
    struct sm_store *store = worker_store();
    struct sm_batch batch = make_batch(100);
    struct sm_err err = {0};
    sql("CREATE SEQUENCE public.turns");
    sql("GRANT USAGE ON SEQUENCE public.turns TO PUBLIC");
    trigger("IF nextval('public.turns') < 3 THEN RAISE 'as told' USING ERRCODE = '40P01'; END IF;");
    statements();
    ck_assert_int_eq(commit_all(store, &batch, verdicts, &result, &err), 0);
    int most = statements();
    sql("DROP TRIGGER on_row ON stampmill.results");
    ck_assert_int_eq(most, 3);
    for (size_t i = 0; i < 100; i++)
        ck_assert_int_eq(verdicts[i], SM_VERDICT_STOOD);
    store->ops->close(store);
}
END_TEST

/* ---- connections that are lost -- */

#define KILLS                                                                                      \
    "IF NEW.type = 'kill' THEN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM "           \
    "pg_sleep(5); END IF;"

START_TEST(a_row_that_kills_its_connection_is_found_and_refused)
{
    struct sm_store *store = worker_store();
    struct sm_batch batch = make_batch(64);
    mark(64, 1, "kill");
    trigger(KILLS);
    int times = commit_stubbornly(store, &batch, verdicts, &result);
    sql("DROP TRIGGER on_row ON stampmill.results");
    ck_found(64, "kill");
    ck_assert_ptr_ne(strstr(result.refusal, "loses the connection"), NULL);
    ck_assert_int_ge(times, 3 + 5 + 10);
    ck_assert_int_le(times, 60);
    store->ops->close(store);
}
END_TEST

START_TEST(a_killer_leaves_its_attempts)
{
    struct sm_store *store = worker_store();
    struct sm_batch batch = make_batch(1);
    struct sm_attempt attempts[2];
    char id[SM_ID_TEXT];
    mark(1, 1, "kill");
    for (int i = 0; i < 2; i++)
        attempts[i] = make_attempt(rows[0].id, i + 1);
    batch.attempts = attempts;
    batch.attempts_n = 2;
    trigger(KILLS);
    commit_stubbornly(store, &batch, verdicts, &result);
    sql("DROP TRIGGER on_row ON stampmill.results");
    ck_found(1, "kill");
    sm_id_format(&rows[0].id, id);
    ck_assert_str_eq(sql("SELECT count(*) FROM stampmill.attempts WHERE id = '%s'", id), "2");
    ck_assert_uint_eq(result.attempts_refused, 0);
    store->ops->close(store);
}
END_TEST

/* A session of its own, for pg_stat_activity stands still inside a transaction. */
static PGconn *hold_up_writers(void)
{
    PGconn *pg = PQconnectdb(servers.database_url);
    PQclear(PQexec(pg, "BEGIN"));
    PGresult *r = PQexec(pg, "LOCK TABLE stampmill.results IN SHARE MODE");
    ck_assert_int_eq(PQresultStatus(r), PGRES_COMMAND_OK);
    PQclear(r);
    return pg;
}

/* While it is under way: its lock is held up by ours. */
static void end_session_under(struct sm_store *store, const struct sm_batch *batch)
{
    struct sm_err err = {0};
    result.verdicts = verdicts;
    int rc = store->ops->commit_start(store, batch, "w1", &err);
    while (rc == 0 && strcmp(sql("SELECT count(*) FROM pg_locks WHERE NOT granted"), "0") == 0 &&
           (rc = store->ops->commit_wait(store, 10000, &result, &err)) == 1)
        rc = 0;
    if (rc == 0) {
        sql("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = "
            "'test_store'");
        rc = store->ops->commit_wait(store, 5000000, &result, &err);
    }
    ck_assert_msg(sm_error_class(rc) == SM_CLASS_SERVER, "%d %s", rc, err.text);
    ck_assert_int_eq(store->ops->connect(store, 5000, &err), 0);
}

START_TEST(a_row_whose_sessions_others_end_is_not_refused)
{
    struct sm_store *store = worker_store();
    struct sm_batch batch = make_batch(1);
    PGconn *holding = hold_up_writers();
    for (int i = 0; i < 8; i++)
        end_session_under(store, &batch);
    PQfinish(holding);
    commit_stubbornly(store, &batch, verdicts, &result);
    ck_assert_int_eq(verdicts[0], SM_VERDICT_STOOD);
    ck_assert_str_eq(state_of(&rows[0]), "succeeded 1");
    store->ops->close(store);
}
END_TEST

/* The statement is prepared, so it is sent at the start; nobody reads the reply to it. */
START_TEST(a_commit_whose_reply_was_lost_stands)
{
    struct sm_store *store = worker_store();
    struct sm_batch batch = make_batch(50);
    struct sm_err err = {0};
    ck_assert_int_eq(commit_all(store, &batch, verdicts, &result, &err), 0);
    batch = make_batch(50);
    result.verdicts = verdicts;
    ck_assert_int_eq(store->ops->commit_start(store, &batch, "w1", &err), 0);
    while (strcmp(state_of(sorted[49]), "") == 0)
        ;
    sql("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = "
        "'test_store'");
    ck_assert_int_eq(store->ops->connect(store, 5000, &err), 0);
    ck_assert_int_eq(commit_stubbornly(store, &batch, verdicts, &result), 0);
    for (size_t i = 0; i < 50; i++)
        ck_assert_int_eq(verdicts[i], SM_VERDICT_STOOD);
    store->ops->close(store);
}
END_TEST

START_TEST(another_batch_after_a_lost_one_begins_anew)
{
    struct sm_store *store = worker_store();
    struct sm_batch batch = make_batch(3);
    struct sm_err err = {0};
    PGconn *holding = hold_up_writers();
    end_session_under(store, &batch);
    PQfinish(holding);
    batch.n = 2;
    ck_assert_int_eq(commit_all(store, &batch, verdicts, &result, &err), 0);
    ck_assert_str_eq(state_of(sorted[1]), "succeeded 1");
    ck_assert_str_eq(state_of(sorted[2]), "");
    store->ops->close(store);
}
END_TEST

/* ---- two stores -- */

struct side {
    struct sm_store *store;
    enum sm_state state;
    int failures;
};

static const struct sm_row *shared_rows;

/* The same ids again and again, in batches of changing size. */
static void *commit_over_and_over(void *arg)
{
    struct side *side = arg;
    for (int round = 0; round < 40; round++) {
        struct sm_row mine[200];
        const struct sm_row *order[200];
        enum sm_verdict given[200];
        struct sm_commit_result out;
        struct sm_err err;
        size_t n = 100 + (size_t)(round * 7 % 100);
        for (size_t i = 0; i < n; i++) {
            mine[i] = shared_rows[i];
            mine[i].state = side->state;
            mine[i].life = 1 + round;
            order[i] = &mine[i];
        }
        sort_rows(order, n);
        struct sm_batch batch = {.rows = order, .n = n};
        side->failures += commit_all(side->store, &batch, given, &out, &err) != 0;
    }
    return NULL;
}

START_TEST(two_stores_over_the_same_ids_never_deadlock)
{
    struct side sides[2] = {{worker_store(), SM_STATE_DEAD, 0},
                            {worker_store(), SM_STATE_CANCELLED, 0}};
    pthread_t threads[2];
    make_batch(200);
    shared_rows = rows;
    statements();
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, commit_over_and_over, &sides[i]), 0);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(sides[i].failures, 0);
        sides[i].store->ops->close(sides[i].store);
    }
    ck_assert_str_eq(sql("SELECT sum(deadlocks) FROM pg_stat_database"), "0");
    ck_assert_str_eq(state_of(&rows[0]), "cancelled 40");
}
END_TEST

/* ---- large -- */

#define MIB (1024 * 1024)

static char *json_of(size_t size)
{
    char *text = malloc(size);
    unsigned char noise[4096];
    sm_random(noise, sizeof noise);
    text[0] = text[size - 1] = '"';
    for (size_t i = 1; i < size - 1; i++)
        text[i] = "0123456789abcdef"[(noise[i % sizeof noise] + i / sizeof noise) % 16];
    return text;
}

START_TEST(a_row_of_the_largest_result_and_body_is_stored)
{
    struct sm_store *store = worker_store();
    struct sm_batch batch = make_batch(1);
    char *json = json_of(16 * MIB), id[SM_ID_TEXT];
    rows[0].result = rows[0].body = (struct sm_bytes){json, 16 * MIB};
    rows[0].content_type = "text/plain";
    ck_assert_int_eq(commit_stubbornly(store, &batch, verdicts, &result), 0);
    ck_assert_int_eq(verdicts[0], SM_VERDICT_STOOD);
    sm_id_format(&rows[0].id, id);
    ck_assert_str_eq(sql("SELECT octet_length(body) || ' ' || length(result #>> '{}') FROM "
                         "stampmill.results WHERE id = '%s'",
                         id),
                     "16777216 16777214");
    free(json);
    store->ops->close(store);
}
END_TEST

/* As a committer bounds them by bytes: one a batch. */
START_TEST(many_large_results_one_after_the_other_lose_no_connection)
{
    struct sm_store *store = worker_store();
    char *body = calloc(1, 16 * MIB);
    int before =
        atoi(sql("SELECT pid FROM pg_stat_activity WHERE application_name = 'test_store'"));
    for (int i = 0; i < 12; i++) {
        struct sm_batch batch = make_batch(1);
        rows[0].body = (struct sm_bytes){body, 16 * MIB};
        ck_assert_int_eq(commit_stubbornly(store, &batch, verdicts, &result), 0);
        ck_assert_int_eq(verdicts[0], SM_VERDICT_STOOD);
    }
    ck_assert_int_eq(
        atoi(sql("SELECT pid FROM pg_stat_activity WHERE application_name = 'test_store'")),
        before);
    sql("TRUNCATE stampmill.results");
    free(body);
    store->ops->close(store);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        refused_rows_among_a_thousand_cost_few_statements,
        a_constraint_is_named_and_the_data_is_not,
        failures_of_the_server_fail_the_batch_and_no_row,
        a_deadlock_is_tried_again_whole,
        a_row_that_kills_its_connection_is_found_and_refused,
        a_killer_leaves_its_attempts,
        a_row_whose_sessions_others_end_is_not_refused,
        a_commit_whose_reply_was_lost_stands,
        another_batch_after_a_lost_one_begins_anew,
        two_stores_over_the_same_ids_never_deadlock,
        a_row_of_the_largest_result_and_body_is_stored,
        many_large_results_one_after_the_other_lose_no_connection,
    };
    return run_tests("store_faults", fixture_start, NULL, tests, COUNT(tests));
}
