/*
 * What the live tests of store/ share.
 */
#include "tests/store/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/uuid.h"

struct servers servers;

void fixture_start(void)
{
    struct sm_err err = {0};
    servers_start(&servers, false, true, NULL);
    sql_on(&servers);
    struct sm_pg_options options = {servers.database_url, "test", false};
    int rc = sm_schema_migrate(&options, NULL, NULL, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    sql("CREATE ROLE wally LOGIN IN ROLE stampmill_worker");
    sql("ALTER ROLE wally SET log_min_duration_statement = 0"); /* for statements() */
    sql("ALTER ROLE wally SET log_parameter_max_length = 0");
}

void fixture_stop(void)
{
    servers_stop(&servers);
}

/* Carried out ("execute") or refused. */
int statements(void)
{
    static long seen;
    char path[200], line[4096];
    int n = 0;
    snprintf(path, sizeof path, "%s/pg.log", servers.dir);
    FILE *log = fopen(path, "r");
    ck_assert_ptr_ne(log, NULL);
    fseek(log, seen, SEEK_SET);
    while (fgets(line, sizeof line, log) != NULL)
        n += strstr(line, "  execute ") != NULL || strstr(line, "] ERROR:  ") != NULL;
    seen = ftell(log);
    fclose(log);
    return n;
}

struct sm_store *store_as(const char *user)
{
    static char url[400]; /* must outlive the store */
    struct sm_err err = {0};
    snprintf(url, sizeof url, "postgresql:///stampmill?host=%s&user=%s", servers.dir,
             user[0] == '\0' ? "stampmill" : user);
    struct sm_pg_options options = {url, "test_store", false};
    struct sm_store *store = sm_pg_store_new(&options);
    int rc = store->ops->connect(store, 5000, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    return store;
}

struct sm_store *worker_store(void)
{
    return store_as("wally");
}

struct sm_row make_row(enum sm_state state, int life)
{
    int64_t now = sm_wall_us(&sm_clock_real);
    bool failed = state != SM_STATE_SUCCEEDED;
    return (struct sm_row){.id = sm_id_new(),
                           .state = state,
                           .life = life,
                           .attempt = 1,
                           .queue = {"default", 7},
                           .type = {"debug.echo", 10},
                           .error_code = failed ? "bad_input" : NULL,
                           .error_text =
                               failed ? (struct sm_bytes){"line 3", 6} : (struct sm_bytes){NULL, 0},
                           .enqueued_us = now - 2000,
                           .started_us = now - 1000,
                           .finished_us = now,
                           .cpu_us = 500};
}

int commit_all(struct sm_store *store, const struct sm_batch *batch, enum sm_verdict *verdicts,
               struct sm_commit_result *result, struct sm_err *err)
{
    memset(result, 0, sizeof *result);
    result->verdicts = verdicts;
    int rc = store->ops->commit_start(store, batch, "w0123456789abcdef", err);
    if (rc != 0)
        return rc;
    do
        rc = store->ops->commit_wait(store, 1000000, result, err);
    while (rc == 1);
    return rc;
}

int commit_stubbornly(struct sm_store *store, const struct sm_batch *batch,
                      enum sm_verdict *verdicts, struct sm_commit_result *result)
{
    for (int again = 0;; again++) {
        struct sm_err err = {0};
        int rc = commit_all(store, batch, verdicts, result, &err);
        if (rc == 0)
            return again;
        ck_assert_msg(sm_error_class(rc) == SM_CLASS_SERVER && again < 200, "%s", err.text);
        while (store->ops->connect(store, 5000, &err) != 0)
            ck_assert_msg(sm_error_class(err.code) == SM_CLASS_SERVER, "%s", err.text);
    }
}

struct sm_attempt make_attempt(struct sm_id id, int n)
{
    int64_t now = sm_wall_us(&sm_clock_real);
    return (struct sm_attempt){id, 1, n, "io", {"disk", 4}, now - 1000, now, 7};
}

static int by_id(const void *a, const void *b)
{
    const struct sm_row *const *x = a, *const *y = b;
    return sm_uuid_compare(&(*x)->id, &(*y)->id);
}

void sort_rows(const struct sm_row **rows, size_t n)
{
    qsort(rows, n, sizeof *rows, by_id);
}

static int by_id_and_attempt(const void *a, const void *b)
{
    const struct sm_attempt *x = a, *y = b;
    int order = sm_uuid_compare(&x->id, &y->id);
    return order != 0 ? order : x->attempt - y->attempt;
}

void sort_attempts(struct sm_attempt *attempts, size_t n)
{
    qsort(attempts, n, sizeof *attempts, by_id_and_attempt);
}

const char *state_of(const struct sm_row *row)
{
    char id[SM_ID_TEXT];
    sm_id_format(&row->id, id);
    return sql("SELECT state || ' ' || life FROM stampmill.results WHERE id = '%s'", id);
}

void ck_commit(struct sm_store *store, const struct sm_row *rows, size_t n,
               enum sm_verdict *verdicts)
{
    struct sm_err err = {0};
    int rc = commit(store, rows, n, verdicts, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
}

int commit(struct sm_store *store, const struct sm_row *rows, size_t n, enum sm_verdict *verdicts,
           struct sm_err *err)
{
    const struct sm_row **sorted = malloc(n * sizeof *sorted);
    enum sm_verdict *given = calloc(n, sizeof *given);
    struct sm_commit_result result;
    for (size_t i = 0; i < n; i++)
        sorted[i] = &rows[i];
    sort_rows(sorted, n);
    struct sm_batch batch = {.rows = sorted, .n = n};
    int rc = commit_all(store, &batch, given, &result, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        verdicts[sorted[i] - rows] = given[i];
    free(sorted);
    free(given);
    return rc;
}

int run_tests(const char *name, void (*start)(void), void (*each)(void), const TTest *const *tests,
              size_t n)
{
    Suite *suite = suite_create(name);
    TCase *tcase = tcase_create("live");
    tcase_add_unchecked_fixture(tcase, start, fixture_stop);
    tcase_add_checked_fixture(tcase, each, NULL);
    for (size_t i = 0; i < n; i++)
        tcase_add_test(tcase, tests[i]);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
