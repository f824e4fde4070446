/*
 * Conditions. The value to compare with is converted once, by the type of its column, so that 10
 * and "10.0" mean the same for a decimal and a text is never compared with a number. As in SQL, a
 * null is neither equal to anything nor unequal. Thread: the stamp that runs.
 */
#include "jobs/rows/where.h"

enum { FIELD_COLUMN, FIELD_IS, FIELD_VALUE, FIELDS };
enum is { IS_EQ, IS_NE, IS_LT, IS_LE, IS_GT, IS_GE, IS_NULL, IS_NOT_NULL };

const struct sm_arg sm_where_fields[] = {
    {.name = "column",
     .kind = SM_ARG_TEXT,
     .required = true,
     .min = 1,
     .max = 256,
     .help = "a column, by its name in the output"},
    {.name = "is",
     .kind = SM_ARG_CHOICE,
     .fallback = "\"eq\"",
     .choices = "eq|ne|lt|le|gt|ge|null|not_null",
     .help = "equal, not equal, less, less or equal, greater, greater or equal; null is none of "
             "these"},
    {.name = "value",
     .kind = SM_ARG_SCALAR,
     .max = 4096,
     .help = "what to compare with, read as the column's type"},
    {.name = NULL},
};

struct sm_condition {
    size_t column;
    enum is is;
    struct sm_cell value;
};

static int read_value(struct sm_run *run, const struct sm_value *v, size_t i,
                      const struct sm_column *column, struct sm_condition *condition)
{
    bool needs = condition->is != IS_NULL && condition->is != IS_NOT_NULL;
    struct sm_text_view text = {v[FIELD_VALUE].as.text.p, v[FIELD_VALUE].as.text.n};
    struct sm_cell_fault fault;
    if (needs != v[FIELD_VALUE].set)
        return sm_fail(run, SM_E_BAD_ARGS, "args.where[%zu].value: %s", i,
                       needs ? "missing" : "null and not_null take none");
    if (!needs)
        return 0;
    if (column->type == SM_CELL_JSON)
        return sm_fail(run, SM_E_BAD_ARGS,
                       "args.where[%zu]: \"%s\" is read as json, which can only be null or "
                       "not_null: give its type in args.columns",
                       i, v[FIELD_COLUMN].as.text.p);
    if (!sm_cell_convert(&condition->value, column->type, text, true, &fault))
        return sm_fail(run, SM_E_BAD_ARGS, "args.where[%zu].value: expected %s, got \"%.40s\"", i,
                       fault.expected, text.p);
    return 0;
}

int sm_where_read(struct sm_run *run, const struct sm_value *list, const struct sm_columns *columns,
                  struct sm_where *where)
{
    where->n = list->as.list.n;
    where->v = sm_run_alloc(run, where->n * sizeof *where->v);
    if (where->v == NULL)
        return SM_E_TOO_LARGE;
    for (size_t i = 0; i < where->n; i++) {
        const struct sm_value *v = list->as.list.v + i * FIELDS;
        struct sm_condition *condition = &where->v[i];
        struct sm_text_view name = {v[FIELD_COLUMN].as.text.p, v[FIELD_COLUMN].as.text.n};
        *condition = (struct sm_condition){.column = sm_columns_find(columns, name)};
        condition->is = (enum is)v[FIELD_IS].as.i;
        if (condition->column == columns->n)
            return sm_fail(run, SM_E_BAD_ARGS,
                           "args.where[%zu].column: \"%s\" is none of the columns", i, name.p);
        int code = read_value(run, v, i, &columns->v[condition->column], condition);
        if (code != 0)
            return code;
    }
    return 0;
}

static bool holds(const struct sm_condition *condition, const struct sm_cell *cell)
{
    if (condition->is == IS_NULL || condition->is == IS_NOT_NULL)
        return cell->null == (condition->is == IS_NULL);
    if (cell->null)
        return false;
    int order = sm_cell_compare(cell, &condition->value);
    switch (condition->is) {
    case IS_EQ:
        return order == 0;
    case IS_NE:
        return order != 0;
    case IS_LT:
        return order < 0;
    case IS_LE:
        return order <= 0;
    case IS_GT:
        return order > 0;
    default:
        return order >= 0;
    }
}

bool sm_where_holds(const struct sm_where *where, const struct sm_cell *cells)
{
    for (size_t i = 0; i < where->n; i++)
        if (!holds(&where->v[i], &cells[where->v[i].column]))
            return false;
    return true;
}
