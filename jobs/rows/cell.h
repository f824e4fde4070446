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
    SM_CELL_NUMBER,    /* the same, with or without an exponent; written as a number */
    SM_CELL_BOOL,      /* true/false, t/f, yes/no, y/n, on/off, 1/0 in any case */
    SM_CELL_DATE,      /* YYYY-MM-DD */
    SM_CELL_TIMESTAMP, /* RFC 3339; with a zone it is written in UTC, without one as it is */
    SM_CELL_UUID,
    SM_CELL_JSON, /* any value, without white space */
};
#define SM_CELL_TYPES "text|int|float|decimal|number|bool|date|timestamp|uuid|json"

#define SM_DECIMAL_MAX 60
#define SM_CELL_TEXT_MAX ((size_t)1 << 20) /* bytes of one field's text */

struct sm_text_view {
    const char *p;
    size_t n;
};

struct sm_cell {
    enum sm_cell_type type;
    bool null;
    bool small;               /* NUMBER: as.i is its value */
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
 * Spaces and tabs around anything but text are ignored. False with *fault where it does not fit.
 * Not for SM_CELL_JSON, which needs memory (rows/rows.c). */
bool sm_cell_convert(struct sm_cell *cell, enum sm_cell_type type, struct sm_text_view text,
                     bool clean, struct sm_cell_fault *fault);

/* The single conversions, on text without surrounding spaces; false as above. */
bool sm_cell_int(struct sm_cell *cell, struct sm_text_view text, struct sm_cell_fault *fault);
bool sm_cell_float(struct sm_cell *cell, struct sm_text_view text, struct sm_cell_fault *fault);
bool sm_cell_decimal(struct sm_cell *cell, struct sm_text_view text, struct sm_cell_fault *fault);
bool sm_cell_number(struct sm_cell *cell, struct sm_text_view text, struct sm_cell_fault *fault);
bool sm_cell_date(struct sm_cell *cell, struct sm_text_view text, struct sm_cell_fault *fault);
bool sm_cell_timestamp(struct sm_cell *cell, struct sm_text_view text, struct sm_cell_fault *fault);

/* A cell from a value; false where a double is not finite. */
void sm_cell_from_int(struct sm_cell *cell, int64_t value);
bool sm_cell_from_float(struct sm_cell *cell, double value);

/* Which of two cells of one type, not null, comes first: below 0, 0, above 0. Text by its bytes,
 * which is the order of its characters; times by the moment; JSON by kind first (bools, numbers,
 * strings, lists, maps). */
int sm_cell_compare(const struct sm_cell *a, const struct sm_cell *b);

/* A text that is the same for equal values of a type (1.50 and 1.5); it may be put into `out`. */
#define SM_CELL_SAME_MAX 64
struct sm_text_view sm_cell_same_text(const struct sm_cell *cell, char out[SM_CELL_SAME_MAX]);

static inline bool sm_cell_wrong(struct sm_cell_fault *fault, const char *code,
                                 const char *expected)
{
    *fault = (struct sm_cell_fault){code, expected};
    return false;
}

#endif
