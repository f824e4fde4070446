/*
 * What a transform.aggregate job is to do, from its arguments: the columns that it reads, which of
 * them make the groups, the aggregates, and the columns of its output. Thread: the stamp that runs.
 */
#ifndef SM_JOBS_AGGREGATE_PLAN_H
#define SM_JOBS_AGGREGATE_PLAN_H

#include "jobs/aggregate/ops.h"
#include "jobs/rows/rows.h"

/* The arguments: rows of the handler's schema, in this order. */
enum { SM_PLAN_GROUP_BY, SM_PLAN_AGGREGATES, SM_PLAN_SORT, SM_PLAN_TOP, SM_PLAN_ARGS };
extern const struct sm_arg sm_aggregate_fields[], sm_sort_fields[];
#define SM_PLAN_MAX 64 /* of each list */

struct sm_plan_sort {
    size_t column; /* of the output */
    bool descending;
};

struct sm_plan {
    size_t *group_by; /* columns of a row */
    size_t n_group_by;
    struct sm_aggregate *aggregates;
    size_t n_aggregates;
    struct sm_columns out; /* group_by, then the aggregates */
    struct sm_plan_sort *sort;
    size_t n_sort;
    size_t top; /* rows of output at most */
};

/* The columns that the arguments name, for a job without args.columns: numbers where they are added
 * up or ordered, else `type`. 0 or a code from sm_fail. */
int sm_plan_columns(struct sm_run *run, const struct sm_value *args, enum sm_cell_type type,
                    struct sm_columns *columns);
/* The plan over these columns. 0 or a code from sm_fail. */
int sm_plan_read(struct sm_run *run, const struct sm_value *args, const struct sm_columns *columns,
                 struct sm_plan *plan);

#endif
