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
}

void fixture_stop(void)
{
    servers_stop(&servers);
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

static int by_id(const void *a, const void *b)
{
    const struct sm_row *const *x = a, *const *y = b;
    return sm_uuid_compare(&(*x)->id, &(*y)->id);
}

int commit(struct sm_store *store, const struct sm_row *rows, size_t n, enum sm_verdict *verdicts,
           struct sm_err *err)
{
    const struct sm_row **sorted = malloc(n * sizeof *sorted);
    enum sm_verdict *given = calloc(n, sizeof *given);
    struct sm_commit_result result;
    for (size_t i = 0; i < n; i++)
        sorted[i] = &rows[i];
    qsort(sorted, n, sizeof *sorted, by_id);
    struct sm_batch batch = {.rows = sorted, .n = n};
    int rc = commit_all(store, &batch, given, &result, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        verdicts[sorted[i] - rows] = given[i];
    free(sorted);
    free(given);
    return rc;
}
