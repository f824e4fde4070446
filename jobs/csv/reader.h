/*
 * CSV records over bytes in memory (RFC 4180; LF, CRLF and CR end a record; a UTF-8 byte order mark
 * is skipped). Fields are found, not copied: their text is made when it is asked for. Strict about
 * quotes, but it goes on behind the broken line, so that one bad row costs one row. Knows nothing
 * of types, headers or output. Thread: one at a time.
 */
#ifndef SM_JOBS_CSV_READER_H
#define SM_JOBS_CSV_READER_H

#include "jobs/csv/scan.h"
#include "jobs/rows/cell.h"
#include "jobs/rows/scratch.h"

#define SM_CSV_COLUMNS 4096 /* most fields of a record */

enum sm_csv_got {
    SM_CSV_RECORD,
    SM_CSV_END,
    SM_CSV_BAD_QUOTE, /* at bad_at, in field `fields`; the reader stands at the next line */
    SM_CSV_OPEN,      /* the input ends inside the quoted field that begins at bad_at */
    SM_CSV_TOO_WIDE,  /* more than SM_CSV_COLUMNS fields */
};

struct sm_csv {
    struct sm_run *run;
    const struct sm_csv_scanner *scanner;
    struct sm_csv_scan scan;
    const char *data;
    size_t size;
    size_t start;  /* where the record begins */
    size_t fields; /* of the record */
    size_t bad_at;
    /* the rest is the reader's own */
    size_t next;     /* where the next record begins */
    size_t *ends;    /* of the record's fields */
    uint32_t *marks; /* of the chunk scanned last */
    size_t mark, n_marks;
    size_t chunk;   /* where that chunk begins */
    size_t scanned; /* where the next one begins */
    bool broken;    /* that chunk ends at a bad quote */
};

/* Ready for the first record. quote '\0': no quoting. 0 or SM_E_TOO_LARGE (memory). */
int sm_csv_open(struct sm_csv *csv, struct sm_run *run, const struct sm_csv_scanner *scanner,
                char delimiter, char quote);
/* The next record. */
enum sm_csv_got sm_csv_next(struct sm_csv *csv);
/* True for a line with nothing on it. */
bool sm_csv_blank(const struct sm_csv *csv);
/* Field i of the record without its quotes; what must be unescaped goes to `scratch`. 0 or
 * SM_E_TOO_LARGE. */
int sm_csv_field(struct sm_csv *csv, size_t i, struct sm_scratch *scratch,
                 struct sm_text_view *text);

#endif
