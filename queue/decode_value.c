/*
 * Reading a field: bytes (flat, or str and bin of an envelope) or another msgpack value, held
 * against its row of queue/fields.def. What has to be converted (JSON arguments, tags) is appended
 * to the decoder's `extra`; pointers into that are set at the end, when it no longer moves.
 */
#include "queue/decode_value.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"

#define DEPTH SM_DECODE_DEPTH

enum kind { ID, NAME, ARGS, INPUT, INT, TAGS };

enum field {
#define SM_FIELD(symbol, name, kind, min, max, fallback, help) F_##symbol,
#include "queue/fields.def"
#undef SM_FIELD
    FIELDS_N
};

static const struct {
    const char *name;
    enum kind kind;
    int64_t min, max;
} table[] = {
#define SM_FIELD(symbol, name, kind, min, max, fallback, help) {name, kind, min, max},
#include "queue/fields.def"
#undef SM_FIELD
};

void sm_decode_fault(struct sm_decoder *d, int code, const char *field, const char *text)
{
    if (d->code == 0)
        d->code = sm_err_set(d->err, code, "%s: %s", field, text);
}

static void set_int(struct sm_decoder *d, enum field f, int64_t value)
{
    struct sm_job *job = d->job;
    switch (f) {
    case F_AT_MS:
        d->at_ms = value;
        d->at_given = true;
        break;
    case F_IN_MS:
        d->in_ms = value;
        d->in_given = true;
        break;
    case F_EXPIRES_MS:
        job->expires_ms = value;
        break;
    case F_TIMEOUT_MS:
        job->timeout_ms = value;
        break;
    case F_MAX_ATTEMPTS:
        job->max_attempts = (int32_t)value;
        break;
    case F_BACKOFF_MS:
        job->backoff_ms = value;
        break;
    case F_BACKOFF_MAX_MS:
        job->backoff_max_ms = value;
        break;
    case F_LIFE:
        job->life = (int32_t)value;
        break;
    case F_ENQUEUED_MS:
        job->enqueued_ms = value;
        break;
    case F_DURABLE:
        job->durable = value == 1;
        break;
    default: /* v: checked, not kept */
        break;
    }
}

/* JavaScript's encoders write whole numbers past 32 bits as floats: exact up to 2^53. */
static bool whole_number(const struct sm_msg_value *v, int64_t *value)
{
    const double most = 9007199254740992.0;
    if (v->kind == SM_MSG_FLOAT && v->as.f >= -most && v->as.f <= most)
        *value = (int64_t)v->as.f;
    else if (v->kind == SM_MSG_INT)
        *value = v->as.i;
    else
        return false;
    return v->kind == SM_MSG_INT || (double)*value == v->as.f;
}

static void read_int(struct sm_decoder *d, enum field f, const struct sm_decode_value *v)
{
    int64_t value = 0;
    bool fine = v->is_bytes ? sm_text_parse_int(v->bytes.p, v->bytes.n, &value)
                            : whole_number(&v->msg, &value);
    if (!fine) {
        sm_decode_fault(d, SM_E_BAD_ENVELOPE, table[f].name, "must be an integer");
    } else if (value < table[f].min || value > table[f].max) {
        if (d->code == 0)
            d->code =
                sm_err_set(d->err, f == F_V ? SM_E_UNSUPPORTED : SM_E_BAD_ENVELOPE,
                           "%s: %lld is out of bounds, %lld to %lld", table[f].name,
                           (long long)value, (long long)table[f].min, (long long)table[f].max);
    } else {
        set_int(d, f, value);
    }
}

static void read_id(struct sm_decoder *d, const struct sm_decode_value *v)
{
    static const struct sm_id none;
    struct sm_id id = none;
    if (v->is_bytes && v->bytes.n == sizeof id.b)
        memcpy(id.b, v->bytes.p, sizeof id.b);
    else if (!v->is_bytes || !sm_id_parse(v->bytes.p, v->bytes.n, &id))
        sm_decode_fault(d, SM_E_BAD_ENVELOPE, "id", "must be a UUID: 16 bytes, or 36 characters");
    d->id_given = memcmp(&id, &none, sizeof id) != 0;
    if (d->id_given)
        d->job->id = id;
    else
        sm_decode_fault(d, SM_E_BAD_ENVELOPE, "id", "is the nil UUID");
}

static void read_type(struct sm_decoder *d, const struct sm_decode_value *v)
{
    if (v->is_bytes && sm_queue_name_valid(v->bytes.p, v->bytes.n)) /* the same rule */
        d->job->type = v->bytes;
    else
        sm_decode_fault(d, SM_E_BAD_ENVELOPE, "type",
                        "must be 1 to 64 of a-z A-Z 0-9 . _ -, the first a letter or digit");
}

static bool is_msgpack_map(struct sm_bytes bytes)
{
    unsigned char first = bytes.n == 0 ? 0 : (unsigned char)bytes.p[0];
    return (first & 0xf0) == 0x80 || first == 0xde || first == 0xdf;
}

/* Appends JSON text as msgpack; false and a fault when it is not a map. */
static bool convert_json(struct sm_decoder *d, const char *field, struct sm_bytes text,
                         struct sm_buf *out)
{
    struct sm_err err;
    size_t at = out->size;
    int rc = sm_json_to_msgpack(text.p, text.n, out, &err);
    if (rc == SM_E_NO_MEMORY) {
        sm_decode_fault(d, rc, field, "no memory");
        return false;
    }
    if (rc != 0) {
        sm_decode_fault(d, SM_E_BAD_ENVELOPE, field, err.text);
        return false;
    }
    if (is_msgpack_map((struct sm_bytes){out->data + at, out->size - at}))
        return true;
    sm_decode_fault(d, SM_E_BAD_ENVELOPE, field, "must be a map");
    return false;
}

static void read_args(struct sm_decoder *d, const struct sm_decode_value *v)
{
    struct sm_bytes bytes = v->is_bytes ? v->bytes : v->encoded;
    if (bytes.n > (size_t)table[F_ARGS].max) {
        sm_decode_fault(d, SM_E_TOO_LARGE, "args", "more than 1 MiB; put large data into input");
    } else if (!v->is_bytes) {
        if (v->msg.kind != SM_MSG_MAP)
            sm_decode_fault(d, SM_E_BAD_ENVELOPE, "args", "must be a map");
        else if (!sm_msg_check(bytes.p, bytes.n, DEPTH))
            sm_decode_fault(d, SM_E_BAD_ENVELOPE, "args", "a key is not text");
        else
            d->job->args = bytes;
    } else if (is_msgpack_map(bytes)) {
        if (sm_msg_check(bytes.p, bytes.n, DEPTH))
            d->job->args = bytes;
        else
            sm_decode_fault(d, SM_E_BAD_ENVELOPE, "args", "broken msgpack, or nested too deep");
    } else if (bytes.n > 0) {
        d->args_at = d->extra.size;
        d->args_extra = convert_json(d, "args", bytes, &d->extra);
        d->args_n = d->extra.size - d->args_at;
    }
}

/* A msgpack map of at most 16 texts, written to extra as JSON. */
static void write_tags(struct sm_decoder *d, struct sm_bytes map)
{
    struct sm_msg msg = {(const unsigned char *)map.p, (const unsigned char *)map.p + map.n};
    struct sm_msg_value head, item;
    bool fine = sm_msg_next(&msg, &head) && head.kind == SM_MSG_MAP && head.size <= 16;
    for (size_t i = 0; fine && i < 2 * head.size; i++)
        fine = sm_msg_next(&msg, &item) && item.kind == SM_MSG_STR && item.size <= 256 &&
               (item.size > 0 || i % 2 == 1) && sm_text_valid(item.p, item.size) == item.size;
    if (!fine) {
        sm_decode_fault(d, SM_E_BAD_ENVELOPE, "tags",
                        "must be a map of at most 16 texts of at most 256 bytes each");
        return;
    }
    struct sm_json json;
    d->tags_at = d->extra.size;
    sm_json_init(&json, &d->extra);
    sm_json_put_msgpack(&json, map.p, map.n);
    d->tags_n = d->extra.size - d->tags_at;
    d->tags_extra = true;
}

static void read_tags(struct sm_decoder *d, const struct sm_decode_value *v)
{
    struct sm_buf map;
    if (!v->is_bytes) {
        write_tags(d, v->encoded);
        return;
    }
    if (is_msgpack_map(v->bytes)) {
        if (sm_msg_check(v->bytes.p, v->bytes.n, 2))
            write_tags(d, v->bytes);
        else
            sm_decode_fault(d, SM_E_BAD_ENVELOPE, "tags", "broken msgpack");
        return;
    }
    sm_buf_init(&map, 65536);
    if (convert_json(d, "tags", v->bytes, &map))
        write_tags(d, (struct sm_bytes){map.data, map.size});
    sm_buf_free(&map);
}

static void read_input(struct sm_decoder *d, const struct sm_decode_value *v)
{
    if (!v->is_bytes)
        sm_decode_fault(d, SM_E_UNSUPPORTED, "input",
                        "must be bytes; this version takes no references");
    else if (v->bytes.n > (size_t)table[F_INPUT].max)
        sm_decode_fault(d, SM_E_TOO_LARGE, "input", "more than 16 MiB");
    else
        d->job->input = v->bytes;
}

static void read_field(struct sm_decoder *d, enum field f, const struct sm_decode_value *v)
{
    if (d->seen & (1u << f)) {
        sm_decode_fault(d, SM_E_BAD_ENVELOPE, table[f].name, "stands twice");
        return;
    }
    d->seen |= 1u << f;
    switch (table[f].kind) {
    case ID:
        read_id(d, v);
        break;
    case NAME:
        read_type(d, v);
        break;
    case ARGS:
        read_args(d, v);
        break;
    case INPUT:
        read_input(d, v);
        break;
    case TAGS:
        read_tags(d, v);
        break;
    case INT:
        read_int(d, f, v);
        break;
    }
}

static void unknown(struct sm_decoder *d, struct sm_bytes name)
{
    const char *names[FIELDS_N];
    char text[120];
    for (int i = 0; i < FIELDS_N; i++)
        names[i] = table[i].name;
    const char *near = sm_text_near(name.p, name.n, names, FIELDS_N);
    bool printable = name.n <= 64 && sm_text_valid(name.p, name.n) == name.n;
    if (near != NULL)
        snprintf(text, sizeof text, "unknown field; did you mean \"%s\"?", near);
    else
        snprintf(text, sizeof text, "unknown field; a field of your own starts with x_");
    if (d->code == 0)
        d->code = sm_err_set(d->err, SM_E_BAD_ENVELOPE, "%.*s: %s", printable ? (int)name.n : 1,
                             printable ? name.p : "?", text);
}

bool sm_decode_is_own(struct sm_bytes name)
{
    return name.n >= 2 && memcmp(name.p, "x_", 2) == 0;
}

void sm_decode_field(struct sm_decoder *d, struct sm_bytes name, const struct sm_decode_value *v)
{
    for (int f = 0; f < FIELDS_N; f++)
        if (strlen(table[f].name) == name.n && memcmp(table[f].name, name.p, name.n) == 0) {
            read_field(d, (enum field)f, v);
            return;
        }
    if (!sm_decode_is_own(name))
        unknown(d, name);
}

int64_t sm_decode_ms(uint64_t ms)
{
    uint64_t most = (uint64_t)table[F_ENQUEUED_MS].max;
    return (int64_t)(ms < most ? ms : most);
}
