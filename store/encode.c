/*
 * Columns in binary. An array is: dimensions 1, has-nulls 1, element type, length, lower bound 1,
 * then each element with its length, -1 for NULL (src/include/utils/array.h of PostgreSQL,
 * array_recv).
 */
#include "store/encode.h"

#include <arpa/inet.h>
#include <endian.h>
#include <string.h>

enum {
    OID_BYTEA = 17,
    OID_INT8 = 20,
    OID_INT4 = 23,
    OID_TEXT = 25,
    OID_TIMESTAMPTZ = 1184,
    OID_UUID = 2950,
    OID_JSONB = 3802
};

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

void sm_params_clear(struct sm_params *params)
{
    sm_buf_clear(&params->bytes);
    params->n = 0;
}

static struct sm_buf *array(struct sm_params *params, uint32_t type, size_t n)
{
    params->at[params->n++] = params->bytes.size;
    put32(&params->bytes, 1);
    put32(&params->bytes, 1);
    put32(&params->bytes, type);
    put32(&params->bytes, (uint32_t)n);
    put32(&params->bytes, 1);
    return &params->bytes;
}

#define COLUMN(type, put)                                                                          \
    out = array(params, type, n);                                                                  \
    for (size_t i = 0; i < n; i++)                                                                 \
    put

void sm_params_rows(struct sm_params *params, const struct sm_row *const *rows, size_t n,
                    const char *worker)
{
    struct sm_buf *out;
    COLUMN(OID_UUID, put_bytes(out, (struct sm_bytes){(const char *)rows[i]->id.b, 16}));
    COLUMN(OID_TIMESTAMPTZ, put64(out, rows[i]->enqueued_us - EPOCH_US));
    COLUMN(OID_TIMESTAMPTZ, put_time(out, rows[i]->started_us));
    COLUMN(OID_TIMESTAMPTZ, put64(out, rows[i]->finished_us - EPOCH_US));
    COLUMN(OID_INT8, put64(out, rows[i]->cpu_us));
    COLUMN(OID_INT4, put_int(out, rows[i]->life));
    COLUMN(OID_INT4, put_int(out, rows[i]->attempt));
    COLUMN(OID_TEXT, put_text(out, sm_state_name(rows[i]->state)));
    COLUMN(OID_TEXT, put_bytes(out, rows[i]->queue));
    COLUMN(OID_TEXT, put_bytes(out, rows[i]->type));
    COLUMN(OID_JSONB, put_jsonb(out, rows[i]->result));
    COLUMN(OID_BYTEA, put_bytes(out, rows[i]->body));
    COLUMN(OID_TEXT, put_text(out, rows[i]->content_type));
    COLUMN(OID_TEXT, put_text(out, rows[i]->error_code));
    COLUMN(OID_TEXT, put_bytes(out, rows[i]->error_text));
    COLUMN(OID_JSONB, put_jsonb(out, rows[i]->tags));
    COLUMN(OID_BYTEA, put_bytes(out, rows[i]->envelope));
    params->at[params->n++] = params->bytes.size;
    sm_buf_add_text(&params->bytes, worker);
}

void sm_params_attempts(struct sm_params *params, const struct sm_attempt *attempts, size_t n)
{
    struct sm_buf *out;
    COLUMN(OID_UUID, put_bytes(out, (struct sm_bytes){(const char *)attempts[i].id.b, 16}));
    COLUMN(OID_TIMESTAMPTZ, put64(out, attempts[i].started_us - EPOCH_US));
    COLUMN(OID_TIMESTAMPTZ, put64(out, attempts[i].finished_us - EPOCH_US));
    COLUMN(OID_INT8, put64(out, attempts[i].cpu_us));
    COLUMN(OID_INT4, put_int(out, attempts[i].life));
    COLUMN(OID_INT4, put_int(out, attempts[i].attempt));
    COLUMN(OID_TEXT, put_text(out, attempts[i].error_code));
    COLUMN(OID_TEXT, put_bytes(out, attempts[i].error_text));
}

void sm_params_ids(struct sm_params *params, const struct sm_row *const *rows, size_t n,
                   const bool *wanted)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += wanted[i];
    struct sm_buf *out = array(params, OID_UUID, count);
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
