/*
 * Looking at queues: read-only commands, bounded scans.
 */
#include "queue/inspect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "queue/redis_queue.h"

struct sm_inspector {
    struct sm_conn conn;
    struct sm_redis_url url;
};

struct sm_inspector *sm_inspector_open(const char *url, struct sm_err *err)
{
    struct sm_inspector *in = calloc(1, sizeof *in);
    if (in == NULL) {
        sm_err_set(err, SM_E_NO_MEMORY, "no memory");
        return NULL;
    }
    in->conn.timeout_ms = 5000;
    if (sm_redis_url_parse(url, &in->url, err) == 0 &&
        sm_conn_open(&in->conn, &in->url, 5000, err) == 0)
        return in;
    free(in);
    return NULL;
}

void sm_inspector_close(struct sm_inspector *in)
{
    if (in == NULL)
        return;
    sm_conn_close(&in->conn);
    free(in);
}

/* A command of words ended by NULL. */
static int ask(struct sm_inspector *in, redisReply **reply, struct sm_err *err,
               const char *const *words)
{
    struct sm_args args = {.n = 0};
    for (; *words != NULL; words++)
        sm_args_add(&args, *words);
    return sm_conn_call_args(&in->conn, &args, reply, err);
}

#define ASK(...) ((const char *const[]){__VA_ARGS__, NULL})

/* ---- queue ls -- */

struct list {
    struct sm_queue_state *states;
    size_t n, room;
};

static int list_add(struct list *list, const char *name, size_t size)
{
    if (!sm_queue_name_valid(name, size))
        return 0; /* somebody else's key */
    for (size_t i = 0; i < list->n; i++)
        if (strlen(list->states[i].name) == size && memcmp(list->states[i].name, name, size) == 0)
            return 0;
    if (list->n == list->room) {
        size_t room = list->room == 0 ? 16 : 2 * list->room;
        void *grown = realloc(list->states, room * sizeof *list->states);
        if (grown == NULL)
            return SM_E_NO_MEMORY;
        list->states = grown;
        list->room = room;
    }
    struct sm_queue_state *state = &list->states[list->n++];
    memset(state, 0, sizeof *state);
    memcpy(state->name, name, size);
    return 0;
}

static int list_registered(struct sm_inspector *in, struct list *list, struct sm_err *err)
{
    redisReply *reply;
    int rc = ask(in, &reply, err, ASK("SMEMBERS", "sm:queues"));
    if (rc != 0)
        return rc;
    for (size_t i = 0; rc == 0 && i < reply->elements; i++)
        rc = list_add(list, reply->element[i]->str, reply->element[i]->len);
    freeReplyObject(reply);
    return rc;
}

/* "sm:{name}:jobs" */
static int add_key(struct list *list, const char *key, size_t size)
{
    return size > 10 ? list_add(list, key + 4, size - 4 - 6) : 0;
}

static int list_scanned(struct sm_inspector *in, struct list *list, struct sm_err *err)
{
    char cursor[32] = "0";
    int rc = 0;
    do {
        redisReply *reply;
        rc = ask(in, &reply, err,
                 ASK("SCAN", cursor, "MATCH", "sm:{*}:jobs", "COUNT", "1000", "TYPE", "stream"));
        if (rc != 0)
            return rc;
        snprintf(cursor, sizeof cursor, "%s", reply->element[0]->str);
        const redisReply *keys = reply->element[1];
        for (size_t i = 0; rc == 0 && i < keys->elements; i++)
            rc = add_key(list, keys->element[i]->str, keys->element[i]->len);
        freeReplyObject(reply);
    } while (rc == 0 && strcmp(cursor, "0") != 0);
    return rc;
}

static int read_pending(struct sm_inspector *in, const struct sm_redis_keys *keys,
                        struct sm_queue_state *state, struct sm_err *err)
{
    redisReply *reply;
    int rc = ask(in, &reply, err, ASK("XPENDING", keys->jobs, "mill"));
    if (rc == SM_E_NO_GROUP)
        return 0;
    if (rc != 0)
        return rc;
    state->has_group = true;
    const redisReply *owners = reply->elements == 4 ? reply->element[3] : NULL;
    for (size_t i = 0; owners != NULL && i < owners->elements; i++) {
        const char *name = owners->element[i]->element[0]->str;
        uint64_t n = strtoull(owners->element[i]->element[1]->str, NULL, 10);
        if (strcmp(name, ":free") == 0)
            state->free = n;
        else if (strcmp(name, ":later") == 0)
            state->later = n;
        else
            state->in_flight += n;
    }
    freeReplyObject(reply);
    return 0;
}

/* A number, or 0 for anything else. */
static int read_number(struct sm_inspector *in, const char *const *words, uint64_t *n,
                       struct sm_err *err)
{
    redisReply *reply;
    int rc = ask(in, &reply, err, words);
    if (rc != 0)
        return rc;
    *n = reply->type == REDIS_REPLY_INTEGER ? (uint64_t)reply->integer : 0;
    freeReplyObject(reply);
    return 0;
}

static int read_oldest(struct sm_inspector *in, const struct sm_redis_keys *keys,
                       struct sm_queue_state *state, struct sm_err *err)
{
    redisReply *reply;
    struct sm_entry_id first;
    uint64_t now = 0;
    int rc = ask(in, &reply, err, ASK("TIME"));
    if (rc != 0)
        return rc;
    if (reply->elements == 2)
        now = strtoull(reply->element[0]->str, NULL, 10) * 1000;
    freeReplyObject(reply);
    state->oldest_ms = -1;
    rc = ask(in, &reply, err, ASK("XRANGE", keys->jobs, "-", "+", "COUNT", "1"));
    if (rc != 0)
        return rc;
    if (reply->elements == 1 && sm_entry_id_parse(reply->element[0]->element[0]->str,
                                                  reply->element[0]->element[0]->len, &first))
        state->oldest_ms = now > first.ms ? (int64_t)(now - first.ms) : 0;
    freeReplyObject(reply);
    return 0;
}

static int read_state(struct sm_inspector *in, struct sm_queue_state *state, struct sm_err *err)
{
    struct sm_redis_keys keys;
    redisReply *reply;
    sm_redis_keys_make(&keys, state->name);
    int rc = read_number(in, ASK("XLEN", keys.jobs), &state->length, err);
    if (rc == 0)
        rc = read_pending(in, &keys, state, err);
    if (rc == 0)
        rc = read_number(in, ASK("ZCARD", keys.workers), &state->workers, err);
    if (rc == 0)
        rc = read_oldest(in, &keys, state, err);
    if (rc == 0 && (rc = ask(in, &reply, err, ASK("HGET", keys.meta, "paused"))) == 0) {
        state->paused = reply->type == REDIS_REPLY_STRING && strcmp(reply->str, "1") == 0;
        freeReplyObject(reply);
    }
    uint64_t held = state->in_flight + state->later;
    state->waiting = state->length > held ? state->length - held : 0;
    return rc;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct sm_queue_state *)a)->name,
                  ((const struct sm_queue_state *)b)->name);
}

int sm_inspect_queues(struct sm_inspector *in, struct sm_queue_state **states, size_t *n,
                      struct sm_err *err)
{
    struct list list = {0};
    int rc = list_registered(in, &list, err);
    if (rc == 0)
        rc = list_scanned(in, &list, err);
    if (rc == SM_E_NO_MEMORY)
        sm_err_set(err, rc, "no memory for the list of queues");
    if (rc == 0 && list.n > 1)
        qsort(list.states, list.n, sizeof *list.states, by_name);
    for (size_t i = 0; rc == 0 && i < list.n; i++)
        rc = read_state(in, &list.states[i], err);
    if (rc != 0) {
        free(list.states);
        list = (struct list){0};
    }
    *states = list.states;
    *n = list.n;
    return rc;
}

/* ---- one entry -- */

static int read_incarnation(struct sm_inspector *in, struct sm_redis_keys *keys, struct sm_err *err)
{
    redisReply *reply;
    int rc = ask(in, &reply, err, ASK("HGET", keys->meta, "incarnation"));
    if (rc != 0)
        return rc;
    if (reply->type == REDIS_REPLY_STRING && reply->len == 32)
        memcpy(keys->incarnation, reply->str, 33);
    freeReplyObject(reply);
    return 0;
}

static int read_owner(struct sm_inspector *in, const struct sm_redis_keys *keys, const char *id,
                      struct sm_entry_state *state, struct sm_err *err)
{
    redisReply *reply;
    int rc = ask(in, &reply, err, ASK("XPENDING", keys->jobs, "mill", id, id, "1"));
    if (rc == SM_E_NO_GROUP)
        return 0;
    if (rc != 0)
        return rc;
    if (reply->elements == 1)
        snprintf(state->owner, sizeof state->owner, "%s", reply->element[0]->element[1]->str);
    freeReplyObject(reply);
    rc = ask(in, &reply, err, ASK("ZSCORE", keys->later, id));
    if (rc != 0)
        return rc;
    if (reply->type == REDIS_REPLY_STRING)
        state->due_ms = strtoll(reply->str, NULL, 10);
    freeReplyObject(reply);
    return 0;
}

int sm_inspect_entry(struct sm_inspector *in, const char *queue, struct sm_entry_id entry,
                     struct sm_entry_state *state, struct sm_err *err)
{
    struct sm_redis_queue view = {.entry_limit = SIZE_MAX, .keys_n = 1};
    struct sm_intake intake = {.items = &state->delivery, .room = 1};
    char id[SM_ENTRY_ID_TEXT];
    redisReply *reply;
    memset(state, 0, sizeof *state);
    sm_redis_keys_make(&view.keys[0], queue);
    sm_entry_id_format(entry, id);
    int rc = read_incarnation(in, &view.keys[0], err);
    if (rc == 0)
        rc = ask(in, &reply, err, ASK("XRANGE", view.keys[0].jobs, id, id));
    if (rc != 0)
        return rc;
    if (reply->elements != 1)
        rc = sm_err_set(err, SM_E_NOT_FOUND, "%s/%s: not in the queue (any more)", queue, id);
    else
        rc = sm_redis_deliver(&view, 0, reply->element[0], &intake, err);
    freeReplyObject(reply);
    return rc != 0 ? rc : read_owner(in, &view.keys[0], id, state, err);
}

void sm_entry_state_free(struct sm_entry_state *state)
{
    sm_job_free(&state->delivery.job);
    free(state->delivery.error_text);
    memset(state, 0, sizeof *state);
}

int sm_inspect_job_id(struct sm_inspector *in, const char *queue, struct sm_entry_id entry,
                      struct sm_id *id, struct sm_err *err)
{
    struct sm_entry_state state;
    struct sm_redis_keys keys;
    int rc = sm_inspect_entry(in, queue, entry, &state, err);
    if (rc == 0) {
        *id = state.delivery.job.id;
        sm_entry_state_free(&state);
        return 0;
    }
    if (rc != SM_E_NOT_FOUND)
        return rc;
    sm_redis_keys_make(&keys, queue);
    rc = read_incarnation(in, &keys, err);
    if (rc == 0 && keys.incarnation[0] == '\0')
        rc = sm_err_set(err, SM_E_NOT_FOUND, "%s: no such queue, or no worker ever came to it",
                        queue);
    if (rc == 0)
        *id = sm_entry_job_id(keys.incarnation, queue, entry);
    return rc;
}

/* ---- finding a job by its id -- */

static int find_in(struct sm_inspector *in, const char *queue, const struct sm_id *id,
                   const char *most, struct sm_entry_state *state, struct sm_err *err)
{
    struct sm_redis_queue view = {.entry_limit = SIZE_MAX, .keys_n = 1};
    redisReply *reply;
    sm_redis_keys_make(&view.keys[0], queue);
    int rc = read_incarnation(in, &view.keys[0], err);
    if (rc == 0)
        rc = ask(in, &reply, err, ASK("XREVRANGE", view.keys[0].jobs, "+", "-", "COUNT", most));
    if (rc != 0)
        return rc;
    rc = SM_E_NOT_FOUND;
    for (size_t i = 0; rc == SM_E_NOT_FOUND && i < reply->elements; i++) {
        struct sm_intake intake = {.items = &state->delivery, .room = 1};
        memset(state, 0, sizeof *state);
        if (sm_redis_deliver(&view, 0, reply->element[i], &intake, err) != 0)
            continue;
        if (memcmp(&state->delivery.job.id, id, sizeof *id) == 0)
            rc = 0;
        else
            sm_entry_state_free(state);
    }
    freeReplyObject(reply);
    return rc;
}

int sm_inspect_find(struct sm_inspector *in, const struct sm_id *id, size_t most, char *queue,
                    struct sm_entry_state *state, struct sm_err *err)
{
    struct sm_queue_state *states;
    char counted[24], entry[SM_ENTRY_ID_TEXT];
    size_t n;
    int rc = sm_inspect_queues(in, &states, &n, err);
    if (rc != 0)
        return rc;
    snprintf(counted, sizeof counted, "%zu", most);
    rc = SM_E_NOT_FOUND;
    for (size_t i = 0; rc == SM_E_NOT_FOUND && i < n; i++) {
        rc = find_in(in, states[i].name, id, counted, state, err);
        if (rc == 0) {
            struct sm_redis_keys keys;
            strcpy(queue, states[i].name);
            sm_redis_keys_make(&keys, queue);
            sm_entry_id_format(state->delivery.entry, entry);
            rc = read_owner(in, &keys, entry, state, err);
        }
    }
    free(states);
    if (rc == SM_E_NOT_FOUND)
        sm_err_set(err, rc, "no such job among the newest %zu of each queue", most);
    return rc;
}

/* ---- doctor -- */

static void info(const char *text, const char *name, char *value, size_t room)
{
    const char *at = strstr(text, name);
    value[0] = '\0';
    if (at == NULL)
        return;
    at += strlen(name);
    snprintf(value, room, "%.*s", (int)strcspn(at, "\r\n"), at);
}

int sm_inspect_health(struct sm_inspector *in, struct sm_redis_health *health, struct sm_err *err)
{
    char text[48];
    redisReply *reply;
    memset(health, 0, sizeof *health);
    int rc = ask(in, &reply, err, ASK("INFO"));
    if (rc != 0)
        return rc;
    info(reply->str, "\nredis_version:", health->version, sizeof health->version);
    info(reply->str, "\nvalkey_version:", text, sizeof text);
    health->valkey = text[0] != '\0';
    info(reply->str, "\nrole:", health->role, sizeof health->role);
    info(reply->str, "\nmaxmemory_policy:", health->policy, sizeof health->policy);
    info(reply->str, "\nredis_mode:", text, sizeof text);
    health->cluster = strcmp(text, "cluster") == 0;
    info(reply->str, "\naof_enabled:", text, sizeof text);
    health->aof = strcmp(text, "1") == 0;
    info(reply->str, "\naof_last_write_status:", text, sizeof text);
    health->aof_ok = strcmp(text, "ok") == 0;
    info(reply->str, "\nused_memory:", text, sizeof text);
    health->used_memory = strtoull(text, NULL, 10);
    info(reply->str, "\nmaxmemory:", text, sizeof text);
    health->max_memory = strtoull(text, NULL, 10);
    freeReplyObject(reply);
    if (ask(in, &reply, err, ASK("EVAL", "return 1", "0")) == 0) {
        health->scripts = true;
        freeReplyObject(reply);
    }
    return 0;
}
