/*
 * Bad rows: fail at the first, skip them, or collect them up to a bound. Messages are kept short
 * and in the run's arena, so that a million bad rows cost no more than the first thousand. Thread:
 * the stamp that runs.
 */
#include "jobs/rows/report.h"

#include <stdarg.h>
#include <string.h>

#include "base/text.h"

#define NAME_SHOWN 80
#define VALUE_SHOWN 40

struct sm_row_error {
    uint64_t row;
    size_t line;
    const char *code;
    struct sm_text_view column;
    char message[176];
};

int sm_report_open(struct sm_report *report, struct sm_run *run, enum sm_on_error on_error,
                   size_t max_errors)
{
    *report = (struct sm_report){.run = run, .on_error = on_error};
    report->max_errors = on_error == SM_ON_ERROR_COLLECT ? max_errors : 0;
    if (report->max_errors == 0)
        return 0;
    report->errors = sm_run_alloc(run, report->max_errors * sizeof *report->errors);
    return report->errors == NULL ? SM_E_TOO_LARGE : 0;
}

/* The part of a text that a message shows, whole characters only. */
static int shown(struct sm_text_view text, size_t most)
{
    return (int)(text.n <= most ? text.n : sm_text_cut(text.p, most));
}

static int fail(struct sm_report *report, size_t line, struct sm_text_view column,
                const char *message)
{
    if (column.p == NULL)
        return sm_fail(report->run, SM_E_BAD_INPUT, "line %zu: %s", line, message);
    return sm_fail(report->run, SM_E_BAD_INPUT, "line %zu, column \"%.*s\": %s", line,
                   shown(column, NAME_SHOWN), column.p, message);
}

int sm_report_bad(struct sm_report *report, size_t line, struct sm_text_view column,
                  const char *code, const char *format, ...)
{
    struct sm_err err; /* makes any text one clean line: values may hold anything */
    va_list args;
    report->rows_bad++;
    if (report->on_error != SM_ON_ERROR_FAIL && report->n_errors == report->max_errors)
        return 0;
    va_start(args, format);
    sm_err_setv(&err, SM_E_BAD_INPUT, format, args);
    va_end(args);
    if (report->on_error == SM_ON_ERROR_FAIL)
        return fail(report, line, column, err.text);
    struct sm_row_error *error = &report->errors[report->n_errors++];
    *error =
        (struct sm_row_error){.row = report->rows_in, .line = line, .code = code, .column = column};
    size_t size = strlen(err.text);
    if (size >= sizeof error->message)
        size = sm_text_cut(err.text, sizeof error->message - 1);
    memcpy(error->message, err.text, size); /* zeroed above, so it ends */
    return 0;
}

int sm_report_fault(struct sm_report *report, size_t line, struct sm_text_view column,
                    struct sm_text_view got, const struct sm_cell_fault *fault)
{
    if (got.n == 0)
        return sm_report_bad(report, line, column, fault->code, "expected %s, got nothing",
                             fault->expected);
    return sm_report_bad(report, line, column, fault->code, "expected %s, got \"%.*s\"%s",
                         fault->expected, shown(got, VALUE_SHOWN), got.p,
                         got.n > VALUE_SHOWN ? ".." : "");
}

static void put_error(struct sm_run *run, const struct sm_row_error *error)
{
    sm_json_open_map(run);
    sm_json_key(run, "row");
    sm_json_uint(run, error->row);
    sm_json_key(run, "line");
    sm_json_uint(run, error->line);
    sm_json_key(run, "column");
    if (error->column.p != NULL)
        sm_json_text(run, error->column.p, error->column.n);
    else
        sm_json_null(run);
    sm_json_key(run, "code");
    sm_json_text(run, error->code, strlen(error->code));
    sm_json_key(run, "message");
    sm_json_text(run, error->message, strlen(error->message));
    sm_json_close_map(run);
}

void sm_report_put(const struct sm_report *report)
{
    struct sm_run *run = report->run;
    sm_json_key(run, "rows_in");
    sm_json_uint(run, report->rows_in);
    sm_json_key(run, "rows_out");
    sm_json_uint(run, report->rows_out);
    sm_json_key(run, "rows_bad");
    sm_json_uint(run, report->rows_bad);
    sm_json_key(run, "errors");
    sm_json_open_list(run);
    for (size_t i = 0; i < report->n_errors; i++)
        put_error(run, &report->errors[i]);
    sm_json_close_list(run);
}
