/*
 * The envelope of a durable job. Encoding never refuses: a job that was accepted must end in a row,
 * and it is workers that write rows. So arguments that cannot become msgpack travel as the text
 * they are, and the worker says what is wrong with them.
 *
 * A retried job travels as it was kept, field by field, without what belongs to the life that ended
 * (its number, when it was due, when it expired) and with the operator's arguments in place of its
 * own.
 */
#include <msgpack.h>
#include <string.h>

#include "base/json.h"
#include "base/msg.h"
#include "base/msgpack_out.h"
#include "queue/relay.h"

static void put_key(msgpack_packer *pk, const char *key)
{
    size_t n = strlen(key);
    msgpack_pack_str(pk, n);
    msgpack_pack_str_body(pk, key, n);
}

static void put_int(msgpack_packer *pk, const char *key, int64_t value)
{
    if (value == 0)
        return;
    put_key(pk, key);
    msgpack_pack_int64(pk, value);
}

static void put_text(msgpack_packer *pk, const char *key, struct sm_bytes text)
{
    put_key(pk, key);
    msgpack_pack_str(pk, text.n);
    msgpack_pack_str_body(pk, text.p, text.n);
}

static void put_args(msgpack_packer *pk, struct sm_bytes json, struct sm_buf *out)
{
    struct sm_err ignored;
    struct sm_buf map;
    sm_buf_init(&map, 0);
    if (sm_json_to_msgpack(json.p, json.n, &map, &ignored) == 0) {
        put_key(pk, "args");
        sm_buf_add(out, map.data, map.size);
    } else {
        put_text(pk, "args", json);
    }
    sm_buf_free(&map);
}

/* What a relay alone sets. */
static size_t count_own(const struct sm_relay_job *job)
{
    return 3u + (job->life > 1) + (job->at_ms != 0);
}

static void put_own(msgpack_packer *pk, const struct sm_relay_job *job)
{
    put_key(pk, "id");
    msgpack_pack_bin(pk, sizeof job->id.b);
    msgpack_pack_bin_body(pk, job->id.b, sizeof job->id.b);
    put_int(pk, "durable", 1);
    put_int(pk, "life", job->life > 1 ? job->life : 0);
    put_key(pk, "enqueued_ms");
    msgpack_pack_int64(pk, job->enqueued_ms);
    put_int(pk, "at_ms", job->at_ms);
}

static void encode_columns(const struct sm_relay_job *job, struct sm_buf *out)
{
    msgpack_packer pk;
    msgpack_packer_init(&pk, out, sm_buf_msgpack_write);
    msgpack_pack_map(&pk, 2 + count_own(job) + (job->max_attempts != 0) + (job->args.p != NULL) +
                              (job->tags.p != NULL) + (job->input.p != NULL));
    put_int(&pk, "v", 1);
    put_own(&pk, job);
    put_text(&pk, "type", job->type);
    put_int(&pk, "max_attempts", job->max_attempts);
    if (job->args.p != NULL)
        put_args(&pk, job->args, out);
    if (job->tags.p != NULL)
        put_text(&pk, "tags", job->tags);
    if (job->input.p == NULL)
        return;
    put_key(&pk, "input");
    msgpack_pack_bin(&pk, job->input.n);
    msgpack_pack_bin_body(&pk, job->input.p, job->input.n);
}

/* True for what a kept envelope does not hand on. */
static bool left_out(const struct sm_relay_job *job, const struct sm_msg_value *name)
{
    static const char *const names[] = {"id",    "durable",    "life", "enqueued_ms",
                                        "at_ms", "expires_ms", "args"};
    size_t n = sizeof names / sizeof *names - (job->args.p == NULL); /* "args" is the last */
    for (size_t i = 0; i < n; i++)
        if (strlen(names[i]) == name->size && memcmp(names[i], name->p, name->size) == 0)
            return true;
    return false;
}

/* The fields of a kept envelope that are handed on: appended to `out`, if that is not NULL. *n: how
 * many. False when it is no map of named fields. */
static bool copy_fields(const struct sm_relay_job *job, struct sm_buf *out, size_t *n)
{
    const unsigned char *data = (const unsigned char *)job->envelope.p;
    struct sm_msg msg = {data, data + job->envelope.n};
    struct sm_msg_value head, name;
    *n = 0;
    if (!sm_msg_next(&msg, &head) || head.kind != SM_MSG_MAP)
        return false;
    for (size_t i = 0; i < head.size; i++) {
        const unsigned char *at = msg.at;
        if (!sm_msg_next(&msg, &name) || (name.kind != SM_MSG_STR && name.kind != SM_MSG_BIN) ||
            !sm_msg_skip(&msg, SM_MSG_DEPTH))
            return false;
        if (left_out(job, &name))
            continue;
        ++*n;
        if (out != NULL)
            sm_buf_add(out, at, (size_t)(msg.at - at));
    }
    return msg.at == msg.end;
}

static void encode_kept(const struct sm_relay_job *job, struct sm_buf *out)
{
    msgpack_packer pk;
    size_t kept;
    bool fine = copy_fields(job, NULL, &kept);
    msgpack_packer_init(&pk, out, sm_buf_msgpack_write);
    msgpack_pack_map(&pk, (fine ? kept : 0) + count_own(job) + (job->args.p != NULL));
    put_own(&pk, job);
    if (fine)
        copy_fields(job, out, &kept);
    if (job->args.p != NULL)
        put_args(&pk, job->args, out);
}

int sm_relay_encode(const struct sm_relay_job *job, struct sm_buf *out)
{
    if (job->envelope.p != NULL)
        encode_kept(job, out);
    else
        encode_columns(job, out);
    return out->full ? SM_E_NO_MEMORY : 0;
}
