/*
 * The typed row source: rows of cells from an input of any format, for every handler that works row
 * by row. A format finds fields; all else is here, once: which columns and as what, which rows
 * (`where`, `limit`), what becomes of bad ones, the counts, the look at the stop flag.
 *
 *   struct sm_rows rows;
 *   code = sm_rows_open(&rows, run, &sm_csv_rows, args + ARG_CSV, args + ARG_ROWS);
 *   while (code == 0 && (code = sm_rows_next(&rows)) == SM_ROW)
 *       .. rows.cells[0 .. rows.columns.n - 1] ..
 *
 * Thread: the stamp that runs.
 */
#ifndef SM_JOBS_ROWS_ROWS_H
#define SM_JOBS_ROWS_ROWS_H

#include "jobs/rows/columns.h"
#include "jobs/rows/lines.h"
#include "jobs/rows/report.h"
#include "jobs/rows/scratch.h"
#include "jobs/rows/sink.h"
#include "jobs/rows/where.h"

/* ---- the arguments: rows of a handler's schema, in this order ------------------------------ */

enum {
    SM_ROWS_COLUMNS,
    SM_ROWS_WHERE,
    SM_ROWS_ON_ERROR,
    SM_ROWS_MAX_ERRORS,
    SM_ROWS_LIMIT,
    SM_ROWS_ARGS, /* how many */
};

/* clang-format off */
#define SM_ROWS_SCHEMA                                                                             \
    {.name = "columns", .kind = SM_ARG_MAPS, .min = 1, .max = SM_COLUMNS_MAX,                      \
     .fields = sm_column_fields, .help = SM_COLUMNS_HELP},                                         \
    {.name = "where", .kind = SM_ARG_MAPS, .min = 0, .max = SM_WHERE_MAX, .fallback = "[]",        \
     .fields = sm_where_fields, .help = SM_WHERE_HELP},                                            \
    {.name = "on_error", .kind = SM_ARG_CHOICE, .fallback = "\"fail\"",                            \
     .choices = SM_ON_ERROR_CHOICES,                                                               \
     .help = "a bad row fails the job, is skipped, or is skipped and listed in errors"},           \
    {.name = "max_errors", .kind = SM_ARG_INT, .fallback = "100", .min = 0,                        \
     .max = SM_REPORT_ERRORS_MAX,                                                                  \
     .help = "how many bad rows errors lists at most (rows_bad counts all)"},                      \
    {.name = "limit", .kind = SM_ARG_INT, .min = 1, .max = INT64_MAX,                              \
     .help = "stop after so many rows that are good and match where"}
#define SM_ROWS_OUTPUT_SCHEMA                                                                      \
    {.name = "output", .kind = SM_ARG_CHOICE, .fallback = "\"rows\"", .choices = SM_OUTPUT_CHOICES,\
     .help = "where the rows go: rows into the result, the others into the body, none nowhere"}
/* clang-format on */

/* ---- for handlers -------------------------------------------------------------------------- */

struct sm_rows_format;
struct sm_json_token;

struct sm_rows {
    struct sm_run *run;
    const struct sm_rows_format *format;
    struct sm_columns columns; /* what a row has; the handler may fill it in before opening */
    struct sm_cell *cells;     /* the row */
    struct sm_report report;   /* rows_out is the handler's to set */
    bool bounded; /* JSON cells hold no U+0000 and no number past jsonb's; set before opening */
    /* for formats */
    void *reader;
    const char *data; /* the input */
    size_t size;
    size_t at;     /* how far it was read */
    size_t row_at; /* a byte of the row's first line, for messages */
    bool clean;    /* fields are UTF-8 without NUL */
    struct sm_lines lines;
    struct sm_scratch scratch; /* of the row */
    /* its own */
    struct sm_where where;
    uint64_t taken, limit, looked;
};

enum { SM_ROW = 1, SM_ROW_BAD = 2 };

/* Reads the head of the input; `*rows` zeroed but for what is said above, `args` the values of the
 * format's own arguments, `rows_args` those of SM_ROWS_SCHEMA. 0 or a code from sm_fail. */
int sm_rows_open(struct sm_rows *rows, struct sm_run *run, const struct sm_rows_format *format,
                 const struct sm_value *args, const struct sm_value *rows_args);
/* SM_ROW: the next good one is in rows->cells; 0: there is none; else the code to return. */
int sm_rows_next(struct sm_rows *rows);
/* What parse.* do: all rows into the sink, and the report. 0 or a code. */
int sm_rows_to_sink(struct sm_run *run, const struct sm_rows_format *format,
                    const struct sm_value *args, const struct sm_value *rows_args,
                    enum sm_output output);

/* ---- for formats --------------------------------------------------------------------------- */

struct sm_rows_format {
    /* Settles rows->columns (unless given: columns.n is not 0) and where each stands in a row. */
    int (*open)(struct sm_rows *rows, const struct sm_value *args);
    /* The next row into rows->cells: SM_ROW; SM_ROW_BAD (reported); 0 at the end; or a code. */
    int (*next)(struct sm_rows *rows);
};

extern const struct sm_rows_format sm_csv_rows, sm_json_rows, sm_ndjson_rows;

/* The line of row_at, for messages. */
size_t sm_rows_line(struct sm_rows *rows);
/* Field text into cell i, or JSON null or nothing at all into it. 0; SM_ROW_BAD: it does not fit,
 * the row was reported; or a code. */
int sm_rows_cell(struct sm_rows *rows, size_t i, struct sm_text_view text);
int sm_rows_null(struct sm_rows *rows, size_t i);
/* A checked JSON value as it is into cell i, of type json; the same returns. */
int sm_rows_json(struct sm_rows *rows, size_t i, const struct sm_json_token *token);
/* Reports the row as bad for this column. SM_ROW_BAD or a code. */
int sm_rows_fault(struct sm_rows *rows, size_t i, struct sm_text_view got,
                  const struct sm_cell_fault *fault);
/* What sm_report_bad returned, as a format's `next` returns it. */
static inline int sm_rows_bad(int code)
{
    return code != 0 ? code : SM_ROW_BAD;
}

#endif
