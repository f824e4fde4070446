/*
 * transform.aggregate: groups rows by the values of some columns and says for each group what its
 * rows come to. It joins the row source, the plan, the table of groups and the sink.
 *
 * A group's key is the texts of its columns one behind the other, each with its length in front, in
 * the form that is the same for equal values; so groups are compared without knowing any type, and
 * the key is all that is kept of a group's columns. Groups come in the order of their first row,
 * unless sort says otherwise. Without group_by all rows are one group, also where there are none.
 * Thread: the stamp that runs.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "jobs/aggregate/plan.h"
#include "jobs/csv/rows_csv.h"
#include "jobs/json/rows_json.h"

enum {
    ARG_PLAN,
    ARG_FORMAT = ARG_PLAN + SM_PLAN_ARGS,
    ARG_CSV,
    ARG_JSON = ARG_CSV + SM_CSV_ARGS,
    ARG_ROWS = ARG_JSON + SM_JSON_ARGS,
    ARG_OUTPUT = ARG_ROWS + SM_ROWS_ARGS,
};

enum format { FORMAT_JSON, FORMAT_NDJSON, FORMAT_CSV };

static const struct sm_arg schema[] = {
    {.name = "group_by",
     .kind = SM_ARG_TEXTS,
     .fallback = "[]",
     .min = 0,
     .max = SM_PLAN_MAX,
     .help = "columns whose values make a group; none: all rows are one"},
    {.name = "aggregates",
     .kind = SM_ARG_MAPS,
     .fallback = "[]",
     .min = 0,
     .max = SM_PLAN_MAX,
     .fields = sm_aggregate_fields,
     .help = "what to say of each group"},
    {.name = "sort",
     .kind = SM_ARG_MAPS,
     .fallback = "[]",
     .min = 0,
     .max = SM_PLAN_MAX,
     .fields = sm_sort_fields,
     .help = "the order of the groups; absent: that of their first rows"},
    {.name = "top",
     .kind = SM_ARG_INT,
     .min = 1,
     .max = INT64_MAX,
     .help = "at most so many groups, the first ones"},
    {.name = "format",
     .kind = SM_ARG_CHOICE,
     .fallback = "\"json\"",
     .choices = "json|ndjson|csv",
     .help = "what the input is; delimiter, quote and header are csv's, pointer is json's"},
    SM_CSV_SCHEMA,
    SM_JSON_SCHEMA,
    SM_ROWS_SCHEMA,
    SM_ROWS_OUTPUT_SCHEMA,
    {.name = NULL},
};

struct job {
    struct sm_run *run;
    struct sm_rows rows;
    struct sm_plan plan;
    struct sm_groups groups;
    struct sm_groups seen; /* for distinct */
};

/* One group on its way into the output. */
struct entry {
    const struct sm_group *group;
    size_t place;          /* in the order of first rows */
    struct sm_cell *cells; /* what sort asks for */
};

/* ---- groups -------------------------------------------------------------------------------- */

/* The row's key, in scratch memory. NULL: SM_E_TOO_LARGE. */
static char *key_of(struct job *job, size_t *size)
{
    const struct sm_plan *plan = &job->plan;
    size_t most = 1, n = 0;
    for (size_t i = 0; i < plan->n_group_by; i++)
        most += 1 + sizeof(uint32_t) + job->rows.cells[plan->group_by[i]].text.n;
    char *key = sm_scratch_room(&job->rows.scratch, most);
    for (size_t i = 0; key != NULL && i < plan->n_group_by; i++) {
        const struct sm_cell *cell = &job->rows.cells[plan->group_by[i]];
        char same[SM_CELL_SAME_MAX];
        key[n++] = cell->null ? 0 : 1;
        if (cell->null)
            continue;
        struct sm_text_view text = sm_cell_same_text(cell, same);
        uint32_t length = (uint32_t)text.n; /* a job's input is smaller */
        memcpy(key + n, &length, sizeof length);
        memcpy(key + n + sizeof length, text.p, text.n);
        n += sizeof length + text.n;
    }
    *size = n;
    return key;
}

static int add_row(struct job *job)
{
    const struct sm_plan *plan = &job->plan;
    size_t n;
    const char *key = key_of(job, &n);
    struct sm_group *group = key != NULL ? sm_groups_find(&job->groups, key, n) : NULL;
    if (group == NULL)
        return SM_E_TOO_LARGE;
    struct sm_acc *accs = (struct sm_acc *)(void *)group->data;
    sm_scratch_keep(&job->rows.scratch, n);
    for (size_t i = 0; i < plan->n_aggregates; i++) {
        const struct sm_aggregate *a = &plan->aggregates[i];
        const struct sm_cell *cell = a->column != SM_NO_COLUMN ? &job->rows.cells[a->column] : NULL;
        int code = cell == NULL || !cell->null ? a->add(job->run, a, &accs[i], cell) : 0;
        if (code != 0)
            return code;
    }
    return 0;
}

static int add_rows(struct job *job)
{
    int code;
    while ((code = sm_rows_next(&job->rows)) == SM_ROW) {
        code = add_row(job);
        if (code != 0)
            return code;
    }
    if (code == 0 && job->plan.n_group_by == 0 && sm_groups_find(&job->groups, "", 0) == NULL)
        return SM_E_TOO_LARGE;
    return code;
}

/* ---- output -------------------------------------------------------------------------------- */

/* Column `number` of group_by, read back from the key: what a cell gave out, it takes. */
static void put_key(const struct job *job, const struct sm_group *group, size_t number,
                    struct sm_cell *cell)
{
    const char *at = group->key.p;
    struct sm_cell_fault fault;
    uint32_t length;
    for (size_t i = 0;; i++) {
        bool null = *at++ == 0;
        length = 0;
        if (!null) {
            memcpy(&length, at, sizeof length);
            at += sizeof length;
        }
        cell->null = null;
        if (i == number)
            break;
        at += length;
    }
    cell->type = job->plan.out.v[number].type;
    cell->text = (struct sm_text_view){at, length};
    if (!cell->null && cell->type != SM_CELL_JSON && cell->type != SM_CELL_TEXT)
        SM_ASSERT(sm_cell_convert(cell, cell->type, cell->text, true, &fault));
}

static int put_column(struct job *job, const struct sm_group *group, size_t column,
                      struct sm_cell *cell)
{
    const struct sm_plan *plan = &job->plan;
    if (column < plan->n_group_by) {
        put_key(job, group, column, cell);
        return 0;
    }
    size_t i = column - plan->n_group_by;
    const struct sm_acc *accs = (const struct sm_acc *)(const void *)group->data;
    return plan->aggregates[i].finish(job->run, &plan->aggregates[i], &accs[i], cell);
}

static int compare_entries(const void *left, const void *right, void *data)
{
    const struct entry *a = left, *b = right;
    const struct sm_plan *plan = data;
    for (size_t i = 0; i < plan->n_sort; i++) {
        const struct sm_cell *x = &a->cells[i], *y = &b->cells[i];
        if (x->null != y->null)
            return x->null ? 1 : -1;
        int order = x->null ? 0 : sm_cell_compare(x, y);
        if (order != 0)
            return plan->sort[i].descending ? -order : order;
    }
    return a->place < b->place ? -1 : 1;
}

/* All groups in the order of the output. */
static int list_groups(struct job *job, struct entry **list)
{
    const struct sm_plan *plan = &job->plan;
    size_t n = job->groups.n, place = 0;
    struct entry *entries = sm_run_alloc(job->run, n * sizeof *entries);
    struct sm_cell *cells = sm_run_alloc(job->run, n * plan->n_sort * sizeof *cells);
    if (entries == NULL || cells == NULL)
        return SM_E_TOO_LARGE;
    for (const struct sm_group *group = job->groups.first; group != NULL; group = group->next) {
        struct entry *entry = &entries[place];
        *entry = (struct entry){group, place, cells + place * plan->n_sort};
        for (size_t i = 0; i < plan->n_sort; i++) {
            int code = put_column(job, group, plan->sort[i].column, &entry->cells[i]);
            if (code != 0)
                return code;
        }
        place++;
    }
    if (plan->n_sort != 0)
        qsort_r(entries, n, sizeof *entries, compare_entries, &job->plan);
    *list = entries;
    return 0;
}

static int put_groups(struct job *job, struct sm_sink *sink, const struct entry *entries)
{
    const struct sm_plan *plan = &job->plan;
    size_t n = job->groups.n < plan->top ? job->groups.n : plan->top;
    struct sm_cell *cells = sm_run_alloc(job->run, plan->out.n * sizeof *cells);
    if (cells == NULL)
        return SM_E_TOO_LARGE;
    for (size_t i = 0; i < n && !sm_out_full(job->run); i++) {
        int code = 0;
        for (size_t k = 0; k < plan->out.n && code == 0; k++)
            code = put_column(job, entries[i].group, k, &cells[k]);
        if (code == 0)
            code = sm_sink_row(sink, cells);
        if (code == 0 && i % 4096 == 0)
            code = sm_run_stop_code(job->run);
        if (code != 0)
            return code;
    }
    job->rows.report.rows_out = n;
    return 0;
}

static int put_result(struct job *job, enum sm_output output)
{
    struct sm_sink sink;
    struct entry *entries = NULL;
    int code = list_groups(job, &entries);
    if (code != 0)
        return code;
    sm_json_open_map(job->run);
    code = sm_sink_open(&sink, job->run, &job->plan.out, output);
    if (code == 0)
        code = put_groups(job, &sink, entries);
    if (code != 0)
        return code;
    sm_sink_close(&sink);
    sm_report_put(&job->rows.report);
    sm_json_close_map(job->run);
    sm_run_progress(job->run, job->rows.size, job->rows.size);
    return 0;
}

/* ---- the run ------------------------------------------------------------------------------- */

static int open_rows(struct job *job, const struct sm_value *args)
{
    enum format format = (enum format)args[ARG_FORMAT].as.i;
    if (!args[ARG_ROWS + SM_ROWS_COLUMNS].set) {
        int code =
            sm_plan_columns(job->run, args + ARG_PLAN,
                            format == FORMAT_CSV ? SM_CELL_TEXT : SM_CELL_JSON, &job->rows.columns);
        if (code != 0)
            return code;
    }
    job->rows.bounded = sm_output_is_bounded((enum sm_output)args[ARG_OUTPUT].as.i);
    if (format == FORMAT_CSV)
        return sm_rows_open(&job->rows, job->run, &sm_csv_rows, args + ARG_CSV, args + ARG_ROWS);
    if (format == FORMAT_NDJSON)
        return sm_rows_open(&job->rows, job->run, &sm_ndjson_rows,
                            args + ARG_JSON + SM_JSON_DUPLICATES, args + ARG_ROWS);
    return sm_rows_open(&job->rows, job->run, &sm_json_rows, args + ARG_JSON, args + ARG_ROWS);
}

static int run_aggregate(struct sm_run *run)
{
    const struct sm_value *args = sm_run_args(run);
    struct job job = {.run = run};
    int code = open_rows(&job, args);
    if (code == 0)
        code = sm_plan_read(run, args + ARG_PLAN, &job.rows.columns, &job.plan);
    if (code != 0)
        return code;
    sm_groups_start(&job.groups, run, job.plan.n_aggregates * sizeof(struct sm_acc));
    sm_groups_start(&job.seen, run, 0);
    for (size_t i = 0; i < job.plan.n_aggregates; i++) {
        job.plan.aggregates[i].seen = &job.seen;
        job.plan.aggregates[i].scratch = &job.rows.scratch;
    }
    code = add_rows(&job);
    return code == 0 ? put_result(&job, (enum sm_output)args[ARG_OUTPUT].as.i) : code;
}

const struct sm_type sm_type_transform_aggregate = {
    .name = "transform.aggregate",
    .summary = "groups rows of JSON, NDJSON or CSV and adds them up",
    .schema = schema,
    .takes_input = true,
    .run = run_aggregate,
    .result_help =
        "result: {rows_in, rows_out (groups), rows_bad, errors: [{row, line, column, code, "
        "message}]} and what output asks for. " SM_OUTPUT_HELP
        ". What args.columns does not describe is read as number where it is added up or ordered, "
        "else as it is. Sums of int, decimal and number are exact or an error, those of float are "
        "doubles",
    .example_args = "{\"group_by\": [\"region\"], \"aggregates\": [{\"op\": \"count\"}, {\"op\": "
                    "\"sum\", \"column\": \"amount\", \"as\": \"total\"}], \"sort\": [{\"by\": "
                    "\"total\", \"order\": \"desc\"}], \"top\": 10}",
    .example_input = "[{\"region\": \"eu\", \"amount\": 5}, {\"region\": \"us\", \"amount\": 9.5}, "
                     "{\"region\": \"eu\", \"amount\": 7}]",
};
