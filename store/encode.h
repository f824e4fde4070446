/*
 * A batch as PostgreSQL takes it: one parameter a column, in binary. Private to store/.
 *
 * What a column costs is paid for every row, so a column that is NULL in the whole batch is left
 * out, and one that is the same in all rows is sent once. The form of each column, a letter, makes
 * the shape of a statement (store/statement.h).
 */
#ifndef SM_STORE_ENCODE_H
#define SM_STORE_ENCODE_H

#include "base/buf.h"
#include "store/store.h"

#define SM_PARAMS_MOST 32
#define SM_COLUMNS_MOST 20

enum sm_form {
    SM_FORM_OMIT = '0', /* NULL in all rows */
    SM_FORM_ONE = '1',  /* the same in all rows: a scalar */
    SM_FORM_EACH = 'n', /* an array for unnest */
};

enum sm_kind {
    SM_KIND_UUID,
    SM_KIND_TIME, /* Unix microseconds; 0: NULL */
    SM_KIND_INT8,
    SM_KIND_INT4,
    SM_KIND_STATE, /* each: its number; one: its label */
    SM_KIND_CSTR,
    SM_KIND_TEXT,
    SM_KIND_JSONB,
    SM_KIND_BYTEA,
};

struct sm_column {
    const char *name;
    enum sm_kind kind;
    size_t at;   /* in the struct */
    bool shared; /* is often the same in a whole batch */
};

/* The columns of a table that come from a struct; `worker` comes apart. */
struct sm_table {
    const char *name;
    const struct sm_column *columns;
    size_t n;
};
extern const struct sm_table sm_results_table;  /* struct sm_row */
extern const struct sm_table sm_attempts_table; /* struct sm_attempt */

/* The parameters of one statement. Values point into `bytes` once sm_params_seal has run. */
struct sm_params {
    struct sm_buf bytes;
    size_t at[SM_PARAMS_MOST];
    int n;
    const char *value[SM_PARAMS_MOST];
    int size[SM_PARAMS_MOST], format[SM_PARAMS_MOST];
};

/* Empty but for `text`, the first parameter. */
void sm_params_begin(struct sm_params *params, const char *text);
/* The columns of n items (struct sm_row or sm_attempt), and the form each was given: a letter each
 * and a NUL. */
void sm_params_columns(struct sm_params *params, const struct sm_table *table,
                       const void *const *items, size_t n, char forms[SM_COLUMNS_MOST]);
/* No other parameter than uuid[] of those rows for which `wanted` says so. */
void sm_params_ids(struct sm_params *params, const struct sm_row *const *rows, size_t n,
                   const bool *wanted);
/* False without memory. */
bool sm_params_seal(struct sm_params *params);

#endif
