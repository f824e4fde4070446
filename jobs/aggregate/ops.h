/*
 * The aggregates: what each keeps per group, takes of a cell and gives in the end. Nulls are passed
 * over, as in SQL; count without a column counts rows. Of no values at all a sum, an average, a
 * least or a first one is null. Thread: the stamp that runs.
 */
#ifndef SM_JOBS_AGGREGATE_OPS_H
#define SM_JOBS_AGGREGATE_OPS_H

#include "jobs/aggregate/exact.h"
#include "jobs/aggregate/groups.h"
#include "jobs/rows/scratch.h"

enum sm_op {
    SM_OP_COUNT,
    SM_OP_SUM,
    SM_OP_MIN,
    SM_OP_MAX,
    SM_OP_AVG,
    SM_OP_STDDEV,
    SM_OP_DISTINCT,
    SM_OP_FIRST,
    SM_OP_LAST,
};
#define SM_OP_CHOICES "count|sum|min|max|avg|stddev|distinct|first|last"
extern const char *const sm_op_names[];

/* A value that is kept: its text in the run's arena, in room that is used again. */
struct sm_kept {
    char *p;
    size_t n, room;
    union {
        int64_t i;
        double f;
        bool b;
    } as;
};

struct sm_acc {
    uint64_t n; /* values that counted */
    union {
        struct sm_exact exact;
        struct {
            double sum, lost;
        } floats;
        struct {
            double mean, squares;
        } spread;
        struct sm_kept kept;
    } as;
};

/* One aggregate of the job. */
struct sm_aggregate {
    enum sm_op op;
    struct sm_text_view as; /* its name in the output */
    size_t column;          /* of the row; SM_NO_COLUMN: count of rows */
    enum sm_cell_type type; /* of that column */
    struct sm_groups *seen; /* distinct: a set of all values, by accumulator */
    struct sm_scratch *scratch;
    int (*add)(struct sm_run *run, const struct sm_aggregate *a, struct sm_acc *acc,
               const struct sm_cell *cell);
    int (*finish)(struct sm_run *run, const struct sm_aggregate *a, const struct sm_acc *acc,
                  struct sm_cell *cell);
    enum sm_cell_type gives;
};
#define SM_NO_COLUMN ((size_t)-1)

/* True where the op adds numbers up, or orders them: what a column is read as by default. */
bool sm_op_wants_number(enum sm_op op);
/* Settles add, finish and gives by op and type; false where the op does not take that type. */
bool sm_aggregate_settle(struct sm_aggregate *a);
/* What op sum and its like take, for messages. */
const char *sm_op_takes(enum sm_op op);

#endif
