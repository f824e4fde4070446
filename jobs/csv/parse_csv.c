/*
 * parse.csv: CSV to typed rows. The handler only joins what knows nothing of each other: the reader
 * (bytes to fields), the columns (fields to cells), the sink (cells to output) and the report.
 *
 * A row is bad when it has too few or too many fields, breaks the quoting, or has a field that does
 * not fit its column; what then happens is on_error's. An open quote at the end of the input fails
 * the job whatever on_error says: everything behind it was swallowed, and nobody can say how many
 * rows. Lines with nothing on them are skipped, unless the input has one column only. Thread: the
 * stamp that runs.
 */
#include <string.h>

#include "base/text.h"
#include "jobs/csv/reader.h"
#include "jobs/rows/columns.h"
#include "jobs/rows/report.h"
#include "jobs/rows/sink.h"

#define ROWS_PER_LOOK 256 /* between two looks at the stop flag: well below a millisecond */

enum {
    ARG_DELIMITER,
    ARG_QUOTE,
    ARG_HEADER,
    ARG_COLUMNS,
    ARG_ON_ERROR,
    ARG_OUTPUT,
    ARG_LIMIT,
    ARG_MAX_ERRORS,
};

static const struct sm_arg schema[] = {
    {.name = "delimiter",
     .kind = SM_ARG_TEXT,
     .fallback = "\",\"",
     .min = 1,
     .max = 1,
     .help = "what separates fields, one ASCII character (\"\\t\" for tabs)"},
    {.name = "quote",
     .kind = SM_ARG_TEXT,
     .fallback = "\"\\\"\"",
     .min = 0,
     .max = 1,
     .help = "what quotes fields, one ASCII character; empty: nothing does"},
    {.name = "header",
     .kind = SM_ARG_BOOL,
     .fallback = "true",
     .help = "the first record names the columns"},
    {.name = "columns",
     .kind = SM_ARG_MAPS,
     .min = 1,
     .max = SM_COLUMNS_MAX,
     .fields = sm_column_fields,
     .help = SM_COLUMNS_HELP},
    {.name = "on_error",
     .kind = SM_ARG_CHOICE,
     .fallback = "\"fail\"",
     .choices = SM_ON_ERROR_CHOICES,
     .help = "a bad row fails the job, is skipped, or is skipped and listed in errors"},
    {.name = "output",
     .kind = SM_ARG_CHOICE,
     .fallback = "\"rows\"",
     .choices = SM_OUTPUT_CHOICES,
     .help = "where the rows go: rows into the result, the others into the body, none nowhere"},
    {.name = "limit",
     .kind = SM_ARG_INT,
     .min = 1,
     .max = INT64_MAX,
     .help = "stop after so many rows of output"},
    {.name = "max_errors",
     .kind = SM_ARG_INT,
     .fallback = "100",
     .min = 0,
     .max = SM_REPORT_ERRORS_MAX,
     .help = "how many bad rows errors lists at most (rows_bad counts all)"},
    {.name = NULL},
};

struct parse {
    struct sm_run *run;
    struct sm_csv csv;
    struct sm_columns columns;
    struct sm_report report;
    struct sm_sink sink;
    struct sm_cell *cells;
    size_t width; /* fields that every record must have; 0: not known yet */
    bool clean;   /* the whole input is UTF-8 without NUL */
};

static const struct sm_text_view no_column = {NULL, 0};

static size_t line_of_record(struct parse *p)
{
    return sm_csv_line(&p->csv, p->csv.start, true);
}

static int open_quote(struct parse *p)
{
    return sm_fail(
        p->run, SM_E_BAD_INPUT,
        "line %zu: the quoted field that begins here (field %zu of its row) is never closed",
        sm_csv_line(&p->csv, p->csv.bad_at, false), p->csv.fields + 1);
}

static int too_wide(struct parse *p)
{
    return sm_fail(p->run, SM_E_TOO_LARGE, "line %zu: more than %d columns", line_of_record(p),
                   SM_CSV_COLUMNS);
}

static const char bad_quote_text[] = "field %zu: a quote inside an unquoted field, or something "
                                     "behind a closing quote (a quote inside "
                                     "a quoted field is doubled)";

/* ---- header -------------------------------------------------------------------------------- */

/* The header's names, in memory that lasts; checked, because they become keys of the output. */
static int read_names(struct parse *p, struct sm_text_view *names, size_t line)
{
    for (size_t i = 0; i < p->csv.fields; i++) {
        struct sm_text_view text;
        int code = sm_csv_field(&p->csv, i, &text);
        if (code != 0)
            return code;
        if (text.n > 256 || sm_text_valid(text.p, text.n) != text.n)
            return sm_fail(p->run, SM_E_BAD_INPUT, "line %zu: the name of column %zu is %s", line,
                           i + 1,
                           text.n > 256 ? "longer than 256 bytes" : "no UTF-8 text without NUL");
        char *copy = sm_run_alloc(p->run, text.n);
        if (copy == NULL)
            return SM_E_TOO_LARGE;
        memcpy(copy, text.p, text.n);
        names[i] = (struct sm_text_view){copy, text.n};
    }
    return 0;
}

static int bind_header(struct parse *p, const struct sm_value *columns)
{
    size_t line = line_of_record(p);
    size_t n = p->csv.fields;
    struct sm_text_view *names = sm_run_alloc(p->run, n * sizeof *names);
    if (names == NULL)
        return SM_E_TOO_LARGE;
    int code = read_names(p, names, line);
    if (code != 0)
        return code;
    p->width = n;
    if (columns->set)
        return sm_columns_bind(p->run, &p->columns, names, n, line);
    return sm_columns_of_names(p->run, names, n, &p->columns);
}

/* Reads over blank lines to the header. An input without one has no rows and, where args give none,
 * no columns. */
static int read_header(struct parse *p, const struct sm_value *columns)
{
    for (;;) {
        switch (sm_csv_next(&p->csv)) {
        case SM_CSV_RECORD:
            if (sm_csv_blank(&p->csv))
                continue;
            return bind_header(p, columns);
        case SM_CSV_END:
            return 0;
        case SM_CSV_OPEN:
            return open_quote(p);
        case SM_CSV_TOO_WIDE:
            return too_wide(p);
        case SM_CSV_BAD_QUOTE:
            return sm_fail(p->run, SM_E_BAD_INPUT,
                           "line %zu (header): a misplaced quote in field %zu",
                           sm_csv_line(&p->csv, p->csv.bad_at, false), p->csv.fields + 1);
        }
    }
}

/* Without a header: the first record says how many columns there are. */
static int bind_first_record(struct parse *p, const struct sm_value *columns)
{
    p->width = p->csv.fields;
    if (columns->set)
        return 0;
    struct sm_text_view *names = sm_run_alloc(p->run, p->width * sizeof *names);
    if (names == NULL)
        return SM_E_TOO_LARGE;
    memset(names, 0, p->width * sizeof *names);
    return sm_columns_of_names(p->run, names, p->width, &p->columns);
}

/* ---- rows ---------------------------------------------------------------------------------- */

static int check_index(struct parse *p)
{
    for (size_t i = 0; i < p->columns.n; i++)
        if (p->columns.v[i].index >= p->width)
            return sm_fail(p->run, SM_E_BAD_INPUT,
                           "line %zu: args.columns[%zu] asks for field %zu, but rows have %zu",
                           line_of_record(p), i, p->columns.v[i].index + 1, p->width);
    return 0;
}

/* Everything that needs the number of columns, done when it is known. */
static int open_sink(struct parse *p)
{
    const struct sm_value *args = sm_run_args(p->run);
    p->cells = sm_run_alloc(p->run, p->columns.n * sizeof *p->cells);
    if (p->cells == NULL)
        return SM_E_TOO_LARGE;
    int code = p->width != 0 ? check_index(p) : 0;
    if (code != 0)
        return code;
    return sm_sink_open(&p->sink, p->run, &p->columns, (enum sm_output)args[ARG_OUTPUT].as.i);
}

static int put_row(struct parse *p)
{
    for (size_t i = 0; i < p->columns.n; i++) {
        const struct sm_column *column = &p->columns.v[i];
        struct sm_text_view text;
        struct sm_cell_fault fault;
        int code = sm_csv_field(&p->csv, column->index, &text);
        if (code != 0)
            return code;
        if (!sm_column_convert(column, text, p->clean, &p->cells[i], &fault))
            return sm_report_fault(&p->report, line_of_record(p), column->name, text, &fault);
    }
    p->report.rows_out++;
    return sm_sink_row(&p->sink, p->cells);
}

static int take_record(struct parse *p)
{
    if (p->width != 1 && sm_csv_blank(&p->csv))
        return 0;
    p->report.rows_in++;
    if (p->csv.fields == p->width)
        return put_row(p);
    bool few = p->csv.fields < p->width;
    return sm_report_bad(&p->report, line_of_record(p), no_column,
                         few ? "too_few_fields" : "too_many_fields", "%zu fields, expected %zu",
                         p->csv.fields, p->width);
}

/* Record after record. 0 at the end of the input or at the limit. */
static int take_records(struct parse *p, uint64_t limit)
{
    int code = 0;
    for (uint64_t n = 1; code == 0 && p->report.rows_out < limit; n++) {
        if (n % ROWS_PER_LOOK == 0) {
            if (sm_run_stopping(p->run))
                return sm_run_stop_code(p->run);
            if (sm_out_full(p->run))
                return 0;
            sm_run_progress(p->run, p->csv.next, p->csv.size);
        }
        switch (sm_csv_next(&p->csv)) {
        case SM_CSV_RECORD:
            code = take_record(p);
            break;
        case SM_CSV_END:
            return 0;
        case SM_CSV_OPEN:
            return open_quote(p);
        case SM_CSV_TOO_WIDE:
            return too_wide(p);
        case SM_CSV_BAD_QUOTE:
            p->report.rows_in++;
            code = sm_report_bad(&p->report, sm_csv_line(&p->csv, p->csv.bad_at, false), no_column,
                                 "bad_quote", bad_quote_text, p->csv.fields + 1);
            break;
        }
    }
    return code;
}

/* The first record of an input without a header tells the width, and is a row. */
static int take_first(struct parse *p, const struct sm_value *columns)
{
    for (;;) {
        switch (sm_csv_next(&p->csv)) {
        case SM_CSV_RECORD: {
            if (sm_csv_blank(&p->csv))
                continue;
            int code = bind_first_record(p, columns);
            if (code == 0)
                code = open_sink(p);
            return code != 0 ? code : take_record(p);
        }
        case SM_CSV_END:
            return open_sink(p);
        case SM_CSV_OPEN:
            return open_quote(p);
        case SM_CSV_TOO_WIDE:
            return too_wide(p);
        case SM_CSV_BAD_QUOTE:
            return sm_fail(
                p->run, SM_E_BAD_INPUT,
                "line %zu: a misplaced quote in field %zu of the first row, which must tell "
                "the number of columns",
                sm_csv_line(&p->csv, p->csv.bad_at, false), p->csv.fields + 1);
        }
    }
}

/* ---- the run ------------------------------------------------------------------------------- */

static int check_characters(struct sm_run *run, char delimiter, char quote)
{
    if ((delimiter & 0x80) != 0 || delimiter == '\n' || delimiter == '\r')
        return sm_fail(run, SM_E_BAD_ARGS,
                       "args.delimiter: expected an ASCII character, no line end");
    if ((quote & 0x80) != 0 || quote == '\n' || quote == '\r')
        return sm_fail(run, SM_E_BAD_ARGS, "args.quote: expected an ASCII character, no line end");
    if (quote == delimiter)
        return sm_fail(run, SM_E_BAD_ARGS, "args.quote: the same as args.delimiter");
    return 0;
}

static int open_parse(struct parse *p, struct sm_run *run)
{
    const struct sm_value *args = sm_run_args(run);
    char delimiter = args[ARG_DELIMITER].as.text.p[0];
    char quote = args[ARG_QUOTE].as.text.p[0];
    *p = (struct parse){.run = run};
    int code = check_characters(run, delimiter, quote);
    if (code == 0)
        code = sm_csv_open(&p->csv, run, sm_csv_scanner_best(), delimiter, quote);
    if (code == 0)
        code = sm_report_open(&p->report, run, (enum sm_on_error)args[ARG_ON_ERROR].as.i,
                              (size_t)args[ARG_MAX_ERRORS].as.i);
    if (code == 0 && args[ARG_COLUMNS].set)
        code = sm_columns_read(run, &args[ARG_COLUMNS], &p->columns);
    if (code == 0 && args[ARG_COLUMNS].set && !args[ARG_HEADER].as.b)
        code = sm_columns_bind_in_turn(run, &p->columns);
    p->clean = sm_text_valid(p->csv.data, p->csv.size) == p->csv.size;
    return code;
}

static int run_parse(struct sm_run *run)
{
    const struct sm_value *args = sm_run_args(run);
    uint64_t limit = args[ARG_LIMIT].set ? (uint64_t)args[ARG_LIMIT].as.i : UINT64_MAX;
    struct parse p;
    int code = open_parse(&p, run);
    if (code != 0)
        return code;
    sm_json_open_map(run);
    if (args[ARG_HEADER].as.b) {
        code = read_header(&p, &args[ARG_COLUMNS]);
        code = code != 0 ? code : open_sink(&p);
    } else {
        code = take_first(&p, &args[ARG_COLUMNS]);
    }
    if (code == 0)
        code = take_records(&p, limit);
    if (code != 0)
        return code;
    sm_sink_close(&p.sink);
    sm_report_put(&p.report);
    sm_json_close_map(run);
    sm_run_progress(run, p.csv.size, p.csv.size);
    return 0;
}

const struct sm_type sm_type_parse_csv = {
    .name = "parse.csv",
    .summary = "CSV to typed rows (RFC 4180)",
    .schema = schema,
    .takes_input = true,
    .run = run_parse,
    .result_help =
        "result: {rows_in, rows_out, rows_bad, errors: [{row, line, column, code, message}]} "
        "and what output asks for. " SM_OUTPUT_HELP,
    .example_args = "{\"columns\": [{\"name\": \"id\", \"type\": \"int\", \"required\": true}, "
                    "{\"name\": \"price\", \"type\": \"decimal\"}, {\"name\": \"name\"}], "
                    "\"on_error\": \"collect\", \"output\": \"ndjson\"}",
};
