/*
 * The calls that ask for or move owners: settle natively, everything else by scripts that check the
 * owner first. An entry never moves; only who owns it changes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "queue/redis_queue.h"

#define TIMEOUT_US(q) ((q)->conn.timeout_ms * 1000)

static int no_memory(struct sm_err *err)
{
    return sm_err_set(err, SM_E_NO_MEMORY, "no memory for a command");
}

/* One reply of a pipeline. */
static int next(struct sm_redis_queue *q, redisReply **reply, struct sm_err *err)
{
    int rc = sm_conn_reply(&q->conn, TIMEOUT_US(q), reply, err);
    if (rc != 1)
        return rc;
    sm_conn_close(&q->conn);
    return sm_err_set(err, SM_E_TIMEOUT, "Redis: did not answer in time");
}

/* Queues `verb key [mill] ids..` */
static int append_ids(struct sm_redis_queue *q, const char *verb, const char *key,
                      const char *group, const struct sm_entry_id *ids, size_t n,
                      struct sm_err *err)
{
    struct sm_words words;
    if (n == 0)
        return 0;
    if (sm_words_init(&words, 3, n) != 0)
        return no_memory(err);
    sm_words_add(&words, verb);
    sm_words_add(&words, key);
    if (group != NULL)
        sm_words_add(&words, group);
    for (size_t i = 0; i < n; i++)
        sm_words_add_id(&words, ids[i]);
    int rc = sm_conn_append(&q->conn, words.n, words.arg, words.size, err);
    sm_words_free(&words);
    return rc;
}

int sm_redis_settle(struct sm_queue *queue, int index, const struct sm_entry_id *ids, size_t n,
                    const struct sm_entry_id *tried, size_t tried_n, struct sm_err *err)
{
    struct sm_redis_queue *q = sm_redis_self(queue);
    const struct sm_redis_keys *keys = &q->keys[index];
    redisReply *reply;
    /* in this order: a cut before XDEL leaves a job that runs once more, one before XACK a pending
     * id without a body, which heals */
    int rc = append_ids(q, "HDEL", keys->tries, NULL, tried, tried_n, err);
    if (rc == 0)
        rc = append_ids(q, "XDEL", keys->jobs, NULL, ids, n, err);
    if (rc == 0)
        rc = append_ids(q, "XACK", keys->jobs, "mill", ids, n, err);
    if (rc == 0)
        rc = sm_conn_flush(&q->conn, err);
    for (int replies = 2 + (tried_n > 0); rc == 0 && replies > 0; replies--)
        if ((rc = next(q, &reply, err)) == 0)
            freeReplyObject(reply);
    if (rc != 0)
        sm_conn_close(&q->conn); /* replies may be under way still */
    return rc;
}

int sm_redis_script(struct sm_redis_queue *q, const char *script, struct sm_words *words,
                    int keys_n, redisReply **reply, struct sm_err *err)
{
    int rc =
        sm_script_call(&q->conn, script, keys_n, words->n, words->arg, words->size, reply, err);
    sm_words_free(words);
    return rc;
}

int sm_redis_drop(struct sm_queue *queue, int index, const struct sm_owned *items, size_t n,
                  bool *owned, struct sm_err *err)
{
    struct sm_redis_queue *q = sm_redis_self(queue);
    struct sm_words words;
    redisReply *reply;
    SM_ASSERT(n > 0 && n <= SM_REDIS_MOST);
    if (sm_words_init(&words, 3, 2 * n) != 0)
        return no_memory(err);
    sm_words_add(&words, q->keys[index].jobs);
    sm_words_add(&words, q->keys[index].tries);
    sm_words_add(&words, q->worker);
    for (size_t i = 0; i < n; i++) {
        sm_words_add_id(&words, items[i].entry);
        sm_words_add_int(&words, items[i].takes);
    }
    int rc = sm_redis_script(q, "drop", &words, 2, &reply, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; owned != NULL && i < n; i++)
        owned[i] = i < reply->elements && reply->element[i]->integer == 1;
    freeReplyObject(reply);
    return 0;
}

/* Queues XPENDING key mill from to count worker. */
static int append_pending(struct sm_redis_queue *q, int index, const char *from, const char *to,
                          size_t count, struct sm_err *err)
{
    char counted[24];
    struct sm_args args = {.n = 0};
    snprintf(counted, sizeof counted, "%zu", count);
    const char *const words[] = {"XPENDING", q->keys[index].jobs, "mill", from, to, counted,
                                 q->worker};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        sm_args_add(&args, words[i]);
    return sm_conn_append(&q->conn, args.n, (const char **)args.arg, args.size, err);
}

int sm_redis_still_owned(struct sm_queue *queue, int index, const struct sm_entry_id *ids, size_t n,
                         bool *owned, struct sm_err *err)
{
    struct sm_redis_queue *q = sm_redis_self(queue);
    char id[SM_ENTRY_ID_TEXT];
    redisReply *reply;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        sm_entry_id_format(ids[i], id);
        rc = append_pending(q, index, id, id, 1, err);
    }
    if (rc == 0)
        rc = sm_conn_flush(&q->conn, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if ((rc = next(q, &reply, err)) != 0)
            break;
        owned[i] = reply->elements == 1;
        freeReplyObject(reply);
    }
    if (rc != 0)
        sm_conn_close(&q->conn);
    return rc;
}

int sm_redis_owned(struct sm_queue *queue, int index, struct sm_entry_id after,
                   struct sm_entry_id *ids, size_t room, size_t *n, struct sm_err *err)
{
    struct sm_redis_queue *q = sm_redis_self(queue);
    char from[SM_ENTRY_ID_TEXT + 1] = "-";
    redisReply *reply;
    *n = 0;
    if (after.ms != 0 || after.seq != 0) {
        from[0] = '(';
        sm_entry_id_format(after, from + 1);
    }
    int rc = append_pending(q, index, from, "+", room, err);
    if (rc == 0)
        rc = sm_conn_flush(&q->conn, err);
    if (rc == 0)
        rc = next(q, &reply, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < reply->elements && *n < room; i++) {
        const redisReply *row = reply->element[i];
        if (row->elements > 0 &&
            sm_entry_id_parse(row->element[0]->str, row->element[0]->len, &ids[*n]))
            (*n)++;
    }
    freeReplyObject(reply);
    return 0;
}

int sm_redis_park(struct sm_queue *queue, int index, struct sm_parking *items, size_t n,
                  struct sm_err *err)
{
    struct sm_redis_queue *q = sm_redis_self(queue);
    const struct sm_redis_keys *keys = &q->keys[index];
    char fresh[SM_REDIS_MOST][96], jobs[SM_REDIS_MOST][SM_ID_TEXT];
    struct sm_words words;
    redisReply *reply;
    SM_ASSERT(n > 0 && n <= SM_REDIS_MOST);
    if (sm_words_init(&words, 5 + 2 * n, 3 * n) != 0)
        return no_memory(err);
    const char *const fixed[] = {keys->jobs, keys->later, keys->tries, keys->cancelled, q->worker};
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        sm_words_add(&words, fixed[i]);
    for (size_t i = 0; i < n; i++) {
        struct sm_tries tries = items[i].tries;
        tries.takes = items[i].owned.takes;
        sm_tries_format(&tries, fresh[i]);
        sm_id_format(&items[i].job, jobs[i]);
        sm_words_add_id(&words, items[i].owned.entry);
        sm_words_add_int(&words, items[i].owned.takes);
        sm_words_add_int(&words, items[i].due_ms);
        sm_words_add(&words, fresh[i]);
        sm_words_add(&words, jobs[i]);
    }
    int rc = sm_redis_script(q, "park", &words, 4, &reply, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < n; i++)
        items[i].parked = i < reply->elements && reply->element[i]->integer == 1;
    freeReplyObject(reply);
    return 0;
}
