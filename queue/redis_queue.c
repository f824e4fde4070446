/*
 * The queue on Redis: connecting, fetching, ticking. What moves owners is redis_owner.c, what reads
 * entries redis_read.c.
 */
#include "queue/redis_queue.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/uuid.h"

void sm_redis_keys_make(struct sm_redis_keys *keys, const char *name)
{
    snprintf(keys->name, sizeof keys->name, "%s", name);
    snprintf(keys->jobs, sizeof keys->jobs, "sm:{%s}:jobs", keys->name);
    snprintf(keys->later, sizeof keys->later, "sm:{%s}:later", keys->name);
    snprintf(keys->tries, sizeof keys->tries, "sm:{%s}:tries", keys->name);
    snprintf(keys->workers, sizeof keys->workers, "sm:{%s}:workers", keys->name);
    snprintf(keys->cancelled, sizeof keys->cancelled, "sm:{%s}:cancelled", keys->name);
    snprintf(keys->meta, sizeof keys->meta, "sm:{%s}:meta", keys->name);
    keys->incarnation[0] = '\0';
}

int sm_words_init(struct sm_words *words, size_t fixed, size_t ids)
{
    memset(words, 0, sizeof *words);
    words->room = (int)(fixed + ids);
    words->arg = malloc((fixed + ids) * sizeof *words->arg);
    words->size = malloc((fixed + ids) * sizeof *words->size);
    words->text = malloc(ids * SM_ENTRY_ID_TEXT + 1);
    if (words->arg != NULL && words->size != NULL && words->text != NULL)
        return 0;
    sm_words_free(words);
    return SM_E_NO_MEMORY;
}

void sm_words_add(struct sm_words *words, const char *text)
{
    SM_ASSERT(words->n < words->room);
    words->arg[words->n] = text;
    words->size[words->n++] = strlen(text);
}

static size_t print_u64(char *to, uint64_t value)
{
    char digits[20];
    size_t n = 0;
    do
        digits[n++] = (char)('0' + value % 10);
    while ((value /= 10) != 0);
    for (size_t i = 0; i < n; i++)
        to[i] = digits[n - 1 - i];
    return n;
}

void sm_words_add_id(struct sm_words *words, struct sm_entry_id id)
{
    char *text = words->text + words->used;
    SM_ASSERT(words->n < words->room);
    size_t n = print_u64(text, id.ms);
    text[n++] = '-';
    n += print_u64(text + n, id.seq);
    words->arg[words->n] = text;
    words->size[words->n++] = n;
    words->used += n;
}

void sm_words_add_int(struct sm_words *words, int64_t value)
{
    char *text = words->text + words->used;
    size_t n = 0;
    SM_ASSERT(words->n < words->room);
    if (value < 0)
        text[n++] = '-';
    n += print_u64(text + n, value < 0 ? -(uint64_t)value : (uint64_t)value);
    words->arg[words->n] = text;
    words->size[words->n++] = n;
    words->used += n;
}

void sm_words_free(struct sm_words *words)
{
    free(words->arg);
    free(words->size);
    free(words->text);
}

/* ---- connecting -- */

static int open_queue(struct sm_redis_queue *q, struct sm_redis_keys *keys, struct sm_err *err)
{
    unsigned char random[16];
    char fresh[SM_INCARNATION_TEXT];
    redisReply *reply;
    sm_random(random, sizeof random);
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(fresh + 2 * i, 3, "%02x", random[i]);
    const char *argv[] = {keys->jobs, keys->meta, fresh};
    const size_t sizes[] = {strlen(keys->jobs), strlen(keys->meta), 32};
    int rc = sm_script_call(&q->conn, "open", 2, 3, argv, sizes, &reply, err);
    if (rc != 0)
        return rc;
    keys->remade = (struct sm_entry_id){0, 0};
    if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 && reply->element[0]->len == 32 &&
        sm_entry_id_parse(reply->element[1]->str, reply->element[1]->len, &keys->remade))
        memcpy(keys->incarnation, reply->element[0]->str, 33);
    else
        rc = sm_err_set(err, SM_E_CONFIG,
                        "%s: \"incarnation\" or \"remade\" was not made by Stampmill", keys->meta);
    freeReplyObject(reply);
    return rc;
}

static int register_queues(struct sm_redis_queue *q, struct sm_err *err)
{
    const char *argv[SM_REDIS_QUEUES + 1] = {"sm:queues"};
    size_t sizes[SM_REDIS_QUEUES + 1] = {9};
    redisReply *reply;
    for (int i = 0; i < q->keys_n; i++) {
        argv[i + 1] = q->keys[i].name;
        sizes[i + 1] = strlen(q->keys[i].name);
    }
    int rc = sm_script_call(&q->conn, "register", 1, q->keys_n + 1, argv, sizes, &reply, err);
    if (rc == 0)
        freeReplyObject(reply);
    return rc;
}

/* A policy that evicts loses jobs without a trace. INFO works where CONFIG is blocked. */
static int check_policy(struct sm_redis_queue *q, struct sm_err *err)
{
    struct sm_args args = {.n = 0};
    redisReply *reply;
    sm_args_add(&args, "INFO");
    sm_args_add(&args, "memory");
    int rc = sm_conn_call_args(&q->conn, &args, &reply, err);
    if (rc != 0)
        return rc;
    const char *policy = strstr(reply->str, "maxmemory_policy:");
    if (policy != NULL && !q->allow_eviction && strncmp(policy + 17, "noeviction", 10) != 0)
        rc = sm_err_set(
            err, SM_E_UNSAFE,
            "Redis may evict jobs (maxmemory-policy %.*s): set it to noeviction, or start with "
            "--allow-eviction",
            (int)strcspn(policy + 17, "\r\n"), policy + 17);
    freeReplyObject(reply);
    return rc;
}

static int q_connect(struct sm_queue *queue, int wait_ms, struct sm_err *err)
{
    struct sm_redis_queue *q = sm_redis_self(queue);
    q->fetching = -1;
    sm_redis_forget(&q->got);
    int rc = sm_conn_open(&q->conn, &q->url, wait_ms, err);
    if (rc == 0)
        rc = sm_conn_identify(&q->conn, err);
    if (rc == 0)
        rc = check_policy(q, err);
    for (int i = 0; rc == 0 && i < q->keys_n; i++)
        rc = open_queue(q, &q->keys[i], err);
    if (rc == 0)
        rc = register_queues(q, err);
    if (rc != 0)
        sm_conn_close(&q->conn);
    return rc;
}

/* ---- fetching -- */

/* Room for what one fetch may bring: it stays here until its reply is complete. */
static bool make_room(struct sm_intake *got, size_t count)
{
    *got = (struct sm_intake){.items = got->items, .room = got->room};
    if (count <= got->room)
        return true;
    struct sm_delivery *more = realloc(got->items, count * sizeof *more);
    if (more == NULL)
        return false;
    got->items = more;
    got->room = count;
    return true;
}

static int q_fetch_start(struct sm_queue *queue, int index, unsigned count, int block_ms,
                         size_t budget, struct sm_err *err)
{
    struct sm_redis_queue *q = sm_redis_self(queue);
    struct sm_args args = {.n = 0};
    char counted[12], block[12];
    SM_ASSERT(q->fetching < 0);
    if (!make_room(&q->got, count))
        return sm_err_set(err, SM_E_NO_MEMORY, "no memory to fetch");
    snprintf(counted, sizeof counted, "%u", count);
    snprintf(block, sizeof block, "%d", block_ms);
    const char *const head[] = {"XREADGROUP", "GROUP", "mill", q->worker, "COUNT", counted};
    for (size_t i = 0; i < sizeof head / sizeof *head; i++)
        sm_args_add(&args, head[i]);
    if (block_ms > 0) {
        sm_args_add(&args, "BLOCK");
        sm_args_add(&args, block);
    }
    sm_args_add(&args, "STREAMS");
    sm_args_add(&args, q->keys[index].jobs);
    sm_args_add(&args, ">");
    int rc = sm_conn_append(&q->conn, args.n, (const char **)args.arg, args.size, err);
    if (rc == 0)
        rc = sm_redis_ask_making(q, index, err);
    if (rc == 0)
        rc = sm_conn_flush(&q->conn, err);
    if (rc != 0)
        return rc;
    q->in_at = q->in_n = 0;
    q->deadline_us = sm_mono_us(&sm_clock_real) + (int64_t)(block_ms + q->conn.timeout_ms) * 1000;
    sm_redis_read_start(q, SM_SCAN_FETCH, q->entry_limit, budget);
    q->fetching = index;
    return 0;
}

/* Hands over what the fetch brought. */
static void hand_over(struct sm_redis_queue *q, struct sm_intake *in)
{
    SM_ASSERT(q->got.n <= in->room - in->n);
    memcpy(in->items + in->n, q->got.items, q->got.n * sizeof *in->items);
    in->n += q->got.n;
    in->bytes += q->got.bytes;
    in->gone += q->got.gone;
    in->largest = q->got.largest > in->largest ? q->got.largest : in->largest;
    q->got.n = 0;
}

/* The fetch's reply is complete, or has failed with `rc`: what follows it. */
static int end_fetch(struct sm_redis_queue *q, int rc, struct sm_err *err)
{
    struct sm_err second;
    int index = q->fetching;
    q->fetching = -1;
    if (rc == 0)
        rc = sm_redis_read_making(q, index, err);
    else if (q->conn.c != NULL) /* refused: the connection is of use once the second is read */
        sm_redis_read_making(q, index, &second);
    return rc == 0 ? sm_redis_recall(q, index, &q->got, err) : rc;
}

static int q_fetch_wait(struct sm_queue *queue, int64_t wait_us, struct sm_intake *in,
                        struct sm_err *err)
{
    struct sm_redis_queue *q = sm_redis_self(queue);
    SM_ASSERT(q->fetching >= 0);
    int rc = sm_redis_read(q, q->fetching, false, wait_us, &q->got, err);
    if (rc == 1 && sm_mono_us(&sm_clock_real) > q->deadline_us) {
        sm_conn_close(&q->conn);
        rc = sm_err_set(err, SM_E_TIMEOUT, "Redis: did not answer in time");
    }
    if (rc == 1)
        return 1;
    rc = end_fetch(q, rc, err);
    if (rc == 0)
        hand_over(q, in);
    else
        sm_redis_forget(&q->got);
    return rc;
}

static int q_fetch_fd(struct sm_queue *queue)
{
    struct sm_redis_queue *q = sm_redis_self(queue);
    return q->fetching < 0 || q->conn.c == NULL ? -1 : q->conn.c->fd;
}

/* The answer of tick.lua after its first two numbers: pairs of id and tries. */
static size_t read_tick(const redisReply *reply, struct sm_entry_id *ids, struct sm_tries *tries)
{
    size_t n = 0;
    for (size_t i = 2; i + 1 < reply->elements && n < SM_REDIS_MOST; i += 2) {
        const redisReply *id = reply->element[i], *text = reply->element[i + 1];
        if (id->type == REDIS_REPLY_STRING && sm_entry_id_parse(id->str, id->len, &ids[n]))
            sm_tries_parse(text->str, text->len, &tries[n++]);
    }
    return n;
}

static int q_tick(struct sm_queue *queue, int index, unsigned want, size_t budget,
                  struct sm_intake *in, int64_t *next_due_ms, struct sm_err *err)
{
    struct sm_redis_queue *q = sm_redis_self(queue);
    const struct sm_redis_keys *keys = &q->keys[index];
    struct sm_entry_id ids[SM_REDIS_MOST];
    struct sm_tries tries[SM_REDIS_MOST];
    char wanted[12];
    redisReply *reply;
    snprintf(wanted, sizeof wanted, "%u", want > SM_REDIS_MOST ? SM_REDIS_MOST : want);
    const char *argv[] = {keys->jobs, keys->later, keys->tries, keys->cancelled, q->worker, wanted};
    const size_t sizes[] = {strlen(keys->jobs),      strlen(keys->later), strlen(keys->tries),
                            strlen(keys->cancelled), strlen(q->worker),   strlen(wanted)};
    int rc = sm_script_call(&q->conn, "tick", 4, 6, argv, sizes, &reply, err);
    if (rc != 0)
        return rc;
    size_t n = 0;
    *next_due_ms = -1;
    if (reply->type == REDIS_REPLY_ARRAY && reply->elements > 1) {
        *next_due_ms = reply->element[0]->integer;
        in->cancel_ms = reply->element[1]->integer;
        n = read_tick(reply, ids, tries);
    }
    freeReplyObject(reply);
    return n == 0 ? 0 : sm_redis_take(q, index, ids, tries, n, q->entry_limit, budget, in, err);
}

static int q_take(struct sm_queue *queue, int index, const struct sm_entry_id *ids, size_t n,
                  size_t entry_limit, size_t budget, struct sm_intake *in, struct sm_err *err)
{
    return sm_redis_take(sm_redis_self(queue), index, ids, NULL, n, entry_limit, budget, in, err);
}

static const char *q_incarnation(const struct sm_queue *queue, int index)
{
    return ((const struct sm_redis_queue *)queue)->keys[index].incarnation;
}

static const char *q_run_id(const struct sm_queue *queue)
{
    return ((const struct sm_redis_queue *)queue)->conn.run_id;
}

static void q_rename(struct sm_queue *queue, const char *worker)
{
    struct sm_redis_queue *q = sm_redis_self(queue);
    SM_ASSERT(strlen(worker) < sizeof q->worker);
    sm_conn_close(&q->conn); /* what is under way must not be given to the old name */
    q->fetching = -1;
    sm_redis_forget(&q->got);
    strcpy(q->worker, worker);
}

static void q_close(struct sm_queue *queue)
{
    struct sm_redis_queue *q = sm_redis_self(queue);
    sm_conn_close(&q->conn);
    sm_redis_forget(&q->got);
    sm_scan_free(&q->scan);
    free(q->got.items);
    free(q->in);
    explicit_bzero(&q->url, sizeof q->url); /* it holds the password */
    free(q);
}

static const struct sm_queue_ops ops = {
    .connect = q_connect,
    .fetch_start = q_fetch_start,
    .fetch_wait = q_fetch_wait,
    .fetch_fd = q_fetch_fd,
    .tick = q_tick,
    .take = q_take,
    .owned = sm_redis_owned,
    .settle = sm_redis_settle,
    .drop = sm_redis_drop,
    .still_owned = sm_redis_still_owned,
    .park = sm_redis_park,
    .charge = sm_redis_charge,
    .cancelled = sm_redis_cancelled,
    .beat = sm_redis_beat,
    .census = sm_redis_census,
    .offers = sm_redis_offers,
    .report = sm_redis_report,
    .reclaim = sm_redis_reclaim,
    .pardon = sm_redis_pardon,
    .rename = q_rename,
    .incarnation = q_incarnation,
    .run_id = q_run_id,
    .close = q_close,
};

struct sm_queue *sm_redis_queue_new(const struct sm_redis_options *options)
{
    struct sm_redis_queue *q = calloc(1, sizeof *q);
    struct sm_err err;
    if (q == NULL)
        return NULL;
    SM_ASSERT(options->queues_n <= SM_REDIS_QUEUES && strlen(options->worker) < sizeof q->worker);
    SM_ASSERT(sm_redis_url_parse(options->url, &q->url, &err) ==
              0); /* sm_redis_url_check came first */
    q->base.ops = &ops;
    q->conn.timeout_ms = options->read_timeout_ms > 0 ? options->read_timeout_ms : 2000;
    q->fetching = -1;
    q->entry_limit = options->entry_limit;
    q->allow_eviction = options->allow_eviction;
    strcpy(q->worker, options->worker);
    for (int i = 0; i < options->queues_n; i++)
        sm_redis_keys_make(&q->keys[i], options->queues[i]);
    q->keys_n = options->queues_n;
    return &q->base;
}
