/*
 * A typed cell, and the conversion of a field's text into one. Every cell carries the value and its
 * canonical text, so that writers need neither know nor format types. No locale, no allocation.
 * Knows nothing of where the text came from. Thread: any; a cell is its caller's.
 */
#ifndef SM_JOBS_ROWS_CELL_H
#define SM_JOBS_ROWS_CELL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In the order of SM_CELL_TYPES. */
enum sm_cell_type {
    SM_CELL_TEXT,
    SM_CELL_INT,       /* int64 */
    SM_CELL_FLOAT,     /* finite double */
    SM_CELL_DECIMAL,   /* exact: digits as given, at most SM_DECIMAL_MAX bytes; written as text */
    SM_CELL_BOOL,      /* true/false, t/f, yes/no, y/n, on/off, 1/0 in any case */
    SM_CELL_DATE,      /* YYYY-MM-DD */
    SM_CELL_TIMESTAMP, /* RFC 3339; with a zone it is written in UTC, without one as it is */
    SM_CELL_UUID,
};
#define SM_CELL_TYPES "text|int|float|decimal|bool|date|timestamp|uuid"

#define SM_DECIMAL_MAX 60
#define SM_CELL_TEXT_MAX ((size_t)1 << 20) /* bytes of one field's text */

struct sm_text_view {
    const char *p;
    size_t n;
};

struct sm_cell {
    enum sm_cell_type type;
    bool null;
    struct sm_text_view text; /* canonical; into the source or into `own` */
    union {
        int64_t i;
        double f;
        bool b;
    } as;
    char own[64];
};

/* What is wrong with a field, for the row's report. `expected` is a literal. */
struct sm_cell_fault {
    const char *code;     /* "type", "range", "text", "too_large" */
    const char *expected; /* "an integer" */
};

/* Converts `text` into *cell (not null). `clean`: the caller knows it to be UTF-8 without NUL.
 * Spaces and tabs around anything but text are ignored. False with *fault where it does not fit. */
bool sm_cell_convert(struct sm_cell *cell, enum sm_cell_type type, struct sm_text_view text,
                     bool clean, struct sm_cell_fault *fault);

/* The single conversions, on text without surrounding spaces; false as above. */
bool sm_cell_int(struct sm_cell *cell, struct sm_text_view text, struct sm_cell_fault *fault);
bool sm_cell_float(struct sm_cell *cell, struct sm_text_view text, struct sm_cell_fault *fault);
bool sm_cell_decimal(struct sm_cell *cell, struct sm_text_view text, struct sm_cell_fault *fault);
bool sm_cell_date(struct sm_cell *cell, struct sm_text_view text, struct sm_cell_fault *fault);
bool sm_cell_timestamp(struct sm_cell *cell, struct sm_text_view text, struct sm_cell_fault *fault);

static inline bool sm_cell_wrong(struct sm_cell_fault *fault, const char *code,
                                 const char *expected)
{
    *fault = (struct sm_cell_fault){code, expected};
    return false;
}

#endif
