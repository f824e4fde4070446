/*
 * Rows are written into a buffer of the sink's own, with room for the whole row made sure
 * beforehand: so the formats write without a check per byte, and what a row takes at worst (six
 * bytes for each one, where all must be escaped) is not held against the output limit. A filled
 * buffer is copied out, which costs a tenth of what writing the rows does. Thread: the stamp that
 * runs.
 */
#include "jobs/rows/sink.h"

#include <string.h>

#define BUFFER ((size_t)64 << 10)

static const struct format {
    const char *content_type;
    char *(*row)(const struct sm_sink *sink, const struct sm_cell *cells, char *out);
    char *(*name)(const struct sm_sink *sink, size_t column, char *out);
} formats[] = {
    [SM_OUTPUT_ROWS] = {NULL, sm_sink_json_row, sm_sink_json_name},
    [SM_OUTPUT_NDJSON] = {"application/x-ndjson", sm_sink_json_row, sm_sink_json_name},
    [SM_OUTPUT_CSV] = {"text/csv; charset=utf-8", sm_sink_csv_row, sm_sink_csv_name},
    [SM_OUTPUT_MSGPACK] = {"application/vnd.msgpack", sm_sink_msgpack_row, sm_sink_msgpack_name},
    [SM_OUTPUT_NONE] = {NULL, NULL, NULL},
};

static void flush(struct sm_sink *sink)
{
    if (sink->output == SM_OUTPUT_ROWS && sink->used != 0)
        sm_json_raw(sink->run, sink->buf, sink->used);
    else
        sm_body_write(sink->run, sink->buf, sink->used);
    sink->used = 0;
}

/* Room for `size` more bytes. */
static int make_room(struct sm_sink *sink, size_t size)
{
    if (size <= sink->room - sink->used)
        return 0;
    if (sink->used != 0)
        flush(sink);
    if (size <= sink->room)
        return 0;
    sink->room = 0;
    sink->buf = sm_run_alloc(sink->run, 2 * size);
    if (sink->buf == NULL)
        return SM_E_TOO_LARGE;
    sink->room = 2 * size;
    return 0;
}

/* What one row takes at most, with 16 bytes to spare for writers that copy in steps. */
static size_t most(const struct sm_sink *sink, const struct sm_cell *cells)
{
    size_t size = sink->names_size + 8 * sink->columns->n + 32;
    for (size_t i = 0; i < sink->columns->n; i++)
        if (!cells[i].null)
            size += 6 * cells[i].text.n;
    return size;
}

static int write_names(struct sm_sink *sink)
{
    const struct sm_columns *columns = sink->columns;
    sink->names = sm_run_alloc(sink->run, columns->n * sizeof *sink->names);
    if (sink->names == NULL)
        return SM_E_TOO_LARGE;
    for (size_t i = 0; i < columns->n; i++) {
        char *at = sm_run_alloc(sink->run, 6 * columns->v[i].name.n + 8);
        if (at == NULL)
            return SM_E_TOO_LARGE;
        char *end = formats[sink->output].name(sink, i, at);
        sink->names[i] = (struct sm_text_view){at, (size_t)(end - at)};
        sink->names_size += sink->names[i].n;
    }
    return 0;
}

/* The header of a CSV: what stands in front of each cell elsewhere stands here once. */
static int put_header(struct sm_sink *sink)
{
    int code = make_room(sink, sink->names_size + 2);
    if (code != 0)
        return code;
    for (size_t i = 0; i < sink->columns->n; i++) {
        memcpy(sink->buf + sink->used, sink->names[i].p, sink->names[i].n);
        sink->used += sink->names[i].n;
    }
    memcpy(sink->buf + sink->used, "\r\n", 2);
    sink->used += 2;
    sink->names_size = 0;
    return 0;
}

int sm_sink_open(struct sm_sink *sink, struct sm_run *run, const struct sm_columns *columns,
                 enum sm_output output)
{
    *sink = (struct sm_sink){.run = run, .columns = columns, .output = output};
    if (columns->whole && (output == SM_OUTPUT_CSV || output == SM_OUTPUT_MSGPACK))
        return sm_fail(run, SM_E_BAD_ARGS, "args.output: csv and msgpack need args.columns");
    if (output == SM_OUTPUT_NONE)
        return 0;
    int code = write_names(sink);
    if (code == 0)
        code = make_room(sink, BUFFER / 2);
    if (code != 0)
        return code;
    if (output == SM_OUTPUT_ROWS) {
        sm_json_key(run, "rows");
        sm_json_open_list(run);
        return 0;
    }
    sm_body_type(run, formats[output].content_type);
    return output == SM_OUTPUT_CSV ? put_header(sink) : 0;
}

int sm_sink_row(struct sm_sink *sink, const struct sm_cell *cells)
{
    if (sink->output == SM_OUTPUT_NONE)
        return 0;
    int code = make_room(sink, most(sink, cells));
    if (code != 0)
        return code;
    char *out = sink->buf + sink->used;
    bool list = sink->output == SM_OUTPUT_ROWS;
    if (list && sink->used != 0)
        *out++ = ','; /* the whole buffer goes into the list as one run of values */
    char *end = formats[sink->output].row(sink, cells, out);
    if (sink->output == SM_OUTPUT_NDJSON)
        *end++ = '\n';
    sink->used = (size_t)(end - sink->buf);
    return 0;
}

void sm_sink_close(struct sm_sink *sink)
{
    if (sink->used != 0)
        flush(sink);
    if (sink->output == SM_OUTPUT_ROWS)
        sm_json_close_list(sink->run);
}
