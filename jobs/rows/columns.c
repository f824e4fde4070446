/*
 * Columns: what to take of each row and as what. Names are found by linear search, once per job:
 * with 4,096 columns on both sides that is some ten million compares of lengths, a few
 * milliseconds.
 *
 * What is null: for text only what null_as says; for other types an empty field as well, because an
 * empty number can mean nothing else. Quoted or not makes no difference. Thread: the stamp that
 * runs.
 */
#include "jobs/rows/columns.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

enum { FIELD_NAME, FIELD_FROM, FIELD_INDEX, FIELD_TYPE, FIELD_REQUIRED, FIELD_NULL_AS, FIELDS };

const struct sm_arg sm_column_fields[] = {
    {.name = "name",
     .kind = SM_ARG_TEXT,
     .required = true,
     .min = 1,
     .max = 256,
     .help = "the column's name in the output"},
    {.name = "from",
     .kind = SM_ARG_TEXT,
     .min = 1,
     .max = 256,
     .help = "its name in the input; absent: the same; in JSON \"/a/b\" is a JSON Pointer"},
    {.name = "index",
     .kind = SM_ARG_INT,
     .min = 1,
     .max = SM_COLUMNS_MAX,
     .help = "its place in the input from 1, instead of a name"},
    {.name = "type",
     .kind = SM_ARG_CHOICE,
     .fallback = "\"text\"",
     .choices = SM_CELL_TYPES,
     .help = "what to read it as; decimal and number are exact, decimal is written as text"},
    {.name = "required",
     .kind = SM_ARG_BOOL,
     .fallback = "false",
     .help = "a row in which it is null is a bad row"},
    {.name = "null_as",
     .kind = SM_ARG_TEXTS,
     .fallback = "[]",
     .min = 0,
     .max = 64,
     .help = "texts that mean null (an empty field does, but for text)"},
    {.name = NULL},
};

static bool same(struct sm_text_view a, struct sm_text_view b)
{
    return a.n == b.n && memcmp(a.p, b.p, a.n) == 0;
}

static int read_one(struct sm_run *run, const struct sm_value *v, size_t i,
                    struct sm_column *column)
{
    column->name = (struct sm_text_view){v[FIELD_NAME].as.text.p, v[FIELD_NAME].as.text.n};
    column->from = column->name;
    if (v[FIELD_FROM].set)
        column->from = (struct sm_text_view){v[FIELD_FROM].as.text.p, v[FIELD_FROM].as.text.n};
    column->by_index = v[FIELD_INDEX].set;
    if (column->by_index && v[FIELD_FROM].set)
        return sm_fail(run, SM_E_BAD_ARGS, "args.columns[%zu]: give from or index, not both", i);
    column->index = column->by_index ? (size_t)v[FIELD_INDEX].as.i - 1 : 0;
    column->type = (enum sm_cell_type)v[FIELD_TYPE].as.i;
    column->required = v[FIELD_REQUIRED].as.b;
    column->null_as = v[FIELD_NULL_AS].as.list.v;
    column->n_null_as = v[FIELD_NULL_AS].as.list.n;
    return 0;
}

int sm_columns_read(struct sm_run *run, const struct sm_value *list, struct sm_columns *columns)
{
    columns->n = list->as.list.n;
    columns->v = sm_run_alloc(run, columns->n * sizeof *columns->v);
    if (columns->v == NULL)
        return SM_E_TOO_LARGE;
    for (size_t i = 0; i < columns->n; i++) {
        int code = read_one(run, list->as.list.v + i * FIELDS, i, &columns->v[i]);
        if (code != 0)
            return code;
        for (size_t k = 0; k < i; k++)
            if (same(columns->v[k].name, columns->v[i].name))
                return sm_fail(run, SM_E_BAD_ARGS, "args.columns[%zu].name: \"%s\" is given twice",
                               i, columns->v[i].name.p);
    }
    return 0;
}

static int name_of(struct sm_run *run, struct sm_text_view given, size_t i,
                   struct sm_text_view *name)
{
    char *copy = sm_run_alloc(run, given.n != 0 ? given.n : 16);
    if (copy == NULL)
        return SM_E_TOO_LARGE;
    if (given.n != 0)
        memcpy(copy, given.p, given.n);
    else
        given.n = (size_t)snprintf(copy, 16, "column_%zu", i + 1);
    *name = (struct sm_text_view){copy, given.n};
    return 0;
}

int sm_columns_of_names(struct sm_run *run, const struct sm_text_view *names, size_t n,
                        struct sm_columns *columns)
{
    columns->n = n;
    columns->v = sm_run_alloc(run, n * sizeof *columns->v);
    if (columns->v == NULL)
        return SM_E_TOO_LARGE;
    for (size_t i = 0; i < n; i++) {
        struct sm_column *column = &columns->v[i];
        *column = (struct sm_column){.type = SM_CELL_TEXT, .index = i, .by_index = true};
        int code = name_of(run, names[i], i, &column->name);
        if (code != 0)
            return code;
        for (size_t k = 0; k < i; k++)
            if (same(columns->v[k].name, column->name))
                return sm_fail(run, SM_E_BAD_INPUT,
                               "the input names columns %zu and %zu both \"%.*s\": say in "
                               "args.columns which to take, by index",
                               k + 1, i + 1, (int)(column->name.n < 80 ? column->name.n : 80),
                               column->name.p);
    }
    return 0;
}

static int not_there(struct sm_run *run, const struct sm_column *column,
                     const struct sm_text_view *names, size_t n, size_t line)
{
    const char *texts[64];
    char copies[64][64];
    size_t k = 0;
    for (size_t i = 0; i < n && k < 64; i++) {
        if (names[i].n == 0 || names[i].n >= sizeof copies[0])
            continue;
        memcpy(copies[k], names[i].p, names[i].n);
        copies[k][names[i].n] = '\0';
        texts[k] = copies[k];
        k++;
    }
    const char *near = sm_text_near(column->from.p, column->from.n, texts, k);
    return sm_fail(run, SM_E_BAD_INPUT,
                   "line %zu: there is no column \"%s\" among the %zu here%s%s%s", line,
                   column->from.p, n, near != NULL ? "; is it \"" : "", near != NULL ? near : "",
                   near != NULL ? "\"?" : "");
}

int sm_columns_bind(struct sm_run *run, struct sm_columns *columns,
                    const struct sm_text_view *names, size_t n, size_t line)
{
    for (size_t i = 0; i < columns->n; i++) {
        struct sm_column *column = &columns->v[i];
        if (column->by_index)
            continue;
        size_t found = n;
        for (size_t k = 0; k < n; k++) {
            if (!same(names[k], column->from))
                continue;
            if (found != n)
                return sm_fail(run, SM_E_BAD_INPUT,
                               "line %zu: columns %zu and %zu are both named \"%s\": give an index",
                               line, found + 1, k + 1, column->from.p);
            found = k;
        }
        if (found == n)
            return not_there(run, column, names, n, line);
        column->index = found;
    }
    return 0;
}

int sm_columns_bind_in_turn(struct sm_run *run, struct sm_columns *columns)
{
    for (size_t i = 0; i < columns->n; i++) {
        struct sm_column *column = &columns->v[i];
        if (!column->by_index && !same(column->from, column->name))
            return sm_fail(
                run, SM_E_BAD_ARGS,
                "args.columns[%zu].from: the input has no header to find \"%s\" in; give "
                "an index",
                i, column->from.p);
        if (!column->by_index)
            column->index = i;
    }
    return 0;
}

struct sm_column sm_column_of(struct sm_text_view name, enum sm_cell_type type)
{
    return (struct sm_column){.name = name, .from = name, .type = type};
}

size_t sm_columns_find(const struct sm_columns *columns, struct sm_text_view name)
{
    size_t i = 0;
    while (i < columns->n && !same(columns->v[i].name, name))
        i++;
    return i;
}

bool sm_column_is_null_as(const struct sm_column *column, struct sm_text_view text)
{
    for (size_t i = 0; i < column->n_null_as; i++) {
        const struct sm_value *null_as = &column->null_as[i];
        if (null_as->as.text.n == text.n && memcmp(null_as->as.text.p, text.p, text.n) == 0)
            return true;
    }
    return false;
}

bool sm_column_convert(const struct sm_column *column, struct sm_text_view text, bool clean,
                       struct sm_cell *cell, struct sm_cell_fault *fault)
{
    if (!sm_column_is_null(column, text))
        return sm_cell_convert(cell, column->type, text, clean, fault);
    return sm_column_null(column, cell, fault);
}

bool sm_column_null(const struct sm_column *column, struct sm_cell *cell,
                    struct sm_cell_fault *fault)
{
    cell->type = column->type;
    cell->null = true;
    return !column->required || sm_cell_wrong(fault, "missing", "a value: it is required");
}
