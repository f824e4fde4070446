/*
 * parse.csv: CSV to typed rows. All of it is the row source's and the sink's. Thread: the stamp
 * that runs.
 */
#include "jobs/csv/rows_csv.h"

enum { ARG_CSV, ARG_ROWS = ARG_CSV + SM_CSV_ARGS, ARG_OUTPUT = ARG_ROWS + SM_ROWS_ARGS };

static const struct sm_arg schema[] = {
    SM_CSV_SCHEMA,
    SM_ROWS_SCHEMA,
    SM_ROWS_OUTPUT_SCHEMA,
    {.name = NULL},
};

static int run_parse(struct sm_run *run)
{
    const struct sm_value *args = sm_run_args(run);
    return sm_rows_to_sink(run, &sm_csv_rows, args + ARG_CSV, args + ARG_ROWS,
                           (enum sm_output)args[ARG_OUTPUT].as.i);
}

const struct sm_type sm_type_parse_csv = {
    .name = "parse.csv",
    .summary = "CSV to typed rows (RFC 4180)",
    .schema = schema,
    .takes_input = true,
    .run = run_parse,
    .result_help =
        "result: {rows_in, rows_out, rows_bad, errors: [{row, line, column, code, message}]} "
        "and what output asks for. " SM_OUTPUT_HELP,
    .example_args = "{\"columns\": [{\"name\": \"id\", \"type\": \"int\", \"required\": true}, "
                    "{\"name\": \"price\", \"type\": \"decimal\"}, {\"name\": \"name\"}], "
                    "\"on_error\": \"collect\", \"output\": \"ndjson\"}",
    .example_input = "id,price,name\n1,2.50,anvil\n2,x,bellows\n",
};
