/*
 * Reading entries: what the scan takes off the wire becomes deliveries, each with one block of
 * memory that its job owns from then on.
 *
 * Ordinary replies go through hiredis's reader, those with entries through the scan and a buffer of
 * its own. The two meet behind a fetch alone: what the buffer holds past the fetch's reply is given
 * to hiredis.
 */
#include "queue/redis_queue.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define READ_ROOM 65536
#define AHEAD 8 /* single entries asked for at once */

void sm_tries_parse(const char *text, size_t size, struct sm_tries *tries)
{
    char copy[96];
    memset(tries, 0, sizeof *tries);
    snprintf(copy, sizeof copy, "%.*s", (int)(size > 95 ? 95 : size), text == NULL ? "" : text);
    sscanf(copy, "%" SCNd32 " %" SCNd32 " %" SCNd32 " %" SCNd32 " %" SCNd32 " %" SCNd32,
           &tries->attempts, &tries->crashes, &tries->evident, &tries->losses, &tries->again,
           &tries->takes);
}

void sm_tries_format(const struct sm_tries *tries, char text[96])
{
    text[0] = '\0';
    if (sm_tries_any(tries))
        snprintf(text, 96, "%" PRId32 " %" PRId32 " %" PRId32 " %" PRId32 " %" PRId32 " %" PRId32,
                 tries->attempts, tries->crashes, tries->evident, tries->losses, tries->again,
                 tries->takes);
}

/* ---- one entry -- */

static void refuse(struct sm_delivery *d, int code, const char *text)
{
    free(d->error_text);
    d->code = code;
    d->error_text = strdup(text);
}

/* The scan's ready entry as a delivery. Decoding fails for what was cut, and finds the id first. */
static int deliver(struct sm_redis_queue *q, int queue, struct sm_delivery *d, struct sm_err *err)
{
    const struct sm_redis_keys *keys = &q->keys[queue];
    struct sm_scan *scan = &q->scan;
    struct sm_field fields[SM_FIELDS_MOST];
    struct sm_entry_origin origin = {keys->name, keys->incarnation, scan->entry};
    struct sm_err why;
    size_t n = 0;
    memset(d, 0, sizeof *d);
    d->queue = queue;
    d->entry = scan->entry;
    if (sm_scan_take(scan, &d->job.memory, &d->job.memory_size, fields, &n) != 0)
        return sm_err_set(err, SM_E_NO_MEMORY, "no memory for a job");
    if (sm_job_decode(&d->job, &origin, fields, n, &why) != 0)
        refuse(d, why.code, why.text);
    if (scan->crowded) {
        refuse(d, SM_E_BAD_ENVELOPE, "the entry has more than 64 fields");
    } else if (scan->too_large) {
        sm_err_set(&why, SM_E_TOO_LARGE,
                   "the entry has %zu bytes, more than the %zu this worker takes", scan->wire,
                   scan->entry_limit);
        refuse(d, why.code, why.text);
    }
    return 0;
}

void sm_redis_forget(struct sm_intake *in)
{
    for (size_t i = 0; i < in->n; i++) {
        sm_job_free(&in->items[i].job);
        free(in->items[i].error_text);
    }
    in->n = 0;
}

/* ---- one reply -- */

void sm_redis_read_start(struct sm_redis_queue *q, enum sm_scan_form form, size_t entry_limit,
                         size_t budget)
{
    sm_scan_start(&q->scan, form, entry_limit, budget);
}

static int take_ready(struct sm_redis_queue *q, int queue, bool skip_over, struct sm_intake *in,
                      struct sm_err *err)
{
    struct sm_scan *scan = &q->scan;
    if (scan->gone || (scan->over && skip_over))
        return 0;
    if (scan->over)
        return sm_err_set(err, SM_E_OVER_BUDGET,
                          "Redis: the reply is larger than the memory left for it");
    if (in->n == in->room)
        return sm_err_set(err, SM_E_SERVER, "Redis: more entries than were asked for");
    int rc = deliver(q, queue, &in->items[in->n], err);
    if (rc != 0)
        return rc;
    size_t size = in->items[in->n++].job.memory_size;
    in->largest = scan->wire > in->largest ? scan->wire : in->largest;
    scan->budget -= size < scan->budget ? size : scan->budget;
    return 0;
}

/* 0: the reply is complete; 1: more is to come; or a failure. */
static int feed(struct sm_redis_queue *q, int queue, bool skip_over, struct sm_intake *in,
                struct sm_err *err)
{
    for (;;) {
        size_t used;
        enum sm_scan_event event =
            sm_scan_feed(&q->scan, q->in + q->in_at, q->in_n - q->in_at, &used);
        int rc = 0;
        q->in_at += used;
        if (event == SM_SCAN_MORE)
            return 1;
        if (event == SM_SCAN_END)
            return 0;
        if (event == SM_SCAN_ERROR)
            return sm_conn_refused(&q->conn, q->scan.error, err);
        if (event == SM_SCAN_BROKEN)
            rc = sm_err_set(err, SM_E_SERVER, "Redis: %s", q->scan.error);
        else
            rc = take_ready(q, queue, skip_over, in, err);
        if (rc != 0) { /* the rest of the reply is never read */
            sm_conn_close(&q->conn);
            return rc;
        }
    }
}

int sm_redis_read(struct sm_redis_queue *q, int queue, bool skip_over, int64_t wait_us,
                  struct sm_intake *in, struct sm_err *err)
{
    int64_t until = sm_mono_us(&sm_clock_real) + wait_us;
    if (q->in == NULL && (q->in = malloc(READ_ROOM)) == NULL)
        return sm_err_set(err, SM_E_NO_MEMORY, "no memory to read Redis");
    for (;;) {
        int rc = feed(q, queue, skip_over, in, err);
        if (rc != 1)
            return rc;
        int64_t left = until - sm_mono_us(&sm_clock_real);
        q->in_at = q->in_n = 0;
        rc = sm_conn_receive(&q->conn, left < 0 ? 0 : left, q->in, READ_ROOM, &q->in_n, err);
        if (rc != 0)
            return rc;
        in->bytes += q->in_n;
        q->deadline_us = sm_mono_us(&sm_clock_real) + (int64_t)q->conn.timeout_ms * 1000;
    }
}

/* Reads a reply to its end; a server that sends nothing for a read time-out is lost. */
static int read_whole(struct sm_redis_queue *q, int queue, bool skip_over, struct sm_intake *in,
                      struct sm_err *err)
{
    int rc;
    q->deadline_us = sm_mono_us(&sm_clock_real) + (int64_t)q->conn.timeout_ms * 1000;
    while ((rc = sm_redis_read(q, queue, skip_over, 100000, in, err)) == 1)
        if (sm_mono_us(&sm_clock_real) > q->deadline_us) {
            sm_conn_close(&q->conn);
            return sm_err_set(err, SM_E_TIMEOUT, "Redis: did not answer in time");
        }
    return rc;
}

int sm_redis_range(struct sm_redis_queue *q, int queue, const char *verb, const char *from,
                   const char *to, size_t entry_limit, struct sm_intake *in, struct sm_err *err)
{
    struct sm_args args = {.n = 0};
    char counted[24];
    snprintf(counted, sizeof counted, "%zu", in->room - in->n);
    const char *const words[] = {verb, q->keys[queue].jobs, from, to, "COUNT", counted};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        sm_args_add(&args, words[i]);
    int rc = sm_conn_append(&q->conn, args.n, args.arg, args.size, err);
    if (rc == 0)
        rc = sm_conn_flush(&q->conn, err);
    q->in_at = q->in_n = 0;
    sm_redis_read_start(q, SM_SCAN_RANGE, entry_limit, SIZE_MAX);
    return rc == 0 ? read_whole(q, queue, false, in, err) : rc;
}

/* ---- entries that are owned already -- */

static int ask_tries(struct sm_redis_queue *q, int queue, const struct sm_entry_id *ids, size_t n,
                     struct sm_tries *tries, struct sm_err *err)
{
    struct sm_words words;
    redisReply *reply = NULL;
    if (sm_words_init(&words, 2, n) != 0)
        return sm_err_set(err, SM_E_NO_MEMORY, "no memory");
    sm_words_add(&words, "HMGET");
    sm_words_add(&words, q->keys[queue].tries);
    for (size_t i = 0; i < n; i++)
        sm_words_add_id(&words, ids[i]);
    int rc = sm_conn_call(&q->conn, words.n, words.arg, words.size, &reply, err);
    for (size_t i = 0; rc == 0 && i < n && i < reply->elements; i++)
        sm_tries_parse(reply->element[i]->str, reply->element[i]->len, &tries[i]);
    if (reply != NULL)
        freeReplyObject(reply);
    sm_words_free(&words);
    return rc;
}

/* When those that are parked are due. */
static int ask_due(struct sm_redis_queue *q, int queue, const struct sm_entry_id *ids, size_t n,
                   int64_t *due_ms, struct sm_err *err)
{
    struct sm_words words;
    redisReply *reply = NULL;
    if (sm_words_init(&words, 2, n) != 0)
        return sm_err_set(err, SM_E_NO_MEMORY, "no memory");
    sm_words_add(&words, "ZMSCORE");
    sm_words_add(&words, q->keys[queue].later);
    for (size_t i = 0; i < n; i++)
        sm_words_add_id(&words, ids[i]);
    int rc = sm_conn_call(&q->conn, words.n, words.arg, words.size, &reply, err);
    for (size_t i = 0; rc == 0 && i < n && i < reply->elements; i++)
        due_ms[i] = reply->element[i]->str == NULL ? 0 : strtoll(reply->element[i]->str, NULL, 10);
    if (reply != NULL)
        freeReplyObject(reply);
    sm_words_free(&words);
    return rc;
}

/* ---- behind a fetch -- */

int sm_redis_ask_making(struct sm_redis_queue *q, int queue, struct sm_err *err)
{
    struct sm_args args = {.n = 0};
    const char *const words[] = {"HMGET", q->keys[queue].meta, "incarnation", "remade"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        sm_args_add(&args, words[i]);
    return sm_conn_append(&q->conn, args.n, args.arg, args.size, err);
}

int sm_redis_read_making(struct sm_redis_queue *q, int queue, struct sm_err *err)
{
    struct sm_redis_keys *keys = &q->keys[queue];
    redisReply *reply = NULL;
    int rc = sm_conn_unread(&q->conn, q->in + q->in_at, q->in_n - q->in_at, err);
    q->in_at = q->in_n = 0;
    if (rc == 0)
        rc = sm_conn_reply(&q->conn, q->conn.timeout_ms * 1000, &reply, err);
    if (rc == 1) {
        sm_conn_close(&q->conn);
        rc = sm_err_set(err, SM_E_TIMEOUT, "Redis: did not answer in time");
    }
    if (rc != 0)
        return rc;
    const redisReply *const *value = (const redisReply *const *)reply->element;
    if (reply->elements != 2 || value[0]->str == NULL ||
        strcmp(value[0]->str, keys->incarnation) != 0) {
        rc = sm_err_set(err, SM_E_NO_GROUP, "queue %s was made anew by another worker", keys->name);
        sm_conn_close(&q->conn);
    } else if (value[1]->str != NULL) {
        sm_entry_id_parse(value[1]->str, value[1]->len, &keys->remade);
    }
    freeReplyObject(reply);
    return rc;
}

static void put_off(struct sm_delivery *item, int64_t due_ms)
{
    if (due_ms > item->job.due_ms)
        item->job.due_ms = due_ms;
}

int sm_redis_recall(struct sm_redis_queue *q, int queue, struct sm_intake *in, struct sm_err *err)
{
    struct sm_entry_id ids[SM_REDIS_MOST];
    struct sm_tries tries[SM_REDIS_MOST];
    int64_t due_ms[SM_REDIS_MOST];
    int rc = 0;
    for (size_t at = 0, n; rc == 0 && at < in->n; at += n) {
        for (n = 0; at + n < in->n && n < SM_REDIS_MOST; n++)
            ids[n] = in->items[at + n].entry;
        if (sm_entry_id_compare(ids[0], q->keys[queue].remade) > 0)
            break; /* they come in order: from here on all are new */
        rc = ask_tries(q, queue, ids, n, tries, err);
        if (rc == 0)
            rc = ask_due(q, queue, ids, n, due_ms, err);
        for (size_t i = 0; rc == 0 && i < n; i++) {
            in->items[at + i].tries = tries[i];
            in->items[at + i].repeated = true;
            put_off(&in->items[at + i], due_ms[i]);
        }
    }
    return rc;
}

static int ask_entries(struct sm_redis_queue *q, int queue, const struct sm_entry_id *ids, size_t n,
                       struct sm_err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        char id[SM_ENTRY_ID_TEXT];
        struct sm_args args = {.n = 0};
        sm_entry_id_format(ids[i], id);
        sm_args_add(&args, "XRANGE");
        sm_args_add(&args, q->keys[queue].jobs);
        sm_args_add(&args, id);
        sm_args_add(&args, id);
        rc = sm_conn_append(&q->conn, args.n, args.arg, args.size, err);
    }
    return rc == 0 ? sm_conn_flush(&q->conn, err) : rc;
}

/* What take is busy with. */
struct taking {
    struct sm_redis_queue *q;
    int queue;
    size_t entry_limit, budget;
    struct sm_intake *in;
    struct sm_entry_id gone[SM_REDIS_MOST];
    size_t gone_n;
    bool stopped; /* the budget is spent */
};

/* Reads the answers for n ids. An entry that is gone leaves a pending id, which is settled: it was
 * trimmed by somebody, or its settle was cut in two. */
static int take_some(struct taking *t, const struct sm_entry_id *ids, const struct sm_tries *tries,
                     const int64_t *due_ms, size_t n, struct sm_err *err)
{
    struct sm_redis_queue *q = t->q;
    int rc = ask_entries(q, t->queue, ids, n, err);
    q->in_at = q->in_n = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        size_t before = t->in->n;
        q->scan.over = false;
        sm_redis_read_start(q, SM_SCAN_RANGE, t->entry_limit, t->stopped ? 0 : t->budget);
        rc = read_whole(q, t->queue, true, t->in, err);
        if (rc != 0)
            break;
        if (t->in->n > before) {
            t->in->items[before].tries = tries[i];
            put_off(&t->in->items[before], due_ms[i]);
            t->budget = q->scan.budget;
        } else if (q->scan.over) {
            t->stopped = true;
        } else {
            t->gone[t->gone_n++] = ids[i];
        }
    }
    if (rc != 0)
        sm_conn_close(&q->conn); /* answers are under way still */
    return rc;
}

int sm_redis_take(struct sm_redis_queue *q, int queue, const struct sm_entry_id *ids,
                  const struct sm_tries *tries, size_t n, size_t entry_limit, size_t budget,
                  struct sm_intake *in, struct sm_err *err)
{
    struct sm_tries asked[SM_REDIS_MOST] = {{0}};
    int64_t due_ms[SM_REDIS_MOST] = {0};
    struct taking t = {
        .q = q, .queue = queue, .entry_limit = entry_limit, .budget = budget, .in = in};
    n = n > SM_REDIS_MOST ? SM_REDIS_MOST : n;
    n = n > in->room - in->n ? in->room - in->n : n;
    int rc = tries != NULL || n == 0 ? 0 : ask_tries(q, queue, ids, n, asked, err);
    if (rc == 0 && tries == NULL && n > 0)
        rc = ask_due(q, queue, ids, n, due_ms, err);
    for (size_t at = 0; rc == 0 && at < n && !t.stopped; at += AHEAD)
        rc = take_some(&t, ids + at, (tries != NULL ? tries : asked) + at, due_ms + at,
                       n - at < AHEAD ? n - at : AHEAD, err);
    if (rc == 0 && t.gone_n > 0)
        rc = sm_redis_settle(&q->base, queue, t.gone, t.gone_n, t.gone, t.gone_n, err);
    in->gone += t.gone_n;
    if (rc != 0)
        sm_redis_forget(in);
    return rc;
}
