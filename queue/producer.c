/*
 * The producer: a job becomes a msgpack envelope and one XADD. Everything is checked before
 * anything is sent, so that a mistake is the caller's error now and not a buried job later.
 */
#include "stampmill/producer.h"

#include <msgpack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/msg.h"
#include "base/msgpack_out.h"
#include "base/text.h"
#include "queue/job.h"
#include "queue/redis_conn.h"

#define WINDOW 512 /* commands on their way at once */
#define ARGS_MOST 1048576
#define INPUT_MOST 16777216

struct sm_client {
    struct sm_conn conn;
    struct sm_redis_url url;
};

const char *sm_version(void)
{
    return STAMPMILL_VERSION;
}

struct sm_client *sm_client_open(const char *url, struct sm_err *err)
{
    struct sm_client *client = calloc(1, sizeof *client);
    if (url == NULL)
        url = getenv("STAMPMILL_REDIS_URL");
    if (url == NULL)
        url = getenv("REDIS_URL");
    if (client == NULL) {
        sm_err_set(err, SM_E_NO_MEMORY, "no memory");
        return NULL;
    }
    client->conn.timeout_ms = 5000;
    if (sm_redis_url_parse(url == NULL ? "redis://127.0.0.1:6379" : url, &client->url, err) == 0 &&
        sm_conn_open(&client->conn, &client->url, 5000, err) == 0)
        return client;
    free(client);
    return NULL;
}

void sm_client_close(struct sm_client *client)
{
    if (client == NULL)
        return;
    sm_conn_close(&client->conn);
    free(client);
}

/* ---- checks -- */

static int bounds(const char *name, int64_t value, int64_t min, int64_t max, struct sm_err *err)
{
    if (value == 0 || (value >= min && value <= max))
        return 0;
    return sm_err_set(err, SM_E_USAGE, "%s: %lld is out of bounds, %lld to %lld", name,
                      (long long)value, (long long)min, (long long)max);
}

static int check_ints(const struct sm_job_spec *job, struct sm_err *err)
{
    int rc = 0;
    const struct {
        const char *name;
        int64_t value, max;
    } ints[] = {{"at_ms", job->at_ms, 253402300799999},
                {"in_ms", job->in_ms, 31622400000},
                {"expires_ms", job->expires_ms, 253402300799999},
                {"timeout_ms", job->timeout_ms, 86400000},
                {"max_attempts", job->max_attempts, 1000},
                {"backoff_ms", job->backoff_ms, 86400000},
                {"backoff_max_ms", job->backoff_max_ms, 604800000}};
    for (size_t i = 0; rc == 0 && i < sizeof ints / sizeof *ints; i++)
        rc = bounds(ints[i].name, ints[i].value, 1, ints[i].max, err);
    if (rc == 0 && job->at_ms != 0 && job->in_ms != 0)
        rc = sm_err_set(err, SM_E_USAGE, "in_ms: stands beside at_ms: give one of them");
    return rc;
}

static int check_tags(const struct sm_job_spec *job, struct sm_err *err)
{
    if (job->tags_n > 16)
        return sm_err_set(err, SM_E_USAGE, "tags: %zu, more than 16", job->tags_n);
    for (size_t i = 0; i < job->tags_n; i++) {
        size_t key = strlen(job->tags[i].key), value = strlen(job->tags[i].value);
        if (key == 0 || key > 256 || value > 256 || sm_text_valid(job->tags[i].key, key) != key ||
            sm_text_valid(job->tags[i].value, value) != value)
            return sm_err_set(err, SM_E_USAGE, "tags: number %zu is not UTF-8 of 1 to 256 bytes",
                              i + 1);
    }
    return 0;
}

static int check(const struct sm_job_spec *job, struct sm_err *err)
{
    const char *queue = job->queue == NULL ? "default" : job->queue;
    if (job->type == NULL || job->type[0] == '\0' || strlen(job->type) > 64)
        return sm_err_set(err, SM_E_USAGE, "type: missing, or longer than 64 bytes");
    if (!sm_queue_name_valid(queue, strlen(queue)))
        return sm_err_set(err, SM_E_USAGE, "queue: \"%s\" is not 1 to 64 of A-Z a-z 0-9 . _ -",
                          queue);
    if (job->input_size > INPUT_MOST)
        return sm_err_set(err, SM_E_USAGE, "input: %zu bytes, more than 16 MiB", job->input_size);
    int rc = check_ints(job, err);
    return rc != 0 ? rc : check_tags(job, err);
}

/* ---- the envelope -- */

static void put_key(msgpack_packer *pk, const char *text)
{
    size_t n = strlen(text);
    msgpack_pack_str(pk, n);
    msgpack_pack_str_body(pk, text, n);
}

static void put_int(msgpack_packer *pk, const char *key, int64_t value)
{
    if (value == 0)
        return;
    put_key(pk, key);
    msgpack_pack_int64(pk, value);
}

static int put_args(msgpack_packer *pk, const struct sm_job_spec *job, struct sm_buf *out,
                    struct sm_err *err)
{
    size_t at = out->size;
    if (job->args_json == NULL && job->args == NULL)
        return 0;
    put_key(pk, "args");
    at = out->size;
    if (job->args_json != NULL) {
        int rc = sm_json_to_msgpack(job->args_json, strlen(job->args_json), out, err);
        if (rc != 0)
            return rc == SM_E_NO_MEMORY ? rc : sm_err_wrap(err, "args");
    } else {
        if (!sm_msg_check(job->args, job->args_size, 64))
            return sm_err_set(err, SM_E_USAGE, "args: broken msgpack, or nested too deep");
        sm_buf_add(out, job->args, job->args_size);
    }
    unsigned char first = out->size > at ? (unsigned char)out->data[at] : 0;
    if ((first & 0xf0) != 0x80 && first != 0xde && first != 0xdf)
        return sm_err_set(err, SM_E_USAGE, "args: must be a map");
    if (out->size - at > ARGS_MOST)
        return sm_err_set(err, SM_E_USAGE, "args: more than 1 MiB; put large data into input");
    return 0;
}

static size_t count(const struct sm_job_spec *job)
{
    return 2u + (job->args_json != NULL || job->args != NULL) + (job->input != NULL) +
           (job->tags_n > 0) + (job->at_ms != 0) + (job->in_ms != 0) + (job->expires_ms != 0) +
           (job->timeout_ms != 0) + (job->max_attempts != 0) + (job->backoff_ms != 0) +
           (job->backoff_max_ms != 0);
}

static int encode(const struct sm_job_spec *job, const struct sm_id *id, struct sm_buf *out,
                  struct sm_err *err)
{
    msgpack_packer pk;
    msgpack_packer_init(&pk, out, sm_buf_msgpack_write);
    msgpack_pack_map(&pk, count(job));
    put_key(&pk, "id");
    msgpack_pack_bin(&pk, 16);
    msgpack_pack_bin_body(&pk, id->b, 16);
    put_key(&pk, "type");
    put_key(&pk, job->type);
    int rc = put_args(&pk, job, out, err);
    if (rc != 0)
        return rc;
    put_int(&pk, "at_ms", job->at_ms);
    put_int(&pk, "in_ms", job->in_ms);
    put_int(&pk, "expires_ms", job->expires_ms);
    put_int(&pk, "timeout_ms", job->timeout_ms);
    put_int(&pk, "max_attempts", job->max_attempts);
    put_int(&pk, "backoff_ms", job->backoff_ms);
    put_int(&pk, "backoff_max_ms", job->backoff_max_ms);
    if (job->tags_n > 0) {
        put_key(&pk, "tags");
        msgpack_pack_map(&pk, job->tags_n);
        for (size_t i = 0; i < job->tags_n; i++) {
            put_key(&pk, job->tags[i].key);
            put_key(&pk, job->tags[i].value);
        }
    }
    if (job->input != NULL) {
        put_key(&pk, "input");
        msgpack_pack_bin(&pk, job->input_size);
        msgpack_pack_bin_body(&pk, job->input, job->input_size);
    }
    return out->full ? sm_err_set(err, SM_E_NO_MEMORY, "no memory for the job") : 0;
}

/* ---- sending -- */

static int append(struct sm_client *client, const struct sm_job_spec *job, const struct sm_id *id,
                  struct sm_buf *scratch, struct sm_err *err)
{
    char key[96];
    sm_buf_clear(scratch);
    int rc = encode(job, id, scratch, err);
    if (rc != 0)
        return rc;
    snprintf(key, sizeof key, "sm:{%s}:jobs", job->queue == NULL ? "default" : job->queue);
    const char *argv[] = {"XADD", key, "*", "job", scratch->data};
    const size_t sizes[] = {4, strlen(key), 1, 3, scratch->size};
    return sm_conn_append(&client->conn, 5, argv, sizes, err);
}

/* Sends jobs [from, to) and reads their answers; *taken counts those from the front that are surely
 * in. */
static int send_window(struct sm_client *client, const struct sm_job_spec *jobs,
                       const struct sm_id *ids, size_t from, size_t to, struct sm_buf *scratch,
                       size_t *taken, struct sm_err *err)
{
    struct sm_err later;
    int rc = 0, first = 0;
    for (size_t i = from; rc == 0 && i < to; i++)
        rc = append(client, &jobs[i], &ids[i], scratch, err);
    if (rc == 0)
        rc = sm_conn_flush(&client->conn, err);
    for (size_t i = from; rc == 0 && i < to; i++) {
        redisReply *reply;
        int one = sm_conn_reply(&client->conn, client->conn.timeout_ms * 1000, &reply,
                                first == 0 ? err : &later);
        if (one == 1)
            one = sm_err_set(first == 0 ? err : &later, SM_E_TIMEOUT,
                             "Redis: did not answer in time");
        if (one == 0) {
            freeReplyObject(reply);
            *taken += first == 0;
        } else if (first == 0) {
            first = one;
        }
        if (one == SM_E_TIMEOUT)
            sm_conn_close(&client->conn);
        if (client->conn.c == NULL)
            return first;
    }
    if (rc != 0)
        sm_conn_close(&client->conn);
    return rc != 0 ? rc : first;
}

int sm_enqueue_many(struct sm_client *client, const struct sm_job_spec *jobs, size_t n,
                    struct sm_id *ids, size_t *enqueued, struct sm_err *err)
{
    struct sm_buf scratch;
    size_t taken = 0;
    int rc = 0;
    if (enqueued != NULL)
        *enqueued = 0;
    for (size_t i = 0; i < n; i++)
        if ((rc = check(&jobs[i], err)) != 0)
            return rc;
    struct sm_id *named = ids != NULL ? ids : malloc((n + 1) * sizeof *named);
    if (named == NULL)
        return sm_err_set(err, SM_E_NO_MEMORY, "no memory");
    for (size_t i = 0; i < n; i++)
        named[i] = jobs[i].id != NULL ? *jobs[i].id : sm_id_new();
    if (client->conn.c == NULL)
        rc = sm_conn_open(&client->conn, &client->url, 5000, err);
    sm_buf_init(&scratch, 0);
    for (size_t at = 0; rc == 0 && at < n; at += WINDOW)
        rc = send_window(client, jobs, named, at, at + WINDOW < n ? at + WINDOW : n, &scratch,
                         &taken, err);
    sm_buf_free(&scratch);
    if (named != ids)
        free(named);
    if (enqueued != NULL)
        *enqueued = taken;
    return rc;
}

int sm_enqueue(struct sm_client *client, const struct sm_job_spec *job, struct sm_id *id,
               struct sm_err *err)
{
    struct sm_id own;
    return sm_enqueue_many(client, job, 1, id == NULL ? &own : id, NULL, err);
}
