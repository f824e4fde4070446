/*
 * The calls about workers: who is alive, what a death says of the entries it left, and what is
 * asked of jobs in hand. All by scripts that use Redis's clock and check before they write.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "queue/redis_queue.h"

static int no_memory(struct sm_err *err)
{
    return sm_err_set(err, SM_E_NO_MEMORY, "no memory for a command");
}

static int64_t number_of(const redisReply *reply)
{
    if (reply->type == REDIS_REPLY_INTEGER)
        return reply->integer;
    return reply->str == NULL ? 0 : strtoll(reply->str, NULL, 10);
}

int sm_redis_beat(struct sm_queue *queue, int index, int64_t lease_ms, struct sm_beat *beat,
                  struct sm_err *err)
{
    struct sm_redis_queue *q = sm_redis_self(queue);
    const struct sm_redis_keys *keys = &q->keys[index];
    const char *const fixed[] = {keys->workers, keys->meta,  keys->jobs, keys->cancelled,
                                 keys->later,   keys->tries, q->worker};
    struct sm_words words;
    redisReply *reply;
    if (sm_words_init(&words, 7, 1) != 0)
        return no_memory(err);
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        sm_words_add(&words, fixed[i]);
    sm_words_add_int(&words, lease_ms);
    int rc = sm_redis_script(q, "beat", &words, 6, &reply, err);
    if (rc != 0)
        return rc;
    if (reply->elements == 5) {
        beat->redis_ms = number_of(reply->element[0]);
        beat->group_missing = number_of(reply->element[1]) != 0;
        beat->paused = number_of(reply->element[2]) != 0;
        beat->last_seen_ms = number_of(reply->element[3]);
        beat->cancel_ms = number_of(reply->element[4]);
    } else {
        rc = sm_err_set(err, SM_E_SERVER, "Redis: beat answered in an unknown form");
    }
    freeReplyObject(reply);
    return rc;
}

int sm_redis_census(struct sm_queue *queue, int index, struct sm_peer *peers, size_t room,
                    size_t *n, int64_t *redis_ms, struct sm_err *err)
{
    struct sm_redis_queue *q = sm_redis_self(queue);
    const struct sm_redis_keys *keys = &q->keys[index];
    const char *argv[] = {keys->jobs, keys->workers, keys->meta, q->worker};
    const size_t sizes[] = {strlen(argv[0]), strlen(argv[1]), strlen(argv[2]), strlen(argv[3])};
    redisReply *reply;
    *n = 0;
    int rc = sm_script_call(&q->conn, "census", 3, 4, argv, sizes, &reply, err);
    if (rc != 0)
        return rc;
    if (reply->elements > 0)
        *redis_ms = number_of(reply->element[0]);
    for (size_t i = 1; i + 2 < reply->elements && *n < room; i += 3) {
        struct sm_peer *peer = &peers[*n];
        if (reply->element[i]->len >= sizeof peer->worker)
            continue; /* a foreign consumer, not named by this protocol */
        strcpy(peer->worker, reply->element[i]->str);
        peer->seen_ms = number_of(reply->element[i + 1]);
        peer->lease_ms = number_of(reply->element[i + 2]);
        (*n)++;
    }
    freeReplyObject(reply);
    return 0;
}

/* Adds the names of a report that are not there yet. */
static void add_types(char *types, size_t room, const char *text)
{
    char name[SM_QUEUE_NAME_MAX + 3];
    for (size_t n; *text != '\0'; text += n + (text[n] == ' ')) {
        n = strcspn(text, " ");
        if (n == 0 || n > SM_QUEUE_NAME_MAX)
            continue;
        snprintf(name, sizeof name, " %.*s ", (int)n, text);
        size_t used = strlen(types);
        if (strstr(types, name) == NULL && used + n + 3 <= room)
            strcpy(types + used, name);
    }
}

int sm_redis_offers(struct sm_queue *queue, const struct sm_peer *peers, size_t n, char *types,
                    size_t room, struct sm_err *err)
{
    struct sm_redis_queue *q = sm_redis_self(queue);
    int rc = 0;
    types[0] = '\0';
    for (size_t i = 0; rc == 0 && i < n; i++) {
        char key[64];
        struct sm_args args = {.n = 0};
        redisReply *reply;
        snprintf(key, sizeof key, "sm:worker:%s", peers[i].worker);
        sm_args_add(&args, "HGET");
        sm_args_add(&args, key);
        sm_args_add(&args, "types");
        rc = sm_conn_call_args(&q->conn, &args, &reply, err);
        if (rc != 0)
            break;
        if (reply->str != NULL)
            add_types(types, room, reply->str);
        freeReplyObject(reply);
    }
    return rc;
}

int sm_redis_report(struct sm_queue *queue, const char *const *pairs, size_t n, int64_t ttl_ms,
                    struct sm_err *err)
{
    struct sm_redis_queue *q = sm_redis_self(queue);
    char key[64];
    struct sm_words words;
    redisReply *reply;
    if (sm_words_init(&words, 1 + 2 * n, 1) != 0)
        return no_memory(err);
    snprintf(key, sizeof key, "sm:worker:%s", q->worker);
    sm_words_add(&words, key);
    sm_words_add_int(&words, ttl_ms);
    for (size_t i = 0; i < 2 * n; i++)
        sm_words_add(&words, pairs[i]);
    int rc = sm_redis_script(q, "report", &words, 1, &reply, err);
    if (rc == 0)
        freeReplyObject(reply);
    return rc;
}

/* "!ms-seq" */
static void faulted_text(struct sm_entry_id id, char text[SM_ENTRY_ID_TEXT + 1])
{
    text[0] = '!';
    sm_entry_id_format(id, text + 1);
}

int sm_redis_reclaim(struct sm_queue *queue, int index, const char *worker, int64_t seen_ms,
                     unsigned most, const struct sm_doubt *doubt, uint64_t *moved, uint64_t *left,
                     struct sm_err *err)
{
    struct sm_redis_queue *q = sm_redis_self(queue);
    const struct sm_redis_keys *keys = &q->keys[index];
    char faulted[SM_ENTRY_ID_TEXT + 1];
    struct sm_words words;
    redisReply *reply;
    if (sm_words_init(&words, 8, 2 + doubt->running_n) != 0)
        return no_memory(err);
    const char *const fixed[] = {keys->jobs, keys->workers, keys->tries, keys->meta, worker};
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        sm_words_add(&words, fixed[i]);
    sm_words_add_int(&words, seen_ms);
    sm_words_add_int(&words, most > SM_REDIS_MOST ? SM_REDIS_MOST : most);
    sm_words_add(&words, doubt->all ? "all" : "listed");
    sm_words_add(&words, doubt->known ? "1" : "0");
    for (size_t i = 0; i < doubt->running_n; i++)
        sm_words_add_id(&words, doubt->running[i]);
    if (doubt->has_faulted) {
        faulted_text(doubt->faulted, faulted);
        sm_words_add(&words, faulted);
    }
    int rc = sm_redis_script(q, "reclaim", &words, 4, &reply, err);
    if (rc != 0)
        return rc;
    if (reply->elements != 2 || reply->element[0]->integer < 0) {
        rc = sm_err_set(err, SM_E_CONFLICT, "worker %s has beaten meanwhile", worker);
    } else {
        *moved = (uint64_t)reply->element[0]->integer;
        *left = (uint64_t)reply->element[1]->integer;
    }
    freeReplyObject(reply);
    return rc;
}

int sm_redis_charge(struct sm_queue *queue, int index, struct sm_owned item, struct sm_err *err)
{
    struct sm_redis_queue *q = sm_redis_self(queue);
    const struct sm_redis_keys *keys = &q->keys[index];
    const char *const fixed[] = {keys->jobs, keys->tries, keys->meta, q->worker};
    struct sm_words words;
    redisReply *reply;
    if (sm_words_init(&words, 4, 2) != 0)
        return no_memory(err);
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        sm_words_add(&words, fixed[i]);
    sm_words_add_id(&words, item.entry);
    sm_words_add_int(&words, item.takes);
    int rc = sm_redis_script(q, "charge", &words, 3, &reply, err);
    if (rc != 0)
        return rc;
    int64_t answer = number_of(reply);
    freeReplyObject(reply);
    if (answer < 0)
        return sm_err_set(err, SM_E_CONFLICT, "the entry is no longer owned");
    return answer == 1 ? 0 : 1;
}

int sm_redis_pardon(struct sm_queue *queue, int index, const struct sm_entry_id *ids, size_t n,
                    struct sm_err *err)
{
    struct sm_redis_queue *q = sm_redis_self(queue);
    struct sm_words words;
    redisReply *reply;
    SM_ASSERT(n <= SM_REDIS_MOST);
    if (sm_words_init(&words, 2, n) != 0)
        return no_memory(err);
    sm_words_add(&words, q->keys[index].jobs);
    sm_words_add(&words, q->keys[index].tries);
    for (size_t i = 0; i < n; i++)
        sm_words_add_id(&words, ids[i]);
    int rc = sm_redis_script(q, "pardon", &words, 2, &reply, err);
    if (rc == 0)
        freeReplyObject(reply);
    return rc;
}

int sm_redis_cancelled(struct sm_queue *queue, int index, const struct sm_id *jobs, size_t n,
                       int64_t *since_ms, struct sm_err *err)
{
    struct sm_redis_queue *q = sm_redis_self(queue);
    char text[SM_REDIS_MOST][SM_ID_TEXT];
    struct sm_words words;
    redisReply *reply = NULL;
    SM_ASSERT(n > 0 && n <= SM_REDIS_MOST);
    if (sm_words_init(&words, 2 + n, 0) != 0)
        return no_memory(err);
    sm_words_add(&words, "ZMSCORE");
    sm_words_add(&words, q->keys[index].cancelled);
    for (size_t i = 0; i < n; i++) {
        sm_id_format(&jobs[i], text[i]);
        sm_words_add(&words, text[i]);
    }
    int rc = sm_conn_call(&q->conn, words.n, words.arg, words.size, &reply, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        since_ms[i] = i < reply->elements ? number_of(reply->element[i]) : 0;
    if (reply != NULL)
        freeReplyObject(reply);
    sm_words_free(&words);
    return rc;
}
