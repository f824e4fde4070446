/*
 * Columns in binary, from one table for each struct. An array is: dimensions 1, has-nulls 1,
 * element type, length, lower bound 1, then each element with its length, -1 for NULL
 * (src/include/utils/array.h of PostgreSQL, array_recv).
 */
#include "store/encode.h"

#include <arpa/inet.h>
#include <endian.h>
#include <stddef.h>
#include <string.h>

#include "base/check.h"

enum {
    OID_BYTEA = 17,
    OID_INT8 = 20,
    OID_INT4 = 23,
    OID_TEXT = 25,
    OID_TIMESTAMPTZ = 1184,
    OID_UUID = 2950,
    OID_JSONB = 3802
};

/* Fixed widths first, as in the table. */
static const struct sm_column results[] = {
    {"id", SM_KIND_UUID, offsetof(struct sm_row, id), false},
    {"enqueued_at", SM_KIND_TIME, offsetof(struct sm_row, enqueued_us), false},
    {"started_at", SM_KIND_TIME, offsetof(struct sm_row, started_us), false},
    {"finished_at", SM_KIND_TIME, offsetof(struct sm_row, finished_us), false},
    {"cpu_us", SM_KIND_INT8, offsetof(struct sm_row, cpu_us), false},
    {"life", SM_KIND_INT4, offsetof(struct sm_row, life), true},
    {"attempt", SM_KIND_INT4, offsetof(struct sm_row, attempt), true},
    {"state", SM_KIND_STATE, offsetof(struct sm_row, state), true},
    {"queue", SM_KIND_TEXT, offsetof(struct sm_row, queue), true},
    {"type", SM_KIND_TEXT, offsetof(struct sm_row, type), true},
    {"result", SM_KIND_JSONB, offsetof(struct sm_row, result), false},
    {"body", SM_KIND_BYTEA, offsetof(struct sm_row, body), false},
    {"content_type", SM_KIND_CSTR, offsetof(struct sm_row, content_type), false},
    {"error_code", SM_KIND_CSTR, offsetof(struct sm_row, error_code), false},
    {"error_text", SM_KIND_TEXT, offsetof(struct sm_row, error_text), false},
    {"tags", SM_KIND_JSONB, offsetof(struct sm_row, tags), false},
    {"envelope", SM_KIND_BYTEA, offsetof(struct sm_row, envelope), false},
};
static const struct sm_column attempts[] = {
    {"id", SM_KIND_UUID, offsetof(struct sm_attempt, id), false},
    {"started_at", SM_KIND_TIME, offsetof(struct sm_attempt, started_us), false},
    {"finished_at", SM_KIND_TIME, offsetof(struct sm_attempt, finished_us), false},
    {"cpu_us", SM_KIND_INT8, offsetof(struct sm_attempt, cpu_us), false},
    {"life", SM_KIND_INT4, offsetof(struct sm_attempt, life), false},
    {"attempt", SM_KIND_INT4, offsetof(struct sm_attempt, attempt), false},
    {"error_code", SM_KIND_CSTR, offsetof(struct sm_attempt, error_code), false},
    {"error_text", SM_KIND_TEXT, offsetof(struct sm_attempt, error_text), false},
};
const struct sm_table sm_results_table = {"stampmill.results", results,
                                          sizeof results / sizeof *results};
const struct sm_table sm_attempts_table = {"stampmill.attempts", attempts,
                                           sizeof attempts / sizeof *attempts};

#define EPOCH_US 946684800000000 /* 2000-01-01 in Unix microseconds */

static void put32(struct sm_buf *out, uint32_t value)
{
    value = htonl(value);
    sm_buf_add(out, &value, 4);
}

static void put64(struct sm_buf *out, int64_t value)
{
    uint64_t big = htobe64((uint64_t)value);
    put32(out, 8);
    sm_buf_add(out, &big, 8);
}

static void put_null(struct sm_buf *out)
{
    put32(out, UINT32_MAX);
}

static void put_time(struct sm_buf *out, int64_t unix_us)
{
    if (unix_us == 0)
        put_null(out);
    else
        put64(out, unix_us - EPOCH_US);
}

static void put_int(struct sm_buf *out, int32_t value)
{
    put32(out, 4);
    put32(out, (uint32_t)value);
}

static void put_bytes(struct sm_buf *out, struct sm_bytes bytes)
{
    if (bytes.p == NULL) {
        put_null(out);
        return;
    }
    put32(out, (uint32_t)bytes.n);
    sm_buf_add(out, bytes.p, bytes.n);
}

static void put_text(struct sm_buf *out, const char *text)
{
    put_bytes(out, (struct sm_bytes){text, text == NULL ? 0 : strlen(text)});
}

static void put_jsonb(struct sm_buf *out, struct sm_bytes json)
{
    if (json.p == NULL) {
        put_null(out);
        return;
    }
    put32(out, (uint32_t)json.n + 1);
    sm_buf_add_char(out, 1); /* version of the binary form */
    sm_buf_add(out, json.p, json.n);
}

/* ---- one value of a struct -- */

static const void *field(const void *item, const struct sm_column *column)
{
    return (const char *)item + column->at;
}

static bool is_null(const void *item, const struct sm_column *column)
{
    const void *value = field(item, column);
    switch (column->kind) {
    case SM_KIND_TIME:
        return *(const int64_t *)value == 0;
    case SM_KIND_CSTR:
        return *(const char *const *)value == NULL;
    case SM_KIND_TEXT:
    case SM_KIND_JSONB:
    case SM_KIND_BYTEA:
        return ((const struct sm_bytes *)value)->p == NULL;
    default:
        return false;
    }
}

/* Only of kinds that are shared. */
static bool is_same(const void *a, const void *b, const struct sm_column *column)
{
    if (column->kind != SM_KIND_TEXT)
        return *(const int32_t *)field(a, column) == *(const int32_t *)field(b, column);
    const struct sm_bytes *x = field(a, column), *y = field(b, column);
    return x->n == y->n && memcmp(x->p, y->p, x->n) == 0;
}

static void put_value(struct sm_buf *out, const void *item, const struct sm_column *column)
{
    const void *value = field(item, column);
    switch (column->kind) {
    case SM_KIND_UUID:
        put_bytes(out, (struct sm_bytes){value, 16});
        break;
    case SM_KIND_TIME:
        put_time(out, *(const int64_t *)value);
        break;
    case SM_KIND_INT8:
        put64(out, *(const int64_t *)value);
        break;
    case SM_KIND_INT4:
        put_int(out, *(const int32_t *)value);
        break;
    case SM_KIND_STATE:
        put_int(out, (int32_t) * (const enum sm_state *)value);
        break;
    case SM_KIND_CSTR:
        put_text(out, *(const char *const *)value);
        break;
    case SM_KIND_JSONB:
        put_jsonb(out, *(const struct sm_bytes *)value);
        break;
    case SM_KIND_TEXT:
    case SM_KIND_BYTEA:
        put_bytes(out, *(const struct sm_bytes *)value);
        break;
    }
}

/* ---- columns -- */

static void begin_param(struct sm_params *params)
{
    SM_ASSERT(params->n < SM_PARAMS_MOST);
    params->at[params->n++] = params->bytes.size;
}

static struct sm_buf *begin_array(struct sm_params *params, enum sm_kind kind, size_t n)
{
    static const uint32_t element[] = {
        [SM_KIND_UUID] = OID_UUID, [SM_KIND_TIME] = OID_TIMESTAMPTZ, [SM_KIND_INT8] = OID_INT8,
        [SM_KIND_INT4] = OID_INT4, [SM_KIND_STATE] = OID_INT4,       [SM_KIND_CSTR] = OID_TEXT,
        [SM_KIND_TEXT] = OID_TEXT, [SM_KIND_JSONB] = OID_JSONB,      [SM_KIND_BYTEA] = OID_BYTEA,
    };
    begin_param(params);
    put32(&params->bytes, 1);
    put32(&params->bytes, 1);
    put32(&params->bytes, element[kind]);
    put32(&params->bytes, (uint32_t)n);
    put32(&params->bytes, 1);
    return &params->bytes;
}

/* Without the length that a value has inside an array. */
static void put_scalar(struct sm_params *params, const void *item, const struct sm_column *column)
{
    const void *value = field(item, column);
    uint32_t number;
    begin_param(params);
    switch (column->kind) {
    case SM_KIND_TEXT:
        sm_buf_add(&params->bytes, ((const struct sm_bytes *)value)->p,
                   ((const struct sm_bytes *)value)->n);
        break;
    case SM_KIND_STATE:
        sm_buf_add_text(&params->bytes, sm_state_name(*(const enum sm_state *)value));
        break;
    default:
        number = htonl((uint32_t) * (const int32_t *)value);
        sm_buf_add(&params->bytes, &number, 4);
    }
}

static enum sm_form form_of(const struct sm_column *column, const void *const *items, size_t n)
{
    size_t i = 0;
    if (column->shared) {
        while (i < n && is_same(items[0], items[i], column))
            i++;
        return i == n ? SM_FORM_ONE : SM_FORM_EACH;
    }
    while (i < n && is_null(items[i], column))
        i++;
    return i == n ? SM_FORM_OMIT : SM_FORM_EACH;
}

void sm_params_columns(struct sm_params *params, const struct sm_table *table,
                       const void *const *items, size_t n, char forms[SM_COLUMNS_MOST])
{
    for (size_t c = 0; c < table->n; c++) {
        const struct sm_column *column = &table->columns[c];
        enum sm_form form = form_of(column, items, n);
        forms[c] = (char)form;
        if (form == SM_FORM_ONE)
            put_scalar(params, items[0], column);
        if (form != SM_FORM_EACH)
            continue;
        struct sm_buf *out = begin_array(params, column->kind, n);
        for (size_t i = 0; i < n; i++)
            put_value(out, items[i], column);
    }
    forms[table->n] = '\0';
}

void sm_params_begin(struct sm_params *params, const char *text)
{
    sm_buf_clear(&params->bytes);
    params->n = 0;
    begin_param(params);
    sm_buf_add_text(&params->bytes, text);
}

void sm_params_ids(struct sm_params *params, const struct sm_row *const *rows, size_t n,
                   const bool *wanted)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += wanted[i];
    sm_buf_clear(&params->bytes);
    params->n = 0;
    struct sm_buf *out = begin_array(params, SM_KIND_UUID, count);
    for (size_t i = 0; i < n; i++)
        if (wanted[i])
            put_bytes(out, (struct sm_bytes){(const char *)rows[i]->id.b, 16});
}

bool sm_params_seal(struct sm_params *params)
{
    for (int i = 0; i < params->n; i++) {
        size_t end = i + 1 < params->n ? params->at[i + 1] : params->bytes.size;
        params->value[i] = params->bytes.data + params->at[i];
        params->size[i] = (int)(end - params->at[i]);
        params->format[i] = 1;
    }
    return !params->bytes.full;
}
