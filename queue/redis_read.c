/*
 * Reading entries: a reply becomes deliveries. All bytes of an entry are copied once, into one
 * block that the job owns from then on.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "queue/redis_queue.h"

#define FIELDS_MOST 64

void sm_tries_parse(const char *text, size_t size, struct sm_tries *tries)
{
    char copy[64];
    memset(tries, 0, sizeof *tries);
    snprintf(copy, sizeof copy, "%.*s", (int)(size > 63 ? 63 : size), text == NULL ? "" : text);
    sscanf(copy, "%" SCNd32 " %" SCNd32 " %" SCNd32 " %" SCNd32, &tries->attempts, &tries->crashes,
           &tries->suspect, &tries->releases);
}

void sm_tries_format(const struct sm_tries *tries, char text[64])
{
    text[0] = '\0';
    if ((tries->attempts | tries->crashes | tries->suspect | tries->releases) != 0)
        snprintf(text, 64, "%" PRId32 " %" PRId32 " %" PRId32 " %" PRId32, tries->attempts,
                 tries->crashes, tries->suspect, tries->releases);
}

static void refuse(struct sm_delivery *d, int code, const char *text)
{
    d->code = code;
    d->error_text = strdup(text);
}

/* The id of an entry whose fields were not read. */
static void identify(struct sm_redis_queue *q, struct sm_delivery *d)
{
    d->job.id = sm_entry_job_id(q->keys[d->queue].incarnation, q->keys[d->queue].name, d->entry);
    d->job.life = 1;
    d->job.enqueued_ms = (int64_t)(d->entry.ms & 0x7fffffffffffffff);
    d->job.type = d->job.args = (struct sm_bytes){"", 0};
}

static int copy_fields(const redisReply *fields, struct sm_field *out, struct sm_job *job)
{
    size_t total = 0;
    for (size_t i = 0; i < fields->elements; i++)
        total += fields->element[i]->len;
    job->memory = malloc(total + 1);
    if (job->memory == NULL)
        return SM_E_NO_MEMORY;
    job->memory_size = total;
    char *at = job->memory;
    for (size_t i = 0; i < fields->elements; i++) {
        struct sm_bytes *to = i % 2 == 0 ? &out[i / 2].name : &out[i / 2].value;
        *to = (struct sm_bytes){at, fields->element[i]->len};
        memcpy(at, fields->element[i]->str, fields->element[i]->len);
        at += fields->element[i]->len;
    }
    return 0;
}

int sm_redis_deliver(struct sm_redis_queue *q, int queue, const redisReply *entry,
                     struct sm_intake *in, struct sm_err *err)
{
    struct sm_delivery *d = &in->items[in->n];
    struct sm_field fields[FIELDS_MOST];
    struct sm_err why;
    memset(d, 0, sizeof *d);
    d->queue = queue;
    if (entry->type != REDIS_REPLY_ARRAY || entry->elements != 2 ||
        !sm_entry_id_parse(entry->element[0]->str, entry->element[0]->len, &d->entry))
        return sm_err_set(err, SM_E_SERVER, "Redis: an entry in an unknown form");
    in->n++;
    const redisReply *list = entry->element[1];
    const struct sm_redis_keys *keys = &q->keys[queue];
    struct sm_entry_origin origin = {keys->name, keys->incarnation, d->entry};
    if (list->type != REDIS_REPLY_ARRAY) {
        identify(q, d);
        refuse(d, SM_E_NOT_FOUND, "the entry was deleted from the stream before it could be read");
    } else if (list->elements / 2 > FIELDS_MOST) {
        identify(q, d);
        refuse(d, SM_E_BAD_ENVELOPE, "the entry has more than 64 fields");
    } else if (copy_fields(list, fields, &d->job) != 0) {
        in->n--;
        return sm_err_set(err, SM_E_NO_MEMORY, "no memory for a job");
    } else if (sm_job_decode(&d->job, &origin, fields, list->elements / 2, &why) != 0) {
        refuse(d, why.code, why.text);
    }
    if (d->job.memory_size > in->largest)
        in->largest = d->job.memory_size;
    if (d->code == 0 && d->job.input.n + d->job.args.n > q->entry_limit) {
        char text[120];
        snprintf(text, sizeof text, "input: %zu bytes, more than the %zu this worker takes",
                 d->job.input.n, q->entry_limit);
        refuse(d, SM_E_TOO_LARGE, text);
    }
    return 0;
}

/* One answer a call: sizes from measure.lua, tries from HMGET. */
static int measure(struct sm_redis_queue *q, int queue, const struct sm_entry_id *ids, size_t n,
                   bool want_tries, int64_t *bytes, struct sm_tries *tries, struct sm_err *err)
{
    struct sm_words words;
    redisReply *reply;
    if (sm_words_init(&words, 2, n) != 0)
        return sm_err_set(err, SM_E_NO_MEMORY, "no memory");
    sm_words_add(&words, want_tries ? "HMGET" : q->keys[queue].jobs);
    if (want_tries)
        sm_words_add(&words, q->keys[queue].tries);
    for (size_t i = 0; i < n; i++)
        sm_words_add_id(&words, ids[i]);
    int rc = want_tries ? sm_conn_call(&q->conn, words.n, words.arg, words.size, &reply, err)
                        : sm_script_call(&q->conn, "measure", 1, words.n, words.arg, words.size,
                                         &reply, err);
    for (size_t i = 0; rc == 0 && i < n && i < reply->elements; i++) {
        if (want_tries)
            sm_tries_parse(reply->element[i]->str, reply->element[i]->len, &tries[i]);
        else
            bytes[i] = reply->element[i]->integer;
    }
    if (rc == 0)
        freeReplyObject(reply);
    sm_words_free(&words);
    return rc;
}

static void deliver_unread(struct sm_redis_queue *q, int queue, struct sm_entry_id id,
                           int64_t bytes, size_t limit, struct sm_intake *in)
{
    struct sm_delivery *d = &in->items[in->n++];
    char text[120];
    memset(d, 0, sizeof *d);
    d->queue = queue;
    d->entry = id;
    identify(q, d);
    snprintf(text, sizeof text,
             "the entry has %" PRId64 " bytes, more than the %zu this worker takes", bytes, limit);
    if (bytes < 0)
        refuse(d, SM_E_NOT_FOUND, "the entry was deleted from the stream before it could be read");
    else
        refuse(d, SM_E_TOO_LARGE, text);
}

static int read_one(struct sm_redis_queue *q, int queue, struct sm_entry_id id,
                    struct sm_intake *in, struct sm_err *err)
{
    struct sm_args args = {.n = 0};
    char text[SM_ENTRY_ID_TEXT];
    redisReply *reply;
    sm_entry_id_format(id, text);
    sm_args_add(&args, "XRANGE");
    sm_args_add(&args, q->keys[queue].jobs);
    sm_args_add(&args, text);
    sm_args_add(&args, text);
    int rc = sm_conn_call_args(&q->conn, &args, &reply, err);
    if (rc != 0)
        return rc;
    if (reply->elements == 1)
        rc = sm_redis_deliver(q, queue, reply->element[0], in, err);
    else
        deliver_unread(q, queue, id, -1, 0, in);
    freeReplyObject(reply);
    return rc;
}

int sm_redis_take(struct sm_redis_queue *q, int queue, const struct sm_entry_id *ids,
                  const struct sm_tries *tries, size_t n, size_t entry_limit, size_t budget,
                  struct sm_intake *in, struct sm_err *err)
{
    int64_t bytes[100] = {0};
    struct sm_tries asked[100] = {{0}};
    size_t used = 0;
    if (n > 100)
        n = 100;
    int rc = measure(q, queue, ids, n, false, bytes, NULL, err);
    if (rc == 0 && tries == NULL)
        rc = measure(q, queue, ids, n, true, NULL, asked, err);
    for (size_t i = 0; rc == 0 && i < n && in->n < in->room; i++) {
        bool readable = bytes[i] >= 0 && (uint64_t)bytes[i] <= entry_limit;
        if (readable && used + (size_t)bytes[i] > budget)
            break;
        size_t at = in->n;
        if (readable)
            rc = read_one(q, queue, ids[i], in, err);
        else
            deliver_unread(q, queue, ids[i], bytes[i], entry_limit, in);
        if (in->n > at)
            in->items[at].tries = tries != NULL ? tries[i] : asked[i];
        used += readable ? (size_t)bytes[i] : 0;
    }
    return rc;
}
