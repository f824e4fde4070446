/*
 * What a row-wise job tells about its rows: the counts, and the bad ones as on_error says. The same
 * for every row source. Thread: the stamp that runs.
 */
#ifndef SM_JOBS_ROWS_REPORT_H
#define SM_JOBS_ROWS_REPORT_H

#include "jobs/rows/cell.h"
#include "stampmill/handler.h"

enum sm_on_error { SM_ON_ERROR_FAIL, SM_ON_ERROR_SKIP, SM_ON_ERROR_COLLECT };
#define SM_ON_ERROR_CHOICES "fail|skip|collect"
#define SM_REPORT_ERRORS_MAX 1000

struct sm_row_error;

struct sm_report {
    struct sm_run *run;
    enum sm_on_error on_error;
    size_t max_errors;
    uint64_t rows_in; /* rows read, bad ones too: rows_in = rows_out + rows_bad */
    uint64_t rows_out;
    uint64_t rows_bad;
    struct sm_row_error *errors; /* the first max_errors, in order */
    size_t n_errors;
};

/* 0 or SM_E_TOO_LARGE. */
int sm_report_open(struct sm_report *report, struct sm_run *run, enum sm_on_error on_error,
                   size_t max_errors);

/* Counts the row read last as bad. `column` has p NULL where none is at fault; `code` is a literal.
 * 0 to go on, or the code to return: the run fails at its first bad row, or for good. */
int sm_report_bad(struct sm_report *report, size_t line, struct sm_text_view column,
                  const char *code, const char *format, ...) __attribute__((format(printf, 5, 6)));

/* The same for a field that does not fit its column. */
int sm_report_fault(struct sm_report *report, size_t line, struct sm_text_view column,
                    struct sm_text_view got, const struct sm_cell_fault *fault);

/* Writes rows_in, rows_out, rows_bad and errors into the open map of the result. */
void sm_report_put(const struct sm_report *report);

#endif
