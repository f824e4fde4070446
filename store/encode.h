/*
 * Binary array parameters: a batch as columns in PostgreSQL's own form, in one growing buffer.
 * Private to store/.
 */
#ifndef SM_STORE_ENCODE_H
#define SM_STORE_ENCODE_H

#include "base/buf.h"
#include "store/store.h"

#define SM_PARAMS_MOST 32

/* The parameters of one statement. Values point into `bytes` once sm_params_seal has run. */
struct sm_params {
    struct sm_buf bytes;
    size_t at[SM_PARAMS_MOST];
    int n;
    const char *value[SM_PARAMS_MOST];
    int size[SM_PARAMS_MOST], format[SM_PARAMS_MOST];
};

void sm_params_clear(struct sm_params *params);
/* The columns of rows as unnest takes them; order and types as in commit.c. */
void sm_params_rows(struct sm_params *params, const struct sm_row *const *rows, size_t n,
                    const char *worker);
void sm_params_attempts(struct sm_params *params, const struct sm_attempt *attempts, size_t n);
/* uuid[] of those rows for which `wanted` says so. */
void sm_params_ids(struct sm_params *params, const struct sm_row *const *rows, size_t n,
                   const bool *wanted);
/* False without memory. */
bool sm_params_seal(struct sm_params *params);

#endif
