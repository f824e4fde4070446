/*
 * Upkeep. The work itself is SQL (store/migrations/0003_functions.sql), where it runs with the
 * owner's rights: a worker may ask for it and do nothing else to the tables.
 */
#include "store/upkeep.h"

#include <stdio.h>
#include <stdlib.h>

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
