/*
 * Connecting, rights and migrations: what is refused, in which words, and what a role may and may
 * not do.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/store/fixture.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static struct sm_err err;

/* The store's answer to a connection string; its text is in err. */
static int try_url(const char *format, ...) __attribute__((format(printf, 1, 2)));
static int try_url(const char *format, ...)
{
    char url[500];
    va_list args;
    va_start(args, format);
    vsnprintf(url, sizeof url, format, args);
    va_end(args);
    struct sm_pg_options options = {url, "test_connect", false};
    struct sm_store *store = sm_pg_store_new(&options);
    memset(&err, 0, sizeof err);
    int rc = store->ops->connect(store, 3000, &err);
    store->ops->close(store);
    return rc;
}

static void ck_says(const char *words)
{
    ck_assert_msg(strstr(err.text, words) != NULL, "`%s` lacks `%s`", err.text, words);
    ck_assert_ptr_eq(strchr(err.text, '\n'), NULL);
}

/* ---- refused -- */

START_TEST(a_wrong_password_is_told_without_the_password)
{
    sql("CREATE ROLE secretive LOGIN PASSWORD 'right'");
    sql_hba("local all secretive scram-sha-256");
    int rc = try_url("postgresql://secretive:Tr0ub4dor@/stampmill?host=%s", servers.dir);
    ck_assert_int_eq(rc, SM_E_AUTH);
    ck_says("secretive");
    ck_assert_ptr_eq(strstr(err.text, "Tr0ub4dor"), NULL);
    rc = try_url("host=%s dbname=stampmill user=secretive", servers.dir);
    ck_assert_int_eq(rc, SM_E_AUTH);
}
END_TEST

START_TEST(no_unreadable_url_is_quoted)
{
    static const char *const urls[] = {
        "postgresql://me:Tr0ub4/dor@localhost/stampmill",
        "postgresql://me:Tr0ub@4dor@localhost/stampmill",
        "postgresql://me:Tr0ub4dor@localhost:port/stampmill",
        "postgresql://me:Tr0ub4%zz@localhost/stampmill",
        "user=me password=Tr0ub4 dor host=localhost",
        "postgresql://me:1234/Tr0ub4dor@localhost/stampmill",
    };
    for (size_t i = 0; i < COUNT(urls); i++) {
        int rc = try_url("%s", urls[i]);
        ck_assert_int_eq(rc, SM_E_CONFIG);
        ck_assert_msg(strstr(err.text, "Tr0ub") == NULL && strstr(err.text, "dor") == NULL, "%s",
                      err.text);
    }
}
END_TEST

START_TEST(settings_that_libpq_cannot_use_are_told_from_servers_that_are_away)
{
    static const struct {
        const char *url;
        int code;
    } cases[] = {
        {"postgresql:///stampmill?host=/nowhere", SM_E_UNREACHABLE},
        {"postgresql://nosuch.invalid/stampmill", SM_E_UNREACHABLE},
        {"postgresql://127.0.0.1:1/stampmill", SM_E_UNREACHABLE},
        {"host=nosuch.invalid,/nowhere dbname=stampmill", SM_E_UNREACHABLE},
        {"host=/nowhere sslmode=maybe", SM_E_CONFIG},
        {"host=/nowhere target_session_attrs=some", SM_E_CONFIG},
        {"host=/nowhere port=99999", SM_E_CONFIG},
        {"host=/nowhere,/elsewhere port=1,2,3", SM_E_CONFIG},
        {"host=/nowhere service=nosuch", SM_E_CONFIG},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        int rc = try_url("%s", cases[i].url);
        ck_assert_msg(rc == cases[i].code, "%s: %s", cases[i].url, err.text);
    }
}
END_TEST

START_TEST(of_several_hosts_the_one_that_answers_is_used)
{
    ck_assert_int_eq(try_url("host=/nowhere,%s dbname=stampmill user=stampmill", servers.dir), 0);
    ck_assert_int_eq(
        try_url("host=127.0.0.1,%s port=1,5432 dbname=stampmill user=stampmill", servers.dir), 0);
    int rc = try_url("host=/nowhere,%s dbname=nothing user=stampmill", servers.dir);
    ck_assert_int_eq(rc, SM_E_CONFIG);
    ck_says("3D000");
}
END_TEST

START_TEST(a_server_without_a_free_connection_is_one_to_come_back_to)
{
    sql("CREATE ROLE crowded LOGIN CONNECTION LIMIT 0");
    int rc = try_url("postgresql:///stampmill?host=%s&user=crowded", servers.dir);
    ck_assert_int_eq(sm_error_class(rc), SM_CLASS_SERVER);
    ck_says("53300");
}
END_TEST

START_TEST(a_role_that_is_not_there_is_refused)
{
    ck_assert_int_eq(try_url("postgresql:///stampmill?host=%s&user=stranger", servers.dir),
                     SM_E_AUTH);
    ck_says("28000");
}
END_TEST

START_TEST(a_database_that_is_not_there_is_named)
{
    ck_assert_int_eq(try_url("postgresql:///nothing?host=%s&user=stampmill", servers.dir),
                     SM_E_CONFIG);
    ck_says("nothing");
}
END_TEST

START_TEST(a_missing_schema_says_what_to_run)
{
    sql("CREATE DATABASE bare");
    ck_assert_int_eq(try_url("postgresql:///bare?host=%s&user=stampmill", servers.dir),
                     SM_E_SCHEMA);
    ck_says("stampmill db migrate");
}
END_TEST

START_TEST(a_newer_schema_is_refused_by_store_and_migration)
{
    sql("INSERT INTO stampmill.migrations (version, name) VALUES (999, 'future')");
    ck_assert_int_eq(try_url("%s", servers.database_url), SM_E_SCHEMA);
    ck_says("999");
    struct sm_pg_options options = {servers.database_url, "test", false};
    ck_assert_int_eq(sm_schema_migrate(&options, NULL, NULL, &err), SM_E_SCHEMA);
    sql("DELETE FROM stampmill.migrations WHERE version = 999");
}
END_TEST

START_TEST(settings_that_lose_results_are_refused)
{
    sql("ALTER ROLE stampmill SET synchronous_commit = off");
    ck_assert_int_eq(try_url("%s", servers.database_url), SM_E_UNSAFE);
    ck_says("synchronous_commit");
    sql("ALTER ROLE stampmill RESET synchronous_commit");
    ck_assert_int_eq(try_url("%s", servers.database_url), 0);
}
END_TEST

START_TEST(a_read_only_database_is_told_apart)
{
    sql("ALTER DATABASE stampmill SET default_transaction_read_only = on");
    int rc = try_url("%s", servers.database_url);
    sql("SET default_transaction_read_only = off");
    sql("ALTER DATABASE stampmill RESET default_transaction_read_only");
    ck_assert_int_eq(rc, SM_E_READ_ONLY);
}
END_TEST

/* ---- rights -- */

static bool may(const char *role, const char *statement)
{
    char text[600];
    PGconn *pg = PQconnectdb(servers.database_url);
    ck_assert_msg(PQstatus(pg) == CONNECTION_OK, "%s", PQerrorMessage(pg));
    snprintf(text, sizeof text, "SET ROLE %s; %s", role, statement);
    PGresult *r = PQexec(pg, text);
    const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
    bool refused = state != NULL && strcmp(state, "42501") == 0;
    ck_assert_msg(state == NULL || refused, "%s: %s", text, PQerrorMessage(pg));
    PQclear(r);
    PQfinish(pg);
    return !refused;
}

START_TEST(a_worker_works_and_no_more)
{
    struct sm_store *store = worker_store();
    struct sm_row row = make_row(SM_STATE_DEAD, 1);
    enum sm_verdict verdict;
    for (int round = 0; round < 2; round++) { /* by insert, then by upsert */
        ck_assert_int_eq(commit(store, &row, 1, &verdict, &err), 0);
        ck_assert_int_eq(verdict, SM_VERDICT_STOOD);
    }
    store->ops->close(store);
    ck_assert(may("wally", "SELECT stampmill.make_partitions(10)"));
    ck_assert(!may("wally", "DELETE FROM stampmill.results"));
    ck_assert(!may("wally", "TRUNCATE stampmill.results"));
    ck_assert(!may("wally", "DROP TABLE stampmill.results_other"));
    ck_assert(!may("wally", "CREATE TABLE stampmill.mine ()"));
    ck_assert(!may("wally", "INSERT INTO stampmill.migrations (version, name) VALUES (9, 'x')"));
    ck_assert(!may("wally", "UPDATE stampmill.attempts SET attempt = 2"));
}
END_TEST

START_TEST(a_reader_reads_and_no_more)
{
    ck_assert(may("stampmill_reader", "SELECT * FROM stampmill.jobs, stampmill.attempts LIMIT 0"));
    ck_assert(!may("stampmill_reader", "UPDATE stampmill.results SET life = 2"));
    ck_assert(!may("stampmill_reader", "SELECT stampmill.make_partitions(1)"));
    ck_assert(!may("stampmill_producer", "SELECT * FROM stampmill.results LIMIT 0"));
}
END_TEST

START_TEST(a_user_without_a_role_is_told_so)
{
    sql("CREATE ROLE nobody LOGIN");
    int rc = try_url("postgresql:///stampmill?host=%s&user=nobody", servers.dir);
    ck_assert_int_eq(rc, SM_E_PERMISSION);
    ck_says("stampmill_worker");
}
END_TEST

/* ---- migrations -- */

static int migrate_database(const char *name)
{
    char url[300];
    snprintf(url, sizeof url, "postgresql:///%s?host=%s&user=stampmill", name, servers.dir);
    struct sm_pg_options options = {url, "test", false};
    return sm_schema_migrate(&options, NULL, NULL, &err);
}

START_TEST(migrating_twice_changes_nothing)
{
    ck_assert_int_eq(migrate_database("stampmill"), 0);
    ck_assert_int_eq(atoi(sql("SELECT count(*) FROM stampmill.migrations")), sm_schema_wanted());
}
END_TEST

START_TEST(many_that_migrate_at_once_do_no_harm)
{
    sql("CREATE DATABASE crowd_a");
    sql("CREATE DATABASE crowd_b");
    pid_t crowd[8];
    for (int i = 0; i < 8; i++)
        if ((crowd[i] = fork()) == 0)
            _exit(migrate_database(i % 2 ? "crowd_a" : "crowd_b") == 0 ? 0 : 1);
    for (int i = 0; i < 8; i++) {
        int status;
        ck_assert_int_eq(waitpid(crowd[i], &status, 0), crowd[i]);
        ck_assert_int_eq(status, 0);
    }
    ck_assert_int_eq(try_url("postgresql:///crowd_a?host=%s&user=stampmill", servers.dir), 0);
    ck_assert_int_eq(try_url("postgresql:///crowd_b?host=%s&user=stampmill", servers.dir), 0);
}
END_TEST

START_TEST(ids_of_entries_are_those_of_the_protocol)
{
    static const char *const vectors[][4] = {
        {"0123456789abcdef0123456789abcdef", "default", "1700000000000-0",
         "018bcfe5-6800-78ef-9dde-7a6f1bdb8116"},
        {"0123456789abcdef0123456789abcdef", "default", "1700000000000-1",
         "018bcfe5-6800-71ab-a2a8-e0c54fdb0d61"},
        {"0123456789abcdef0123456789abcdef", "emails.eu", "1732406400123-42",
         "01935b77-d47b-7cd4-ba72-85b4f3b536de"},
        {"ffffffffffffffffffffffffffffffff", "q", "1-1", "00000000-0001-7700-aeeb-a03e352de2a8"},
        {"0123456789abcdef0123456789abcdef", "default", "18446744073709551615-18446744073709551615",
         "ffffffff-ffff-7a32-b45a-caa874f9aa8c"},
    };
    for (size_t i = 0; i < COUNT(vectors); i++)
        ck_assert_str_eq(sql("SELECT stampmill.job_id('%s', '%s', '%s')", vectors[i][0],
                             vectors[i][1], vectors[i][2]),
                         vectors[i][3]);
}
END_TEST

/* ---- partitions -- */

START_TEST(rows_that_came_before_their_partition_move_into_it)
{
    sql("INSERT INTO stampmill.results (id, enqueued_at, finished_at, cpu_us, life, attempt, "
        "state, queue, type,"
        " worker) SELECT stampmill.first_id(now() + interval '40 days'), now(), now(), 0, 1, 1, "
        "'dead', 'q', 't', 'w'");
    ck_assert_str_eq(sql("SELECT count(*) FROM stampmill.results_other"), "1");
    ck_assert_int_gt(atoi(sql("SELECT stampmill.make_partitions(41)")), 0);
    ck_assert_str_eq(sql("SELECT count(*) FROM stampmill.results_other"), "0");
    ck_assert_str_eq(
        sql("SELECT count(*) FROM stampmill.results WHERE id >= stampmill.first_id(now() +"
            " interval '39 days') AND id < stampmill.first_id(now() + interval '41 days')"),
        "1");
    ck_assert_str_eq(sql("SELECT stampmill.make_partitions(41)"), "0");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_wrong_password_is_told_without_the_password,
        no_unreadable_url_is_quoted,
        settings_that_libpq_cannot_use_are_told_from_servers_that_are_away,
        of_several_hosts_the_one_that_answers_is_used,
        a_server_without_a_free_connection_is_one_to_come_back_to,
        a_role_that_is_not_there_is_refused,
        a_database_that_is_not_there_is_named,
        a_missing_schema_says_what_to_run,
        a_newer_schema_is_refused_by_store_and_migration,
        settings_that_lose_results_are_refused,
        a_read_only_database_is_told_apart,
        a_worker_works_and_no_more,
        a_reader_reads_and_no_more,
        a_user_without_a_role_is_told_so,
        migrating_twice_changes_nothing,
        many_that_migrate_at_once_do_no_harm,
        ids_of_entries_are_those_of_the_protocol,
        rows_that_came_before_their_partition_move_into_it,
    };
    return run_tests("store_connect", fixture_start, NULL, tests, COUNT(tests));
}
