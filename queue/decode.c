/*
 * Decoding: the fields of an entry (flat, or one msgpack envelope) into a struct sm_job.
 *
 * Nothing is trusted: an envelope is walked once and checked (lengths, depth) before any of it is
 * used. The first fault is the one reported, but reading goes on, so that a job with a bad field
 * can still be buried under its own id. Hot path: an envelope with a map of arguments allocates
 * nothing.
 */
#include <stdlib.h>
#include <string.h>

#include <msgpack.h>

#include "base/json.h"
#include "base/msg.h"
#include "base/msgpack_out.h"
#include "base/text.h"
#include "queue/job.h"

#define DEPTH 64
#define RAW_MOST 1000000
#define RAW_NAME 64

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

/* A field's value: bytes (flat, str or bin), or another msgpack value with its encoded bytes. */
struct value {
    bool is_bytes;
    struct sm_bytes bytes;
    struct sm_msg_value msg;
    struct sm_bytes encoded;
};

struct decoder {
    struct sm_job *job;
    struct sm_err *err;
    int code;      /* the first fault */
    uint32_t seen; /* a bit for each field */
    int64_t at_ms, in_ms;
    struct sm_buf extra; /* converted bytes; pointers into it are set at the end */
    size_t args_at, args_n, tags_at, tags_n;
    bool args_extra, tags_extra, id_given;
};

static void fault(struct decoder *d, int code, const char *field, const char *text)
{
    if (d->code == 0)
        d->code = sm_err_set(d->err, code, "%s: %s", field, text);
}

static void set_int(struct decoder *d, enum field f, int64_t value)
{
    struct sm_job *job = d->job;
    switch (f) {
    case F_AT_MS:
        d->at_ms = value;
        break;
    case F_IN_MS:
        d->in_ms = value;
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

static void read_int(struct decoder *d, enum field f, const struct value *v)
{
    int64_t value = 0;
    bool fine = v->is_bytes ? sm_text_parse_int(v->bytes.p, v->bytes.n, &value)
                            : whole_number(&v->msg, &value);
    if (!fine) {
        fault(d, SM_E_BAD_ENVELOPE, table[f].name, "must be an integer");
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

static void read_id(struct decoder *d, const struct value *v)
{
    static const struct sm_id none;
    struct sm_id id = none;
    if (v->is_bytes && v->bytes.n == sizeof id.b)
        memcpy(id.b, v->bytes.p, sizeof id.b);
    else if (!v->is_bytes || !sm_id_parse(v->bytes.p, v->bytes.n, &id))
        fault(d, SM_E_BAD_ENVELOPE, "id", "must be a UUID: 16 bytes, or 36 characters");
    d->id_given = memcmp(&id, &none, sizeof id) != 0;
    if (d->id_given)
        d->job->id = id;
    else
        fault(d, SM_E_BAD_ENVELOPE, "id", "is the nil UUID");
}

static void read_type(struct decoder *d, const struct value *v)
{
    if (v->is_bytes && sm_queue_name_valid(v->bytes.p, v->bytes.n)) /* the same rule */
        d->job->type = v->bytes;
    else
        fault(d, SM_E_BAD_ENVELOPE, "type",
              "must be 1 to 64 of a-z A-Z 0-9 . _ -, the first a letter or digit");
}

static bool is_msgpack_map(struct sm_bytes bytes)
{
    unsigned char first = bytes.n == 0 ? 0 : (unsigned char)bytes.p[0];
    return (first & 0xf0) == 0x80 || first == 0xde || first == 0xdf;
}

/* Appends JSON text as msgpack; false and a fault when it is not a map. */
static bool convert_json(struct decoder *d, const char *field, struct sm_bytes text,
                         struct sm_buf *out)
{
    struct sm_err err;
    size_t at = out->size;
    int rc = sm_json_to_msgpack(text.p, text.n, out, &err);
    if (rc == SM_E_NO_MEMORY) {
        fault(d, rc, field, "no memory");
        return false;
    }
    if (rc != 0) {
        fault(d, SM_E_BAD_ENVELOPE, field, err.text);
        return false;
    }
    if (is_msgpack_map((struct sm_bytes){out->data + at, out->size - at}))
        return true;
    fault(d, SM_E_BAD_ENVELOPE, field, "must be a map");
    return false;
}

static void read_args(struct decoder *d, const struct value *v)
{
    struct sm_bytes bytes = v->is_bytes ? v->bytes : v->encoded;
    if (bytes.n > (size_t)table[F_ARGS].max) {
        fault(d, SM_E_TOO_LARGE, "args", "more than 1 MiB; put large data into input");
    } else if (!v->is_bytes) {
        if (v->msg.kind != SM_MSG_MAP)
            fault(d, SM_E_BAD_ENVELOPE, "args", "must be a map");
        else if (!sm_msg_check(bytes.p, bytes.n, DEPTH))
            fault(d, SM_E_BAD_ENVELOPE, "args", "a key is not text");
        else
            d->job->args = bytes;
    } else if (is_msgpack_map(bytes)) {
        if (sm_msg_check(bytes.p, bytes.n, DEPTH))
            d->job->args = bytes;
        else
            fault(d, SM_E_BAD_ENVELOPE, "args", "broken msgpack, or nested too deep");
    } else if (bytes.n > 0) {
        d->args_at = d->extra.size;
        d->args_extra = convert_json(d, "args", bytes, &d->extra);
        d->args_n = d->extra.size - d->args_at;
    }
}

/* A msgpack map of at most 16 texts, written to extra as JSON. */
static void write_tags(struct decoder *d, struct sm_bytes map)
{
    struct sm_msg msg = {(const unsigned char *)map.p, (const unsigned char *)map.p + map.n};
    struct sm_msg_value head, item;
    bool fine = sm_msg_next(&msg, &head) && head.kind == SM_MSG_MAP && head.size <= 16;
    for (size_t i = 0; fine && i < 2 * head.size; i++)
        fine = sm_msg_next(&msg, &item) && item.kind == SM_MSG_STR && item.size <= 256 &&
               (item.size > 0 || i % 2 == 1) && sm_text_valid(item.p, item.size) == item.size;
    if (!fine) {
        fault(d, SM_E_BAD_ENVELOPE, "tags",
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

static void read_tags(struct decoder *d, const struct value *v)
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
            fault(d, SM_E_BAD_ENVELOPE, "tags", "broken msgpack");
        return;
    }
    sm_buf_init(&map, 65536);
    if (convert_json(d, "tags", v->bytes, &map))
        write_tags(d, (struct sm_bytes){map.data, map.size});
    sm_buf_free(&map);
}

static void read_input(struct decoder *d, const struct value *v)
{
    if (!v->is_bytes)
        fault(d, SM_E_UNSUPPORTED, "input", "must be bytes; this version takes no references");
    else if (v->bytes.n > (size_t)table[F_INPUT].max)
        fault(d, SM_E_TOO_LARGE, "input", "more than 16 MiB");
    else
        d->job->input = v->bytes;
}

static void read_field(struct decoder *d, enum field f, const struct value *v)
{
    if (d->seen & (1u << f)) {
        fault(d, SM_E_BAD_ENVELOPE, table[f].name, "stands twice");
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

static void unknown(struct decoder *d, struct sm_bytes name)
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

static bool is_own(struct sm_bytes name)
{
    return name.n >= 2 && memcmp(name.p, "x_", 2) == 0;
}

static void read_named(struct decoder *d, struct sm_bytes name, const struct value *v)
{
    for (int f = 0; f < FIELDS_N; f++)
        if (strlen(table[f].name) == name.n && memcmp(table[f].name, name.p, name.n) == 0) {
            read_field(d, (enum field)f, v);
            return;
        }
    if (!is_own(name))
        unknown(d, name);
}

/* One pair; false where the msgpack is broken. */
static bool read_pair(struct decoder *d, struct sm_msg *msg)
{
    struct sm_msg_value key;
    struct value v = {0};
    if (!sm_msg_next(msg, &key) || key.kind != SM_MSG_STR)
        return false;
    const unsigned char *at = msg->at;
    if (!sm_msg_next(msg, &v.msg))
        return false;
    v.is_bytes = v.msg.kind == SM_MSG_STR || v.msg.kind == SM_MSG_BIN;
    v.bytes = (struct sm_bytes){v.msg.p, v.msg.size};
    msg->at = at;
    if (!sm_msg_skip(msg, DEPTH))
        return false;
    v.encoded = (struct sm_bytes){(const char *)at, (size_t)(msg->at - at)};
    read_named(d, (struct sm_bytes){key.p, key.size}, &v);
    return true;
}

/* What stands before a break is read: the id, above all. */
static void read_envelope(struct decoder *d, struct sm_bytes envelope)
{
    const unsigned char *at = (const unsigned char *)envelope.p;
    struct sm_msg msg = {at, at + envelope.n};
    struct sm_msg_value head;
    if (!sm_msg_next(&msg, &head) || head.kind != SM_MSG_MAP) {
        fault(d, SM_E_BAD_ENVELOPE, "job", "is not a msgpack map");
        return;
    }
    for (size_t i = 0; i < head.size; i++)
        if (!read_pair(d, &msg)) {
            fault(d, SM_E_BAD_ENVELOPE, "job",
                  "breaks off, or a length lies, or it nests too deep");
            return;
        }
    if (msg.at != msg.end)
        fault(d, SM_E_BAD_ENVELOPE, "job", "has bytes behind its end");
}

static bool is_envelope(struct sm_bytes name)
{
    return name.n == 3 && memcmp(name.p, "job", 3) == 0;
}

static void read_fields(struct decoder *d, const struct sm_field *fields, size_t n)
{
    bool enveloped = false;
    for (size_t i = 0; i < n; i++)
        enveloped |= is_envelope(fields[i].name);
    for (size_t i = 0; i < n; i++) {
        struct value v = {.is_bytes = true, .bytes = fields[i].value};
        if (is_envelope(fields[i].name))
            read_envelope(d, fields[i].value);
        else if (!enveloped)
            read_named(d, fields[i].name, &v);
        else if (!is_own(fields[i].name))
            fault(d, SM_E_BAD_ENVELOPE, "job", "stands beside flat fields: give one form");
    }
}

static void put_cut(msgpack_packer *pk, struct sm_bytes bytes, size_t most)
{
    size_t n = bytes.n < most ? bytes.n : most;
    msgpack_pack_bin(pk, n);
    msgpack_pack_bin_body(pk, bytes.p, n);
}

/* Keeps the fields of what could not be decoded, behind the converted bytes: at most RAW_MOST in
 * all. */
static size_t keep_raw(struct decoder *d, const struct sm_field *fields, size_t n)
{
    size_t at = d->extra.size, share = RAW_MOST / (n == 0 ? 1 : n) - 2 * RAW_NAME;
    msgpack_packer pk;
    msgpack_packer_init(&pk, &d->extra, sm_buf_msgpack_write);
    msgpack_pack_map(&pk, n);
    for (size_t i = 0; i < n; i++) {
        put_cut(&pk, fields[i].name, RAW_NAME);
        put_cut(&pk, fields[i].value, share);
    }
    return at;
}

/* When the entry was added. An explicit id may name any number: the bound keeps arithmetic honest.
 */
static int64_t entry_ms(const struct sm_entry_origin *origin)
{
    uint64_t most = (uint64_t)table[F_ENQUEUED_MS].max;
    return (int64_t)(origin->entry.ms < most ? origin->entry.ms : most);
}

static void finish(struct decoder *d, const struct sm_entry_origin *origin)
{
    static const char no_args[1] = {(char)0x80};
    struct sm_job *job = d->job;
    if (!d->id_given)
        job->id = sm_entry_job_id(origin->incarnation, origin->queue, origin->entry);
    if (d->in_ms > 0)
        job->due_ms = entry_ms(origin) + d->in_ms;
    else
        job->due_ms = d->at_ms;
    if (job->type.p == NULL)
        job->type = (struct sm_bytes){"", 0};
    job->extra = sm_buf_take(&d->extra, &(size_t){0});
    if (d->args_extra)
        job->args = (struct sm_bytes){job->extra + d->args_at, d->args_n};
    if (d->tags_extra)
        job->tags = (struct sm_bytes){job->extra + d->tags_at, d->tags_n};
    if (job->args.p == NULL)
        job->args = (struct sm_bytes){no_args, 1};
}

int sm_job_decode(struct sm_job *job, const struct sm_entry_origin *origin,
                  const struct sm_field *fields, size_t n, struct sm_err *err)
{
    struct decoder d = {.job = job, .err = err};
    size_t raw_at = 0, size = 0;
    sm_buf_init(&d.extra, 0);
    job->life = 1;
    job->enqueued_ms = entry_ms(origin);
    read_fields(&d, fields, n);
    if (d.code == 0 && job->type.p == NULL)
        fault(&d, SM_E_BAD_ENVELOPE, "type", "missing: an entry needs at least a type");
    if (d.code == 0 && (d.seen & (1u << F_AT_MS)) && (d.seen & (1u << F_IN_MS)))
        fault(&d, SM_E_BAD_ENVELOPE, "in_ms", "stands beside at_ms: give one of them");
    if (d.code != 0)
        raw_at = keep_raw(&d, fields, n);
    size = d.extra.size;
    if (d.extra.full)
        d.code = sm_err_set(err, SM_E_NO_MEMORY, "no memory to decode the job");
    finish(&d, origin);
    if (d.code != 0 && job->extra != NULL)
        job->raw = (struct sm_bytes){job->extra + raw_at, size - raw_at};
    return d.code;
}
