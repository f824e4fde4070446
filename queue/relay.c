/*
 * The relay's side of the queue on Redis. Entries are added by plain XADD, pipelined; everything
 * else is a script. A refusal concerns its entry alone, a lost answer all that come after it.
 */
#include "queue/relay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/uuid.h"
#include "queue/redis_queue.h"

#define TIMEOUT_MS 2000

struct redis_relay {
    struct sm_relay base; /* first: the calls cast back */
    struct sm_conn conn;
    struct sm_redis_url url;
};

static struct redis_relay *self(struct sm_relay *relay)
{
    return (struct redis_relay *)relay;
}

static int r_connect(struct sm_relay *relay, int wait_ms, struct sm_err *err)
{
    struct redis_relay *r = self(relay);
    int rc = sm_conn_open(&r->conn, &r->url, wait_ms, err);
    return rc == 0 ? sm_conn_identify(&r->conn, err) : rc;
}

/* Notes that the queue is ours, unless it is another's. */
static int claim_home(struct redis_relay *r, const struct sm_redis_keys *keys, const char *home,
                      struct sm_err *err)
{
    const char *argv[] = {keys->meta, home};
    const size_t sizes[] = {strlen(keys->meta), strlen(home)};
    redisReply *reply;
    int rc = sm_script_call(&r->conn, "claim", 1, 2, argv, sizes, &reply, err);
    if (rc != 0)
        return rc;
    if (reply->type != REDIS_REPLY_STRING)
        rc = sm_err_set(err, SM_E_SERVER, "Redis: claim: not the answer that was expected");
    else if (strcmp(reply->str, home) != 0)
        rc =
            sm_err_set(err, SM_E_FOREIGN,
                       "queue %s: this Redis belongs to another database (\"home\" in %s is %.32s, "
                       "ours is %s); HDEL %s home gives it to the first that comes",
                       keys->name, keys->meta, reply->str, home, keys->meta);
    freeReplyObject(reply);
    return rc;
}

static int r_claim(struct sm_relay *relay, const char *queue, const char *home,
                   char incarnation[SM_INCARNATION_TEXT], struct sm_err *err)
{
    struct redis_relay *r = self(relay);
    struct sm_redis_keys keys;
    unsigned char random[16];
    char fresh[SM_INCARNATION_TEXT];
    redisReply *reply;
    sm_redis_keys_make(&keys, queue);
    sm_random(random, sizeof random);
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(fresh + 2 * i, 3, "%02x", random[i]);
    const char *argv[] = {keys.jobs, keys.meta, fresh};
    const size_t sizes[] = {strlen(keys.jobs), strlen(keys.meta), 32};
    int rc = claim_home(r, &keys, home, err);
    if (rc == 0)
        rc = sm_script_call(&r->conn, "open", 2, 3, argv, sizes, &reply, err);
    if (rc != 0)
        return rc;
    if (reply->type == REDIS_REPLY_ARRAY && reply->elements > 0 &&
        reply->element[0]->len == SM_INCARNATION_TEXT - 1)
        memcpy(incarnation, reply->element[0]->str, SM_INCARNATION_TEXT);
    else
        rc = sm_err_set(err, SM_E_CONFIG, "%s: \"incarnation\" is not 32 hex digits", keys.meta);
    freeReplyObject(reply);
    return rc;
}

/* ---- adding -- */

static int append_add(struct redis_relay *r, const struct sm_relay_entry *entry, struct sm_err *err)
{
    struct sm_redis_keys keys;
    sm_redis_keys_make(&keys, entry->queue);
    const char *argv[] = {"XADD", keys.jobs, "*", "job", entry->envelope.p};
    const size_t sizes[] = {4, strlen(keys.jobs), 1, 3, entry->envelope.n};
    return sm_conn_append(&r->conn, 5, argv, sizes, err);
}

/* One reply of a pipeline. */
static int next(struct redis_relay *r, redisReply **reply, struct sm_err *err)
{
    int rc = sm_conn_reply(&r->conn, TIMEOUT_MS * 1000, reply, err);
    if (rc != 1)
        return rc;
    sm_conn_close(&r->conn);
    return sm_err_set(err, SM_E_TIMEOUT, "Redis: did not answer in time");
}

static int read_added(struct redis_relay *r, struct sm_relay_entry *entry, struct sm_err *err)
{
    redisReply *reply;
    int rc = next(r, &reply, err);
    if (rc != 0)
        return rc;
    if (reply->type != REDIS_REPLY_STRING || !sm_entry_id_parse(reply->str, reply->len, &entry->id))
        rc = sm_err_set(err, SM_E_SERVER, "Redis: XADD: no entry id in the answer");
    freeReplyObject(reply);
    return rc;
}

static int r_add(struct sm_relay *relay, struct sm_relay_entry *entries, size_t n,
                 struct sm_err *err)
{
    struct redis_relay *r = self(relay);
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = append_add(r, &entries[i], err);
    if (rc == 0)
        rc = sm_conn_flush(&r->conn, err);
    for (size_t i = 0; i < n; i++)
        entries[i].code = r->conn.c == NULL ? (rc == 0 ? SM_E_UNREACHABLE : rc)
                                            : (rc = read_added(r, &entries[i], err));
    return r->conn.c == NULL ? rc : 0;
}

/* ---- asking -- */

static int r_alive(struct sm_relay *relay, const char *queue, const struct sm_entry_id *ids,
                   size_t n, bool *alive, struct sm_err *err)
{
    struct redis_relay *r = self(relay);
    struct sm_redis_keys keys;
    struct sm_words words;
    redisReply *reply;
    SM_ASSERT(n <= SM_RELAY_ASK_MOST);
    sm_redis_keys_make(&keys, queue);
    if (sm_words_init(&words, 2, n) != 0)
        return sm_err_set(err, SM_E_NO_MEMORY, "no memory for a command");
    sm_words_add(&words, keys.jobs);
    sm_words_add(&words, keys.tries);
    for (size_t i = 0; i < n; i++)
        sm_words_add_id(&words, ids[i]);
    int rc = sm_script_call(&r->conn, "alive", 2, words.n, words.arg, words.size, &reply, err);
    sm_words_free(&words);
    if (rc != 0)
        return rc;
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != n)
        rc = sm_err_set(err, SM_E_SERVER, "Redis: alive: not the answer that was expected");
    for (size_t i = 0; rc == 0 && i < n; i++)
        alive[i] = reply->element[i]->integer == 1;
    freeReplyObject(reply);
    return rc;
}

static const char *r_run_id(const struct sm_relay *relay)
{
    return ((const struct redis_relay *)relay)->conn.run_id;
}

static void r_close(struct sm_relay *relay)
{
    struct redis_relay *r = self(relay);
    sm_conn_close(&r->conn);
    explicit_bzero(&r->url, sizeof r->url); /* it holds the password */
    free(r);
}

static const struct sm_relay_ops ops = {
    .connect = r_connect,
    .claim = r_claim,
    .add = r_add,
    .alive = r_alive,
    .run_id = r_run_id,
    .close = r_close,
};

struct sm_relay *sm_redis_relay_new(const char *url)
{
    struct redis_relay *r = calloc(1, sizeof *r);
    struct sm_err err;
    if (r == NULL)
        return NULL;
    SM_ASSERT(sm_redis_url_parse(url, &r->url, &err) == 0); /* sm_redis_url_check came first */
    r->base.ops = &ops;
    r->conn.timeout_ms = TIMEOUT_MS;
    return &r->base;
}
