/*
 * The arguments of CSV as a row source (sm_csv_rows): rows of a handler's schema, in this order.
 */
#ifndef SM_JOBS_CSV_ROWS_CSV_H
#define SM_JOBS_CSV_ROWS_CSV_H

#include "jobs/rows/rows.h"

enum { SM_CSV_DELIMITER, SM_CSV_QUOTE, SM_CSV_HEADER, SM_CSV_ARGS };

/* clang-format off */
#define SM_CSV_SCHEMA                                                                              \
    {.name = "delimiter", .kind = SM_ARG_TEXT, .fallback = "\",\"", .min = 1, .max = 1,            \
     .help = "what separates fields, one ASCII character (\"\\t\" for tabs)"},                    \
    {.name = "quote", .kind = SM_ARG_TEXT, .fallback = "\"\\\"\"", .min = 0, .max = 1,            \
     .help = "what quotes fields, one ASCII character; empty: nothing does"},                      \
    {.name = "header", .kind = SM_ARG_BOOL, .fallback = "true",                                    \
     .help = "the first record names the columns"}
/* clang-format on */

#endif
