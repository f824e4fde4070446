/*
 * The queues that exist, and how each stands. A queue that no worker ever served is in no list: it
 * is found by its stream's name, by SCAN. The formula of what waits needs no `lag`, which is nil in
 * normal work (queue/PROTOCOL.md, "Counting"). Thread: the caller's.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "queue/inspect_call.h"

#define ALIVE_MS 10000 /* two leases */

struct names {
    char **name;
    size_t n, room;
};

static int add_name(struct names *names, const char *name, size_t size, struct sm_err *err)
{
    if (!sm_queue_name_valid(name, size))
        return 0; /* not made by this protocol */
    if (names->n == names->room) {
        size_t room = names->room == 0 ? 16 : 2 * names->room;
        char **more = realloc(names->name, room * sizeof *more);
        if (more == NULL)
            return sm_err_set(err, SM_E_NO_MEMORY, "no memory for queue names");
        names->name = more;
        names->room = room;
    }
    names->name[names->n] = strndup(name, size);
    if (names->name[names->n] == NULL)
        return sm_err_set(err, SM_E_NO_MEMORY, "no memory for queue names");
    names->n++;
    return 0;
}

static int add_listed(struct sm_inspector *in, struct names *names, struct sm_err *err)
{
    redisReply *reply;
    int rc = sm_inspect_call(in, &reply, err, "SMEMBERS", "sm:queues", (char *)NULL);
    if (rc != 0)
        return rc;
    for (size_t i = 0; rc == 0 && i < reply->elements; i++)
        rc = add_name(names, reply->element[i]->str, reply->element[i]->len, err);
    freeReplyObject(reply);
    return rc;
}

static int add_page(const redisReply *keys, struct names *names, struct sm_err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < keys->elements; i++) {
        const redisReply *key = keys->element[i];
        if (key->len > 10) /* sm:{...}:jobs */
            rc = add_name(names, key->str + 4, key->len - 10, err);
    }
    return rc;
}

static int add_scanned(struct sm_inspector *in, struct names *names, struct sm_err *err)
{
    char cursor[32] = "0";
    int rc;
    do {
        redisReply *reply;
        rc = sm_inspect_call(in, &reply, err, "SCAN", cursor, "MATCH", "sm:{*}:jobs", "COUNT",
                             "1000", "TYPE", "stream", (char *)NULL);
        if (rc != 0)
            return rc;
        if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2)
            rc = sm_err_set(err, SM_E_SERVER, "Redis: SCAN answered in an unknown form");
        else
            rc = add_page(reply->element[1], names, err);
        if (rc == 0)
            snprintf(cursor, sizeof cursor, "%s", reply->element[0]->str);
        freeReplyObject(reply);
    } while (rc == 0 && strcmp(cursor, "0") != 0);
    return rc;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void drop_twins(struct names *names)
{
    size_t kept = 0;
    if (names->n > 0)
        qsort(names->name, names->n, sizeof *names->name, by_name);
    for (size_t i = 0; i < names->n; i++) {
        if (kept > 0 && strcmp(names->name[i], names->name[kept - 1]) == 0)
            free(names->name[i]);
        else
            names->name[kept++] = names->name[i];
    }
    names->n = kept;
}

void sm_inspect_names_free(char **names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(names[i]);
    free(names);
}

int sm_inspect_names(struct sm_inspector *in, char ***names, size_t *n, struct sm_err *err)
{
    struct names all = {0};
    int rc = add_listed(in, &all, err);
    if (rc == 0)
        rc = add_scanned(in, &all, err);
    if (rc != 0) {
        sm_inspect_names_free(all.name, all.n);
        return rc;
    }
    drop_twins(&all);
    *names = all.name;
    *n = all.n;
    return 0;
}

/* ---- the state of one -- */

static int64_t integer(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_INTEGER ? reply->integer : 0;
}

/* Asks for one integer. */
static int count(struct sm_inspector *in, uint64_t *value, struct sm_err *err, const char *verb,
                 const char *key, const char *from, const char *to)
{
    redisReply *reply;
    int rc = sm_inspect_call(in, &reply, err, verb, key, from, to, (char *)NULL);
    if (rc == 0) {
        *value = (uint64_t)integer(reply);
        freeReplyObject(reply);
    }
    return rc;
}

static int read_clock(struct sm_inspector *in, struct sm_err *err)
{
    redisReply *reply;
    int rc = sm_inspect_call(in, &reply, err, "TIME", (char *)NULL);
    if (rc != 0)
        return rc;
    if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 2)
        in->now_ms = strtoll(reply->element[0]->str, NULL, 10) * 1000 +
                     strtoll(reply->element[1]->str, NULL, 10) / 1000;
    freeReplyObject(reply);
    return 0;
}

/* [min, max and] the pending entries of each consumer, from the summary of XPENDING. */
static int read_owners(struct sm_inspector *in, struct sm_queue_state *state, struct sm_err *err)
{
    redisReply *reply;
    int rc = sm_inspect_call(in, &reply, err, "XPENDING", in->q.keys[0].jobs, "mill", (char *)NULL);
    if (rc == SM_E_NO_GROUP)
        return 0;
    if (rc != 0)
        return rc;
    state->has_group = true;
    const redisReply *rows = reply->elements == 4 ? reply->element[3] : NULL;
    for (size_t i = 0; rows != NULL && i < rows->elements; i++) {
        const redisReply *row = rows->element[i];
        uint64_t n = row->elements == 2 ? strtoull(row->element[1]->str, NULL, 10) : 0;
        if (n > 0 && strcmp(row->element[0]->str, ":free") == 0)
            state->free = n;
        else if (n > 0 && strcmp(row->element[0]->str, ":later") == 0)
            state->later = n;
        else
            state->in_flight += n;
    }
    freeReplyObject(reply);
    uint64_t gone = state->in_flight + state->later;
    state->waiting = state->length > gone ? state->length - gone : 0;
    return 0;
}

static int read_paused(struct sm_inspector *in, struct sm_queue_state *state, struct sm_err *err)
{
    redisReply *reply;
    int rc = sm_inspect_call(in, &reply, err, "HGET", in->q.keys[0].meta, "paused", (char *)NULL);
    if (rc != 0)
        return rc;
    state->paused = reply->type == REDIS_REPLY_STRING && strcmp(reply->str, "1") == 0;
    freeReplyObject(reply);
    return 0;
}

static int read_oldest(struct sm_inspector *in, struct sm_queue_state *state, struct sm_err *err)
{
    const char *argv[] = {in->q.keys[0].jobs};
    const size_t sizes[] = {strlen(argv[0])};
    struct sm_entry_id first;
    redisReply *reply;
    state->oldest_ms = -1;
    if (state->length == 0)
        return 0;
    int rc = sm_script_call(&in->q.conn, "first", 1, 1, argv, sizes, &reply, err);
    if (rc != 0)
        return rc;
    if (reply->type == REDIS_REPLY_STRING && sm_entry_id_parse(reply->str, reply->len, &first))
        state->oldest_ms = in->now_ms > (int64_t)first.ms ? in->now_ms - (int64_t)first.ms : 0;
    freeReplyObject(reply);
    return 0;
}

static int read_state(struct sm_inspector *in, struct sm_queue_state *state, struct sm_err *err)
{
    const struct sm_redis_keys *keys = &in->q.keys[0];
    char since[24];
    snprintf(since, sizeof since, "%" PRId64, in->now_ms - ALIVE_MS);
    int rc = count(in, &state->length, err, "XLEN", keys->jobs, NULL, NULL);
    state->waiting = state->length;
    if (rc == 0)
        rc = read_owners(in, state, err);
    if (rc == 0)
        rc = count(in, &state->workers, err, "ZCOUNT", keys->workers, since, "+inf");
    if (rc == 0)
        rc = read_paused(in, state, err);
    return rc == 0 ? read_oldest(in, state, err) : rc;
}

int sm_inspect_queues(struct sm_inspector *in, struct sm_queue_state **states, size_t *n,
                      struct sm_err *err)
{
    char **names = NULL;
    struct sm_queue_state *all = NULL;
    int rc = sm_inspect_names(in, &names, n, err);
    if (rc != 0)
        return rc;
    all = calloc(*n == 0 ? 1 : *n, sizeof *all);
    rc = all == NULL ? sm_err_set(err, SM_E_NO_MEMORY, "no memory for %zu queues", *n)
                     : read_clock(in, err);
    for (size_t i = 0; rc == 0 && i < *n; i++) {
        snprintf(all[i].name, sizeof all[i].name, "%s", names[i]);
        rc = sm_inspect_look_at(in, names[i], err);
        if (rc == 0)
            rc = read_state(in, &all[i], err);
    }
    sm_inspect_names_free(names, *n);
    if (rc != 0) {
        free(all);
        return rc;
    }
    *states = all;
    return 0;
}
