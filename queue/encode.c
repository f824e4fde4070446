/*
 * Encoding: a job as the msgpack envelope that is kept with a buried one, so that it can be
 * inspected and retried. (What producers send is made by producer.c.)
 */
#include <msgpack.h>
#include <string.h>

#include "base/json.h"
#include "base/msgpack_out.h"
#include "queue/job.h"

#define FIXED 1024 /* more than all but args, input and tags can take */

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

static void put_cut(msgpack_packer *pk, const char *key, size_t size)
{
    put_key(pk, key);
    msgpack_pack_uint64(pk, size);
}

static void put_input(msgpack_packer *pk, const struct sm_job *job)
{
    put_key(pk, "input");
    msgpack_pack_bin(pk, job->input.n);
    msgpack_pack_bin_body(pk, job->input.p, job->input.n);
}

static void put_tags(msgpack_packer *pk, const struct sm_job *job)
{
    if (job->tags.p == NULL)
        return;
    put_key(pk, "tags"); /* decoding takes JSON text here as well */
    msgpack_pack_str(pk, job->tags.n);
    msgpack_pack_str_body(pk, job->tags.p, job->tags.n);
}

static size_t count(const struct sm_job *job)
{
    const int64_t ints[] = {job->due_ms,       job->expires_ms, job->timeout_ms,
                            job->max_attempts, job->backoff_ms, job->backoff_max_ms,
                            job->life,         job->enqueued_ms};
    size_t n = 4; /* v, id, type, args */
    for (size_t i = 0; i < sizeof ints / sizeof *ints; i++)
        n += ints[i] != 0;
    return n + (job->input.p != NULL) + (job->tags.p != NULL);
}

/* What is missing stands in front: a whole envelope begins with its version, which is how
 * stampmill.retry in PostgreSQL tells it from a cut one. */
int sm_job_encode(const struct sm_job *job, size_t limit, struct sm_buf *out)
{
    msgpack_packer pk;
    size_t small = job->tags.n + FIXED;
    if (job->raw.p != NULL) {
        sm_buf_add(out, job->raw.p, job->raw.n);
        return out->full ? SM_E_NO_MEMORY : 0;
    }
    bool args = small + job->args.n <= limit;
    bool input = (args ? job->args.n : 0) + small + job->input.n <= limit;
    msgpack_packer_init(&pk, out, sm_buf_msgpack_write);
    msgpack_pack_map(&pk, count(job));
    if (!args)
        put_cut(&pk, "x_args_cut", job->args.n);
    if (!input && job->input.p != NULL)
        put_cut(&pk, "x_input_cut", job->input.n);
    put_key(&pk, "v");
    msgpack_pack_int(&pk, 1);
    put_key(&pk, "id");
    msgpack_pack_bin(&pk, 16);
    msgpack_pack_bin_body(&pk, job->id.b, 16);
    put_key(&pk, "type");
    msgpack_pack_str(&pk, job->type.n);
    msgpack_pack_str_body(&pk, job->type.p, job->type.n);
    if (args) {
        put_key(&pk, "args");
        sm_buf_add(out, job->args.p, job->args.n);
    }
    if (input && job->input.p != NULL)
        put_input(&pk, job);
    put_int(&pk, "at_ms", job->due_ms);
    put_int(&pk, "expires_ms", job->expires_ms);
    put_int(&pk, "timeout_ms", job->timeout_ms);
    put_int(&pk, "max_attempts", job->max_attempts);
    put_int(&pk, "backoff_ms", job->backoff_ms);
    put_int(&pk, "backoff_max_ms", job->backoff_max_ms);
    put_int(&pk, "life", job->life);
    put_int(&pk, "enqueued_ms", job->enqueued_ms);
    put_tags(&pk, job);
    return out->full ? SM_E_NO_MEMORY : 0;
}
