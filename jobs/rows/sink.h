/*
 * Where typed rows go: into the result as a JSON list, or into the body as NDJSON, CSV or msgpack,
 * or nowhere. The same for every row source. Thread: the stamp that runs.
 */
#ifndef SM_JOBS_ROWS_SINK_H
#define SM_JOBS_ROWS_SINK_H

#include "jobs/rows/columns.h"

enum sm_output {
    SM_OUTPUT_ROWS,
    SM_OUTPUT_NDJSON,
    SM_OUTPUT_CSV,
    SM_OUTPUT_MSGPACK,
    SM_OUTPUT_NONE
};
#define SM_OUTPUT_CHOICES "rows|ndjson|csv|msgpack|none"
#define SM_OUTPUT_HELP                                                                             \
    "output rows: result.rows, a list of maps; ndjson, csv: the body; msgpack: the body, one map " \
    "after the other"

/* Whether JSON goes where U+0000 and numbers of any size cannot. */
static inline bool sm_output_is_bounded(enum sm_output output)
{
    return output != SM_OUTPUT_NDJSON && output != SM_OUTPUT_NONE;
}

struct sm_sink {
    struct sm_run *run;
    const struct sm_columns *columns;
    enum sm_output output;
    struct sm_text_view *names; /* as this output writes them in front of each cell */
    size_t names_size;
    char *buf; /* rows on their way: written out when it is filled */
    size_t used, room;
};

/* Between opening and closing of the result's map. 0 or a code from sm_fail. */
int sm_sink_open(struct sm_sink *sink, struct sm_run *run, const struct sm_columns *columns,
                 enum sm_output output);
/* One row, a cell per column. */
int sm_sink_row(struct sm_sink *sink, const struct sm_cell *cells);
void sm_sink_close(struct sm_sink *sink);

/* The formats: each writes one row at `out`, which has room for sm_sink_most bytes, and returns its
 * end; and one name as it stands in front of a cell, at most 6 bytes for each of its own and 8. */
char *sm_sink_json_row(const struct sm_sink *sink, const struct sm_cell *cells, char *out);
char *sm_sink_json_name(const struct sm_sink *sink, size_t column, char *out);
char *sm_sink_csv_row(const struct sm_sink *sink, const struct sm_cell *cells, char *out);
char *sm_sink_csv_name(const struct sm_sink *sink, size_t column, char *out);
char *sm_sink_msgpack_row(const struct sm_sink *sink, const struct sm_cell *cells, char *out);
char *sm_sink_msgpack_name(const struct sm_sink *sink, size_t column, char *out);

#endif
