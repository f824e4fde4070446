/*
 * Decoding: the fields of an entry (flat, or one msgpack envelope) into a struct sm_job.
 *
 * Nothing is trusted: an envelope is walked once, and each length is checked before it is used. The
 * first fault is the one reported, but reading goes on, so that a job with a bad field can still be
 * buried under its own id. Hot path: an envelope with a map of arguments allocates nothing.
 */
#include <string.h>

#include <msgpack.h>

#include "base/check.h"
#include "base/msgpack_out.h"
#include "queue/decode_value.h"

#define DEPTH SM_DECODE_DEPTH
#define RAW_MOST 1000000
#define RAW_NAME 64

/* One pair; false where the msgpack is broken. */
static bool read_pair(struct sm_decoder *d, struct sm_msg *msg)
{
    struct sm_msg_value key;
    struct sm_decode_value v = {0};
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
    sm_decode_field(d, (struct sm_bytes){key.p, key.size}, &v);
    return true;
}

/* What stands before a break is read: the id, above all. */
static void read_envelope(struct sm_decoder *d, struct sm_bytes envelope)
{
    const unsigned char *at = (const unsigned char *)envelope.p;
    struct sm_msg msg = {at, at + envelope.n};
    struct sm_msg_value head;
    if (!sm_msg_next(&msg, &head) || head.kind != SM_MSG_MAP) {
        sm_decode_fault(d, SM_E_BAD_ENVELOPE, "job", "is not a msgpack map");
        return;
    }
    for (size_t i = 0; i < head.size; i++)
        if (!read_pair(d, &msg)) {
            sm_decode_fault(d, SM_E_BAD_ENVELOPE, "job",
                            "breaks off, or a length lies, or it nests too deep");
            return;
        }
    if (msg.at != msg.end)
        sm_decode_fault(d, SM_E_BAD_ENVELOPE, "job", "has bytes behind its end");
}

static bool is_envelope(struct sm_bytes name)
{
    return name.n == 3 && memcmp(name.p, "job", 3) == 0;
}

static void read_fields(struct sm_decoder *d, const struct sm_field *fields, size_t n)
{
    bool enveloped = false;
    for (size_t i = 0; i < n; i++)
        enveloped |= is_envelope(fields[i].name);
    for (size_t i = 0; i < n; i++) {
        struct sm_decode_value v = {.is_bytes = true, .bytes = fields[i].value};
        if (is_envelope(fields[i].name))
            read_envelope(d, fields[i].value);
        else if (!enveloped)
            sm_decode_field(d, fields[i].name, &v);
        else if (!sm_decode_is_own(fields[i].name))
            sm_decode_fault(d, SM_E_BAD_ENVELOPE, "job",
                            "stands beside flat fields: give one form");
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
static size_t keep_raw(struct sm_decoder *d, const struct sm_field *fields, size_t n)
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

static void finish(struct sm_decoder *d, const struct sm_entry_origin *origin)
{
    static const char no_args[1] = {(char)0x80};
    struct sm_job *job = d->job;
    if (!d->id_given)
        job->id = sm_entry_job_id(origin->incarnation, origin->queue, origin->entry);
    if (d->in_ms > 0)
        job->due_ms = sm_decode_ms(origin->entry.ms) + d->in_ms;
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
    struct sm_decoder d = {.job = job, .err = err};
    size_t raw_at = 0, size = 0;
    SM_ASSERT(n <= SM_FIELDS_MOST);
    sm_buf_init(&d.extra, 0);
    job->life = 1;
    job->enqueued_ms = sm_decode_ms(origin->entry.ms);
    read_fields(&d, fields, n);
    if (d.code == 0 && job->type.p == NULL)
        sm_decode_fault(&d, SM_E_BAD_ENVELOPE, "type", "missing: an entry needs at least a type");
    if (d.code == 0 && d.at_given && d.in_given)
        sm_decode_fault(&d, SM_E_BAD_ENVELOPE, "in_ms", "stands beside at_ms: give one of them");
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
