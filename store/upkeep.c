/*
 * Upkeep. The work itself is SQL (store/migrations/0003_functions.sql and 0007_prune.sql), where it
 * runs with the owner's rights: a worker may ask for it and do nothing else to the tables.
 */
#include "store/upkeep.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/conn.h"

struct sm_upkeep {
    PGconn *pg;
};

struct sm_upkeep *sm_upkeep_open(const struct sm_pg_options *options, int wait_ms,
                                 struct sm_err *err)
{
    struct sm_upkeep *upkeep = calloc(1, sizeof *upkeep);
    if (upkeep == NULL) {
        sm_err_set(err, SM_E_NO_MEMORY, "no memory");
        return NULL;
    }
    upkeep->pg = sm_pg_connect(options, wait_ms, err);
    if (upkeep->pg != NULL && sm_pg_check_schema(upkeep->pg, err) == 0)
        return upkeep;
    sm_upkeep_close(upkeep);
    return NULL;
}

void sm_upkeep_close(struct sm_upkeep *upkeep)
{
    if (upkeep == NULL)
        return;
    PQfinish(upkeep->pg);
    free(upkeep);
}

int sm_upkeep_make_partitions(struct sm_upkeep *upkeep, int days_ahead, int *made,
                              struct sm_err *err)
{
    char days[16];
    const char *values[] = {days};
    PGresult *result;
    snprintf(days, sizeof days, "%d", days_ahead);
    int rc = sm_pg_exec(upkeep->pg, "SELECT stampmill.make_partitions($1::integer)", 1, values,
                        &result, err);
    if (rc != 0)
        return rc;
    *made = atoi(PQgetvalue(result, 0, 0));
    PQclear(result);
    return 0;
}

/* "604800000 ms", or NULL for ever. */
static const char *interval(int64_t ms, char text[40])
{
    snprintf(text, 40, "%" PRId64 " ms", ms);
    return ms == 0 ? NULL : text;
}

int sm_upkeep_prune(struct sm_upkeep *upkeep, const struct sm_keep *keep, struct sm_pruned *pruned,
                    struct sm_err *err)
{
    char results[40], dead[40];
    const char *values[] = {interval(keep->results_ms, results), interval(keep->dead_ms, dead)};
    PGresult *result;
    memset(pruned, 0, sizeof *pruned);
    int rc = sm_pg_exec(upkeep->pg,
                        "SELECT what, pruned FROM stampmill.prune($1::interval, $2::interval)", 2,
                        values, &result, err);
    if (rc != 0)
        return rc;
    pruned->busy = strcmp(PQgetvalue(result, 0, 0), "busy") == 0;
    if (!pruned->busy)
        snprintf(pruned->what, sizeof pruned->what, "%s", PQgetvalue(result, 0, 0));
    pruned->partition = strncmp(pruned->what, "results_", 8) == 0;
    pruned->rows = strtoull(PQgetvalue(result, 0, 1), NULL, 10);
    PQclear(result);
    return 0;
}

int sm_upkeep_prunable(struct sm_upkeep *upkeep, const struct sm_keep *keep, int wait_ms,
                       uint64_t *rows, struct sm_err *err)
{
    char results[40], dead[40];
    const char *values[] = {interval(keep->results_ms, results), interval(keep->dead_ms, dead)};
    PGresult *result;
    if (!PQsendQueryParams(upkeep->pg, "SELECT stampmill.prunable($1::interval, $2::interval)", 2,
                           NULL, values, NULL, NULL, 0))
        return sm_err_set(err, SM_E_UNREACHABLE, "PostgreSQL: connection lost");
    int rc =
        sm_pg_wait(upkeep->pg, sm_mono_us(&sm_clock_real) + (int64_t)wait_ms * 1000, &result, err);
    if (rc == 1)
        return sm_err_set(err, SM_E_TIMEOUT, "PostgreSQL: did not count in time");
    if (rc != 0)
        return rc;
    if (PQresultStatus(result) == PGRES_TUPLES_OK)
        *rows = strtoull(PQgetvalue(result, 0, 0), NULL, 10);
    else
        rc = sm_pg_failed(result, err);
    PQclear(result);
    return rc;
}
