/*
 * Which columns a key or an index of a JSON row feeds. Keys are looked up by hash; and because most
 * rows have the keys of the row before in the same order, that order is remembered as slots, which
 * the scan takes without even looking for a key's end. Thread: the stamp that runs.
 */
#ifndef SM_JOBS_JSON_BIND_H
#define SM_JOBS_JSON_BIND_H

#include "jobs/json/text.h"
#include "jobs/rows/rows.h"

#define SM_JSON_NONE ((size_t)-1)
#define SM_JSON_SHAPE 64 /* keys of the row before that are remembered */

/* What a column takes: the first step of its way into a row, and the rest of it. */
struct sm_json_way {
    struct sm_text_view key;
    struct sm_text_view rest; /* a JSON Pointer */
    size_t head; /* the first column that begins alike; it has the value for all of them */
    struct sm_json_token value; /* in this row */
};

struct sm_json_bind {
    struct sm_json_way *ways; /* one per column */
    bool by_index;            /* rows are lists, else maps */
    size_t *table;            /* by the hash of a key, or by index: a head */
    size_t mask;              /* of the hash; with by_index the size */
    struct sm_json_slot shape[SM_JSON_SHAPE];
    int n_shape;
    struct sm_json_token unused; /* where values go that no column takes */
};

/* 0 or a code from sm_fail. */
int sm_json_bind(struct sm_run *run, const struct sm_columns *columns, struct sm_json_bind *bind);
/* Where the value of a key (unescaped) or an index goes. */
struct sm_json_token *sm_json_bind_key(struct sm_json_bind *bind, struct sm_text_view key);
struct sm_json_token *sm_json_bind_index(struct sm_json_bind *bind, size_t index);

#endif
