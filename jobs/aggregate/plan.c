/* See plan.h. */
#include "jobs/aggregate/plan.h"

#include <stdio.h>
#include <string.h>

enum { FIELD_OP, FIELD_COLUMN, FIELD_AS, FIELDS };
enum { SORT_BY, SORT_ORDER, SORT_FIELDS };

const struct sm_arg sm_aggregate_fields[] = {
    {.name = "op",
     .kind = SM_ARG_CHOICE,
     .required = true,
     .choices = SM_OP_CHOICES,
     .help =
         "what to make of the column's values, nulls left out; stddev is the sample's, distinct "
         "counts different values"},
    {.name = "column",
     .kind = SM_ARG_TEXT,
     .min = 1,
     .max = 256,
     .help = "of which column; count without one counts rows"},
    {.name = "as",
     .kind = SM_ARG_TEXT,
     .min = 1,
     .max = 256,
     .help = "its name in the output; absent: count, or op_column"},
    {.name = NULL},
};

const struct sm_arg sm_sort_fields[] = {
    {.name = "by",
     .kind = SM_ARG_TEXT,
     .required = true,
     .min = 1,
     .max = 256,
     .help = "a column of the output; nulls come last"},
    {.name = "order",
     .kind = SM_ARG_CHOICE,
     .fallback = "\"asc\"",
     .choices = "asc|desc",
     .help = "least or greatest first"},
    {.name = NULL},
};

static struct sm_text_view text_of(const struct sm_value *value)
{
    return (struct sm_text_view){value->as.text.p, value->as.text.n};
}

/* ---- columns that nobody declared ---------------------------------------------------------- */

static void imply(struct sm_columns *columns, struct sm_text_view name, enum sm_cell_type type,
                  bool number)
{
    size_t i = sm_columns_find(columns, name);
    if (i == columns->n)
        columns->v[columns->n++] = sm_column_of(name, type);
    if (number)
        columns->v[i].type = SM_CELL_NUMBER;
}

int sm_plan_columns(struct sm_run *run, const struct sm_value *args, enum sm_cell_type type,
                    struct sm_columns *columns)
{
    const struct sm_value *group_by = &args[SM_PLAN_GROUP_BY];
    const struct sm_value *aggregates = &args[SM_PLAN_AGGREGATES];
    size_t most = group_by->as.list.n + aggregates->as.list.n;
    *columns = (struct sm_columns){.v = sm_run_alloc(run, most * sizeof *columns->v)};
    if (columns->v == NULL)
        return SM_E_TOO_LARGE;
    for (size_t i = 0; i < group_by->as.list.n; i++)
        imply(columns, text_of(&group_by->as.list.v[i]), type, false);
    for (size_t i = 0; i < aggregates->as.list.n; i++) {
        const struct sm_value *v = aggregates->as.list.v + i * FIELDS;
        if (v[FIELD_COLUMN].set)
            imply(columns, text_of(&v[FIELD_COLUMN]), type,
                  sm_op_wants_number((enum sm_op)v[FIELD_OP].as.i));
    }
    return 0;
}

/* ---- the plan ------------------------------------------------------------------------------ */

static int find(struct sm_run *run, const struct sm_columns *columns, const struct sm_value *name,
                const char *path, size_t i, size_t *column)
{
    *column = sm_columns_find(columns, text_of(name));
    if (*column < columns->n)
        return 0;
    return sm_fail(run, SM_E_BAD_ARGS, "args.%s[%zu]: \"%s\" is none of the columns", path, i,
                   name->as.text.p);
}

static int add_out(struct sm_run *run, struct sm_plan *plan, struct sm_text_view name,
                   enum sm_cell_type type)
{
    if (sm_columns_find(&plan->out, name) < plan->out.n)
        return sm_fail(run, SM_E_BAD_ARGS,
                       "args.aggregates: two columns of the output are named \"%.*s\": say which "
                       "by `as`",
                       (int)name.n, name.p);
    plan->out.v[plan->out.n++] = sm_column_of(name, type);
    return 0;
}

static int read_group_by(struct sm_run *run, const struct sm_value *list,
                         const struct sm_columns *columns, struct sm_plan *plan)
{
    for (size_t i = 0; i < plan->n_group_by; i++) {
        int code = find(run, columns, &list->as.list.v[i], "group_by", i, &plan->group_by[i]);
        if (code == 0)
            code = add_out(run, plan, text_of(&list->as.list.v[i]),
                           columns->v[plan->group_by[i]].type);
        if (code != 0)
            return code;
    }
    return 0;
}

/* "sum_amount", in memory that lasts. */
static int default_name(struct sm_run *run, const struct sm_value *v, struct sm_text_view *name)
{
    const char *op = sm_op_names[v[FIELD_OP].as.i];
    size_t room = strlen(op) + v[FIELD_COLUMN].as.text.n + 2;
    char *text = sm_run_alloc(run, room);
    if (text == NULL)
        return SM_E_TOO_LARGE;
    int n = snprintf(text, room, "%s_%s", op, v[FIELD_COLUMN].as.text.p);
    *name = (struct sm_text_view){text, (size_t)n};
    return 0;
}

static int read_aggregate(struct sm_run *run, const struct sm_value *v, size_t i,
                          const struct sm_columns *columns, struct sm_aggregate *a)
{
    int code = 0;
    *a = (struct sm_aggregate){.op = (enum sm_op)v[FIELD_OP].as.i, .column = SM_NO_COLUMN};
    a->as = (struct sm_text_view){"count", 5};
    if (v[FIELD_COLUMN].set) {
        code = find(run, columns, &v[FIELD_COLUMN], "aggregates", i, &a->column);
        if (code == 0)
            code = default_name(run, v, &a->as);
        if (code != 0)
            return code;
        a->type = columns->v[a->column].type;
    } else if (a->op != SM_OP_COUNT) {
        return sm_fail(run, SM_E_BAD_ARGS, "args.aggregates[%zu].column: missing; %s of what?", i,
                       sm_op_names[a->op]);
    }
    if (v[FIELD_AS].set)
        a->as = text_of(&v[FIELD_AS]);
    if (sm_aggregate_settle(a))
        return 0;
    return sm_fail(run, SM_E_BAD_ARGS, "args.aggregates[%zu]: %s takes %s: see args.columns", i,
                   sm_op_names[a->op], sm_op_takes(a->op));
}

static int read_aggregates(struct sm_run *run, const struct sm_value *list,
                           const struct sm_columns *columns, struct sm_plan *plan)
{
    for (size_t i = 0; i < plan->n_aggregates; i++) {
        struct sm_aggregate *a = &plan->aggregates[i];
        int code = read_aggregate(run, list->as.list.v + i * FIELDS, i, columns, a);
        if (code == 0)
            code = add_out(run, plan, a->as, a->gives);
        if (code != 0)
            return code;
    }
    return 0;
}

static int read_sort(struct sm_run *run, const struct sm_value *list, struct sm_plan *plan)
{
    for (size_t i = 0; i < plan->n_sort; i++) {
        const struct sm_value *v = list->as.list.v + i * SORT_FIELDS;
        struct sm_plan_sort *sort = &plan->sort[i];
        *sort = (struct sm_plan_sort){sm_columns_find(&plan->out, text_of(&v[SORT_BY])),
                                      v[SORT_ORDER].as.i != 0};
        if (sort->column == plan->out.n)
            return sm_fail(run, SM_E_BAD_ARGS,
                           "args.sort[%zu].by: \"%s\" is none of the output's columns", i,
                           v[SORT_BY].as.text.p);
    }
    return 0;
}

int sm_plan_read(struct sm_run *run, const struct sm_value *args, const struct sm_columns *columns,
                 struct sm_plan *plan)
{
    *plan = (struct sm_plan){.n_group_by = args[SM_PLAN_GROUP_BY].as.list.n,
                             .n_aggregates = args[SM_PLAN_AGGREGATES].as.list.n,
                             .n_sort = args[SM_PLAN_SORT].as.list.n,
                             .top = SIZE_MAX};
    size_t n = plan->n_group_by + plan->n_aggregates;
    if (n == 0)
        return sm_fail(run, SM_E_BAD_ARGS, "args: give group_by or aggregates, or both");
    plan->group_by = sm_run_alloc(run, plan->n_group_by * sizeof *plan->group_by);
    plan->aggregates = sm_run_alloc(run, plan->n_aggregates * sizeof *plan->aggregates);
    plan->sort = sm_run_alloc(run, plan->n_sort * sizeof *plan->sort);
    plan->out.v = sm_run_alloc(run, n * sizeof *plan->out.v);
    if (plan->group_by == NULL || plan->aggregates == NULL || plan->sort == NULL ||
        plan->out.v == NULL)
        return SM_E_TOO_LARGE;
    if (args[SM_PLAN_TOP].set)
        plan->top = (size_t)args[SM_PLAN_TOP].as.i;
    int code = read_group_by(run, &args[SM_PLAN_GROUP_BY], columns, plan);
    if (code == 0)
        code = read_aggregates(run, &args[SM_PLAN_AGGREGATES], columns, plan);
    return code == 0 ? read_sort(run, &args[SM_PLAN_SORT], plan) : code;
}
