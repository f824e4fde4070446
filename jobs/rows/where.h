/*
 * Which rows a job wants: conditions on typed cells, all of which must hold. Thread: the stamp that
 * runs.
 */
#ifndef SM_JOBS_ROWS_WHERE_H
#define SM_JOBS_ROWS_WHERE_H

#include "jobs/rows/columns.h"

#define SM_WHERE_MAX 64
#define SM_WHERE_HELP "which rows to take: all conditions must hold, on columns as they are typed"
extern const struct sm_arg sm_where_fields[];

struct sm_condition;

struct sm_where {
    struct sm_condition *v;
    size_t n;
};

/* Reads `args.where` against the columns. 0 or a code from sm_fail. */
int sm_where_read(struct sm_run *run, const struct sm_value *list, const struct sm_columns *columns,
                  struct sm_where *where);
bool sm_where_holds(const struct sm_where *where, const struct sm_cell *cells);

#endif
