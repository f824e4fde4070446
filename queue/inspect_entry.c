/*
 * Single entries: read, decoded, with owner and due time; and the search for a job by its id, which
 * the stream has no index for: pages from the newest on, up to a bound that the caller names.
 * Thread: the caller's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/uuid.h"
#include "queue/inspect_call.h"

#define PAGE 64
#define HEAD_MOST 4096        /* enough to find an id in it */
#define BODY_MOST (64u << 20) /* more than a worker takes */

void sm_entry_state_free(struct sm_entry_state *state)
{
    sm_job_free(&state->delivery.job);
    free(state->delivery.error_text);
    memset(state, 0, sizeof *state);
}

/* An id derived without an incarnation would be another one tomorrow: better none. */
static void clear_unfounded_id(const struct sm_redis_keys *keys, struct sm_delivery *d)
{
    struct sm_id unfounded = sm_entry_job_id("", keys->name, d->entry);
    if (keys->incarnation[0] == '\0' && sm_uuid_compare(&unfounded, &d->job.id) == 0)
        memset(&d->job.id, 0, sizeof d->job.id);
}

/* Reads the page from `from` on; one entry's id is known even where its body is not read. */
static int read_page(struct sm_inspector *in, const char *verb, const char *from, const char *to,
                     size_t entry_limit, struct sm_intake *page, struct sm_err *err)
{
    int rc = sm_redis_range(&in->q, 0, verb, from, to, entry_limit, page, err);
    if (rc != 0)
        sm_redis_forget(page);
    for (size_t i = 0; i < page->n; i++)
        clear_unfounded_id(&in->q.keys[0], &page->items[i]);
    return rc;
}

static int read_body(struct sm_inspector *in, const char *id, struct sm_entry_state *state,
                     struct sm_err *err)
{
    struct sm_intake page = {.items = &state->delivery, .room = 1};
    int rc = read_page(in, "XRANGE", id, id, BODY_MOST, &page, err);
    if (rc == 0 && page.n == 0)
        rc = sm_err_set(err, SM_E_NOT_FOUND, "no entry %s in queue %s", id, in->q.keys[0].name);
    return rc;
}

static int read_owner(struct sm_inspector *in, const char *id, struct sm_entry_state *state,
                      struct sm_err *err)
{
    redisReply *reply;
    int rc = sm_inspect_call(in, &reply, err, "XPENDING", in->q.keys[0].jobs, "mill", id, id, "1",
                             (char *)NULL);
    if (rc == SM_E_NO_GROUP)
        return 0;
    if (rc != 0)
        return rc;
    if (reply->elements == 1 && reply->element[0]->elements >= 2)
        snprintf(state->owner, sizeof state->owner, "%s", reply->element[0]->element[1]->str);
    freeReplyObject(reply);
    return 0;
}

static int read_due(struct sm_inspector *in, const char *id, struct sm_entry_state *state,
                    struct sm_err *err)
{
    redisReply *reply;
    int rc = sm_inspect_call(in, &reply, err, "ZSCORE", in->q.keys[0].later, id, (char *)NULL);
    if (rc != 0)
        return rc;
    if (reply->type == REDIS_REPLY_STRING)
        state->due_ms = strtoll(reply->str, NULL, 10);
    freeReplyObject(reply);
    return 0;
}

static int read_tries(struct sm_inspector *in, const char *id, struct sm_entry_state *state,
                      struct sm_err *err)
{
    redisReply *reply;
    int rc = sm_inspect_call(in, &reply, err, "HGET", in->q.keys[0].tries, id, (char *)NULL);
    if (rc != 0)
        return rc;
    if (reply->type == REDIS_REPLY_STRING)
        sm_tries_parse(reply->str, reply->len, &state->delivery.tries);
    freeReplyObject(reply);
    return 0;
}

int sm_inspect_entry(struct sm_inspector *in, const char *queue, struct sm_entry_id entry,
                     struct sm_entry_state *state, struct sm_err *err)
{
    char id[SM_ENTRY_ID_TEXT];
    memset(state, 0, sizeof *state);
    sm_entry_id_format(entry, id);
    int rc = sm_inspect_look_at(in, queue, err);
    if (rc == 0)
        rc = read_body(in, id, state, err);
    if (rc == 0)
        rc = read_owner(in, id, state, err);
    if (rc == 0)
        rc = read_due(in, id, state, err);
    if (rc == 0)
        rc = read_tries(in, id, state, err);
    if (rc != 0)
        sm_entry_state_free(state);
    return rc;
}

int sm_inspect_job_id(struct sm_inspector *in, const char *queue, struct sm_entry_id entry,
                      struct sm_id *id, struct sm_err *err)
{
    struct sm_entry_state state;
    static const struct sm_id none;
    int rc = sm_inspect_entry(in, queue, entry, &state, err);
    if (rc == 0) {
        *id = state.delivery.job.id;
        sm_entry_state_free(&state);
    } else if (rc == SM_E_NOT_FOUND && in->q.keys[0].incarnation[0] != '\0') {
        *id = sm_entry_job_id(in->q.keys[0].incarnation, queue, entry);
        rc = 0;
    }
    if (rc == 0 && sm_uuid_compare(id, &none) == 0)
        rc = sm_err_set(
            err, SM_E_NOT_FOUND,
            "the entry brought no id, and queue %s has no incarnation to derive one from: "
            "no worker has served it yet",
            queue);
    return rc;
}

/* ---- searching -- */

/* 1: found, 0: not among the newest `most` of this queue. Bodies pass by unread. */
static int search_queue(struct sm_inspector *in, const struct sm_id *id, size_t most,
                        struct sm_entry_id *entry, struct sm_err *err)
{
    char from[SM_ENTRY_ID_TEXT + 1] = "+";
    struct sm_delivery items[PAGE];
    bool found = false, last = false;
    while (!found && !last && most > 0) {
        struct sm_intake page = {.items = items, .room = most < PAGE ? most : PAGE};
        int rc = read_page(in, "XREVRANGE", from, "-", HEAD_MOST, &page, err);
        if (rc != 0)
            return rc;
        for (size_t i = 0; i < page.n && !found; i++) {
            found = sm_uuid_compare(&items[i].job.id, id) == 0;
            *entry = items[i].entry;
        }
        most -= page.room;
        last = page.n < page.room;
        sm_redis_forget(&page);
        from[0] = '('; /* behind the last one seen */
        sm_entry_id_format(*entry, from + 1);
    }
    return found;
}

int sm_inspect_find(struct sm_inspector *in, const struct sm_id *id, size_t most, char *queue,
                    struct sm_entry_state *state, struct sm_err *err)
{
    char **names = NULL;
    size_t n = 0;
    struct sm_entry_id entry = {0, 0};
    int found = 0, rc = sm_inspect_names(in, &names, &n, err);
    for (size_t i = 0; rc == 0 && found == 0 && i < n; i++) {
        rc = sm_inspect_look_at(in, names[i], err);
        if (rc == 0)
            found = search_queue(in, id, most, &entry, err);
        if (found < 0)
            rc = found;
        if (found == 1)
            snprintf(queue, SM_QUEUE_NAME_MAX + 1, "%s", names[i]);
    }
    sm_inspect_names_free(names, n);
    if (rc == 0 && found == 1)
        return sm_inspect_entry(in, queue, entry, state, err);
    return rc != 0 ? rc : sm_err_set(err, SM_E_NOT_FOUND, "no waiting job has this id");
}
