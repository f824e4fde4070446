/*
 * Inspecting: one connection, which is made anew where a call lost it, and what `doctor` asks of
 * Redis. Queues are in inspect_queues.c, entries in inspect_entry.c. Nothing here writes to Redis.
 * Thread: the caller's.
 */
#include "queue/inspect.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "queue/inspect_call.h"

#define WAIT_MS 5000

struct sm_inspector *sm_inspector_open(const char *url, struct sm_err *err)
{
    struct sm_inspector *in = calloc(1, sizeof *in);
    if (in == NULL) {
        sm_err_set(err, SM_E_NO_MEMORY, "no memory for a connection");
        return NULL;
    }
    in->q.conn.timeout_ms = WAIT_MS;
    if (sm_redis_url_parse(url, &in->q.url, err) != 0 ||
        sm_conn_open(&in->q.conn, &in->q.url, WAIT_MS, err) != 0) {
        sm_inspector_close(in);
        return NULL;
    }
    return in;
}

void sm_inspector_close(struct sm_inspector *in)
{
    if (in == NULL)
        return;
    sm_conn_close(&in->q.conn);
    sm_scan_free(&in->q.scan);
    free(in->q.in);
    explicit_bzero(&in->q.url, sizeof in->q.url); /* it holds the password */
    free(in);
}

int sm_inspect_call(struct sm_inspector *in, redisReply **reply, struct sm_err *err, ...)
{
    struct sm_args args = {.n = 0};
    va_list words;
    int rc = in->q.conn.c != NULL ? 0 : sm_conn_open(&in->q.conn, &in->q.url, WAIT_MS, err);
    *reply = NULL;
    if (rc != 0)
        return rc;
    va_start(words, err);
    for (const char *word; (word = va_arg(words, const char *)) != NULL;)
        sm_args_add(&args, word);
    va_end(words);
    return sm_conn_call_args(&in->q.conn, &args, reply, err);
}

int sm_inspect_look_at(struct sm_inspector *in, const char *queue, struct sm_err *err)
{
    struct sm_redis_keys *keys = &in->q.keys[0];
    redisReply *reply;
    if (!sm_queue_name_valid(queue, strlen(queue)))
        return sm_err_set(err, SM_E_USAGE, "queue: \"%s\" is not 1 to 64 of a-z A-Z 0-9 . _ -",
                          queue);
    sm_redis_keys_make(keys, queue);
    int rc = sm_inspect_call(in, &reply, err, "HGET", keys->meta, "incarnation", (char *)NULL);
    if (rc != 0)
        return rc;
    if (reply->type == REDIS_REPLY_STRING && reply->len == SM_INCARNATION_TEXT - 1)
        memcpy(keys->incarnation, reply->str, SM_INCARNATION_TEXT);
    freeReplyObject(reply);
    return 0;
}

/* ---- health -- */

/* The value of a line "name:value"; "" when there is none such. */
static void line_of(const char *info, const char *name, char *value, size_t room)
{
    size_t n = strlen(name);
    value[0] = '\0';
    for (const char *at = info; at != NULL; at = strchr(at, '\n')) {
        at += *at == '\n';
        if (strncmp(at, name, n) == 0 && at[n] == ':') {
            snprintf(value, room, "%.*s", (int)strcspn(at + n + 1, "\r\n"), at + n + 1);
            return;
        }
    }
}

static uint64_t number_of(const char *info, const char *name)
{
    char text[32];
    line_of(info, name, text, sizeof text);
    return strtoull(text, NULL, 10);
}

static void read_info(const char *info, struct sm_redis_health *h)
{
    char text[32];
    line_of(info, "valkey_version", h->version, sizeof h->version);
    h->valkey = h->version[0] != '\0';
    if (!h->valkey)
        line_of(info, "redis_version", h->version, sizeof h->version);
    line_of(info, "role", h->role, sizeof h->role);
    line_of(info, "maxmemory_policy", h->policy, sizeof h->policy);
    h->cluster = number_of(info, "cluster_enabled") != 0;
    h->aof = number_of(info, "aof_enabled") != 0;
    line_of(info, "aof_last_write_status", text, sizeof text);
    h->aof_ok = strcmp(text, "ok") == 0;
    h->used_memory = number_of(info, "used_memory");
    h->max_memory = number_of(info, "maxmemory");
}

int sm_inspect_health(struct sm_inspector *in, struct sm_redis_health *health, struct sm_err *err)
{
    redisReply *reply;
    struct sm_err refused;
    memset(health, 0, sizeof *health);
    int rc = sm_inspect_call(in, &reply, err, "INFO", (char *)NULL);
    if (rc != 0)
        return rc;
    if (reply->type == REDIS_REPLY_STRING)
        read_info(reply->str, health);
    freeReplyObject(reply);
    rc = sm_inspect_call(in, &reply, &refused, "EVAL", "#!lua flags=no-writes\nreturn 1", "0",
                         (char *)NULL);
    health->scripts = rc == 0;
    if (reply != NULL)
        freeReplyObject(reply);
    return 0;
}
