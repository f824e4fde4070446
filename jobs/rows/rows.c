/*
 * What all formats share of reading rows, and the loop of the handlers that only write them out.
 * Thread: the stamp that runs.
 */
#include "jobs/rows/rows.h"

#include "base/text.h"
#include "jobs/json/text.h"

#define ROWS_PER_LOOK 256 /* between two looks at the stop flag: well below a millisecond */

int sm_rows_open(struct sm_rows *rows, struct sm_run *run, const struct sm_rows_format *format,
                 const struct sm_value *args, const struct sm_value *rows_args)
{
    rows->run = run;
    rows->format = format;
    rows->scratch.run = run;
    rows->data = sm_run_input(run, &rows->size);
    rows->clean = sm_text_valid(rows->data, rows->size) == rows->size;
    rows->limit =
        rows_args[SM_ROWS_LIMIT].set ? (uint64_t)rows_args[SM_ROWS_LIMIT].as.i : UINT64_MAX;
    sm_lines_start(&rows->lines, rows->data, rows->size);
    int code =
        sm_report_open(&rows->report, run, (enum sm_on_error)rows_args[SM_ROWS_ON_ERROR].as.i,
                       (size_t)rows_args[SM_ROWS_MAX_ERRORS].as.i);
    if (code == 0 && rows->columns.n == 0 && rows_args[SM_ROWS_COLUMNS].set)
        code = sm_columns_read(run, &rows_args[SM_ROWS_COLUMNS], &rows->columns);
    if (code == 0)
        code = format->open(rows, args);
    if (code != 0)
        return code;
    rows->cells = sm_run_alloc(run, rows->columns.n * sizeof *rows->cells);
    if (rows->cells == NULL)
        return SM_E_TOO_LARGE;
    return sm_where_read(run, &rows_args[SM_ROWS_WHERE], &rows->columns, &rows->where);
}

static int look(struct sm_rows *rows)
{
    if (++rows->looked % ROWS_PER_LOOK != 0)
        return 0;
    sm_run_progress(rows->run, rows->at, rows->size);
    return sm_run_stop_code(rows->run);
}

int sm_rows_next(struct sm_rows *rows)
{
    int code = 0;
    if (rows->taken == rows->limit)
        return 0;
    while ((code = look(rows)) == 0) {
        sm_scratch_reset(&rows->scratch);
        code = rows->format->next(rows);
        if (code == SM_ROW_BAD || (code == SM_ROW && !sm_where_holds(&rows->where, rows->cells)))
            continue;
        rows->taken += code == SM_ROW;
        break;
    }
    return code;
}

int sm_rows_to_sink(struct sm_run *run, const struct sm_rows_format *format,
                    const struct sm_value *args, const struct sm_value *rows_args,
                    enum sm_output output)
{
    struct sm_rows rows = {.bounded = sm_output_is_bounded(output)};
    struct sm_sink sink;
    int code = sm_rows_open(&rows, run, format, args, rows_args);
    if (code != 0)
        return code;
    sm_json_open_map(run);
    code = sm_sink_open(&sink, run, &rows.columns, output);
    if (code != 0)
        return code;
    while (!sm_out_full(run) && (code = sm_rows_next(&rows)) == SM_ROW) {
        rows.report.rows_out++;
        code = sm_sink_row(&sink, rows.cells);
        if (code != 0)
            return code;
    }
    if (code < 0)
        return code;
    sm_sink_close(&sink);
    sm_report_put(&rows.report);
    sm_json_close_map(run);
    sm_run_progress(run, rows.size, rows.size);
    return 0;
}

/* ---- cells --------------------------------------------------------------------------------- */

size_t sm_rows_line(struct sm_rows *rows)
{
    return sm_lines_of(&rows->lines, rows->row_at, true);
}

int sm_rows_fault(struct sm_rows *rows, size_t i, struct sm_text_view got,
                  const struct sm_cell_fault *fault)
{
    return sm_rows_bad(
        sm_report_fault(&rows->report, sm_rows_line(rows), rows->columns.v[i].name, got, fault));
}

int sm_rows_null(struct sm_rows *rows, size_t i)
{
    struct sm_cell_fault fault;
    if (sm_column_null(&rows->columns.v[i], &rows->cells[i], &fault))
        return 0;
    return sm_rows_fault(rows, i, (struct sm_text_view){"", 0}, &fault);
}

/* A field of type json: checked here, whatever format it stood in. */
static int json_cell(struct sm_rows *rows, size_t i, struct sm_text_view text)
{
    struct sm_json_scan scan;
    struct sm_json_token token;
    struct sm_cell_fault fault = {"type", "a JSON value"};
    sm_json_scan_start(&scan, text.p, text.n);
    scan.clean = rows->clean;
    if (!sm_json_scan_value(&scan, &token) || sm_json_scan_more(&scan))
        return sm_rows_fault(rows, i, text, &fault);
    return sm_rows_json(rows, i, &token);
}

int sm_rows_json(struct sm_rows *rows, size_t i, const struct sm_json_token *token)
{
    struct sm_cell *cell = &rows->cells[i];
    bool quoted = token->kind == SM_JSON_STRING;
    struct sm_text_view text = {token->p - quoted, token->n + 2 * quoted};
    if (token->kind == SM_JSON_NULL)
        return sm_rows_null(rows, i);
    if (rows->bounded && (token->found & (SM_JSON_NUL | SM_JSON_HUGE)) != 0) {
        bool nul = (token->found & SM_JSON_NUL) != 0;
        struct sm_cell_fault fault = {nul ? "text" : "range",
                                      nul ? "no U+0000 (output ndjson can hold it)"
                                          : "numbers that PostgreSQL can hold (output ndjson can)"};
        return sm_rows_fault(rows, i, text, &fault);
    }
    if ((token->found & (SM_JSON_SPACED | SM_JSON_ESCAPED)) != 0) {
        char *out = sm_scratch_room(&rows->scratch, text.n);
        if (out == NULL)
            return SM_E_TOO_LARGE;
        text = (struct sm_text_view){out, sm_json_compact(text.p, text.n, out)};
        sm_scratch_keep(&rows->scratch, text.n);
    }
    cell->type = SM_CELL_JSON;
    cell->null = false;
    cell->text = text;
    return 0;
}

int sm_rows_cell(struct sm_rows *rows, size_t i, struct sm_text_view text)
{
    const struct sm_column *column = &rows->columns.v[i];
    struct sm_cell_fault fault;
    if (column->type == SM_CELL_JSON)
        return sm_column_is_null(column, text) ? sm_rows_null(rows, i) : json_cell(rows, i, text);
    if (sm_column_convert(column, text, rows->clean, &rows->cells[i], &fault))
        return 0;
    return sm_rows_fault(rows, i, text, &fault);
}
