/*
 * The arguments of JSON and NDJSON as row sources (sm_json_rows, sm_ndjson_rows): rows of a
 * handler's schema, in this order. NDJSON takes the second alone.
 */
#ifndef SM_JOBS_JSON_ROWS_JSON_H
#define SM_JOBS_JSON_ROWS_JSON_H

#include "jobs/json/text.h"
#include "jobs/rows/rows.h"

enum { SM_JSON_POINTER, SM_JSON_DUPLICATES, SM_JSON_ARGS };
enum { SM_NDJSON_DUPLICATES, SM_NDJSON_ARGS };

/* clang-format off */
#define SM_NDJSON_SCHEMA                                                                           \
    {.name = "duplicate_keys", .kind = SM_ARG_CHOICE, .fallback = "\"last\"",                      \
     .choices = "last|error",                                                                      \
     .help = "of equal keys in a map the last counts, or they make their row a bad one"}
#define SM_JSON_SCHEMA                                                                             \
    {.name = "pointer", .kind = SM_ARG_TEXT, .fallback = "\"\"", .min = 0,                         \
     .max = SM_JSON_POINTER_MAX,                                                                   \
     .help = "a JSON Pointer to what holds the rows (\"/data/items\"); empty: the whole input"},   \
    SM_NDJSON_SCHEMA
/* clang-format on */

#endif
