/*
 * JSON and NDJSON as row sources: they join the scan (bytes to tokens) and the columns.
 *
 * JSON: what `pointer` names; the elements of a list are the rows, anything else is one row. The
 * input is one value: where it is no JSON the job fails whatever on_error says, because there is no
 * telling where the next row would begin. It is read in one pass, so what lies behind `limit` is
 * not looked at; with a pointer the whole input is checked first, because an equal key further on
 * could mean another value.
 *
 * NDJSON: one value on each line; a line that is no JSON is a bad row; a line of white space is
 * none.
 *
 * A row is a map (columns by name, or by a JSON Pointer into it) or a list (columns by index). What
 * is not there is null. Values are taken down while the row is walked and converted when it has
 * ended, so that the last of equal keys counts. Without columns a row is one JSON value. Thread:
 * the stamp that runs.
 */
#include "jobs/json/rows_json.h"

#include <stdio.h>
#include <string.h>

#include "jobs/json/bind.h"
#include "jobs/json/keys.h"

#define BROKEN 3 /* beside SM_ROW and SM_ROW_BAD: the scan failed */

struct source {
    struct sm_json_scan scan;
    struct sm_json_keys keys;
    struct sm_json_bind bind;
    bool list;  /* in a list of rows, else the value at hand is the only one */
    bool first; /* nothing was read yet */
    bool ended;
    const char *end; /* of the input */
};

static const struct sm_text_view no_column = {NULL, 0};

/* ---- errors -------------------------------------------------------------------------------- */

/* What stands at the byte at fault, as a message shows it. */
static void describe(const struct sm_json_scan *scan, const char *end, char out[32])
{
    unsigned char c = scan->bad < end ? (unsigned char)*scan->bad : 0;
    if (scan->bad >= end)
        strcpy(out, "the end");
    else if (c > ' ' && c < 0x7f)
        snprintf(out, 32, "'%c'", c);
    else
        snprintf(out, 32, "byte 0x%02x", c);
}

/* The input is no JSON. */
static int broken(struct sm_rows *rows)
{
    const struct source *source = rows->reader;
    const struct sm_json_scan *scan = &source->scan;
    char got[32];
    if (scan->why == NULL)
        return SM_E_TOO_LARGE;
    describe(scan, source->end, got);
    struct sm_place place = sm_lines_place(&rows->lines, (size_t)(scan->bad - rows->data), false);
    return sm_fail(rows->run, scan->code, "line %zu, column %zu (byte %zu): %s, at %s", place.line,
                   place.column, place.byte, scan->why, got);
}

/* The line is no JSON. */
static int broken_line(struct sm_rows *rows)
{
    const struct source *source = rows->reader;
    const struct sm_json_scan *scan = &source->scan;
    char got[32];
    if (scan->why == NULL)
        return SM_E_TOO_LARGE;
    describe(scan, scan->end, got);
    struct sm_place place = sm_lines_place(&rows->lines, (size_t)(scan->bad - rows->data), false);
    return sm_rows_bad(sm_report_bad(&rows->report, sm_rows_line(rows), no_column,
                                     scan->code == SM_E_TOO_LARGE ? "too_deep" : "syntax",
                                     "column %zu (byte %zu): %s, at %s", place.column, place.byte,
                                     scan->why, got));
}

static int duplicate(struct sm_rows *rows)
{
    const struct sm_text_view twice = ((struct source *)rows->reader)->keys.twice;
    return sm_rows_bad(sm_report_bad(&rows->report, sm_rows_line(rows), no_column, "duplicate_key",
                                     "the key \"%.*s\" stands twice in a map",
                                     (int)(twice.n < 80 ? twice.n : 80), twice.p));
}

static int not_a_row(struct sm_rows *rows, enum sm_json_kind kind)
{
    static const char *const names[] = {"nothing",  "null",     "false",  "true",
                                        "a number", "a string", "a list", "a map"};
    bool by_index = ((struct source *)rows->reader)->bind.by_index;
    return sm_rows_bad(
        sm_report_bad(&rows->report, sm_rows_line(rows), no_column, "type", "expected %s, got %s",
                      by_index ? "a list (columns by index are of lists)" : "a map", names[kind]));
}

/* ---- walking a row ------------------------------------------------------------------------- */

/* Where the value of the key goes that was read as number i of its row. NULL: SM_E_TOO_LARGE. */
static struct sm_json_token *place_of(struct sm_rows *rows, const struct sm_json_token *key, int i)
{
    struct source *source = rows->reader;
    struct sm_json_bind *bind = &source->bind;
    struct sm_text_view text = {key->p, key->n};
    if ((key->found & SM_JSON_ESCAPED) != 0) {
        char *out = sm_scratch_room(&rows->scratch, key->n);
        if (out == NULL)
            return NULL;
        text = (struct sm_text_view){out, sm_json_unescape(key->p, key->n, out)};
        return sm_json_bind_key(bind, text); /* not kept: the room is the next key's */
    }
    struct sm_json_token *value = sm_json_bind_key(bind, text);
    if (i < SM_JSON_SHAPE && i <= bind->n_shape && key->p[key->n + 1] == ':') {
        bind->shape[i] = (struct sm_json_slot){key->p - 1, key->n + 3, value};
        bind->n_shape += i == bind->n_shape;
    }
    return value;
}

static int walk_map(struct sm_rows *rows)
{
    struct source *source = rows->reader;
    struct sm_json_scan *scan = &source->scan;
    struct sm_json_token key;
    int more = 0;
    if (!sm_json_scan_enter(scan))
        return BROKEN;
    int i = sm_json_scan_expected(scan, source->bind.shape, source->bind.n_shape);
    for (; i >= 0 && (more = sm_json_scan_member(scan, i == 0, &key)) == 1; i++) {
        struct sm_json_token *value = place_of(rows, &key, i < SM_JSON_SHAPE ? i : SM_JSON_SHAPE);
        if (value == NULL)
            return SM_E_TOO_LARGE;
        if (!sm_json_scan_value(scan, value))
            return BROKEN;
    }
    return i >= 0 && more == 0 ? 0 : BROKEN;
}

static int walk_list(struct source *source)
{
    struct sm_json_scan *scan = &source->scan;
    int more = 0;
    if (!sm_json_scan_enter(scan))
        return BROKEN;
    for (size_t i = 0; (more = sm_json_scan_element(scan, i == 0)) == 1; i++)
        if (!sm_json_scan_value(scan, sm_json_bind_index(&source->bind, i)))
            return BROKEN;
    return more == 0 ? 0 : BROKEN;
}

/* ---- cells --------------------------------------------------------------------------------- */

static int put_string(struct sm_rows *rows, size_t i, const struct sm_json_token *value)
{
    struct sm_text_view text = {value->p, value->n};
    if ((value->found & SM_JSON_NUL) != 0) {
        struct sm_cell_fault fault = {"text", "text without U+0000"};
        return sm_rows_fault(rows, i, text, &fault);
    }
    if ((value->found & SM_JSON_ESCAPED) != 0) {
        char *out = sm_scratch_room(&rows->scratch, value->n);
        if (out == NULL)
            return SM_E_TOO_LARGE;
        text = (struct sm_text_view){out, sm_json_unescape(value->p, value->n, out)};
        sm_scratch_keep(&rows->scratch, text.n);
    }
    return sm_rows_cell(rows, i, text);
}

static int put_cell(struct sm_rows *rows, size_t i, const struct sm_json_token *value)
{
    struct sm_cell_fault nested = {"type", "a single value (type json takes lists and maps)"};
    if (value->kind == SM_JSON_ABSENT || value->kind == SM_JSON_NULL)
        return sm_rows_null(rows, i);
    if (rows->columns.v[i].type == SM_CELL_JSON)
        return sm_rows_json(rows, i, value);
    if (value->kind == SM_JSON_STRING)
        return put_string(rows, i, value);
    if (value->kind == SM_JSON_LIST || value->kind == SM_JSON_MAP)
        return sm_rows_fault(rows, i, (struct sm_text_view){value->p, value->n}, &nested);
    return sm_rows_cell(rows, i, (struct sm_text_view){value->p, value->n});
}

static int put_cells(struct sm_rows *rows)
{
    struct source *source = rows->reader;
    for (size_t i = 0; i < rows->columns.n; i++) {
        const struct sm_json_way *way = &source->bind.ways[i];
        struct sm_json_token value = source->bind.ways[way->head].value;
        if (way->rest.n != 0)
            value = sm_json_find(&value, way->rest);
        int code = put_cell(rows, i, &value);
        if (code != 0)
            return code;
    }
    return SM_ROW;
}

/* The row at hand, scanned wholly; BROKEN where it is no JSON. */
static int take_row(struct sm_rows *rows)
{
    struct source *source = rows->reader;
    struct sm_json_scan *scan = &source->scan;
    struct sm_json_token row;
    char opens = '\0';
    rows->report.rows_in++;
    rows->row_at = (size_t)(scan->p - rows->data);
    sm_json_keys_reset(&source->keys);
    if (!rows->columns.whole && sm_json_scan_more(scan))
        opens = *scan->p;
    if (opens == (source->bind.by_index ? '[' : '{')) {
        for (size_t i = 0; i < rows->columns.n; i++)
            source->bind.ways[i].value.kind = SM_JSON_ABSENT;
        int code = source->bind.by_index ? walk_list(source) : walk_map(rows);
        if (code != 0)
            return code;
        return source->keys.found ? duplicate(rows) : put_cells(rows);
    }
    if (!sm_json_scan_value(scan, &row))
        return BROKEN;
    if (source->keys.found)
        return duplicate(rows);
    if (!rows->columns.whole)
        return not_a_row(rows, row.kind);
    int code = put_cell(rows, 0, &row);
    return code == 0 ? SM_ROW : code;
}

/* ---- JSON ---------------------------------------------------------------------------------- */

/* Checks all of the input, and goes to what the pointer names. */
static int go_to(struct sm_rows *rows, struct sm_text_view pointer)
{
    struct source *source = rows->reader;
    struct sm_json_scan *scan = &source->scan;
    struct sm_json_token all;
    if (!sm_json_pointer_valid(pointer))
        return sm_fail(rows->run, SM_E_BAD_ARGS,
                       "args.pointer: no JSON Pointer: it begins with '/', and '~' stands in it "
                       "only as ~0 or ~1");
    if (pointer.n == 0)
        return 0;
    if (!sm_json_scan_value(scan, &all) || sm_json_scan_more(scan)) {
        if (scan->bad == NULL)
            sm_json_scan_fail(scan, scan->p, "expected nothing behind the value");
        return broken(rows);
    }
    struct sm_json_token found = sm_json_find(&all, pointer);
    if (found.kind == SM_JSON_ABSENT)
        return sm_fail(rows->run, SM_E_BAD_INPUT, "there is nothing at \"%s\" (args.pointer)",
                       pointer.p);
    bool quoted = found.kind == SM_JSON_STRING;
    scan->p = found.p - quoted;
    scan->end = found.p + found.n + quoted;
    return 0;
}

static int start(struct sm_rows *rows, bool no_duplicates)
{
    struct source *source = sm_run_alloc(rows->run, sizeof *source);
    if (source == NULL)
        return SM_E_TOO_LARGE;
    memset(source, 0, sizeof *source);
    rows->reader = source;
    source->first = true;
    source->end = rows->data + rows->size;
    sm_json_scan_start(&source->scan, rows->data, rows->size);
    source->scan.clean = rows->clean;
    int code = no_duplicates ? sm_json_keys_start(&source->keys, rows->run) : 0;
    if (code != 0 || rows->columns.n != 0)
        return code != 0 ? code : sm_json_bind(rows->run, &rows->columns, &source->bind);
    rows->columns = (struct sm_columns){sm_run_alloc(rows->run, sizeof *rows->columns.v), 1, true};
    if (rows->columns.v == NULL)
        return SM_E_TOO_LARGE;
    rows->columns.v[0] = sm_column_of((struct sm_text_view){"", 0}, SM_CELL_JSON);
    return 0;
}

/* The scan has checked all strings by now, whatever else the input holds. */
static int started(struct sm_rows *rows, bool no_duplicates)
{
    struct source *source = rows->reader;
    rows->clean = true;
    source->scan.keys = no_duplicates ? &source->keys : NULL;
    return 0;
}

static int open_json(struct sm_rows *rows, const struct sm_value *args)
{
    const struct sm_value *pointer = &args[SM_JSON_POINTER];
    bool no_duplicates = args[SM_JSON_DUPLICATES].as.i != 0;
    int code = start(rows, no_duplicates);
    if (code == 0)
        code = go_to(rows, (struct sm_text_view){pointer->as.text.p, pointer->as.text.n});
    return code != 0 ? code : started(rows, no_duplicates);
}

/* Nothing but white space may follow. */
static int ended(struct sm_rows *rows)
{
    struct source *source = rows->reader;
    source->ended = true;
    if (!sm_json_scan_more(&source->scan))
        return 0;
    sm_json_scan_fail(&source->scan, source->scan.p, "expected nothing behind the value");
    return broken(rows);
}

/* The one row of an input that is no list. */
static int only_row(struct sm_rows *rows)
{
    int row = take_row(rows);
    if (row == BROKEN)
        return broken(rows);
    int code = row > 0 ? ended(rows) : 0;
    return code != 0 ? code : row;
}

static int next_json(struct sm_rows *rows)
{
    struct source *source = rows->reader;
    struct sm_json_scan *scan = &source->scan;
    bool first = source->first;
    if (source->ended)
        return 0;
    if (first && sm_json_scan_more(scan) && *scan->p == '[') {
        source->list = true;
        (void)sm_json_scan_enter(scan);
    }
    source->first = false;
    if (!source->list)
        return only_row(rows);
    int more = sm_json_scan_element(scan, first);
    if (more == 0)
        return ended(rows);
    int code = more == 1 ? take_row(rows) : BROKEN;
    rows->at = (size_t)(scan->p - rows->data);
    return code == BROKEN ? broken(rows) : code;
}

const struct sm_rows_format sm_json_rows = {.open = open_json, .next = next_json};

/* ---- NDJSON -------------------------------------------------------------------------------- */

static int open_ndjson(struct sm_rows *rows, const struct sm_value *args)
{
    bool no_duplicates = args[SM_NDJSON_DUPLICATES].as.i != 0;
    int code = start(rows, no_duplicates);
    if (code != 0)
        return code;
    struct source *source = rows->reader;
    rows->at = (size_t)(source->scan.p - rows->data);
    return started(rows, no_duplicates);
}

/* Lays the scan over the next line that is not blank. False at the end. */
static bool next_line(struct sm_rows *rows)
{
    struct sm_json_scan *scan = &((struct source *)rows->reader)->scan;
    while (rows->at < rows->size) {
        const char *line = rows->data + rows->at;
        const char *end = memchr(line, '\n', rows->size - rows->at);
        size_t n = end != NULL ? (size_t)(end - line) : rows->size - rows->at;
        rows->at += n + (end != NULL);
        scan->p = line;
        scan->end = line + n;
        scan->depth = 0;
        if (sm_json_scan_more(scan))
            return true;
    }
    return false;
}

static int next_ndjson(struct sm_rows *rows)
{
    struct sm_json_scan *scan = &((struct source *)rows->reader)->scan;
    if (!next_line(rows))
        return 0;
    int code = take_row(rows);
    if (code == SM_ROW && sm_json_scan_more(scan)) {
        sm_json_scan_fail(scan, scan->p, "expected nothing behind the value");
        code = BROKEN;
    }
    return code == BROKEN ? broken_line(rows) : code;
}

const struct sm_rows_format sm_ndjson_rows = {.open = open_ndjson, .next = next_ndjson};
