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
    size_t args_n, tags_at, tags_n;
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
    bool fine = v->is_bytes && v->bytes.n == 16;
    if (fine)
        memcpy(d->job->id.b, v->bytes.p, 16);
    else
        fine = v->is_bytes && sm_id_parse(v->bytes.p, v->bytes.n, &d->job->id);
    d->id_given |= fine;
    if (!fine)
        fault(d, SM_E_BAD_ENVELOPE, "id", "must be a UUID: 16 bytes, or 36 characters");
}

static void read_type(struct decoder *d, const struct value *v)
{
    bool fine = v->is_bytes && v->bytes.n >= 1 && v->bytes.n <= 64;
    for (size_t i = 0; fine && i < v->bytes.n; i++) {
        char c = v->bytes.p[i];
        fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '.' || c == '_' || c == '-';
    }
    if (fine)
        d->job->type = v->bytes;
    else
        fault(d, SM_E_BAD_ENVELOPE, "type", "must be 1 to 64 of a-z A-Z 0-9 . _ -");
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
        if (v->msg.kind == SM_MSG_MAP)
            d->job->args = bytes;
        else
            fault(d, SM_E_BAD_ENVELOPE, "args", "must be a map");
    } else if (is_msgpack_map(bytes)) {
        if (sm_msg_check(bytes.p, bytes.n, DEPTH))
            d->job->args = bytes;
        else
            fault(d, SM_E_BAD_ENVELOPE, "args", "broken msgpack, or nested too deep");
    } else if (d->extra.size == 0 && convert_json(d, "args", bytes, &d->extra)) {
        d->args_extra = true;
        d->args_n = d->extra.size;
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

static void read_named(struct decoder *d, struct sm_bytes name, const struct value *v)
{
    for (int f = 0; f < FIELDS_N; f++)
        if (strlen(table[f].name) == name.n && memcmp(table[f].name, name.p, name.n) == 0) {
            read_field(d, (enum field)f, v);
            return;
        }
    if (name.n < 2 || memcmp(name.p, "x_", 2) != 0)
        unknown(d, name);
}

static void read_envelope(struct decoder *d, struct sm_bytes envelope)
{
    struct sm_msg msg = {(const unsigned char *)envelope.p,
                         (const unsigned char *)envelope.p + envelope.n};
    struct sm_msg_value head, key;
    if (!sm_msg_check(envelope.p, envelope.n, DEPTH) || !sm_msg_next(&msg, &head) ||
        head.kind != SM_MSG_MAP) {
        fault(d, SM_E_BAD_ENVELOPE, "job",
              "is not one msgpack map, or its lengths lie, or it nests too deep");
        return;
    }
    for (size_t i = 0; i < head.size; i++) {
        struct value v = {0};
        sm_msg_next(&msg, &key);
        const unsigned char *at = msg.at;
        sm_msg_next(&msg, &v.msg);
        v.is_bytes = v.msg.kind == SM_MSG_STR || v.msg.kind == SM_MSG_BIN;
        v.bytes = (struct sm_bytes){v.msg.p, v.msg.size};
        msg.at = at;
        sm_msg_skip(&msg, DEPTH);
        v.encoded = (struct sm_bytes){(const char *)at, (size_t)(msg.at - at)};
        read_named(d, (struct sm_bytes){key.p, key.size}, &v);
    }
}

static void read_fields(struct decoder *d, const struct sm_field *fields, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct value v = {.is_bytes = true, .bytes = fields[i].value};
        if (n == 1 && fields[i].name.n == 3 && memcmp(fields[i].name.p, "job", 3) == 0)
            read_envelope(d, fields[i].value);
        else
            read_named(d, fields[i].name, &v);
    }
}

/* Keeps the fields of what could not be decoded, behind the converted bytes. */
static size_t keep_raw(struct decoder *d, const struct sm_field *fields, size_t n)
{
    size_t at = d->extra.size;
    msgpack_packer pk;
    msgpack_packer_init(&pk, &d->extra, sm_buf_msgpack_write);
    msgpack_pack_map(&pk, n);
    for (size_t i = 0; i < n; i++) {
        size_t cut = fields[i].value.n > 65536 ? 65536 : fields[i].value.n;
        msgpack_pack_bin(&pk, fields[i].name.n);
        msgpack_pack_bin_body(&pk, fields[i].name.p, fields[i].name.n);
        msgpack_pack_bin(&pk, cut);
        msgpack_pack_bin_body(&pk, fields[i].value.p, cut);
    }
    return at;
}

static void finish(struct decoder *d, const struct sm_entry_origin *origin)
{
    static const char no_args[1] = {(char)0x80};
    struct sm_job *job = d->job;
    if (!d->id_given)
        job->id = sm_entry_job_id(origin->incarnation, origin->queue, origin->entry);
    if (d->in_ms > 0)
        job->due_ms = (int64_t)origin->entry.ms + d->in_ms;
    else
        job->due_ms = d->at_ms;
    if (job->type.p == NULL)
        job->type = (struct sm_bytes){"", 0};
    job->extra = sm_buf_take(&d->extra, &(size_t){0});
    if (d->args_extra)
        job->args = (struct sm_bytes){job->extra, d->args_n};
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
    job->enqueued_ms = (int64_t)(origin->entry.ms & 0x7fffffffffffffff);
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
