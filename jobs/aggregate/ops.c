/*
 * Sums of integers and decimals are exact, and one that does not fit is an error; sums of doubles
 * carry what rounding lost (Neumaier), so that their order hardly matters. The deviation is the
 * sample's (n - 1), by Welford. Thread: the stamp that runs.
 */
#include "jobs/aggregate/ops.h"

#include <math.h>
#include <string.h>

const char *const sm_op_names[] = {"count",  "sum",      "min",   "max", "avg",
                                   "stddev", "distinct", "first", "last"};

static int give_null(const struct sm_aggregate *a, struct sm_cell *cell)
{
    cell->type = a->gives;
    cell->null = true;
    return 0;
}

static int give_float(struct sm_run *run, const struct sm_aggregate *a, double value,
                      struct sm_cell *cell)
{
    if (sm_cell_from_float(cell, value))
        return 0;
    return sm_fail(run, SM_E_TOO_LARGE, "\"%.*s\": past what a double can hold", (int)a->as.n,
                   a->as.p);
}

static int too_many_digits(struct sm_run *run, const struct sm_aggregate *a)
{
    return sm_fail(run, SM_E_TOO_LARGE, "\"%.*s\": a sum of more than 38 digits", (int)a->as.n,
                   a->as.p);
}

/* ---- count --------------------------------------------------------------------------------- */

static int add_count(struct sm_run *run, const struct sm_aggregate *a, struct sm_acc *acc,
                     const struct sm_cell *cell)
{
    (void)run, (void)a, (void)cell;
    acc->n++;
    return 0;
}

static int finish_count(struct sm_run *run, const struct sm_aggregate *a, const struct sm_acc *acc,
                        struct sm_cell *cell)
{
    (void)run, (void)a;
    sm_cell_from_int(cell, (int64_t)acc->n);
    return 0;
}

/* ---- sum and avg --------------------------------------------------------------------------- */

static int add_int(struct sm_run *run, const struct sm_aggregate *a, struct sm_acc *acc,
                   const struct sm_cell *cell)
{
    acc->n++;
    return sm_exact_add_int(&acc->as.exact, cell->as.i) ? 0 : too_many_digits(run, a);
}

static int add_decimal(struct sm_run *run, const struct sm_aggregate *a, struct sm_acc *acc,
                       const struct sm_cell *cell)
{
    acc->n++;
    if (cell->type == SM_CELL_NUMBER && cell->small && acc->as.exact.scale == 0)
        return sm_exact_add_int(&acc->as.exact, cell->as.i) ? 0 : too_many_digits(run, a);
    return sm_exact_add(&acc->as.exact, cell->text) ? 0 : too_many_digits(run, a);
}

static int add_float(struct sm_run *run, const struct sm_aggregate *a, struct sm_acc *acc,
                     const struct sm_cell *cell)
{
    double x = cell->as.f, sum = acc->as.floats.sum, next = sum + x;
    (void)run, (void)a;
    acc->as.floats.lost += fabs(sum) >= fabs(x) ? (sum - next) + x : (x - next) + sum;
    acc->as.floats.sum = next;
    acc->n++;
    return 0;
}

static int finish_sum_int(struct sm_run *run, const struct sm_aggregate *a,
                          const struct sm_acc *acc, struct sm_cell *cell)
{
    sm_int128 v = acc->as.exact.v;
    if (acc->n == 0)
        return give_null(a, cell);
    if (v < INT64_MIN || v > INT64_MAX)
        return sm_fail(run, SM_E_TOO_LARGE,
                       "\"%.*s\": a sum of integers past 64 bits: read the column as decimal or "
                       "number",
                       (int)a->as.n, a->as.p);
    sm_cell_from_int(cell, (int64_t)v);
    return 0;
}

static int finish_sum_decimal(struct sm_run *run, const struct sm_aggregate *a,
                              const struct sm_acc *acc, struct sm_cell *cell)
{
    (void)run;
    if (acc->n == 0)
        return give_null(a, cell);
    size_t n = sm_exact_text(&acc->as.exact, a->type == SM_CELL_NUMBER, cell->own);
    cell->type = a->gives;
    cell->null = false;
    cell->text = (struct sm_text_view){cell->own, n};
    return 0;
}

static int finish_sum_float(struct sm_run *run, const struct sm_aggregate *a,
                            const struct sm_acc *acc, struct sm_cell *cell)
{
    if (acc->n == 0)
        return give_null(a, cell);
    return give_float(run, a, acc->as.floats.sum + acc->as.floats.lost, cell);
}

static int finish_avg(struct sm_run *run, const struct sm_aggregate *a, const struct sm_acc *acc,
                      struct sm_cell *cell)
{
    long double sum = a->type == SM_CELL_FLOAT
                          ? (long double)acc->as.floats.sum + (long double)acc->as.floats.lost
                          : sm_exact_value(&acc->as.exact);
    if (acc->n == 0)
        return give_null(a, cell);
    return give_float(run, a, (double)(sum / (long double)acc->n), cell);
}

/* ---- stddev -------------------------------------------------------------------------------- */

static int add_spread(struct sm_run *run, const struct sm_aggregate *a, struct sm_acc *acc,
                      const struct sm_cell *cell)
{
    struct sm_cell_fault fault;
    struct sm_cell as_float = {.as.f = cell->type == SM_CELL_INT ? (double)cell->as.i : cell->as.f};
    (void)run, (void)a;
    if (cell->type == SM_CELL_DECIMAL || cell->type == SM_CELL_NUMBER)
        (void)sm_cell_float(&as_float, cell->text, &fault); /* at most 60 digits: always fits */
    double from = as_float.as.f - acc->as.spread.mean;
    acc->n++;
    acc->as.spread.mean += from / (double)acc->n;
    acc->as.spread.squares += from * (as_float.as.f - acc->as.spread.mean);
    return 0;
}

static int finish_spread(struct sm_run *run, const struct sm_aggregate *a, const struct sm_acc *acc,
                         struct sm_cell *cell)
{
    if (acc->n < 2)
        return give_null(a, cell);
    return give_float(run, a, sqrt(acc->as.spread.squares / (double)(acc->n - 1)), cell);
}

/* ---- min, max, first, last ----------------------------------------------------------------- */

static int keep(struct sm_run *run, struct sm_kept *kept, const struct sm_cell *cell)
{
    if (cell->text.n > kept->room) {
        kept->room = 2 * cell->text.n;
        kept->p = sm_run_alloc(run, kept->room);
        if (kept->p == NULL)
            return SM_E_TOO_LARGE;
    }
    if (cell->text.n != 0)
        memcpy(kept->p, cell->text.p, cell->text.n);
    kept->n = cell->text.n;
    memcpy(&kept->as, &cell->as, sizeof kept->as);
    return 0;
}

static void give_kept(const struct sm_kept *kept, enum sm_cell_type type, struct sm_cell *cell)
{
    cell->type = type;
    cell->null = false;
    cell->text = (struct sm_text_view){kept->n != 0 ? kept->p : "", kept->n};
    memcpy(&cell->as, &kept->as, sizeof cell->as);
}

static int add_best(struct sm_run *run, const struct sm_aggregate *a, struct sm_acc *acc,
                    const struct sm_cell *cell)
{
    struct sm_cell best;
    if (acc->n++ != 0) {
        give_kept(&acc->as.kept, a->type, &best);
        int order = sm_cell_compare(cell, &best);
        if (a->op == SM_OP_MIN ? order >= 0 : order <= 0)
            return 0;
    }
    return keep(run, &acc->as.kept, cell);
}

static int add_first(struct sm_run *run, const struct sm_aggregate *a, struct sm_acc *acc,
                     const struct sm_cell *cell)
{
    (void)a;
    return acc->n++ == 0 ? keep(run, &acc->as.kept, cell) : 0;
}

static int add_last(struct sm_run *run, const struct sm_aggregate *a, struct sm_acc *acc,
                    const struct sm_cell *cell)
{
    (void)a;
    acc->n++;
    return keep(run, &acc->as.kept, cell);
}

static int finish_kept(struct sm_run *run, const struct sm_aggregate *a, const struct sm_acc *acc,
                       struct sm_cell *cell)
{
    (void)run;
    if (acc->n == 0)
        return give_null(a, cell);
    give_kept(&acc->as.kept, a->type, cell);
    return 0;
}

/* ---- distinct ------------------------------------------------------------------------------ */

/* One set for all groups: a value is in it behind the address of its accumulator. */
static int add_distinct(struct sm_run *run, const struct sm_aggregate *a, struct sm_acc *acc,
                        const struct sm_cell *cell)
{
    char few[256], same[SM_CELL_SAME_MAX], *key = few;
    struct sm_text_view text = sm_cell_same_text(cell, same);
    size_t n = sizeof acc + text.n, before = a->seen->n;
    (void)run;
    if (n > sizeof few)
        key = sm_scratch_room(a->scratch, n);
    if (key == NULL)
        return SM_E_TOO_LARGE;
    memcpy(key, &acc, sizeof acc);
    if (text.n != 0)
        memcpy(key + sizeof acc, text.p, text.n);
    if (sm_groups_find(a->seen, key, n) == NULL)
        return SM_E_TOO_LARGE;
    acc->n += a->seen->n - before;
    return 0;
}

/* ---- the table ----------------------------------------------------------------------------- */

bool sm_op_wants_number(enum sm_op op)
{
    return op == SM_OP_SUM || op == SM_OP_MIN || op == SM_OP_MAX || op == SM_OP_AVG ||
           op == SM_OP_STDDEV;
}

const char *sm_op_takes(enum sm_op op)
{
    return op == SM_OP_MIN || op == SM_OP_MAX ? "any type but json"
                                              : "int, float, decimal or number";
}

static bool is_numeric(enum sm_cell_type type)
{
    return type == SM_CELL_INT || type == SM_CELL_FLOAT || type == SM_CELL_DECIMAL ||
           type == SM_CELL_NUMBER;
}

static void settle_sum(struct sm_aggregate *a)
{
    a->add = a->type == SM_CELL_INT ? add_int : a->type == SM_CELL_FLOAT ? add_float : add_decimal;
    a->finish = a->type == SM_CELL_INT     ? finish_sum_int
                : a->type == SM_CELL_FLOAT ? finish_sum_float
                                           : finish_sum_decimal;
    a->gives = a->type;
    if (a->op == SM_OP_AVG) {
        a->finish = finish_avg;
        a->gives = SM_CELL_FLOAT;
    }
}

bool sm_aggregate_settle(struct sm_aggregate *a)
{
    a->gives = a->type;
    a->finish = finish_kept;
    switch (a->op) {
    case SM_OP_SUM:
    case SM_OP_AVG:
        settle_sum(a);
        return is_numeric(a->type);
    case SM_OP_STDDEV:
        a->add = add_spread;
        a->finish = finish_spread;
        a->gives = SM_CELL_FLOAT;
        return is_numeric(a->type);
    case SM_OP_MIN:
    case SM_OP_MAX:
        a->add = add_best;
        return a->type != SM_CELL_JSON;
    case SM_OP_FIRST:
        a->add = add_first;
        return true;
    case SM_OP_LAST:
        a->add = add_last;
        return true;
    case SM_OP_COUNT:
    case SM_OP_DISTINCT:
        break;
    }
    a->add = a->op == SM_OP_COUNT ? add_count : add_distinct;
    a->finish = finish_count;
    a->gives = SM_CELL_INT;
    return true;
}
