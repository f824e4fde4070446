/*
 * parse.json and parse.ndjson: JSON to typed rows, or checked and written out again. All of it is
 * the row source's and the sink's. Thread: the stamp that runs.
 */
#include "jobs/json/rows_json.h"

#define RESULT                                                                                     \
    "result: {rows_in, rows_out, rows_bad, errors: [{row, line, column, code, message}]} and "     \
    "what output asks for. " SM_OUTPUT_HELP ". Without columns a row is the value as it is, "      \
    "checked and written out again without white space: for rows and ndjson. "
#define RULES                                                                                      \
    "Numbers keep their digits. Half of a surrogate pair and nesting past 1000 are refused; "      \
    "\\u0000 is in text, and in what goes into result"

/* ---- parse.json ---------------------------------------------------------------------------- */

enum {
    JSON_FORMAT,
    JSON_ROWS = JSON_FORMAT + SM_JSON_ARGS,
    JSON_OUTPUT = JSON_ROWS + SM_ROWS_ARGS
};

static const struct sm_arg json_schema[] = {
    SM_JSON_SCHEMA,
    SM_ROWS_SCHEMA,
    SM_ROWS_OUTPUT_SCHEMA,
    {.name = NULL},
};

static int run_json(struct sm_run *run)
{
    const struct sm_value *args = sm_run_args(run);
    return sm_rows_to_sink(run, &sm_json_rows, args + JSON_FORMAT, args + JSON_ROWS,
                           (enum sm_output)args[JSON_OUTPUT].as.i);
}

const struct sm_type sm_type_parse_json = {
    .name = "parse.json",
    .summary = "JSON (RFC 8259) to typed rows; checks it all",
    .schema = json_schema,
    .takes_input = true,
    .run = run_json,
    .result_help = RESULT "A list's elements are the rows, anything else is one row; what is no "
                          "JSON fails the job, with line, column and byte. " RULES,
    .example_args = "{\"columns\": [{\"name\": \"id\", \"type\": \"int\", \"required\": true}, "
                    "{\"name\": \"city\", \"from\": \"/address/city\"}], "
                    "\"on_error\": \"collect\", \"output\": \"ndjson\"}",
    .example_input = "[{\"id\": 1, \"address\": {\"city\": \"Essen\"}}, {\"id\": \"x\"}]",
};

/* ---- parse.ndjson -------------------------------------------------------------------------- */

enum {
    NDJSON_FORMAT,
    NDJSON_ROWS = NDJSON_FORMAT + SM_NDJSON_ARGS,
    NDJSON_OUTPUT = NDJSON_ROWS + SM_ROWS_ARGS
};

static const struct sm_arg ndjson_schema[] = {
    SM_NDJSON_SCHEMA,
    SM_ROWS_SCHEMA,
    SM_ROWS_OUTPUT_SCHEMA,
    {.name = NULL},
};

static int run_ndjson(struct sm_run *run)
{
    const struct sm_value *args = sm_run_args(run);
    return sm_rows_to_sink(run, &sm_ndjson_rows, args + NDJSON_FORMAT, args + NDJSON_ROWS,
                           (enum sm_output)args[NDJSON_OUTPUT].as.i);
}

const struct sm_type sm_type_parse_ndjson = {
    .name = "parse.ndjson",
    .summary = "JSON lines to typed rows",
    .schema = ndjson_schema,
    .takes_input = true,
    .run = run_ndjson,
    .result_help = RESULT "A line is a row; one that is no JSON is a bad row, a blank one is "
                          "none. " RULES,
    .example_args = "{\"columns\": [{\"name\": \"at\", \"type\": \"timestamp\"}, {\"name\": "
                    "\"level\"}, {\"name\": \"fields\", \"type\": \"json\"}], \"where\": "
                    "[{\"column\": \"level\", \"is\": \"ne\", \"value\": \"debug\"}], "
                    "\"on_error\": \"skip\"}",
    .example_input =
        "{\"at\": \"2026-03-01T12:00:00Z\", \"level\": \"warn\", \"fields\": {\"disk\": "
        "91}}\n{\"at\": \"2026-03-01T12:00:01Z\", \"level\": \"debug\"}\n",
};
