/*
 * CSV as a row source: it joins the reader (bytes to fields) and the columns.
 *
 * A row is bad when it has too few or too many fields, breaks the quoting, or has a field that does
 * not fit its column; what then happens is on_error's. An open quote at the end of the input fails
 * the job whatever on_error says: everything behind it was swallowed, and nobody can say how many
 * rows. Lines with nothing on them are skipped, unless the input has one column only. Thread: the
 * stamp that runs.
 */
#include "jobs/csv/rows_csv.h"

#include <string.h>

#include "base/text.h"
#include "jobs/csv/reader.h"

struct source {
    struct sm_csv csv;
    size_t width; /* fields that every record must have; 0: not known yet */
    bool given;   /* args name the columns */
    bool pending; /* the record that was read last is a row still */
};

static const struct sm_text_view no_column = {NULL, 0};

static size_t line_of(struct sm_rows *rows, size_t at)
{
    return sm_lines_of(&rows->lines, at, false);
}

static int open_quote(struct sm_rows *rows)
{
    const struct sm_csv *csv = &((struct source *)rows->reader)->csv;
    return sm_fail(
        rows->run, SM_E_BAD_INPUT,
        "line %zu: the quoted field that begins here (field %zu of its row) is never closed",
        line_of(rows, csv->bad_at), csv->fields + 1);
}

static int too_wide(struct sm_rows *rows)
{
    return sm_fail(rows->run, SM_E_TOO_LARGE, "line %zu: more than %d columns", sm_rows_line(rows),
                   SM_CSV_COLUMNS);
}

static const char bad_quote_text[] = "field %zu: a quote inside an unquoted field, or something "
                                     "behind a closing quote (a quote inside "
                                     "a quoted field is doubled)";

/* The next record that is not a blank line. SM_ROW, 0 at the end, or a code; what breaks the
 * quoting is a bad row, or for the record that all others depend on (`first` says which) the end.
 */
static int next_record(struct sm_rows *rows, const char *first)
{
    struct source *source = rows->reader;
    struct sm_csv *csv = &source->csv;
    for (;;) {
        enum sm_csv_got got = sm_csv_next(csv);
        rows->at = csv->next;
        rows->row_at = csv->start;
        switch (got) {
        case SM_CSV_RECORD:
            if (source->width != 1 && sm_csv_blank(csv))
                continue;
            return SM_ROW;
        case SM_CSV_END:
            return 0;
        case SM_CSV_OPEN:
            return open_quote(rows);
        case SM_CSV_TOO_WIDE:
            return too_wide(rows);
        case SM_CSV_BAD_QUOTE:
            break;
        }
        if (first != NULL)
            return sm_fail(rows->run, SM_E_BAD_INPUT, first, line_of(rows, csv->bad_at),
                           csv->fields + 1);
        rows->report.rows_in++;
        return sm_rows_bad(sm_report_bad(&rows->report, line_of(rows, csv->bad_at), no_column,
                                         "bad_quote", bad_quote_text, csv->fields + 1));
    }
}

/* ---- header -------------------------------------------------------------------------------- */

/* The header's names, in memory that lasts; checked, because they become keys of the output. */
static int read_names(struct sm_rows *rows, struct sm_text_view *names, size_t line)
{
    struct sm_csv *csv = &((struct source *)rows->reader)->csv;
    for (size_t i = 0; i < csv->fields; i++) {
        struct sm_text_view text;
        int code = sm_csv_field(csv, i, &rows->scratch, &text);
        if (code != 0)
            return code;
        if (text.n > 256 || sm_text_valid(text.p, text.n) != text.n)
            return sm_fail(rows->run, SM_E_BAD_INPUT, "line %zu: the name of column %zu is %s",
                           line, i + 1,
                           text.n > 256 ? "longer than 256 bytes" : "no UTF-8 text without NUL");
        char *copy = sm_run_alloc(rows->run, text.n);
        if (copy == NULL)
            return SM_E_TOO_LARGE;
        memcpy(copy, text.p, text.n);
        names[i] = (struct sm_text_view){copy, text.n};
    }
    return 0;
}

static int bind_header(struct sm_rows *rows)
{
    struct source *source = rows->reader;
    size_t line = sm_rows_line(rows);
    size_t n = source->csv.fields;
    struct sm_text_view *names = sm_run_alloc(rows->run, n * sizeof *names);
    if (names == NULL)
        return SM_E_TOO_LARGE;
    int code = read_names(rows, names, line);
    if (code != 0)
        return code;
    source->width = n;
    if (source->given)
        return sm_columns_bind(rows->run, &rows->columns, names, n, line);
    return sm_columns_of_names(rows->run, names, n, &rows->columns);
}

/* Without a header: the first record says how many columns there are. */
static int bind_first_record(struct sm_rows *rows)
{
    struct source *source = rows->reader;
    source->width = source->csv.fields;
    source->pending = true;
    if (source->given)
        return 0;
    struct sm_text_view *names = sm_run_alloc(rows->run, source->width * sizeof *names);
    if (names == NULL)
        return SM_E_TOO_LARGE;
    memset(names, 0, source->width * sizeof *names);
    return sm_columns_of_names(rows->run, names, source->width, &rows->columns);
}

static int check_index(struct sm_rows *rows)
{
    size_t width = ((struct source *)rows->reader)->width;
    for (size_t i = 0; width != 0 && i < rows->columns.n; i++)
        if (rows->columns.v[i].index >= width)
            return sm_fail(rows->run, SM_E_BAD_INPUT,
                           "line %zu: args.columns[%zu] asks for field %zu, but rows have %zu",
                           sm_rows_line(rows), i, rows->columns.v[i].index + 1, width);
    return 0;
}

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

/* An input without a first record has no rows and, where args give none, no columns. */
static int open_csv(struct sm_rows *rows, const struct sm_value *args)
{
    char delimiter = args[SM_CSV_DELIMITER].as.text.p[0];
    char quote = args[SM_CSV_QUOTE].as.text.p[0];
    bool header = args[SM_CSV_HEADER].as.b;
    struct source *source = sm_run_alloc(rows->run, sizeof *source);
    if (source == NULL)
        return SM_E_TOO_LARGE;
    *source = (struct source){.given = rows->columns.n != 0};
    rows->reader = source;
    int code = check_characters(rows->run, delimiter, quote);
    if (code == 0)
        code = sm_csv_open(&source->csv, rows->run, sm_csv_scanner_best(), delimiter, quote);
    if (code == 0 && source->given && !header)
        code = sm_columns_bind_in_turn(rows->run, &rows->columns);
    if (code == 0)
        code = next_record(rows, header ? "line %zu (header): a misplaced quote in field %zu"
                                        : "line %zu: a misplaced quote in field %zu of the first "
                                          "row, which must tell the number of columns");
    if (code == SM_ROW)
        code = header ? bind_header(rows) : bind_first_record(rows);
    return code == 0 ? check_index(rows) : code;
}

/* ---- rows ---------------------------------------------------------------------------------- */

static int put_row(struct sm_rows *rows)
{
    struct sm_csv *csv = &((struct source *)rows->reader)->csv;
    for (size_t i = 0; i < rows->columns.n; i++) {
        struct sm_text_view text;
        int code = sm_csv_field(csv, rows->columns.v[i].index, &rows->scratch, &text);
        if (code == 0)
            code = sm_rows_cell(rows, i, text);
        if (code != 0)
            return code;
    }
    return SM_ROW;
}

static int next_row(struct sm_rows *rows)
{
    struct source *source = rows->reader;
    if (!source->pending) {
        int code = next_record(rows, NULL);
        if (code != SM_ROW)
            return code;
    }
    source->pending = false;
    rows->report.rows_in++;
    if (source->csv.fields == source->width)
        return put_row(rows);
    bool few = source->csv.fields < source->width;
    return sm_rows_bad(sm_report_bad(
        &rows->report, sm_rows_line(rows), no_column, few ? "too_few_fields" : "too_many_fields",
        "%zu fields, expected %zu", source->csv.fields, source->width));
}

const struct sm_rows_format sm_csv_rows = {.open = open_csv, .next = next_row};
