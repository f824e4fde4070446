/*
 * The columns a row-wise job asks for: read from `args.columns`, bound to the names that the input
 * has (a CSV header), and the conversion of one field by its column. The same for every row source.
 * Thread: the stamp that runs.
 */
#ifndef SM_JOBS_ROWS_COLUMNS_H
#define SM_JOBS_ROWS_COLUMNS_H

#include "jobs/rows/cell.h"
#include "stampmill/handler.h"

#define SM_COLUMNS_MAX 4096

/* The schema of one element of `args.columns`, for the handlers' own schemas. */
extern const struct sm_arg sm_column_fields[];
#define SM_COLUMNS_HELP "what to read from each row; absent: every column of the input, as text"

struct sm_column {
    struct sm_text_view name; /* in the output */
    struct sm_text_view from; /* in the input */
    size_t index;             /* which field of the row, from 0; valid once bound */
    bool by_index;
    enum sm_cell_type type;
    bool required;
    const struct sm_value *null_as; /* texts that stand for null */
    size_t n_null_as;
};

struct sm_columns {
    struct sm_column *v;
    size_t n;
    bool whole; /* one column without a name, which is the row as it is, as JSON */
};

/* Reads `args.columns` (value of MAPS by sm_column_fields). 0, or a code from sm_fail. */
int sm_columns_read(struct sm_run *run, const struct sm_value *list, struct sm_columns *columns);
/* One text column per name of the input; an empty name becomes "column_<n>". A name that comes
 * twice is bad_input. */
int sm_columns_of_names(struct sm_run *run, const struct sm_text_view *names, size_t n,
                        struct sm_columns *columns);
/* Finds each column's field by its name; `line` for the message where one is not there. */
int sm_columns_bind(struct sm_run *run, struct sm_columns *columns,
                    const struct sm_text_view *names, size_t n, size_t line);
/* Without names: columns that give no index take the fields in turn. */
int sm_columns_bind_in_turn(struct sm_run *run, struct sm_columns *columns);

/* A column that only a program asked for. */
struct sm_column sm_column_of(struct sm_text_view name, enum sm_cell_type type);
/* The number of the column that has this name in the output; columns->n when there is none. */
size_t sm_columns_find(const struct sm_columns *columns, struct sm_text_view name);

/* Nothing, or a null of the input, as a cell. False with *fault where the column is required. */
bool sm_column_null(const struct sm_column *column, struct sm_cell *cell,
                    struct sm_cell_fault *fault);
/* Whether a field's text means null. */
bool sm_column_is_null_as(const struct sm_column *column, struct sm_text_view text);
static inline bool sm_column_is_null(const struct sm_column *column, struct sm_text_view text)
{
    return (text.n == 0 && column->type != SM_CELL_TEXT) ||
           (column->n_null_as != 0 && sm_column_is_null_as(column, text));
}
/* One field into a cell: null, or converted. False with *fault. */
bool sm_column_convert(const struct sm_column *column, struct sm_text_view text, bool clean,
                       struct sm_cell *cell, struct sm_cell_fault *fault);

#endif
