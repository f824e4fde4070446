/*
 * Commits on a real PostgreSQL: the rule in every order, doubt, refusal, lost connections,
 * deadlines.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/uuid.h"
#include "tests/store/fixture.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const char *text_of(enum sm_state state, int life)
{
    static char text[40];
    snprintf(text, sizeof text, "%s %d", sm_state_name(state), life);
    return text;
}

/* ---- success -- */

START_TEST(every_column_arrives_as_it_was_given)
{
    struct sm_store *store = worker_store();
    struct sm_row row = make_row(SM_STATE_SUCCEEDED, 1);
    enum sm_verdict verdict;
    char id[SM_ID_TEXT];
    row.result = (struct sm_bytes){"{\"rows\": [1, \"\xc3\xa4\"]}", 19};
    row.body = (struct sm_bytes){"a\0b\xff", 4};
    row.content_type = "application/gzip";
    row.tags = (struct sm_bytes){"{\"user\": \"42\"}", 14};
    row.enqueued_us = 1700000000123456;
    ck_commit(store, &row, 1, &verdict);
    ck_assert_int_eq(verdict, SM_VERDICT_STOOD);
    sm_id_format(&row.id, id);
    ck_assert_str_eq(sql("SELECT concat_ws('|', queue, type, state, life, attempt, "
                         "result->'rows'->>1, encode(body, 'hex'),"
                         " content_type, coalesce(error_code, '-'), tags->>'user', worker,"
                         " extract(epoch FROM enqueued_at), cpu_us, envelope IS NULL)"
                         " FROM stampmill.results WHERE id = '%s'",
                         id),
                     "default|debug.echo|succeeded|1|1|\xc3\xa4|610062ff|application/"
                     "gzip|-|42|w0123456789abcdef|"
                     "1700000000.123456|500|t");
    store->ops->close(store);
}
END_TEST

START_TEST(columns_that_differ_within_a_batch_arrive)
{
    struct sm_store *store = worker_store();
    struct sm_row rows[12];
    enum sm_verdict verdicts[12];
    for (size_t i = 0; i < COUNT(rows); i++) {
        rows[i] = make_row((enum sm_state)(i % 4), 1 + (int)i);
        rows[i].attempt = 10 + (int)i;
        rows[i].queue = (struct sm_bytes){&"abcdefghijkl"[i], 1};
        rows[i].type = (struct sm_bytes){&"ABCDEFGHIJKL"[i], 1};
        if (i % 2 == 0)
            rows[i].tags = (struct sm_bytes){"{\"a\": \"b\"}", 10};
        if (i % 3 == 0)
            rows[i].started_us = 0;
    }
    ck_commit(store, rows, COUNT(rows), verdicts);
    for (size_t i = 0; i < COUNT(rows); i++) {
        char id[SM_ID_TEXT], wanted[100];
        sm_id_format(&rows[i].id, id);
        snprintf(wanted, sizeof wanted, "%s|%zu|%zu|%c|%c|%s|%s|%s", sm_state_name(rows[i].state),
                 1 + i, 10 + i, (char)('a' + i), (char)('A' + i), i % 2 == 0 ? "b" : "-",
                 i % 3 == 0 ? "never" : "began", i % 4 == SM_STATE_SUCCEEDED ? "-" : "line 3");
        ck_assert_str_eq(sql("SELECT concat_ws('|', state, life, attempt, queue, type, "
                             "coalesce(tags->>'a', '-'), CASE WHEN started_at IS NULL THEN "
                             "'never' ELSE 'began' END, coalesce(error_text, '-')) "
                             "FROM stampmill.results WHERE id = '%s'",
                             id),
                         wanted);
    }
    store->ops->close(store);
}
END_TEST

/* More combinations of filled columns than are kept prepared. */
START_TEST(any_number_of_shapes_works_on_one_connection)
{
    struct sm_store *store = worker_store();
    static const struct sm_bytes json = {"{}", 2};
    for (unsigned shape = 0; shape < 64; shape++) {
        struct sm_row row = make_row(SM_STATE_SUCCEEDED, 1);
        enum sm_verdict verdict;
        char id[SM_ID_TEXT];
        row.result = shape & 1 ? json : (struct sm_bytes){NULL, 0};
        row.body = shape & 2 ? json : (struct sm_bytes){NULL, 0};
        row.content_type = shape & 4 ? "text/plain" : NULL;
        row.error_text = shape & 8 ? json : (struct sm_bytes){NULL, 0};
        row.tags = shape & 16 ? json : (struct sm_bytes){NULL, 0};
        row.envelope = shape & 32 ? json : (struct sm_bytes){NULL, 0};
        ck_commit(store, &row, 1, &verdict);
        ck_assert_int_eq(verdict, SM_VERDICT_STOOD);
        sm_id_format(&row.id, id);
        unsigned found = (unsigned)atoi(
            sql("SELECT (result IS NOT NULL)::int + 2 * (body IS NOT NULL)::int + 4 * "
                "(content_type IS NOT NULL)::int + 8 * (error_text IS NOT NULL)::int + 16 * "
                "(tags IS NOT NULL)::int + 32 * (envelope IS NOT NULL)::int FROM "
                "stampmill.results WHERE id = '%s'",
                id));
        ck_assert_uint_eq(found, shape);
    }
    store->ops->close(store);
}
END_TEST

START_TEST(the_same_rows_again_stand)
{
    struct sm_store *store = worker_store();
    struct sm_row rows[100];
    enum sm_verdict verdicts[100];
    for (size_t i = 0; i < 100; i++)
        rows[i] = make_row(i % 3 == 0 ? SM_STATE_DEAD : SM_STATE_SUCCEEDED, 1);
    for (int round = 0; round < 3; round++) {
        ck_commit(store, rows, 100, verdicts);
        for (size_t i = 0; i < 100; i++)
            ck_assert_int_eq(verdicts[i], SM_VERDICT_STOOD);
    }
    store->ops->close(store);
}
END_TEST

static bool above(enum sm_state a, int a_life, enum sm_state b, int b_life)
{
    if (b == SM_STATE_SUCCEEDED)
        return false;
    return a == SM_STATE_SUCCEEDED || a_life > b_life || (a_life == b_life && a > b);
}

START_TEST(the_rule_holds_for_every_pair_in_both_orders)
{
    struct sm_store *a = worker_store(), *b = worker_store();
    for (int x = 0; x < 12; x++)
        for (int y = 0; y < 12; y++) {
            enum sm_state xs = (enum sm_state)(x % 4), ys = (enum sm_state)(y % 4);
            int xl = 1 + x / 4, yl = 1 + y / 4;
            struct sm_row first = make_row(xs, xl), second = make_row(ys, yl);
            enum sm_verdict verdict;
            second.id = first.id;
            ck_commit(a, &first, 1, &verdict);
            ck_assert_int_eq(verdict, SM_VERDICT_STOOD);
            ck_commit(b, &second, 1, &verdict);
            bool wins = above(ys, yl, xs, xl), equal = xs == ys && xl == yl;
            ck_assert_int_eq(verdict, wins || equal ? SM_VERDICT_STOOD : SM_VERDICT_SUPERSEDED);
            ck_assert_str_eq(state_of(&first), wins ? text_of(ys, yl) : text_of(xs, xl));
        }
    a->ops->close(a);
    b->ops->close(b);
}
END_TEST

START_TEST(a_row_that_stands_above_leaves_nothing_of_the_one_below)
{
    struct sm_store *store = worker_store();
    struct sm_row dead = make_row(SM_STATE_DEAD, 1), done = make_row(SM_STATE_SUCCEEDED, 1);
    enum sm_verdict verdict;
    char id[SM_ID_TEXT];
    dead.envelope = (struct sm_bytes){"\x80", 1};
    done.id = dead.id;
    ck_commit(store, &dead, 1, &verdict);
    ck_commit(store, &done, 1, &verdict);
    sm_id_format(&dead.id, id);
    ck_assert_str_eq(sql("SELECT error_code IS NULL AND error_text IS NULL AND envelope IS NULL"
                         " FROM stampmill.results WHERE id = '%s'",
                         id),
                     "t");
    store->ops->close(store);
}
END_TEST

START_TEST(failed_attempts_are_kept_once)
{
    struct sm_store *store = worker_store();
    struct sm_row row = make_row(SM_STATE_DEAD, 1);
    const struct sm_row *rows[] = {&row};
    struct sm_attempt attempts[3];
    enum sm_verdict verdict;
    struct sm_commit_result result;
    struct sm_err err = {0};
    char id[SM_ID_TEXT];
    for (int i = 0; i < 3; i++)
        attempts[i] = make_attempt(row.id, i + 1);
    struct sm_batch batch = {rows, 1, attempts, 3};
    for (int round = 0; round < 2; round++)
        ck_assert_int_eq(commit_all(store, &batch, &verdict, &result, &err), 0);
    sm_id_format(&row.id, id);
    ck_assert_str_eq(sql("SELECT count(*) FROM stampmill.attempts WHERE id = '%s'", id), "3");
    store->ops->close(store);
}
END_TEST

/* ---- refusal -- */

START_TEST(refused_rows_are_found_and_their_neighbours_commit)
{
    struct sm_store *store = worker_store();
    struct sm_row rows[200];
    enum sm_verdict verdicts[200];
    for (size_t i = 0; i < COUNT(rows); i++)
        rows[i] = make_row(SM_STATE_SUCCEEDED, 1);
    rows[17].result = (struct sm_bytes){"{\"a\": \"\\u0000\"}", 15};
    rows[63].queue = (struct sm_bytes){"a\0b", 3};
    rows[199].tags = (struct sm_bytes){"{half", 5};
    ck_commit(store, rows, COUNT(rows), verdicts);
    for (size_t i = 0; i < COUNT(rows); i++) {
        bool bad = i == 17 || i == 63 || i == 199;
        ck_assert_int_eq(verdicts[i], bad ? SM_VERDICT_REFUSED : SM_VERDICT_STOOD);
        ck_assert_str_eq(state_of(&rows[i]), bad ? "" : "succeeded 1");
    }
    store->ops->close(store);
}
END_TEST

START_TEST(a_refused_row_among_rows_that_are_there_already_is_found)
{
    struct sm_store *store = worker_store();
    struct sm_row rows[20];
    enum sm_verdict verdicts[20];
    for (size_t i = 0; i < COUNT(rows); i++)
        rows[i] = make_row(SM_STATE_SUCCEEDED, 1);
    ck_commit(store, rows, 10, verdicts);
    rows[15].tags = (struct sm_bytes){"{half", 5};
    ck_commit(store, rows, COUNT(rows), verdicts);
    for (size_t i = 0; i < COUNT(rows); i++)
        ck_assert_int_eq(verdicts[i], i == 15 ? SM_VERDICT_REFUSED : SM_VERDICT_STOOD);
    store->ops->close(store);
}
END_TEST

/* ---- servers that fail -- */

/* Locks the table so that a commit is surely under way, ends its session, and begins again. */
START_TEST(a_connection_lost_in_mid_commit_costs_nothing)
{
    struct sm_store *store = worker_store();
    struct sm_row row = make_row(SM_STATE_SUCCEEDED, 1);
    const struct sm_row *rows[] = {&row};
    struct sm_batch batch = {.rows = rows, .n = 1};
    enum sm_verdict verdict;
    struct sm_commit_result result = {.verdicts = &verdict};
    struct sm_err err = {0};
    sql("BEGIN");
    sql("LOCK TABLE stampmill.results IN ACCESS EXCLUSIVE MODE");
    ck_assert_int_eq(store->ops->commit_start(store, &batch, "w1", &err), 0);
    ck_assert_int_eq(store->ops->commit_wait(store, 100000, &result, &err), 1);
    sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = "
        "'test_store'");
    int rc = store->ops->commit_wait(store, 5000000, &result, &err);
    ck_assert_int_eq(sm_error_class(rc), SM_CLASS_SERVER);
    sql("ROLLBACK");
    ck_assert_int_eq(store->ops->connect(store, 5000, &err), 0);
    ck_commit(store, &row, 1, &verdict);
    ck_assert_int_eq(verdict, SM_VERDICT_STOOD);
    ck_assert_str_eq(state_of(&row), "succeeded 1");
    store->ops->close(store);
}
END_TEST

static void stop_backends(int signal)
{
    char command[200];
    snprintf(command, sizeof command, "kill -%d $(pgrep -P %d) %d", signal, servers.pg_pid,
             servers.pg_pid);
    ck_assert_int_eq(system(command), 0);
}

START_TEST(a_stopped_server_holds_nobody_past_the_wait)
{
    struct sm_store *store = worker_store();
    struct sm_row row = make_row(SM_STATE_SUCCEEDED, 1);
    const struct sm_row *rows[] = {&row};
    struct sm_batch batch = {.rows = rows, .n = 1};
    enum sm_verdict verdict;
    struct sm_commit_result result = {.verdicts = &verdict};
    struct sm_err err = {0};
    stop_backends(SIGSTOP);
    int64_t began = sm_mono_us(&sm_clock_real);
    int rc = store->ops->commit_start(store, &batch, "w1", &err);
    int waited = rc == 0 ? store->ops->commit_wait(store, 300000, &result, &err) : rc;
    int64_t took = sm_mono_us(&sm_clock_real) - began;
    int connected = store->ops->connect(store, 300, &err);
    int64_t both = sm_mono_us(&sm_clock_real) - began;
    stop_backends(SIGCONT);
    ck_assert_int_eq(waited, 1);
    ck_assert_int_lt(took, 1500000);
    ck_assert_int_eq(sm_error_class(connected), SM_CLASS_SERVER);
    ck_assert_int_lt(both, 3000000);
    ck_assert_int_eq(store->ops->connect(store, 5000, &err), 0);
    ck_commit(store, &row, 1, &verdict);
    ck_assert_int_eq(verdict, SM_VERDICT_STOOD);
    store->ops->close(store);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        every_column_arrives_as_it_was_given,
        columns_that_differ_within_a_batch_arrive,
        any_number_of_shapes_works_on_one_connection,
        the_same_rows_again_stand,
        the_rule_holds_for_every_pair_in_both_orders,
        a_row_that_stands_above_leaves_nothing_of_the_one_below,
        failed_attempts_are_kept_once,
        refused_rows_are_found_and_their_neighbours_commit,
        a_refused_row_among_rows_that_are_there_already_is_found,
        a_connection_lost_in_mid_commit_costs_nothing,
        a_stopped_server_holds_nobody_past_the_wait,
    };
    return run_tests("store_commit", fixture_start, NULL, tests, COUNT(tests));
}
