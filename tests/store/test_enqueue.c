/*
 * stampmill.enqueue, retry and cancel as SQL, under the roles that may call them: what is refused
 * and in which words, what a rolled back or repeated call leaves, and second lives in every order
 * of a retry and stale workers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/uuid.h"
#include "tests/store/fixture.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

enum field_bounds {
#define SM_FIELD(symbol, name, kind, min, max, fallback, help)                                     \
    MIN_##symbol = (min) > 2000000000 ? 2000000000 : (int)(min),                                   \
    MAX_##symbol = (max) > 2000000000 ? 2000000000 : (int)(max),
#include "queue/fields.def"
#undef SM_FIELD
};

/* ---- sessions -- */

static PGconn *session(const char *user)
{
    char url[400];
    snprintf(url, sizeof url, "postgresql:///stampmill?host=%s&user=%s", servers.dir, user);
    PGconn *pg = PQconnectdb(url);
    ck_assert_msg(PQstatus(pg) == CONNECTION_OK, "%s", PQerrorMessage(pg));
    return pg;
}

/* Fails with this SQLSTATE and these words; both are in the message. */
static void refused(PGconn *pg, const char *statement, const char *state, const char *words)
{
    PGresult *r = PQexec(pg, statement);
    const char *got = PQresultErrorField(r, PG_DIAG_SQLSTATE);
    const char *text = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
    ck_assert_msg(got != NULL && strcmp(got, state) == 0, "%.200s: %s", statement,
                  PQerrorMessage(pg));
    ck_assert_msg(strstr(text, words) != NULL, "%.200s: no \"%s\" in: %s", statement, words, text);
    PQclear(r);
}

static void run(PGconn *pg, const char *statement)
{
    PGresult *r = PQexec(pg, statement);
    ck_assert_msg(PQresultStatus(r) == PGRES_TUPLES_OK || PQresultStatus(r) == PGRES_COMMAND_OK,
                  "%s: %s", statement, PQerrorMessage(pg));
    PQclear(r);
}

static void set_up(void)
{
    fixture_start();
    sql("CREATE ROLE shop LOGIN IN ROLE stampmill_producer");
    sql("CREATE ROLE operator LOGIN IN ROLE stampmill_admin");
    sql("CREATE ROLE nobody_here LOGIN");
}

static void empty(void)
{
    sql("DELETE FROM stampmill.outbox");
    sql("DELETE FROM stampmill.results");
    sql("DELETE FROM stampmill.attempts");
}

/* ---- enqueue -- */

START_TEST(a_job_is_there_when_its_transaction_commits_and_only_then)
{
    PGconn *shop = session("shop");
    run(shop, "BEGIN");
    run(shop, "SELECT stampmill.enqueue('mail', 'debug.noop')");
    ck_assert_str_eq(sql("SELECT count(*) FROM stampmill.outbox"), "0");
    run(shop, "ROLLBACK");
    ck_assert_str_eq(sql("SELECT count(*) FROM stampmill.outbox"), "0");
    run(shop, "SELECT stampmill.enqueue('mail', 'debug.noop')");
    ck_assert_str_eq(sql("SELECT queue || ' ' || type || ' ' || args || ' ' || life || ' ' || "
                         "substring(id::text FROM 15 FOR 1) FROM stampmill.outbox"),
                     "mail debug.noop {} 1 7");
    PQfinish(shop);
}
END_TEST

START_TEST(producers_enqueue_and_nobody_else_does)
{
    PGconn *shop = session("shop"), *none = session("nobody_here");
    refused(none, "SELECT stampmill.enqueue('q', 't')", "42501", "permission");
    refused(shop, "SELECT * FROM stampmill.outbox", "42501", "permission");
    refused(shop, "INSERT INTO stampmill.outbox DEFAULT VALUES", "42501", "permission");
    refused(shop, "SELECT stampmill.retry(gen_random_uuid())", "42501", "permission");
    refused(shop, "SELECT stampmill.cancel(gen_random_uuid())", "42501", "permission");
    PQfinish(shop);
    PQfinish(none);
}
END_TEST

START_TEST(a_table_of_the_callers_own_is_not_mistaken_for_ours)
{
    PGconn *shop = session("shop");
    run(shop, "CREATE TEMP TABLE outbox (id uuid)");
    run(shop, "CREATE TEMP TABLE results (id uuid)");
    run(shop, "SET search_path = pg_temp, pg_catalog");
    run(shop, "SELECT stampmill.enqueue('q', 't', id => '01932f8a-5c3e-7d10-9f52-0a1b2c3d4e5f')");
    ck_assert_str_eq(sql("SELECT count(*) FROM stampmill.outbox"), "1");
    PQfinish(shop);
}
END_TEST

START_TEST(every_bound_is_held_and_named)
{
    static const char *const wrong[][2] = {
        {"NULL, 't'", "queue:"},
        {"'', 't'", "queue:"},
        {"'-a', 't'", "queue:"},
        {"E'a\\n', 't'", "queue:"},
        {"repeat('q', 65), 't'", "queue:"},
        {"'q', NULL", "type:"},
        {"'q', 'a b'", "type:"},
        {"'q', repeat('t', 65)", "type:"},
        {"'q', 't', '[]'", "args: must be a map"},
        {"'q', 't', 'null'", "args: must be a map"},
        {"'q', 't', jsonb_build_object('a', repeat('x', 1048570))", "args:"},
        {"'q', 't', (repeat('{\"a\":', 65) || '1' || repeat('}', 65))::jsonb", "args: nested"},
        {"'q', 't', ('{\"a\":' || repeat('[', 64) || repeat(']', 64) || '}')::jsonb",
         "args: nested"},
        {"'q', 't', input => decode(repeat('00', 16777217), 'hex')", "input:"},
        {"'q', 't', run_at => 'infinity'", "run_at:"},
        {"'q', 't', run_at => '-infinity'", "run_at:"},
        {"'q', 't', run_at => '10000-01-01'", "run_at:"},
        {"'q', 't', max_attempts => 0", "max_attempts:"},
        {"'q', 't', max_attempts => 1001", "max_attempts:"},
        {"'q', 't', tags => '[]'", "tags:"},
        {"'q', 't', tags => '{\"a\": 1}'", "tags:"},
        {"'q', 't', tags => '{\"\": \"x\"}'", "tags:"},
        {"'q', 't', tags => jsonb_build_object('a', repeat('x', 257))", "tags:"},
        {"'q', 't', tags => (SELECT jsonb_object_agg(n, 'x') FROM generate_series(1, 17) n)",
         "tags:"},
        {"'q', 't', id => '00000000-0000-0000-0000-000000000000'", "id:"},
    };
    PGconn *shop = session("shop");
    char text[400];
    for (size_t i = 0; i < COUNT(wrong); i++) {
        snprintf(text, sizeof text, "SELECT stampmill.enqueue(%s)", wrong[i][0]);
        refused(shop, text, "22023", wrong[i][1]);
    }
    ck_assert_str_eq(sql("SELECT count(*) FROM stampmill.outbox"), "0");
    PQfinish(shop);
}
END_TEST

START_TEST(the_bounds_are_those_of_the_fields_table)
{
    sql("SELECT stampmill.enqueue(repeat('q', %d), repeat('t', %d), "
        "jsonb_build_object('a', repeat('x', %d)), decode(repeat('00', %d), 'hex'), "
        "'9999-12-31 23:59:59.999+00', %d, "
        "(SELECT jsonb_object_agg(n, repeat('x', 256)) FROM generate_series(1, %d) n))",
        64, MAX_TYPE, MAX_ARGS - 9, MAX_INPUT, MAX_MAX_ATTEMPTS, MAX_TAGS);
    sql("SELECT stampmill.enqueue('q', 't', (repeat('{\"a\":', 64) || '1' || repeat('}', 64))"
        "::jsonb, max_attempts => %d)",
        MIN_MAX_ATTEMPTS);
    ck_assert_str_eq(sql("SELECT count(*) FROM stampmill.outbox"), "2");
}
END_TEST

START_TEST(an_id_that_is_known_is_enqueued_once)
{
    struct sm_store *store = store_as("");
    struct sm_row row = make_row(SM_STATE_DEAD, 1);
    enum sm_verdict verdict;
    struct sm_err err;
    char id[SM_ID_TEXT];
    sm_id_format(&row.id, id);
    for (int i = 0; i < 3; i++)
        ck_assert_str_eq(sql("SELECT stampmill.enqueue('q', 't%d', id => '%s')", i, id), id);
    ck_assert_str_eq(sql("SELECT count(*) || ' ' || max(type) FROM stampmill.outbox"), "1 t0");
    ck_assert_int_eq(commit(store, &row, 1, &verdict, &err), 0);
    sql("DELETE FROM stampmill.outbox");
    ck_assert_str_eq(sql("SELECT stampmill.enqueue('q', 't', id => '%s')", id), id);
    ck_assert_str_eq(sql("SELECT count(*) FROM stampmill.outbox"), "0");
    store->ops->close(store);
}
END_TEST

START_TEST(nobody_is_notified_while_no_relay_sleeps)
{
    PGconn *shop = session("shop"), *relay = session("stampmill");
    run(relay, "LISTEN stampmill_outbox");
    run(shop, "SELECT stampmill.enqueue('q', 't')");
    run(relay, "SELECT pg_advisory_lock(1397575490, 2)");
    ck_assert_ptr_null(PQnotifies(relay));
    run(shop, "SELECT stampmill.enqueue('q', 't')");
    run(relay, "SELECT 1");
    PGnotify *note = PQnotifies(relay);
    ck_assert_ptr_nonnull(note);
    PQfreemem(note);
    PQfinish(shop);
    PQfinish(relay);
}
END_TEST

START_TEST(a_relay_cannot_fall_asleep_over_a_row_that_is_not_yet_visible)
{
    PGconn *shop = session("shop");
    run(shop, "BEGIN");
    run(shop, "SELECT stampmill.enqueue('q', 't')");
    ck_assert_str_eq(sql("SELECT pg_try_advisory_lock(1397575490, 2)"), "f");
    run(shop, "COMMIT");
    ck_assert_str_eq(sql("SELECT pg_try_advisory_lock(1397575490, 2)"), "t");
    sql("SELECT pg_advisory_unlock(1397575490, 2)");
    PQfinish(shop);
}
END_TEST

/* ---- second life -- */

static struct sm_row dead_row(void)
{
    static const char whole[] = "\x83\xa1v\x01\xa4type\xaa"
                                "debug.fail\xa4"
                                "args\x80";
    struct sm_row row = make_row(SM_STATE_DEAD, 1);
    row.envelope = (struct sm_bytes){whole, sizeof whole - 1};
    return row;
}

static void put(const struct sm_row *row)
{
    struct sm_store *store = store_as("");
    enum sm_verdict verdict;
    struct sm_err err = {0};
    ck_assert_msg(commit(store, row, 1, &verdict, &err) == 0, "%s", err.text);
    store->ops->close(store);
}

static const char *id_of(const struct sm_row *row)
{
    static char id[SM_ID_TEXT];
    sm_id_format(&row->id, id);
    return id;
}

static const char *life_and_state(const struct sm_row *row)
{
    return sql("SELECT state || ' ' || life FROM stampmill.results WHERE id = '%s'", id_of(row));
}

static const char *statement(const char *format, const struct sm_row *row)
{
    static char text[200];
    snprintf(text, sizeof text, format, id_of(row));
    return text;
}

START_TEST(a_retry_is_a_new_life_and_keeps_how_the_last_one_ended)
{
    PGconn *admin = session("operator");
    struct sm_row row = dead_row();
    put(&row);
    run(admin, statement("SELECT stampmill.retry('%s', '{\"how\": \"done\"}')", &row));
    ck_assert_str_eq(life_and_state(&row), "waiting 2");
    ck_assert_str_eq(sql("SELECT life || ' ' || args || ' ' || octet_length(envelope) || ' ' || "
                         "(due_at <= now()) || ' ' || (epoch IS NULL) FROM stampmill.outbox"),
                     "2 {\"how\": \"done\"} 26 true true");
    ck_assert_str_eq(sql("SELECT life || ' ' || error_code || ' ' || error_text FROM "
                         "stampmill.attempts WHERE id = '%s'",
                         id_of(&row)),
                     "1 bad_input line 3");
    row.life = 2;
    row.error_text = (struct sm_bytes){"line 9", 6};
    put(&row);
    ck_assert_str_eq(life_and_state(&row), "dead 2");
    ck_assert_str_eq(sql("SELECT error_text FROM stampmill.results"), "line 9");
    PQfinish(admin);
}
END_TEST

START_TEST(what_cannot_be_retried_is_refused_and_says_why)
{
    PGconn *admin = session("operator");
    struct sm_row done = make_row(SM_STATE_SUCCEEDED, 1), cut = dead_row(), bare = dead_row(),
                  unread = dead_row(), fine = dead_row();
    cut.envelope = (struct sm_bytes){"\x81\xabx_input_cut\x01", 14};
    bare.envelope = (struct sm_bytes){NULL, 0};
    unread.error_code = "bad_envelope";
    unread.attempt = 0;
    put(&done);
    put(&cut);
    put(&bare);
    put(&unread);
    put(&fine);
    const char *retry = "SELECT stampmill.retry('%s')";
    refused(admin, statement(retry, &done), "SM409", "has succeeded");
    refused(admin, statement(retry, &cut), "SM409", "over 1 MiB");
    refused(admin, statement(retry, &bare), "SM409", "without its envelope");
    refused(admin, statement(retry, &unread), "SM409", "(bad_envelope)");
    refused(admin, statement("SELECT stampmill.retry('%s', '[]')", &fine), "22023", "args:");
    refused(admin, statement("SELECT stampmill.retry('%s', life => 2)", &fine), "SM409",
            "is in life 1");
    run(admin, statement(retry, &fine));
    refused(admin, statement(retry, &fine), "SM409", "is being retried already: life 2");
    struct sm_row unknown = dead_row();
    refused(admin, statement(retry, &unknown), "SM404", "no job by this id");
    sql("SELECT stampmill.enqueue('q', 't', id => '%s')", id_of(&unknown));
    refused(admin, statement(retry, &unknown), "SM409", "has not ended");
    PQfinish(admin);
}
END_TEST

START_TEST(retried_twice_at_once_is_one_life_more)
{
    PGconn *first = session("operator"), *second = session("operator");
    struct sm_row row = dead_row();
    put(&row);
    run(first, "BEGIN");
    run(first, statement("SELECT stampmill.retry('%s')", &row));
    ck_assert_int_eq(PQsendQuery(second, statement("SELECT stampmill.retry('%s')", &row)), 1);
    run(first, "COMMIT");
    PGresult *r = PQgetResult(second);
    ck_assert_str_eq(PQresultErrorField(r, PG_DIAG_SQLSTATE), "SM409");
    PQclear(r);
    ck_assert_str_eq(life_and_state(&row), "waiting 2");
    ck_assert_str_eq(sql("SELECT count(*) FROM stampmill.outbox"), "1");
    PQfinish(first);
    PQfinish(second);
}
END_TEST

START_TEST(a_retry_that_is_cut_before_its_commit_leaves_all_as_it_was)
{
    PGconn *admin = session("operator");
    struct sm_row row = dead_row();
    put(&row);
    run(admin, "BEGIN");
    run(admin, statement("SELECT stampmill.retry('%s')", &row));
    PQfinish(admin);
    ck_assert_str_eq(life_and_state(&row), "dead 1");
    ck_assert_str_eq(sql("SELECT count(*) FROM stampmill.outbox"), "0");
}
END_TEST

/* What happens to a job, by a letter each: d, s, c: a worker of life 1 writes dead, succeeded,
 * cancelled; D, S, C: one of life 2; r: an admin retries. A retry that is not allowed at its
 * place does nothing. */
static void play(const char *order, const struct sm_row *base)
{
    PGconn *admin = session("operator");
    for (; *order != '\0'; order++) {
        struct sm_row row = *base;
        row.life = *order >= 'a' ? 1 : 2;
        row.state = strchr("sS", *order)   ? SM_STATE_SUCCEEDED
                    : strchr("cC", *order) ? SM_STATE_CANCELLED
                                           : SM_STATE_DEAD;
        if (*order != 'r')
            put(&row);
        else
            PQclear(PQexec(admin, statement("SELECT stampmill.retry('%s')", base)));
    }
    PQfinish(admin);
}

START_TEST(lives_and_ranks_decide_whatever_the_order)
{
    static const char *const stories[][2] = {
        {"dr", "waiting 2"},    {"drD", "dead 2"},        {"drd", "waiting 2"},
        {"drdD", "dead 2"},     {"drDd", "dead 2"},       {"drc", "waiting 2"},
        {"drs", "succeeded 1"}, {"drsD", "succeeded 1"},  {"drDs", "succeeded 1"},
        {"drS", "succeeded 2"}, {"drSs", "succeeded 2"},  {"drsS", "succeeded 1"},
        {"crD", "dead 2"},      {"cdrD", "dead 2"},       {"dcr", "waiting 2"},
        {"drC", "cancelled 2"}, {"drCD", "cancelled 2"},  {"drDC", "cancelled 2"},
        {"drrD", "dead 2"},     {"sr", "succeeded 1"},    {"drDr", "waiting 3"},
        {"drDrD", "waiting 3"}, {"drDrS", "succeeded 2"},
    };
    for (size_t i = 0; i < COUNT(stories); i++) {
        struct sm_row row = dead_row();
        play(stories[i][0], &row);
        ck_assert_msg(strcmp(life_and_state(&row), stories[i][1]) == 0, "%s: %s, not %s",
                      stories[i][0], life_and_state(&row), stories[i][1]);
    }
}
END_TEST

/* ---- cancel -- */

START_TEST(a_durable_job_that_is_cancelled_has_its_row_before_anything_else)
{
    PGconn *admin = session("operator");
    struct sm_row row = dead_row();
    sql("SELECT stampmill.enqueue('q', 'debug.noop', '{\"a\": 1}', 'abc', id => '%s', "
        "tags => '{\"k\": \"v\"}')",
        id_of(&row));
    run(admin, statement("SELECT stampmill.cancel('%s')", &row));
    ck_assert_str_eq(life_and_state(&row), "cancelled 1");
    ck_assert_str_eq(sql("SELECT count(*) FROM stampmill.outbox"), "0");
    ck_assert_str_eq(sql("SELECT stampmill.cancel('%s')", id_of(&row)), "f");
    run(admin, statement("SELECT stampmill.retry('%s')", &row));
    ck_assert_str_eq(life_and_state(&row), "waiting 2");
    run(admin, statement("SELECT stampmill.cancel('%s')", &row));
    ck_assert_str_eq(life_and_state(&row), "cancelled 2");
    PQfinish(admin);
}
END_TEST

START_TEST(what_has_ended_already_stays_as_it_ended_when_it_is_cancelled_or_purged)
{
    struct sm_row row = dead_row();
    for (int i = 0; i < 2; i++) {
        sql("SELECT stampmill.enqueue('q', 'debug.noop', id => '%s')", id_of(&row));
        put(&row); /* its worker is killed before the outbox is cleared */
        ck_assert_str_eq(i == 0 ? sql("SELECT stampmill.cancel('%s')", id_of(&row))
                                : sql("SELECT count(*) FROM stampmill.purge('q', '{%s}', '{NULL}', "
                                      "'{NULL}')",
                                      id_of(&row)),
                         i == 0 ? "f" : "0");
        ck_assert_str_eq(life_and_state(&row), "dead 1");
        ck_assert_str_eq(sql("SELECT count(*) FROM stampmill.outbox"), "0");
        sql("DELETE FROM stampmill.results");
    }
}
END_TEST

START_TEST(a_purge_ends_what_is_of_its_queue_and_still_as_it_was_seen)
{
    PGconn *admin = session("operator");
    static const char *const seen[] = {"{NULL,NULL,NULL}", "{7,NULL,NULL}"};
    for (int i = 1; i <= 3; i++)
        sql("SELECT stampmill.enqueue('%s', 'debug.noop', id => "
            "'01932f8a-5c3e-7d10-9f52-00000000000%d')",
            i == 3 ? "other" : "q", i);
    sql("UPDATE stampmill.outbox SET epoch = 1, entry_ms = 7, entry_seq = 7 WHERE id = "
        "'01932f8a-5c3e-7d10-9f52-000000000001'");
    for (int i = 0; i < 2; i++) {
        char text[400];
        snprintf(text, sizeof text,
                 "SELECT stampmill.purge('q', "
                 "'{01932f8a-5c3e-7d10-9f52-000000000001,01932f8a-5c3e-7d10-9f52-000000000002,"
                 "01932f8a-5c3e-7d10-9f52-000000000003}', '%s', '%s')",
                 seen[i], seen[i]);
        run(admin, text);
        ck_assert_str_eq(
            sql("SELECT string_agg(right(id::text, 1), '' ORDER BY id) FROM stampmill.results "
                "WHERE state = 'cancelled' AND error_code = 'cancelled'"),
            i == 0 ? "2" : "12");
    }
    ck_assert_str_eq(sql("SELECT right(id::text, 1) FROM stampmill.outbox"), "3");
    run(admin, "SELECT stampmill.retry('01932f8a-5c3e-7d10-9f52-000000000001')");
    PQfinish(admin);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_job_is_there_when_its_transaction_commits_and_only_then,
        producers_enqueue_and_nobody_else_does,
        a_table_of_the_callers_own_is_not_mistaken_for_ours,
        every_bound_is_held_and_named,
        the_bounds_are_those_of_the_fields_table,
        an_id_that_is_known_is_enqueued_once,
        nobody_is_notified_while_no_relay_sleeps,
        a_relay_cannot_fall_asleep_over_a_row_that_is_not_yet_visible,
        a_retry_is_a_new_life_and_keeps_how_the_last_one_ended,
        what_cannot_be_retried_is_refused_and_says_why,
        retried_twice_at_once_is_one_life_more,
        a_retry_that_is_cut_before_its_commit_leaves_all_as_it_was,
        lives_and_ranks_decide_whatever_the_order,
        a_durable_job_that_is_cancelled_has_its_row_before_anything_else,
        what_has_ended_already_stays_as_it_ended_when_it_is_cancelled_or_purged,
        a_purge_ends_what_is_of_its_queue_and_still_as_it_was_seen,
    };
    return run_tests("store_enqueue", set_up, empty, tests, COUNT(tests));
}
